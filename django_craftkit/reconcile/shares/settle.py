"""Links and e-mails whose answer was lost are settled by reading back.

A worker that comes upon one reads which links Craftkit has, by this rule: a link is ours if it has
the channel, recipient, message and expiry that were requested, was made no earlier than the sending
(clocks may differ by five minutes), and belongs to no other row. Of several, the oldest. If there
is none once no call can be under way, it was not made, and is sent once more. That is not concluded
while something in Craftkit's list can't be read that may be it.

Of an e-mail, the link alone proves nothing: it was sent if Craftkit also has an ``email_sent``
event of that link. A link without one, once no call can be under way, is for staff to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.client import NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.log import about, get_logger
from django_craftkit.models import Change, EngagementEvent, Job, Share
from django_craftkit.models.arguments import LATEST
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.answers import SKEW, warn_of_unreadable
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.renders.states import remote_id_of
from django_craftkit.reconcile.results import PARKED, Done, Reschedule, Result, look_delay
from django_craftkit.reconcile.updates import lock_renders

from .states import LOOK_AGAIN, ShareStates, Status, apply, decided, update

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from django_craftkit import client

logger = get_logger(__name__)

EMAIL_SENT = EngagementEvent.Type.EMAIL_SENT


def settle(share: Share) -> Result:
    """Find out what became of a share that may have been sent."""
    if share.erased_at is not None:
        return _settle_erased(share)
    if share.status == Status.PENDING:
        apply(decided(share, Status.UNKNOWN, Change.Cause.HERE))
    craftkit, render_id = get_client(share.project, max_retries=0), remote_id_of(share.render)
    try:
        listed = craftkit.shares.list(render_id)
        sent = mailed(craftkit.engagement.read(render_id)) if share.by_mail else {}
    except NotFound as error:
        if error.is_passing:
            raise
        return _of_gone(share.pk, error)
    warn_of_unreadable("shares", share.project, listed)
    return _read_back(share, listed, sent)


def _settle_erased(share: Share) -> Result:
    """End a share that nobody can tell from others any more, once no call for it is under way.

    If there is a link after all, it is found with those of its document: it is adopted, and
    revoked.
    """
    now = database_now()
    if not _is_call_over(share, now):
        return Reschedule(LOOK_AGAIN)
    _adopt_others(share)
    apply(decided(share, Status.REVOKED, Change.Cause.HERE, revoked_at=now))
    return Done()


@in_transaction
def _of_gone(pk: int, error: NotFound) -> Result:
    """Leave an e-mail to staff whose document Craftkit does not know any more."""
    share = lock(Share.objects.writer()).get(pk=pk)
    is_left = share.by_mail and share.status == Status.UNKNOWN
    if is_left and _is_call_over(share, database_now()):
        return _leave_to_staff(share, ErrorCode.DOCUMENT_UNKNOWN)
    # Another project's key answers like this too, so it ends nothing.
    return Reschedule(PARKED, Problem.of(error), answered=True)


@in_transaction
def _read_back(
    share: Share, listed: client.Listed[client.Share], sent: Mapping[uuid.UUID | None, datetime]
) -> Result:
    """Find the link whose answer was lost among those that Craftkit lists."""
    now = database_now()
    rows = Share.objects.writer()
    # Two rows never take the same link.
    lock_renders([share.render_id])
    share = lock(rows).get(pk=share.pk)
    if share.status != Status.UNKNOWN:
        return Reschedule(0.0, answered=True)
    if share.by_mail:
        # The newest 25 events may not reach back to it.
        sent = {**sent, **known_mails([found.id for found in listed])}
    of_others = rows.filter(render=share.render_id, remote_id__isnull=False).exclude(pk=share.pk)
    known = set(of_others.values_list("remote_id", flat=True))
    free = [found for found in listed if found.id not in known]
    #: ``None``: nobody can tell.
    told = {
        found.id: found.id == share.remote_id or matches(share, found, _sent_at(share))
        for found in free
    }
    mine = sorted(
        (found for found in free if told[found.id]),
        key=lambda found: from_utc(found.created_at) or from_utc(LATEST),
    )
    proven = [found for found in mine if not share.by_mail or found.id in sent]
    if proven:
        found = proven[0]

        def take(row: Share) -> None:
            row.remote_id, row.mailed_at = found.id, sent.get(found.id)
            update(row, found)

        if len(free) > 1:
            _adopt_others(share)
        ShareStates(Change.Cause.READ_BACK).apply([(share, [take])])
        return Reschedule(0.0, answered=True)
    if share.is_unsettled:
        return Done(answered=True)
    if not _is_call_over(share, now):
        return Reschedule(LOOK_AGAIN, answered=True)
    if not mine and (listed.unreadable or None in told.values()):
        if share.by_mail and not share.revoke_requested_at:
            return _leave_to_staff(share, ErrorCode.LINKS_UNREADABLE)
        problem = Problem(ErrorCode.LINKS_UNREADABLE)
        return Reschedule(delay(now - _sent_at(share)), problem, answered=True)
    if len(free) > len(mine[:1]):
        _adopt_others(share)
    if mine:
        share.remote_id, share.url = mine[0].id, mine[0].url
        return _leave_to_staff(share, ErrorCode.MAIL_NOT_RECORDED)
    if share.revoke_requested_at:
        apply(decided(share, Status.REVOKED, Change.Cause.READ_BACK, revoked_at=now))
        return Done(answered=True)
    cause = Change.Cause.READ_BACK
    apply(decided(share, Status.PENDING, cause, sending_since=None, error=""))
    Job.objects.schedule(share.kind, [share.pk], share.project)
    return Reschedule(0.0, answered=True)


def matches(share: Share, found: client.Share, since: datetime) -> bool | None:
    """Whether Craftkit's link is what was requested; ``None``: what tells that is unreadable.

    Who takes ``None`` for ``False`` may make a link once more.
    """
    made_at = from_utc(found.created_at)
    told = {
        "channel": found.channel == share.channel if found.channel else None,
        "recipientEmail": (found.recipient_email or "").casefold()
        == share.recipient_email.casefold(),
        "message": (found.message or "") == share.message,
        "expiresAt": _milliseconds(from_utc(found.expires_at)) == _milliseconds(share.expires_at),
        "createdAt": None if made_at is None else made_at >= since - SKEW,
    }
    said = [
        same for name, same in told.items() if same is not None and name not in found.unreadable
    ]
    if not all(said):
        return False
    return True if len(said) == len(told) else None


def _milliseconds(moment: datetime | None) -> datetime | None:
    """Cut a moment to what Craftkit keeps of it."""
    return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def mailed(read: client.Engagement) -> dict[uuid.UUID | None, datetime]:
    """Return when a mail went out, by the link that was in it."""
    events = [event for event in read.recent if event.event_type == EMAIL_SENT]
    return {event.share_id: from_utc(event.created_at) or database_now() for event in events}


def may_hide_mails(read: client.Engagement) -> bool:
    """Whether a mail may have gone out by what can't be read of a document's events."""
    return "recent" in read.unreadable or any(
        event.event_type == EMAIL_SENT and "shareId" in event.unreadable for event in read.recent
    )


def known_mails(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID | None, datetime]:
    """Return when a mail went out, by the link that was in it, as far as events are stored."""
    events = EngagementEvent.objects.writer().filter(share_remote_id__in=ids, type=EMAIL_SENT)
    return dict(events.values_list("share_remote_id", "occurred_at"))


def delay(age: timedelta) -> float:
    """Return the seconds to the next look at what can't be read, ever more of them."""
    return look_delay(age.total_seconds(), LOOK_AGAIN, PARKED)


def _sent_at(share: Share) -> datetime:
    return share.sending_since or share.requested_at


def _is_call_over(share: Share, now: datetime) -> bool:
    """Whether no worker is sending it any longer."""
    return calls.is_over(share.project, _sent_at(share), now)


def _adopt_others(share: Share) -> None:
    """Schedule the adoption of links that Craftkit lists and no row has."""
    Job.objects.schedule(Job.Kind.ENGAGEMENT, [share.render_id], share.project)


def _leave_to_staff(share: Share, why: ErrorCode) -> Result:
    """Note that nothing says whether an e-mail went out; inside a transaction."""
    if share.is_unsettled:
        return Done(answered=True)
    share.error_code, share.error = ErrorCode.MAIL_UNPROVEN, why
    share.save(using=database())
    logger.error(
        "Nobody knows whether the e-mail of share %s was sent: staff decide.",
        share.pk,
        extra=about(share),
    )
    # What was requested meanwhile is done to the link.
    is_unwanted = share.revoke_requested_at is not None and share.remote_id is not None
    return Reschedule(0.0, answered=True) if is_unwanted else Done(answered=True)
