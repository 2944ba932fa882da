"""Moments as Craftkit has them (aware, UTC) and as this database does (``USE_TZ``)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

from django.conf import settings
from django.utils import timezone

from django_craftkit.models.arguments import EARLIEST, LATEST


@overload
def from_utc(moment: datetime) -> datetime: ...
@overload
def from_utc(moment: datetime | None) -> datetime | None: ...
def from_utc(moment: datetime | None) -> datetime | None:
    """Return a moment of Craftkit's as it is stored here; one that each time zone has."""
    if moment is None:
        return None
    moment = min(max(moment, EARLIEST), LATEST)
    if settings.USE_TZ:
        return moment
    # Not the reader's zone: what staff have carried out in a request is stored as the worker does.
    return timezone.make_naive(moment, timezone.get_default_timezone())


def to_utc(moment: datetime | None) -> datetime | None:
    """Return a stored moment as Craftkit takes it."""
    if moment is None:
        return None
    if timezone.is_naive(moment):
        moment = timezone.make_aware(moment, timezone.get_default_timezone())
    return moment.astimezone(UTC)
