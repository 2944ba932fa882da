"""What a document needs next: many of them at a time, or one by itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django_craftkit.builders import Built
from django_craftkit.client import NotFound
from django_craftkit.database import database
from django_craftkit.models import Change, Job, Render
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.crew import Call
from django_craftkit.reconcile.hearing import Heard
from django_craftkit.reconcile.outcomes import (
    Again,
    Done,
    Failed,
    Later,
    Outcome,
    outcome_of_error,
)

from .build import build_here, is_to_be_prepared, prepare, read_sources, store
from .facts import Documents, Fact, Status, remote_id_of
from .poll import first_poll, next_poll
from .send import Accepted, Sent, read, send, send_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.crew import Answer
    from django_craftkit.reconcile.pace import Turn


def step(job: Job) -> Outcome:
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
        pending = [pk for pk, render in renders.items() if render.status == Status.PENDING]
        data = dict(rows.filter(pk__in=pending).values_list("pk", "data")) if pending else {}
        ready: list[tuple[Job, Render]] = []
        unbuilt: list[tuple[Job, Render]] = []
        for job in jobs:
            render = renders.get(job.object_id)
            if render is None or render.is_final:
                yield job, Done()
            elif render.status != Status.PENDING:
                yield _poll(job, render)
            elif is_to_be_prepared(render):
                yield job
            else:
                render.data = data.get(render.pk)
                (unbuilt if render.data is None else ready).append((job, render))
        sources = read_sources(
            [render for _job, render in unbuilt if not turn.is_slow(render.builder)]
        )
        fresh: set[int] = set()
        for job, render in unbuilt:
            if turn.is_over:
                yield job, Later()
                continue
            built = job if turn.is_slow(render.builder) else build_here(job, render, sources)
            if isinstance(built, Built):
                render.data = built.data
                fresh.add(render.pk)
                ready.append((job, render))
            else:
                yield built
        if len(ready) > 1:
            yield from _sends(ready, fresh)
            return
        for job, render in ready:
            if render.pk in fresh and not store(render, Built(render.data or {}, None)):
                yield job, Again(0.0)
            else:
                yield _send(job, render)

    def take_back(self, about: Any) -> None:
        if isinstance(about, Sent):
            calls.take_back(about.render, about.before)

    def read(self, answer: Answer, now: datetime) -> Heard[Render, Fact] | Outcome:
        about = answer.call.about
        if isinstance(about, Sent):
            return read(about, answer, now)
        return _read_poll(about, answer, now)

    def next(self, heard: Heard[Render, Fact], row: Render | None, now: datetime) -> Outcome:
        if row is not None and row.is_final:
            return Done(heard=True)
        if not isinstance(heard, Accepted):
            return Done(heard=True) if row is None else Again(next_poll(heard.row, now), heard=True)
        if row is not None:
            return Again(first_poll(row, heard.webhooks_at, now), heard=True)
        # Another attempt has begun, another id is known, or Craftkit has accepted what it refuses
        # now: look again at what there is to do.
        return Again(0.0 if heard.fact.remote_id is None else 1.0, heard=True)


#: What plans, and goes on from the answers.
DOCUMENTS = Batch()


def _plan(job: Job, plan: Callable[[], Call | Ended]) -> Call | Ended:
    """Return what is planned, or how the step ends where that can't be."""
    try:
        return plan()
    except Exception as error:
        return job, outcome_of_error(job, error)


def _send(job: Job, render: Render) -> Call | Ended:
    def plan() -> Call | Ended:
        sent = send(job, render)
        return (job, Again(0.0)) if sent is None else _call(job, sent)

    return _plan(job, plan)


def _sends(ready: Sequence[tuple[Job, Render]], fresh: set[int]) -> Iterator[Call | Ended | Job]:
    for one in send_all(ready, fresh):
        if isinstance(one, Job):
            yield one
            continue
        job, planned = one
        yield _call(job, planned) if isinstance(planned, Sent) else (job, planned)


def _call(job: Job, sent: Sent) -> Call:
    return Call([job], sent.post, DOCUMENTS, sent)


def _poll(job: Job, render: Render) -> Call | Ended:
    """Plan to ask about a document that Craftkit has accepted."""

    def plan() -> Call:
        craftkit = get_client(render.project, max_retries=0)
        ask = partial(craftkit.renders.get, remote_id_of(render))
        return Call([job], ask, DOCUMENTS, render)

    return _plan(job, plan)


def _read_poll(render: Render, answer: Answer, now: datetime) -> Heard[Render, Fact] | Outcome:
    error = answer.error
    if isinstance(error, NotFound) and not error.is_passing:
        # Another project's key answers like this too, so it ends nothing.
        return Again(max(next_poll(render, now), 60.0), error=str(error), heard=True)
    if error is not None:
        raise error
    if answer.value.id != render.remote_id:
        return Failed(f"Craftkit answered about {answer.value.id}, asked for {render.remote_id}.")
    return Heard(render, Fact.of(answer.value), Change.Cause.POLL)
