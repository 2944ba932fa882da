"""Links: made once, settled by reading back where the answer was lost, revoked.

Whoever finds a link that is being sent asks Craftkit which there are, by this rule: a link is ours
if it has the channel, recipient, message and expiry that were asked for, was made no earlier than
the sending (clocks may differ by five minutes), and belongs to no other row. Of several, the
oldest. Where there is none once no call can be under way, it was not made, and is sent again. That
is not concluded while something in Craftkit's list can't be read that may be it.

Of an e-mail, the link alone proves nothing: it was sent if Craftkit also has an ``email_sent``
event of that link. A link without one, once no call can be under way, is for a person to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit import client
from django_craftkit.client import CraftkitError, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, Share
from django_craftkit.models.arguments import LATEST
from django_craftkit.models.engagement import KIND as ENGAGEMENT
from django_craftkit.models.share import FINAL, UNPROVEN
from django_craftkit.projects import get_client

from . import calls, sending, shares
from .facts import how, warn_of_unreadable
from .moments import here, there
from .outcomes import PARKED, Again, Done, Outcome
from .renders import remote_id_of
from .shares import LOOK_AGAIN, Status

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from datetime import datetime, timedelta

logger = get_logger(__name__)

UNREADABLE = "Craftkit lists links that can't be read, and this may be one of them."


def step(job: Job) -> Outcome:
    """Do what a link needs next."""
    share = (
        Share.objects.using(database()).select_related("render").filter(pk=job.object_id).first()
    )
    if share is None or share.status in FINAL:
        return Done()
    if share.revoke_requested_at and share.remote_id is not None:
        return _revoke(share, share.remote_id)
    if share.status == Status.ACTIVE:
        return Done()
    if share.status == Status.UNKNOWN or share.sending_since is not None:
        return _settle(share)
    is_wanted = not (share.revoke_requested_at or share.render.withdrawn_at)
    if share.by_mail and is_wanted:
        return Done()  # a job of its own sends it
    return sending.held_back(share) or _send(share)


def _send(share: Share) -> Outcome:
    craftkit = get_client(share.project, max_retries=0)

    def unsure(error: CraftkitError) -> Outcome:
        logger.warning("Share %s may have been made: %s", share.pk, how(error))
        shares.move(share, Status.UNKNOWN, Change.Cause.ANSWER, error=str(error))
        return Again(LOOK_AGAIN, error=str(error))

    answer = sending.send(
        share,
        lambda: craftkit.shares.create(
            remote_id_of(share.render),
            channel=share.channel,
            recipient_email=share.recipient_email or None,
            message=share.message or None,
            expires_at=there(share.expires_at),
        ),
        unsure,
    )
    if not isinstance(answer, client.Share):
        return answer
    row = shares.hear(share.pk, answer, Change.Cause.ANSWER)
    is_settled = row.status == Status.ACTIVE and not row.revoke_requested_at
    # Where another row has taken this link meanwhile, this one is still to be settled.
    return Done(heard=True) if is_settled or row.status in FINAL else Again(0.0, heard=True)


def _settle(share: Share) -> Outcome:
    if share.status == Status.PENDING:
        shares.move(share, Status.UNKNOWN, Change.Cause.HERE)
    craftkit, render_id = get_client(share.project, max_retries=0), remote_id_of(share.render)
    try:
        listed = craftkit.shares.list(render_id)
        sent = shares.mailed(craftkit.engagement.read(render_id)) if share.by_mail else {}
    except NotFound as error:
        if error.is_passing:
            raise
        return _of_gone(share.pk, error)
    warn_of_unreadable("shares", share.project, listed)
    return _read_back(share.pk, listed, sent)


@in_transaction
def _of_gone(pk: int, error: NotFound) -> Outcome:
    """Leave an e-mail to staff whose document Craftkit does not know any more."""
    share = lock(Share.objects.using(database())).get(pk=pk)
    is_left = share.by_mail and share.status == Status.UNKNOWN
    if is_left and _is_call_over(share, database_now()):
        return _leave_to_staff(share, "Craftkit does not know the document of this e-mail.")
    # Another project's key answers like this too, so it ends nothing.
    return Again(PARKED, error=str(error), heard=True)


@in_transaction
def _read_back(
    pk: int, listed: client.Listed[client.Share], sent: Mapping[uuid.UUID | None, datetime]
) -> Outcome:
    """Find the link whose answer was lost among those that Craftkit lists."""
    now = database_now()
    share = Share.objects.using(database()).get(pk=pk)
    # All of a document's links, so that two rows never take the same one.
    siblings = shares.siblings_of(share.render_id)
    share = next(row for row in siblings if row.pk == pk)
    if share.status != Status.UNKNOWN:
        return Again(0.0, heard=True)
    if share.by_mail:
        # The newest 25 events may not reach back to it.
        sent = {**sent, **shares.known_mails([found.id for found in listed])}
    known = {row.remote_id for row in siblings if row.pk != pk}
    free = [found for found in listed if found.id not in known]
    told = {found.id: _is_it(share, found) for found in free}
    mine = [found for found in free if told[found.id]]
    proven = [found for found in mine if not share.by_mail or found.id in sent]
    if proven:
        found = min(proven, key=_made_at)
        if len(free) > 1:
            _find_others(share)
        share.remote_id = found.id
        share.mailed_at = sent.get(found.id)
        shares.store(share, shares.join(share, found), Change.Cause.READ_BACK)
        return Again(0.0, heard=True)
    if share.is_unsettled:
        return Done(heard=True)
    if not _is_call_over(share, now):
        return Again(LOOK_AGAIN, heard=True)
    if not mine and (listed.unreadable or None in told.values()):
        if share.by_mail and not share.revoke_requested_at:
            return _leave_to_staff(share, UNREADABLE)
        return Again(_delay(now - _sent_at(share)), error=UNREADABLE, heard=True)
    if len(free) > len(mine[:1]):
        _find_others(share)
    if mine:
        found = min(mine, key=_made_at)
        share.remote_id, share.url = found.id, found.url
        return _leave_to_staff(
            share, "Craftkit has the link of this e-mail and no record that it was sent."
        )
    if share.revoke_requested_at:
        shares.move(share, Status.REVOKED, Change.Cause.READ_BACK, revoked_at=now)
        return Done(heard=True)
    shares.move(share, Status.PENDING, Change.Cause.READ_BACK, sending_since=None, error="")
    Job.objects.wish(share.kind, [pk], share.project)
    return Again(0.0, heard=True)


def _is_it(share: Share, found: client.Share) -> bool | None:
    """Whether a link that nobody has is the one whose answer was lost; ``None``: who knows."""
    if found.id == share.remote_id:
        return True
    return shares.matches(share, found, _sent_at(share))


def _made_at(found: client.Share) -> datetime:
    return shares.made_at(found) or here(LATEST)


def _delay(age: timedelta) -> float:
    """Return the seconds to the next look at what can't be read, ever more of them."""
    return min(max(LOOK_AGAIN, age.total_seconds() / 6), PARKED)


