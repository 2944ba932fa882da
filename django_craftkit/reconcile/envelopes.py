"""Signature requests: sent once, followed to their end, cancelled where somebody wants that.

``send`` and ``step`` are jobs of their own, so that a want of credits holds up nobody who follows
or cancels a request that is out. Craftkit takes an idempotency key for a request: a call whose end
nobody knows is made again, with the same key.
"""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django_craftkit import client, clock
from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, ProjectState, Render, SignatureRequest
from django_craftkit.models.arguments import LATEST
from django_craftkit.projects import get_client

from . import calls
from .facts import SKEW, is_of_another, refusal, used_elsewhere, warn_of_unreadable
from .moments import here
from .outcomes import PARKED, Again, Done, Failed, Outcome, outcome_of_open
from .renders import is_final_by_now, remote_id_of
from .signatures import MAX_POLL, UNKNOWN, Fact, Status, hear_one, is_told

if TYPE_CHECKING:
    import uuid

    from django.db.models import QuerySet

logger = get_logger(__name__)

#: Seconds to the next look after Craftkit contradicts itself.
LOOK_AGAIN = 5.0
UNREADABLE = "Craftkit lists requests that can't be read, and this may be one of them."
#: How long a request is asked for that Craftkit does not know, and how often.
GIVE_UP_AFTER, ASK_AGAIN = timedelta(days=1), timedelta(hours=1)


def send(job: Job) -> Outcome:
    """Send a request that waits for it, as soon as its document is ready."""
    request = _read(job)
    if request is None or request.status != Status.PENDING or request.cancel_requested_at:
        return Done()
    render = request.render
    if render.withdrawn_at is not None:
        return _decide(request, Fact(Status.CANCELLED, error="Its document was withdrawn."))
    if render.is_retriable:
        error = f"Its document is {render.status}. {render.error}".strip()
        return _decide(request, Fact(Status.REJECTED, error=error, error_code="render_failed"))
    if render.status != Render.Status.SUCCEEDED or render.remote_id is None:
        # Who has found it at its end may have looked for what waits a moment before this did.
        is_over = not render.is_final and is_final_by_now(render.pk)
        return Again(0.0 if is_over else PARKED)
    return _send(request)


def _send(request: SignatureRequest) -> Outcome:
    signatures = get_client(request.project, max_retries=0).signatures
    started, before = clock.now(), calls.noted(request)
    if not _begin(request):
        return Again(0.0)
    if calls.stood_still(started):
        calls.take_back(request, before)
        return Again(0.0)
    try:
        answer = signatures.create(
            remote_id_of(request.render), idempotency_key=wire_key(request), **request.as_sent()
        )
    except (InvalidRequest, NotFound, Conflict) as error:
        if error.is_passing:
            raise
        # It may be refused to make another: then the first call got through.
        found = _join_lost(request) if before["sent_at"] is not None else None
        fact = Fact(Status.REJECTED, **refusal(error))
        return found or _decide(request, fact, Change.Cause.ANSWER)
    except CraftkitError as error:
        if error.proves_inaction:
            calls.take_back(request, before)
        raise
    sent_at = request.sent_at or database_now()
    if is_of_another(answer, sent_at):
        fact = Fact(Status.REJECTED, **used_elsewhere(answer))
        return _decide(request, fact, Change.Cause.ANSWER)
    heard = hear_one(request, Fact.of(answer), Change.Cause.ANSWER)
    return Again(1.0, heard=True) if heard is None else Done(heard=True)


@in_transaction
def _begin(request: SignatureRequest) -> bool:
    """Say that a request is being sent, unless it is unwanted by now."""
    # Whoever withdraws the document comes before this, or finds the request.
    renders = lock(Render.objects.using(database())).only("withdrawn_at")
    if renders.get(pk=request.render_id).withdrawn_at is not None:
        return False
    rows = SignatureRequest.objects.using(database())
    return calls.note(request, rows.filter(attempt=request.attempt, cancel_requested_at=None))


