"""Documents: built, sent, followed to their end."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.builders import BuilderError, build
from django_craftkit.client import Conflict, InvalidRequest, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, upsert
from django_craftkit.models import Change, Job, ProjectState, Render, Share, WebhookDelivery
from django_craftkit.models.render import BUILDER_FAILED, FINAL, KIND
from django_craftkit.projects import get_client

from .facts import earliest, in_transaction, join_answers, record, storable
from .moments import here
from .outcomes import Again, Done, Failed, Outcome

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping

    from django_craftkit import client

logger = logging.getLogger(__name__)

Status = Render.Status

#: Facts of a higher rank win, so that any order of them ends in the same status.
RANK = {
    status: rank
    for rank, status in enumerate(
        (
            Status.PENDING,
            Status.QUEUED,
            Status.RENDERING,
            Status.REJECTED,
            Status.CANCELLED,
            Status.FAILED,
            Status.SUCCEEDED,
        )
    )
}
SIGNAL = {
    Status.SUCCEEDED: "render_succeeded",
    Status.FAILED: "render_failed",
    Status.REJECTED: "render_rejected",
}
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
    "updated_at",
)
#: A replay is taken for an older document's if it was made this long before the attempt: clocks.
SKEW = timedelta(minutes=5)
#: Seconds to the first poll, and how lately a webhook must have come for it to be put off.
FIRST_POLL, FIRST_POLL_WITH_WEBHOOKS = 1.0, 20.0
WEBHOOKS_LATELY = timedelta(hours=1)
MAX_POLL = 900.0


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of a document from one source at one time."""

    status: str
    remote_id: uuid.UUID | None = None
    error: str = ""
    error_code: str = ""
    field_errors: Mapping[str, list[str]] = field(default_factory=dict)
    accepted_at: datetime | None = None
    completed_at: datetime | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, render: client.Render) -> Fact:
        return cls(
            status=render.status,
            remote_id=render.id,
            error=storable(render.error_message or ""),
            accepted_at=here(render.created_at),
            completed_at=here(render.completed_at),
            answer=storable({**render.extra, "durationMs": render.duration_ms}),
        )


def step(job: Job) -> Outcome:
    """Do what a document needs next."""
    render = Render.objects.using(database()).filter(pk=job.object_id).first()
    if render is None or render.is_final:
        return Done()
    if render.status != Status.PENDING:
        return _poll(render)
    if render.data is None and not _build(render):
        return Done()
    return _send(render)


def _build(render: Render) -> bool:
    """Make the data from what was really saved; return whether there is something to send."""
    error = render.error if render.error_code == BUILDER_FAILED else ""
    try:
        data = None if error else build(render)
    except BuilderError as raised:
        error = str(raised)
    if error:
        fact = Fact(Status.REJECTED, error=error, error_code=BUILDER_FAILED)
        hear_one(render, fact, Change.Cause.HERE)
        return False
    if data is None:
        return _drop(render)
    # Stored before it is sent: other data never go out under a key that was used.
    stored = (
        Render.objects.using(database())
        .filter(pk=render.pk, attempt=render.attempt, status=Status.PENDING, data__isnull=True)
        .update(data=data)
    )
    render.data = data
    return bool(stored)


@in_transaction
def _drop(render: Render) -> bool:
    """Forget a document that there turned out to be no data for, as if it never was asked for."""
    mine = Render.objects.using(database()).filter(pk=render.pk, attempt=render.attempt)
    if Share.objects.using(database()).filter(render=render).exists() or render.attempt > 1:
        fact = Fact(
            Status.CANCELLED,
            error="The function that makes its data returned None: there is nothing to render.",
        )
        hear_one(render, fact, Change.Cause.HERE)
    else:
        mine.delete()
    return False


def _send(render: Render) -> Outcome:
    client_of_project = get_client(render.project, max_retries=0)
    try:
        answer = client_of_project.renders.render(
            render.template,
            render.data or {},
            idempotency_key=wire_key(render),
            version=render.version,
        )
    except (InvalidRequest, NotFound, Conflict) as error:
        fact = Fact(
            Status.REJECTED,
            error=storable(error.message),
            error_code=error.code,
            field_errors=storable(getattr(error, "field_errors", {})),
        )
        hear_one(render, fact, Change.Cause.ANSWER)
        return Done(heard=True)
    began = render.attempted_at
    if answer.replayed and here(answer.created_at) < began - SKEW:
        fact = Fact(
            Status.REJECTED,
            error=(
                f"Craftkit knows this key from {answer.created_at:%Y-%m-%d %H:%M} UTC, before "
                "it was used here: another database with the same namespace has sent it."
            ),
            error_code="key_used_elsewhere",
        )
        hear_one(render, fact, Change.Cause.ANSWER)
        return Done(heard=True)
    row = hear_one(render, Fact.of(answer), Change.Cause.ANSWER)
    if row is None or row.is_final:
        return Done(heard=True)
    return Again(_first_poll(row), heard=True)


def remote_id_of(render: Render) -> uuid.UUID:
    """Return Craftkit's id of an accepted document."""
    if render.remote_id is None:
        raise ValueError(f"{render} is {render.status} and has no id at Craftkit.")
    return render.remote_id


def wire_key(render: Render) -> str:
    """Return the ``Idempotency-Key``: 64 hexadecimal characters, another one for each attempt."""
    namespace = ProjectState.objects.of(render.project).namespace
    text = f"{namespace}\n{render.project}\n{render.key_hash}\n{render.attempt}"
    return hashlib.sha256(text.encode()).hexdigest()


