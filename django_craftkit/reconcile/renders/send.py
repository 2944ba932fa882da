"""Documents on their way: built, marked as being sent, sent, polled once they are accepted."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Generic

from django.db.models import Q, TextField
from django.db.models.functions import Cast, Length

from django_craftkit.builders import BUILT, Built
from django_craftkit.client import NotFound
from django_craftkit.database import in_transaction, update_many
from django_craftkit.models import Change, Job, ProjectState, Render
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.executor import MOST_BYTES, Call
from django_craftkit.reconcile.results import (
    Done,
    Failed,
    Later,
    Reschedule,
    Result,
    result_of_error,
)
from django_craftkit.reconcile.states import R, RemoteState
from django_craftkit.reconcile.updates import Update, lock_free

from . import checks
from .build import build_here, decide_here, is_to_be_prepared, prepare, read_sources, store
from .poll import first_poll, next_poll
from .states import Documents, Status, remote_id_of, state_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from django_craftkit.models import SignatureRequest
    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.executor import Answer
    from django_craftkit.reconcile.timings import Budget
    from django_craftkit.reconcile.updates import Now


def step(job: Job) -> Result:
    """Do what a document needs next, in this thread."""
    render = Render.objects.writer().filter(pk=job.object_id).first()
    if render is None or render.is_final:
        return Done()
    if render.status != Status.PENDING:
        return DOCUMENTS.carry_out(_poll(job, render))
    return prepare(job, render) or _refuse(job, render) or DOCUMENTS.carry_out(_send(job, render))


def _refuse(job: Job, render: Render) -> Result | None:
    """Reject a document whose data its template does not take; ``None`` where it does."""
    state = checks.refusal(render)
    return None if state is None else decide_here(render, state, job)


@dataclass(frozen=True, slots=True)
class Sent(Generic[R]):
    """A document, or a signature request, on its way."""

    row: R
    #: What it said of its calls before.
    before: calls.SendingTimes
    #: When the last webhook of a document's project came.
    webhooks_at: datetime | None = None

    def state(
        self, answer: Answer, now: Now, state_of: Callable[[Any], RemoteState]
    ) -> RemoteState:
        """Return what an answer says of the row; raise what stands for no answer."""
        refused = calls.refused(self.row, self.before, answer, now)
        if refused is None:
            return state_of(answer.value)
        return RemoteState(self.row.Status.REJECTED, **refused)


@dataclass(frozen=True, slots=True)
class Accepted(Update[Render]):
    """What Craftkit has answered to a document that was sent."""

    webhooks_at: datetime | None = None
    #: When the answer came, by this process's clock: Craftkit's may be off.
    came_at: float = field(default_factory=time.monotonic)


class DocumentBatch(Documents):
    """Many documents at a time: they are built, sent, and polled once they are accepted.

    What is rare, and what takes its time, is left to ``step``.
    """

    def plan(self, jobs: Sequence[Job], budget: Budget) -> Iterator[Call | Ended | Job]:
        rows = Render.objects.writer()
        renders = rows.defer("data").in_bulk([job.object_id for job in jobs])
        sizes = _sizes([pk for pk, render in renders.items() if render.status == Status.PENDING])
        stored: list[tuple[Job, Render]] = []
        unbuilt: list[tuple[Job, Render]] = []
        size = 0
        for job in jobs:
            render = renders.get(job.object_id)
            if render is None or render.is_final:
                yield job, Done()
            elif render.status != Status.PENDING:
                yield _poll(job, render)
            elif is_to_be_prepared(render):
                yield job
            elif render.pk not in sizes:
                unbuilt.append((job, render))
            elif size >= MOST_BYTES:
                yield job, Later()
            else:
                size += sizes[render.pk]
                stored.append((job, render))
        ready: list[tuple[Job, Render]] = []
        pks = [render.pk for _job, render in stored]
        data = dict(rows.filter(pk__in=pks).values_list("pk", "data"))
        for job, render in stored:
            render.data = data.get(render.pk)
            if render.data is None:
                yield job, Reschedule(0.0)  # it is to be built anew since
            else:
                ready.append((job, render))
        quick = [render for _job, render in unbuilt if not budget.is_slow(render.builder)]
        sources = read_sources(quick)
        fresh: set[int] = set()
        for job, render in unbuilt:
            if budget.is_spent or size >= MOST_BYTES:
                yield job, Later()
                continue
            built = job if budget.is_slow(render.builder) else build_here(job, render, sources)
            if not isinstance(built, Built):
                yield built
                continue
            built.set_on(render)
            sizes[render.pk] = len(json.dumps(built.data))
            size += sizes[render.pk]
            fresh.add(render.pk)
            ready.append((job, render))
        unfit = checks.unfit([render for _job, render in ready])
        yield from (job for job, render in ready if render.pk in unfit)
        ready = [(job, render) for job, render in ready if render.pk not in unfit]
        if len(ready) > 1:
            yield from _send_all(ready, fresh, sizes)
            return
        for job, render in ready:
            if render.pk in fresh and not store(render, Built.of(render)):
                yield job, Reschedule(0.0)
            else:
                yield _send(job, render, sizes[render.pk])

    def not_made(self, target: Any) -> Result:
        if isinstance(target, Sent):
            calls.take_back(target.row, target.before)
        return Later()

    def read(self, answer: Answer, now: Now) -> Update[Render] | Result:
        sent = answer.call.target
        if not isinstance(sent, Sent):
            return _read_poll(sent, answer, now)
        state = sent.state(answer, now, state_of)
        return Accepted(
            sent.row,
            state,
            Change.Cause.ANSWER,
            webhooks_at=sent.webhooks_at,
            came_at=answer.came_at,
        )

    def next(self, update: Update[Render], row: Render | None, now: Now) -> Result:
        if row is not None and row.is_final:
            return Done(answered=True)
        if not isinstance(update, Accepted):
            if row is None:
                return Done(answered=True)
            return Reschedule(next_poll(update.row, now()), answered=True)
        if row is not None:
            waited = time.monotonic() - update.came_at
            return Reschedule(first_poll(row, update.webhooks_at, now(), waited), answered=True)
        # Another attempt has begun, another id is known, or Craftkit has accepted what it refuses
        # now: the next step sees what there is to do.
        return Reschedule(0.0 if update.state.remote_id is None else 1.0, answered=True)


#: What plans, and goes on from the answers.
DOCUMENTS = DocumentBatch()


def _sizes(pks: Sequence[int]) -> dict[int, int]:
    """Return how long the data of these documents are, of those that have some."""
    rows = Render.objects.writer().filter(pk__in=pks, data__isnull=False)
    return dict(rows.values_list("pk", Length(Cast("data", TextField()))))


def _send(job: Job, render: Render, size: int = 0) -> Call | Ended:
    """Plan to send a document whose data are stored, and mark it as being sent."""
    try:
        call = _call(job, render, ProjectState.objects.of(render.project), size)
        wanted = Render.objects.writer().filter(attempt=render.attempt, erased_at=None)
        if render.sent_at is None:
            # Withdrawn before it was ever sent, it is cancelled instead.
            wanted = wanted.filter(withdrawn_at=None)
        return call if calls.mark_sending(render, wanted) else (job, Reschedule(0.0))
    except Exception as error:
        return job, result_of_error(job, error)


def _send_all(
    ready: Sequence[tuple[Job, Render]], fresh: Collection[int], sizes: Mapping[int, int]
) -> Iterator[Call | Ended | Job]:
    """Plan to send documents, as ``_send`` does, and mark them together as being sent.

    The data of ``fresh`` are stored with it. A job that is returned as it is is for who can wait:
    another has locked its document, or something has changed.
    """
    state = cache(ProjectState.objects.of)
    planned: list[Call] = []
    for job, render in ready:
        try:
            planned.append(_call(job, render, state(render.project), sizes[render.pk]))
        except Exception as error:
            yield job, result_of_error(job, error)
    begun = _mark_free([call.target.row for call in planned], fresh)
    for call in planned:
        render = call.target.row
        if (now := begun.get(render.pk)) is None:
            yield call.jobs[0]
        else:
            calls.assign(render, now)
            yield call.as_planned_now()


@in_transaction
def _mark_free(renders: Sequence[Render], fresh: Collection[int]) -> calls.Marked:
    """Mark documents as being sent: those that are free, and as they were read.

    The data of ``fresh`` are stored with it, before they are sent: other data never go out under a
    key that was used.
    """
    begun = calls.mark_all_sending(
        renders,
        lambda rows: lock_free(rows.filter(Q(data__isnull=True) | ~Q(pk__in=fresh))),
        "withdrawn_at",
        "erased_at",
    )
    update_many([one for one in renders if one.pk in fresh and begun.get(one.pk)], BUILT)
    return begun


def _call(job: Job, render: Render, state: ProjectState, size: int) -> Call:
    post = partial(
        get_client(render.project, max_retries=0).renders.render,
        render.template,
        render.data or {},
        idempotency_key=wire_key(render, state.namespace),
        version=render.version,
        filename=render.filename or None,
    )
    sent = Sent(render, calls.sending_times(render), state.webhook_heard_at)
    return Call([job], post, DOCUMENTS, sent, size=size)


def wire_key(render: Render, namespace: uuid.UUID | None = None) -> str:
    """Return the ``Idempotency-Key``: 64 hexadecimal characters, another one for each attempt.

    ``namespace`` is that of its project; it is looked up where it isn't given.
    """
    return hashed_key(render, namespace, render.key_hash)


def hashed_key(row: Render | SignatureRequest, namespace: uuid.UUID | None, *about: object) -> str:
    """Return the key of a row's attempt, which its project knows by ``about``."""
    namespace = namespace or ProjectState.objects.of(row.project).namespace
    text = "\n".join(map(str, (namespace, row.project, *about, row.attempt)))
    return hashlib.sha256(text.encode()).hexdigest()


def _poll(job: Job, render: Render) -> Call | Ended:
    """Plan to poll a document that Craftkit has accepted."""
    try:
        get = get_client(render.project, max_retries=0).renders.get
        return Call([job], partial(get, remote_id_of(render)), DOCUMENTS, render)
    except Exception as error:
        return job, result_of_error(job, error)


def _read_poll(render: Render, answer: Answer, now: Now) -> Update[Render] | Result:
    error = answer.error
    if isinstance(error, NotFound) and not error.is_passing:
        # Another project's key answers like this too, so it ends nothing.
        return Reschedule(max(next_poll(render, now()), 60.0), Problem.of(error), answered=True)
    if error is not None:
        raise error
    if answer.value.id != render.remote_id:
        return Failed(Problem(ErrorCode.OTHER_ANSWERED, str(answer.value.id)))
    return Update(render, state_of(answer.value), Change.Cause.POLL)
