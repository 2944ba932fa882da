"""E-mails: sent once. What may have gone out is settled with the links, never sent blindly."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django_craftkit.log import get_logger
from django_craftkit.models import Change, Share
from django_craftkit.models.engagement import KIND as ENGAGEMENT
from django_craftkit.models.share import KIND as SHARE
from django_craftkit.projects import get_client

from .facts import how, refusal
from .moments import there
from .outcomes import Done, Outcome
from .renders.facts import remote_id_of
from .shares.facts import Status
from .shares.hear import Heard, decided, hear, of_mail, rejected
from .shares.send import Alone, Errand, Said, Sharing, held_back, read_sent

if TYPE_CHECKING:
    from django_craftkit import client
    from django_craftkit.client import CraftkitError

logger = get_logger(__name__)

#: Craftkit's provider did not take the mail: it was not sent, though its link may be there.
SEND_FAILED = "email_send_failed"


class Mails(Sharing):
    def due(self, share: Share) -> Outcome | Errand | Alone:
        if share.status != Status.PENDING or share.revoke_requested_at is not None:
            return Done()
        if share.sending_since is not None:
            return Alone(partial(_settle_lost, share))
        return held_back(share) or _send(share)


#: What sends e-mails, and goes on from the answers.
MAILS = Mails()
step = MAILS.step


def _send(share: Share) -> Errand:
    send = partial(
        get_client(share.project, max_retries=0).emails.send,
        remote_id_of(share.render),
        share.recipient_email,
        recipient_name=share.recipient_name or None,
        message=share.message or None,
        expires_at=there(share.expires_at),
    )
    return Errand(share, send, partial(read_sent, share, _sent, _unsure))


def _sent(share: Share, answer: client.SentEmail) -> Said:
    return Said(of_mail(share, answer))


def _unsure(share: Share, error: CraftkitError) -> Said:
    if error.code == SEND_FAILED:
        # The link may be there without its mail: it is found, and revoked.
        return Said(rejected(share, job=ENGAGEMENT, **refusal(error)))
    logger.warning("The e-mail of share %s may have been sent: %s", share.pk, how(error))
    return Said(_to_settle(share, Change.Cause.ANSWER, error=str(error)), Done())


def _settle_lost(share: Share) -> Outcome:
    """Have a mail settled whose worker ended in the call."""
    error = "A worker ended while it was being sent."
    hear(_to_settle(share, Change.Cause.HERE, error=error))
    return Done()


def _to_settle(share: Share, cause: Change.Cause, **said: Any) -> Heard:
    return decided(share, Status.UNKNOWN, cause, job=SHARE, **said)
