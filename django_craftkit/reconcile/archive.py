"""The archive: what was signed, and what was rendered where settings say so, kept by the project.

Craftkit has the files some time after the status says so; until then each step requests them. First
the name is committed that a file shall have, then the storage gets the file, then a row vouches for
it. No name is written to twice: a worker that dies half-way, or comes second, damages nothing. What
it leaves is found by the name. A storage is the project's: it may hold files of others, name files
itself, and refuse whatever it is told but to keep a file.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

from django_craftkit.client import Conflict, CraftkitError, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.failures import time_limits
from django_craftkit.log import get_logger
from django_craftkit.models import ArchivedFile, Change, Job, Render, SignatureRequest
from django_craftkit.models.archive import NAME_LENGTH, ArchiveWrite, archive_storage
from django_craftkit.models.leftovers import ask, tidy, writes_of
from django_craftkit.models.problems import ErrorCode, Problem, StepError
from django_craftkit.pdf.reading import is_available
from django_craftkit.pdf.signed import inspect
from django_craftkit.projects import get_client

from .renewal import Renewal, RenewedFile, TakenOver
from .results import Done, Later, Reschedule, Result, look_delay, result_of_open

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Mapping

    from django.core.files.storage import Storage

    from django_craftkit.client.download import Download

logger = get_logger(__name__)

#: What the history says of a document or request whose files are all kept.
ARCHIVED = "archived"

T = TypeVar("T")
Kind = ArchivedFile.Kind

#: Seconds to the next try for a file that isn't there yet, at least and at most.
MIN_WAIT, MAX_WAIT = 5.0, 6 * 3600.0
#: Files that are read back at most, to find one that a worker has left.
MAX_READ_BACK = 3


class Content(NamedTuple):
    """What two files that are the same have in common."""

    size: int
    sha256: str


def keep_signed(job: Job) -> Result:
    """Fetch the signed PDF of a completed request, and its certificate."""
    request = SignatureRequest.objects.writer().filter(pk=job.object_id).first()
    completed = SignatureRequest.Status.COMPLETED
    if request is None or request.remote_id is None or request.status != completed:
        return Done()
    signatures = get_client(request.project, max_retries=0).signatures
    fetches = {Kind.SIGNED: signatures.signed_pdf, Kind.CERTIFICATE: signatures.certificate}
    return _keep(job, request, Change.Kind.SIGNATURE, fetches)


def keep_render(job: Job) -> Result:
    """Fetch the PDF of a document."""
    render = Render.objects.writer().defer("data").filter(pk=job.object_id).first()
    if render is None or render.remote_id is None or render.status != Render.Status.SUCCEEDED:
        return Done()
    if render.erased_at is not None:
        return Done()
    fetch = get_client(render.project, max_retries=0).renders.download
    return _keep(job, render, Change.Kind.RENDER, {Kind.RENDER: fetch})


def _keep(
    job: Job, row: Any, kind: str, fetches: Mapping[Kind, Callable[[uuid.UUID], Download]]
) -> Result:
    """Fetch and store the files of a row that are not stored yet, each on its own."""
    renewal = Renewal(job)
    waiting: Exception | None = None
    failed: Exception | None = None
    is_answered = is_erased = False
    for what, fetch in fetches.items():
        archived = ArchivedFile.objects.of(what, row.pk)
        if archived is not None:
            # Whoever made the row may have died before it came to this.
            tidy(archived)
            is_erased |= not archived.name
            continue
        try:
            with fetch(row.remote_id) as download:
                archived = store(what, row, download, renewal)
            is_answered = True
            # Meanwhile, perhaps.
            is_erased |= not archived.name
        except (Conflict, NotFound) as error:
            if error.is_passing:
                failed = failed or error
            else:
                waiting = error
        except time_limits():
            raise
        except TakenOver:
            # Which is noted of no job any more.
            return Later()
        except Exception as error:
            # A storage may raise anything; the other file is fetched all the same.
            failed = failed or error
    if isinstance(failed, CraftkitError):
        return result_of_open(failed)
    if failed is not None:
        raise failed
    if waiting is not None:
        now = database_now()
        age = (now - (row.completed_at or row.accepted_at or now)).total_seconds()
        return Reschedule(look_delay(age, MIN_WAIT, MAX_WAIT), Problem.of(waiting), answered=True)
    if not is_erased:
        announce(row, kind)
    return Done(answered=is_answered)


def store(
    what: Kind, row: Any, download: Download | IO[bytes], renewal: Renewal | None = None
) -> ArchivedFile:
    """Write a download to the storage, then the row that vouches for it, and return that.

    One without a name is there where the file was erased meanwhile: it goes again.
    """
    storage, renewal = archive_storage(), renewal or Renewal()
    with tempfile.TemporaryFile() as file:
        renewal.copy(download, file)
        file.seek(0)
        content = _measure(file, renewal)
        says = _inspect(what, file)
        write = _find(storage, what, row.pk, content, renewal)
        if write is None:
            file.seek(0)
            write = _write(storage, what, row, file, content, renewal)
    archived, _is_new = ArchivedFile.objects.writer().get_or_create(
        kind=what, object_id=row.pk, defaults={"name": write.name, **content._asdict(), **says}
    )
    if archived.name != write.name and write.pk is not None:
        # Another worker was first, and may have dropped this one's name before it was written to.
        # A third one may have found the same write, and note it once more at the same moment.
        ArchiveWrite.objects.writer().bulk_create([write], ignore_conflicts=True)
    tidy(archived)
    return archived


def _inspect(what: Kind, file: IO[bytes]) -> dict[str, Any]:
    """Return what a signed PDF says of itself, as columns; none where pypdf is not installed."""
    if what != Kind.SIGNED or not is_available():
        return {}
    said = inspect(file)
    return {
        "is_whole": said.is_whole,
        "signatures": said.signatures,
        "coverage": said.coverage.value,
    }


def _find(
    storage: Storage, what: Kind, object_id: int, content: Content, renewal: Renewal
) -> ArchiveWrite | None:
    """Return the write of a worker that died between the whole file and the row."""
    left = writes_of(what, object_id).filter(sha256=content.sha256).order_by("-pk")
    for write in left[:MAX_READ_BACK]:
        renewal.renew()
        if ask(_read_back, storage, write.name, renewal) == content:
            return write
    return None


def _write(
    storage: Storage, what: Kind, row: Any, file: IO[bytes], content: Content, renewal: Renewal
) -> ArchiveWrite:
    """Write a file under a name of its own.

    What is returned has no primary key where the storage has made up the name: that file may be
    somebody's, too, as where files are named by what is in them, and it is never deleted.
    """
    renewal.renew()
    # Nobody can guess it, and the name of no other file has it.
    token = secrets.token_hex(16)
    name = f"craftkit/{row.project}/{what}/{row.remote_id}/{token}.pdf"
    write = ArchiveWrite(kind=what, object_id=row.pk, name=name, sha256=content.sha256)
    write.save(using=database(), force_insert=True)
    source = RenewedFile(file, name, renewal)
    write.name = storage.save(name, source, max_length=NAME_LENGTH)
    if token not in write.name:
        write.delete(using=database())
    elif write.name != name:
        write.save(using=database())
    _check(storage, write.name, content, renewal)
    return write


def _check(storage: Storage, name: str, content: Content, renewal: Renewal) -> None:
    """Raise unless the storage has all of a file, as far as it tells."""
    size = ask(storage.size, name)
    if size == content.size:
        return
    # One that encrypts files tells another size, and some tell none.
    found = ask(_read_back, storage, name, renewal)
    if found == content or (found is None and size is None):
        return
    has = size if found is None else found.size
    raise StepError(ErrorCode.FILE_INCOMPLETE, f"{has}/{content.size}")


def _read_back(storage: Storage, name: str, renewal: Renewal) -> Content:
    try:
        with storage.open(name) as file:
            return _measure(file, renewal)
    except FileNotFoundError:
        return Content(0, "")


def _measure(source: Any, renewal: Renewal) -> Content:
    """Return what is in a file, read chunk by chunk."""
    digest, size = hashlib.sha256(), 0
    for chunk in renewal.chunks(source):
        digest.update(chunk)
        size += len(chunk)
    return Content(size, digest.hexdigest())


@in_transaction
def announce(row: Any, kind: str) -> None:
    """Note that all of it is kept, once."""
    # Whoever comes second waits here, and finds what the first has noted.
    lock(type(row).objects.writer()).filter(pk=row.pk).values("pk").get()
    changes = Change.objects.writer()
    if changes.filter(kind=kind, object_id=row.pk, signal="document_archived").exists():
        return
    change = Change(
        kind=kind,
        object_id=row.pk,
        attempt=row.attempt,
        from_status=row.status,
        to_status=ARCHIVED,
        cause=Change.Cause.HERE,
        signal="document_archived",
    )
    Change.objects.record([change])
