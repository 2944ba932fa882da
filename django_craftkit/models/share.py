"""A link to a document: who has it, until when, and whether it was revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, dispatch
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.functions import alters_data
from django_craftkit.twins import async_twin

from .arguments import check_user, may_wait
from .change import Change
from .columns import NullableMoment, RowKey, prefix_index, user_key
from .dependents import lock_to_retry
from .exceptions import KeyConflict
from .job import Job
from .mirror import Mirror, time_left
from .problems import ErrorCode
from .render import Render
from .share_manager import FOUND, LEFT, ShareManager

if TYPE_CHECKING:
    import uuid

    from django.contrib.auth.models import AbstractBaseUser


class Share(Mirror):
    """A link to a document, as it was requested and as Craftkit has it."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        UNKNOWN = "unknown", _("being settled")
        REJECTED = "rejected", _("rejected")
        ACTIVE = "active", _("open")
        REVOKED = "revoked", _("revoked")

    change_kind = Change.Kind.SHARE
    FINAL = (Status.REVOKED, Status.REJECTED)

    class Channel(models.TextChoices):
        LINK = "link", _("link")
        EMAIL = "email", _("e-mail")

    render: RowKey[Render, Render] = RowKey(
        Render, on_delete=models.PROTECT, related_name="shares", verbose_name=_("document")
    )
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel, default=Channel.LINK)
    #: Whether Craftkit mails it; else the channel says only whom it is for.
    by_mail = models.BooleanField(_("mailed by Craftkit"), default=False)
    mailed_at: NullableMoment = models.DateTimeField(_("mailed at"), null=True, blank=True)
    recipient_email = models.EmailField(_("recipient"), blank=True)
    recipient_name = models.CharField(_("recipient's name"), max_length=200, blank=True)
    message = models.TextField(_("message"), blank=True)
    expires_at: NullableMoment = models.DateTimeField(_("expires at"), null=True, blank=True)
    url = models.TextField(_("link"), blank=True)
    click_count = models.PositiveIntegerField(_("opened"), default=0)
    #: Committed before the call: a worker that dies in it leaves a share that may exist.
    sending_since: NullableMoment = models.DateTimeField(_("sending since"), null=True, blank=True)
    revoke_requested_at: NullableMoment = models.DateTimeField(
        _("revocation asked for at"), null=True, blank=True
    )
    revoke_requested_by = user_key(_("revocation asked for by"))
    revoked_at: NullableMoment = models.DateTimeField(_("revoked at"), null=True, blank=True)
    #: Whether Craftkit had it and no row did; ``None``: an earlier version wrote it, whose key
    #: tells. No default: SQLite would write the table anew.
    adopted = models.BooleanField(null=True, editable=False)
    #: Whether a declaration requested it; ``None``: an earlier version wrote it, and none did.
    declared = models.BooleanField(null=True, editable=False)

    objects: ClassVar[ShareManager] = ShareManager()

    class Meta:
        verbose_name = _("link")
        verbose_name_plural = _("links")
        permissions = [
            ("revoke_share", _("Can revoke a link")),
            ("see_share_link", _("Can see and open a link")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["render", "key_hash"], name="craftkit_share_key"),
        ]
        indexes = [
            models.Index(fields=["status", "-requested_at", "-id"], name="craftkit_share_status"),
            models.Index(fields=["-requested_at", "-id"], name="craftkit_share_newest"),
            models.Index(fields=["status", "expires_at"], name="craftkit_share_expiry"),
            models.Index(fields=["channel", "-requested_at", "-id"], name="craftkit_share_channel"),
            models.Index(fields=["project", "-requested_at", "-id"], name="craftkit_share_project"),
            prefix_index("recipient_email", "craftkit_share_recipient"),
        ]

    def __str__(self) -> str:
        # Of its own columns, as of every row: its document may not have been read.
        numbers = {"number": self.pk, "document": self.render_id}
        return _("link %(number)s to document %(document)s") % numbers

    @property
    def is_expired(self) -> bool:
        """Whether its time is over; Craftkit closes it by itself."""
        return self.expires_at is not None and self.expires_at <= clock.now()

    @property
    def is_open(self) -> bool:
        """Whether the link leads somewhere and nobody has requested its revocation."""
        return (
            self.status == self.Status.ACTIVE
            and self.revoke_requested_at is None
            and not self.is_expired
        )

    @property
    def is_revocable(self) -> bool:
        """Whether it can be revoked and nobody has requested that yet."""
        return self.status not in self.FINAL and self.revoke_requested_at is None

    @property
    def is_found(self) -> bool:
        """Whether it was adopted from Craftkit, where somebody else had made it."""
        return self.key.startswith(FOUND) if self.adopted is None else self.adopted

    @property
    def is_retriable(self) -> bool:
        """Whether it can be sent once more, unless its revocation was requested."""
        is_rejected = self.status == self.Status.REJECTED and self.erased_at is None
        return is_rejected or self.is_unsettled

    @property
    def is_unsettled(self) -> bool:
        """Whether it is an e-mail of which only a user can say whether it was sent."""
        is_open = self.status == self.Status.UNKNOWN and self.erased_at is None
        return is_open and self.error_code == ErrorCode.MAIL_UNPROVEN

    def check_same(self, other: Share, *, has_key: bool) -> None:
        """Raise ``KeyConflict`` where another link is requested under this one's key.

        Whoever gave an e-mail a key would think that it goes out under another name, or with other
        words. When it ends is often counted from now, and compared nowhere.
        """
        if self.erased_at is not None:
            return  # what it was, nobody knows any more
        if self.is_found:
            raise KeyConflict(
                f"The key {self.key!r} stands for a link that was adopted from Craftkit. A new "
                "link wants another key."
            )
        names = ["by_mail"]
        names += ["recipient_name", "message"] if self.by_mail and has_key else []
        differences = [name for name in names if getattr(self, name) != getattr(other, name)]
        if self.recipient_email.casefold() != other.recipient_email.casefold():
            differences.append("recipient_email")
        if not differences:
            return
        what = "an e-mail" if self.by_mail else "a link"
        if self.by_mail != other.by_mail:
            whose = "to this document"
        elif "recipient_email" in differences:
            whose = "to somebody else"
        else:
            whose = f"that differs from this one in {', '.join(differences)}"
        raise KeyConflict(
            f"The key {self.key!r} already stands for {what} {whose}. What goes another way, to "
            "another person or with other words wants a key of its own.",
            differences=differences,
        )

    @property
    def kind(self) -> Job.Kind:
        """The kind of the job that makes it."""
        return Job.Kind.EMAIL if self.by_mail else Job.Kind.SHARE

    @alters_data
    def revoke(self, *, user: AbstractBaseUser | None = None, wait: float = False) -> bool:
        """Request the link's revocation; from now on it is offered nowhere.

        ``user`` and ``wait`` are as in ``Render.share``.

        Returns:
            False where that was requested before, or the link is revoked or rejected.
        """
        timeout = may_wait(wait)
        is_requested = self._request_revocation(check_user(user))
        if timeout:
            self._carry_out(timeout)
        self._reread()
        return is_requested

    arevoke = async_twin(revoke)

    @in_transaction
    def _request_revocation(self, user: AbstractBaseUser | None) -> bool:
        revocable = Share.objects.writer().filter(pk=self.pk).revocable()
        if not revocable.update(revoke_requested_at=clock.now(), revoke_requested_by=user):
            return False
        Job.objects.request(Job.Kind.SHARE, [self.pk], self.project)
        return True

    @alters_data
    def retry(self, *, user: AbstractBaseUser | None = None, wait: float = False) -> bool:
        """Send it once more: a rejected one, or an e-mail that is ``is_unsettled``.

        Of an e-mail, a link that may have gone out is revoked first. ``user`` and ``wait`` are as
        in ``Render.share``.

        Returns:
            False where there is nothing to send again.

        Raises:
            RenderWithdrawn: its document was withdrawn.
        """
        check_user(user)
        return self._requested(lambda: self._request_retry(user), wait)

    aretry = async_twin(retry)

    @in_transaction
    def _request_retry(self, user: AbstractBaseUser | None) -> bool:
        row = lock_to_retry(self)
        if not row.is_retriable or row.revoke_requested_at is not None or row._is_superseded():
            return False
        if row.remote_id is not None:
            row.leave_behind(user)
        previous, row.status = row.status, self.Status.PENDING
        row.sending_since = None
        row.error, row.error_code, row.field_errors = "", "", {}
        row.save(using=database())
        row._note(previous, user)
        Job.objects.request(row.kind, [row.pk], row.project)
        return True

    def _is_superseded(self) -> bool:
        """Whether a later attempt of its document has declared a mail to the same recipient."""
        if not self.declared:
            return False
        rows = Share.objects.writer().filter(render=self.render_id, declared=True)
        later = rows.filter(pk__gt=self.pk).values_list("recipient_email", flat=True)
        return self.recipient_email.casefold() in map(str.casefold, later)

    @property
    def is_settled_for_good(self) -> bool:
        """Whether a declaration's mail may have gone out, or a user does not want it."""
        is_left = self.status == self.Status.REVOKED and self.error_code in LEFT
        is_open = self.status in (self.Status.PENDING, self.Status.REJECTED) or is_left
        may_be_sent = self.mailed_at is not None or self.sending_since is not None
        return may_be_sent or self.revoke_requested_at is not None or not is_open

    @alters_data
    def confirm_mailed(self, *, user: AbstractBaseUser | None = None) -> bool:
        """Say that an e-mail that is ``is_unsettled`` was sent; ``False`` for any other.

        ``user`` is who the history says confirmed it.
        """
        confirmed = self._confirm_mailed(check_user(user))
        if confirmed:
            self._reread()
        return confirmed

    aconfirm_mailed = async_twin(confirm_mailed)

    @in_transaction
    def _confirm_mailed(self, user: AbstractBaseUser | None) -> bool:
        row = lock(Share.objects.writer()).get(pk=self.pk)
        if not row.is_unsettled:
            return False
        previous, row.status = row.status, self.Status.ACTIVE
        row.mailed_at = row.sending_since
        row.error = row.error_code = ""
        row.save(using=database())
        row._note(previous, user, signal="email_sent")
        if row.revoke_requested_at is not None:
            Job.objects.request(Job.Kind.SHARE, [row.pk], row.project)
        return True

    def leave_behind(self, user: AbstractBaseUser | None = None) -> None:
        """Give the link that it may have become a row of its own, and have that revoked."""
        Share.objects.add_found(
            self,
            remote_id=cast("uuid.UUID", self.remote_id),
            url=self.url,
            revoke_requested_at=clock.now(),
            revoke_requested_by=user,
        )
        self.remote_id, self.url, self.answer = None, "", {}

    def _note(self, previous: str, user: AbstractBaseUser | None, *, signal: str = "") -> None:
        change = self._requested_change(previous, self.status, user, signal=signal)
        Change.objects.record([change])
        dispatch.wake_on_commit(database())

    @alters_data
    def refresh(self) -> None:
        """Have a worker do soon what is due for it, also where its job was quarantined."""
        kind = self.kind if self.status == self.Status.PENDING else Job.Kind.SHARE
        Job.objects.request(kind, [self.pk], self.project)

    arefresh = async_twin(refresh)

    def _carry_out(self, timeout: float) -> None:
        left = time_left(timeout)
        self._reread()
        if self.revoke_requested_at is None:
            render = Render.objects.writer().get(pk=self.render_id)
            if not render.is_final:
                render._carry_out(left())
            if render.status != Render.Status.SUCCEEDED:
                return
            if self.by_mail:
                dispatch.carry_out(Job.Kind.EMAIL, self.pk, timeout=left(), until=self._is_sent)
                if self.status == self.Status.PENDING:
                    return
        if left():
            dispatch.carry_out(Job.Kind.SHARE, self.pk, timeout=left(), until=self._is_settled)

    def _is_sent(self) -> bool:
        self._reread()
        return self.status != self.Status.PENDING

    def _is_settled(self) -> bool:
        self._reread()
        if self.revoke_requested_at:
            return self.status in self.FINAL
        return self.is_unsettled or self.status not in (self.Status.PENDING, self.Status.UNKNOWN)
