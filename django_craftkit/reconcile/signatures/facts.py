"""What is known of signature requests: facts in any order, repeated, end in the same rows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.clock import database_now
from django_craftkit.database import database, storable, update_many
from django_craftkit.log import get_logger
from django_craftkit.models import (
    Change,
    Job,
    ProjectState,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.signature import ARCHIVE, KIND, LOST, OPEN, POLL
from django_craftkit.reconcile.facts import UNREADABLE, earliest, join_answers, kept, why
from django_craftkit.reconcile.hearing import Heard, Hearing
from django_craftkit.reconcile.moments import here
from django_craftkit.reconcile.outcomes import Again, Done, Outcome
from django_craftkit.reconcile.renders.poll import WEBHOOKS_LATELY

from . import recipients

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import QuerySet

    from django_craftkit import client

logger = get_logger(__name__)

Status = SignatureRequest.Status

#: Facts of a higher rank win, so that any order of them ends in the same status.
RANK = {
    status: rank
    for rank, status in enumerate(
        (
            Status.PENDING,
            Status.REJECTED,
            Status.SENT,
            Status.VIEWED,
            Status.EXPIRED,
            Status.CANCELLED,
            Status.DECLINED,
            Status.FAILED,
            Status.COMPLETED,
        )
    )
}
#: What a request has been through when it gets there.
_WAY = {
    Status.SENT: (Status.SENT,),
    Status.VIEWED: (Status.SENT, Status.VIEWED),
    Status.EXPIRED: (Status.SENT, Status.EXPIRED),
    Status.CANCELLED: (Status.SENT, Status.CANCELLED),
    Status.FAILED: (Status.SENT, Status.FAILED),
    Status.DECLINED: (Status.SENT, Status.VIEWED, Status.DECLINED),
    Status.COMPLETED: (Status.SENT, Status.VIEWED, Status.COMPLETED),
}
SIGNED = "signed"
#: What Craftkit has webhooks for: all but a failure.
TOLD = ("sent", "viewed", SIGNED, "completed", "declined", "expired", "cancelled")
EVENTS = tuple(f"signature.{stage}" for stage in TOLD)
#: What facts may change.
COLUMNS = (
    "status",
    "remote_id",
    "answer",
    "error",
    "error_code",
    "field_errors",
    "accepted_at",
    "completed_at",
    "poll_at",
    "unknown_since",
)

#: Seconds between two questions about a request, at least and at most.
MIN_POLL, MAX_POLL = 60.0, 900.0
#: Seconds to the next look after Craftkit contradicts itself.
LOOK_AGAIN = 5.0
UNKNOWN = "unknown_at_craftkit"


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of a request from one source at one time."""

    #: ``None``: it says nothing of that.
    status: str | None = None
    remote_id: uuid.UUID | None = None
    error: str = ""
    error_code: str = ""
    field_errors: Mapping[str, list[str]] = field(default_factory=dict)
    accepted_at: datetime | None = None
    completed_at: datetime | None = None
    people: tuple[client.SignatureRecipient, ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, request: client.SignatureRequest) -> Fact:
        return cls(
            status=request.status,
            remote_id=request.id,
            error=storable(request.error_message or ""),
            accepted_at=here(request.created_at),
            completed_at=here(request.completed_at),
            people=tuple(request.recipients),
            answer=_kept(request),
        )

    @classmethod
    def told(cls, notice: client.SignatureNotice) -> Fact:
        """Return what a webhook says that a GET may not: why somebody has declined."""
        answer = {"reason": storable(notice.reason)} if notice.reason else {}
        if notice.unreadable:
            answer[UNREADABLE] = storable(dict(notice.unreadable))
        return cls(remote_id=notice.id, answer=answer)


def _kept(request: client.SignatureRequest) -> dict[str, Any]:
    """Return what a row keeps beside its columns; also of its people what can't be read."""
    odd = [one.unreadable for one in request.recipients if one.unreadable]
    if not odd:
        return kept(request)
    left_out = request.unreadable.get("recipients", [])
    unreadable = {**request.unreadable, "recipients": [*left_out, *map(dict, odd)]}
    return kept(dataclasses.replace(request, unreadable=unreadable))


