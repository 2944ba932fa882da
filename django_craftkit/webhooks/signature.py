"""The proof that a webhook is Craftkit's.

HMAC-SHA256 of the raw body, in hexadecimal, with the subscription's secret. Neither the time nor
the delivery id is covered: https://docs.craftkit.dev/guides/webhooks
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def sign(body: bytes, secret: bytes) -> str:
    return hmac.digest(secret, body, "sha256").hex()


def is_genuine(body: bytes, signature: str, secrets: Iterable[bytes]) -> bool:
    """Whether any of the secrets made this signature; never raises, whatever the bytes."""
    # compare_digest refuses a str with characters that a header can well hold.
    given = signature.strip().lower().encode("utf-8", "replace")
    genuine = False
    for secret in secrets:
        genuine |= hmac.compare_digest(sign(body, secret).encode(), given)
    return genuine


def is_timely(timestamp: str, tolerance: int | None, now: float) -> bool:
    """Whether a timestamp (seconds since 1970) is within ``tolerance`` seconds, either way."""
    if tolerance is None:
        return True
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    return abs(now - int(timestamp)) <= tolerance
