"""How long ago something was, since when it is so, and why, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.conf import settings
from django.utils import formats
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.translation import (
    get_language,
    gettext,
    ngettext,
    npgettext_lazy,
    override,
    pgettext,
)

from django_craftkit import clock
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.pdf.anchors import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from django_craftkit.models import ProjectState

    P = ParamSpec("P")
    T = TypeVar("T")

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


def grouped(number: int) -> str:
    """Return a number with its thousands apart, as the reader's language writes it."""
    return formats.number_format(number, force_grouping=True)


def inside(say: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that words a part of a text of ours, in the language of that text.

    For a reader without a catalogue of ours, the text comes out in the site's language or in
    English: a month in the reader's own would stand in the middle of it.
    """
    if _is_readers(ours := _language()):
        return say(*args, **kwargs)
    with override(ours):
        return say(*args, **kwargs)


def _language() -> str:
    """Return the language that our texts come out in."""
    # Translators: the code of the language that you translate into, such as "de".
    return pgettext("code of this language", "en")


def _is_readers(ours: str) -> bool:
    reader = get_language() or ours
    return not settings.USE_I18N or reader.partition("-")[0] == ours.partition("-")[0]


def when(moment: datetime) -> str:
    """Return a moment to the minute, as the reader writes it."""
    here = clock.local(moment)
    return f"{formats.date_format(here, 'DATE_FORMAT')}, {formats.date_format(here, 'H:i')}"


def of_anchor(finding: Mapping[str, Any]) -> str:
    """Return what staff are told of a text that says where people sign; "" where all is well."""
    text, similar = finding.get("text"), finding.get("similar")
    match finding.get("answer"):
        case Answer.MISSING if similar:
            hints = "; ".join(
                gettext("%(text)s on page %(page)s") % {"text": one, "page": page}
                for one, page in similar
            )
            said = gettext("“%(text)s” is not in the text of the PDF. It has: %(hints)s.")
            return said % {"text": text, "hints": hints}
        case Answer.MISSING:
            return gettext("“%(text)s” is not in the text of the PDF.") % {"text": text}
        case Answer.APART:
            said = gettext(
                "The letters of “%(text)s” are in the PDF, but apart or on two lines: Craftkit may "
                "not find them."
            )
            return said % {"text": text}
        case Answer.UNKNOWN:
            said = gettext("Whether “%(text)s” is in the PDF can't be told.")
            return said % {"text": text}
        case Answer.FOUND if finding.get("is_in_words"):
            said = gettext(
                "“%(text)s” is in the midst of a longer word, too: people may have to sign there."
            )
            return said % {"text": text}
    return ""


def ago(moment: datetime, now: datetime) -> str:
    """Return "3 hours ago": in the largest unit, or seconds.

    For a reader without a catalogue of ours it is the moment, in words of Django's.
    """
    if not _is_readers(_language()):
        return when(moment)
    seconds = max(int((now - moment).total_seconds()), 0)
    if seconds < 60:
        return ngettext("%d second ago", "%d seconds ago", seconds) % seconds
    return gettext("%s ago") % timesince(moment, now, time_strings=_UNITS, depth=1)


def since(moment: datetime, now: datetime) -> str:
    """Return what stands after "for": "2 hours, 7 minutes"."""
    return inside(timesince, moment, now, time_strings=_UNITS)


def why_paused(state: ProjectState, *, sees_settings: bool = False) -> str:
    """Return why a project is paused; what is wrong with settings, only to who may see them."""
    if state.pause_code == ErrorCode.NOT_CONFIGURED and not sees_settings:
        return str(Problem(ErrorCode.NOT_CONFIGURED))
    return Truncator(state.pause_reason).chars(LONGEST_REASON)