def wire_key(request: SignatureRequest) -> str:
    """Return the ``Idempotency-Key``: 64 hexadecimal characters, another one for each attempt."""
    namespace = ProjectState.objects.of(request.project).namespace
    parts = (namespace, request.project, "signature", request.render_id, request.key_hash)
    text = "\n".join(map(str, (*parts, request.attempt)))
    return hashlib.sha256(text.encode()).hexdigest()


def step(job: Job) -> Outcome:
    """Cancel a request that is unwanted; else ask Craftkit how far it is."""
    request = _read(job)
    if request is None or request.is_final:
        return Done()
    try:
        if request.status == Status.PENDING:
            return _take_back(request) if request.cancel_requested_at else Done()
        if request.cancel_requested_at:
            return _cancel(request)
        return ask(request)
    except CraftkitError as error:
        return outcome_of_open(error)


def ask(request: SignatureRequest) -> Outcome:
    """Ask Craftkit about one request."""
    asked_at = database_now()
    try:
        answer = get_client(request.project, max_retries=0).signatures.get(_id_of(request))
    except NotFound as error:
        if error.is_passing:
            raise
        return _unknown(request, asked_at)
    if answer.id != request.remote_id:
        return Failed(f"Craftkit answered about {answer.id}, asked for {request.remote_id}.")
    hear_one(request, Fact.of(answer), Change.Cause.POLL, asked_at)
    return Done(heard=True)


def _take_back(request: SignatureRequest) -> Outcome:
    """End a request that Craftkit may not have got."""
    fact = Fact(Status.CANCELLED, error=request.cancel_reason)
    if request.sent_at is None:
        return _decide(request, fact)
    last = request.sending_since or request.sent_at
    if not calls.is_over(request.project, last, database_now()):
        # Whoever sends it may be about to hear the answer.
        return Again(LOOK_AGAIN)
    return _join_lost(request) or _decide(request, fact)


def _join_lost(request: SignatureRequest) -> Outcome | None:
    """Join what Craftkit lists that may be this one, whose answer was lost; ``None``: nothing."""
    signatures = get_client(request.project, max_retries=0).signatures
    asked = sorted(one.email.casefold() for one in request.read_recipients())
    ids, unclear = {}, set()
    is_odd = False
    for page in signatures.pages(render_id=remote_id_of(request.render)):
        is_odd |= warn_of_unreadable("signatures", request.project, page)
        for found in page.items:
            may_be = _may_be(request, found)
            if may_be is not False:
                # A list may leave the people out.
                found = found if _is_to(found, asked) is not None else signatures.get(found.id)
                is_to = _is_to(found, asked)
                if may_be and is_to:
                    ids[found.id] = found
                elif is_to is not False:
                    unclear.add(found.id)
    if ids and _rivals_of(request).exists():
        # It may be theirs: their keys tell, when they are sent again. Asked after the list was
        # read, and before who has which id: whoever was sent meanwhile is found here or there.
        return Again(LOOK_AGAIN, heard=True)
    rows = SignatureRequest.objects.using(database()).filter(remote_id__in=[*ids, *unclear])
    known = set(rows.values_list("remote_id", flat=True))
    free = [found for found in ids.values() if found.id not in known]
    if free:
        first = min(free, key=lambda one: here(one.created_at) or here(LATEST))
        hear_one(request, Fact.of(first), Change.Cause.READ_BACK)
        return Again(0.0, heard=True)
    if is_odd or unclear - known:
        # People may have been mailed by it: it is neither ended here nor sent under another key.
        since = (database_now() - (request.sent_at or request.requested_at)).total_seconds()
        return Again(min(max(LOOK_AGAIN, since / 6), MAX_POLL), error=UNREADABLE, heard=True)
    return None