class Requests(Hearing[SignatureRequest, Fact]):
    """Hears of signature requests."""

    def rows(self) -> QuerySet[SignatureRequest]:
        rows: QuerySet[SignatureRequest] = SignatureRequest.objects.using(database())
        return rows

    def hear(
        self,
        found: Sequence[tuple[SignatureRequest, Sequence[Fact]]],
        cause: Change.Cause,
        asked_at: datetime | None,
    ) -> None:
        hear(found, cause, asked_at)


#: What hears of a request, or of many at a time.
REQUESTS = Requests()


def hear_one(
    request: SignatureRequest,
    fact: Fact,
    cause: Change.Cause,
    asked_at: datetime | None = None,
) -> SignatureRequest | None:
    """Join a fact that is known to be about this attempt; return the row, or ``None``."""
    return REQUESTS.hear_one(Heard(request, fact, cause, asked_at))


def decide(request: SignatureRequest, fact: Fact) -> Outcome:
    """End a request that Craftkit has not accepted, unless it has meanwhile."""
    return Again(0.0) if hear_one(request, fact, Change.Cause.HERE) is None else Done()


def hear_told(found: Sequence[tuple[SignatureRequest, Iterable[Fact]]]) -> None:
    """Join what webhooks say of locked requests, which is little, and have the rest asked for."""
    hear(found, Change.Cause.WEBHOOK)
    now = database_now()
    waiting: dict[str, list[int]] = {}
    for row, _facts in found:
        if row.status in OPEN:
            waiting.setdefault(row.project, []).append(row.pk)
    for project, pks in waiting.items():
        SignatureRequest.objects.using(database()).filter(pk__in=pks).update(poll_at=now)
        schedule(project, now)


def hear(
    found: Sequence[tuple[SignatureRequest, Iterable[Fact]]],
    cause: Change.Cause,
    asked_at: datetime | None = None,
) -> None:
    """Join facts to their requests, which are locked; inside a transaction.

    ``asked_at`` is when Craftkit was asked for them: what a webhook told since is asked for again.
    """
    now = database_now()
    people = recipients.people_of([row for row, _facts in found])
    lately = _webhooks_lately({row.project for row, _facts in found}, now)
    columns = {"updated_at"}
    changed, changes, signers, moved = [], [], [], []
    for row, facts in found:
        before, values = row.status, _values(row)
        mine = people.setdefault(row.pk, [])
        was = [recipients.values_of(one) for one in mine]
        signed = {one.position for one in mine if one.signed_at}
        for fact in facts:
            join(row, mine, fact)
        if not is_told(row, asked_at, now):
            row.poll_at = _next_poll(row, now, lately[row.project])
        different = {name for name, value in _values(row).items() if value != values[name]}
        if different:
            columns |= different
            changed.append(row)
        if different - {"poll_at"}:
            row.updated_at = clock.now()
        signers += [
            one for one, old in zip(mine, was, strict=False) if recipients.values_of(one) != old
        ]
        for one in mine[len(was) :]:
            one.save(using=database())
        fresh = [one for one in mine if one.signed_at and one.position not in signed]
        changes += _changes(row, before, fresh, cause)
        if row.status != before and row.status in LOST:
            logger.warning(
                "Signature request %d for document %d of project %r is %s: %s",
                row.pk,
                row.render_id,
                row.project,
                row.status,
                why(row),
            )
        if row.status != before or _is_sooner(row.poll_at, values["poll_at"]):
            moved.append((row, before))
    update_many(changed, columns)
    update_many(signers, recipients.COLUMNS)
    Change.objects.record(changes)
    _set_going(moved)


def _values(row: SignatureRequest) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}


def join(row: SignatureRequest, people: list[SignatureRecipient], fact: Fact) -> None:
    """Join one fact to its rows: the same end in any order, with any repeats."""
    # What was decided here, of a request that is out after all, was wrong.
    is_news = row.remote_id is None and fact.remote_id is not None
    row.remote_id = row.remote_id or fact.remote_id
    row.accepted_at = earliest(row.accepted_at, fact.accepted_at)
    row.completed_at = earliest(row.completed_at, fact.completed_at)
    row.answer = join_answers(row.answer, fact.answer)
    for person in fact.people:
        recipients.join_person(row, people, person)
    if fact.status is None:
        return
    if fact.remote_id is not None:
        row.unknown_since = None
        if row.error_code == UNKNOWN:
            row.error = row.error_code = ""
    try:
        status = Status(fact.status)
    except ValueError:
        row.answer = join_answers(row.answer, {"status": storable(fact.status)})
        status = Status.SENT
    mine, theirs = RANK[Status(row.status)], RANK[status]
    is_further = theirs > mine or (is_news and row.status != status)
    is_same = theirs == mine and (fact.error, fact.error_code) > (row.error, row.error_code)
    if is_further:
        row.status = status
    if is_further or is_same:
        row.error, row.error_code = fact.error, fact.error_code
        row.field_errors = dict(fact.field_errors)


