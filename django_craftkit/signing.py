"""What a signature request is made of: who signs, and where.

    from django_craftkit.signing import AnchorTag, Envelope, Recipient, SignatureField

An `InvalidSignatureRequest` is a `ValueError` whose `field` says what is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django_craftkit.client.envelope import AnchorTag, Recipient, SignatureField, check_signature
from django_craftkit.client.errors import InvalidSignatureRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AnchorTag", "Envelope", "InvalidSignatureRequest", "Recipient", "SignatureField"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who is to sign a declared document, and where: what `sign_with=` of `render_on` returns.

    The values are those of `Render.send_for_signature`.
    """

    recipients: Sequence[Recipient]
    """1 to 20."""
    fields: Sequence[SignatureField] = ()
    anchor_tags: Sequence[AnchorTag] = ()
    name: str = ""
    """What the people read: up to 255 characters."""
    expires_in: timedelta | None = None
    """1 hour to a year; None: a week."""

    def check(self) -> None:
        """Refuse what can't be sent.

        Raises:
            InvalidSignatureRequest: its `field` says what is wrong.
            TypeError: `expires_in` is no timedelta.
        """
        check_signature(
            self.recipients,
            fields=self.fields,
            anchor_tags=self.anchor_tags,
            name=self.name or None,
            expiration_hours=whole_hours(self.expires_in),
        )


def whole_hours(expires_in: timedelta | None) -> int | None:
    """Return a time as Craftkit takes it: an hour that has begun counts."""
    if not isinstance(expires_in, timedelta | None):
        raise TypeError(f"'expires_in' is a {type(expires_in).__name__}, no timedelta.")
    return None if expires_in is None else math.ceil(expires_in.total_seconds() / 3600)
