"""How signature requests are found, requested and cancelled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q

from django_craftkit import clock
from django_craftkit.client.envelope import check_signature
from django_craftkit.database import database, insert_or_get, lock, retried_after_deadlock
from django_craftkit.signing import AnchorTag, Recipient, SignatureField, whole_hours
from django_craftkit.statements import Lookup

from .arguments import check_key, check_user, hash_key, may_wait
from .dependents import DECLARED, carried_out, lock_render, refuse_gone, refuse_withdrawn
from .job import Job
from .mirror import SHOWN_FOR
from .project import ProjectState
from .recipient import SignatureRecipient
from .render import Render
from .rows import RowQuerySet

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    from django.contrib.auth.models import AbstractBaseUser

    from .signature import SignatureRequest

#: What staff and Craftkit read where a request ends for its document's sake.
MADE_ANEW = "Its document is made anew."
OTHER_DATA = "Its document was retried with other data."


class SignatureRequestQuerySet(RowQuerySet["SignatureRequest"]):
    """The signature requests, under way and ended."""

    def for_object(self, source: models.Model) -> Self:
        """Return the requests for documents about an object, ``source``, newest first."""
        renders = Render.objects.for_object(source).order_by()
        return self.filter(render__in=renders).order_by("-requested_at", "-pk")

    def open(self) -> Self:
        """Return the requests that were sent and have not ended."""
        return self.filter(status__in=self.model.OPEN)

    def alive(self) -> Self:
        """Return the requests that have not ended."""
        # Named, not excluded: an index finds a few statuses, and none that is left out.
        return self.filter(status__in=(self.model.Status.PENDING, *self.model.OPEN))

    def cancellable(self) -> Self:
        """Return the requests that have not ended and whose cancellation nobody has requested."""
        return self.filter(cancel_requested_at=None).exclude(status__in=self.model.FINAL)

    def waiting(self) -> Self:
        """Return the requests that aren't sent because something that sends them is paused."""
        capabilities = (ProjectState.Capability.WHOLE, ProjectState.Capability.SIGNATURES)
        is_paused = ProjectState.objects.paused_rows(*capabilities)
        return self.filter(status=self.model.Status.PENDING).filter(is_paused)

    def declared(self) -> Self:
        """Return the requests of declarations."""
        return self.filter(Q(declared=True) | Q(declared=None, key__startswith=DECLARED))

    def failed_since(self, moment: datetime) -> Self:
        """Return the requests that were declined, failed or rejected since then."""
        return self.filter(status__in=self.model.LOST, updated_at__gte=moment)

    def needing_action(self) -> Self:
        """Return the requests that were declined, failed or rejected in the last 30 days.

        Not those of a withdrawn document, nor where another was requested since.
        """
        later = self.model.objects.filter(render=OuterRef("render"), pk__gt=OuterRef("pk"))
        lost = self.failed_since(clock.now() - SHOWN_FOR)
        return lost.filter(~Exists(later), render__withdrawn_at=None)

    def with_signers(self) -> Self:
        """Read their recipients, too: one query more, however many; badges show them."""
        people = SignatureRecipient.objects.using(self.db)
        return self.prefetch_related(models.Prefetch("recipients", people))

    def unknown(self) -> Self:
        """Return the open requests that Craftkit does not know, and that nobody has cancelled."""
        return self.open().filter(unknown_since__isnull=False, cancel_requested_at=None)


if TYPE_CHECKING:

    class _Manager(SignatureRequestQuerySet, models.Manager["SignatureRequest"]): ...  # type: ignore[misc]

else:
    _Manager = models.Manager.from_queryset(SignatureRequestQuerySet)


