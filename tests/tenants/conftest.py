from __future__ import annotations

from django.conf import settings

#: By settings of its own: ``test_schemas.py`` runs it.
collect_ignore = [] if hasattr(settings, "TENANT_MODEL") else ["schemas"]
