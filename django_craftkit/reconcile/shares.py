"""What is known of links: facts in any order, with any repeats, end in the same rows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock, storable
from django_craftkit.log import get_logger
from django_craftkit.models import Change, EngagementEvent, Job, Render, Share
from django_craftkit.models.share import FINAL, KIND

from .facts import MAX_COUNT, SKEW, earliest, join_answers, kept, why
from .moments import here

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from django_craftkit import client

logger = get_logger(__name__)

Status = Share.Status

_RANK = {
    status: rank
    for rank, status in enumerate(
        (Status.PENDING, Status.UNKNOWN, Status.REJECTED, Status.ACTIVE, Status.REVOKED)
    )
}
LINK_SIGNAL: dict[str, str] = {
    Status.ACTIVE: "share_created",
    Status.REJECTED: "share_rejected",
    Status.REVOKED: "share_revoked",
}
MAIL_SIGNAL: dict[str, str] = {
    Status.ACTIVE: "email_sent",
    Status.REJECTED: "email_failed",
    Status.REVOKED: "share_revoked",
}

EMAIL_SENT = EngagementEvent.Type.EMAIL_SENT
#: Seconds to the next look for a link whose answer was lost.
LOOK_AGAIN = 5.0


def furthest(one: str, other: str) -> Share.Status:
    """Return the status of two that no order of facts leads back from."""
    return max(Status(one), Status(other), key=_RANK.__getitem__)


def mailed(read: client.Engagement) -> dict[uuid.UUID | None, datetime]:
    """Return when a mail went out, by the link that was in it."""
    events = [event for event in read.recent if event.event_type == EMAIL_SENT]
    return {event.share_id: here(event.created_at) or database_now() for event in events}


def may_hide_mails(read: client.Engagement) -> bool:
    """Whether a mail may have gone out by what can't be read of a document's events."""
    return "recent" in read.unreadable or any(
        event.event_type == EMAIL_SENT and "shareId" in event.unreadable for event in read.recent
    )


def known_mails(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID | None, datetime]:
    """Return when a mail went out, by the link that was in it, as far as events are stored."""
    events = EngagementEvent.objects.using(database()).filter(
        share_remote_id__in=ids, type=EngagementEvent.Type.EMAIL_SENT
    )
    return dict(events.values_list("share_remote_id", "occurred_at")) if ids else {}


def matches(share: Share, found: client.Share, since: datetime) -> bool | None:
    """Whether Craftkit's link is what was asked for; ``None``: what tells them apart is unreadable.

    Who takes ``None`` for ``False`` may make a link once more.
    """
    made = made_at(found)
    told = {
        "channel": found.channel == share.channel if found.channel else None,
        "recipientEmail": (found.recipient_email or "").casefold()
        == share.recipient_email.casefold(),
        "message": (found.message or "") == share.message,
        "expiresAt": _milliseconds(here(found.expires_at)) == _milliseconds(share.expires_at),
        "createdAt": None if made is None else made >= since - SKEW,
    }
    said = [
        same for name, same in told.items() if same is not None and name not in found.unreadable
    ]
    if not all(said):
        return False
    return True if len(said) == len(told) else None


def made_at(found: client.Share) -> datetime | None:
    return here(found.created_at)


def _milliseconds(moment: datetime | None) -> datetime | None:
    """Cut a moment to what Craftkit keeps of it."""
    return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def reject(
    share: Share, code: str, error: str, field_errors: Mapping[str, Any] | None = None
) -> None:
    move(
        share,
        Status.REJECTED,
        Change.Cause.ANSWER,
        error=storable(error),
        error_code=code[:64],
        field_errors=storable(dict(field_errors or {})),
        sending_since=None,
    )


@in_transaction
def move(share: Share, status: Share.Status, cause: Change.Cause, **values: Any) -> None:
    """Write a decision of ours, unless the row has moved on since it was taken."""
    row = lock(Share.objects.using(database())).get(pk=share.pk)
    if row.status != share.status:
        return
    if status == Status.REVOKED:
        row.error = row.error_code = ""
    for name, value in values.items():
        setattr(row, name, value)
    store(row, status, cause)


@in_transaction
def hear(pk: int, found: client.Share, cause: Change.Cause) -> Share:
    row = Share.objects.using(database()).get(pk=pk)
    siblings = siblings_of(lock_render(row.render_id).pk)
    row = next(row for row in siblings if row.pk == pk)
    other = _holder(siblings, found.id, pk)
    if row.remote_id not in (None, found.id) or (row.remote_id is None and row.status in FINAL):
        # It came so late that its wish is settled: nobody has seen it.
        if other is None:
            Share.objects.add_found(
                row, remote_id=found.id, url=found.url, revoke_requested_at=clock.now()
            )
        elif other.is_found:
            _revoke_found(other, row)
    elif other is None:
        store(row, join(row, found), cause)
    return row


def _holder(siblings: Sequence[Share], remote_id: uuid.UUID, pk: int) -> Share | None:
    """Return another row that has this link."""
    return next((row for row in siblings if row.remote_id == remote_id and row.pk != pk), None)


def _revoke_found(found: Share, wish: Share) -> None:
    """Revoke a link that was taken for somebody else's, and is that of a wish given up."""
    if found.revoke_requested_at is None and found.status not in FINAL:
        found.revoke_requested_at = clock.now()
        found.revoke_requested_by_id = wish.revoke_requested_by_id
        found.save(using=database())
        Job.objects.wish(KIND, [found.pk], found.project)


