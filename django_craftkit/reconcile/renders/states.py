"""What Craftkit says of documents: in any order, with repeats, it ends in the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_craftkit import bulk, conf
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.log import about, get_logger
from django_craftkit.models import Change, Job, Render, Share, SignatureRequest, Template
from django_craftkit.reconcile.answers import kept, why
from django_craftkit.reconcile.results import PARKED, Reschedule
from django_craftkit.reconcile.states import ADVANCED, RemoteState, States, advance, ranked
from django_craftkit.reconcile.updates import Update, Updates, lock_by_remote_id, lock_free

from .poll import learn

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from django.db.models import QuerySet

    from django_craftkit import client

logger = get_logger(__name__)

Status = Render.Status

#: What Craftkit says of data that are not what the template takes.
INVALID_DATA = "invalid_input_data"

RANK = ranked(
    Status.PENDING,
    Status.QUEUED,
    Status.RENDERING,
    Status.REJECTED,
    Status.CANCELLED,
    Status.FAILED,
    Status.SUCCEEDED,
)
SIGNAL: dict[str, str] = {
    Status.SUCCEEDED: "render_succeeded",
    Status.FAILED: "render_failed",
    Status.REJECTED: "render_rejected",
    Status.CANCELLED: "render_cancelled",
}


def state_of(render: client.Render) -> RemoteState:
    """Return what Craftkit says of a document."""
    return RemoteState.of(render, kept(render, durationMs=render.duration_ms))


class DocumentStates(States[Render, RemoteState]):
    kind, columns = Change.Kind.RENDER, ADVANCED

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        #: Batches of documents that came to their end, and projects whose templates may be others.
        self._batches: set[int] = set()
        self._refused: set[str] = set()

    @classmethod
    def close(cls, applied: Sequence[DocumentStates]) -> None:
        batches = set().union(*(one._batches for one in applied))
        if batches:
            Job.objects.schedule(Job.Kind.BATCH, batches)
        for project in sorted(set().union(*(one._refused for one in applied))):
            Template.objects.refresh_soon(project)

    def update(self, row: Render, states: Iterable[RemoteState]) -> Iterable[Change]:
        before = row.status
        for state in states:
            advance(row, state, RANK)
        if row.status == before:
            return
        signal = SIGNAL.get(row.status, "")
        yield self.change(
            row, before, row.status, attempt=row.attempt, note=row.error, signal=signal
        )
        if row.status in (Status.FAILED, Status.REJECTED):
            line = "Document %d (%s) of project %r is %s: %s"
            logger.warning(
                line, row.pk, row.template, row.project, row.status, why(row), extra=about(row)
            )

    def follow(self, moved: Sequence[tuple[Render, Mapping[str, Any]]]) -> None:
        """Schedule what waits for the end of documents; delete the jobs that it makes needless."""
        ended = [row for row, before in moved if row.is_final and row.status != before["status"]]
        if not ended:
            return
        using, pks = database(), [row.pk for row in ended]
        jobs = Job.objects.using(using).filter(bulk.among("object_id", pks), kind=Job.Kind.RENDER)
        # One that somebody has locked finds nothing to do when its turn comes.
        bulk.delete_by_pk(Job, list(lock_free(jobs).values_list("pk", flat=True)), using)
        ready = [row for row in ended if row.status == Status.SUCCEEDED]
        for row in ready:
            learn(row)
        if conf.options().ARCHIVE_RENDERS:
            kept = [row for row in ready if row.erased_at is None]
            Job.objects.schedule_for(Job.Kind.ARCHIVE_RENDER, kept)
        # A job: who has many documents locked must not wait for those that they supersede. Without
        # a project, as it calls no Craftkit: a pause doesn't hold it up.
        superseding = [row.pk for row in ready if row.supersedes_id is not None]
        if superseding:
            Job.objects.schedule(Job.Kind.SUPERSEDE, superseding)
        requests = SignatureRequest.objects.using(using).filter(
            bulk.among("render", pks), status=SignatureRequest.Status.PENDING
        )
        Job.objects.schedule_for(Job.Kind.SEND_SIGNATURE, requests.only("project"))
        shares = Share.objects.using(using).filter(
            bulk.among("render", [row.pk for row in ready]), status=Share.Status.PENDING
        )
        waiting: dict[str, list[Share]] = {}
        for share in shares.only("project", "by_mail"):
            waiting.setdefault(share.kind, []).append(share)
        for kind, rows in waiting.items():
            Job.objects.schedule_for(kind, rows)
        self._batches.update(row.batch_id for row in ended if row.batch_id is not None)
        self._refused.update(row.project for row in ended if row.error_code == INVALID_DATA)


class Documents(Updates[Render]):
    """Updates documents."""

    states = DocumentStates

    def rows(self) -> QuerySet[Render]:
        return Render.objects.writer().defer("data")


_documents = Documents()


def apply_one(render: Render, state: RemoteState, cause: Change.Cause) -> Render | None:
    """Apply a state that is known to be of this attempt; return the row, or ``None``."""
    return _documents.apply_one(Update(render, state, cause))


def remote_id_of(row: Render | SignatureRequest) -> uuid.UUID:
    """Return Craftkit's id of what it has accepted."""
    if row.remote_id is None:
        raise ValueError(f"{row} is {row.status} and has no id at Craftkit.")
    return row.remote_id


def wait_for(render: Render) -> Reschedule:
    """Return how a step ends that waits for a document to be ready."""
    # Who has found it at its end may have looked for what waits a moment before this did.
    return Reschedule(0.0 if not render.is_final and _is_final_by_now(render.pk) else PARKED)


@in_transaction
def _is_final_by_now(pk: int) -> bool:
    """Whether a document has come to its end, waiting for whoever is about to say so."""
    return lock(Render.objects.writer()).only("status").get(pk=pk).is_final


@in_transaction
def final_by_now(pks: Collection[int]) -> dict[int, bool]:
    """Whether documents have come to their end, but for those that another has locked.

    Who has may be about to say so.
    """
    rows = lock_free(Render.objects.writer().only("status"))
    return {pk: render.is_final for pk, render in rows.in_bulk(pks).items()}


def lock_known(keys: Iterable[tuple[str, uuid.UUID]]) -> dict[tuple[str, uuid.UUID], Render]:
    """Lock the documents that these projects' ids stand for; those that there is a row for."""
    # Whole, but for their data: whoever listens is told of them as they were written.
    return lock_by_remote_id(_documents.rows(), keys)
