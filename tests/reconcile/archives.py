"""Storages in which something can happen, and what must be true of an archive in the end."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, ClassVar

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from storages.backends.s3 import S3Storage

from django_craftkit.models import ArchivedFile, Change, Job
from django_craftkit.models.archive import ArchiveWrite
from tests.seams import step_waits

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.client import Craftkit
    from django_craftkit.models import SignatureRequest

#: Bytes that are written before something happens in the middle of a write.
SOME = 20


class Moments:
    """Something can happen before, in the middle of, or after a write."""

    before: ClassVar[list[Callable[[], object]]] = []
    midway: ClassVar[list[Callable[[], object]]] = []
    after: ClassVar[list[Callable[[], object]]] = []

    @classmethod
    def forget(cls) -> None:
        for moment in (Moments.before, Moments.midway, Moments.after):
            moment.clear()

    def _save(self, name, content):
        if self.before:
            self.before.pop()()
        if self.midway:
            act = self.midway.pop()
            self._save_plain(name, ContentFile(content.read(SOME)))
            act()
            content.seek(0)
        saved = self._save_plain(name, content)
        if self.after:
            self.after.pop()()
        return saved

    def _save_plain(self, name, content):
        return super()._save(name, content)


class Disk(Moments, FileSystemStorage):
    """A folder."""


class Bucket(Moments, S3Storage):
    """A bucket of an S3 server."""


class BucketOfRandomNames(Bucket):
    """One that names files itself, beside all else in it."""

    def get_available_name(self, name, max_length=None):
        return f"{uuid.uuid4()}.pdf"


class Overwriting(Disk):
    """Writes over what is there, and a reader sees it half written."""

    def __init__(self, **options):
        super().__init__(**options, allow_overwrite=True)


class RandomNames(Disk):
    """Names files itself, in the project's folder for uploads."""

    def get_available_name(self, name, max_length=None):
        return f"uploads/{uuid.uuid4()}.pdf"


class RandomNamesAtTheTop(Disk):
    def get_available_name(self, name, max_length=None):
        return f"{uuid.uuid4()}.pdf"


class FolderADay(Disk):
    def get_available_name(self, name, max_length=None):
        return super().get_available_name(f"uploads/2026/11/28/{name.rpartition('/')[2]}")


class NamedByContent(Disk):
    """Keeps the same bytes once, whoever brings them."""

    def _save_plain(self, name, content):
        name = f"uploads/{hashlib.sha256(content.read()).hexdigest()}.pdf"
        content.seek(0)
        return name if self.exists(name) else super()._save_plain(name, content)


class FullNames(Disk):
    """Lists full names, as Azure's does."""

    def listdir(self, path):
        folders, files = super().listdir(path)
        return folders, [f"{path}/{file}" for file in files]


class SaysYes(Disk):
    """Says that everything is there."""

    def exists(self, name):
        return True

    def get_available_name(self, name, max_length=None):
        return name


class SaysYesOfAnySize(SaysYes):
    """Knows no sizes either."""

    def size(self, name):
        raise NotImplementedError


class ClientError(Exception):
    """As botocore's: of no class that a storage knows."""

    response: ClassVar = {"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}}


class Refusing(Disk):
    """Refuses some things."""

    refused: ClassVar[tuple[str, ...]] = ()
    error: ClassVar[type[Exception]] = PermissionError

    def get_available_name(self, name, max_length=None):
        return name

    def __getattribute__(self, name):
        if name in type(self).refused:
            return self._refuse
        return super().__getattribute__(name)

    def _refuse(self, *args, **kwargs):
        raise type(self).error("AccessDenied")


class Sealed(Disk):
    """Keeps files encrypted, and tells how large they are so."""

    HEAD = b"sealed with a key of 32 bytes..:"

    def _save_plain(self, name, content):
        sealed = self.HEAD + bytes(byte ^ 7 for byte in content.read())
        return super()._save_plain(name, ContentFile(sealed))

    def _open(self, name, mode="rb"):
        with super()._open(name, mode) as file:
            return ContentFile(bytes(byte ^ 7 for byte in file.read()[len(self.HEAD) :]), name)


class Late(Disk):
    """Shows a file some time after it was written."""

    shown: ClassVar[dict[str, int]] = {}

    def _look(self, name):
        Late.shown[name] = Late.shown.get(name, 0) + 1
        if Late.shown[name] < 4:
            raise FileNotFoundError(name)

    def size(self, name):
        self._look(name)
        return super().size(name)

    def _open(self, name, mode="rb"):
        self._look(name)
        return super()._open(name, mode)


class Losing(Disk):
    """Says that all is well, and has lost what came after the first bytes, twice."""

    times: ClassVar[list[int]] = []

    def _save_plain(self, name, content):
        if self.times:
            self.times.pop()
            content = ContentFile(content.read(SOME))
        return super()._save_plain(name, content)


def full() -> None:
    raise OSError("the disk is full")


def archive_later(act: Callable[[], object]) -> None:
    """Do something while no job fetches files."""
    with step_waits(Job.Kind.ARCHIVE_SIGNATURE):
        act()


def served(dashboard: Craftkit, request: SignatureRequest) -> dict[str, bytes]:
    """Return what Craftkit serves of a request."""
    with (
        dashboard.signatures.signed_pdf(request.remote_id) as signed,
        dashboard.signatures.certificate(request.remote_id) as certificate,
    ):
        return {"signed": signed.read(), "certificate": certificate.read()}


def check_rows(request: SignatureRequest) -> None:
    """Check that both files of a request are vouched for and told of once, and nothing is open."""
    rows = ArchivedFile.objects.filter(object_id=request.pk)
    assert sorted(rows.values_list("kind", flat=True)) == ["certificate", "signed"]
    changes = Change.objects.filter(signal="document_archived", object_id=request.pk)
    assert changes.count() == 1
    assert not ArchiveWrite.objects.exists()


def stored(request: SignatureRequest | None = None) -> dict[str, bytes]:
    """Return what is in the storage, and check it against what is written of it."""
    files = {}
    rows = ArchivedFile.objects.all()
    for row in rows.filter(object_id=request.pk) if request else rows:
        with row.open() as file:
            files[row.kind] = file.read()
        assert row.size == len(files[row.kind])
        assert row.sha256 == hashlib.sha256(files[row.kind]).hexdigest()
    return files