def _rivals_of(request: SignatureRequest) -> QuerySet[SignatureRequest]:
    """Return the document's other wanted requests that were sent, and had no answer yet."""
    rows = SignatureRequest.objects.using(database()).exclude(pk=request.pk)
    return rows.filter(
        render=request.render_id,
        status=Status.PENDING,
        sent_at__isnull=False,
        cancel_requested_at=None,
    )


def _may_be(request: SignatureRequest, found: client.SignatureRequest) -> bool | None:
    """Whether what Craftkit lists is what was asked for, as far as time and name tell.

    ``None``: one of them can't be read, and the other says nothing against it.
    """
    sent_at = request.sent_at or request.requested_at
    told = [
        not request.name or (_plain(found.name) == _plain(request.name) if found.name else None),
        here(found.created_at) >= sent_at - SKEW if found.created_at else None,
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


def _cancel(request: SignatureRequest) -> Outcome:
    try:
        fact, cause = _cancel_or_read_back(request)
    except NotFound as error:
        if error.is_passing:
            raise
        outcome = _unknown(request, database_now())
        gone = database_now() - (request.unknown_since or database_now()) > GIVE_UP_AFTER
        return outcome if gone else Again(PARKED, error=str(error), heard=True)
    row = hear_one(request, fact, cause)
    if row is None or not row.is_final:
        since = database_now() - (request.cancel_requested_at or database_now())
        delay = min(max(LOOK_AGAIN, since.total_seconds() / 6), MAX_POLL)
        return Again(delay, error="Craftkit shows it as open.", heard=True)
    return Done(heard=True)


def _cancel_or_read_back(request: SignatureRequest) -> tuple[Fact, Change.Cause]:
    signatures = get_client(request.project, max_retries=0).signatures
    remote_id = _id_of(request)
    try:
        answer = signatures.cancel(remote_id, reason=request.cancel_reason or None)
    except Conflict as error:
        if error.is_passing:
            raise
        # It has come to its end, by whatever: what that is, is read back.
        return Fact.of(signatures.get(remote_id)), Change.Cause.READ_BACK
    return Fact.of(answer), Change.Cause.ANSWER


@in_transaction
def _unknown(request: SignatureRequest, asked_at: datetime) -> Outcome:
    """Note that Craftkit knows of no such request, and ask less and less."""
    # Another project's key answers like this too, so it ends nothing.
    row = lock(SignatureRequest.objects.using(database())).get(pk=request.pk)
    if row.is_final or row.remote_id != request.remote_id:
        return Done(heard=True)
    now = database_now()
    if row.unknown_since is None:
        row.unknown_since = now
        logger.error("Craftkit does not know the signature request %s.", row.remote_id)
    row.error_code = UNKNOWN
    row.error = (
        "Craftkit does not know this request. Either the project's API key is another project's, "
        "or it was deleted there. It is not asked for any more after a day."
    )
    if not is_told(row, asked_at, now):
        row.poll_at = now + ASK_AGAIN if now - row.unknown_since < GIVE_UP_AFTER else None
    row.save(using=database())
    request.unknown_since = row.unknown_since
    return Done(heard=True)


def _read(job: Job) -> SignatureRequest | None:
    rows = SignatureRequest.objects.using(database()).select_related("render")
    found: SignatureRequest | None = rows.filter(pk=job.object_id).first()
    return found


def _id_of(request: SignatureRequest) -> uuid.UUID:
    if request.remote_id is None:
        raise ValueError(f"{request} is {request.status} and has no id at Craftkit.")
    return request.remote_id


def _decide(
    request: SignatureRequest, fact: Fact, cause: Change.Cause = Change.Cause.HERE
) -> Outcome:
    """End a request that Craftkit has not accepted, unless it has meanwhile."""
    heard = cause == Change.Cause.ANSWER
    row = hear_one(request, fact, cause)
    return Again(0.0, heard=heard) if row is None else Done(heard=heard)
