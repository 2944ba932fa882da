"""What a document needs next: many of them at a time, or one by itself."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.functions import Cast, Length

from django_craftkit.builders import Built
from django_craftkit.client import NotFound
from django_craftkit.database import database
from django_craftkit.models import Change, Job, Render
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.crew import MOST_BYTES, Call
from django_craftkit.reconcile.results import (
    Done,
    Failed,
    Later,
    Reschedule,
    Result,
    result_of_error,
)
from django_craftkit.reconcile.updates import Update

from .build import build_here, is_to_be_prepared, prepare, read_sources, store
from .poll import first_poll, next_poll
from .send import Accepted, Sent, read, send, send_all
from .states import Documents, Status, remote_id_of, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.crew import Answer
    from django_craftkit.reconcile.pace import Turn
    from django_craftkit.reconcile.updates import Now


def step(job: Job) -> Result:
    """Do what a document needs next, in this thread."""
    render = Render.objects.using(database()).filter(pk=job.object_id).first()
    if render is None or render.is_final:
        return Done()
    if render.status != Status.PENDING:
        return DOCUMENTS.carry_out(_poll(job, render))
    return prepare(job, render) or DOCUMENTS.carry_out(_send(job, render))


class Batch(Documents):
    """Many documents at a time: they are built, sent, and asked about when they were accepted.

    What is rare, and what takes its time, is left to ``step``.
    """

    def plan(self, jobs: Sequence[Job], turn: Turn) -> Iterator[Call | Ended | Job]:
        rows: Any = Render.objects.using(database())
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
        _read_data([render for _job, render in stored])
        for job, render in stored:
            if render.data is None:
                yield job, Reschedule(0.0)  # it is to be built anew since
            else:
                ready.append((job, render))
        sources = read_sources(
            [render for _job, render in unbuilt if not turn.is_slow(render.builder)]
        )
        fresh: set[int] = set()
        for job, render in unbuilt:
            if turn.is_over or size >= MOST_BYTES:
                yield job, Later()
                continue
            built = job if turn.is_slow(render.builder) else build_here(job, render, sources)
            if isinstance(built, Built):
                render.data = built.data
                sizes[render.pk] = len(json.dumps(built.data))
                size += sizes[render.pk]
                fresh.add(render.pk)
                ready.append((job, render))
            else:
                yield built
        if len(ready) > 1:
            yield from _sends(ready, fresh, sizes)
            return
        for job, render in ready:
            if render.pk in fresh and not store(render, Built(render.data or {}, None)):
                yield job, Reschedule(0.0)
            else:
                yield _send(job, render, sizes[render.pk])

    def not_made(self, target: Any) -> Result:
        if isinstance(target, Sent):
            calls.take_back(target.render, target.before)
        return Later()

    def read(self, answer: Answer, now: Now) -> Update[Render] | Result:
        about = answer.call.target
        if isinstance(about, Sent):
            return read(about, answer, now)
        return _read_poll(about, answer, now)

    def next(self, update: Update[Render], row: Render | None, now: Now) -> Result:
        if row is not None and row.is_final:
            return Done(answered=True)
        if not isinstance(update, Accepted):
            if row is None:
                return Done(answered=True)
            return Reschedule(next_poll(update.row, now()), answered=True)
        if row is not None:
            return Reschedule(first_poll(row, update.webhooks_at, now()), answered=True)
        # Another attempt has begun, another id is known, or Craftkit has accepted what it refuses
        # now: look again at what there is to do.
        return Reschedule(0.0 if update.state.remote_id is None else 1.0, answered=True)


#: What plans, and goes on from the answers.
DOCUMENTS = Batch()


def _plan(job: Job, plan: Callable[[], Call | Ended]) -> Call | Ended:
    """Return what is planned, or how the step ends where that can't be."""
    try:
        return plan()
    except Exception as error:
        return job, result_of_error(job, error)


def _sizes(pks: Sequence[int]) -> dict[int, int]:
    """Return how long the data of these documents are, of those that have some."""
    rows = Render.objects.using(database()).filter(pk__in=pks, data__isnull=False)
    length = Length(Cast("data", models.TextField()))
    return dict(rows.values_list("pk", length)) if pks else {}


def _read_data(renders: Sequence[Render]) -> None:
    rows = Render.objects.using(database()).filter(pk__in=[render.pk for render in renders])
    data = dict(rows.values_list("pk", "data")) if renders else {}
    for render in renders:
        render.data = data.get(render.pk)


def _send(job: Job, render: Render, size: int = 0) -> Call | Ended:
    def plan() -> Call | Ended:
        sent = send(job, render)
        return (job, Reschedule(0.0)) if sent is None else _call(job, sent, size)

    return _plan(job, plan)


def _sends(
    ready: Sequence[tuple[Job, Render]], fresh: set[int], sizes: Mapping[int, int]
) -> Iterator[Call | Ended | Job]:
    for one in send_all(ready, fresh):
        if isinstance(one, Job):
            yield one
            continue
        job, planned = one
        if isinstance(planned, Sent):
            yield _call(job, planned, sizes[planned.render.pk])
        else:
            yield job, planned


def _call(job: Job, sent: Sent, size: int) -> Call:
    return Call([job], sent.post, DOCUMENTS, sent, size=size)


def _poll(job: Job, render: Render) -> Call | Ended:
    """Plan to ask about a document that Craftkit has accepted."""

    def plan() -> Call:
        craftkit = get_client(render.project, max_retries=0)
        ask = partial(craftkit.renders.get, remote_id_of(render))
        return Call([job], ask, DOCUMENTS, render)

    return _plan(job, plan)


def _read_poll(render: Render, answer: Answer, now: Now) -> Update[Render] | Result:
    error = answer.error
    if isinstance(error, NotFound) and not error.is_passing:
        # Another project's key answers like this too, so it ends nothing.
        return Reschedule(max(next_poll(render, now()), 60.0), error=str(error), answered=True)
    if error is not None:
        raise error
    if answer.value.id != render.remote_id:
        return Failed(f"Craftkit answered about {answer.value.id}, asked for {render.remote_id}.")
    return Update(render, state_of(answer.value), Change.Cause.POLL)
