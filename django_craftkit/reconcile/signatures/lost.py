"""A request whose answer was lost, looked for in what Craftkit lists of its document."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django_craftkit.clock import database_now
from django_craftkit.models import Change, SignatureRequest
from django_craftkit.models.arguments import LATEST
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.reconcile.answers import SKEW, warn_of_unreadable
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.renders.states import remote_id_of
from django_craftkit.reconcile.results import Reschedule, Result, look_delay
from django_craftkit.reconcile.updates import Update

from .states import LOOK_AGAIN, MAX_POLL, REQUESTS, Status, state_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence, Set

    from django_craftkit import client
    from django_craftkit.client.signatures import Signatures
    from django_craftkit.models import SignatureRecipient


@dataclass(frozen=True, slots=True)
class Listed:
    """What Craftkit lists that may be a request."""

    #: What agrees with it in all that can be told.
    alike: Mapping[uuid.UUID, client.SignatureRequest]
    #: What can't be read well enough to tell.
    unclear: Set[uuid.UUID]
    #: Whether something was left out.
    is_odd: bool


def look(
    request: SignatureRequest, people: Sequence[SignatureRecipient], signatures: Signatures
) -> Listed:
    """Read what Craftkit lists that may be a request; touches no database."""
    asked = sorted(one.email.casefold() for one in people)
    alike, unclear = {}, set()
    is_odd = False
    for page in signatures.pages(render_id=remote_id_of(request.render)):
        is_odd |= warn_of_unreadable("signatures", request.project, page)
        for found in page.items:
            may_be = _may_be(request, found)
            if may_be is not False:
                if may_be and request.erased_at is not None:
                    # To whom it went nobody knows any more. Nobody else requests one of its
                    # document, which was withdrawn.
                    alike[found.id] = found
                    continue
                # A list may leave the people out.
                found = found if _is_to(found, asked) is not None else signatures.get(found.id)
                is_to = _is_to(found, asked)
                if may_be and is_to:
                    alike[found.id] = found
                elif is_to is not False:
                    unclear.add(found.id)
    return Listed(alike, unclear, is_odd)


def apply(request: SignatureRequest, listed: Listed) -> Result | None:
    """Apply what was listed after the last call for a request; ``None``: it is not among it."""
    alike, unclear = listed.alike, listed.unclear
    rows = SignatureRequest.objects.writer()
    # The document's other wanted requests that were sent, and had no answer yet.
    rivals = rows.exclude(pk=request.pk).filter(
        render=request.render_id,
        status=Status.PENDING,
        sent_at__isnull=False,
        cancel_requested_at=None,
    )
    if alike and rivals.exists():
        # It may be theirs: their keys tell, when they are retried. Looked for after the list was
        # read, and before who has which id: whoever was sent meanwhile is found here or there.
        return Reschedule(LOOK_AGAIN, answered=True)
    taken = rows.filter(remote_id__in=[*alike, *unclear])
    known = set(taken.values_list("remote_id", flat=True))
    free = [found for found in alike.values() if found.id not in known]
    if free:
        first = min(free, key=lambda one: from_utc(one.created_at) or from_utc(LATEST))
        REQUESTS.apply_one(Update(request, state_of(first), Change.Cause.READ_BACK))
        return Reschedule(0.0, answered=True)
    if listed.is_odd or unclear - known:
        # People may have been mailed by it: it is neither ended here nor sent under another key.
        since = (database_now() - (request.sent_at or request.requested_at)).total_seconds()
        problem = Problem(ErrorCode.REQUESTS_UNREADABLE)
        return Reschedule(look_delay(since, LOOK_AGAIN, MAX_POLL), problem, answered=True)
    return None


def _may_be(request: SignatureRequest, found: client.SignatureRequest) -> bool | None:
    """Whether what Craftkit lists is what was requested, as far as time and name tell.

    ``None``: one of them can't be read, and the other says nothing against it.
    """
    sent_at = request.sent_at or request.requested_at
    told = [
        not request.name or (_plain(found.name) == _plain(request.name) if found.name else None),
        from_utc(found.created_at) >= sent_at - SKEW if found.created_at else None,
    ]
    return False if False in told else None if None in told else True


def _is_to(found: client.SignatureRequest, asked: list[str]) -> bool | None:
    """Whether what Craftkit lists went to these addresses; ``None``: it does not say to whom."""
    said = [one.email.casefold() for one in found.recipients if one.email]
    is_whole = said and len(said) == len(found.recipients)
    if not is_whole or "recipients" in found.unreadable:
        return None
    return sorted(said) == asked


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()
