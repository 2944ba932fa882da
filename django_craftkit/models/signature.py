"""A document sent out to be signed: who is to sign it, how far they are, what came of it."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self, cast

from django.conf import settings
from django.db import connections, models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, conf, dispatch
from django_craftkit.client.envelope import check_signature
from django_craftkit.database import (
    again_after_deadlock,
    database,
    in_transaction,
    insert_or_get,
    lock,
)
from django_craftkit.failures import is_in_transaction
from django_craftkit.log import one_line
from django_craftkit.projects import get_client, patience
from django_craftkit.signing import AnchorTag, Recipient, SignatureField, whole_hours
from django_craftkit.statements import Lookup

from .archive import ArchivedFile
from .arguments import check_key, check_text, check_user, hash_key, may_wait
from .change import Change
from .keys import RowKey
from .mirror import SHOWN_FOR, Mirror
from .render import KeyConflict, Render, hold, refuse_gone, refuse_withdrawn
from .work import Job, ProjectState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from django.contrib.auth.models import AbstractBaseUser

    from django_craftkit.client import Craftkit

#: Characters; https://docs.craftkit.dev/api-reference/cancel-signature
MAX_REASON = 500


class SignatureRequestQuerySet(models.QuerySet[Any]):
    """The signature requests, under way and ended."""

    def for_object(self, source: models.Model) -> Self:
        """Return the requests for documents about an object, ``source``, newest first."""
        renders = Render.objects.for_object(source).order_by()
        return self.filter(render__in=renders).order_by("-requested_at", "-pk")

    def open(self) -> Self:
        """Return the requests that somebody is still to act on."""
        return self.filter(status__in=OPEN)

    def alive(self) -> Self:
        """Return the requests that have not come to their end."""
        # Named, not excluded: an index finds a few statuses, and none that is left out.
        return self.filter(status__in=(SignatureRequest.Status.PENDING, *sorted(OPEN)))

    def held(self) -> Self:
        """Return the requests that aren't sent because something that sends them is paused."""
        waiting = self.filter(status=SignatureRequest.Status.PENDING)
        if conf.options().PAUSED:
            return waiting
        capabilities = (ProjectState.Capability.WHOLE, ProjectState.Capability.SIGNATURES)
        return waiting.filter(ProjectState.objects.paused_rows(*capabilities))

    def declared(self) -> Self:
        """Return the requests that a declaration asked for."""
        return self.filter(Q(declared=True) | Q(declared=None, key__startswith=DECLARED))

    def failed_since(self, moment: datetime) -> Self:
        """Return the requests that were declined, failed or rejected since then."""
        return self.filter(status__in=LOST, updated_at__gte=moment)

    def needing_action(self) -> Self:
        """Return the requests that were declined, failed or rejected in the last 30 days.

        Not those of a withdrawn document, nor where another was asked for since.
        """
        later = SignatureRequest.objects.filter(render=OuterRef("render"), pk__gt=OuterRef("pk"))
        lost = self.failed_since(clock.now() - SHOWN_FOR)
        return lost.filter(~Exists(later), render__withdrawn_at=None)

    def unknown(self) -> Self:
        """Return the open requests that Craftkit does not know, and that nobody has cancelled."""
        return self.open().filter(unknown_since__isnull=False, cancel_requested_at=None)

    def ask(
        self,
        render: Render,
        recipients: Sequence[Recipient],
        *,
        fields: Sequence[SignatureField],
        anchor_tags: Sequence[AnchorTag],
        name: str,
        expires_in: timedelta | None,
        key: str | None,
        user: AbstractBaseUser | None,
        wait: float,
        declared: bool = False,
    ) -> SignatureRequest:
        """Write the wish that a document be signed; see ``Render.send_for_signature``.

        ``declared`` says that a declaration asks for it, once for each attempt of its document.
        """
        # All that can be wrong is found before the first query: one that fails would break the
        # transaction of the caller.
        hours = whole_hours(expires_in)
        name = (name or "").strip()
        check_signature(
            recipients,
            fields=fields,
            anchor_tags=anchor_tags,
            name=name or None,
            expiration_hours=hours,
        )
        check_user(user)
        timeout = may_wait(wait)
        wish = self.model(
            render=render,
            project=render.project,
            name=name,
            expiration_hours=hours,
            fields=[field.as_json() for field in fields],
            anchor_tags=[tag.as_json() for tag in anchor_tags],
            requested_by=user,
            declared=declared,
        )
        rows = [
            SignatureRecipient.wished(position, recipient)
            for position, recipient in enumerate(recipients)
        ]
        wish.key = check_key(_default_key(wish, rows) if key is None else key)
        wish.key_hash = hash_key(wish.key)
        wish.asked_hash = _asked_hash(wish, rows)
        request = self._store(wish, rows, has_key=key is not None)
        if wait:
            request._carry_out(timeout)
            # A replica may not have it yet.
            request.render = Render.objects.using(database()).get(pk=request.render_id)
        return request

    @again_after_deadlock
    def _store(
        self, wish: SignatureRequest, rows: Sequence[SignatureRecipient], *, has_key: bool
    ) -> SignatureRequest:
        named = self.using(database()).filter(render=wish.render_id, key=wish.key).order_by("pk")
        # A collation may take another key for the same.
        known = [row for row in named if row.key == wish.key]
        request = _repeated(known, wish, rows, has_key=has_key)
        if request is None:
            render = refuse_withdrawn(wish.render_id)
            before = known[-1] if known else None
            if render is not None:
                request = self._write(wish, rows, before, render)
        if request is None:
            refuse_gone(wish.render)
        request.check_same(wish, rows, has_key=has_key)
        return request

    def _write(
        self,
        wish: SignatureRequest,
        rows: Sequence[SignatureRecipient],
        before: SignatureRequest | None,
        render: Render,
    ) -> SignatureRequest | None:
        """Write a new request; ``before`` is the one of this key that came to nothing.

        ``None``: its document is gone.
        """
        using = database()
        known: SignatureRequest
        with transaction.atomic(using=using, savepoint=False):
            if not hold(wish.render_id, may_go=render.may_go):
                return None
            if before is not None:
                # A write, so that it waits for whoever has that one sent again: one of both is.
                ended = self.using(using).filter(pk=before.pk, status__in=UNFULFILLED)
                if not ended.update(updated_at=F("updated_at")):
                    return lock(self.using(using)).get(pk=before.pk)  # type: ignore[no-any-return]
                # Named after that one: whoever asks at once asks for the same one. No key of
                # anybody's has a NUL.
                wish.key_hash = hash_key(f"{wish.key}\0{before.pk}")
            known = insert_or_get(wish, _BY_KEY, "render_id", "key_hash")
            if known is wish:
                for row in rows:
                    row.pk, row.request = None, known
                SignatureRecipient.objects.using(using).bulk_create(rows)
                Job.objects.start(SEND, known.pk, known.project, render.priority)
            else:
                known.is_of_another_moment = True
        return known

    def leave_declared(self, render: Render, *, user: AbstractBaseUser | None) -> None:
        """Ask nobody any more whom a declaration asked, inside a transaction.

        The document goes on with other data, and who is to sign those nobody has said.
        """
        mine = self.using(database()).declared().filter(render=render, cancel_requested_at=None)
        waiting = list(lock(mine.exclude(status__in=FINAL)).values_list("pk", flat=True))
        mine.update(
            cancel_requested_at=clock.now(),
            cancel_requested_by=user,
            cancel_code=SignatureRequest.CancelCode.OTHER_DATA,
            cancel_reason=OTHER_DATA,
        )
        Job.objects.ask(KIND, waiting, render.project)

    def cancel_all(
        self, renders: Collection[int], *, user: AbstractBaseUser | None
    ) -> list[SignatureRequest]:
        """Ask for the end of every request for these documents, in a transaction; return them."""
        mine = self.using(database()).filter(render__in=renders, cancel_requested_at=None)
        requests = list(lock(mine.exclude(status__in=FINAL)).order_by("pk"))
        if requests:
            mine.filter(pk__in=[request.pk for request in requests]).update(
                cancel_requested_at=clock.now(),
                cancel_requested_by=user,
                cancel_code=SignatureRequest.CancelCode.REQUESTED,
            )
            Job.objects.wish_for(KIND, requests)
        return requests


