"""What Craftkit says of links: in any order, with repeats, it ends in the same rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django_craftkit.clock import database_now
from django_craftkit.database import database, lock
from django_craftkit.log import get_logger
from django_craftkit.models import Change, EngagementEvent, Job, Share
from django_craftkit.reconcile.answers import SKEW, kept, why
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.states import MAX_COUNT, States, earliest, merge_answers, ranked

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from django_craftkit import client

logger = get_logger(__name__)

Status = Share.Status

RANK = ranked(Status.PENDING, Status.UNKNOWN, Status.REJECTED, Status.ACTIVE, Status.REVOKED)
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
#: What remote states, and decisions of ours, may change.
COLUMNS = (
    "status",
    "remote_id",
    "url",
    "click_count",
    "mailed_at",
    "revoked_at",
    "sending_since",
    "answer",
    "error",
    "error_code",
    "field_errors",
)


def furthest(one: str, other: str) -> Share.Status:
    """Return the status of two that no order of updates leads back from."""
    return max(Status(one), Status(other), key=RANK.__getitem__)


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
        "expiresAt": _milliseconds(from_utc(found.expires_at)) == _milliseconds(share.expires_at),
        "createdAt": None if made is None else made >= since - SKEW,
    }
    said = [
        same for name, same in told.items() if same is not None and name not in found.unreadable
    ]
    if not all(said):
        return False
    return True if len(said) == len(told) else None


def made_at(found: client.Share) -> datetime | None:
    return from_utc(found.created_at)


def _milliseconds(moment: datetime | None) -> datetime | None:
    """Cut a moment to what Craftkit keeps of it."""
    return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def siblings_of(render_id: int) -> list[Share]:
    """Lock all links of a locked document, to compare them with all that Craftkit lists."""
    rows = lock(Share.objects.using(database())).filter(render=render_id)
    return list(rows.order_by("pk"))


#: What changes a row; returns the kind of the job that goes on from there, or none.
Step = Callable[[Share], str | None]


class ShareStates(States[Share, Step]):
    kind, columns = Change.Kind.SHARE, COLUMNS

    def __init__(self, cause: Change.Cause) -> None:
        super().__init__(cause)
        self._jobs: dict[tuple[str, str], list[int]] = {}

    def update(self, row: Share, states: Iterable[Step]) -> list[Change]:
        before = row.status
        for state in states:
            if job := state(row):
                target = row.render_id if job == Job.Kind.ENGAGEMENT else row.pk
                self._jobs.setdefault((job, row.project), []).append(target)
        if row.status == before:
            return []
        if row.status == Status.REJECTED:
            logger.warning(
                "%s %d to document %d of project %r is %s: %s",
                "E-mail" if row.by_mail else "Link",
                row.pk,
                row.render_id,
                row.project,
                row.status,
                why(row),
            )
        return self.history(row, before, row.error)

    def history(self, row: Share, before: str, note: str) -> list[Change]:
        """Return the history of a step; a mail that is known to have gone out was sent first."""
        is_sent = row.by_mail and row.mailed_at is not None
        stages = [Status(row.status)]
        if is_sent and row.status == Status.REVOKED and before != Status.ACTIVE:
            stages.insert(0, Status.ACTIVE)
        signals = MAIL_SIGNAL if row.by_mail else LINK_SIGNAL
        return [
            self.change(
                row,
                earlier,
                status,
                note=note if status == row.status else "",
                person_id=row.revoke_requested_by_id if status == Status.REVOKED else None,
                signal=signals.get(status, ""),
            )
            for earlier, status in pairwise([before, *stages])
        ]

    def follow(self, moved: Sequence[tuple[Share, Mapping[str, Any]]]) -> None:
        unwanted = [
            row
            for row, before in moved
            if before["status"] != row.status == Status.ACTIVE and row.revoke_requested_at
        ]
        Job.objects.schedule_for(Job.Kind.SHARE, unwanted)
        for (kind, project), targets in self._jobs.items():
            Job.objects.schedule(kind, targets, project)


def apply(found: Iterable[tuple[Share, Iterable[Step]]], cause: Change.Cause) -> None:
    """Apply steps to their rows, which are locked; inside a transaction."""
    ShareStates(cause).apply(found)


def update(row: Share, found: client.Share) -> None:
    """Update a row by what Craftkit says of its link."""
    row.remote_id = row.remote_id or found.id
    row.url = row.url or found.url
    row.click_count = min(max(row.click_count, found.click_count or 0), MAX_COUNT)
    row.revoked_at = earliest(row.revoked_at, from_utc(found.revoked_at))
    row.answer = merge_answers(row.answer, kept(found, revokedReason=found.revoked_reason))
    if found.revoked_at:
        row.status = Status.REVOKED
    elif not row.by_mail or row.mailed_at is not None:  # the link alone is no proof of the mail
        row.status = furthest(row.status, Status.ACTIVE)
    if row.status in (Status.ACTIVE, Status.REVOKED):
        row.error = row.error_code = ""
