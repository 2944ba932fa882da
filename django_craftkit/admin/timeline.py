"""The way of a document, its links and signatures, from the first wish to the latest reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.db.models.functions import Left
from django.utils import formats
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_craftkit import clock
from django_craftkit.models import Change, Render, Share, SignatureRequest
from django_craftkit.models.render import KIND as RENDER
from django_craftkit.models.render import OVERDUE, WITHDRAWN
from django_craftkit.models.share import KIND as SHARE
from django_craftkit.models.signature import KIND as SIGNATURE

from .base import name_of
from .people import DID, names, why_ended
from .people import name_of as called
from .texts import LONGEST_LINE, LONGEST_NAME, start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from django.http import HttpRequest

    from django_craftkit.models import EngagementEvent

    from .base import MirrorAdmin

#: Changes that a page reads at most, and steps that it shows: the latest ones.
MOST_CHANGES, MOST_STEPS = 200, 250

#: Who did it, where it was no person.
CAUSES = {
    Change.Cause.ASKED: gettext_lazy("this site"),
    Change.Cause.ANSWER: gettext_lazy("Craftkit's answer"),
    Change.Cause.POLL: gettext_lazy("Craftkit, when asked"),
    Change.Cause.WEBHOOK: gettext_lazy("Craftkit, by webhook"),
    Change.Cause.READ_BACK: gettext_lazy("found at Craftkit"),
    Change.Cause.HERE: gettext_lazy("decided here"),
}
_RENDER: dict[str, Any] = {
    Render.Status.PENDING: gettext_lazy("Tried again"),
    Render.Status.QUEUED: gettext_lazy("Accepted by Craftkit"),
    Render.Status.RENDERING: gettext_lazy("Being made"),
    Render.Status.SUCCEEDED: gettext_lazy("Ready"),
    Render.Status.FAILED: gettext_lazy("Failed"),
    Render.Status.CANCELLED: gettext_lazy("Cancelled"),
    Render.Status.REJECTED: gettext_lazy("Rejected"),
    WITHDRAWN: gettext_lazy("Withdrawn"),
    OVERDUE: gettext_lazy("Overdue"),
    "archived": gettext_lazy("PDF archived"),
}
_LINK = {
    Share.Status.PENDING: gettext_lazy("Link to be made once more"),
    Share.Status.UNKNOWN: gettext_lazy("Link without an answer, being settled"),
    Share.Status.REJECTED: gettext_lazy("Link refused"),
    Share.Status.ACTIVE: gettext_lazy("Link made"),
    Share.Status.REVOKED: gettext_lazy("Link revoked"),
}
_MAIL = {
    Share.Status.PENDING: gettext_lazy("E-mail to be sent once more"),
    Share.Status.UNKNOWN: gettext_lazy("E-mail without an answer, being settled"),
    Share.Status.REJECTED: gettext_lazy("E-mail refused"),
    Share.Status.ACTIVE: gettext_lazy("E-mail said to have been sent"),
    Share.Status.REVOKED: gettext_lazy("Link of the e-mail revoked"),
}
_SIGNATURE = {
    SignatureRequest.Status.PENDING.value: gettext_lazy("To be sent once more to be signed"),
    SignatureRequest.Status.SENT.value: gettext_lazy("Sent to be signed"),
    SignatureRequest.Status.VIEWED.value: gettext_lazy("Opened to be signed"),
    SignatureRequest.Status.COMPLETED.value: gettext_lazy("Signed by all"),
    SignatureRequest.Status.DECLINED.value: gettext_lazy("Signature declined"),
    SignatureRequest.Status.EXPIRED.value: gettext_lazy("Time to sign is over"),
    SignatureRequest.Status.CANCELLED.value: gettext_lazy("Signature request cancelled"),
    SignatureRequest.Status.FAILED.value: gettext_lazy("Signature request failed"),
    SignatureRequest.Status.REJECTED.value: gettext_lazy("Signature request refused"),
    "archived": gettext_lazy("Signed PDF and certificate archived"),
}
_TONES = {
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


def changes_of(
    render: Render, shares: Iterable[Share], requests: Iterable[SignatureRequest] = ()
) -> list[Change]:
    """Read the latest changes of a document and what was made of it, oldest first: one query."""
    about = Q(kind=RENDER, object_id=render.pk)
    about |= Q(kind=SHARE, object_id__in=[share.pk for share in shares])
    about |= Q(kind=SIGNATURE, object_id__in=[request.pk for request in requests])
    return _latest(about)


def changes_of_request(request: SignatureRequest) -> list[Change]:
    """Read the latest changes of a signature request, oldest first."""
    return _latest(Q(kind=SIGNATURE, object_id=request.pk))


def changes_of_share(share: Share) -> list[Change]:
    """Read the latest changes of a link, oldest first."""
    return _latest(Q(kind=SHARE, object_id=share.pk))


def _latest(about: Q) -> list[Change]:
    rows = Change.objects.filter(about).select_related("person", "recipient").order_by("-pk")
    rows = rows.defer("note", "receivers").annotate(note_start=Left("note", LONGEST_LINE + 1))
    latest: list[Any] = list(rows[:MOST_CHANGES])[::-1]
    for change in latest:
        change.note = change.note_start
    return latest


def told(
    site: MirrorAdmin,
    request: HttpRequest,
    row: Any,
    changes: Sequence[Change],
    steps: list[Step],
) -> dict[str, Any]:
    """Return what the page of a row shows of its way: the latest steps, and where all of it is."""
    latest = [_shortened(step) for step in steps[-MOST_STEPS:]]
    is_cut = len(changes) >= MOST_CHANGES or latest != steps
    kind = {SignatureRequest: SIGNATURE, Share: SHARE}.get(type(row), RENDER)
    url = site.address("changelist", model="change") if site.allows(request, "view_change") else ""
    return {
        "timeline": latest,
        "is_way_cut": is_cut,
        "way_url": url and f"{url}?kind={kind}&object_id={row.pk}",
    }


def _shortened(step: Step) -> Step:
    whom, who = start(step.whom, LONGEST_NAME), start(step.who, LONGEST_NAME)
    return replace(step, whom=whom, who=who, why=start(step.why, LONGEST_LINE))


def timeline(
    render: Render,
    changes: Iterable[Change],
    shares: Sequence[Share],
    events: Iterable[EngagementEvent],
    first_opened: Mapping[int, datetime] | None = None,
    requests: Sequence[Any] = (),
) -> list[Step]:
    """Merge all that is known into one story, newest last.

    ``first_opened`` tells when each link, by its primary key, was opened for the first time;
    ``requests`` are signature requests with their ``people``.
    """
    changes = list(changes)
    firsts = dict(first_opened or {})
    steps = [_asked(render)]
    steps += _ways(changes, {share.pk: share for share in shares})
    for share in shares:
        steps += _of_share(share, firsts.get(share.pk))
    for request in requests:
        # Of several, each step says which one it is of.
        which = names(request.people) if len(requests) > 1 else ""
        steps += _of_request(request, changes, which)
    noted = {(change.kind, change.attempt, change.to_status) for change in changes}
    if render.withdrawn_at is not None and (RENDER, render.attempt, WITHDRAWN) not in noted:
        # An earlier version has written no change of it.
        who = name_of(render.withdrawn_by)
        steps.append(Step(render.withdrawn_at, _("Withdrawn"), who=who, tone="warn"))
    steps += _readings(events, shares, firsts)
    return sorted(steps, key=lambda step: step.at)


def timeline_of_request(request: Any, changes: Iterable[Change]) -> list[Step]:
    """Tell the story of one signature request, newest last."""
    return sorted(_of_request(request, changes), key=lambda step: step.at)


def timeline_of_share(
    share: Share, changes: Iterable[Change], first_opened: datetime | None
) -> list[Step]:
    """Tell the story of one link, newest last."""
    steps = [*_ways(changes, {share.pk: share}), *_of_share(share, first_opened)]
    return sorted(steps, key=lambda step: step.at)


def _of_request(request: Any, changes: Iterable[Change], which: str = "") -> Iterator[Step]:
    whom = names(request.people)
    who = name_of(request.requested_by) or _("this site")
    yield Step(request.requested_at, _("Signature requested"), whom, who)
    if request.cancel_requested_at is not None:
        who = name_of(request.cancel_requested_by) or _("this site")
        what = _("Cancellation requested")
        yield Step(request.cancel_requested_at, what, whom, who, request.cancel_reason)
    for change in changes:
        if change.kind == SIGNATURE and change.object_id == request.pk:
            yield _of_signature(change, request, which)


def _of_signature(change: Change, request: Any, which: str) -> Step:
    tone = _TONES.get(change.to_status, "quiet")
    cause = CAUSES.get(change.cause, change.cause)  # type: ignore[call-overload]
    who = name_of(change.person) or str(cause)
    if change.recipient is not None:
        what = capfirst(str(DID.get(change.recipient.designation, _("signed"))))
        return Step(change.created_at, what, who=called(change.recipient), tone=tone)
    what, why = str(_SIGNATURE.get(change.to_status, change.to_status)), change.note
    if change.to_status == SignatureRequest.Status.DECLINED:
        refused = [called(one) for one in request.people if one.declined_at is not None]
        who, why = ", ".join(refused) or who, why or why_ended(request)
    if change.to_status == SignatureRequest.Status.PENDING and change.attempt > 1:
        what = _("%(what)s, attempt %(number)d") % {"what": what, "number": change.attempt}
    why = "\n".join(filter(None, (which, why)))
    return Step(change.created_at, what, who=who, why=why, tone=tone)


def _asked(render: Render) -> Step:
    who = name_of(render.requested_by)
    if not who:
        who = _("an event of this site") if render.builder else _("this site")
    return Step(render.requested_at, _("Requested"), who=who)


def _ways(changes: Iterable[Change], shares: Mapping[int, Share]) -> Iterator[Step]:
    for change in changes:
        if change.kind == SIGNATURE:
            continue
        share = shares.get(change.object_id) if change.kind == SHARE else None
        if change.kind == SHARE and share is None:
            continue
        what = _of_render(change) if share is None else _of_link(change, share)
        if what:
            cause = CAUSES.get(change.cause, change.cause)  # type: ignore[call-overload]
            yield Step(
                change.created_at,
                what,
                whom=_named(share),
                who=name_of(change.person) or str(cause),
                why=change.note,
                tone=_TONES.get(change.to_status, "quiet"),
            )


def _of_render(change: Change) -> str:
    label = str(_RENDER.get(change.to_status, change.to_status))
    if change.to_status == Render.Status.PENDING and change.attempt > 1:
        return _("%(what)s, attempt %(number)d") % {"what": label, "number": change.attempt}
    return label


def _of_link(change: Change, share: Share) -> str:
    is_sent = change.to_status == Share.Status.ACTIVE
    if is_sent and share.is_found:
        return _("Link found")
    if is_sent and share.mailed_at is not None and change.cause != Change.Cause.ASKED:
        # The moment it was mailed tells more, unless there was a doubt.
        return _("Settled: it was sent") if change.from_status == Share.Status.UNKNOWN else ""
    if change.to_status == Share.Status.REVOKED and share.remote_id is None:
        return _("Taken back before it was sent") if share.by_mail else _("Link taken back")
    labels = _MAIL if share.by_mail else _LINK
    return str(labels.get(change.to_status, change.to_status))  # type: ignore[call-overload]


def _of_share(share: Share, first_opened: datetime | None) -> Iterator[Step]:
    named = _named(share)
    if not share.is_found:
        what = _("E-mail requested") if share.by_mail else _("Link requested")
        yield Step(share.requested_at, what, named, name_of(share.requested_by) or _("this site"))
    if share.mailed_at is not None:
        # Craftkit's clock may be behind this one.
        at = max(share.mailed_at, share.requested_at)
        yield Step(at, _("E-mail sent"), named, "Craftkit", tone="good")
    if first_opened is not None:
        yield Step(first_opened, _("Opened for the first time"), who=_reader(share), tone="read")
    if share.revoke_requested_at is not None:
        who = name_of(share.revoke_requested_by) or _("this site")
        yield Step(share.revoke_requested_at, _("Revocation requested"), named, who)


def _readings(
    events: Iterable[EngagementEvent], shares: Iterable[Share], firsts: Mapping[int, datetime]
) -> Iterator[Step]:
    links = {share.remote_id: share for share in shares if share.remote_id is not None}
    for event in events:
        share = links.get(event.share_remote_id) if event.share_remote_id else None
        if share is None or firsts.get(share.pk) != event.occurred_at:
            what = capfirst(event.get_type_display())
            yield Step(event.occurred_at, what, who=actor(event, share), tone="read")


def actor(event: EngagementEvent, share: Share | None) -> str:
    """Return who an event is of, as far as anybody knows."""
    if share is not None and event.actor == "recipient":
        return _reader(share)
    return str(event.get_actor_display())


def _reader(share: Share) -> str:
    return _named(share) or _("somebody with the link")


def _named(share: Share | None) -> str:
    return "" if share is None else share.recipient_name or share.recipient_email