_BY_KEY: Lookup[SignatureRequest] = Lookup(
    lambda: SignatureRequest.objects.all(), "render_id", "key_hash"
)


def _repeated(
    known: Sequence[SignatureRequest],
    wish: SignatureRequest,
    rows: Sequence[SignatureRecipient],
    *,
    has_key: bool,
) -> SignatureRequest | None:
    """Return which of a key's requests a call repeats; ``None`` where it asks for a new one.

    ``known`` are in the order in which they were asked for; each but the last one has ended.
    """
    if not known:
        return None
    latest = known[-1]
    may_follow = latest.status in UNFULFILLED and not wish.declared
    if has_key and (may_follow or len(known) > 1):
        # Whoever gave a key may say the same again at any time: a late try of a task, say.
        same = (one for one in reversed(known) if not one.differences(wish, rows))
        if (one := next(same, None)) is not None:
            return one
    return None if may_follow else latest


def _default_key(wish: SignatureRequest, rows: Sequence[SignatureRecipient]) -> str:
    text = json.dumps([wish.name, [[row.email.casefold(), row.designation] for row in rows]])
    return f"sign:{hash_key(text)}"


def _asked_hash(wish: SignatureRequest, rows: Sequence[SignatureRecipient]) -> str:
    people = [[row.email.casefold(), row.designation, row.order] for row in rows]
    return hash_key(json.dumps([wish.name, people, wish.fields, wish.anchor_tags]))