def _changes(
    row: SignatureRequest, before: str, fresh: Sequence[SignatureRecipient], cause: Change.Cause
) -> list[Change]:
    """Return the history of a step: what was skipped in its order, who signed before the end."""
    status = Status(row.status)
    way: tuple[Status, ...] = ()
    if status != before:
        way = _WAY.get(status, (status,)) if row.remote_id else (status,)
        passed = RANK[Status(before)] if before in _WAY else 0
        way = tuple(stage for stage in way if stage == status or RANK[stage] > passed)
    changes = []

    def note(stage: str, note: str = "", person: SignatureRecipient | None = None) -> None:
        nonlocal before
        changes.append(
            Change(
                kind=KIND,
                object_id=row.pk,
                attempt=row.attempt,
                from_status="" if person else before,
                to_status=stage,
                cause=cause,
                note=note,
                recipient=person,
                person_id=row.cancel_requested_by_id if stage == Status.CANCELLED else None,
                signal=f"signature_{stage}",
            )
        )
        before = before if person else stage

    on_the_way = [stage for stage in way if stage in OPEN]
    for stage in on_the_way:
        note(stage)
    for one in sorted(fresh, key=lambda one: (one.signed_at, one.position)):
        note(SIGNED, person=one)
    for stage in way[len(on_the_way) :]:
        note(stage, note=row.error or _reason(row))
    return changes


def _reason(row: SignatureRequest) -> str:
    """Return why somebody has ended a request, which at times only a webhook tells."""
    reason = row.answer.get("reason")
    return reason if isinstance(reason, str) else ""


def _next_poll(row: SignatureRequest, now: datetime, lately: bool) -> datetime | None:
    """Return when to ask about a request next, which has just been heard of."""
    if row.status not in OPEN:
        return None
    age = (now - (row.accepted_at or now)).total_seconds()
    delay = MAX_POLL if lately else min(max(MIN_POLL, age / 6), MAX_POLL)
    return now + timedelta(seconds=delay)


def is_told(row: SignatureRequest, asked_at: datetime | None, now: datetime) -> bool:
    """Whether a webhook has told of a request since Craftkit was asked about it."""
    return asked_at is not None and row.poll_at is not None and asked_at < row.poll_at <= now


def _is_sooner(at: datetime | None, before: datetime | None) -> bool:
    return at is not None and (before is None or at < before)


def _webhooks_lately(projects: Iterable[str], now: datetime) -> dict[str, bool]:
    """Return whether a webhook about signatures has come lately, for each project."""
    # Those of documents say nothing: the events that are sent are chosen one by one.
    heard = WebhookDelivery.objects.using(database()).filter(
        event__in=EVENTS, received_at__gte=now - WEBHOOKS_LATELY
    )
    return {project: heard.filter(project=project).exists() for project in projects}


def _set_going(moved: Iterable[tuple[SignatureRequest, str]]) -> None:
    """Ask for what the steps of requests make due, from the status they had before."""
    signed, unwanted = [], []
    rounds: dict[str, datetime] = {}
    for row, before in moved:
        if row.status == Status.COMPLETED:
            signed.append(row)
        if row.status in OPEN and before not in OPEN and row.cancel_requested_at:
            unwanted.append(row)
        if row.poll_at is not None:
            rounds[row.project] = min(rounds.get(row.project, row.poll_at), row.poll_at)
    Job.objects.wish_for(ARCHIVE, signed)
    Job.objects.wish_for(KIND, unwanted)
    for project, at in rounds.items():
        schedule(project, at)


def schedule(project: str, at: datetime) -> None:
    """Have the project's next round of questions begin by then."""
    Job.objects.wish(POLL, [ProjectState.objects.of(project).pk], project, at=at)
