"""A document: what was requested, and what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, conf, dispatch
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.functions import alters_data
from django_craftkit.log import about, get_logger, one_line
from django_craftkit.streaming import AsyncFile
from django_craftkit.twins import async_twin, in_thread

from .archive import ArchivedFile, OpenFile
from .arguments import MAX_FILENAME, check_user, document_data, may_wait
from .batch import Batch
from .change import Change
from .columns import NullableMoment, RowKey, prefix_index, user_key
from .exceptions import DataUnknown, KeyConflict, NothingToRender, RenderFailed, RenderWithdrawn
from .job import Job
from .mirror import time_left
from .priority import Priority
from .problems import ErrorCode
from .project import ProjectState
from .render_manager import RenderManager
from .sending import Sendable
from .source import Sourced
from .superseding import Supersedable

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    from .identity import Identity

    NullableBatch = models.ForeignKey[Batch | None, Batch | None]

logger = get_logger(__name__)


class Render(Sourced, Sendable, Supersedable):
    """A document that was requested: one row for one key, whatever happens on the way."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        QUEUED = "queued", _("queued")
        RENDERING = "rendering", _("rendering")
        SUCCEEDED = "succeeded", _("ready")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        REJECTED = "rejected", _("rejected")

    change_kind = Change.Kind.RENDER
    UNDER_WAY = (Status.PENDING, Status.QUEUED, Status.RENDERING)
    FINAL = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.REJECTED)

    template = models.CharField(_("template"), max_length=120)
    version = models.PositiveIntegerField(_("version"), null=True, blank=True)
    #: Of its PDF, for whoever downloads it at Craftkit or here; "": Craftkit's own, its key here.
    filename = models.CharField(
        _("file name"), max_length=MAX_FILENAME, blank=True, default="", db_default=""
    )
    #: The class of its jobs, and of those of what follows from it.
    priority = models.SmallIntegerField(
        _("priority"), choices=Priority, default=Priority.SINGLE, db_default=Priority.SINGLE.value
    )
    attempted_at = models.DateTimeField(_("attempt began at"), default=clock.now)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    #: The identity of the declaration that makes the data: the dotted name of its function.
    builder = models.CharField(_("builder"), max_length=255, blank=True)
    #: Since when ``recheck`` has been false of the source, by the database's clock.
    unconfirmed_since: NullableMoment = models.DateTimeField(null=True, blank=True, editable=False)
    #: ``None`` until they are built.
    data = models.JSONField(_("data"), null=True, blank=True, encoder=DjangoJSONEncoder)
    #: Since when it is known here, where it was made elsewhere: its data are not known then.
    adopted_at: NullableMoment = models.DateTimeField(
        _("made elsewhere, known since"), null=True, blank=True
    )
    #: The greatest number that is known of each kind of engagement event.
    counts = models.JSONField(_("engagement"), default=dict, blank=True)
    withdrawn_at: NullableMoment = models.DateTimeField(_("withdrawn at"), null=True, blank=True)
    withdrawn_by = user_key(_("withdrawn by"))
    #: The first that it was requested in. No constraint: MySQL would copy the table to add one, and
    #: have whoever inserts documents hold up whoever completes their batch.
    batch: NullableBatch = RowKey(
        Batch,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="renders",
        db_constraint=False,
        db_index=False,
        verbose_name=_("batch"),
    )

    #: Whether its row was removed, because its function returned ``None``.
    is_gone = False
    #: Read with a row that is found by its key: whether its data are still to be made, whether its
    #: job is carried out without another request, and whether the query has seen what others had
    #: committed by then.
    lacks_data = is_on_course = is_current = False

    objects: ClassVar[RenderManager] = RenderManager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        permissions = [
            ("retry_render", _("Can retry a document")),
            ("withdraw_render", _("Can withdraw a document")),
            ("supersede_render", _("Can have a document superseded by another")),
            ("download_render", _("Can open the PDF of a document")),
            ("email_render", _("Can have a document mailed")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["project", "key_hash"], name="craftkit_render_key"),
        ]
        indexes = [
            # Also finds a primary key whose model nobody named.
            models.Index(
                fields=["source_id", "source_type", "-requested_at"], name="craftkit_render_about"
            ),
            models.Index(fields=["status", "-requested_at", "-id"], name="craftkit_render_status"),
            models.Index(fields=["status", "updated_at"], name="craftkit_render_lately"),
            models.Index(
                fields=["template", "-requested_at", "-id"], name="craftkit_render_template"
            ),
            models.Index(
                fields=["project", "-requested_at", "-id"], name="craftkit_render_project"
            ),
            prefix_index("key", "craftkit_render_begins"),
            models.Index(fields=["-requested_at", "-id"], name="craftkit_render_newest"),
            models.Index(
                fields=["batch", "status", "-requested_at", "-id"], name="craftkit_render_batch"
            ),
        ]

    def __str__(self) -> str:
        return one_line(f"{self.template} {self.title}")

    @property
    def title(self) -> str:
        """What pages call it: its key, or its number once that is erased."""
        return self.key or f"#{self.pk}"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status in self.FINAL

    @property
    def is_retriable(self) -> bool:
        """Whether it ended without a PDF, so that it can be retried.

        Never once another has taken its place, or it is erased; nor if it was made elsewhere.
        """
        is_lacking = self.is_final and self.status != self.Status.SUCCEEDED
        is_ours = self.adopted_at is None and self.erased_at is None
        return is_lacking and self.superseded_at is None and is_ours

    @property
    def is_unbuilt(self) -> bool:
        """Whether its data are still to be made, from what is saved by then."""
        return self.status == self.Status.PENDING and self.data is None

    def is_built_after_commit_of(self, saved_in: str | None, source: Identity | None) -> bool:
        """Whether an event that has saved the source can leave a document that waits as it is.

        The worker then makes the data of what the event commits, or finds none to be made only
        while nobody has the source's row locked, as the event has (``builders.hold_source``).
        """
        return (
            self.is_on_course
            and self.is_current
            and self.unconfirmed_since is None
            and source is not None
            and saved_in == (source.database or database())
        )

    @property
    def is_removable(self) -> bool:
        """Whether its row may be removed, where its function turns out to return ``None``."""
        is_unbuilt = self.status == self.Status.PENDING or self.is_gone
        return bool(self.builder) and self.attempt == 1 and is_unbuilt

    @property
    def awaits_event(self) -> bool:
        """Whether an event under its key begins the next attempt: the last was never confirmed."""
        return (
            self.status == self.Status.REJECTED
            and self.error_code == ErrorCode.NOT_CONFIRMED
            and self.withdrawn_at is None
        )

    @property
    def is_overdue(self) -> bool:
        """Whether it is one of ``Render.objects.overdue()``; one query where it may be."""
        limit = timedelta(seconds=conf.options().OVERDUE_AFTER)
        if self.is_final or clock.now() - self.attempted_at <= limit:
            return False
        return Render.objects.writer().overdue().filter(pk=self.pk).exists()

    @in_thread
    def ais_overdue(self) -> bool:
        """Async version of ``is_overdue``: a method."""
        return self.is_overdue

    def check_same(self, template: str, source: Identity | None) -> None:
        """Raise ``KeyConflict`` where another document is requested under this one's key."""
        if self.template != template:
            raise KeyConflict(
                f"The key {self.key!r} already stands for a document of the template "
                f"{self.template!r}, so it can't be one of {template!r}. "
                "A new document wants a new key."
            )
        # What an erased one was about, nobody knows any more.
        if self.erased_at is None and not self.is_about(source):
            raise KeyConflict(
                f"The key {self.key!r} already stands for a document about another object "
                f"({self.source_type} {self.source_id!r}{self.shown_place}). A new document wants "
                "a new key."
            )

    @alters_data
    def retry(
        self,
        data: dict[str, Any] | None = None,
        *,
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> bool:
        """Start the next attempt of a failed, rejected or cancelled document.

        Args:
            data: as in ``request``; without them a declared document builds its data anew, and
                others go with what they had.
            user, wait: as in ``share``.

        Returns:
            False where there is nothing to retry: it is ready, under way or superseded. The log
            says so.

        Raises:
            RenderWithdrawn: it was erased.
            DataUnknown: it was made elsewhere.
        """
        check_user(user)
        plain = None if data is None else document_data(data)
        return self._requested(lambda: self._request_retry(plain, user), wait)

    aretry = async_twin(retry)

    @in_transaction
    def _request_retry(self, data: dict[str, Any] | None, user: AbstractBaseUser | None) -> bool:
        row = lock(Render.objects.writer()).filter(pk=self.pk).first()
        if row is None:
            self._reread()
            return False
        if row.erased_at is not None:
            raise RenderWithdrawn(f"{row} was erased: it has no data to be made of.")
        if row.adopted_at is not None:
            raise DataUnknown(
                f"{row} was made elsewhere: its data are not known here. Request a new document."
            )
        if not row.is_retriable:
            logger.info(
                "Document %d is not tried again: it is %s.", row.pk, row.status, extra=about(row)
            )
            return False
        row.begin_attempt(data, user)
        if data is not None:
            row.signature_requests.cancel_declared(row, user=user)
            row.shares.cancel_declared(row, ErrorCode.OTHER_DATA, user=user)
        return True

    def begin_attempt(
        self, data: dict[str, Any] | None = None, user: AbstractBaseUser | None = None
    ) -> None:
        """Start the next attempt of a locked row, inside a transaction."""
        change = self._turn_to_next_attempt(user)
        if data is not None or self.builder:
            self.data = data
        self.save(using=database())
        Batch.objects.reopen([self.batch_id])
        Change.objects.record([change])
        # Nobody waits for what an event, or a script, has retried.
        priority = None if user is None else Priority.URGENT
        Job.objects.request(Job.Kind.RENDER, [self.pk], self.project, priority=priority)

    def _turn_to_next_attempt(self, user: AbstractBaseUser | None) -> Change:
        """Set what the next attempt begins with, except for the data; return the change."""
        previous = self.status
        self._leave_attempt()
        self.attempted_at = self.updated_at = clock.now()
        self.status = self.Status.PENDING
        self.unconfirmed_since = None
        self.withdrawn_at = self.withdrawn_by = None
        return self._requested_change(previous, self.status, user)

    def raise_to(self, priority: int) -> None:
        """Raise it, and what follows from it, to a more urgent class."""
        using = database()
        with transaction.atomic(using=using, savepoint=False):
            rows = Render.objects.using(using).filter(pk=self.pk, priority__gt=priority)
            if rows.update(priority=priority):
                Job.objects.raise_to(priority, Job.Kind.RENDER, self.pk)
        self.priority = priority

    @alters_data
    def withdraw(self, *, user: AbstractBaseUser | None = None, wait: float = False) -> bool:
        """Withdraw the document: every link is revoked, every signature request cancelled.

        No new one can be made. A document that was not sent yet is cancelled. ``user`` and
        ``wait`` are as in ``share``.

        Returns:
            False where it was withdrawn before.
        """
        timeout = may_wait(wait)
        withdrawn = Render.objects.withdraw_all([self.pk], user=check_user(user))
        if withdrawn.pks and timeout:
            left = time_left(timeout)
            self._carry_out(0.0)
            for row in withdrawn.ending:
                row._carry_out(left())
        self._reread()
        return bool(withdrawn.pks)

    awithdraw = async_twin(withdraw)

    def open(self, *, timeout: float | None = None) -> BinaryIO:
        """Return the PDF as a binary file object: from the archive, else streamed from Craftkit.

        What the archive has lost comes from Craftkit, too, and the log says so.

        Source: https://docs.craftkit.dev/api-reference/download-render

        Args:
            timeout: seconds to open it, by one try; None: what the project's settings say, with
                further tries. Then it may be read for as long as it keeps coming.

        Raises:
            FileNotFoundError: it isn't ready yet, or it was erased.
            RenderFailed: it ended without a PDF.
            CraftkitError: Craftkit does not give it.
        """
        return self.open_file(timeout=timeout).file

    @in_thread
    def aopen(self, *, timeout: float | None = None) -> AsyncFile:
        """Async version of ``open``; reading is awaited, too. ``timeout`` is as there."""
        return AsyncFile(self.open(timeout=timeout))

    def open_file(self, *, timeout: float | None = None) -> OpenFile:
        """Open the PDF as ``open`` does, and tell its size.

        Returns:
            ``file``; ``size`` in bytes, ``None`` where Craftkit does not say; ``sha256``, "" where
            it does not come from the archive.
        """
        if self.erased_at is not None:
            raise FileNotFoundError(f"{self} was erased.")
        is_there = self.status == self.Status.SUCCEEDED and self.remote_id is not None
        return ArchivedFile.objects.open(
            ArchivedFile.Kind.RENDER,
            self.pk,
            lambda: self._open_remote(timeout),
            is_replaceable=is_there,
        )

    def _open_remote(self, timeout: float | None) -> BinaryIO:
        if not self.is_final:
            raise FileNotFoundError(f"{self} is {self.status}: it isn't ready yet.")
        remote_id = self.remote_id
        if self.status != self.Status.SUCCEEDED or remote_id is None:
            raise RenderFailed(self)
        return self._download(lambda craftkit: craftkit.renders.download(remote_id), timeout)

    @alters_data
    def refresh(self, *, wait: float = False) -> bool:
        """Have its status, or who opened it and its links, read from Craftkit soon.

        A final status stays. A document that turned out to be none is ``cancelled`` then, with the
        code ``nothing_to_render``. ``wait`` is as in ``share``.

        Returns:
            Whether Craftkit has answered by now.
        """
        timeout = may_wait(wait)
        rows = Render.objects.writer().filter(pk=self.pk)
        is_ready = rows.filter(status=self.Status.SUCCEEDED).exists()
        kind = Job.Kind.ENGAGEMENT if is_ready else Job.Kind.RENDER
        return self._carry_out_job(kind, timeout)

    arefresh = async_twin(refresh)

    def _carry_out(self, timeout: float) -> None:
        dispatch.carry_out(Job.Kind.RENDER, self.pk, timeout=timeout, until=self._has_ended)

    def _has_ended(self) -> bool:
        self._reread()
        return self.is_final

    def _reread(self) -> None:
        """Read the row as it is now; where its function had nothing to render, note that."""
        try:
            self.refresh_from_db(using=database())
        except Render.DoesNotExist:
            if not self.is_removable:
                raise
            self.is_gone = True
            self.status = self.Status.CANCELLED
            self.error, self.error_code = "", ErrorCode.NOTHING_TO_RENDER
            self.field_errors = {}

    @alters_data
    def wait(self, timeout: float = 30.0) -> Self:
        """Return when the document is ready, for scripts and shells; outside of a transaction.

        Args:
            timeout: seconds.

        Raises:
            RenderFailed: it ended without a PDF.
            NothingToRender: a ``RenderFailed``, too; its function returned ``None``.
            TimeoutError: it has not ended; the worker goes on with it.
        """
        dispatch.refuse_transaction()
        self._carry_out(timeout)
        if not self.is_final:
            paused = ProjectState.objects.writer().paused()
            paused = paused.filter(project=self.project, capability="")
            why = "".join(f" Its project is paused: {state.pause_reason}" for state in paused)
            raise TimeoutError(f"{self} is still {self.status}, {timeout:g} s were given.{why}")
        if self.error_code == ErrorCode.NOTHING_TO_RENDER:
            raise NothingToRender(self)
        if self.status != self.Status.SUCCEEDED:
            raise RenderFailed(self)
        return self

    await_ready = async_twin(wait, name="await_ready")
