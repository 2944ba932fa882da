"""The links of guests, by which this site hands out a document without a login."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from django.core import signing

from django_craftkit import clock, tenants

from .arguments import LATEST

if TYPE_CHECKING:
    from datetime import datetime

#: So that nothing else that this site signs is taken for a link.
_SALT = "django_craftkit.downloads"


class GuestLink(NamedTuple):
    """What a guest's link says: which attempt at which document, and until when."""

    pk: int
    attempt: int
    #: When the document was requested: another tenant has one of the same number, say.
    requested_at: int
    #: Seconds since 1970.
    expires_at: int

    @classmethod
    def to(cls, render: Any, seconds: float) -> Self:
        return cls(
            render.pk,
            render.attempt,
            _microseconds(render.requested_at),
            math.ceil(clock.seconds() + seconds),
        )

    @classmethod
    def read(cls, token: str) -> Self:
        """Return what a link says; raise ``BadSignature`` for one that this site did not make."""
        said = signing.Signer(salt=tenants.apart(_SALT)).unsign(token)
        return cls(*map(int, said.split("-")))

    @property
    def token(self) -> str:
        return signing.Signer(salt=tenants.apart(_SALT)).sign("-".join(map(str, self)))

    @property
    def has_expired(self) -> bool:
        return clock.seconds() >= self.expires_at

    def is_to(self, render: Any) -> bool:
        """Whether it is a link to this attempt at this document."""
        about = (render.pk, render.attempt, _microseconds(render.requested_at))
        return about == (self.pk, self.attempt, self.requested_at)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def seconds_of(expires: object) -> float:
    """Return for how long a link is to work; raise ``ValueError``."""
    seconds = expires.total_seconds() if isinstance(expires, timedelta) else expires
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not 0 < cast("float", seconds) < math.inf:
        raise ValueError(f"A guest's link expires after seconds or a timedelta, not {expires!r}.")
    if cast("float", seconds) > LATEST.timestamp() - clock.seconds():
        raise ValueError(
            f"expires= leads beyond {LATEST:%Y-%m-%d}, which not every time zone has: write less."
        )
    return float(cast("float", seconds))
