"""Documents, and batches of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_craftkit import client, conf
from django_craftkit.database import in_transaction
from django_craftkit.models import ArchivedFile, Batch, Change, Job, Render
from django_craftkit.models.arguments import document_data, hash_key
from django_craftkit.models.problems import ErrorCode
from django_craftkit.reconcile import archive, completing
from django_craftkit.reconcile.renders.states import RANK, apply_one, state_of
from django_craftkit.reconcile.states import RemoteState, advance
from django_craftkit.testing.moments import as_text

from .base import (
    at_moment,
    check_status,
    keep_file,
    new_id,
    numbers,
    set_columns,
    settle,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.db.models import Model

Status = Render.Status

#: How this site hears of a status; of the others, by Craftkit's answer to its call.
_CAUSES: dict[str | None, Change.Cause] = {
    Status.CANCELLED: Change.Cause.HERE,
    Status.RENDERING: Change.Cause.POLL,
    Status.SUCCEEDED: Change.Cause.WEBHOOK,
    Status.FAILED: Change.Cause.WEBHOOK,
}


def render_factory(
    template: str = "invoice",
    data: dict[str, Any] | None = None,
    *,
    status: str = "succeeded",
    source: Model | None = None,
    key: str | None = None,
    project: str = conf.DEFAULT_PROJECT,
    error: str = "Out of paper.",
    error_code: str = "template_not_found",
    at: datetime | None = None,
    save: bool = True,
    **columns: Any,
) -> Render:
    """Return a document in any state.

    Args:
        template: its slug.
        data: what it is made of; None: a number.
        status: one of ``Render.Status``. A cancelled one was withdrawn before it was sent.
        source: the saved object that it is about.
        key: its key; None: a new one.
        project: the alias of its project.
        error: why it failed or was rejected.
        error_code: Craftkit's code, of a rejected one.
        at: when all of it happened; None: now.
        save: whether it is written, with its jobs and history.
        columns: other columns as they are to be: ``batch=``, ``withdrawn_at=``, ``counts=`` …

    Raises:
        ValueError: there is no such status.
    """
    status = check_status(status, Render)
    number = next(numbers)
    data = {"number": number} if data is None else data
    key = f"{template}-{number}" if key is None else key
    with at_moment(at) as now:
        path = _path(status, error, error_code, now)
        if save:
            return _saved(path, status, template, data, source, key, project, now, columns)
        render = Render(template=template, data=document_data(data), key=key, project=project)
        render.key_hash = hash_key(key)
        if source is not None:
            render.source = source
        render.attempted_at = render.requested_at
        if status == Status.CANCELLED:
            render.withdrawn_at = now
        elif status != Status.PENDING:
            render.sent_at = render.sending_since = now
        for state in path:
            advance(render, state, RANK)
        set_columns(render, **{"updated_at": now, **columns})
        return render


@in_transaction
def _saved(
    path: Sequence[RemoteState],
    status: str,
    template: str,
    data: dict[str, Any],
    source: Model | None,
    key: str,
    project: str,
    now: datetime,
    columns: dict[str, Any],
) -> Render:
    render = Render.objects.request(template, data, source=source, key=key, project=project)
    if status == Status.CANCELLED:
        render.withdraw()
    elif status != Status.PENDING:
        columns = {"sent_at": now, "sending_since": now, **columns}
    # A batch hears of the end of its documents as they come to it.
    early = {name: columns.pop(name) for name in ("batch",) if name in columns}
    if early:
        Render.objects.writer().filter(pk=render.pk).update(**early)
    for state in path:
        apply_one(render, state, _CAUSES.get(state.status, Change.Cause.ANSWER))
    is_over = status in Render.FINAL
    done = [Job.Kind.RENDER, Job.Kind.ENGAGEMENT, Job.Kind.SUPERSEDE] if is_over else []
    if status == Status.SUCCEEDED and conf.options().ARCHIVE_RENDERS:
        render.refresh_from_db()
        keep_file(ArchivedFile.Kind.RENDER, render)
        archive.announce(render, Change.Kind.RENDER)
        done.append(Job.Kind.ARCHIVE_RENDER)
    settle(render, Change.Kind.RENDER, done, **{"updated_at": now, **columns})
    return render


def _path(status: str, error: str, error_code: str, now: datetime) -> list[RemoteState]:
    """Return what Craftkit says of a document one after the other, or what is decided of it."""
    if status == Status.PENDING:
        return []
    if status == Status.CANCELLED:
        return [RemoteState(Status.CANCELLED, error_code=ErrorCode.WITHDRAWN)]
    if status == Status.REJECTED:
        return [RemoteState(Status.REJECTED, error=error, error_code=error_code)]
    said = {"id": new_id(), "status": "queued", "errorMessage": None, "createdAt": as_text(now)}
    path = [said]
    if status != Status.QUEUED:
        is_over = status in Render.FINAL
        ended = {"templateId": new_id(), "completedAt": as_text(now)} if is_over else {}
        failure = {"errorMessage": error} if status == Status.FAILED else {}
        path.append({**said, "status": status, **ended, **failure})
    return [state_of(client.Render.from_json(one)) for one in path]


def batch_factory(
    template: str = "invoice",
    *,
    statuses: Sequence[str] = ("succeeded",) * 3,
    sources: Sequence[Model] = (),
    name: str = "",
    project: str = conf.DEFAULT_PROJECT,
    at: datetime | None = None,
) -> Batch:
    """Return a batch with its documents; it is complete if all of them have ended.

    Args:
        template: the slug of its documents.
        statuses: of each document.
        sources: the saved objects that they are about, in the same order; none: about nothing.
        name: what staff read.
        project: the alias of its project.
        at: when all of it happened; None: now.
    """
    with at_moment(at):
        batch = Batch.objects.begin(Batch(project=project, template=template, name=name))
        for number, status in enumerate(statuses):
            render_factory(
                template,
                status=status,
                source=sources[number] if sources else None,
                project=project,
                batch=batch,
                priority=batch.priority,
                at=at,
            )
        batch.fill()
        completing.step(Job(kind=Job.Kind.BATCH, object_id=batch.pk))
        settle(batch, Change.Kind.BATCH, [Job.Kind.BATCH])
        batch.created = len(statuses)
    return batch
