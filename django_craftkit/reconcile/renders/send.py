"""Documents on their way to Craftkit: noted on their rows before they are sent, with their data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from django.db.models import Q

from django_craftkit.database import database, in_transaction, update_many
from django_craftkit.models import Change, ProjectState, Render
from django_craftkit.projects import get_client
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.results import result_of_error
from django_craftkit.reconcile.states import RemoteState
from django_craftkit.reconcile.updates import Update, lock_free

from .states import Status, state_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from django_craftkit import client
    from django_craftkit.models import Job
    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.crew import Answer
    from django_craftkit.reconcile.updates import Now


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
class Accepted(Update[Render]):
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
            yield job, result_of_error(job, error)
    begun = _begin_free([sent.render for _job, sent in posts], fresh)
    for job, sent in posts:
        now = begun.get(sent.render.pk)
        if now is None:
            yield job
        else:
            calls.remember(sent.render, now)
            yield job, sent


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
def _begin_free(renders: Sequence[Render], fresh: Collection[int]) -> dict[int, calls.Noted]:
    """Say of several documents that they are being sent, as ``_begin`` does; return of which.

    Not those that another has locked, or that are not as they were read. The data of ``fresh`` are
    stored with it, before they are sent: other data never go out under a key that was used.
    """
    begun = calls.note_all(
        renders,
        lambda rows: lock_free(rows.filter(Q(data__isnull=True) | ~Q(pk__in=fresh))),
        "withdrawn_at",
    )
    update_many([one for one in renders if one.pk in fresh and begun.get(one.pk)], ["data"])
    return {pk: noted for pk, noted in begun.items() if noted is not None}


def wire_key(render: Render, namespace: uuid.UUID | None = None) -> str:
    """Return the ``Idempotency-Key``: 64 hexadecimal characters, another one for each attempt.

    ``namespace`` is that of its project; it is looked up where it isn't given.
    """
    namespace = namespace or ProjectState.objects.of(render.project).namespace
    text = f"{namespace}\n{render.project}\n{render.key_hash}\n{render.attempt}"
    return hashlib.sha256(text.encode()).hexdigest()


def read(sent: Sent, answer: Answer, now: Now) -> Accepted:
    """Return what an answer says of a document that was sent; raise what stands for none."""
    refused = calls.refused(sent.render, sent.before, answer, now)
    state = state_of(answer.value) if refused is None else RemoteState(Status.REJECTED, **refused)
    return Accepted(sent.render, state, Change.Cause.ANSWER, webhooks_at=sent.webhooks_at)
