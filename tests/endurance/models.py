"""The rows of the business, and what its receivers have heard."""

from __future__ import annotations

from django.db import models


class Deal(models.Model):
    """What a document is declared for."""

    key = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=16)
    revision = models.PositiveIntegerField(default=0)


class Heard(models.Model):
    """One call of the receiver that records; the same change may have several."""

    change = models.BigIntegerField()
