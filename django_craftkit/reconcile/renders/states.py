"""What Craftkit says of documents: in any order, with repeats, it ends in the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_craftkit import bulk, conf
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, Render, Share, SignatureRequest
from django_craftkit.reconcile.answers import kept, why
from django_craftkit.reconcile.states import ADVANCED, RemoteState, States, advance, ranked
from django_craftkit.reconcile.updates import Update, Updates, lock_by_remote_id, lock_free

from .poll import learn

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import QuerySet

    from django_craftkit import client

logger = get_logger(__name__)

Status = Render.Status

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
            logger.warning(
                "Document %d (%s) of project %r is %s: %s",
                row.pk,
                row.template,
                row.project,
                row.status,
                why(row),
            )

    def follow(self, moved: Sequence[tuple[Render, Mapping[str, Any]]]) -> None:
        """Set going what waits for the end of documents; delete what it makes needless."""
        ended = [row for row, before in moved if row.is_final and row.status != before["status"]]
        if ended:
            _follow_end(ended)


class Documents(Updates[Render]):
    """Updates documents."""

    states = DocumentStates

    def rows(self) -> QuerySet[Render]:
        return Render.objects.using(database()).defer("data")


_documents = Documents()


def apply_one(render: Render, state: RemoteState, cause: Change.Cause) -> Render | None:
    """Apply a state that is known to be of this attempt; return the row, or ``None``."""
    return _documents.apply_one(Update(render, state, cause))


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
    # Whole, but for their data: whoever listens is told of them as they were written.
    return lock_by_remote_id(_documents.rows(), keys)


def _follow_end(ended: list[Render]) -> None:
    using = database()
    pks = [row.pk for row in ended]
    jobs = Job.objects.using(using).filter(bulk.among("object_id", pks), kind=Job.Kind.RENDER)
    # One that somebody has locked finds nothing to do when its turn comes.
    free = list(lock_free(jobs).values_list("pk", flat=True))
    bulk.delete_by_pk(Job, free, using)
    ready = [row.pk for row in ended if row.status == Status.SUCCEEDED]
    for row in ended:
        if row.status == Status.SUCCEEDED:
            learn(row)
    if ready and conf.options().ARCHIVE_RENDERS:
        Job.objects.schedule_for(Job.Kind.ARCHIVE_RENDER, [row for row in ended if row.pk in ready])
    requests = SignatureRequest.objects.using(using).filter(
        bulk.among("render", pks), status=SignatureRequest.Status.PENDING
    )
    Job.objects.schedule_for(Job.Kind.SEND_SIGNATURE, requests.only("project"))
    shares = Share.objects.using(using).filter(
        bulk.among("render", ready), status=Share.Status.PENDING
    )
    waiting: dict[str, list[Share]] = {}
    for share in shares.only("project", "by_mail"):
        waiting.setdefault(share.kind, []).append(share)
    for kind, rows in waiting.items():
        Job.objects.schedule_for(kind, rows)
