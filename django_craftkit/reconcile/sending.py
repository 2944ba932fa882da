"""Links and e-mails are sent once, though Craftkit takes no idempotency key for them.

The row says that it is being sent before it is. A call whose end nobody knows is never made again:
``shares.py`` settles it, and only a proof that Craftkit did not act leads back here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django_craftkit import clock
from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.database import database, in_transaction
from django_craftkit.models import Change, Render, Share

from . import calls, shares
from .outcomes import PARKED, Again, Done, Outcome
from .renders import is_final_by_now
from .shares import LOOK_AGAIN, Status

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


def held_back(share: Share) -> Outcome | None:
    """Return what keeps a pending share from being sent, for now or for good."""
    if share.render.withdrawn_at is not None or share.revoke_requested_at is not None:
        shares.move(share, Status.REVOKED, Change.Cause.HERE, revoked_at=clock.now())
        return Done()
    if share.render.status != Render.Status.SUCCEEDED or share.render.remote_id is None:
        # Who has found it at its end may have looked for what waits a moment before this did.
        is_over = not share.render.is_final and is_final_by_now(share.render_id)
        return Again(0.0 if is_over else PARKED)
    if share.is_expired:
        shares.reject(share, "expired", "It had expired before it could be sent.")
        return Done()
    return None


def send(
    share: Share, call: Callable[[], Answer], unsure: Callable[[CraftkitError], Outcome]
) -> Answer | Outcome:
    """Make the one call; return its answer, or how the step ends.

    ``unsure`` is called for an error after which Craftkit may have acted.
    """
    started = clock.now()
    if not begin(share):
        return Again(0.0)
    if calls.stood_still(started):
        put_back(share)
        return Again(0.0)
    try:
        return call()
    except CraftkitError as error:
        if not error.proves_inaction:
            return unsure(error)
        if isinstance(error, (InvalidRequest, NotFound)):
            shares.reject(share, error.code, error.message, getattr(error, "field_errors", {}))
            return Done(heard=True)
        put_back(share)
        if isinstance(error, Conflict):
            return Again(LOOK_AGAIN, error=str(error), heard=True)
        raise


@in_transaction
def begin(share: Share) -> bool:
    """Say that the share is being sent, unless it is unwanted by now."""
    # Whoever withdraws the document comes before this, or finds the link.
    if shares.lock_render(share.render_id).withdrawn_at is not None:
        return False
    wanted = Share.objects.using(database()).filter(revoke_requested_at=None)
    return calls.note(share, wanted, error="", error_code="")


def put_back(share: Share) -> None:
    """Note that Craftkit did not act, so that the share can be sent again."""
    calls.take_back(share, {"sending_since": None})
