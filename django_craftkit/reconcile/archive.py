"""The archive: what was signed, and what was rendered where settings say so, kept by the project.

Craftkit has the files some time after the status says so; until then it is asked again. A file is
written first, in a folder of its own, and then the row that vouches for it; what else is in the
folder by then, workers have left that ended in between.
"""

from __future__ import annotations

import hashlib
import tempfile
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from django.core.files import File

from django_craftkit.client import Conflict, CraftkitError, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.models import ArchivedFile, Change, Job, ProjectState, Render, SignatureRequest
from django_craftkit.models.archive import archive_storage
from django_craftkit.models.render import KIND as RENDER
from django_craftkit.models.signature import KIND as SIGNATURE
from django_craftkit.projects import get_client

from .facts import record
from .outcomes import Again, Done, Outcome, outcome_of_open

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from django.core.files.storage import Storage

    from django_craftkit.client.download import Download

Kind = ArchivedFile.Kind

#: Bytes that are in memory at a time.
CHUNK = 64 * 1024
#: Seconds to the next try for a file that isn't there yet, at least and at most.
MIN_WAIT, MAX_WAIT = 5.0, 6 * 3600.0


def keep_signed(job: Job) -> Outcome:
    """Fetch the signed PDF of a completed request, and its certificate."""
    request = SignatureRequest.objects.using(database()).filter(pk=job.object_id).first()
    is_signed = request is not None and request.status == SignatureRequest.Status.COMPLETED
    if request is None or not is_signed or request.remote_id is None:
        return Done()
    signatures = get_client(request.project, max_retries=0).signatures
    fetches = {Kind.SIGNED: signatures.signed_pdf, Kind.CERTIFICATE: signatures.certificate}
    return _keep(request, SIGNATURE, request.remote_id, fetches, request.completed_at)


def keep_render(job: Job) -> Outcome:
    """Fetch the PDF of a document."""
    render = Render.objects.using(database()).defer("data").filter(pk=job.object_id).first()
    if render is None or render.remote_id is None or render.status != Render.Status.SUCCEEDED:
        return Done()
    renders = get_client(render.project, max_retries=0).renders
    fetches = {Kind.RENDER: renders.download}
    return _keep(render, RENDER, render.remote_id, fetches, render.completed_at)


def _keep(
    row: Any,
    kind: str,
    remote_id: uuid.UUID,
    fetches: Mapping[Kind, Callable[[uuid.UUID], Download]],
    since: datetime | None,
) -> Outcome:
    """Fetch and store the files of a row that are not stored yet, each on its own."""
    waiting: Exception | None = None
    failed: Exception | None = None
    stored = []
    for what, fetch in fetches.items():
        if ArchivedFile.objects.of(what, row.pk) is not None:
            continue
        try:
            with fetch(remote_id) as download:
                stored.append(_store(what, row, remote_id, download))
        except (Conflict, NotFound) as error:
            if error.is_passing:
                failed = failed or error
            else:
                waiting = error
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            # A storage may raise anything; the other file is fetched all the same.
            failed = failed or error
    if isinstance(failed, CraftkitError):
        return outcome_of_open(failed)
    if failed is not None:
        raise failed
    if waiting is not None:
        since = since or row.accepted_at
        age = (database_now() - (since or database_now())).total_seconds()
        return Again(min(max(MIN_WAIT, age / 6), MAX_WAIT), error=str(waiting), heard=True)
    _announce(row, kind)
    return Done(heard=bool(stored))


def _store(what: Kind, row: Any, remote_id: uuid.UUID, download: Download) -> ArchivedFile:
    """Write a download to the storage, then the row that vouches for it."""
    storage = archive_storage()
    digest = hashlib.sha256()
    size = 0
    with tempfile.TemporaryFile() as file:
        while chunk := download.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
        file.seek(0)
        name = _name(what, row.project, remote_id, digest.hexdigest())
        # A part of it may be another worker's, who is still writing: nothing is deleted before a
        # row vouches for something else.
        is_whole = storage.exists(name) and storage.size(name) == size
        stored = name if is_whole else storage.save(name, File(file, name))
    archived: ArchivedFile
    archived, _is_new = ArchivedFile.objects.using(database()).get_or_create(
        kind=what,
        object_id=row.pk,
        defaults={"name": stored, "size": size, "sha256": digest.hexdigest()},
    )
    _delete_others(storage, archived.name)
    return archived


def _delete_others(storage: Storage, name: str) -> None:
    """Delete what workers have left that ended half-way, or came second."""
    folder = name.rpartition("/")[0]
    try:
        _folders, files = storage.listdir(folder)
    except NotImplementedError:
        return
    for file in files:
        if f"{folder}/{file}" != name:
            storage.delete(f"{folder}/{file}")


def _name(what: Kind, project: str, remote_id: uuid.UUID, digest: str) -> str:
    """Return the name of a file: the same for the same bytes, and nobody can guess it."""
    namespace = ProjectState.objects.of(project).namespace
    text = f"{namespace}\n{what}\n{remote_id}\n{digest}"
    token = hashlib.sha256(text.encode()).hexdigest()
    return f"craftkit/{project}/{what}/{remote_id}/{token[:32]}.pdf"


@in_transaction
def _announce(row: Any, kind: str) -> None:
    """Note that all of it is kept, once."""
    # Whoever comes second waits here, and finds what the first has noted.
    lock(type(row)._default_manager.using(database())).filter(pk=row.pk).values("pk").get()
    changes = Change.objects.using(database())
    if changes.filter(kind=kind, object_id=row.pk, signal="document_archived").exists():
        return
    change = Change(
        kind=kind,
        object_id=row.pk,
        attempt=row.attempt,
        from_status=row.status,
        to_status="archived",
        cause=Change.Cause.HERE,
        signal="document_archived",
    )
    record([change])
