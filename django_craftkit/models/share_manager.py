"""How links and e-mails are found, requested and revoked."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Self, cast

from django.core.validators import validate_email
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from django_craftkit import clock, dispatch
from django_craftkit.database import (
    database,
    in_transaction,
    insert_or_get,
    lock,
    retried_after_deadlock,
)
from django_craftkit.statements import Lookup

from .arguments import check_expiry, check_key, check_text, check_user, hash_key, may_wait
from .change import Change
from .dependents import DECLARED, carried_out, lock_render, refuse_gone, refuse_withdrawn
from .erased import left_of
from .job import Job
from .mirror import SHOWN_FOR
from .problems import ErrorCode
from .rows import RowQuerySet

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import AbstractBaseUser

    from .render import Render
    from .share import Share

#: Characters; https://docs.craftkit.dev/api-reference/email-render
MAX_MESSAGE, MAX_NAME = 2000, 200
MAX_EMAIL = 254
#: What the key of a link begins with that was adopted from Craftkit.
FOUND = "found "
#: Why a declared mail ended that nobody has revoked.
LEFT = (ErrorCode.MADE_ANEW, ErrorCode.OTHER_DATA)


class ShareQuerySet(RowQuerySet["Share"]):
    """The links, open and closed."""

    def open(self) -> Self:
        """Return the links that lead somewhere and whose revocation nobody has requested."""
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=clock.now()),
            status=self.model.Status.ACTIVE,
            revoke_requested_at=None,
        )

    def revocable(self) -> Self:
        """Return the links that can be revoked and whose revocation nobody has requested."""
        return self.filter(revoke_requested_at=None).exclude(status__in=self.model.FINAL)

    def to_hand_out(self) -> Self:
        """Return the open links that were not made for one person, newest first.

        Without those that were adopted from Craftkit: nobody here knows for whom they are.
        """
        return (
            self.open()
            .filter(
                Q(adopted=False) | Q(adopted=None) & ~Q(key__startswith=FOUND),
                channel=self.model.Channel.LINK,
                recipient_email="",
            )
            .order_by("-requested_at", "-pk")
        )

    def expired(self) -> Self:
        """Return the links that Craftkit has closed by itself."""
        return self.filter(status=self.model.Status.ACTIVE, expires_at__lte=clock.now())

    def unsettled(self) -> Self:
        """Return the e-mails of which only a user can say whether they were sent."""
        unknown = self.filter(status=self.model.Status.UNKNOWN, erased_at=None)
        return unknown.filter(error_code=ErrorCode.MAIL_UNPROVEN)

    def needing_action(self) -> Self:
        """Return the links and e-mails that were rejected in the last 30 days.

        Not those of a withdrawn document, nor where another of the kind was requested since, for
        the same document and recipient.
        """
        later = self.model.objects.filter(
            render=OuterRef("render"),
            by_mail=OuterRef("by_mail"),
            recipient_email=OuterRef("recipient_email"),
            pk__gt=OuterRef("pk"),
        )
        return self.filter(
            ~Exists(later),
            status=self.model.Status.REJECTED,
            updated_at__gte=clock.now() - SHOWN_FOR,
            render__withdrawn_at=None,
        )


if TYPE_CHECKING:

    class _Manager(ShareQuerySet, models.Manager["Share"]): ...  # type: ignore[misc]

else:
    _Manager = models.Manager.from_queryset(ShareQuerySet)


class ShareManager(_Manager):
    """Where links are requested, and their revocation."""

    #: The document, of the manager of one's own.
    instance: Render

    def request(
        self,
        wanted: Share,
        *,
        key: str | None,
        user: AbstractBaseUser | None,
        wait: float,
        declared: bool = False,
    ) -> Share:
        """Request a link to a document, by its ``shares``; see ``Render.share``.

        ``wanted`` is a row that says which; it is stored where the key has none yet. A declaration
        (``declared``) requests it once for each attempt of its document.
        """
        # All that can be wrong is found before the first query: one that fails would break the
        # transaction of the caller.
        if key is not None and not declared and check_key(key).startswith(DECLARED):
            raise ValueError(f"Keys that begin with {DECLARED!r} are those of email_to=.")
        to = wanted.recipient_email
        is_for_one = self.model.Channel(wanted.channel) == self.model.Channel.EMAIL or to
        check_letter(to if is_for_one else None, wanted.recipient_name, wanted.message)
        check_expiry(wanted.expires_at)
        wanted.requested_by = check_user(user)
        timeout = may_wait(wait)
        has_key = key is not None
        if key is None:
            key = mail_key(to, wanted.message) if wanted.by_mail else uuid.uuid4().hex
        wanted.key, wanted.key_hash = check_key(key), hash_key(key)
        wanted.render, wanted.project = self.instance, self.instance.project
        wanted.adopted, wanted.declared = False, declared
        return carried_out(self._store(wanted, has_key=has_key), timeout)

    @retried_after_deadlock
    def _store(self, wanted: Share, *, has_key: bool) -> Share:
        using = database()
        known = _BY_KEY.first(using, wanted.render_id, wanted.key_hash)
        if known is None:
            render = refuse_withdrawn(wanted.render_id)
            with transaction.atomic(using=using, savepoint=False):
                if render is not None and lock_render(render.pk, is_removable=render.is_removable):
                    known = insert_or_get(wanted, _BY_KEY, "render_id", "key_hash")
                    if known is wanted:
                        Job.objects.start(wanted.kind, known.pk, known.project, render.priority)
                        return known
        if known is None:
            refuse_gone(wanted.render)
        known.check_same(wanted, has_key=has_key)
        return known

    def cancel_declared(
        self, render: Render, code: ErrorCode, *, user: AbstractBaseUser | None = None
    ) -> set[str]:
        """End the declared mails of a document that wait, inside a transaction.

        Another attempt has its own, or (``code``) goes on with other data. Returns the addresses,
        in lower case, that no declaration mails again: a mail may have gone out, or a user has
        revoked it.
        """
        rows = self.writer().filter(render=render.pk, declared=True)
        shares: list[Share] = list(lock(rows).order_by("pk"))
        status = self.model.Status
        changes = []
        for share in shares:
            if share.status == status.PENDING and not share.is_settled_for_good:
                changes.append(share._requested_change(share.status, status.REVOKED, user))
                share.status, share.revoked_at = status.REVOKED, clock.now()
                share.error, share.error_code = "", code
                share.save(using=database())
        Change.objects.record(changes)
        return {share.recipient_email.casefold() for share in shares if share.is_settled_for_good}

    def add_found(self, like: Share, *, remote_id: uuid.UUID, url: str, **values: Any) -> Share:
        """Write a row for a link that Craftkit has and no row had, inside a transaction.

        Like one that is erased, it holds nothing about people.
        """
        key = f"{FOUND}{remote_id}"
        found: Share = self.writer().create(
            render_id=like.render_id,
            project=like.project,
            key=key,
            # No key that anybody gives has a NUL: none is this one.
            key_hash=hash_key(f"\0{key}"),
            adopted=True,
            channel=like.channel,
            expires_at=like.expires_at,
            erased_at=like.erased_at,
            remote_id=remote_id,
            **{
                "status": self.model.Status.ACTIVE,
                "recipient_email": like.recipient_email,
                "recipient_name": like.recipient_name,
                "message": like.message,
                "url": url,
                **values,
                **(left_of(self.model, but="key") if like.erased_at is not None else {}),
            },
        )
        if found.revoke_requested_at is not None:
            Job.objects.request(Job.Kind.SHARE, [found.pk], found.project)
        return found

    def revoke_all(self, renders: Collection[int], *, user: AbstractBaseUser | None) -> list[Share]:
        """Request the revocation of every link to these documents, inside a transaction.

        Returns those that nobody had requested to revoke yet.
        """
        return self._revoke(self.writer().filter(render__in=renders), user)

    @in_transaction
    def revoke_chosen(self, pks: Collection[int], *, user: AbstractBaseUser | None) -> list[Share]:
        """Request the revocation of these links, as ``revoke_all``.

        Takes as many queries for a thousand as for ten.
        """
        return self._revoke(self.writer().filter(pk__in=pks), user)

    def _revoke(self, rows: models.QuerySet[Share], user: AbstractBaseUser | None) -> list[Share]:
        shares: list[Share] = list(lock(cast("Any", rows).revocable()).order_by("pk"))
        if shares:
            self.writer().filter(pk__in=[share.pk for share in shares]).update(
                revoke_requested_at=clock.now(), revoke_requested_by=user
            )
            Job.objects.schedule_for(Job.Kind.SHARE, shares)
            dispatch.wake_on_commit(database())
        return shares


_BY_KEY: Lookup[Share] = Lookup(lambda: Job.Kind.SHARE.model.objects.all(), "render_id", "key_hash")


def check_letter(to: str | None, name: str, message: str) -> None:
    """Check whom a link is for, and what is said with it; ``to=None``: for nobody in particular."""
    check_text("message", message, MAX_MESSAGE)
    check_text("recipient_name", name, MAX_NAME)
    if to is not None:
        validate_email(to)
        check_text("recipient_email", to, MAX_EMAIL)


def mail_key(to: str, message: str) -> str:
    """Return the key of an e-mail that was requested without one: what it says to whom."""
    text = json.dumps([to.casefold(), message])
    return f"mail:{hash_key(text)}"
