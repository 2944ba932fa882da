"""What Craftkit says of signature requests and of who signs: any order ends in the same rows."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django_craftkit.clock import database_now
from django_craftkit.database import database, sanitized, update_many
from django_craftkit.log import about, get_logger
from django_craftkit.models import (
    Change,
    Job,
    ProjectState,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.reconcile.answers import UNREADABLE_KEY, kept, why
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.renders.poll import WEBHOOKS_LATELY
from django_craftkit.reconcile.results import Done, Reschedule, Result, look_delay
from django_craftkit.reconcile.states import (
    ADVANCED,
    RemoteState,
    States,
    advance,
    earliest,
    ranked,
)
from django_craftkit.reconcile.updates import Update, Updates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import QuerySet

    from django_craftkit import client
    from django_craftkit.models.claims import Lease

logger = get_logger(__name__)

Status = SignatureRequest.Status
OPEN = SignatureRequest.OPEN

RANK = ranked(
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
#: What a request has been through when it gets there.
_STAGES = {
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
#: What remote states may change of who signs.
_OF_RECIPIENT = ("remote_id", "signed_at", "declined_at")
_values_of = attrgetter(*_OF_RECIPIENT)

#: Seconds between two polls of a request, at least and at most.
MIN_POLL, MAX_POLL = 60.0, 900.0
#: Seconds to the next look after Craftkit contradicts itself.
LOOK_AGAIN = 5.0


def state_of(request: client.SignatureRequest) -> RemoteState:
    """Return what Craftkit says of a request."""
    return RemoteState.of(request, _kept(request), tuple(request.recipients))


def state_of_notice(notice: client.SignatureNotice) -> RemoteState:
    """Return what a webhook says that a GET may not: why somebody has declined."""
    answer = {"reason": sanitized(notice.reason)} if notice.reason else {}
    if notice.unreadable:
        answer[UNREADABLE_KEY] = sanitized(dict(notice.unreadable))
    return RemoteState(remote_id=notice.id, answer=answer)


def _kept(request: client.SignatureRequest) -> dict[str, Any]:
    """Return what a row keeps beside its columns; also what can't be read of who signs."""
    odd = [one.unreadable for one in request.recipients if one.unreadable]
    if not odd:
        return kept(request)
    left_out = request.unreadable.get("recipients", [])
    unreadable = {**request.unreadable, "recipients": [*left_out, *map(dict, odd)]}
    return kept(dataclasses.replace(request, unreadable=unreadable))


