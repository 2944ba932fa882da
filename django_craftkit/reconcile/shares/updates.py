"""What Craftkit says of links, or is decided about them: applied to many rows as to one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.models import Change, Job, Share
from django_craftkit.reconcile.answers import kept
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.states import earliest, merge_answers
from django_craftkit.reconcile.updates import lock_renders

from . import states
from .states import Status, furthest

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from django_craftkit import client
    from django_craftkit.models import Render
    from django_craftkit.reconcile.results import Result


@dataclass(frozen=True, slots=True)
class Held:
    """What is locked with a row."""

    #: Its document, where a link is spoken of.
    render: Render | None
    #: Another row of the document, which has that link.
    holder: Share | None


@dataclass(frozen=True, slots=True)
class Update:
    """What Craftkit says of a row, or is decided about it, and how that is applied to it."""

    #: The row as it was read before.
    row: Share
    #: Changes the row; returns the kind of the job that goes on from there, or none.
    apply: Callable[[Held, Share], str | None]
    cause: Change.Cause = Change.Cause.ANSWER
    #: The link that it is about: no two rows take the same.
    remote_id: uuid.UUID | None = None
    #: Whether its document is locked first: for a link, and for a job of the document's.
    with_document: bool = False
    #: How the step ends once it is written; ``None``: the row, as it is by then, says it.
    result: Result | None = None

    def then(self, result: Result) -> Update:
        return replace(self, result=result)


def apply(update: Update) -> Share:
    """Apply an update to its row, waiting for whoever has it locked; return the row."""
    row = apply_all([update]).get(update.row.pk)
    if row is None:
        raise Share.DoesNotExist(f"{update.row} is gone.")
    return row


@in_transaction
def apply_all(updates: Sequence[Update], locked: Callable[[Any], Any] = lock) -> dict[int, Share]:
    """Apply updates to their rows, with as many queries for many as for one; return the rows.

    ``locked`` locks a queryset, or those of its rows that are free: what is about another is not
    applied, and not returned.
    """
    shares: Any = Share.objects.using(database())
    # Whoever withdraws a document begins with it, too, and goes on to its jobs and its rows.
    documents = {one.row.render_id for one in updates if one.with_document}
    renders = lock_renders(documents, locked) if documents else {}
    links = {one.remote_id for one in updates if one.remote_id is not None}
    holders: dict[Any, int] = {}
    if links:
        # By the index of links, not the document's, which may have thousands of them. Who has a
        # link stays so: that takes a document that is locked.
        known = shares.filter(remote_id__in=links).values_list("pk", "render_id", "remote_id")
        holders = {(render, remote_id): pk for pk, render, remote_id in known}
    pks = {one.row.pk for one in updates}.union(holders.values())
    rows = {row.pk: row for row in locked(shares.filter(pk__in=pks).order_by("pk"))}
    applied: dict[int, Share] = {}
    told: dict[Change.Cause, list[tuple[Share, list[states.Step]]]] = {}
    for one in updates:
        row = holder = rows.get(one.row.pk)
        if row is not None and one.remote_id is not None:
            holder = rows.get(holders.setdefault((row.render_id, one.remote_id), row.pk))
        if row is None or holder is None or row.render_id in documents.difference(renders):
            continue
        applied[row.pk] = row
        render = renders.get(row.render_id)
        held = Held(render, None if holder is row else holder)
        told.setdefault(one.cause, []).append((row, [partial(one.apply, held)]))
    for cause, found in told.items():
        states.apply(found, cause)
    return applied


def move(share: Share, status: Share.Status, cause: Change.Cause, **values: Any) -> Share:
    """Write a decision of ours, unless the row has moved on since it was taken."""
    return apply(decided(share, status, cause, **values))


def decided(
    share: Share, status: Share.Status, cause: Change.Cause, *, job: str = "", **values: Any
) -> Update:
    """Return a decision of ours, which counts unless the row has moved on since it was read."""
    decide = partial(_decide, before=share.status, status=status, job=job, values=values)
    return Update(share, decide, cause, with_document=job == Job.Kind.ENGAGEMENT)


def rejected(share: Share, *, job: str = "", **said: Any) -> Update:
    """Return that a share is refused; ``said`` is what is noted of why."""
    status, cause = Status.REJECTED, Change.Cause.ANSWER
    return decided(share, status, cause, job=job, sending_since=None, **said)


def _decide(
    held: Held, row: Share, before: str, status: Share.Status, job: str, values: dict[str, Any]
) -> str | None:
    if row.status != before:
        return None
    row.status = status
    if status == Status.REVOKED:
        row.error = row.error_code = ""
    for name, value in values.items():
        setattr(row, name, value)
    return job


def not_sent(share: Share) -> Update:
    """Return that Craftkit did not act on the call that was noted last, by this worker."""
    return Update(share, partial(_take_back, sending_since=share.sending_since))


def _take_back(held: Held, row: Share, sending_since: datetime | None) -> None:
    # What a later call has written stays, and so does what others settle by now.
    if row.status == Status.PENDING and row.sending_since == sending_since:
        row.sending_since = None


def of_link(share: Share, found: client.Share, cause: Change.Cause = Change.Cause.ANSWER) -> Update:
    """Return what Craftkit says of a link, as said of this row."""
    return Update(share, partial(_apply_link, found=found), cause, found.id, with_document=True)


def _apply_link(held: Held, row: Share, found: client.Share) -> None:
    other = held.holder
    if row.remote_id not in (None, found.id) or (
        row.remote_id is None and row.status in Share.FINAL
    ):
        # It came so late that its wish is settled: nobody has seen it.
        if other is None:
            Share.objects.add_found(
                row, remote_id=found.id, url=found.url, revoke_requested_at=clock.now()
            )
        elif other.is_found:
            _revoke_found(other, row)
    elif other is None:
        states.update(row, found)


def of_mail(share: Share, answer: client.SentEmail) -> Update:
    """Return the answer to an e-mail: it was sent, whatever has been decided meanwhile."""
    return Update(
        share, partial(_apply_mail, answer=answer), remote_id=answer.id, with_document=True
    )


def _apply_mail(held: Held, row: Share, answer: client.SentEmail) -> str | None:
    other = held.holder
    if other is not None:
        if other.is_found and row.revoke_requested_at is not None:
            _revoke_found(other, row)
    elif row.remote_id not in (None, answer.id) or row.status in Share.FINAL:
        # It came so late that its wish is settled, and the mail has gone out. Whoever withdraws
        # the document comes before this, or finds the link.
        withdrawn_at = held.render and held.render.withdrawn_at
        Share.objects.add_found(
            row,
            remote_id=answer.id,
            url=answer.url,
            mailed_at=from_utc(answer.sent_at) or database_now(),
            revoke_requested_at=row.revoke_requested_at or withdrawn_at,
            revoke_requested_by=row.revoke_requested_by,
        )
    else:
        row.remote_id, row.url = answer.id, answer.url or row.url
        row.mailed_at = earliest(row.mailed_at, from_utc(answer.sent_at) or database_now())
        row.answer = merge_answers(row.answer, kept(answer, emailMessageId=answer.message_id))
        row.error = row.error_code = ""
        row.status = furthest(row.status, Status.ACTIVE)
        return None
    if row.status != Status.PENDING:
        return None
    # Another mail of the same words has taken this link: this one is still to be settled.
    row.status = Status.UNKNOWN
    return Job.Kind.SHARE


def _revoke_found(found: Share, wish: Share) -> None:
    """Revoke a link that was taken for somebody else's, and is that of a wish given up."""
    if found.revoke_requested_at is None and found.status not in Share.FINAL:
        found.revoke_requested_at = clock.now()
        found.revoke_requested_by_id = wish.revoke_requested_by_id
        found.save(using=database())
        Job.objects.schedule(Job.Kind.SHARE, [found.pk], found.project)
