"""Signature requests on their way out: each is sent once, as soon as its document is ready.

Craftkit takes an idempotency key for a request: a call whose end nobody knows is made again, with
the same key. It is a job of its own, so that a want of credits holds up nobody who follows or
cancels a request that is out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.models import Change, Job, ProjectState, Render, SignatureRequest
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.crew import Call
from django_craftkit.reconcile.facts import is_of_another, lock_free, refusal, used_elsewhere
from django_craftkit.reconcile.hearing import Heard
from django_craftkit.reconcile.outcomes import PARKED, Again, Done, Outcome, outcome_of_error
from django_craftkit.reconcile.renders.facts import is_final_by_now, remote_id_of

from . import lost
from .facts import Fact, Requests, Status, decide
from .recipients import people_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from django_craftkit import client
    from django_craftkit.models import SignatureRecipient
    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.crew import Answer
    from django_craftkit.reconcile.pace import Turn

    Lock = Callable[[QuerySet[Any]], QuerySet[Any]]


def step(job: Job) -> Outcome:
    """Send a request that waits for it, as soon as its document is ready; in this thread."""
    request = _requests().filter(pk=job.object_id).first()
    if request is None or not _is_wanted(request):
        return Done()
    render = request.render
    if render.withdrawn_at is not None:
        return decide(request, Fact(Status.CANCELLED, error="Its document was withdrawn."))
    if render.is_retriable:
        error = f"Its document is {render.status}. {render.error}".strip()
        return decide(request, Fact(Status.REJECTED, error=error, error_code="render_failed"))
    if not _is_ready(render):
        # Who has found it at its end may have looked for what waits a moment before this did.
        is_over = not render.is_final and is_final_by_now(render.pk)
        return Again(0.0 if is_over else PARKED)
    (planned,) = _sends([(job, request)], lock)
    return Again(0.0) if isinstance(planned, Job) else SENDING.carry_out(planned)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request on its way, and what its row said of its calls before."""

    request: SignatureRequest
    before: calls.Noted


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

    def plan(self, jobs: Sequence[Job], turn: Turn) -> Iterator[Call | Ended | Job]:
        requests = _requests().in_bulk([job.object_id for job in jobs])
        ready: list[tuple[Job, SignatureRequest]] = []
        early: list[tuple[Job, SignatureRequest]] = []
        for job in jobs:
            request = requests.get(job.object_id)
            if request is None or not _is_wanted(request):
                yield job, Done()
            elif _is_ready(request.render):
                ready.append((job, request))
            elif request.render.is_final or request.render.withdrawn_at is not None:
                yield job
            else:
                early.append((job, request))
        yield from _waits(early)
        yield from _sends(ready, lock_free)

    def take_back(self, about: Sent) -> None:
        calls.take_back(about.request, about.before)

    def read(self, answer: Answer, now: datetime) -> Heard[SignatureRequest, Fact] | Outcome:
        sent: Sent = answer.call.about
        request, error, said = sent.request, answer.error, answer.value
        if isinstance(said, Refused):
            if isinstance(said.listed, CraftkitError):
                raise said.listed
            if (found := lost.join(request, said.listed)) is not None:
                return found
            error = said.error
        if isinstance(error, (InvalidRequest, NotFound, Conflict)) and not error.is_passing:
            fact = Fact(Status.REJECTED, **refusal(error))
        elif error is not None:
            if isinstance(error, CraftkitError) and error.proves_inaction:
                calls.take_back(request, sent.before)
            raise error
        elif is_of_another(said, request.sent_at or now):
            fact = Fact(Status.REJECTED, **used_elsewhere(said))
        else:
            fact = Fact.of(said)
        return Heard(request, fact, Change.Cause.ANSWER)

    def next(
        self, heard: Heard[SignatureRequest, Fact], row: SignatureRequest | None, now: datetime
    ) -> Outcome:
        if row is not None:
            return Done(heard=True)
        # Another attempt has begun, another id is known, or Craftkit has taken what it refuses now.
        return Again(0.0 if heard.fact.remote_id is None else 1.0, heard=True)


