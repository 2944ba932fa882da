"""A link to a document: who has it, until when, and whether it was taken back."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.core.validators import validate_email
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, dispatch
from django_craftkit.database import database, insert_or_get

from .mirror import Mirror, check_key, hash_key
from .render import Render
from .work import Job

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import AbstractBaseUser

#: Characters; https://docs.craftkit.dev/api-reference/create-share
MAX_MESSAGE = 2000


class ShareQuerySet(models.QuerySet[Any]):
    def open(self) -> Self:
        """Return the links that lead somewhere and that nobody wants back."""
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=clock.now()),
            status=Share.Status.ACTIVE,
            revoke_requested_at=None,
        )

    def to_hand_out(self) -> Self:
        """Return the open links that were not made for one person, newest first."""
        return (
            self.open()
            .filter(channel=Share.Channel.LINK, recipient_email="")
            .order_by("-requested_at", "-pk")
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
        wait: bool,
    ) -> Share:
        """Write the wish for a link; see ``Render.share``."""
        if len(message) > MAX_MESSAGE:
            raise ValueError(f"A message has at most {MAX_MESSAGE} characters: {len(message)}.")
        if expires_at is not None and settings.USE_TZ and timezone.is_naive(expires_at):
            raise ValueError("expires_at must be aware: a naive time means another moment there.")
        if Share.Channel(channel) == Share.Channel.EMAIL or recipient_email:
            validate_email(recipient_email)
        if wait:
            dispatch.refuse_transaction()
        key = check_key(key or uuid.uuid4().hex)
        using = database()
        same_key = self.using(using).filter(render=render, key_hash=hash_key(key))
        share: Share | None = same_key.first()
        if share is None:
            share = self.model(
                render=render,
                project=render.project,
                key=key,
                key_hash=hash_key(key),
                message=message,
                expires_at=expires_at,
                channel=channel,
                recipient_email=recipient_email,
                requested_by=user,
            )
            with transaction.atomic(using=using, savepoint=False):
                share = insert_or_get(share, "render", "key_hash")
                Job.objects.start(KIND, share.pk, share.project)
                dispatch.wake_on_commit(using)
        if wait:
            share._carry_out()
        return share


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

    render = models.ForeignKey(
        Render, on_delete=models.PROTECT, related_name="shares", verbose_name=_("document")
    )
    key = models.CharField(_("key"), max_length=255)
    key_hash = models.CharField(max_length=64, editable=False)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel, default=Channel.LINK)
    recipient_email = models.EmailField(_("recipient"), blank=True)
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

    objects: ClassVar[models.Manager[Share]] = ShareQuerySet.as_manager()

    class Meta:
        verbose_name = _("share")
        verbose_name_plural = _("shares")
        permissions = [
            ("revoke_share", _("Can revoke a share")),
            ("see_share_link", _("Can see the link of a share")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["render", "key_hash"], name="craftkit_share_key"),
        ]
        indexes = [
            models.Index(fields=["status", "-requested_at"], name="craftkit_share_status"),
            models.Index(fields=["-requested_at", "-id"], name="craftkit_share_newest"),
        ]

    def __str__(self) -> str:
        return _("share of %(render)s") % {"render": self.render}

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

    def revoke(self, *, user: AbstractBaseUser | None = None, wait: bool = False) -> bool:
        """Ask for the link's end; from now on it is offered nowhere.

        Returns ``False`` where that was asked for before, or there is nothing to end.
        """
        if wait:
            dispatch.refuse_transaction()
        using = database()
        with transaction.atomic(using=using):
            asked = (
                Share.objects.using(using)
                .filter(pk=self.pk, revoke_requested_at=None)
                .exclude(status__in=FINAL)
                .update(revoke_requested_at=clock.now(), revoke_requested_by=user)
            )
            if asked:
                Job.objects.wish(KIND, [self.pk], self.project)
                dispatch.wake_on_commit(using)
        if wait:
            self._carry_out()
        self.refresh_from_db(using=using)
        return bool(asked)

    def refresh(self) -> None:
        """Do what is due for this share soon, also where its job was set aside."""
        using = database()
        with transaction.atomic(using=using):
            Job.objects.wish(KIND, [self.pk], self.project)
            dispatch.wake_on_commit(using)

    def _carry_out(self, timeout: float = 30.0) -> None:
        """Do what is due for this share now, for up to ``timeout`` seconds."""
        dispatch.carry_out(KIND, self.pk, timeout=timeout, until=self._is_settled)

    def _is_settled(self) -> bool:
        self.refresh_from_db(using=database())
        if self.revoke_requested_at:
            return self.status in FINAL
        return self.status not in (self.Status.PENDING, self.Status.UNKNOWN)


KIND = "share"
FINAL = frozenset({Share.Status.REVOKED, Share.Status.REJECTED})
