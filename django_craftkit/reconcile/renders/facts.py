"""What is known of documents: facts in any order, with any repeats, end in the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django_craftkit import bulk, clock, conf
from django_craftkit.database import database, in_transaction, lock, storable, update_many
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, Render, Share, SignatureRequest
from django_craftkit.models.render import FINAL, KIND
from django_craftkit.models.signature import SEND as SEND_SIGNATURE
from django_craftkit.reconcile.facts import (
    earliest,
    join_answers,
    kept,
    lock_by_remote_id,
    lock_free,
    why,
)
from django_craftkit.reconcile.hearing import Heard, Hearing
from django_craftkit.reconcile.moments import here

from .poll import learn

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from django_craftkit import client

logger = get_logger(__name__)

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
    Status.CANCELLED: "render_cancelled",
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
)


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
            answer=kept(render, durationMs=render.duration_ms),
        )


class Documents(Hearing[Render, Fact]):
    """Hears of documents."""

    def rows(self) -> QuerySet[Render]:
        return Render.objects.using(database()).defer("data")

    def hear(
        self,
        found: Sequence[tuple[Render, Sequence[Fact]]],
        cause: Change.Cause,
        asked_at: datetime | None,
    ) -> None:
        hear(found, cause)


_documents = Documents()


def hear_one(render: Render, fact: Fact, cause: Change.Cause) -> Render | None:
    """Join a fact that is known to be about this attempt; return the row, or ``None``."""
    return _documents.hear_one(Heard(render, fact, cause))


def remote_id_of(render: Render) -> uuid.UUID:
    """Return Craftkit's id of an accepted document."""
    if render.remote_id is None:
        raise ValueError(f"{render} is {render.status} and has no id at Craftkit.")
    return render.remote_id


@in_transaction
def is_final_by_now(pk: int) -> bool:
    """Whether a document has come to its end, waiting for whoever is about to say so."""
    render: Render = lock(Render.objects.using(database())).only("status").get(pk=pk)
    return render.is_final


def lock_known(
    keys: Iterable[tuple[str, uuid.UUID]],
) -> dict[tuple[str, uuid.UUID], Render]:
    """Lock the documents that these projects' ids stand for; those that there is a row for."""
    columns = ("project", "template", "attempt", "counts", *COLUMNS)
    return lock_by_remote_id(Render.objects.using(database()).only(*columns), keys)


def hear(found: Iterable[tuple[Render, Iterable[Fact]]], cause: Change.Cause) -> None:
    """Join facts to their documents, which are locked; inside a transaction."""
    changed, changes, ended = [], [], []
    columns = {"updated_at"}
    for row, facts in found:
        before, values = row.status, _values(row)
        for fact in facts:
            join(row, fact)
        different = {name for name, value in _values(row).items() if value != values[name]}
        if different:
            columns |= different
            row.updated_at = clock.now()
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
            if row.status in (Status.FAILED, Status.REJECTED):
                logger.warning(
                    "Document %d (%s) of project %r is %s: %s",
                    row.pk,
                    row.template,
                    row.project,
                    row.status,
                    why(row),
                )
    update_many(changed, columns)
    Change.objects.record(changes)
    _after(ended)


def _values(row: Render) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}


def _after(ended: list[Render]) -> None:
    """What the end of a document sets going, and what it makes needless."""
    if not ended:
        return
    using = database()
    jobs = Job.objects.using(using).filter(kind=KIND, object_id__in=[row.pk for row in ended])
    # One that somebody has locked finds nothing to do when its turn comes.
    free = list(lock_free(jobs).values_list("pk", flat=True))
    bulk.delete_by_pk(Job, free, using)
    ready = [row.pk for row in ended if row.status == Status.SUCCEEDED]
    for row in ended:
        if row.status == Status.SUCCEEDED:
            learn(row)
    if ready and conf.options().ARCHIVE_RENDERS:
        Job.objects.wish_for("archive render", [row for row in ended if row.pk in ready])
    requests = SignatureRequest.objects.using(using).filter(
        render__in=[row.pk for row in ended], status=SignatureRequest.Status.PENDING
    )
    Job.objects.wish_for(SEND_SIGNATURE, requests.only("project"))
    shares = Share.objects.using(using).filter(render__in=ready, status=Share.Status.PENDING)
    waiting: dict[str, list[Share]] = {}
    for share in shares.only("project", "by_mail"):
        waiting.setdefault(share.kind, []).append(share)
    for kind, rows in waiting.items():
        Job.objects.wish_for(kind, rows)


def join(row: Render, fact: Fact) -> None:
    """Join one fact to its row: the same end in any order, with any repeats."""
    row.remote_id = row.remote_id or fact.remote_id
    row.accepted_at = earliest(row.accepted_at, fact.accepted_at)
    row.completed_at = earliest(row.completed_at, fact.completed_at)
    row.answer = join_answers(row.answer, fact.answer)
    try:
        status = Status(fact.status)
    except ValueError:
        row.answer = join_answers(row.answer, {"status": storable(fact.status)})
        return
    mine, theirs = RANK[Status(row.status)], RANK[status]
    if theirs > mine:
        row.status = status
        row.error, row.error_code = fact.error, fact.error_code
        row.field_errors = dict(fact.field_errors)
    elif theirs == mine and (fact.error, fact.error_code) > (row.error, row.error_code):
        row.error, row.error_code = fact.error, fact.error_code
        row.field_errors = dict(fact.field_errors)