#: What plans, and goes on from the answers.
SENDING = Sending()


def _requests() -> Any:
    rows = SignatureRequest.objects.using(database())
    return rows.select_related("render").defer("render__data", "render__answer")


def _is_wanted(request: SignatureRequest) -> bool:
    return request.status == Status.PENDING and request.cancel_requested_at is None


def _is_ready(render: Render) -> bool:
    is_there = render.status == Render.Status.SUCCEEDED and render.remote_id is not None
    return is_there and render.withdrawn_at is None


def _waits(early: Sequence[tuple[Job, SignatureRequest]]) -> Iterator[Ended | Job]:
    """Leave requests until their documents are ready, as ``step`` does, and wait for nobody."""
    found = _final_by_now({request.render_id for _job, request in early}) if early else {}
    for job, request in early:
        is_over = found.get(request.render_id)
        yield job if is_over is None else (job, Again(0.0 if is_over else PARKED))


@in_transaction
def _final_by_now(pks: Collection[int]) -> dict[int, bool]:
    """Whether documents have come to their end, as ``is_final_by_now``.

    Not of those that another has locked, who may be about to say so.
    """
    rows: Any = lock_free(Render.objects.using(database()).only("status"))
    return {pk: render.is_final for pk, render in rows.in_bulk(pks).items()}


def _sends(
    ready: Sequence[tuple[Job, SignatureRequest]], locked: Lock
) -> Iterator[Call | Ended | Job]:
    """Plan to send requests whose documents are ready: their rows say so together.

    A job comes back as it is where another has locked what is to be written, and ``locked`` does
    not wait for them.
    """
    if not ready:
        return
    people = people_of([request for _job, request in ready])
    namespace = cache(lambda project: ProjectState.objects.of(project).namespace)
    started = clock.now()
    posts: list[tuple[Job, Sent, Callable[[], Any]]] = []
    for job, request in ready:
        try:
            mine = people.get(request.pk, [])
            post = _post(request, mine, namespace(request.project))
        except Exception as error:
            yield job, outcome_of_error(job, error)
        else:
            posts.append((job, Sent(request, calls.noted(request)), post))
    begun = _begin([sent.request for _job, sent, _post in posts], locked)
    for job, sent, post in posts:
        now = begun.get(sent.request.pk)
        if now is not None:
            calls.remember(sent.request, now)
            yield Call([job], partial(calls.in_time, started, post), SENDING, sent)
        elif sent.request.pk in begun:
            # Unwanted by now, or sent by another: look again at what there is to do.
            yield job, Again(0.0)
        else:
            yield job


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


@in_transaction
def _begin(requests: Sequence[SignatureRequest], locked: Lock) -> dict[int, calls.Noted | None]:
    """Say of requests that they are being sent; ``None``: it is not, being unwanted by now."""
    # Whoever withdraws a document comes before this, or finds its requests.
    rows: Any = locked(Render.objects.using(database()).only("withdrawn_at"))
    renders = rows.in_bulk({request.render_id for request in requests})
    free = [request for request in requests if request.render_id in renders]
    unwanted: dict[int, calls.Noted | None] = {
        one.pk: None for one in free if renders[one.render_id].withdrawn_at is not None
    }
    mine = [one for one in free if one.pk not in unwanted]
    return {**unwanted, **calls.note_all(mine, locked, "cancel_requested_at")}


def wire_key(request: SignatureRequest, namespace: uuid.UUID | None = None) -> str:
    """Return the ``Idempotency-Key``: 64 hexadecimal characters, another one for each attempt.

    ``namespace`` is that of its project; it is looked up where it isn't given.
    """
    namespace = namespace or ProjectState.objects.of(request.project).namespace
    parts = (namespace, request.project, "signature", request.render_id, request.key_hash)
    text = "\n".join(map(str, (*parts, request.attempt)))
    return hashlib.sha256(text.encode()).hexdigest()