class RequestStates(States[SignatureRequest, RemoteState]):
    kind = Change.Kind.SIGNATURE
    columns, silent = (*ADVANCED, "poll_at", "unknown_since"), frozenset({"poll_at"})

    def apply(self, found: Iterable[tuple[SignatureRequest, Iterable[RemoteState]]]) -> None:
        found = list(found)
        rows = [row for row, _states in found]
        self._moment = database_now()
        self._people = people_of(rows)
        self._changed_people: list[SignatureRecipient] = []
        self._lately = _webhooks_lately({row.project for row in rows}, self._moment)
        super().apply(found)

    def update(self, row: SignatureRequest, states: Iterable[RemoteState]) -> Iterable[Change]:
        before, now = row.status, self._moment
        mine = self._people.setdefault(row.pk, [])
        was = [_values_of(one) for one in mine]
        signed = {one.position for one in mine if one.signed_at}
        for state in states:
            update(row, mine, state)
        # What has come to its end is polled no more; what a webhook told of since Craftkit was
        # asked stays due.
        if row.status not in OPEN or not is_told(row, self.asked_at, now):
            row.poll_at = _next_poll(row, now, self._lately[row.project])
        self._changed_people += [
            one for one, old in zip(mine, was, strict=False) if _values_of(one) != old
        ]
        for one in mine[len(was) :]:
            one.save(using=database())
        if row.status != before and row.status in SignatureRequest.LOST:
            line = "Signature request %d for document %d of project %r is %s: %s"
            logger.warning(
                line, row.pk, row.render_id, row.project, row.status, why(row), extra=about(row)
            )
        fresh = [one for one in mine if one.signed_at and one.position not in signed]
        return self._history(row, before, fresh)

    def _history(
        self, row: SignatureRequest, before: str, fresh: Sequence[SignatureRecipient]
    ) -> Iterable[Change]:
        """Return the history of a step: what it skipped, in order, who signed before the end."""
        status = Status(row.status)
        stages: tuple[Status, ...] = ()
        if status != before:
            stages = _STAGES.get(status, (status,)) if row.remote_id else (status,)
            passed = RANK[before] if before in _STAGES else 0
            stages = tuple(stage for stage in stages if stage == status or RANK[stage] > passed)
        for stage in stages:
            if stage in OPEN:
                yield self._step(row, before, stage)
                before = stage
        for one in sorted(fresh, key=lambda one: (one.signed_at, one.position)):
            yield self._step(row, "", SIGNED, recipient_id=one.pk)
        if stages and status not in OPEN:
            person_id = row.cancel_requested_by_id if status == Status.CANCELLED else None
            # Why somebody has ended it, at times only a webhook tells.
            reason = row.answer.get("reason")
            note = row.error or (reason if isinstance(reason, str) else "")
            yield self._step(row, before, status, note=note, person_id=person_id)

    def _step(self, row: SignatureRequest, before: str, stage: str, **more: Any) -> Change:
        signal = f"signature_{stage}"
        return self.change(row, before, stage, attempt=row.attempt, signal=signal, **more)

    def write(self, rows: Sequence[SignatureRequest], columns: Iterable[str]) -> None:
        super().write(rows, columns)
        update_many(self._changed_people, _OF_RECIPIENT)

    def follow(self, moved: Sequence[tuple[SignatureRequest, Mapping[str, Any]]]) -> None:
        signed, unwanted = [], []
        rounds: dict[str, datetime] = {}
        for row, before in moved:
            at, is_moved = row.poll_at, row.status != before["status"]
            if is_moved and row.status == Status.COMPLETED:
                signed.append(row)
            if row.status in OPEN and before["status"] not in OPEN and row.cancel_requested_at:
                unwanted.append(row)
            if at is not None and (is_moved or before["poll_at"] is None or at < before["poll_at"]):
                rounds[row.project] = min(rounds.get(row.project, at), at)
        Job.objects.schedule_for(Job.Kind.ARCHIVE_SIGNATURE, signed)
        Job.objects.schedule_for(Job.Kind.POLL_OR_CANCEL, unwanted)
        for project, at in sorted(rounds.items()):
            schedule(project, at)


class Requests(Updates[SignatureRequest]):
    """Updates signature requests."""

    states = RequestStates

    def rows(self) -> QuerySet[SignatureRequest]:
        return SignatureRequest.objects.writer()


#: What updates a request, or many at a time.
REQUESTS = Requests()


def decide(request: SignatureRequest, status: Status, problem: Problem) -> Result:
    """End a request that Craftkit has not accepted, unless it has meanwhile."""
    state = RemoteState.decided(status, problem)
    row = REQUESTS.apply_one(Update(request, state, Change.Cause.HERE))
    return Reschedule(0.0) if row is None else Done()


def apply_notices(
    found: Sequence[tuple[SignatureRequest, Iterable[RemoteState]]], lease: Lease | None
) -> None:
    """Apply what webhooks say of locked requests, which is little, and have the rest polled."""
    RequestStates(Change.Cause.WEBHOOK, lease=lease).apply(found)
    now = database_now()
    waiting: dict[str, list[int]] = {}
    for row, _said in found:
        if row.status in OPEN:
            waiting.setdefault(row.project, []).append(row.pk)
    for project, pks in sorted(waiting.items()):
        SignatureRequest.objects.writer().filter(pk__in=pks).update(poll_at=now)
        schedule(project, now)


def update(row: SignatureRequest, people: list[SignatureRecipient], state: RemoteState) -> None:
    """Update rows by one state: the same end in any order, with any repeats."""
    # What was decided here, of a request that is out after all, was wrong.
    is_news = row.remote_id is None and state.remote_id is not None
    for one in state.people:
        _update_recipient(row, people, one)
    if state.status is not None and state.remote_id is not None:
        row.unknown_since = None
        if row.error_code == ErrorCode.UNKNOWN_AT_CRAFTKIT:
            row.error = row.error_code = ""
    advance(row, state, RANK, unknown=Status.SENT, is_correction=is_news)


