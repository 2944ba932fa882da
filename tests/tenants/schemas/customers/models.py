"""Who the tenants are."""

from __future__ import annotations

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Client(TenantMixin):
    name = models.CharField(max_length=80)

    auto_create_schema = False  # to copy one is quicker than to migrate it


class Domain(DomainMixin):
    pass
