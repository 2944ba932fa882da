"""What Craftkit says of links, or is decided about them: any order ends in the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.log import about, get_logger
from django_craftkit.models import Change, Job, Share
from django_craftkit.reconcile.answers import kept, why
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.results import Done
from django_craftkit.reconcile.states import MAX_COUNT, States, earliest, merge_answers, ranked
from django_craftkit.reconcile.updates import lock_renders

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from django_craftkit import client
    from django_craftkit.models import Render
    from django_craftkit.reconcile.calls import Lock
    from django_craftkit.reconcile.results import Result

logger = get_logger(__name__)

Status = Share.Status
Cause = Change.Cause

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

#: What changes a row; returns the kind of the job that goes on from there, or none.
Transition = Callable[[Share], str | None]


def furthest(one: str, other: str) -> Share.Status:
    """Return the status of two that no order of updates leads back from."""
    return max(Status(one), Status(other), key=RANK.__getitem__)


class ShareStates(States[Share, Transition]):
    kind, columns = Change.Kind.SHARE, COLUMNS

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self._jobs: dict[tuple[str, str], list[int]] = {}

    def update(self, row: Share, states: Iterable[Transition]) -> list[Change]:
        before = row.status
        for state in states:
            if job := state(row):
                target = row.render_id if job == Job.Kind.ENGAGEMENT else row.pk
                self._jobs.setdefault((job, row.project), []).append(target)
        if row.status == before:
            return []
        if row.status == Status.REJECTED:
            line = "%s %d to document %d of project %r is %s: %s"
            what = "E-mail" if row.by_mail else "Link"
            logger.warning(
                line,
                what,
                row.pk,
                row.render_id,
                row.project,
                row.status,
                why(row),
                extra=about(row),
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


@dataclass(frozen=True, slots=True)
class ShareUpdate:
    """What Craftkit says of a row, or is decided about it, and how that is applied to it."""

    #: The row as it was read before.
    row: Share
    #: Changes the row, given last. Before it comes what is locked with it: another row of the
    #: document, which has the link, and the document. Returns the kind of the job that goes on from
    #: there, or none.
    apply: Callable[[Share | None, Render | None, Share], str | None]
    cause: Cause = Cause.ANSWER
    #: The link that it is about: no two rows take the same.
    remote_id: uuid.UUID | None = None
    #: Whether its document is locked first: for a link, and for a job of the document's.
    with_document: bool = False
    #: How the step ends once it is written; ``None``: the row, as it is by then, says it.
    result: Result | None = None

    def then(self, result: Result) -> ShareUpdate:
        return replace(self, result=result)


def apply(update: ShareUpdate) -> Share:
    """Apply an update to its row, waiting for whoever has it locked; return the row."""
    row = apply_all([update]).get(update.row.pk)
    if row is None:
        raise Share.DoesNotExist(f"{update.row} is gone.")
    return row


def finish(update: ShareUpdate) -> Result:
    """Apply an update after which nothing is left to do."""
    apply(update)
    return Done()


@in_transaction
def apply_all(updates: Sequence[ShareUpdate], locked: Lock = lock) -> dict[int, Share]:
    """Apply updates to their rows, with as many queries for many as for one; return the rows.

    ``locked`` locks a queryset, or those of its rows that are free: what is about another is not
    applied, and not returned.
    """
    shares: Any = Share.objects.writer()
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
    told: dict[Cause, list[tuple[Share, list[Transition]]]] = {}
    for one in updates:
        row = holder = rows.get(one.row.pk)
        if row is not None and one.remote_id is not None:
            holder = rows.get(holders.setdefault((row.render_id, one.remote_id), row.pk))
        if row is None or holder is None or row.render_id in documents.difference(renders):
            continue
        applied[row.pk] = row
        other = None if holder is row else holder
        step = partial(one.apply, other, renders.get(row.render_id))
        told.setdefault(one.cause, []).append((row, [step]))
    for cause, found in told.items():
        ShareStates(cause).apply(found)
    return applied


def decided(
    share: Share, status: Share.Status, cause: Cause, *, job: str = "", **values: Any
) -> ShareUpdate:
    """Return a decision of ours, which counts unless the row has moved on since it was read."""
    before = share.status

    def decide(other: Share | None, render: Render | None, row: Share) -> str | None:
        if row.status != before:
            return None
        row.status = status
        if status == Status.REVOKED:
            row.error = row.error_code = ""
        for name, value in values.items():
            setattr(row, name, value)
        return job

    return ShareUpdate(share, decide, cause, with_document=job == Job.Kind.ENGAGEMENT)


def rejected(share: Share, **said: Any) -> ShareUpdate:
    """Return that a share is refused; ``said`` is what is noted of why."""
    return decided(share, Status.REJECTED, Cause.ANSWER, sending_since=None, **said)


def not_sent(share: Share) -> ShareUpdate:
    """Return that Craftkit did not act on the call that was noted last, by this worker."""
    return ShareUpdate(share, partial(_take_back, share.sending_since))


def _take_back(
    sending_since: datetime | None, other: Share | None, render: Render | None, row: Share
) -> None:
    # What a later call has written stays, and so does what others settle by now.
    if row.status == Status.PENDING and row.sending_since == sending_since:
        row.sending_since = None


def of_link(share: Share, found: client.Share, cause: Cause = Cause.ANSWER) -> ShareUpdate:
    """Return what Craftkit says of a link, as said of this row."""
    return ShareUpdate(share, partial(_apply_link, found), cause, found.id, with_document=True)


def _apply_link(
    found: client.Share, other: Share | None, render: Render | None, row: Share
) -> None:
    is_settled = row.remote_id is None and row.status in Share.FINAL
    if is_settled or row.remote_id not in (None, found.id):
        # It came so late that its request is settled: nobody has seen it.
        if other is None:
            Share.objects.add_found(
                row, remote_id=found.id, url=found.url, revoke_requested_at=clock.now()
            )
        elif other.is_found:
            _revoke_adopted(other, row)
    elif other is None:
        update(row, found)


def of_mail(share: Share, answer: client.SentEmail) -> ShareUpdate:
    """Return the answer to an e-mail: it was sent, whatever has been decided meanwhile."""
    apply_mail = partial(_apply_mail, answer)
    return ShareUpdate(share, apply_mail, remote_id=answer.id, with_document=True)


def _apply_mail(
    answer: client.SentEmail, other: Share | None, render: Render | None, row: Share
) -> str | None:
    if other is not None:
        if other.is_found and row.revoke_requested_at is not None:
            _revoke_adopted(other, row)
    elif row.remote_id not in (None, answer.id) or row.status in Share.FINAL:
        # It came so late that its request is settled, and the mail has gone out. Whoever withdraws
        # the document comes before this, or finds the link.
        Share.objects.add_found(
            row,
            remote_id=answer.id,
            url=answer.url,
            mailed_at=from_utc(answer.sent_at) or database_now(),
            revoke_requested_at=row.revoke_requested_at or (render and render.withdrawn_at),
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


def _revoke_adopted(adopted: Share, share: Share) -> None:
    """Revoke a link that was taken for somebody else's, and is that of a share nobody wants."""
    if adopted.revoke_requested_at is None and adopted.status not in Share.FINAL:
        adopted.revoke_requested_at = clock.now()
        adopted.revoke_requested_by_id = share.revoke_requested_by_id
        adopted.save(using=database())
        Job.objects.schedule(Job.Kind.SHARE, [adopted.pk], adopted.project)


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