class SignatureRequestManager(_Manager):
    """Where signature requests are made and cancelled."""

    #: The document, of the manager of one's own.
    instance: Render

    def request(
        self,
        recipients: Sequence[Recipient],
        *,
        fields: Sequence[SignatureField],
        anchor_tags: Sequence[AnchorTag],
        name: str,
        expires_in: timedelta | None,
        key: str | None,
        user: AbstractBaseUser | None,
        wait: float,
        check: bool = True,
        declared: bool = False,
    ) -> SignatureRequest:
        """Have a document signed, by its ``signature_requests``; see ``send_for_signature``.

        A declaration (``declared``) requests it once for each attempt of its document.
        """
        # All that can be wrong is found before the first query: one that fails would break the
        # transaction of the caller.
        if key is not None and not declared and check_key(key).startswith(DECLARED):
            raise ValueError(f"Keys that begin with {DECLARED!r} are those of sign_with=.")
        hours = whole_hours(expires_in)
        name = (name or "").strip()
        check_signature(
            recipients,
            fields=fields,
            anchor_tags=anchor_tags,
            name=name or None,
            expiration_hours=hours,
        )
        requested_by = check_user(user)
        timeout = may_wait(wait)
        wanted = self.model(
            render=self.instance,
            project=self.instance.project,
            name=name,
            expiration_hours=hours,
            fields=[field.as_json() for field in fields],
            anchor_tags=[tag.as_json() for tag in anchor_tags],
            check_anchors=check,
            requested_by=requested_by,
            declared=declared,
        )
        rows = [
            SignatureRecipient.from_recipient(position, recipient)
            for position, recipient in enumerate(recipients)
        ]
        wanted.key = check_key(_default_key(wanted, rows) if key is None else key)
        wanted.key_hash = hash_key(wanted.key)
        wanted.asked_hash = _asked_hash(wanted, rows)
        return carried_out(self._store(wanted, rows, has_key=key is not None), timeout)

    @retried_after_deadlock
    def _store(
        self, wanted: SignatureRequest, rows: Sequence[SignatureRecipient], *, has_key: bool
    ) -> SignatureRequest:
        named = self._all().filter(render=wanted.render_id, key=wanted.key).order_by("pk")
        # A collation may take another key for the same.
        known = [row for row in named if row.key == wanted.key]
        request = _repeated(known, wanted, rows, has_key=has_key)
        if request is None:
            render = refuse_withdrawn(wanted.render_id)
            before = known[-1] if known else None
            if render is not None:
                request = self._write(wanted, rows, before, render)
        if request is None:
            refuse_gone(wanted.render)
        request.check_same(wanted, rows, has_key=has_key)
        return request

    def _write(
        self,
        wanted: SignatureRequest,
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
            if not lock_render(wanted.render_id, is_removable=render.is_removable):
                return None
            if before is not None:
                # A write, so that it waits for whoever retries that one: one of both is sent.
                ended = self._all().filter(pk=before.pk, status__in=self.model.UNFULFILLED)
                if not ended.update(updated_at=F("updated_at")):
                    return lock(self._all()).get(pk=before.pk)
                # Named after that one: who requests it at the same time requests the same one.
                # No key of anybody's has a NUL.
                wanted.key_hash = hash_key(f"{wanted.key}\0{before.pk}")
            known = insert_or_get(wanted, _BY_KEY, "render_id", "key_hash")
            if known is wanted:
                for row in rows:
                    row.pk, row.request = None, known
                SignatureRecipient.objects.using(using).bulk_create(rows)
                Job.objects.start(Job.Kind.SEND_SIGNATURE, known.pk, known.project, render.priority)
            else:
                known.is_of_another_moment = True
        return known

    def _all(self) -> models.QuerySet[SignatureRequest]:
        # Not of ``self``, which may be a document's, with what somebody has prefetched of it.
        return self.model.objects.writer()

    def cancel_declared(self, render: Render, *, user: AbstractBaseUser | None) -> None:
        """Request the cancellation of a document's declared requests, inside a transaction.

        The document goes on with other data, and who is to sign those nobody has said.
        """
        mine = self.writer().declared().filter(render=render)
        waiting = list(lock(mine.cancellable()).values_list("pk", flat=True))
        mine.filter(cancel_requested_at=None).update(
            cancel_requested_at=clock.now(),
            cancel_requested_by=user,
            cancel_code=self.model.CancelCode.OTHER_DATA,
            cancel_reason=OTHER_DATA,
        )
        Job.objects.request(Job.Kind.POLL_OR_CANCEL, waiting, render.project)

    def cancel_all(
        self, renders: Collection[int], *, user: AbstractBaseUser | None
    ) -> list[SignatureRequest]:
        """Request the cancellation of all requests for these documents, inside a transaction.

        Returns those of which nobody had requested it yet.
        """
        return self._cancel(self.writer().filter(render__in=renders), user)

    def cancel_chosen(
        self, pks: Collection[int], *, user: AbstractBaseUser | None
    ) -> list[SignatureRequest]:
        """Request the cancellation of these requests, as ``cancel_all``."""
        return self._cancel(self.writer().filter(pk__in=pks), user)

    def _cancel(
        self, mine: SignatureRequestQuerySet, user: AbstractBaseUser | None
    ) -> list[SignatureRequest]:
        requests = list(lock(mine.cancellable()).order_by("pk"))
        if requests:
            pks = [request.pk for request in requests]
            mine.filter(pk__in=pks, cancel_requested_at=None).update(
                cancel_requested_at=clock.now(),
                cancel_requested_by=user,
                cancel_code=self.model.CancelCode.REQUESTED,
            )
            Job.objects.schedule_for(Job.Kind.POLL_OR_CANCEL, requests)
        return requests


_BY_KEY: Lookup[SignatureRequest] = Lookup(
    lambda: Job.Kind.POLL_OR_CANCEL.model.objects.all(), "render_id", "key_hash"
)


def _repeated(
    known: Sequence[SignatureRequest],
    wanted: SignatureRequest,
    rows: Sequence[SignatureRecipient],
    *,
    has_key: bool,
) -> SignatureRequest | None:
    """Return which of a key's requests a call repeats; ``None`` where it makes a new one.

    ``known`` are in the order in which they were made; each but the last one has ended.
    """
    if not known:
        return None
    latest = known[-1]
    may_follow = latest.status in latest.UNFULFILLED and not wanted.declared
    if has_key and (may_follow or len(known) > 1):
        # Whoever gave a key may say the same again at any time: a late try of a task, say.
        same = (one for one in reversed(known) if not one.differences(wanted, rows))
        if (one := next(same, None)) is not None:
            return one
    return None if may_follow else latest


def _default_key(wanted: SignatureRequest, rows: Sequence[SignatureRecipient]) -> str:
    text = json.dumps([wanted.name, [[row.email.casefold(), row.designation] for row in rows]])
    return f"sign:{hash_key(text)}"


def _asked_hash(wanted: SignatureRequest, rows: Sequence[SignatureRecipient]) -> str:
    people = [[row.email.casefold(), row.designation, row.order] for row in rows]
    return hash_key(json.dumps([wanted.name, people, wanted.fields, wanted.anchor_tags]))
