"""What was heard of links, or decided about them, is joined to their rows: to many as to one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django_craftkit import clock
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.models import Change, Job, Share
from django_craftkit.models.engagement import KIND as ENGAGEMENT
from django_craftkit.models.share import FINAL, KIND
from django_craftkit.reconcile.facts import earliest, join_answers, kept
from django_craftkit.reconcile.moments import here

from . import facts
from .facts import Status, furthest, lock_renders, store_all

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from django_craftkit import client
    from django_craftkit.models import Render


class Step(NamedTuple):
    """Where a row comes to by what was heard of it."""

    status: Share.Status
    #: The kind of the job that goes on from there; a status may set more going.
    job: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A row that is locked; where a link is spoken of, so is its document."""

    share: Share
    render: Render | None
    #: Another row of the document, which has that link.
    holder: Share | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of a row, or decided about it, and how that is joined to it."""

    #: The row as it was read before.
    share: Share
    #: Changes the row, and returns the step that it takes; ``None``: it stays as it is.
    join: Callable[[Held], Step | None]
    cause: Change.Cause = Change.Cause.ANSWER
    #: The link that it is about: no two rows take the same.
    remote_id: uuid.UUID | None = None
    #: Whether its document is locked first: for a link, and for a job of the document's.
    with_document: bool = False


def hear(heard: Heard) -> Share:
    """Join what was heard of one row, waiting for whoever has it locked; return the row."""
    row = hear_all([heard]).get(heard.share.pk)
    if row is None:
        raise Share.DoesNotExist(f"{heard.share} is gone.")
    return row


@in_transaction
def hear_all(heard: Sequence[Heard], locked: Callable[[Any], Any] = lock) -> dict[int, Share]:
    """Join what was heard of rows, with as many queries for many as for one; return the rows.

    ``locked`` locks a queryset, or those of its rows that are free: what is about another is not
    joined, and not returned.
    """
    shares: Any = Share.objects.using(database())
    # Whoever withdraws a document begins with it, too, and goes on to its jobs and its rows.
    documents = {one.share.render_id for one in heard if one.with_document}
    renders = lock_renders(documents, locked) if documents else {}
    links = {one.remote_id for one in heard if one.remote_id is not None}
    holders: dict[Any, int] = {}
    if links:
        # By the index of links, not the document's, which may have thousands of them. Who has a
        # link stays so: that takes a document that is locked.
        known = shares.filter(remote_id__in=links).values_list("pk", "render_id", "remote_id")
        holders = {(render, remote_id): pk for pk, render, remote_id in known}
    pks = {one.share.pk for one in heard}.union(holders.values())
    rows = {row.pk: row for row in locked(shares.filter(pk__in=pks).order_by("pk"))}
    joined: dict[int, Share] = {}
    told: dict[Change.Cause, list[tuple[Share, Share.Status]]] = {}
    jobs: dict[tuple[str, str], list[int]] = {}
    for one in heard:
        row = holder = rows.get(one.share.pk)
        if row is not None and one.remote_id is not None:
            holder = rows.get(holders.setdefault((row.render_id, one.remote_id), row.pk))
        if row is None or holder is None or row.render_id in documents.difference(renders):
            continue
        joined[row.pk] = row
        render = renders.get(row.render_id)
        step = one.join(Held(row, render, None if holder is row else holder))
        if step is not None:
            told.setdefault(one.cause, []).append((row, step.status))
            if step.job:
                about = row.render_id if step.job == ENGAGEMENT else row.pk
                jobs.setdefault((step.job, row.project), []).append(about)
    for cause, written in told.items():
        store_all(written, cause)
    for (kind, project), objects in jobs.items():
        Job.objects.wish(kind, objects, project)
    return joined


def move(share: Share, status: Share.Status, cause: Change.Cause, **values: Any) -> Share:
    """Write a decision of ours, unless the row has moved on since it was taken."""
    return hear(decided(share, status, cause, **values))


def decided(
    share: Share, status: Share.Status, cause: Change.Cause, *, job: str = "", **values: Any
) -> Heard:
    """Return a decision of ours, which counts unless the row has moved on since it was read."""
    join = partial(_decide, share.status, Step(status, job), values)
    return Heard(share, join, cause, with_document=job == ENGAGEMENT)


def rejected(share: Share, *, job: str = "", **said: Any) -> Heard:
    """Return that a share is refused; ``said`` is what is noted of why."""
    status, cause = Status.REJECTED, Change.Cause.ANSWER
    return decided(share, status, cause, job=job, sending_since=None, **said)


def _decide(before: str, step: Step, values: dict[str, Any], held: Held) -> Step | None:
    row = held.share
    if row.status != before:
        return None
    if step.status == Status.REVOKED:
        row.error = row.error_code = ""
    for name, value in values.items():
        setattr(row, name, value)
    return step


def not_sent(share: Share) -> Heard:
    """Return that Craftkit did not act on the call that was noted last, by this worker."""
    return Heard(share, partial(_take_back, share.sending_since))


def _take_back(sending_since: datetime | None, held: Held) -> Step | None:
    row = held.share
    # What a later call has written stays, and so does what others settle by now.
    if row.status != Status.PENDING or row.sending_since != sending_since:
        return None
    row.sending_since = None
    return Step(Status.PENDING)


def of_link(share: Share, found: client.Share, cause: Change.Cause = Change.Cause.ANSWER) -> Heard:
    """Return what Craftkit says of a link, as heard of this row."""
    return Heard(share, partial(_join_link, found), cause, found.id, with_document=True)


def _join_link(found: client.Share, held: Held) -> Step | None:
    row, other = held.share, held.holder
    if row.remote_id not in (None, found.id) or (row.remote_id is None and row.status in FINAL):
        # It came so late that its wish is settled: nobody has seen it.
        if other is None:
            Share.objects.add_found(
                row, remote_id=found.id, url=found.url, revoke_requested_at=clock.now()
            )
        elif other.is_found:
            _revoke_found(other, row)
    elif other is None:
        return Step(facts.join(row, found))
    return None


def of_mail(share: Share, answer: client.SentEmail) -> Heard:
    """Return the answer to an e-mail: it was sent, whatever has been decided meanwhile."""
    return Heard(share, partial(_join_mail, answer), remote_id=answer.id, with_document=True)


def _join_mail(answer: client.SentEmail, held: Held) -> Step | None:
    row, other = held.share, held.holder
    if other is not None:
        if other.is_found and row.revoke_requested_at is not None:
            _revoke_found(other, row)
    elif row.remote_id not in (None, answer.id) or row.status in FINAL:
        # It came so late that its wish is settled, and the mail has gone out. Whoever withdraws
        # the document comes before this, or finds the link.
        withdrawn_at = held.render and held.render.withdrawn_at
        Share.objects.add_found(
            row,
            remote_id=answer.id,
            url=answer.url,
            mailed_at=here(answer.sent_at) or database_now(),
            revoke_requested_at=row.revoke_requested_at or withdrawn_at,
            revoke_requested_by=row.revoke_requested_by,
        )
    else:
        row.remote_id, row.url = answer.id, answer.url or row.url
        row.mailed_at = earliest(row.mailed_at, here(answer.sent_at) or database_now())
        row.answer = join_answers(row.answer, kept(answer, emailMessageId=answer.message_id))
        row.error = row.error_code = ""
        return Step(furthest(row.status, Status.ACTIVE))
    # Another mail of the same words has taken this link: this one is still to be settled.
    return Step(Status.UNKNOWN, job=KIND) if row.status == Status.PENDING else None


def _revoke_found(found: Share, wish: Share) -> None:
    """Revoke a link that was taken for somebody else's, and is that of a wish given up."""
    if found.revoke_requested_at is None and found.status not in FINAL:
        found.revoke_requested_at = clock.now()
        found.revoke_requested_by_id = wish.revoke_requested_by_id
        found.save(using=database())
        Job.objects.wish(KIND, [found.pk], found.project)
