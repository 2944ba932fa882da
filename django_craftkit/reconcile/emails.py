"""E-mails: sent once. What may have gone out is settled by ``links.py``, never sent blindly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit import client
from django_craftkit.database import database, in_transaction
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, Share
from django_craftkit.models.engagement import KIND as ENGAGEMENT
from django_craftkit.models.share import KIND as SHARE
from django_craftkit.projects import get_client

from . import sending, shares
from .facts import how
from .moments import there
from .outcomes import Done
from .renders import remote_id_of
from .shares import Status

if TYPE_CHECKING:
    from django_craftkit.client import CraftkitError

    from .outcomes import Outcome

logger = get_logger(__name__)

#: Craftkit's provider did not take the mail: it was not sent, though its link may be there.
SEND_FAILED = "email_send_failed"


def step(job: Job) -> Outcome:
    """Send a mail that waits for it."""
    share = (
        Share.objects.using(database()).select_related("render").filter(pk=job.object_id).first()
    )
    if share is None or share.status != Status.PENDING or share.revoke_requested_at is not None:
        return Done()
    if share.sending_since is not None:
        # A worker ended in the call.
        return _settle(share, Change.Cause.HERE, "A worker ended while it was being sent.")
    return sending.held_back(share) or _send(share)


def _send(share: Share) -> Outcome:
    craftkit = get_client(share.project, max_retries=0)

    def unsure(error: CraftkitError) -> Outcome:
        if error.code == SEND_FAILED:
            return _refused(share, error)
        logger.warning("The e-mail of share %s may have been sent: %s", share.pk, how(error))
        return _settle(share, Change.Cause.ANSWER, str(error))

    answer = sending.send(
        share,
        lambda: craftkit.emails.send(
            remote_id_of(share.render),
            share.recipient_email,
            recipient_name=share.recipient_name or None,
            message=share.message or None,
            expires_at=there(share.expires_at),
        ),
        unsure,
    )
    if not isinstance(answer, client.SentEmail):
        return answer
    if shares.hear_sent(share.pk, answer).status == Status.PENDING:
        # Another mail of the same words has taken this link: this one is still to be settled.
        _settle(share, Change.Cause.ANSWER, "")
    return Done(heard=True)


@in_transaction
def _refused(share: Share, error: CraftkitError) -> Outcome:
    shares.reject(share, error.code, error.message)
    # The link may be there without its mail: it is found, and revoked.
    Job.objects.wish(ENGAGEMENT, [share.render_id], share.project)
    return Done(heard=True)


@in_transaction
def _settle(share: Share, cause: Change.Cause, error: str) -> Outcome:
    shares.move(share, Status.UNKNOWN, cause, error=error)
    Job.objects.wish(SHARE, [share.pk], share.project)
    return Done()