def people_of(rows: Sequence[SignatureRequest]) -> dict[int, list[SignatureRecipient]]:
    """Return who signs requests, by the requests' primary keys, in the order of their rows."""
    people: dict[int, list[SignatureRecipient]] = {}
    pks = [row.pk for row in rows]
    for one in SignatureRecipient.objects.writer().filter(request__in=pks):
        people.setdefault(one.request_id, []).append(one)
    for mine in people.values():
        mine.sort(key=attrgetter("position"))
    return people


def _update_recipient(
    row: SignatureRequest, people: list[SignatureRecipient], said: client.SignatureRecipient
) -> None:
    one = _same_recipient(row, people, said)
    if one is None and row.erased_at is not None:
        # Nobody is added to it.
        return
    if one is None and said.unreadable.keys() & {"id", "email", "order"}:
        # Nobody can tell whether it is one of them.
        return
    if one is None:
        # Somebody whom Craftkit, or its provider, has added.
        one = SignatureRecipient(
            request=row,
            position=max((known.position for known in people), default=-1) + 1,
            first_name=sanitized(said.first_name)[:100],
            last_name=sanitized(said.last_name)[:100],
            email=_address(said),
            designation=sanitized(said.designation)[:16],
            order=said.order if said.order and 0 < said.order < 2**15 else None,
        )
        people.append(one)
    one.remote_id = one.remote_id or sanitized(said.id)[:128]
    one.signed_at = earliest(one.signed_at, from_utc(said.signed_at))
    one.declined_at = earliest(one.declined_at, from_utc(said.declined_at))


def _same_recipient(
    row: SignatureRequest, people: Sequence[SignatureRecipient], said: client.SignatureRecipient
) -> SignatureRecipient | None:
    """Return a recipient's row: by Craftkit's id, else by address and turn, else by address.

    One that was erased has no address any more, and is known by its turn.
    """
    for one in people:
        if said.id and one.remote_id == sanitized(said.id)[:128]:
            return one
    free = [one for one in people if not one.remote_id or not said.id]
    address = _address(said).casefold()
    alike = [one for one in free if one.email.casefold() == address]
    if not alike and row.erased_at is not None:
        return next((one for one in free if not one.email and _turn(one) == said.order), None)
    turns = [one for one in alike if _turn(one) == said.order]
    if len(alike) > 1 and "order" in said.unreadable:
        return None
    return next(iter(turns or alike), None)


def _turn(one: SignatureRecipient) -> int:
    return one.order or one.position + 1


def _address(said: client.SignatureRecipient) -> str:
    """Return a recipient's address as it is stored."""
    address: str = sanitized(said.email)[:255]
    return address


def _next_poll(row: SignatureRequest, now: datetime, lately: bool) -> datetime | None:
    """Return when to poll a request next, which was just updated."""
    if row.status not in OPEN:
        return None
    age = (now - (row.accepted_at or now)).total_seconds()
    delay = MAX_POLL if lately else look_delay(age, MIN_POLL, MAX_POLL)
    return now + timedelta(seconds=delay)


def is_told(row: SignatureRequest, asked_at: datetime | None, now: datetime) -> bool:
    """Whether a webhook has told of a request since Craftkit was asked about it."""
    return asked_at is not None and row.poll_at is not None and asked_at < row.poll_at <= now


def _webhooks_lately(projects: Iterable[str], now: datetime) -> dict[str, bool]:
    """Return whether a webhook about signatures has come lately, for each project."""
    # Those of documents say nothing: the events that are sent are chosen one by one.
    lately = WebhookDelivery.objects.writer().filter(
        event__in=EVENTS, received_at__gte=now - WEBHOOKS_LATELY
    )
    return {project: lately.filter(project=project).exists() for project in projects}


def schedule(project: str, at: datetime) -> None:
    """Have the project's next round of polls begin by then."""
    Job.objects.schedule(
        Job.Kind.POLL_SIGNATURES, [ProjectState.objects.of(project).pk], project, at=at
    )
