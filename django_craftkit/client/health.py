"""Whether Craftkit is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.client.encoding import path
from django_craftkit.client.types import Health

if TYPE_CHECKING:
    from django_craftkit.client.transport import Transport
    from django_craftkit.untrusted import JsonObject


def read(transport: Transport) -> Health:
    """See `Craftkit.health`."""
    return transport.call(
        "GET",
        path("v1", "health"),
        lambda body, status: Health.from_json(body),
        repeatable=True,
        anonymous=True,
        also=_is_degraded,
    )


def _is_degraded(status: int, body: JsonObject) -> bool:
    # Of Craftkit's shape, not a proxy's 503 with JSON of its own.
    return status == 503 and isinstance(body.get("status"), str) and "error" not in body
