"""Moments as Craftkit writes and reads them (renders-templates.md, section 0)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_ZONE = r"(?:Z|[+-]\d{2}:?\d{2})"
_MOMENT = re.compile(rf"{_DATE}T{_TIME}{_ZONE}")
_DATE_OR_MOMENT = re.compile(rf"{_DATE}(?:T{_TIME}{_ZONE}?)?")


def iso(moment: float) -> str:
    """Seconds since 1970 as `2026-06-05T10:00:00.000Z`."""
    return moment_in_utc(moment).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def iso_or_none(moment: float | None) -> str | None:
    """`iso`, with null for what has not happened."""
    return None if moment is None else iso(moment)


def moment_in_utc(moment: float) -> datetime:
    """Seconds since 1970 as a datetime, rounded to whole milliseconds."""
    seconds, milliseconds = divmod(round(moment * 1000), 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000)


def parse_moment(text: str) -> float | None:
    """Seconds since 1970 of an ISO date-time with a zone; None if it is none."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text).timestamp()
        # At the ends of the calendar an offset, or rounding, leads out of it.
        moment_in_utc(moment)
    except (ValueError, OverflowError):
        return None
    return moment


def is_date(text: str) -> bool:
    """Whether `text` is an ISO date, or an ISO date-time with or without a zone."""
    if not _DATE_OR_MOMENT.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
