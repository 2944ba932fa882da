"""Documents on their way to Craftkit: noted on their rows before they are sent, with their data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, update_many
from django_craftkit.models import Change, ProjectState, Render
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.facts import is_of_another, lock_free, refusal, used_elsewhere
from django_craftkit.reconcile.hearing import Heard
from django_craftkit.reconcile.outcomes import outcome_of_error

from .facts import Fact, Status

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from django_craftkit import client
    from django_craftkit.models import Job
    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.crew import Answer


@dataclass(frozen=True, slots=True)
class Sent:
    """A document on its way."""

    render: Render
    #: What its row said of its calls before.
    before: calls.Noted
    #: When a webhook of its project was heard last.
    webhooks_at: datetime | None
    post: Callable[[], client.Render]


@dataclass(frozen=True, slots=True)
class Accepted(Heard[Render, Fact]):
    """What Craftkit has answered to a document that was sent."""

    webhooks_at: datetime | None = None


def send(job: Job, render: Render) -> Sent | None:
    """Note that a document is on its way whose data are stored; ``None`` where it may not go."""
    sent = _sent(render, ProjectState.objects.of(render.project))
    return sent if _begin(render) else None


def send_all(
    ready: Sequence[tuple[Job, Render]], fresh: Collection[int]
) -> Iterator[tuple[Job, Sent] | Ended | Job]:
    """Note together that documents are on their way, as ``send`` does.

    The data of ``fresh`` are stored with it. A job that is returned as it is is for who can wait:
    another has locked its document, or something has changed.
    """
    state = cache(lambda project: ProjectState.objects.of(project))
    posts: list[tuple[Job, Sent]] = []
    for job, render in ready:
        try:
            posts.append((job, _sent(render, state(render.project))))
        except Exception as error:
            yield job, outcome_of_error(job, error)
    begun = _begin_free([sent.render for _job, sent in posts], fresh)
    for job, sent in posts:
        yield (job, sent) if sent.render.pk in begun else job


def _sent(render: Render, state: ProjectState) -> Sent:
    post = partial(
        get_client(render.project, max_retries=0).renders.render,
        render.template,
        render.data or {},
        idempotency_key=wire_key(render, state.namespace),
        version=render.version,
    )
    return Sent(render, calls.noted(render), state.webhook_heard_at, post)


def _begin(render: Render) -> bool:
    """Say that this attempt is being sent, unless it was withdrawn before it ever was."""
    wanted = Render.objects.using(database()).filter(attempt=render.attempt)
    if render.sent_at is None:
        wanted = wanted.filter(withdrawn_at=None)
    return calls.note(render, wanted)


@in_transaction
def _begin_free(renders: Sequence[Render], fresh: Collection[int]) -> set[int]:
    """Say of several documents that they are being sent, as ``_begin`` does; return which are.

    Not those that another has locked, or that are not as they were read. The data of ``fresh`` are
    stored with it, before they are sent: other data never go out under a key that was used.
    """
    if not renders:
        return set()
    names = ("status", "attempt", "withdrawn_at", "sent_at", "sending_since")
    rows: Any = lock_free(Render.objects.using(database()).only(*names))
    if fresh:
        rows = rows.filter(Q(data__isnull=True) | ~Q(pk__in=fresh))
    found = rows.in_bulk([render.pk for render in renders])
    begun, now = [], database_now()
    for render in renders:
        row = found.get(render.pk)
        is_as_read = row is not None and all(
            getattr(row, name) == getattr(render, name)
            for name in ("status", "attempt", "sent_at", "sending_since")
        )
        if not is_as_read or (row.withdrawn_at is not None and row.sent_at is None):
            continue
        render.sent_at, render.sending_since = render.sent_at or now, now
        begun.append(render)
    built = [render for render in begun if render.pk in fresh]
    update_many(built, ("data", "sent_at", "sending_since"))
    update_many(
        [render for render in begun if render.pk not in fresh], ("sent_at", "sending_since")
    )
    return {render.pk for render in begun}


def wire_key(render: Render, namespace: uuid.UUID | None = None) -> str:
    """Return the ``Idempotency-Key``: 64 hexadecimal characters, another one for each attempt.

    ``namespace`` is that of its project; it is looked up where it isn't given.
    """
    namespace = namespace or ProjectState.objects.of(render.project).namespace
    text = f"{namespace}\n{render.project}\n{render.key_hash}\n{render.attempt}"
    return hashlib.sha256(text.encode()).hexdigest()


def read(sent: Sent, answer: Answer, now: datetime) -> Accepted:
    """Return what an answer says of a document that was sent; raise what stands for none."""
    render, error = sent.render, answer.error
    if isinstance(error, (InvalidRequest, NotFound, Conflict)) and not error.is_passing:
        fact = Fact(Status.REJECTED, **refusal(error))
    elif error is not None:
        if isinstance(error, CraftkitError) and error.proves_inaction:
            calls.take_back(render, sent.before)
        raise error
    elif is_of_another(answer.value, render.sent_at or now):
        fact = Fact(Status.REJECTED, **used_elsewhere(answer.value))
    else:
        fact = Fact.of(answer.value)
    return Accepted(render, fact, Change.Cause.ANSWER, webhooks_at=sent.webhooks_at)
