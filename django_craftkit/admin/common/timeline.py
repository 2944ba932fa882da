"""The timeline of a row: its changes as steps, and how a page shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.db.models.functions import Left
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_craftkit import clock
from django_craftkit.models import Change, Render, Share, SignatureRequest
from django_craftkit.models.render_manager import OVERDUE, WITHDRAWN
from django_craftkit.models.superseding import SUPERSEDED

from .format import Context, name_of
from .truncate import LONGEST_LINE, short_line, short_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from django.http import HttpRequest
    from django.utils.functional import _StrOrPromise

    from django_craftkit.models.mirror import Mirror

    from .base import AnyAdmin


#: Changes that a page reads at most, and steps that it shows: the latest ones.
MOST_CHANGES, MOST_STEPS = 200, 250

#: Who did it, where it was no user.
CAUSES = {
    Change.Cause.ASKED: gettext_lazy("this site"),
    Change.Cause.ANSWER: gettext_lazy("Craftkit's answer"),
    Change.Cause.POLL: gettext_lazy("Craftkit, when asked"),
    Change.Cause.WEBHOOK: gettext_lazy("Craftkit, by webhook"),
    Change.Cause.READ_BACK: gettext_lazy("found at Craftkit"),
    Change.Cause.HERE: gettext_lazy("decided here"),
}
TONES = {
    Render.Status.SUCCEEDED.value: "good",
    SignatureRequest.Status.COMPLETED.value: "good",
    SignatureRequest.Status.DECLINED.value: "bad",
    SignatureRequest.Status.EXPIRED.value: "warn",
    "signed": "good",
    Share.Status.ACTIVE.value: "good",
    Render.Status.FAILED.value: "bad",
    Render.Status.REJECTED.value: "bad",
    Share.Status.UNKNOWN.value: "warn",
    WITHDRAWN: "warn",
    OVERDUE: "warn",
    SUPERSEDED: "warn",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline."""

    at: datetime
    what: str
    whom: str = ""
    who: str = ""
    why: str = ""
    tone: str = "quiet"

    @property
    def day(self) -> str:
        return formats.date_format(clock.local(self.at), "DATE_FORMAT")

    @property
    def time(self) -> str:
        return formats.date_format(clock.local(self.at), "H:i:s")


def latest_changes(row: Mirror, others: Q | None = None) -> Sequence[Change]:
    """Read the latest changes of a row, and of others, oldest first: one query."""
    of = Q(kind=row.change_kind, object_id=row.pk) | (others or Q())
    rows = Change.objects.filter(of).select_related("person", "recipient").order_by("-pk")
    rows = rows.defer("note", "receivers").annotate(note_start=Left("note", LONGEST_LINE + 1))
    latest: list[Any] = list(rows[:MOST_CHANGES])[::-1]
    for change in latest:
        change.note = change.note_start
    return latest


def cause_of(change: Change) -> str:
    """Return who took a step: a user, or else what did."""
    cause = CAUSES.get(change.cause, change.cause)  # type: ignore[call-overload]
    return name_of(change.person) or str(cause)


def step_of(change: Change, what: str, whom: str = "") -> Step:
    """Return a change as the step that ``what`` names."""
    tone = TONES.get(change.to_status, "quiet")
    return Step(change.created_at, what, whom, cause_of(change), change.note, tone)


def attempt_of(change: Change, labels: Mapping[str, _StrOrPromise]) -> str:
    """Return what a step is called, with the number of an attempt after the first."""
    what = str(labels.get(change.to_status, change.to_status))
    if change.to_status == "pending" and change.attempt > 1:
        return _("%(what)s, attempt %(number)d") % {"what": what, "number": change.attempt}
    return what


def context(
    site: AnyAdmin,
    request: HttpRequest,
    row: Mirror,
    changes: Sequence[Change],
    steps: Iterable[Step],
) -> Context:
    """Return what a page shows of the timeline of a row: the latest steps, and where all are."""
    told = sorted(steps, key=attrgetter("at"))
    latest = [
        replace(one, whom=short_name(one.whom), who=short_name(one.who), why=short_line(one.why))
        for one in told[-MOST_STEPS:]
    ]
    url = site.address("changelist", model="change") if site.allows(request, "view_change") else ""
    return {
        "steps": latest,
        "is_cut": len(changes) >= MOST_CHANGES or latest != told,
        "url": url and f"{url}?kind={row.change_kind}&object_id={row.pk}",
    }
