"""Session tokens: JSON Web Tokens (RFC 7519), signed by HMAC-SHA256.

Craftkit signs its own with Ed25519 (signatures-webhooks-embed.md, section 4.3), which Python's
standard library doesn't have. Nobody but who made a token checks it, so only the header differs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Signer:
    """Signs claims, and reads them back from tokens of its own."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._header = _encode({"alg": "HS256", "typ": "JWT", "kid": secrets.token_hex(8)})

    def sign(self, claims: Mapping[str, object]) -> str:
        """The token of some claims."""
        signed = f"{self._header}.{_encode(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token, in time or not; None for one that was not made here."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        claims: dict[str, Any] = json.loads(_decode(signed.partition(".")[2]))
        return claims

    def _signature(self, signed: str) -> str:
        return _base64(hmac.digest(self._secret, signed.encode(), hashlib.sha256))


def _encode(content: Mapping[str, object]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
