"""E-mails: sent once. What may have gone out is settled with the links, never sent blindly."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django_craftkit.log import about, get_logger
from django_craftkit.models import Change, Job, Share
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.projects import get_client
from django_craftkit.reconcile.answers import refusal
from django_craftkit.reconcile.moments import to_utc
from django_craftkit.reconcile.renders.states import remote_id_of
from django_craftkit.reconcile.results import Done, Result

from .send import ShareCall, Sharing, SoloStep, prepare, read_sent
from .states import ShareUpdate, Status, decided, finish, of_mail, rejected

if TYPE_CHECKING:
    from django_craftkit.client import CraftkitError

logger = get_logger(__name__)


class Mails(Sharing):
    def due(self, share: Share) -> Result | ShareCall | SoloStep:
        if share.status != Status.PENDING or share.revoke_requested_at is not None:
            return Done()
        if share.sending_since is not None:
            problem = Problem(ErrorCode.INTERRUPTED)
            return SoloStep(partial(finish, _to_settle(share, Change.Cause.HERE, problem)))
        return prepare(share) or _send(share)


#: What sends e-mails, and goes on from the answers.
MAILS = Mails()
step = MAILS.step


def _send(share: Share) -> ShareCall:
    send = partial(
        get_client(share.project, max_retries=0).emails.send,
        remote_id_of(share.render),
        share.recipient_email,
        recipient_name=share.recipient_name or None,
        message=share.message or None,
        expires_at=to_utc(share.expires_at),
    )
    return ShareCall(share, send, partial(read_sent, share, of_mail, _unsure))


def _unsure(share: Share, error: CraftkitError) -> ShareUpdate:
    if error.code == "email_send_failed":
        # Craftkit's provider did not take it. Its link may be there: it is adopted, and revoked.
        return rejected(share, job=Job.Kind.ENGAGEMENT, **refusal(error))
    logger.warning(
        "The e-mail of share %s may have been sent: %s", share.pk, error, extra=about(share)
    )
    return _to_settle(share, Change.Cause.ANSWER, Problem(detail=str(error))).then(Done())


def _to_settle(share: Share, cause: Change.Cause, problem: Problem) -> ShareUpdate:
    return decided(share, Status.UNKNOWN, cause, job=Job.Kind.SHARE, **problem.columns)
