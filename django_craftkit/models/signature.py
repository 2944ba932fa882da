"""A document sent out to be signed: who is to sign it, how far they are, what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from django.db import connections, models
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, dispatch
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.failures import is_in_transaction
from django_craftkit.functions import alters_data
from django_craftkit.log import one_line
from django_craftkit.signing import AnchorTag, SignatureField
from django_craftkit.streaming import AsyncFile
from django_craftkit.twins import async_twin, in_thread

from .archive import ArchivedFile, OpenFile
from .arguments import check_text, check_user, may_wait
from .change import Change
from .columns import NullableMoment, RowKey, user_key
from .dependents import DECLARED, lock_to_retry
from .exceptions import KeyConflict
from .job import Job
from .mirror import Attempted, time_left
from .problems import ErrorCode
from .recipient import SignatureRecipient
from .render import Render
from .signature_manager import MADE_ANEW, OTHER_DATA, SignatureRequestManager

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models.fields.related_descriptors import RelatedManager

#: Characters; https://docs.craftkit.dev/api-reference/cancel-signature
MAX_REASON = 500


class SignatureRequest(Attempted):
    """A document that is sent out to be signed, as it was requested and as Craftkit has it."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        SENT = "sent", _("sent")
        VIEWED = "viewed", _("opened")
        COMPLETED = "completed", _("signed")
        DECLINED = "declined", _("declined")
        EXPIRED = "expired", _("expired")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("failed")
        REJECTED = "rejected", _("rejected")

    change_kind = Change.Kind.SIGNATURE
    OPEN = (Status.SENT, Status.VIEWED)
    #: What went wrong; time that ran out is seen in a list of its own.
    LOST = (Status.DECLINED, Status.FAILED, Status.REJECTED)
    #: Ended, and not signed by all: requested once more, it is another request.
    UNFULFILLED = (*LOST, Status.EXPIRED, Status.CANCELLED)
    FINAL = (*UNFULFILLED, Status.COMPLETED)

    class CancelCode(models.TextChoices):
        """What its cancellation was requested by: a call or a user, or another attempt."""

        REQUESTED = "requested"
        MADE_ANEW = "made_anew"
        OTHER_DATA = "other_data"

    render: RowKey[Render, Render] = RowKey(
        Render,
        on_delete=models.PROTECT,
        related_name="signature_requests",
        verbose_name=_("document"),
    )
    #: Of what was requested under the key, so that another request can't pass for it.
    asked_hash = models.CharField(max_length=64, editable=False)
    name = models.CharField(_("name"), max_length=255, blank=True)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    #: Where to sign, as Craftkit takes it.
    fields = models.JSONField(_("fields"), default=list, blank=True)
    anchor_tags = models.JSONField(_("anchor tags"), default=list, blank=True)
    #: ``False``: sent whatever is found of them in the PDF.
    check_anchors = models.BooleanField(null=True, editable=False)
    anchors_checked_at: NullableMoment = models.DateTimeField(
        _("anchors looked up at"), null=True, blank=True
    )
    #: What was found of each text: ``pdf.anchors.Finding``, as a dict.
    anchor_findings = models.JSONField(_("what was found of the anchors"), null=True, blank=True)
    expiration_hours = models.PositiveIntegerField(_("hours to sign"), null=True, blank=True)
    #: When its remote state is to be read next; ``None``: not any more.
    poll_at: NullableMoment = models.DateTimeField(_("next question at"), null=True, blank=True)
    #: Since when Craftkit answers that it knows of no such request.
    unknown_since: NullableMoment = models.DateTimeField(
        _("unknown at Craftkit since"), null=True, blank=True
    )
    cancel_requested_at: NullableMoment = models.DateTimeField(
        _("cancellation asked for at"), null=True, blank=True
    )
    cancel_requested_by = user_key(_("cancellation asked for by"))
    cancel_reason = models.CharField(_("reason"), max_length=MAX_REASON, blank=True)
    # No defaults: SQLite would write the table anew.
    #: A ``CancelCode``; ``None``: nobody requested it, or an earlier version, whose reason tells.
    cancel_code = models.CharField(max_length=16, null=True, editable=False)  # noqa: DJ001
    #: Whether a declaration requested it; ``None``: an earlier version wrote it, whose key tells.
    declared = models.BooleanField(null=True, editable=False)

    objects: ClassVar[SignatureRequestManager] = SignatureRequestManager()

    recipients: RelatedManager[SignatureRecipient]

    class Meta:
        verbose_name = _("signature request")
        verbose_name_plural = _("signature requests")
        permissions = [
            ("cancel_signaturerequest", _("Can cancel a signature request")),
            ("retry_signaturerequest", _("Can send a rejected signature request again")),
            ("download_signaturerequest", _("Can open the signed PDF and its certificate")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["render", "key_hash"], name="craftkit_signature_key"),
        ]
        indexes = [
            models.Index(fields=["-requested_at", "-id"], name="craftkit_sign_newest"),
            models.Index(fields=["status", "-requested_at", "-id"], name="craftkit_sign_status"),
            models.Index(fields=["status", "updated_at"], name="craftkit_sign_lately"),
            models.Index(fields=["project", "-requested_at", "-id"], name="craftkit_sign_project"),
            models.Index(fields=["project", "-accepted_at", "-id"], name="craftkit_sign_accepted"),
            models.Index(fields=["project", "poll_at"], name="craftkit_sign_poll"),
        ]

    def __str__(self) -> str:
        # Of its own columns, as of every row: its document may not have been read.
        numbers = {"number": self.pk, "document": self.render_id}
        unnamed = _("signature request %(number)s for document %(document)s") % numbers
        return one_line(self.name) or unnamed

    @property
    def is_final(self) -> bool:
        """Whether nobody will act on it any more."""
        return self.status in self.FINAL

    @property
    def is_open(self) -> bool:
        """Whether somebody is still to act on it."""
        return self.status in self.OPEN

    @property
    def is_declared(self) -> bool:
        """Whether a declaration requested it, not a call."""
        return self.key.startswith(DECLARED) if self.declared is None else self.declared

    @property
    def ended_by(self) -> CancelCode | None:
        """What its cancellation was requested by; ``None`` where it was not."""
        if self.cancel_requested_at is None:
            return None
        if self.cancel_code is None:
            # An earlier version kept what it was for in the reason alone.
            return _CODES.get(self.cancel_reason, self.CancelCode.REQUESTED)
        return self.CancelCode(self.cancel_code)

    @property
    def is_cancellable(self) -> bool:
        """Whether it can be cancelled and nobody has requested that yet."""
        return not self.is_final and self.cancel_requested_at is None

    @property
    def is_retriable(self) -> bool:
        """Whether it never went out, so that another attempt makes sense."""
        return self.status == self.Status.REJECTED and self.erased_at is None

    @property
    def lacks_anchors(self) -> bool:
        """Whether it was not sent because its document lacks texts to sign at."""
        return self.is_retriable and self.error_code == ErrorCode.ANCHORS_MISSING

    @property
    def expires_at(self) -> datetime | None:
        """When the time to sign is over; Craftkit gives a week where none was requested."""
        if self.accepted_at is None:
            return None
        try:
            return self.accepted_at + timedelta(hours=self.expiration_hours or DEFAULT_HOURS)
        except OverflowError:  # in the year 10000
            return self.accepted_at

    #: Whether it was committed after what this transaction may see: a lock shows its recipients.
    is_of_another_moment = False

    def differences(
        self, wanted: SignatureRequest, people: Sequence[SignatureRecipient]
    ) -> list[str]:
        """Return in what another request differs, as ``InvalidSignatureRequest`` names it.

        The time to sign is no part of it: it is often counted from now.
        """
        found = [
            name
            for name in ("name", "fields", "anchor_tags")
            if getattr(self, name) != getattr(wanted, name)
        ]
        mine = self.read_recipients()
        for number, (one, other) in enumerate(zip(mine, people, strict=False)):
            found += [f"recipients[{number}].{name}" for name in one.differences(other)]
        # Those that Craftkit has added come after those that were requested.
        is_other = not found and self.asked_hash != wanted.asked_hash
        if len(people) > len(mine) or (len(people) < len(mine) and is_other):
            found.append("recipients")
        return found

    def check_same(
        self,
        wanted: SignatureRequest,
        people: Sequence[SignatureRecipient],
        *,
        has_key: bool = True,
    ) -> None:
        """Raise ``KeyConflict`` where a call can't be answered with this request.

        Without a key it wants one that goes out, so that one which is being cancelled won't do.
        """
        if self.erased_at is not None:
            return  # what it was, nobody knows any more
        differences = self.differences(wanted, people)
        is_ending = self.cancel_requested_at is not None and not self.is_final
        if not differences and (has_key or not is_ending):
            return
        state = "being cancelled" if is_ending else self.status
        differs = f" This call differs from it in {', '.join(differences)}." if differences else ""
        way_out = "" if self.is_final else "wait until it has ended, or "
        if self.is_cancellable:
            way_out = "cancel it first, or "
        raise KeyConflict(
            f"The key {self.key!r} already stands for a signature request of this document, which "
            f"is {state}.{differs} To have another one sent, {way_out}give the call a key of its "
            "own.",
            differences=differences,
        )

    @alters_data
    def cancel(
        self, *, reason: str = "", user: AbstractBaseUser | None = None, wait: float = False
    ) -> bool:
        """Request its cancellation.

        Args:
            reason: up to 500 characters; Craftkit and staff read it.
            user, wait: as in ``Render.share``.

        Returns:
            False where that was requested before, or it has ended.
        """
        check_text("reason", reason, MAX_REASON)
        timeout = may_wait(wait)
        code = self.CancelCode.REQUESTED
        is_requested = self._request_cancellation(reason, check_user(user), code)
        if is_requested and timeout:
            self._carry_out(timeout)
        self._reread()
        return is_requested

    acancel = async_twin(cancel)

    def cancel_for_next_attempt(self) -> None:
        """Request its cancellation: the next attempt of its document has a request of its own."""
        self._request_cancellation(MADE_ANEW, None, self.CancelCode.MADE_ANEW)

    @in_transaction
    def _request_cancellation(
        self, reason: str, user: AbstractBaseUser | None, code: SignatureRequest.CancelCode
    ) -> bool:
        mine = SignatureRequest.objects.writer().filter(pk=self.pk)
        if not mine.cancellable().update(
            cancel_requested_at=clock.now(),
            cancel_requested_by=user,
            cancel_code=code,
            cancel_reason=reason,
        ):
            return False
        Job.objects.request(Job.Kind.POLL_OR_CANCEL, [self.pk], self.project)
        return True

    @alters_data
    def retry(
        self, *, check: bool = True, user: AbstractBaseUser | None = None, wait: float = False
    ) -> bool:
        """Send a rejected one once more; ``False`` for any other.

        ``user`` and ``wait`` are as in ``Render.share``, ``check`` as in ``send_for_signature``.

        Raises:
            RenderWithdrawn: its document was withdrawn.
        """
        check_user(user)
        return self._requested(lambda: self._request_retry(user, check=check), wait)

    aretry = async_twin(retry)

    @in_transaction
    def _request_retry(self, user: AbstractBaseUser | None, *, check: bool) -> bool:
        row = lock_to_retry(self)
        if not row.is_retriable or row._is_superseded():
            return False
        previous, row.status = row.status, self.Status.PENDING
        row._leave_attempt()
        row.check_anchors, row.anchors_checked_at, row.anchor_findings = check, None, None
        row.cancel_requested_at = row.cancel_requested_by = None
        row.cancel_code, row.cancel_reason = None, ""
        row.save(using=database())
        Change.objects.record([row._requested_change(previous, row.status, user)])
        Job.objects.request(Job.Kind.SEND_SIGNATURE, [row.pk], row.project)
        return True

    def _is_superseded(self) -> bool:
        """Whether an attempt or a call has requested another in its place."""
        later = SignatureRequest.objects.writer().filter(render=self.render_id, pk__gt=self.pk)
        if self.is_declared:
            return later.declared().exists()
        return self.key in later.filter(key=self.key).values_list("key", flat=True)

    @alters_data
    def refresh(self, *, wait: float = False) -> bool:
        """Have its remote state read soon; also of one that Craftkit did not know.

        A final status stays. ``wait`` is as in ``Render.share``.

        Returns:
            Whether Craftkit has answered by now.
        """
        timeout = may_wait(wait)
        self._reread()
        return self._carry_out_job(self._next_kind(), timeout)

    arefresh = async_twin(refresh)

    def open_signed(self, *, timeout: float | None = None) -> BinaryIO:
        """Return the signed PDF as a binary file object: from the archive, else from Craftkit.

        ``timeout`` is as in ``Render.open``.

        Raises:
            FileNotFoundError: not all have signed yet.
            CraftkitError: Craftkit does not give it.
        """
        return self.open_file(ArchivedFile.Kind.SIGNED, timeout=timeout).file

    @in_thread
    def aopen_signed(self, *, timeout: float | None = None) -> AsyncFile:
        """Async version of ``open_signed``; reading is awaited, too. ``timeout`` is as there."""
        return AsyncFile(self.open_signed(timeout=timeout))

    def open_certificate(self, *, timeout: float | None = None) -> BinaryIO:
        """Return the certificate of completion, which tells who signed when.

        Source: https://docs.craftkit.dev/api-reference/get-certificate

        ``timeout``, and what is raised, are as in ``open_signed``.
        """
        return self.open_file(ArchivedFile.Kind.CERTIFICATE, timeout=timeout).file

    @in_thread
    def aopen_certificate(self, *, timeout: float | None = None) -> AsyncFile:
        """Async version of ``open_certificate``, as ``aopen_signed``. ``timeout`` is as there."""
        return AsyncFile(self.open_certificate(timeout=timeout))

    def open_file(self, kind: str, *, timeout: float | None = None) -> OpenFile:
        """Open a file as ``open_signed`` and ``open_certificate`` do, and tell its size.

        Args:
            kind: ``"signed"`` or ``"certificate"``.
            timeout: as in ``Render.open``; what is returned is as in ``Render.open_file``.
        """
        # What is lost is not replaced without a word: it is what was signed, and vouched for.
        return ArchivedFile.objects.open(kind, self.pk, lambda: self._open_remote(kind, timeout))

    def _open_remote(self, kind: str, timeout: float | None) -> BinaryIO:
        remote_id = self.remote_id
        if self.status != self.Status.COMPLETED or remote_id is None:
            raise FileNotFoundError(f"{self} is {self.status}: there is nothing signed yet.")
        if kind == ArchivedFile.Kind.SIGNED:
            return self._download(
                lambda craftkit: craftkit.signatures.signed_pdf(remote_id), timeout
            )
        return self._download(lambda craftkit: craftkit.signatures.certificate(remote_id), timeout)

    def as_sent(self, people: Sequence[SignatureRecipient] | None = None) -> dict[str, Any]:
        """Return what the client sends; ``people`` are its recipients, if they have been read."""
        people = self.read_recipients() if people is None else people
        return {
            "recipients": [row.as_recipient() for row in people],
            "fields": [SignatureField.from_json(field) for field in self.fields],
            "anchor_tags": [AnchorTag.from_json(tag) for tag in self.anchor_tags],
            "name": self.name or None,
            "expires_in_hours": self.expiration_hours,
        }

    def read_recipients(self) -> list[SignatureRecipient]:
        """Read its recipients in the order in which they were named."""
        rows = SignatureRecipient.objects.writer().filter(request=self.pk)
        if self.is_of_another_moment and is_in_transaction(connections[rows.db]):
            rows = lock(rows)
        return list(rows.order_by("position"))

    def _next_kind(self) -> Job.Kind:
        """Return the kind of its next job."""
        if self.status == self.Status.COMPLETED:
            return Job.Kind.ARCHIVE_SIGNATURE
        if self.status == self.Status.PENDING and self.cancel_requested_at is None:
            return Job.Kind.SEND_SIGNATURE
        return Job.Kind.POLL_OR_CANCEL

    def _carry_out(self, timeout: float) -> None:
        left = time_left(timeout)
        self._reread()
        render = Render.objects.writer().get(pk=self.render_id)
        if self.cancel_requested_at is None and not render.is_final:
            render._carry_out(left())
        if left():
            dispatch.carry_out(self._next_kind(), self.pk, timeout=left(), until=self._is_settled)

    def _is_settled(self) -> bool:
        self._reread()
        if self.cancel_requested_at is not None:
            return self.is_final
        return self.status != self.Status.PENDING


_CODES = {
    MADE_ANEW: SignatureRequest.CancelCode.MADE_ANEW,
    OTHER_DATA: SignatureRequest.CancelCode.OTHER_DATA,
}
#: Hours; what Craftkit's provider gives where none are requested.
DEFAULT_HOURS = 168
