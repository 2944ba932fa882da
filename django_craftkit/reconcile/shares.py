"""Links: made once, settled by reading back where the answer was lost, revoked.

Craftkit takes no idempotency key for a share. So the row says that it is being sent before it
is; whoever finds it in that state asks which links there are, by this rule: a link is ours if it
has the channel, recipient, message and expiry that were asked for, was made no earlier than the
sending (clocks may differ by five minutes), and belongs to no other row. Of several, the oldest.
Where there is none after a lease, it was not made, and is sent again.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django_craftkit import client, clock, conf
from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, lock, storable
from django_craftkit.models import Change, Job, Render, Share
from django_craftkit.models.mirror import hash_key
from django_craftkit.models.share import FINAL, KIND
from django_craftkit.projects import get_client

from .facts import earliest, in_transaction, join_answers, record
from .moments import here, there
from .outcomes import Again, Done, Outcome
from .renders import is_passing, remote_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

logger = logging.getLogger(__name__)

Status = Share.Status

RANK = {
    status: rank
    for rank, status in enumerate(
        (Status.PENDING, Status.UNKNOWN, Status.REJECTED, Status.ACTIVE, Status.REVOKED)
    )
}
SIGNAL = {Status.ACTIVE: "share_created", Status.REVOKED: "share_revoked"}

SKEW = timedelta(minutes=5)
#: Seconds to the next look for a link whose answer was lost.
LOOK_AGAIN = 5.0
#: Seconds a share waits for its document, before it looks by itself.
PARKED = 900.0
#: What the column of a count holds.
MAX_COUNT = 2**31 - 1


def step(job: Job) -> Outcome:
    """Do what a link needs next."""
    share = (
        Share.objects.using(database()).select_related("render").filter(pk=job.object_id).first()
    )
    if share is None or share.status in FINAL:
        return Done()
    if share.status == Status.ACTIVE:
        return _revoke(share) if share.revoke_requested_at else Done()
    if share.status == Status.UNKNOWN or share.sending_since is not None:
        return _settle(share)
    if share.revoke_requested_at:
        _move(share, Status.REVOKED, Change.Cause.HERE, revoked_at=clock.now())
        return Done()
    if share.render.status != Render.Status.SUCCEEDED or share.render.remote_id is None:
        return Again(PARKED)
    if share.is_expired:
        _reject(share, "expired", "It had expired before it could be made.")
        return Done()
    return _send(share)


def _send(share: Share) -> Outcome:
    shares = get_client(share.project, max_retries=0).shares
    if not _begin(share):
        return Again(0.0)
    try:
        answer = shares.create(
            remote_id_of(share.render),
            channel=share.channel,
            recipient_email=share.recipient_email or None,
            message=share.message or None,
            expires_at=there(share.expires_at),
        )
    except (InvalidRequest, NotFound) as error:
        if is_passing(error):
            _put_back(share)
            raise
        _reject(share, error.code, error.message, getattr(error, "field_errors", {}))
        return Done(heard=True)
    except Conflict as error:
        _put_back(share)
        return Again(LOOK_AGAIN, error=str(error), heard=True)
    except CraftkitError as error:
        if not error.maybe_handled:
            _put_back(share)
            raise
        logger.warning("Share %s may have been made: %s", share.pk, error)
        _move(share, Status.UNKNOWN, Change.Cause.ANSWER, error=str(error))
        return Again(LOOK_AGAIN, error=str(error))
    row = _hear(share.pk, answer, Change.Cause.ANSWER)
    is_settled = row.status == Status.ACTIVE and not row.revoke_requested_at
    # Where another row has taken this link meanwhile, this one is still to be settled.
    return Done(heard=True) if is_settled or row.status in FINAL else Again(0.0, heard=True)


def _begin(share: Share) -> bool:
    """Say that the share is being sent, unless its revocation was asked for meanwhile."""
    share.sending_since = database_now()
    return bool(
        Share.objects.using(database())
        .filter(pk=share.pk, status=Status.PENDING, sending_since=None, revoke_requested_at=None)
        .update(sending_since=share.sending_since, error="", error_code="")
    )


def _put_back(share: Share) -> None:
    """Note that Craftkit did not act, so that the share can be sent again."""
    Share.objects.using(database()).filter(
        pk=share.pk, status=Status.PENDING, sending_since=share.sending_since
    ).update(sending_since=None)


def _settle(share: Share) -> Outcome:
    if share.status == Status.PENDING:
        _move(share, Status.UNKNOWN, Change.Cause.HERE)
    try:
        listed = get_client(share.project, max_retries=0).shares.list(remote_id_of(share.render))
    except NotFound as error:
        return Again(PARKED, error=str(error), heard=True)
    return _read_back(share.pk, listed)


@in_transaction
def _read_back(pk: int, listed: Sequence[client.Share]) -> Outcome:
    """Find the link whose answer was lost among those that Craftkit lists."""
    now = database_now()
    lease = timedelta(seconds=conf.options().LEASE)
    share = Share.objects.using(database()).get(pk=pk)
    # All of a document's links, so that two rows never take the same one.
    siblings = _siblings(share)
    share = next(row for row in siblings if row.pk == pk)
    since = share.sending_since or share.requested_at
    if share.status != Status.UNKNOWN:
        return Again(0.0, heard=True)
    known = {row.remote_id for row in siblings}
    free = [found for found in listed if found.id not in known]
    mine = [found for found in free if _matches(share, found, since)]
    if mine:
        _join_and_store(share, min(mine, key=_made_at), Change.Cause.READ_BACK)
        return Again(0.0, heard=True)
    if now - since < lease:
        return Again(LOOK_AGAIN, heard=True)
    if share.revoke_requested_at:
        _move(share, Status.REVOKED, Change.Cause.READ_BACK, revoked_at=now)
        return Done(heard=True)
    _move(share, Status.PENDING, Change.Cause.READ_BACK, sending_since=None)
    return Again(0.0, heard=True)


def _matches(share: Share, found: client.Share, since: datetime) -> bool:
    return (
        found.channel == share.channel
        and (found.recipient_email or "") == share.recipient_email
        and (found.message or "") == share.message
        and _milliseconds(here(found.expires_at)) == _milliseconds(share.expires_at)
        and _made_at(found) >= since - SKEW
    )


def _made_at(found: client.Share) -> datetime:
    return here(found.created_at)


def _milliseconds(moment: datetime | None) -> datetime | None:
    """Cut a moment to what Craftkit keeps of it."""
    return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _revoke(share: Share) -> Outcome:
    shares = get_client(share.project, max_retries=0).shares
    if share.remote_id is None:
        raise ValueError(f"{share} is open and has no id at Craftkit.")
    try:
        revoked_at = here(shares.revoke(remote_id_of(share.render), share.remote_id).revoked_at)
    except NotFound:
        # Revoked before, or never there: the list tells since when.
        listed = shares.list(remote_id_of(share.render))
        found = next((one for one in listed if one.id == share.remote_id), None)
        if found is not None and found.revoked_at is None:
            return Again(LOOK_AGAIN, error="Craftkit lists the link as open.", heard=True)
        if found is not None:
            _hear(share.pk, found, Change.Cause.READ_BACK)
            return Done(heard=True)
        revoked_at = database_now()
    _move(share, Status.REVOKED, Change.Cause.ANSWER, revoked_at=revoked_at)
    return Done(heard=True)


def _reject(
    share: Share, code: str, error: str, field_errors: Mapping[str, Any] | None = None
) -> None:
    _move(
        share,
        Status.REJECTED,
        Change.Cause.ANSWER,
        error=storable(error),
        error_code=code[:64],
        field_errors=storable(dict(field_errors or {})),
        sending_since=None,
    )


@in_transaction
def _move(share: Share, status: Share.Status, cause: Change.Cause, **values: Any) -> None:
    """Write a decision of ours, unless the row has moved on since it was taken."""
    row = lock(Share.objects.using(database())).get(pk=share.pk)
    if row.status != share.status:
        return
    for name, value in values.items():
        setattr(row, name, value)
    _store(row, status, cause)
    share.status = row.status


@in_transaction
def _hear(pk: int, found: client.Share, cause: Change.Cause) -> Share:
    siblings = _siblings(Share.objects.using(database()).get(pk=pk))
    row = next(row for row in siblings if row.pk == pk)
    is_of_another = any(other.remote_id == found.id for other in siblings if other.pk != pk)
    if row.remote_id not in (None, found.id) or (row.remote_id is None and row.status in FINAL):
        if not is_of_another:
            _withdraw(row, found)
    elif not is_of_another:
        _join_and_store(row, found, cause)
    return row


def _siblings(share: Share) -> list[Share]:
    """Lock all links of a document, so that two rows never take the same one."""
    rows = lock(Share.objects.using(database())).filter(render=share.render_id)
    return list(rows.order_by("pk"))


def _withdraw(share: Share, found: client.Share) -> None:
    """Take back a link that came so late that its wish is settled: nobody has seen it."""
    surplus = Share.objects.using(database()).create(
        render_id=share.render_id,
        project=share.project,
        key=f"late {found.id}",
        key_hash=hash_key(f"late {found.id}"),
        channel=share.channel,
        recipient_email=share.recipient_email,
        message=share.message,
        expires_at=share.expires_at,
        remote_id=found.id,
        url=found.url,
        status=Status.ACTIVE,
        revoke_requested_at=clock.now(),
    )
    Job.objects.wish(KIND, [surplus.pk], surplus.project)


def _join_and_store(row: Share, found: client.Share, cause: Change.Cause) -> None:
    _store(row, join(row, found), cause)


def join(row: Share, found: client.Share) -> Share.Status:
    """Join what Craftkit says of a link to its row; return the status it leads to."""
    row.remote_id = row.remote_id or found.id
    row.url = row.url or found.url
    row.click_count = min(max(row.click_count, found.click_count or 0), MAX_COUNT)
    row.revoked_at = earliest(row.revoked_at, here(found.revoked_at))
    said = storable({**found.extra, "revokedReason": found.revoked_reason})
    row.answer = join_answers(row.answer, said)
    row.error = row.error_code = ""
    status = Status.REVOKED if found.revoked_at else Status.ACTIVE
    return max(Status(row.status), status, key=RANK.__getitem__)


def _store(row: Share, status: Share.Status, cause: Change.Cause) -> None:
    before, row.status = row.status, status
    row.save(using=database())
    if before != status:
        change = Change(
            kind=KIND,
            object_id=row.pk,
            from_status=before,
            to_status=status,
            cause=cause,
            note=row.error,
            person=row.revoke_requested_by if status == Status.REVOKED else None,
            signal=SIGNAL.get(status, ""),
        )
        record([change], {KIND: Share})