class SignatureRequest(Mirror):
    """One envelope: a document, the people who are to sign it, and its evidence."""

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

    class CancelCode(models.TextChoices):
        """By whom its end was asked for: a call or a person, or another attempt."""

        REQUESTED = "requested"
        MADE_ANEW = "made_anew"
        OTHER_DATA = "other_data"

    render = RowKey(
        Render,
        on_delete=models.PROTECT,
        related_name="signature_requests",
        verbose_name=_("document"),
    )
    key = models.CharField(_("key"), max_length=255)
    key_hash = models.CharField(max_length=64, editable=False)
    #: What was asked for under the key, so that another wish can't pass for it.
    asked_hash = models.CharField(max_length=64, editable=False)
    name = models.CharField(_("name"), max_length=255, blank=True)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    #: Where to sign, as Craftkit takes it.
    fields = models.JSONField(_("fields"), default=list, blank=True)
    anchor_tags = models.JSONField(_("anchor tags"), default=list, blank=True)
    expiration_hours = models.PositiveIntegerField(_("hours to sign"), null=True, blank=True)
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    #: Committed before each call: first and last time that this attempt was sent.
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    sending_since = models.DateTimeField(null=True, blank=True, editable=False)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)
    #: When Craftkit is to be asked next; ``None``: not any more.
    poll_at = models.DateTimeField(_("next question at"), null=True, blank=True)
    #: Since when Craftkit answers that it knows of no such request.
    unknown_since = models.DateTimeField(_("unknown at Craftkit since"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(
        _("cancellation asked for at"), null=True, blank=True
    )
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("cancellation asked for by"),
    )
    cancel_reason = models.CharField(_("reason"), max_length=MAX_REASON, blank=True)
    # No defaults: SQLite would write the table anew.
    #: A ``CancelCode``; ``None``: nobody asked, or an earlier version, whose reason tells.
    cancel_code = models.CharField(max_length=16, null=True, editable=False)  # noqa: DJ001
    #: Whether a declaration asked for it; ``None``: an earlier version wrote it, whose key tells.
    declared = models.BooleanField(null=True, editable=False)

    objects: ClassVar[models.Manager[SignatureRequest]] = SignatureRequestQuerySet.as_manager()

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
        return self.status in FINAL

    @property
    def is_open(self) -> bool:
        """Whether somebody is still to act on it."""
        return self.status in OPEN

    @property
    def is_declared(self) -> bool:
        """Whether a declaration asked for it, not a call."""
        return self.key.startswith(DECLARED) if self.declared is None else self.declared

    @property
    def ended_by(self) -> CancelCode | None:
        """What its end was asked for by; ``None`` where nobody asked."""
        if self.cancel_requested_at is None:
            return None
        if self.cancel_code is None:
            # An earlier version asked, and kept what it was for in the reason alone.
            return _CODES.get(self.cancel_reason, self.CancelCode.REQUESTED)
        return self.CancelCode(self.cancel_code)

    @property
    def is_cancellable(self) -> bool:
        """Whether there is something to cancel that nobody has asked for yet."""
        return not self.is_final and self.cancel_requested_at is None

    @property
    def is_retriable(self) -> bool:
        """Whether it never went out, so that another attempt makes sense."""
        return self.status == self.Status.REJECTED

    @property
    def expires_at(self) -> datetime | None:
        """When the time to sign is over; Craftkit gives a week where nothing was asked for."""
        if self.accepted_at is None:
            return None
        try:
            return self.accepted_at + timedelta(hours=self.expiration_hours or DEFAULT_HOURS)
        except OverflowError:  # in the year 10000
            return self.accepted_at

    #: Whether it was committed after what this transaction may see: a lock shows its people.
    is_of_another_moment = False

    def is_asked_by(self, wish: SignatureRequest) -> bool:
        return self.asked_hash == wish.asked_hash

    def differences(
        self, wish: SignatureRequest, people: Sequence[SignatureRecipient]
    ) -> list[str]:
        """Return in what another wish differs, as ``InvalidSignatureRequest`` names it.

        The time to sign is no part of it: it is often counted from now.
        """
        found = [
            name
            for name in ("name", "fields", "anchor_tags")
            if getattr(self, name) != getattr(wish, name)
        ]
        mine = self.read_recipients()
        for number, (one, other) in enumerate(zip(mine, people, strict=False)):
            found += [f"recipients[{number}].{name}" for name in one.differences(other)]
        # Those that Craftkit has added come after those that were asked for.
        is_fewer = len(people) < len(mine) and not found and not self.is_asked_by(wish)
        if len(people) > len(mine) or is_fewer:
            found.append("recipients")
        return found

    def check_same(
        self, wish: SignatureRequest, people: Sequence[SignatureRecipient], *, has_key: bool = True
    ) -> None:
        """Raise ``KeyConflict`` where a call can't be answered with this request.

        Without a key it wants one that goes out, so that one which is being cancelled won't do.
        """
        differences = self.differences(wish, people)
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

    def cancel(
        self, *, reason: str = "", user: AbstractBaseUser | None = None, wait: float = False
    ) -> bool:
        """Ask for its end.

        ``reason`` has at most 500 characters. Returns ``False`` where that was asked for before,
        or nobody is to act on it any more. ``user`` and ``wait`` are as in
        ``Render.share``.
        """
        check_text("reason", reason, MAX_REASON)
        timeout = may_wait(wait)
        asked = self._ask_cancellation(reason, check_user(user), self.CancelCode.REQUESTED)
        if asked and wait:
            self._carry_out(timeout)
        self.refresh_from_db(using=database())
        return asked

    def make_way(self) -> None:
        """Ask for its end, as the next attempt of its document asks the people itself."""
        self._ask_cancellation(MADE_ANEW, None, self.CancelCode.MADE_ANEW)

    @in_transaction
    def _ask_cancellation(
        self, reason: str, user: AbstractBaseUser | None, code: SignatureRequest.CancelCode
    ) -> bool:
        asked = (
            SignatureRequest.objects.using(database())
            .filter(pk=self.pk, cancel_requested_at=None)
            .exclude(status__in=FINAL)
            .update(
                cancel_requested_at=clock.now(),
                cancel_requested_by=user,
                cancel_code=code,
                cancel_reason=reason,
            )
        )
        if asked:
            Job.objects.ask(KIND, [self.pk], self.project)
        return bool(asked)

    def retry(self, *, user: AbstractBaseUser | None = None, wait: float = False) -> bool:
        """Send one that was rejected once more; ``False`` for any other.

        ``user`` and ``wait`` are as in ``Render.share``. Raises ``RenderWithdrawn``.
        """
        check_user(user)
        return self._asked_for(lambda: self._ask_again(user), wait)

    @in_transaction
    def _ask_again(self, user: AbstractBaseUser | None) -> bool:
        hold(self.render_id)
        refuse_withdrawn(self.render_id)
        row = lock(SignatureRequest.objects.using(database())).get(pk=self.pk)
        if not row.is_retriable or row._is_superseded():
            return False
        previous, row.status = row.status, self.Status.PENDING
        row.attempt += 1
        row.remote_id = row.sent_at = row.sending_since = row.accepted_at = None
        row.cancel_requested_at = row.cancel_requested_by = None
        row.cancel_code, row.cancel_reason = None, ""
        row.error = row.error_code = ""
        row.answer, row.field_errors = {}, {}
        row.save(using=database())
        Change.objects.using(database()).create(
            kind=KIND,
            object_id=row.pk,
            attempt=row.attempt,
            from_status=previous,
            to_status=row.status,
            cause=Change.Cause.ASKED,
            person=cast("Any", user),
        )
        Job.objects.ask(SEND, [row.pk], row.project)
        return True

    def _is_superseded(self) -> bool:
        """Whether another has been asked for in its place, by an attempt or by a call."""
        later = SignatureRequest.objects.using(database()).filter(
            render=self.render_id, pk__gt=self.pk
        )
        if self.is_declared:
            return later.declared().exists()
        return self.key in later.filter(key=self.key).values_list("key", flat=True)

    def refresh(self, *, wait: float = False) -> bool:
        """Ask Craftkit soon how far it is; also one that Craftkit did not know.

        A final status stays. ``wait`` is as in ``Render.share``; returns whether Craftkit has
        answered by now.
        """
        timeout = may_wait(wait)
        self.refresh_from_db(using=database())
        kind = self._next_kind()
        Job.objects.ask(kind, [self.pk], self.project)
        if not wait:
            return False
        heard = dispatch.carry_out(kind, self.pk, timeout=timeout)
        self.refresh_from_db(using=database())
        return heard

    def open_signed(self, *, timeout: float | None = None) -> BinaryIO:
        """Return the signed PDF as a binary file object: from the archive, else from Craftkit.

        ``timeout`` is as in ``Render.open``. Raises ``FileNotFoundError`` where nobody has signed
        it whole, and ``CraftkitError``.
        """
        return self._open(ArchivedFile.Kind.SIGNED, timeout)

    def open_certificate(self, *, timeout: float | None = None) -> BinaryIO:
        """Return the certificate of completion, which tells who signed when; as ``open_signed``.

        ``timeout`` is as in ``Render.open``.
        """
        return self._open(ArchivedFile.Kind.CERTIFICATE, timeout)

    def _open(self, kind: ArchivedFile.Kind, timeout: float | None) -> BinaryIO:
        archived = ArchivedFile.objects.of(kind, self.pk)
        if archived is not None:
            return archived.open()
        if self.status != self.Status.COMPLETED or self.remote_id is None:
            raise FileNotFoundError(f"{self} is {self.status}: there is nothing signed yet.")
        if timeout is None:
            return self._fetch(kind, get_client(self.project))
        with patience(timeout):
            return self._fetch(kind, get_client(self.project, max_retries=0))

    def _fetch(self, kind: ArchivedFile.Kind, craftkit: Craftkit) -> BinaryIO:
        fetch: dict[str, Callable[[Any], Any]] = {
            ArchivedFile.Kind.SIGNED: craftkit.signatures.signed_pdf,
            ArchivedFile.Kind.CERTIFICATE: craftkit.signatures.certificate,
        }
        return cast("BinaryIO", fetch[kind](self.remote_id))

    def as_sent(self, people: Sequence[SignatureRecipient] | None = None) -> dict[str, Any]:
        """Return what the client sends for it; ``people`` are its own, if they have been read."""
        people = self.read_recipients() if people is None else people
        return {
            "recipients": [row.as_recipient() for row in people],
            "fields": [SignatureField.from_json(field) for field in self.fields],
            "anchor_tags": [AnchorTag.from_json(tag) for tag in self.anchor_tags],
            "name": self.name or None,
            "expires_in_hours": self.expiration_hours,
        }

    def read_recipients(self) -> list[SignatureRecipient]:
        """Read who is to sign, approve or get a copy, in the order in which they were named."""
        rows = SignatureRecipient.objects.using(database()).filter(request=self.pk)
        if self.is_of_another_moment and is_in_transaction(connections[rows.db]):
            rows = lock(rows)
        return list(rows.order_by("position"))

    def _next_kind(self) -> str:
        """Return the kind of the job that brings it on."""
        if self.status == self.Status.COMPLETED:
            return ARCHIVE
        if self.status == self.Status.PENDING and self.cancel_requested_at is None:
            return SEND
        return KIND

    def _carry_out(self, timeout: float = 30.0) -> None:
        """Do what is due for this request now, for up to ``timeout`` seconds."""
        end = time.monotonic() + timeout
        self.refresh_from_db(using=database())
        render = Render.objects.using(database()).get(pk=self.render_id)
        if self.cancel_requested_at is None and not render.is_final:
            render._carry_out(max(end - time.monotonic(), 0.0))
        left = max(end - time.monotonic(), 0.0)
        if left:
            dispatch.carry_out(self._next_kind(), self.pk, timeout=left, until=self._is_settled)

    def _is_settled(self) -> bool:
        self.refresh_from_db(using=database())
        if self.cancel_requested_at is not None:
            return self.is_final
        return self.status != self.Status.PENDING


class SignatureRecipient(models.Model):
    """One person of a request: to sign it, to approve it, or to get a copy."""

    class Designation(models.TextChoices):
        SIGNER = "Signer", _("signs")
        APPROVER = "Approver", _("approves")
        CC = "CC", _("gets a copy")

    request = RowKey(
        SignatureRequest,
        on_delete=models.CASCADE,
        related_name="recipients",
        verbose_name=_("signature request"),
    )
    #: From 0, as they were named; fields and anchor tags refer to it.
    position = models.PositiveSmallIntegerField(_("position"))
    remote_id = models.CharField(_("Craftkit's id"), max_length=128, blank=True)
    first_name = models.CharField(_("first name"), max_length=100)
    last_name = models.CharField(_("last name"), max_length=100, blank=True)
    email = models.EmailField(_("e-mail address"), max_length=255)
    designation = models.CharField(
        _("role"), max_length=16, choices=Designation, default=Designation.SIGNER
    )
    #: Whose turn it is, from 1; ``None``: as they were named.
    order = models.PositiveSmallIntegerField(_("turn"), null=True, blank=True)
    signed_at = models.DateTimeField(_("signed at"), null=True, blank=True)
    declined_at = models.DateTimeField(_("declined at"), null=True, blank=True)

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        ordering = ["request", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "position"], name="craftkit_recipient_position"
            ),
        ]
        indexes = [
            models.Index(
                fields=["email", "id"],
                name="craftkit_recipient_email",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
        ]

    def __str__(self) -> str:
        return one_line(f"{self.full_name} <{self.email}>")

    @property
    def full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    @classmethod
    def wished(cls, position: int, recipient: Recipient) -> SignatureRecipient:
        """Return the row of somebody who is to get a request that is not stored yet."""
        return cls(
            position=position,
            first_name=recipient.first_name,
            last_name=recipient.last_name,
            email=recipient.email,
            designation=recipient.designation,
            order=recipient.order,
        )

    def differences(self, other: SignatureRecipient) -> list[str]:
        """Return in what somebody else differs; case makes no other address."""
        names = ("first_name", "last_name", "designation", "order")
        found = [name for name in names if getattr(self, name) != getattr(other, name)]
        if self.email.casefold() != other.email.casefold():
            found.append("email")
        return found

    def as_recipient(self) -> Recipient:
        return Recipient(
            self.first_name,
            self.last_name,
            self.email,
            designation=self.designation,
            order=self.order,
        )


KIND = "signature"
#: The kinds of the jobs that send one, and that fetch what was signed.
SEND, ARCHIVE = "send signature", "archive signature"
#: The kind of the job that asks Craftkit about all open requests of a project.
POLL = "poll signatures"
#: What the keys begin with of requests that a declaration asks for; the attempt follows.
DECLARED = "declared "
#: What staff and Craftkit read where a request ends for its document's sake.
MADE_ANEW = "Its document is made anew."
OTHER_DATA = "Its document was retried with other data."
_CODES = {
    MADE_ANEW: SignatureRequest.CancelCode.MADE_ANEW,
    OTHER_DATA: SignatureRequest.CancelCode.OTHER_DATA,
}
#: Hours; what Craftkit's provider gives where nothing is asked for.
DEFAULT_HOURS = 168
OPEN = frozenset({SignatureRequest.Status.SENT, SignatureRequest.Status.VIEWED})
FINAL = frozenset(SignatureRequest.Status) - OPEN - {SignatureRequest.Status.PENDING}
#: Ended, and not signed by all: asked for again, it is another request.
UNFULFILLED = FINAL - {SignatureRequest.Status.COMPLETED}
#: What went wrong; time that ran out is seen in a list of its own.
LOST = (
    SignatureRequest.Status.DECLINED,
    SignatureRequest.Status.FAILED,
    SignatureRequest.Status.REJECTED,
)
