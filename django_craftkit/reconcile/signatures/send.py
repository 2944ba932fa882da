"""Signature requests on their way out: each is sent once, as soon as its document is ready.

A call whose end nobody knows is retried with the same idempotency key. Sending is a job of its own,
so that a want of credits holds up nobody who polls or cancels a request that is out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.database import lock
from django_craftkit.models import Change, Job, ProjectState, Render, SignatureRequest
from django_craftkit.models.erasing import erase_late
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.executor import Answer, Call
from django_craftkit.reconcile.renders.send import Sent, hashed_key
from django_craftkit.reconcile.renders.states import final_by_now, remote_id_of, wait_for
from django_craftkit.reconcile.results import (
    PARKED,
    Done,
    Later,
    Reschedule,
    Result,
    result_of_error,
)
from django_craftkit.reconcile.updates import Update, lock_free

from . import anchors, lost
from .states import Requests, Status, decide, people_of, state_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator, Sequence

    from django_craftkit import client
    from django_craftkit.models import SignatureRecipient
    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.timings import Budget
    from django_craftkit.reconcile.updates import Now


def step(job: Job) -> Result:
    """Send a request that waits for it, as soon as its document is ready; in this thread."""
    request = _requests().filter(pk=job.object_id).first()
    if request is None or not _is_wanted(request):
        return Done()
    render = request.render
    if render.withdrawn_at is not None:
        erase_late(request)
        return decide(request, Status.CANCELLED, Problem(ErrorCode.DOCUMENT_WITHDRAWN))
    if render.is_retriable:
        why = Problem(ErrorCode.RENDER_FAILED, render.error or render.error_code)
        return decide(request, Status.REJECTED, why)
    if not _is_ready(render):
        return wait_for(render)
    if not anchors.prepare(job, request):
        return Reschedule(0.0)
    if (problem := anchors.refusal(request)) is not None:
        return decide(request, Status.REJECTED, problem)
    (planned,) = _sends([(job, request)], lock)
    return Reschedule(0.0) if isinstance(planned, Job) else SENDING.carry_out(planned)


@dataclass(frozen=True, slots=True)
class Refused:
    """Craftkit won't make a request that was sent before, and what it lists of such ones."""

    error: CraftkitError
    #: Or why the list did not come.
    listed: lost.Listed | CraftkitError


class Sending(Requests):
    """Many requests at a time: those whose documents are ready are sent.

    What ends here, without a call, is left to ``step``.
    """

    def plan(self, jobs: Sequence[Job], budget: Budget) -> Iterator[Call | Ended | Job]:
        requests = _requests().in_bulk([job.object_id for job in jobs])
        ready: list[tuple[Job, SignatureRequest]] = []
        early: list[tuple[Job, SignatureRequest]] = []
        for job in jobs:
            request = requests.get(job.object_id)
            if request is None or not _is_wanted(request):
                yield job, Done()
            elif _is_ready(request.render):
                if anchors.is_to_be_prepared(request):
                    yield job
                else:
                    ready.append((job, request))
            elif request.render.is_final or request.render.withdrawn_at is not None:
                yield job
            else:
                early.append((job, request))
        # As ``step`` waits for documents, but for nobody who has one locked.
        found = final_by_now({request.render_id for _job, request in early}) if early else {}
        for job, request in early:
            is_over = found.get(request.render_id)
            yield job if is_over is None else (job, Reschedule(0.0 if is_over else PARKED))
        yield from _sends(ready, lock_free)

    def not_made(self, target: Sent[SignatureRequest]) -> Result:
        calls.take_back(target.row, target.before)
        return Later()

    def read(self, answer: Answer, now: Now) -> Update[SignatureRequest] | Result:
        sent: Sent[SignatureRequest] = answer.call.target
        if isinstance(said := answer.value, Refused):
            if isinstance(said.listed, CraftkitError):
                raise said.listed
            if (found := lost.apply(sent.row, said.listed)) is not None:
                return found
            answer = Answer(answer.call, error=said.error)
        return Update(sent.row, sent.state(answer, now, state_of), Change.Cause.ANSWER)

    def next(
        self, update: Update[SignatureRequest], row: SignatureRequest | None, now: Now
    ) -> Result:
        if row is not None:
            return Done(answered=True)
        # Another attempt has begun, another id is known, or Craftkit has taken what it refuses now.
        return Reschedule(0.0 if update.state.remote_id is None else 1.0, answered=True)


#: What plans, and goes on from the answers.
SENDING = Sending()


def _requests() -> Any:
    rows = SignatureRequest.objects.writer()
    return rows.select_related("render").defer("render__data", "render__answer")


def _is_wanted(request: SignatureRequest) -> bool:
    return request.status == Status.PENDING and request.cancel_requested_at is None


def _is_ready(render: Render) -> bool:
    is_there = render.status == Render.Status.SUCCEEDED and render.remote_id is not None
    return is_there and render.withdrawn_at is None


def _sends(
    ready: Sequence[tuple[Job, SignatureRequest]], locked: calls.Lock
) -> Iterator[Call | Ended | Job]:
    """Plan to send requests whose documents are ready: their rows say so together.

    A job comes back as it is where another has locked what is to be written, and ``locked`` does
    not wait for them.
    """
    if not ready:
        return
    people = people_of([request for _job, request in ready])
    state = cache(ProjectState.objects.of)
    started = clock.now()
    planned: list[Call] = []
    for job, request in ready:
        try:
            post = _post(request, people.get(request.pk, []), state(request.project).namespace)
        except Exception as error:
            yield job, result_of_error(job, error)
        else:
            sent = Sent(request, calls.sending_times(request))
            planned.append(Call([job], partial(calls.in_time, started, post), SENDING, sent))
    begun = calls.begin([call.target.row for call in planned], locked, "cancel_requested_at")
    for call in planned:
        request = call.target.row
        if (now := begun.get(request.pk)) is not None:
            calls.assign(request, now)
            yield call.as_planned_now()
        elif request.pk in begun:
            # Unwanted by now, or sent by another: the next step sees what there is to do.
            yield call.jobs[0], Reschedule(0.0)
        else:
            yield call.jobs[0]


def _post(
    request: SignatureRequest, people: Sequence[SignatureRecipient], namespace: uuid.UUID
) -> Callable[[], client.SignatureRequest | Refused]:
    """Return what makes the call, and touches no database."""
    signatures = get_client(request.project, max_retries=0).signatures
    create = partial(
        signatures.create,
        remote_id_of(request.render),
        idempotency_key=wire_key(request, namespace),
        **request.as_sent(people),
    )
    if request.sent_at is None:
        return create

    def create_again() -> client.SignatureRequest | Refused:
        try:
            return create()
        except (InvalidRequest, NotFound, Conflict) as error:
            if error.is_passing:
                raise
            # It may be refused to make another: then the first call got through.
            try:
                return Refused(error, lost.look(request, people, signatures))
            except CraftkitError as failure:
                return Refused(error, failure)

    return create_again


def wire_key(request: SignatureRequest, namespace: uuid.UUID | None = None) -> str:
    """Return the ``Idempotency-Key``: 64 hexadecimal characters, another one for each attempt.

    ``namespace`` is that of its project; it is looked up where it isn't given.
    """
    return hashed_key(request, namespace, "signature", request.render_id, request.key_hash)
