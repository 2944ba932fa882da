"""Links, e-mails, and what became of them."""

from __future__ import annotations

import secrets
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from django_craftkit import client, clock
from django_craftkit.database import in_transaction
from django_craftkit.models import Change, EngagementEvent, Job, Render, Share
from django_craftkit.models.arguments import hash_key
from django_craftkit.models.problems import ErrorCode
from django_craftkit.reconcile import engagement
from django_craftkit.reconcile.shares import states
from django_craftkit.testing.moments import as_text

from .base import at_moment, check_status, new_id, numbers, set_columns, settle
from .documents import render_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

Status = Share.Status


def share_factory(
    render: Render | None = None,
    *,
    status: str = "active",
    by_mail: bool = False,
    recipient_email: str = "",
    recipient_name: str = "",
    message: str = "",
    expires_at: datetime | None = None,
    key: str | None = None,
    error: str = "Refused.",
    error_code: str = "invalid_request",
    at: datetime | None = None,
    save: bool = True,
    **columns: Any,
) -> Share:
    """Return a link or an e-mail in any state.

    Args:
        render: its document; None: a new one that is ready.
        status: one of ``Share.Status``. An e-mail that is ``unknown`` is one of which only staff
            can say whether it was sent; a link's answer was lost.
        by_mail: whether Craftkit mails it.
        recipient_email: who it is for; an e-mail has an address of example.com, if none is given.
        recipient_name: their name, of an e-mail.
        message: what they read.
        expires_at: when it ends; None: never.
        key: its key; None: a new one.
        error: why it was rejected.
        error_code: Craftkit's code, of a rejected one.
        at: when all of it happened; None: now.
        save: whether it is written, with its jobs and history; ``render`` must have been, too.
        columns: other columns as they are to be: ``click_count=``, ``requested_by=`` …

    Raises:
        ValueError: there is no such status; a link is made of a document that isn't ready.
    """
    status = check_status(status, Share)
    number = next(numbers)
    if by_mail and not recipient_email:
        recipient_email = f"recipient-{number}@example.com"
    render = render_factory(at=at, save=save) if render is None else render
    if status not in (Status.PENDING, Status.REJECTED) and render.status != "succeeded":
        raise ValueError(f"{render} is {render.status}: no link of it can be {status}.")
    channel = "email" if recipient_email else "link"
    with at_moment(at) as now:
        share = Share(
            render=render,
            project=render.project,
            channel=channel,
            by_mail=by_mail,
            recipient_email=recipient_email,
            recipient_name=recipient_name,
            message=message,
            expires_at=expires_at,
        )
        key = f"share-{number}" if key is None else key
        stages = [Status.ACTIVE, status] if status == Status.REVOKED else [status]
        changes = [partial(_change, stage, error, error_code, now) for stage in stages]
        if save:
            return _saved(render, share, key, changes, {"updated_at": now, **columns})
        share.key, share.key_hash = key, hash_key(key)
        share.adopted = share.declared = False
        for change in changes:
            change(share)
        set_columns(share, **{"updated_at": now, **columns})
        return share


@in_transaction
def _saved(
    render: Render,
    wanted: Share,
    key: str,
    changes: Iterable[Callable[[Share], None]],
    columns: dict[str, Any],
) -> Share:
    share = render.shares.request(wanted, key=key, user=None, wait=False)
    for change in changes:
        states.ShareStates(Change.Cause.ANSWER).apply([(share, [change])])
    done = [] if share.status == Status.PENDING else [Job.Kind.SHARE, Job.Kind.EMAIL]
    if share.status == Status.UNKNOWN and not share.by_mail:
        done = [Job.Kind.EMAIL]
    if share.revoke_requested_at is not None:
        columns = {"revoke_requested_at": share.revoke_requested_at, **columns}
    settle(share, Change.Kind.SHARE, done, **columns)
    share.render = render
    return share


def _change(status: str, error: str, error_code: str, now: datetime, share: Share) -> None:
    """Change a row that is pending as what Craftkit says would."""
    if status == Status.PENDING:
        return
    if status == Status.REJECTED:
        share.status = Status.REJECTED
        share.error, share.error_code = error, error_code
        return
    if status == Status.REVOKED:
        share.revoke_requested_at = share.revoked_at = now
        share.status = Status.REVOKED
        return
    share.sending_since = now
    share.status = Status(status)
    if status == Status.UNKNOWN and not share.by_mail:
        share.error = "The answer was lost."
        return
    share.remote_id = uuid.uuid4()
    share.url = f"https://craftkit.example/share/cks_{secrets.token_urlsafe(24)}"
    share.answer = {"revokedReason": None}
    if status == Status.UNKNOWN:
        share.error_code, share.error = ErrorCode.MAIL_UNPROVEN, ErrorCode.MAIL_NOT_RECORDED
    elif share.by_mail:
        share.mailed_at = now
        share.answer = {"emailMessageId": f"re_{secrets.token_urlsafe(24)}"}


def engagement_event_factory(
    render: Render | None = None,
    type: str = "viewed",  # noqa: A002 - its name in the model
    *,
    share: Share | None = None,
    actor: str = "",
    ip_address: str | None = "203.0.113.7",
    user_agent: str = "Mozilla/5.0",
    metadata: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> EngagementEvent:
    """Return an event of a document that Craftkit has counted; the document counts it, too.

    Args:
        render: its document; None: that of ``share``, or a new one.
        type: one of ``EngagementEvent.Type``.
        share: the link that it came by; None: none.
        actor: one of ``EngagementEvent.Actor``; "": who causes such an event.
        ip_address: as Craftkit tells it; stored as settings say.
        user_agent: the browser; stored as settings say.
        metadata: further data.
        at: when it happened; None: now.
    """
    if type not in EngagementEvent.Type.values:
        known = ", ".join(EngagementEvent.Type.values)
        raise ValueError(f"type= is {type!r}: write one of {known}.")
    render = render or (render_factory(at=at) if share is None else share.render)
    is_recipients = type in ("viewed", "downloaded", "printed", "email_opened")
    said = client.EngagementEvent.from_json(
        {
            "id": new_id(),
            "eventType": type,
            "actorKind": actor or ("recipient" if is_recipients else "partner"),
            "shareId": None if share is None else str(share.remote_id),
            "sourceIp": ip_address,
            "userAgent": user_agent,
            "metadata": metadata,
            "createdAt": as_text(clock.now() if at is None else at),
        }
    )
    with at_moment(at):
        return _counted(render, share, said)


@in_transaction
def _counted(render: Render, share: Share | None, said: client.EngagementEvent) -> EngagementEvent:
    row = Render.objects.writer().get(pk=render.pk)
    engagement.apply([(row, [said])], Change.Cause.WEBHOOK)
    event = EngagementEvent.objects.writer().get(event_id=said.id, project=row.project)
    settle(event, Change.Kind.ENGAGEMENT, [])
    # Nobody is to look for links that Craftkit, which knows nothing of this, does not list.
    Job.objects.writer().filter(kind=Job.Kind.ENGAGEMENT, object_id=row.pk).delete()
    render.counts = row.counts
    if share is not None:
        share.refresh_from_db(using=row._state.db)
        share.render = render
    event.render = render
    return event