def _sent_at(share: Share) -> datetime:
    return share.sending_since or share.requested_at


def _is_call_over(share: Share, now: datetime) -> bool:
    """Whether no worker is sending it any longer."""
    return calls.is_over(share.project, _sent_at(share), now)


def _find_others(share: Share) -> None:
    """Have the links adopted that Craftkit lists and no row has."""
    Job.objects.wish(ENGAGEMENT, [share.render_id], share.project)


def _leave_to_staff(share: Share, why: str) -> Outcome:
    """Note that nothing says whether an e-mail went out; inside a transaction."""
    if share.is_unsettled:
        return Done(heard=True)
    share.error_code = UNPROVEN
    share.error = f"{why} Ask the recipient, then say that it was sent, or send it again."
    share.save(using=database())
    logger.error("Nobody knows whether the e-mail of share %s was sent: staff decide.", share.pk)
    # What was asked for meanwhile is done to the link.
    is_unwanted = share.revoke_requested_at is not None and share.remote_id is not None
    return Again(0.0, heard=True) if is_unwanted else Done(heard=True)


def _revoke(share: Share, remote_id: uuid.UUID) -> Outcome:
    craftkit, render_id = get_client(share.project, max_retries=0), remote_id_of(share.render)
    try:
        revoked_at = here(craftkit.shares.revoke(render_id, remote_id).revoked_at)
        revoked_at = revoked_at or database_now()
    except NotFound as error:
        if error.is_passing:
            raise
        # Revoked before, or never there: the list tells since when.
        listed = craftkit.shares.list(render_id)
        found = next((one for one in listed if one.id == remote_id), None)
        if found is not None and found.revoked_at is None:
            return Again(LOOK_AGAIN, error="Craftkit lists the link as open.", heard=True)
        if found is None and warn_of_unreadable("shares", share.project, listed):
            waited = database_now() - (share.revoke_requested_at or share.requested_at)
            return Again(_delay(waited), error=UNREADABLE, heard=True)
        if found is not None:
            shares.hear(share.pk, found, Change.Cause.READ_BACK)
            return Done(heard=True)
        revoked_at = database_now()
    shares.move(share, Status.REVOKED, Change.Cause.ANSWER, revoked_at=revoked_at)
    return Done(heard=True)
