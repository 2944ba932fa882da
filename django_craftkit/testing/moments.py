"""Moments as Craftkit has them and as a test does."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone

from django_craftkit import clock


def from_seconds(seconds: float) -> datetime:
    """Return a moment of the sandbox's, in seconds since 1970, as this site has it."""
    return clock.moment(datetime.fromtimestamp(seconds, UTC))


def maybe_from_seconds(seconds: float | None) -> datetime | None:
    """Do as ``from_seconds``; nothing is None."""
    return None if seconds is None else from_seconds(seconds)


def as_text(moment: datetime) -> str:
    """Return a moment as Craftkit writes it."""
    if timezone.is_naive(moment):
        moment = timezone.make_aware(moment, timezone.get_default_timezone())
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
