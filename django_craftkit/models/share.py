"""A link to a document: who has it, until when, and whether it was taken back."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from django.conf import settings
from django.core.validators import validate_email
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, dispatch
from django_craftkit.database import (
    again_after_deadlock,
    database,
    in_transaction,
    insert_or_get,
    lock,
)
from django_craftkit.statements import Lookup

from .arguments import check_expiry, check_key, check_text, check_user, hash_key, may_wait
from .change import Change
from .keys import RowKey
from .mirror import SHOWN_FOR, Mirror
from .render import KeyConflict, Render, hold, refuse_gone, refuse_withdrawn
from .work import Job

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from django.contrib.auth.models import AbstractBaseUser

#: Characters; https://docs.craftkit.dev/api-reference/email-render
MAX_MESSAGE, MAX_NAME = 2000, 200
MAX_EMAIL = 254
#: What the key of a link begins with that was found at Craftkit without a row; ``adopted`` says
#: whether it was.
FOUND = "found "


class ShareQuerySet(models.QuerySet[Any]):
    """The links, open and closed."""

    def open(self) -> Self:
        """Return the links that lead somewhere and that nobody wants back."""
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=clock.now()),
            status=Share.Status.ACTIVE,
            revoke_requested_at=None,
        )

    def revocable(self) -> Self:
        """Return the links that can be revoked and that nobody has asked for yet."""
        return self.filter(revoke_requested_at=None).exclude(status__in=FINAL)

    def to_hand_out(self) -> Self:
        """Return the open links that were not made for one person, newest first.

        Of those found at Craftkit nobody here knows for whom they are.
        """
        return (
            self.open()
            .filter(
                Q(adopted=False) | Q(adopted=None) & ~Q(key__startswith=FOUND),
                channel=Share.Channel.LINK,
                recipient_email="",
            )
            .order_by("-requested_at", "-pk")
        )

    def expired(self) -> Self:
        """Return the links that Craftkit has closed by itself."""
        return self.filter(status=Share.Status.ACTIVE, expires_at__lte=clock.now())

    def unsettled(self) -> Self:
        """Return the e-mails that only a person can tell the fate of."""
        return self.filter(status=Share.Status.UNKNOWN, error_code=UNPROVEN)

    def needing_action(self) -> Self:
        """Return the links and e-mails that were rejected in the last 30 days.

        Not those of a withdrawn document, nor where another of the kind was asked for since, for
        the same document and person.
        """
        later = Share.objects.filter(
            render=OuterRef("render"),
            by_mail=OuterRef("by_mail"),
            recipient_email=OuterRef("recipient_email"),
            pk__gt=OuterRef("pk"),
        )
        return self.filter(
            ~Exists(later),
            status=Share.Status.REJECTED,
            updated_at__gte=clock.now() - SHOWN_FOR,
            render__withdrawn_at=None,
        )

    def ask(
        self,
        render: Render,
        *,
        message: str,
        expires_at: datetime | None,
        channel: str,
        recipient_email: str,
        key: str | None,
        user: AbstractBaseUser | None,
        wait: float,
        recipient_name: str = "",
        by_mail: bool = False,
    ) -> Share:
        """Write the wish for a link; see ``Render.share`` and ``Render.email``."""
        # All that can be wrong is found before the first query: one that fails would break the
        # transaction of the caller.
        check_text("message", message, MAX_MESSAGE)
        check_text("recipient_name", recipient_name, MAX_NAME)
        check_expiry(expires_at)
        check_user(user)
        if Share.Channel(channel) == Share.Channel.EMAIL or recipient_email:
            validate_email(recipient_email)
            check_text("recipient_email", recipient_email, MAX_EMAIL)
        timeout = may_wait(wait)
        has_key = key is not None
        if key is None:
            key = mail_key(recipient_email, message) if by_mail else uuid.uuid4().hex
        wish = self.model(
            render=render,
            project=render.project,
            key=check_key(key),
            key_hash=hash_key(key),
            message=message,
            expires_at=expires_at,
            channel=channel,
            recipient_email=recipient_email,
            recipient_name=recipient_name,
            by_mail=by_mail,
            requested_by=user,
            adopted=False,
        )
        share = self._store(wish, has_key=has_key)
        if wait:
            share._carry_out(timeout)
            # A replica may not have it yet.
            share.render = Render.objects.using(database()).get(pk=share.render_id)
        return share

    @again_after_deadlock
    def _store(self, wish: Share, *, has_key: bool) -> Share:
        using = database()
        known = _BY_KEY.first(using, wish.render_id, wish.key_hash)
        if known is None:
            render = refuse_withdrawn(wish.render_id)
            with transaction.atomic(using=using, savepoint=False):
                if render is not None and hold(render.pk, may_go=render.may_go):
                    known = insert_or_get(wish, _BY_KEY, "render_id", "key_hash")
                    if known is wish:
                        Job.objects.start(wish.kind, known.pk, known.project, render.priority)
                        return known
        if known is None:
            refuse_gone(wish.render)
        known.check_same(wish, has_key=has_key)
        return known

    def add_found(self, like: Share, *, remote_id: uuid.UUID, url: str, **values: Any) -> Share:
        """Write a row for a link that Craftkit has and no row had, inside a transaction."""
        key = f"{FOUND}{remote_id}"
        found: Share = self.using(database()).create(
            **{
                "render_id": like.render_id,
                "project": like.project,
                "key": key,
                # No key that anybody gives has a NUL: none is this one.
                "key_hash": hash_key(f"\0{key}"),
                "adopted": True,
                "channel": like.channel,
                "recipient_email": like.recipient_email,
                "recipient_name": like.recipient_name,
                "message": like.message,
                "expires_at": like.expires_at,
                "remote_id": remote_id,
                "url": url,
                "status": Share.Status.ACTIVE,
                **values,
            }
        )
        if found.revoke_requested_at is not None:
            Job.objects.ask(KIND, [found.pk], found.project)
        return found

    def revoke_all(self, renders: Collection[int], *, user: AbstractBaseUser | None) -> list[Share]:
        """Ask for the end of every link to these documents, inside a transaction; return them."""
        return self._revoke(self.using(database()).filter(render__in=renders), user)

    @in_transaction
    def revoke_chosen(self, pks: Collection[int], *, user: AbstractBaseUser | None) -> list[Share]:
        """Ask for the end of these links, as ``Share.revoke``; return those that had none yet.

        Takes as many queries for a thousand as for ten.
        """
        return self._revoke(self.using(database()).filter(pk__in=pks), user)

    def _revoke(self, wanted: models.QuerySet[Share], user: AbstractBaseUser | None) -> list[Share]:
        shares: list[Share] = list(lock(cast("Any", wanted).revocable()).order_by("pk"))
        if shares:
            self.using(database()).filter(pk__in=[share.pk for share in shares]).update(
                revoke_requested_at=clock.now(), revoke_requested_by=user
            )
            Job.objects.wish_for(KIND, shares)
            dispatch.wake_on_commit(database())
        return shares


_BY_KEY: Lookup[Share] = Lookup(lambda: Share.objects.all(), "render_id", "key_hash")


def mail_key(to: str, message: str) -> str:
    """Return what an e-mail is known by that was asked for without a key: what it says to whom."""
    text = json.dumps([to.casefold(), message])
    return f"mail:{hash_key(text)}"


class Share(Mirror):
    """A link to a document that was asked for."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        UNKNOWN = "unknown", _("being settled")
        REJECTED = "rejected", _("rejected")
        ACTIVE = "active", _("open")
        REVOKED = "revoked", _("revoked")

    class Channel(models.TextChoices):
        LINK = "link", _("link")
        EMAIL = "email", _("e-mail")

    render = RowKey(
        Render, on_delete=models.PROTECT, related_name="shares", verbose_name=_("document")
    )
    key = models.CharField(_("key"), max_length=255)
    key_hash = models.CharField(max_length=64, editable=False)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel, default=Channel.LINK)
    #: Whether Craftkit mails it; else the channel says only whom it is for.
    by_mail = models.BooleanField(_("mailed by Craftkit"), default=False)
    mailed_at = models.DateTimeField(_("mailed at"), null=True, blank=True)
    recipient_email = models.EmailField(_("recipient"), blank=True)
    recipient_name = models.CharField(_("recipient's name"), max_length=200, blank=True)
    message = models.TextField(_("message"), blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    url = models.TextField(_("link"), blank=True)
    click_count = models.PositiveIntegerField(_("opened"), default=0)
    #: Committed before the call: a worker that dies in it leaves a share that may exist.
    sending_since = models.DateTimeField(_("sending since"), null=True, blank=True)
    revoke_requested_at = models.DateTimeField(_("revocation asked for at"), null=True, blank=True)
    revoke_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("revocation asked for by"),
    )
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    #: Whether Craftkit had it and no row did; ``None``: an earlier version wrote it, whose key
    #: tells. No default: SQLite would write the table anew.
    adopted = models.BooleanField(null=True, editable=False)

    objects: ClassVar[models.Manager[Share]] = ShareQuerySet.as_manager()

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
            models.Index(
                fields=["recipient_email", "id"],
                name="craftkit_share_recipient",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
        ]

    def __str__(self) -> str:
        # Of its own columns, as of every row: its document may not have been read.
        numbers = {"number": self.pk, "document": self.render_id}
        return _("link %(number)s to document %(document)s") % numbers

    @property
    def is_expired(self) -> bool:
        """Whether its time is over, which Craftkit sees to by itself."""
        return self.expires_at is not None and self.expires_at <= clock.now()

    @property
    def is_open(self) -> bool:
        """Whether the link leads somewhere and nobody wants it back."""
        return (
            self.status == self.Status.ACTIVE
            and self.revoke_requested_at is None
            and not self.is_expired
        )

    @property
    def is_revocable(self) -> bool:
        """Whether there is something to revoke that nobody has asked for yet."""
        return self.status not in FINAL and self.revoke_requested_at is None

    @property
    def is_found(self) -> bool:
        """Whether it was found at Craftkit, where somebody else had made it."""
        return self.key.startswith(FOUND) if self.adopted is None else self.adopted

    @property
    def is_unsettled(self) -> bool:
        """Whether it is an e-mail that only a person can tell the fate of."""
        return self.status == self.Status.UNKNOWN and self.error_code == UNPROVEN

    def check_same(self, other: Share, *, has_key: bool) -> None:
        """Raise ``KeyConflict`` where another link is asked for under this one's key.

        Whoever gave an e-mail a key would think that it goes out under another name, or with other
        words. When it ends is often counted from now, and compared nowhere.
        """
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
    def kind(self) -> str:
        """The kind of the job that makes it."""
        return MAIL if self.by_mail else KIND

    def revoke(self, *, user: AbstractBaseUser | None = None, wait: float = False) -> bool:
        """Ask for the link's end; from now on it is offered nowhere.

        Returns ``False`` where that was asked for before, or there is nothing to end. ``user``
        and ``wait`` are as in ``Render.share``.
        """
        timeout = may_wait(wait)
        asked = self._ask_revocation(check_user(user))
        if wait:
            self._carry_out(timeout)
        self.refresh_from_db(using=database())
        return asked

    @in_transaction
    def _ask_revocation(self, user: AbstractBaseUser | None) -> bool:
        asked = (
            Share.objects.using(database())
            .filter(pk=self.pk)
            .revocable()
            .update(revoke_requested_at=clock.now(), revoke_requested_by=user)
        )
        if asked:
            Job.objects.ask(KIND, [self.pk], self.project)
        return bool(asked)

    def retry(self, *, user: AbstractBaseUser | None = None, wait: float = False) -> bool:
        """Send it once more: one that was rejected, or an e-mail that nobody knows the fate of.

        Of an e-mail, a link that may have gone out is revoked first. Returns ``False`` where there
        is nothing to send again. ``user`` and ``wait`` are as in ``Render.share``.
        """
        check_user(user)
        return self._asked_for(lambda: self._ask_again(user), wait)

    @in_transaction
    def _ask_again(self, user: AbstractBaseUser | None) -> bool:
        hold(self.render_id)
        refuse_withdrawn(self.render_id)
        row = lock(Share.objects.using(database())).get(pk=self.pk)
        if not (row.status == self.Status.REJECTED or row.is_unsettled):
            return False
        if row.revoke_requested_at is not None:
            return False
        if row.remote_id is not None:
            row.leave_behind(user)
        previous, row.status = row.status, self.Status.PENDING
        row.sending_since = None
        row.error, row.error_code, row.field_errors = "", "", {}
        row.save(using=database())
        row._note(previous, user)
        Job.objects.ask(row.kind, [row.pk], row.project)
        return True

    def confirm_mailed(self, *, user: AbstractBaseUser | None = None) -> bool:
        """Say that an e-mail nobody knows the fate of has come; ``False`` for any other.

        ``user`` is who the history says told so.
        """
        confirmed = self._confirm_mailed(check_user(user))
        if confirmed:
            self.refresh_from_db(using=database())
        return confirmed

    @in_transaction
    def _confirm_mailed(self, user: AbstractBaseUser | None) -> bool:
        row = lock(Share.objects.using(database())).get(pk=self.pk)
        if not row.is_unsettled:
            return False
        previous, row.status = row.status, self.Status.ACTIVE
        row.mailed_at = row.sending_since
        row.error = row.error_code = ""
        row.save(using=database())
        row._note(previous, user, signal="email_sent")
        if row.revoke_requested_at is not None:
            Job.objects.ask(KIND, [row.pk], row.project)
        return True

    def leave_behind(self, user: AbstractBaseUser | None = None) -> None:
        """Give the link that it may have become a row of its own, and have that one revoked."""
        Share.objects.add_found(
            self,
            remote_id=cast("uuid.UUID", self.remote_id),
            url=self.url,
            revoke_requested_at=clock.now(),
            revoke_requested_by=user,
        )
        self.remote_id, self.url, self.answer = None, "", {}

    def _note(self, previous: str, user: AbstractBaseUser | None, *, signal: str = "") -> None:
        change = Change(
            kind=KIND,
            object_id=self.pk,
            from_status=previous,
            to_status=self.status,
            cause=Change.Cause.ASKED,
            person=cast("Any", user),
            signal=signal,
        )
        Change.objects.record([change])
        dispatch.wake_on_commit(database())

    def refresh(self) -> None:
        """Do what is due for this share soon, also where its job was quarantined."""
        kind = self.kind if self.status == self.Status.PENDING else KIND
        Job.objects.ask(kind, [self.pk], self.project)

    def _carry_out(self, timeout: float = 30.0) -> None:
        """Do what is due for this share now, for up to ``timeout`` seconds."""
        end = time.monotonic() + timeout

        def left() -> float:
            return max(end - time.monotonic(), 0.0)

        self.refresh_from_db(using=database())
        if self.revoke_requested_at is None:
            render = Render.objects.using(database()).get(pk=self.render_id)
            if not render.is_final:
                render._carry_out(left())
            if render.status != Render.Status.SUCCEEDED:
                return
            if self.by_mail:
                dispatch.carry_out(MAIL, self.pk, timeout=left(), until=self._is_sent)
                if self.status == self.Status.PENDING:
                    return
        if not left():
            return
        dispatch.carry_out(KIND, self.pk, timeout=left(), until=self._is_settled)

    def _is_sent(self) -> bool:
        self.refresh_from_db(using=database())
        return self.status != self.Status.PENDING

    def _is_settled(self) -> bool:
        self.refresh_from_db(using=database())
        if self.revoke_requested_at:
            return self.status in FINAL
        if self.is_unsettled:
            return True
        return self.status not in (self.Status.PENDING, self.Status.UNKNOWN)


KIND = "share"
#: The kind of the job that sends an e-mail.
MAIL = "email"
#: The code of an e-mail whose link is there, and nothing that says whether it was sent.
UNPROVEN = "mail_unproven"
FINAL = frozenset({Share.Status.REVOKED, Share.Status.REJECTED})
