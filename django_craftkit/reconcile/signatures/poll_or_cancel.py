"""Signature requests that are out: polled, and cancelled where somebody wants that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from django_craftkit.client import Conflict, CraftkitError, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.log import about, get_logger
from django_craftkit.models import Change, Job, SignatureRequest
from django_craftkit.models.erasing import erase_late
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.executor import Call
from django_craftkit.reconcile.renders.states import remote_id_of
from django_craftkit.reconcile.results import (
    PARKED,
    Done,
    Failed,
    Reschedule,
    Result,
    look_delay,
    result_of_error,
    result_of_open,
)
from django_craftkit.reconcile.updates import Update

from . import lost
from .states import LOOK_AGAIN, MAX_POLL, Requests, Status, decide, is_told, state_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from django_craftkit import client
    from django_craftkit.client.signatures import Signatures
    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.executor import Answer
    from django_craftkit.reconcile.timings import Budget
    from django_craftkit.reconcile.updates import Now

#: The name that operators know it by.
logger = get_logger("django_craftkit.reconcile.signatures.cancel")

#: For how long a request is polled that Craftkit does not know, and how often.
GIVE_UP_AFTER, POLL_UNKNOWN = timedelta(days=1), timedelta(hours=1)


def step(job: Job) -> Result:
    """Cancel a request that nobody wants, else poll it, in this thread."""
    rows = SignatureRequest.objects.writer().select_related("render")
    request = rows.filter(pk=job.object_id).first()
    if request is None or request.is_final:
        return Done()
    if request.status != Status.PENDING:
        return POLL_OR_CANCEL.carry_out(_call(job, request, database_now()))
    if request.cancel_requested_at is None:
        return Done()
    try:
        return _take_back(request)
    except CraftkitError as error:
        return result_of_open(error)


def refresh(job: Job, request: SignatureRequest) -> Result:
    """Poll one request in this thread, whoever has that as a ``job``."""
    return POLL_OR_CANCEL.carry_out(_call(job, request, database_now(), only_polls=True))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that Craftkit is asked about, and since when."""

    request: SignatureRequest
    at: datetime
    #: To cancel it; else how it stands.
    to_cancel: bool


class PollOrCancel(Requests):
    """Many requests at a time: each is cancelled, or polled.

    What Craftkit may not have got is left to ``step``.
    """

    def plan(self, jobs: Sequence[Job], budget: Budget) -> Iterator[Call | Ended | Job]:
        requests = SignatureRequest.objects.writer().in_bulk([job.object_id for job in jobs])
        now = database_now()
        for job in jobs:
            request = requests.get(job.object_id)
            if request is None or request.is_final:
                yield job, Done()
            elif request.status != Status.PENDING:
                yield _call(job, request, now)
            elif request.cancel_requested_at is None:
                yield job, Done()
            else:
                yield job

    def read(self, answer: Answer, now: Now) -> Update[SignatureRequest] | Result:
        asked: Asked = answer.call.target
        error, request = answer.error, asked.request
        if isinstance(error, NotFound) and not error.is_passing:
            if not asked.to_cancel:
                return _unknown(request, asked.at)
            result = _unknown(request, database_now())
            gone = database_now() - (request.unknown_since or database_now()) > GIVE_UP_AFTER
            return result if gone else Reschedule(PARKED, Problem.of(error), answered=True)
        if isinstance(error, CraftkitError):
            return result_of_open(error)
        if error is not None:
            raise error
        if asked.to_cancel:
            found, cause = answer.value
            return Update(request, state_of(found), cause)
        found = answer.value
        if found.id != request.remote_id:
            return Failed(Problem(ErrorCode.OTHER_ANSWERED, str(found.id)))
        return Update(request, state_of(found), Change.Cause.POLL, asked.at)

    def next(
        self, update: Update[SignatureRequest], row: SignatureRequest | None, now: Now
    ) -> Result:
        if update.cause == Change.Cause.POLL or (row is not None and row.is_final):
            return Done(answered=True)
        since = now() - (update.row.cancel_requested_at or now())
        delay = look_delay(since.total_seconds(), LOOK_AGAIN, MAX_POLL)
        return Reschedule(delay, Problem(ErrorCode.SHOWN_AS_OPEN), answered=True)


#: What plans, and goes on from the answers.
POLL_OR_CANCEL = PollOrCancel()


def _call(
    job: Job, request: SignatureRequest, at: datetime, *, only_polls: bool = False
) -> Call | Ended:
    """Plan to cancel a request that nobody wants, else to poll it."""
    to_cancel = request.cancel_requested_at is not None and not only_polls
    try:
        signatures, remote_id = _signatures(request), remote_id_of(request)
    except Exception as error:
        return job, result_of_error(job, error)
    make: Callable[[], Any] = partial(signatures.get, remote_id)
    if to_cancel:
        make = partial(_cancel, signatures, remote_id, request.cancel_reason or None)
    return Call([job], make, POLL_OR_CANCEL, Asked(request, at, to_cancel))


def _signatures(request: SignatureRequest) -> Signatures:
    return get_client(request.project, max_retries=0).signatures


def _cancel(
    signatures: Signatures, remote_id: uuid.UUID, reason: str | None
) -> tuple[client.SignatureRequest, Change.Cause]:
    """Cancel a request, or read back how it has ended; touches no database."""
    try:
        return signatures.cancel(remote_id, reason=reason), Change.Cause.ANSWER
    except Conflict as error:
        if error.is_passing:
            raise
        # It has come to its end, by whatever: what that is, is read back.
        return signatures.get(remote_id), Change.Cause.READ_BACK


def _take_back(request: SignatureRequest) -> Result:
    """End a request that Craftkit may not have got, unless its list has it."""
    if request.sent_at is None:
        erase_late(request)
        return _end(request)
    last = request.sending_since or request.sent_at
    if not calls.is_over(request.project, last, database_now()):
        # Whoever sends it may be about to hear the answer.
        return Reschedule(LOOK_AGAIN)
    listed = lost.look(request, request.read_recipients(), _signatures(request))
    return lost.apply(request, listed) or _end(request)


def _end(request: SignatureRequest) -> Result:
    return decide(request, Status.CANCELLED, Problem(detail=request.cancel_reason))


@in_transaction
def _unknown(request: SignatureRequest, asked_at: datetime) -> Result:
    """Note that Craftkit knows of no such request, and poll it ever less often."""
    # Another project's key answers like this too, so it ends nothing.
    row = lock(SignatureRequest.objects.writer()).get(pk=request.pk)
    if row.is_final or row.remote_id != request.remote_id:
        return Done(answered=True)
    now = database_now()
    if row.unknown_since is None:
        row.unknown_since = now
        logger.error(
            "Craftkit does not know the signature request %s.", row.remote_id, extra=about(row)
        )
    row.error_code, row.error = ErrorCode.UNKNOWN_AT_CRAFTKIT, ""
    if not is_told(row, asked_at, now):
        row.poll_at = now + POLL_UNKNOWN if now - row.unknown_since < GIVE_UP_AFTER else None
    row.save(using=database())
    request.unknown_since = row.unknown_since
    return Done(answered=True)