@in_transaction
def hear_sent(pk: int, answer: client.SentEmail) -> Share:
    """Join the answer to an e-mail: it was sent, whatever has been decided meanwhile."""
    row = Share.objects.using(database()).get(pk=pk)
    # Whoever withdraws the document comes before this, or finds the links.
    render = lock_render(row.render_id)
    siblings = siblings_of(render.pk)
    row = next(row for row in siblings if row.pk == pk)
    other = _holder(siblings, answer.id, pk)
    if other is not None:
        if other.is_found and row.revoke_requested_at is not None:
            _revoke_found(other, row)
        return row
    if row.remote_id not in (None, answer.id) or row.status in FINAL:
        # It came so late that its wish is settled, and the mail has gone out.
        Share.objects.add_found(
            row,
            remote_id=answer.id,
            url=answer.url,
            mailed_at=here(answer.sent_at) or database_now(),
            revoke_requested_at=row.revoke_requested_at or render.withdrawn_at,
            revoke_requested_by=row.revoke_requested_by,
        )
        return row
    row.remote_id, row.url = answer.id, answer.url or row.url
    row.mailed_at = earliest(row.mailed_at, here(answer.sent_at) or database_now())
    row.answer = join_answers(row.answer, kept(answer, emailMessageId=answer.message_id))
    row.error = row.error_code = ""
    store(row, furthest(row.status, Status.ACTIVE), Change.Cause.ANSWER)
    return row


def lock_render(pk: int) -> Render:
    rows = lock(Render.objects.using(database())).only("withdrawn_at", "project")
    row: Render = rows.get(pk=pk)
    return row


def siblings_of(render_id: int) -> list[Share]:
    """Lock all links of a document, so that two rows never take the same one."""
    rows = lock(Share.objects.using(database())).filter(render=render_id)
    return list(rows.order_by("pk"))


def join(row: Share, found: client.Share) -> Share.Status:
    """Join what Craftkit says of a link to its row; return the status it leads to."""
    row.remote_id = row.remote_id or found.id
    row.url = row.url or found.url
    row.click_count = min(max(row.click_count, found.click_count or 0), MAX_COUNT)
    row.revoked_at = earliest(row.revoked_at, here(found.revoked_at))
    row.answer = join_answers(row.answer, kept(found, revokedReason=found.revoked_reason))
    if found.revoked_at:
        status = Status.REVOKED
    elif row.by_mail and row.mailed_at is None:
        status = Status(row.status)  # the link is no proof of the mail
    else:
        status = Status.ACTIVE
    status = furthest(row.status, status)
    if status in (Status.ACTIVE, Status.REVOKED):
        row.error = row.error_code = ""
    return status


def store(row: Share, status: Share.Status, cause: Change.Cause) -> None:
    before, row.status = row.status, status
    row.save(using=database())
    if status == Status.ACTIVE and before != status and row.revoke_requested_at is not None:
        Job.objects.wish(KIND, [row.pk], row.project)
    if before == status:
        return
    note(row, before, cause, row.error)
    if status == Status.REJECTED:
        logger.warning(
            "%s %d to document %d of project %r is %s: %s",
            "E-mail" if row.by_mail else "Link",
            row.pk,
            row.render_id,
            row.project,
            row.status,
            why(row),
        )


def note(row: Share, before: str, cause: Change.Cause, note: str) -> None:
    Change.objects.record(changes_of(row, before, cause, note))


def changes_of(row: Share, before: str, cause: Change.Cause, note: str) -> list[Change]:
    """Return the history of a step; a mail that is known to have gone out was sent first."""
    is_sent = row.by_mail and row.mailed_at is not None
    way = [Status(row.status)]
    if is_sent and row.status == Status.REVOKED and before != Status.ACTIVE:
        way.insert(0, Status.ACTIVE)
    signals = MAIL_SIGNAL if row.by_mail else LINK_SIGNAL
    return [
        Change(
            kind=KIND,
            object_id=row.pk,
            from_status=earlier,
            to_status=status,
            cause=cause,
            note=note if status == row.status else "",
            person_id=row.revoke_requested_by_id if status == Status.REVOKED else None,
            signal=signals.get(status, ""),
        )
        for earlier, status in pairwise([before, *way])
    ]
