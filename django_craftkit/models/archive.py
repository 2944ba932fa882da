"""The project's own copies: what was rendered and what was signed, with size and hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, ClassVar, NamedTuple, cast

from django.conf import settings
from django.core.files.storage import storages
from django.db import Error, models
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock
from django_craftkit.failures import time_limits
from django_craftkit.log import get_logger
from django_craftkit.streaming import IncompleteFile, is_seekable, measured

from .rows import RowManager, RowQuerySet

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.files.storage import Storage

logger = get_logger(__name__)

#: The alias in ``STORAGES`` that is used where there is one.
ALIAS = "craftkit"
#: Characters that a name in the storage may have.
NAME_LENGTH = 255


def archive_storage() -> Storage:
    """Return ``STORAGES["craftkit"]``, else the default storage."""
    return storages[ALIAS if ALIAS in settings.STORAGES else "default"]


class OpenFile(NamedTuple):
    """A PDF that is open to be read, and what is known of it."""

    file: BinaryIO
    #: Bytes; ``None`` where Craftkit did not say.
    size: int | None
    #: "" for what does not come from the archive.
    sha256: str = ""


class ArchivedFileManager(RowManager["ArchivedFile"]):
    """The files in the archive, and what is left of those that were erased."""

    def of(self, kind: str, object_id: int) -> ArchivedFile | None:
        """Return the file of a row, ``None`` where there is none yet.

        Args:
            kind: ``"render"``, ``"signed"`` or ``"certificate"``.
            object_id: the primary key of the ``Render``, or of the ``SignatureRequest``.
        """
        return self.writer().filter(kind=kind, object_id=object_id).first()

    def open(
        self,
        kind: str,
        object_id: int,
        at_craftkit: Callable[[], BinaryIO],
        *,
        is_replaceable: bool = False,
    ) -> OpenFile:
        """Open the file of a row: from the archive, else by ``at_craftkit``.

        One that the archive has lost, or some of it, comes from Craftkit, too, where it
        ``is_replaceable``; the log says so. Else this raises what the storage raises.
        """
        archived = self.of(kind, object_id)
        if archived is not None:
            try:
                return OpenFile(archived._open_whole(), archived.size, archived.sha256)
            except Error:
                raise
            except time_limits():
                raise
            except Exception:
                # A storage raises what it likes.
                if not is_replaceable:
                    raise
                logger.exception(
                    "The archive did not hand out its file of %s %d, so Craftkit is asked for it.",
                    kind,
                    object_id,
                )
        file = at_craftkit()
        return OpenFile(file, getattr(file, "content_length", None))


class ArchivedFile(models.Model):
    """A file in the project's own storage, written once and never changed."""

    class Kind(models.TextChoices):
        RENDER = "render", _("document")
        SIGNED = "signed", _("signed PDF")
        CERTIFICATE = "certificate", _("certificate")

    class Coverage(models.TextChoices):
        """What the signatures of a PDF cover; never whether they are valid, or trusted."""

        NONE = "none", _("it has no signature: Craftkit may prove it by its certificate")
        WHOLE = "whole", _("the last signature covers the whole file")
        ADDED = "added", _("something was added to the file after the last signature")
        MOVED = "moved", _("the signatures don't fit this file: a program has saved it anew")
        UNKNOWN = "unknown", _("what it says of its signatures can't be read")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    #: Of a ``Render``, or of the ``SignatureRequest`` for what was signed.
    object_id = models.BigIntegerField(_("object"))
    #: In the storage; "": it was erased, and is not fetched again.
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    #: Bytes.
    size = models.PositiveBigIntegerField(_("size"))
    sha256 = models.CharField("SHA-256", max_length=64)
    archived_at = models.DateTimeField(_("archived at"), default=clock.now)
    #: What a signed PDF says of itself, where pypdf is installed: whether it is one from its first
    #: byte to its last; how many signatures it has (``None``: can't be told); what they cover.
    is_whole: models.BooleanField[bool | None, bool | None] = models.BooleanField(
        _("whole PDF"), null=True
    )
    signatures: models.PositiveIntegerField[int | None, int | None] = models.PositiveIntegerField(
        _("signatures"), null=True
    )
    coverage = models.CharField(
        _("coverage"), max_length=8, choices=Coverage, blank=True, default="", db_default=""
    )

    objects: ClassVar[ArchivedFileManager] = ArchivedFileManager()

    class Meta:
        verbose_name = _("archived file")
        verbose_name_plural = _("archived files")
        constraints = [
            models.UniqueConstraint(fields=["kind", "object_id"], name="craftkit_archived_object"),
        ]

    def __str__(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        """Return it as a binary file object; raises what the storage raises."""
        if not self.name:
            raise FileNotFoundError("This file was erased.")
        return cast("BinaryIO", archive_storage().open(self.name))

    def _open_whole(self) -> BinaryIO:
        """Open it; raise where the storage has it no more, or has only some of it."""
        file = self.open()
        # Some storages open a file that isn't there, and tell when it is read.
        if is_seekable(file) and (size := measured(file)) != self.size:
            file.close()
            raise IncompleteFile(f"{size} of {self.size} bytes are there.")
        return file

    @property
    def says(self) -> str:
        """What a signed PDF says of itself, in the reader's language; "" where nobody has looked.

        Whether a signature is valid, and whose it is, takes other tools.
        """
        if self.is_whole is None:
            return ""
        if not self.is_whole:
            return gettext("It is no PDF, or not a whole one.")
        coverage = capfirst(self.get_coverage_display())
        if not self.signatures:
            return f"{coverage}."
        text = ngettext("%d signature.", "%d signatures.", self.signatures) % self.signatures
        return f"{text} {coverage}."


class ArchiveWrite(models.Model):
    """The name that a worker gives a file, committed before the storage gets the file.

    A worker that dies before an ``ArchivedFile`` vouches for its file leaves this row: by its name
    the next worker finds the file. Dropped once a row vouches for one.
    """

    kind = models.CharField(_("kind"), max_length=16, choices=ArchivedFile.Kind)
    object_id = models.BigIntegerField(_("object"))
    #: In the storage. No other write has it.
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    #: Of what was to be written.
    sha256 = models.CharField("SHA-256", max_length=64)

    objects: ClassVar[models.Manager[ArchiveWrite]] = RowQuerySet.as_manager()

    class Meta:
        # It has no page.
        default_permissions = ()
        indexes = [models.Index(fields=["kind", "object_id"], name="craftkit_archive_write")]

    def __str__(self) -> str:
        return self.name
