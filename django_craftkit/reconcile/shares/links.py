"""Links: made once, settled where the answer was lost, revoked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django_craftkit import client
from django_craftkit.client import CraftkitError, NotFound
from django_craftkit.clock import database_now
from django_craftkit.log import about, get_logger
from django_craftkit.models import Change, Share
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.projects import get_client
from django_craftkit.reconcile.answers import warn_of_unreadable
from django_craftkit.reconcile.moments import from_utc, to_utc
from django_craftkit.reconcile.renders.states import remote_id_of
from django_craftkit.reconcile.results import Done, Reschedule, Result

from .send import ShareCall, Sharing, SoloStep, prepare, read_sent
from .settle import delay, settle
from .states import LOOK_AGAIN, ShareUpdate, Status, decided, of_link

if TYPE_CHECKING:
    import uuid

    from django_craftkit.reconcile.executor import Answer

logger = get_logger(__name__)


class Links(Sharing):
    def due(self, share: Share) -> Result | ShareCall | SoloStep:
        if share.status in Share.FINAL:
            return Done()
        if share.revoke_requested_at and share.remote_id is not None:
            return _plan_revocation(share, share.remote_id)
        if share.status == Status.ACTIVE:
            return Done()
        if share.status == Status.UNKNOWN or share.sending_since is not None:
            return SoloStep(partial(settle, share))
        is_wanted = not (share.revoke_requested_at or share.render.withdrawn_at)
        if share.by_mail and is_wanted:
            return Done()  # a job of its own sends it
        return prepare(share) or _make(share)

    def end(self, row: Share) -> Result:
        is_settled = row.status == Status.ACTIVE and not row.revoke_requested_at
        if is_settled or row.status in Share.FINAL:
            return Done(answered=True)
        # Where another row has taken this link meanwhile, this one is still to be settled.
        return Reschedule(0.0, answered=True)


#: What makes and revokes links, and goes on from the answers.
LINKS = Links()
step = LINKS.step


def _make(share: Share) -> ShareCall:
    create = partial(
        get_client(share.project, max_retries=0).shares.create,
        remote_id_of(share.render),
        channel=share.channel,
        recipient_email=share.recipient_email or None,
        message=share.message or None,
        expires_at=to_utc(share.expires_at),
    )
    return ShareCall(share, create, partial(read_sent, share, of_link, _unsure))


def _unsure(share: Share, error: CraftkitError) -> ShareUpdate:
    logger.warning("Share %s may have been made: %s", share.pk, error, extra=about(share))
    update = decided(share, Status.UNKNOWN, Change.Cause.ANSWER, error=str(error))
    return update.then(Reschedule(LOOK_AGAIN, Problem.of(error)))


def _plan_revocation(share: Share, remote_id: uuid.UUID) -> ShareCall:
    craftkit = get_client(share.project, max_retries=0)
    revoke = partial(_revoke, craftkit, remote_id_of(share.render), remote_id)
    return ShareCall(share, revoke, partial(_read_revocation, share, remote_id), creates=False)


def _revoke(
    craftkit: client.Craftkit, render_id: uuid.UUID, remote_id: uuid.UUID
) -> client.Revocation | client.Listed[client.Share]:
    """Close a link; return Craftkit's list where it has none to close, which tells since when."""
    try:
        return craftkit.shares.revoke(render_id, remote_id)
    except NotFound as error:
        if error.is_passing:
            raise
        # Revoked before, or never there.
        return craftkit.shares.list(render_id)


def _read_revocation(share: Share, remote_id: uuid.UUID, answer: Answer) -> ShareUpdate | Result:
    if answer.error is not None:
        raise answer.error
    said: client.Revocation | client.Listed[client.Share] = answer.value
    revoked_at = None
    if isinstance(said, client.Revocation):
        revoked_at = from_utc(said.revoked_at)
    elif found := next((one for one in said if one.id == remote_id), None):
        if found.revoked_at is None:
            return Reschedule(LOOK_AGAIN, Problem(ErrorCode.SHOWN_AS_OPEN), answered=True)
        return of_link(share, found, Change.Cause.READ_BACK)
    elif warn_of_unreadable("shares", share.project, said):
        waited = database_now() - (share.revoke_requested_at or share.requested_at)
        return Reschedule(delay(waited), Problem(ErrorCode.LINKS_UNREADABLE), answered=True)
    revoked_at = revoked_at or database_now()
    return decided(share, Status.REVOKED, Change.Cause.ANSWER, revoked_at=revoked_at)
