"""How long ago something was, since when it is so, and why, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext, npgettext_lazy

if TYPE_CHECKING:
    from datetime import datetime

    from django_craftkit.models import ProjectState

#: Characters of a reason that a line shows; the page of the project shows more.
LONGEST_REASON = 400
# Django's own words stand alone; after "ago" and "for" many languages want another case.
_UNITS: Any = {
    "year": npgettext_lazy("ago", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("ago", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("ago", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("ago", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("ago", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("ago", "%(num)d minute", "%(num)d minutes", "num"),
}


def ago(moment: datetime, now: datetime) -> str:
    """Return "3 hours ago": the largest unit, seconds where it is less than a minute."""
    seconds = max(int((now - moment).total_seconds()), 0)
    if seconds < 60:
        return ngettext("%d second ago", "%d seconds ago", seconds) % seconds
    return gettext("%s ago") % timesince(moment, now, time_strings=_UNITS, depth=1)


def since(moment: datetime, now: datetime) -> str:
    """Return what stands after "for": "2 hours, 7 minutes"."""
    return timesince(moment, now, time_strings=_UNITS)


def why_paused(state: ProjectState, *, sees_settings: bool = False) -> str:
    """Return why a project is paused; what is wrong with settings, only to who may see them."""
    if state.pause_code == "not_configured" and not sees_settings:
        return gettext("Its settings are wrong.")
    return Truncator(state.pause_reason).chars(LONGEST_REASON)
