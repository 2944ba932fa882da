"""Links that Craftkit tells of: rows are updated, a link without one gets one.

A link that nobody here has made is adopted, so that it can be revoked, unless one of its document
is being sent: that may be it. One of a withdrawn document, or of a mail that failed, is revoked at
once.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django_craftkit import clock
from django_craftkit.database import database, in_transaction, lock, sanitized
from django_craftkit.models import Change, EngagementEvent, Job, Render, Share
from django_craftkit.models.erasing import erase_seen
from django_craftkit.models.share_manager import MAX_EMAIL
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.answers import SKEW, kept
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.states import MAX_COUNT, earliest
from django_craftkit.reconcile.updates import lock_renders

from .settle import EMAIL_SENT, known_mails, mailed, matches, may_hide_mails
from .states import LOOK_AGAIN, ShareStates, Status, furthest, update

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from django_craftkit import client


@in_transaction
def apply_listed(
    render: Render, listed: client.Listed[client.Share], read: client.Engagement
) -> bool:
    """Apply all links that Craftkit lists of a document, and adopt those that have no row.

    Returns ``False`` where some could not be adopted yet, or can't be read.
    """
    # Whoever withdraws the document comes before this, or finds the links.
    row = lock_renders([render.pk])[render.pk]
    siblings = list(lock(Share.objects.writer()).filter(render=render.pk).order_by("pk"))
    known = {one.remote_id: one for one in siblings}
    ShareStates(Change.Cause.POLL).apply(
        (known[one.id], [partial(update, found=one)]) for one in listed if one.id in known
    )
    strange = [found for found in listed if found.id not in known]
    if strange and any(_is_being_sent(one) for one in siblings):
        return False
    sent = {*mailed(read), *known_mails([found.id for found in strange])}
    for found in strange:
        # One that somebody has got is another's: a colleague's, say, who mailed it there instead.
        # A mail that failed may have been retried since. Where that can't be read, it stays.
        is_had = found.id in sent or bool(found.click_count) or "clickCount" in found.unreadable
        is_surplus = row.withdrawn_at is not None or (
            not is_had
            and not may_hide_mails(read)
            and any(one.by_mail and matches(one, found, one.requested_at) for one in siblings)
        )
        # A mail that was erased holds nothing to know its link by, but when it was sent.
        is_erased = any(_may_be_of(one, found, is_had=is_had) for one in siblings)
        _adopt(row, found, is_surplus=is_surplus or is_erased, is_erased=is_erased)
    return not listed.unreadable


def _is_being_sent(share: Share) -> bool:
    is_open = share.status in (Status.PENDING, Status.UNKNOWN) and not share.is_unsettled
    return is_open and share.sending_since is not None


def _may_be_of(share: Share, found: client.Share, *, is_had: bool) -> bool:
    """Whether a strange link may be that of a mail that was erased before it was known."""
    if share.erased_at is None or not share.by_mail or share.remote_id is not None:
        return False
    made_at = from_utc(found.created_at)
    if share.sending_since is not None:
        if made_at is None:
            return True
        is_late = calls.is_over(share.project, share.sending_since, made_at - SKEW)
        return made_at >= share.sending_since - SKEW and not is_late
    if share.status != Status.REJECTED or is_had:
        return False
    # Craftkit made the link, and its provider did not take the mail.
    return made_at is None or share.requested_at - SKEW <= made_at <= share.erased_at + SKEW


def _adopt(render: Render, found: client.Share, *, is_surplus: bool, is_erased: bool) -> None:
    """Give a link a row of its own; one that should not be open is revoked."""
    like = Share(
        render=render,
        project=render.project,
        channel=sanitized(found.channel)[:8] or Share.Channel.LINK,
        recipient_email=sanitized(found.recipient_email or "")[:MAX_EMAIL],
        message=sanitized(found.message or ""),
        expires_at=from_utc(found.expires_at),
        erased_at=render.erased_at or (clock.now() if is_erased else None),
    )
    row = Share.objects.add_found(
        like,
        remote_id=found.id,
        url=found.url,
        status=Status.REVOKED if found.revoked_at else Status.ACTIVE,
        revoked_at=from_utc(found.revoked_at),
        click_count=min(found.click_count or 0, MAX_COUNT),
        requested_at=from_utc(found.created_at) or clock.now(),
        revoke_requested_at=clock.now() if is_surplus and not found.revoked_at else None,
        answer=kept(found, revokedReason=found.revoked_reason),
    )
    Change.objects.record(ShareStates(Change.Cause.READ_BACK).history(row, "", ""))
    if is_erased:
        erase_seen(render, found.id)


def apply_events(
    renders: Mapping[int, Render], events: Sequence[EngagementEvent], cause: Change.Cause
) -> None:
    """Apply what engagement events say of links; inside a transaction, documents locked."""
    named = [event for event in events if event.share_remote_id is not None]
    if not named:
        return
    using, about = database(), {event.share_remote_id for event in named}
    rows = lock(Share.objects.using(using)).filter(render__in=list(renders), remote_id__in=about)
    links = {row.remote_id: row for row in rows.order_by("pk")}
    views = EngagementEvent.objects.using(using).views_of(links)
    known: dict[uuid.UUID | None, list[EngagementEvent]] = {}
    for event in named:
        if event.share_remote_id in links:
            known.setdefault(event.share_remote_id, []).append(event)
    ShareStates(cause).apply(
        (links[remote_id], [partial(_update, events=mine, views=views.get(remote_id, 0))])
        for remote_id, mine in known.items()
    )
    _look_for([event for event in named if event.share_remote_id not in links])


def _update(row: Share, events: Sequence[EngagementEvent], views: int) -> None:
    """Update a row by what events say of its link."""
    before = row.status
    row.click_count = min(max(row.click_count, views), MAX_COUNT)
    for event in events:
        if event.type == EngagementEvent.Type.SHARE_REVOKED:
            row.revoked_at = earliest(row.revoked_at, event.occurred_at)
            row.status = Status.REVOKED
        elif event.type == EMAIL_SENT:
            row.mailed_at = earliest(row.mailed_at, event.occurred_at)
            row.status = furthest(row.status, Status.ACTIVE)
    if row.status != before:
        row.error = row.error_code = ""


def _look_for(strange: Sequence[EngagementEvent]) -> None:
    """Schedule reading the links that events name and no row has."""
    # Somebody else's, or one whose answer is on its way.
    at = clock.now() + timedelta(seconds=LOOK_AGAIN)
    for project in {event.project for event in strange}:
        mine = [event for event in strange if event.project == project]
        documents = {event.render_id for event in mine}
        Job.objects.schedule(Job.Kind.ENGAGEMENT, documents, project, at=at)
        sent = {event.render_id for event in mine if event.type == EMAIL_SENT}
        if sent:
            # It may tell what became of the document's unsettled mails.
            waiting = Share.objects.writer().filter(
                render__in=sent, by_mail=True, status=Status.UNKNOWN
            )
            Job.objects.schedule(Job.Kind.SHARE, waiting.values_list("pk", flat=True), project)
