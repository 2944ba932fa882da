"""Content types, in a cache for each tenant.

The ids of one model differ from tenant to tenant, and Django's cache is one for all threads of a
process: what one tenant's thread has read, another's would write into its rows.
"""

from __future__ import annotations

import time
from functools import cache, lru_cache
from typing import Any

from django.contrib.contenttypes.models import ContentType

from django_craftkit import tenants

#: Seconds for which they are kept: a tenant may be deleted, and another made by the same name.
KEPT = 60.0


def content_types(using: str) -> Any:
    """Return the manager of the content types of a database, as the current tenant has them."""
    tenant = tenants.current()
    return _of(using, tenant, int(time.monotonic() / KEPT)) if tenant else _shared(using)


@cache
def _shared(using: str) -> Any:
    # To make a manager takes longer than to find a type in its cache, which all of them share.
    return ContentType.objects.db_manager(using)


@lru_cache(maxsize=1024)
def _of(using: str, _tenant: str, _interval: int) -> Any:
    types: Any = ContentType.objects.db_manager(using)
    types._cache = {}
    return types
