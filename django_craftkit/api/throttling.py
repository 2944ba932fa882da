"""Throttling by what a request does, for ``REST_FRAMEWORK["DEFAULT_THROTTLE_CLASSES"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.settings import api_settings
from rest_framework.throttling import ScopedRateThrottle

from django_craftkit import tenants

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

#: Scopes of ``DEFAULT_THROTTLE_RATES``: what only reads, what writes, what mails people.
READ, WRITE, MAIL = "craftkit-read", "craftkit-write", "craftkit-mail"


class CraftkitThrottle(ScopedRateThrottle):
    """Limits each user by the rates ``craftkit-read``, ``craftkit-write`` and ``craftkit-mail``.

    A scope without a rate has no limit. Views of other apps are not throttled.
    """

    scope_attr = "craftkit_scope"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        key: str | None = super().get_cache_key(request, view)
        # Users of two tenants may have one primary key, and Django's cache is one for all.
        return key and tenants.apart(key)

    def get_rate(self) -> Any:
        # Read when it is used, as all settings of ours are. ``None`` is no limit.
        return (api_settings.DEFAULT_THROTTLE_RATES or {}).get(self.scope or "")