def _first_poll(render: Render) -> float:
    heard = ProjectState.objects.of(render.project).webhook_heard_at
    lately = heard is not None and database_now() - heard < WEBHOOKS_LATELY
    return FIRST_POLL_WITH_WEBHOOKS if lately else FIRST_POLL


def _poll(render: Render) -> Outcome:
    delay = poll_delay((database_now() - render.attempted_at).total_seconds())
    try:
        answer = get_client(render.project, max_retries=0).renders.get(remote_id_of(render))
    except NotFound as error:
        # Another project's key answers like this too, so it ends nothing.
        return Again(max(delay, 60.0), error=str(error), heard=True)
    if answer.id != render.remote_id:
        return Failed(f"Craftkit answered about {answer.id}, asked for {render.remote_id}.")
    row = hear_one(render, Fact.of(answer), Change.Cause.POLL)
    return Done(heard=True) if row is None or row.is_final else Again(delay, heard=True)


def poll_delay(age: float) -> float:
    """Return the seconds to the next poll of a document that is ``age`` seconds old."""
    if age < 1:
        return 1.0
    if age < 3:
        return 2.0
    return min(max(5.0, age / 6), MAX_POLL)


@in_transaction
def hear_one(render: Render, fact: Fact, cause: Change.Cause) -> Render | None:
    """Join a fact that is known to be about this attempt; return the row, or ``None``."""
    rows = (
        Render.objects.using(database())
        .select_for_update()
        .defer("data")
        .filter(pk=render.pk, attempt=render.attempt)
    )
    row: Render | None = rows.first()
    if row is None or (row.remote_id and fact.remote_id not in (None, row.remote_id)):
        return None
    is_new = row.remote_id is None and fact.remote_id is not None
    _hear([(row, [fact])], cause)
    if is_new:
        WebhookDelivery.objects.pull_forward(row.project, fact.remote_id)
    return row


def hear_many(
    facts: Mapping[tuple[str, uuid.UUID], Iterable[Fact]], cause: Change.Cause
) -> set[tuple[str, uuid.UUID]]:
    """Join facts by project and Craftkit's id; return those that there is a row for.

    To be called inside a transaction.
    """
    rows = list(
        Render.objects.using(database())
        .select_for_update()
        .defer("data")
        .filter(remote_id__in=[remote_id for _, remote_id in facts])
        .order_by("pk")
    )
    known = {(row.project, row.remote_id): row for row in rows if row.remote_id}
    _hear([(row, facts[key]) for key, row in known.items() if key in facts], cause)
    return known.keys() & facts.keys()


def _hear(found: list[tuple[Render, Iterable[Fact]]], cause: Change.Cause) -> None:
    changed, changes, ended = [], [], []
    for row, facts in found:
        before, columns = row.status, _columns(row)
        for fact in facts:
            join(row, fact)
        if _columns(row) != columns:
            changed.append(row)
        if row.status != before:
            changes.append(
                Change(
                    kind=KIND,
                    object_id=row.pk,
                    attempt=row.attempt,
                    from_status=before,
                    to_status=row.status,
                    cause=cause,
                    note=row.error,
                    signal=SIGNAL.get(Status(row.status), ""),
                )
            )
            if row.status in FINAL:
                ended.append(row)
    _store(changed)
    record(changes, {KIND: Render})
    _after(ended)


def _columns(row: Render) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in COLUMNS)


def _store(rows: list[Render]) -> None:
    now = clock.now()
    for row in rows:
        row.updated_at = now
    if len(rows) == 1:
        values = {name: getattr(rows[0], name) for name in COLUMNS}
        Render.objects.using(database()).filter(pk=rows[0].pk).update(**values)
    elif rows:
        for row in rows:
            # Not among the updated columns: the rows are locked, so none of them is inserted.
            row.data = None
        upsert(rows, COLUMNS)


def _after(ended: list[Render]) -> None:
    """What the end of a document sets going, and what it makes needless."""
    if not ended:
        return
    using = database()
    jobs = Job.objects.using(using).filter(kind=KIND, object_id__in=[row.pk for row in ended])
    jobs.delete()
    ready = [row.pk for row in ended if row.status == Status.SUCCEEDED]
    shares = Share.objects.using(using).filter(render__in=ready, status=Share.Status.PENDING)
    by_project: dict[str, list[int]] = {}
    for pk, project in shares.values_list("pk", "project"):
        by_project.setdefault(project, []).append(pk)
    for project, pks in by_project.items():
        Job.objects.wish("share", pks, project)


def join(row: Render, fact: Fact) -> None:
    """Join one fact to its row: the same end in any order, with any repeats."""
    row.remote_id = row.remote_id or fact.remote_id
    row.accepted_at = earliest(row.accepted_at, fact.accepted_at)
    row.completed_at = earliest(row.completed_at, fact.completed_at)
    row.answer = join_answers(row.answer, fact.answer)
    try:
        status = Status(fact.status)
    except ValueError:
        row.answer = join_answers(row.answer, {"status": fact.status})
        return
    mine, theirs = RANK[Status(row.status)], RANK[status]
    if theirs > mine:
        row.status = status
        row.error, row.error_code = fact.error, fact.error_code
        row.field_errors = dict(fact.field_errors)
    elif theirs == mine and (fact.error, fact.error_code) > (row.error, row.error_code):
        row.error, row.error_code = fact.error, fact.error_code
        row.field_errors = dict(fact.field_errors)
