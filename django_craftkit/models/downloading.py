"""Addresses at which this site hands out a document, and the links of guests."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from django.core import signing
from django.db import models
from django.urls import reverse

from .exceptions import RenderWithdrawn

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
            math.ceil(time.time() + seconds),
        )

    @classmethod
    def read(cls, token: str) -> Self:
        """Return what a link says; raise ``BadSignature`` for one that this site did not make."""
        said = signing.Signer(salt=_SALT).unsign(token)
        return cls(*map(int, said.split("-")))

    @property
    def token(self) -> str:
        return signing.Signer(salt=_SALT).sign("-".join(map(str, self)))

    @property
    def has_expired(self) -> bool:
        return time.time() >= self.expires_at

    def is_to(self, render: Any) -> bool:
        """Whether it is a link to this attempt at this document."""
        about = (render.pk, render.attempt, _microseconds(render.requested_at))
        return about == (self.pk, self.attempt, self.requested_at)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


class Downloadable(models.Model):
    """What this site hands out itself."""

    class Meta:
        abstract = True

    def get_download_url(
        self, *, guest: bool = False, expires: float | timedelta | None = None
    ) -> str:
        """Return this site's own address of the PDF, without scheme and host.

        Whoever opens it needs the right that ``CRAFTKIT["DOWNLOAD_PERMISSION"]`` names. With
        ``guest`` the address is signed, and whoever has it may open it until it expires, or the
        document is withdrawn. It is one of this attempt: after a ``retry`` it opens nothing.

        Args:
            guest: whether the address is to work without a login.
            expires: seconds, or a ``timedelta``; with ``guest``, and only then.

        Raises:
            NoReverseMatch: ``django_craftkit.urls`` is included nowhere.
            RenderWithdrawn: a guest's link is requested of a document that was withdrawn.
            ValueError: ``expires`` is missing, not above 0, or there without ``guest``.
        """
        if not guest:
            if expires is not None:
                raise ValueError("Only a guest's link expires: write guest=True, too.")
            return reverse("craftkit:download", args=[self.pk])
        render: Any = self
        seconds = _seconds(expires)
        if render.withdrawn_at is not None:
            raise RenderWithdrawn(f"{self} was withdrawn: nobody gets a link to it any more.")
        return reverse("craftkit:guest_download", args=[GuestLink.to(render, seconds).token])


def _seconds(expires: float | timedelta | None) -> float:
    if isinstance(expires, timedelta):
        expires = expires.total_seconds()
    is_number = isinstance(expires, (int, float)) and not isinstance(expires, bool)
    if not is_number or not 0 < expires < math.inf:
        raise ValueError(f"A guest's link expires after seconds or a timedelta, not {expires!r}.")
    return float(expires)
