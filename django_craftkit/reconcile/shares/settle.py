"""Links and e-mails whose answer was lost are settled by reading back.

Whoever finds one that is being sent asks Craftkit which links there are, by this rule: a link is
ours if it has the channel, recipient, message and expiry that were asked for, was made no earlier
than the sending (clocks may differ by five minutes), and belongs to no other row. Of several, the
oldest. Where there is none once no call can be under way, it was not made, and is sent again. That
is not concluded while something in Craftkit's list can't be read that may be it.

Of an e-mail, the link alone proves nothing: it was sent if Craftkit also has an ``email_sent``
event of that link. A link without one, once no call can be under way, is for a person to decide.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django_craftkit.client import NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, Share
from django_craftkit.models.arguments import LATEST
from django_craftkit.models.share_manager import UNPROVEN
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.answers import warn_of_unreadable
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.renders.states import remote_id_of
from django_craftkit.reconcile.results import PARKED, Done, Reschedule, Result, look_delay
from django_craftkit.reconcile.updates import lock_renders

from . import states
from .states import LOOK_AGAIN, Status
from .updates import move

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from django_craftkit import client

logger = get_logger(__name__)

UNREADABLE = "Craftkit lists links that can't be read, and this may be one of them."


def settle(share: Share) -> Result:
    """Find out what became of a share that may have been sent."""
    if share.status == Status.PENDING:
        move(share, Status.UNKNOWN, Change.Cause.HERE)
    craftkit, render_id = get_client(share.project, max_retries=0), remote_id_of(share.render)
    try:
        listed = craftkit.shares.list(render_id)
        sent = states.mailed(craftkit.engagement.read(render_id)) if share.by_mail else {}
    except NotFound as error:
        if error.is_passing:
            raise
        return _of_gone(share.pk, error)
    warn_of_unreadable("shares", share.project, listed)
    return _read_back(share, listed, sent)


@in_transaction
def _of_gone(pk: int, error: NotFound) -> Result:
    """Leave an e-mail to staff whose document Craftkit does not know any more."""
    share = lock(Share.objects.using(database())).get(pk=pk)
    is_left = share.by_mail and share.status == Status.UNKNOWN
    if is_left and _is_call_over(share, database_now()):
        return _leave_to_staff(share, "Craftkit does not know the document of this e-mail.")
    # Another project's key answers like this too, so it ends nothing.
    return Reschedule(PARKED, error=str(error), answered=True)


@in_transaction
def _read_back(
    share: Share, listed: client.Listed[client.Share], sent: Mapping[uuid.UUID | None, datetime]
) -> Result:
    """Find the link whose answer was lost among those that Craftkit lists."""
    now = database_now()
    rows = Share.objects.using(database())
    # Two rows never take the same link.
    lock_renders([share.render_id])
    share = lock(rows).get(pk=share.pk)
    if share.status != Status.UNKNOWN:
        return Reschedule(0.0, answered=True)
    if share.by_mail:
        # The newest 25 events may not reach back to it.
        sent = {**sent, **states.known_mails([found.id for found in listed])}
    of_others = rows.filter(render=share.render_id, remote_id__isnull=False).exclude(pk=share.pk)
    known = set(of_others.values_list("remote_id", flat=True))
    free = [found for found in listed if found.id not in known]
    told = {found.id: _is_it(share, found) for found in free}
    mine = [found for found in free if told[found.id]]
    proven = [found for found in mine if not share.by_mail or found.id in sent]
    if proven:
        found = min(proven, key=_made_at)
        if len(free) > 1:
            _find_others(share)
        take = partial(_take, found=found, mailed_at=sent.get(found.id))
        states.apply([(share, [take])], Change.Cause.READ_BACK)
        return Reschedule(0.0, answered=True)
    if share.is_unsettled:
        return Done(answered=True)
    if not _is_call_over(share, now):
        return Reschedule(LOOK_AGAIN, answered=True)
    if not mine and (listed.unreadable or None in told.values()):
        if share.by_mail and not share.revoke_requested_at:
            return _leave_to_staff(share, UNREADABLE)
        return Reschedule(delay(now - _sent_at(share)), error=UNREADABLE, answered=True)
    if len(free) > len(mine[:1]):
        _find_others(share)
    if mine:
        found = min(mine, key=_made_at)
        share.remote_id, share.url = found.id, found.url
        return _leave_to_staff(
            share, "Craftkit has the link of this e-mail and no record that it was sent."
        )
    if share.revoke_requested_at:
        move(share, Status.REVOKED, Change.Cause.READ_BACK, revoked_at=now)
        return Done(answered=True)
    move(share, Status.PENDING, Change.Cause.READ_BACK, sending_since=None, error="")
    Job.objects.schedule(share.kind, [share.pk], share.project)
    return Reschedule(0.0, answered=True)


def _take(share: Share, found: client.Share, mailed_at: datetime | None) -> None:
    share.remote_id, share.mailed_at = found.id, mailed_at
    states.update(share, found)


def _is_it(share: Share, found: client.Share) -> bool | None:
    """Whether a link that nobody has is the one whose answer was lost; ``None``: who knows."""
    if found.id == share.remote_id:
        return True
    return states.matches(share, found, _sent_at(share))


def _made_at(found: client.Share) -> datetime:
    return states.made_at(found) or from_utc(LATEST)


def delay(age: timedelta) -> float:
    """Return the seconds to the next look at what can't be read, ever more of them."""
    return look_delay(age.total_seconds(), LOOK_AGAIN, PARKED)


def _sent_at(share: Share) -> datetime:
    return share.sending_since or share.requested_at


def _is_call_over(share: Share, now: datetime) -> bool:
    """Whether no worker is sending it any longer."""
    return calls.is_over(share.project, _sent_at(share), now)


def _find_others(share: Share) -> None:
    """Have the links adopted that Craftkit lists and no row has."""
    Job.objects.schedule(Job.Kind.ENGAGEMENT, [share.render_id], share.project)


def _leave_to_staff(share: Share, why: str) -> Result:
    """Note that nothing says whether an e-mail went out; inside a transaction."""
    if share.is_unsettled:
        return Done(answered=True)
    share.error_code = UNPROVEN
    share.error = f"{why} Ask the recipient, then say that it was sent, or send it again."
    share.save(using=database())
    logger.error("Nobody knows whether the e-mail of share %s was sent: staff decide.", share.pk)
    # What was asked for meanwhile is done to the link.
    is_unwanted = share.revoke_requested_at is not None and share.remote_id is not None
    return Reschedule(0.0, answered=True) if is_unwanted else Done(answered=True)
