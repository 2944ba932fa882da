"""Links and e-mails are sent once, though Craftkit takes no idempotency key for them.

The row says that it is being sent before it is. A call whose end nobody knows is never made again:
``settle.py`` settles it, and only a proof that Craftkit did not act leads back here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.models import Change, Job, Render, Share
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.crew import Answer, Call, NotMade, made
from django_craftkit.reconcile.facts import lock_free, refusal, unless_broken
from django_craftkit.reconcile.outcomes import (
    PARKED,
    Again,
    Done,
    Later,
    Outcome,
    outcome_of_error,
)
from django_craftkit.reconcile.renders.facts import is_final_by_now

from .facts import LOOK_AGAIN, Status, lock_renders
from .hear import Heard, hear, hear_all, move, not_sent, rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.pace import Turn


@dataclass(frozen=True, slots=True)
class Alone:
    """What is done for one share by itself, where it may wait for others, or for Craftkit."""

    do: Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class Errand:
    """A call for a share: made without the database, read with it."""

    share: Share
    call: Callable[[], Any]
    #: What an answer says, or how the step ends; raises what stands for no answer.
    read: Callable[[Answer], Said | Outcome]
    #: Whether it makes something, so that the row says first that it is being made.
    makes: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says of a share, and how the step ends once that is written."""

    heard: Heard
    #: ``None``: the row, as it is by then, says it.
    outcome: Outcome | None = None


class Sharing:
    """Links or e-mails, many at a time: marked, and heard of, together.

    What is rare, and what takes its time, is done alone.
    """

    is_keyed = False

    def due(self, share: Share) -> Outcome | Errand | Alone:
        """Return what a share needs next."""
        raise NotImplementedError

    def end(self, row: Share) -> Outcome:
        """Return how a step ends, by the row after the answer was written."""
        return Done(heard=True)

    def step(self, job: Job) -> Outcome:
        """Do what a share needs next, in this thread."""
        share = _read([job]).get(job.object_id)
        due = Done() if share is None else self.due(share)
        if isinstance(due, Alone):
            return due.do()
        if not isinstance(due, Errand):
            return due
        for call in self._calls([(job, due)], lock):
            if isinstance(call, Call):
                return next(self.apply([made(call)]))[1]
        # It is not as it was read, or unwanted by now.
        return Again(0.0)

    def plan(self, jobs: Sequence[Job], turn: Turn) -> Iterator[Call | Ended | Job]:
        shares = _read(jobs)
        errands: list[tuple[Job, Errand]] = []
        for job in jobs:
            share = shares.get(job.object_id)
            try:
                due = Done() if share is None else self.due(share)
            except Exception as error:
                yield job, outcome_of_error(job, error)
                continue
            if isinstance(due, Errand):
                errands.append((job, due))
            else:
                yield job if isinstance(due, Alone) else (job, due)
        yield from self._calls(errands, lock_free)

    def _calls(
        self, errands: Sequence[tuple[Job, Errand]], locked: Callable[[Any], Any]
    ) -> Iterator[Call | Job]:
        """Return the calls to make, in time; the jobs of shares that can't be marked like this."""
        started = clock.now()
        new = [errand.share for _job, errand in errands if errand.makes]
        begun = begin(new, locked) if new else set()
        # From here on nothing fails: what is marked and not called is left for others to settle.
        for job, errand in errands:
            if not errand.makes:
                yield Call([job], errand.call, self, errand)
            elif errand.share.pk in begun:
                yield Call([job], partial(calls.in_time, started, errand.call), self, errand)
            else:
                yield job

    def apply(self, answers: Sequence[Answer]) -> Iterator[Ended]:
        said: list[tuple[Job, Said]] = []
        for answer in answers:
            job = answer.call.jobs[0]
            try:
                one = _read_answer(answer)
            except Exception as error:
                yield job, outcome_of_error(job, error)
                continue
            if isinstance(one, Said):
                said.append((job, one))
            else:
                yield job, one
        rows: dict[int, Share] = {}
        if len(said) > 1:
            heard = [one.heard for _job, one in said]
            rows = unless_broken(partial(hear_all, locked=lock_free), heard)
        for job, one in said:
            try:
                row = rows.get(one.heard.share.pk) or hear(one.heard)
                outcome = one.outcome or self.end(row)
            except Exception as error:
                outcome = outcome_of_error(job, error)
            yield job, outcome


#: What a share says of itself that can be sent: by its status, since when, and whether unwanted.
_UNSENT = [Status.PENDING, None, None]


def _read(jobs: Sequence[Job]) -> dict[int, Share]:
    rows: Any = Share.objects.using(database()).select_related("render").defer("render__data")
    found: dict[int, Share] = rows.in_bulk([job.object_id for job in jobs])
    return found


def _read_answer(answer: Answer) -> Said | Outcome:
    errand: Errand = answer.call.about
    if not isinstance(answer.error, NotMade):
        return errand.read(answer)
    return Said(not_sent(errand.share), Later()) if errand.makes else Later()


@in_transaction
def begin(shares: Sequence[Share], locked: Callable[[Any], Any]) -> set[int]:
    """Say of pending shares that they are being sent; return which of them may be.

    Not those that are not as they were read, or unwanted by now; nor, where ``locked`` locks what
    is free, those that somebody else has locked.
    """
    # Whoever withdraws the document comes before this, or finds the link.
    renders = lock_renders({share.render_id for share in shares}, locked)
    wanted = {pk for pk, render in renders.items() if render.withdrawn_at is None}
    # By primary keys alone: MySQL would lock whatever other index it goes by.
    pks = [share.pk for share in shares if share.render_id in wanted]
    rows: Any = Share.objects.using(database())
    names = ("status", "sending_since", "revoke_requested_at")
    free = locked(rows.only(*names).filter(pk__in=pks).order_by("pk"))
    begun = {row.pk for row in free if [getattr(row, name) for name in names] == _UNSENT}
    now = database_now()
    rows.filter(pk__in=begun).update(sending_since=now, error="", error_code="")
    for share in shares:
        if share.pk in begun:
            share.sending_since, share.error, share.error_code = now, "", ""
    return begun


def held_back(share: Share) -> Alone | None:
    """Return what is to be done about what keeps a pending share from being sent."""
    if share.render.withdrawn_at is not None or share.revoke_requested_at is not None:
        return Alone(partial(_give_up, share))
    if share.render.status != Render.Status.SUCCEEDED or share.render.remote_id is None:
        return Alone(partial(_wait_for, share.render))
    return Alone(partial(_expire, share)) if share.is_expired else None


def _give_up(share: Share) -> Outcome:
    move(share, Status.REVOKED, Change.Cause.HERE, revoked_at=clock.now())
    return Done()


def _wait_for(render: Render) -> Outcome:
    # Who has found it at its end may have looked for what waits a moment before this did.
    is_over = not render.is_final and is_final_by_now(render.pk)
    return Again(0.0 if is_over else PARKED)


def _expire(share: Share) -> Outcome:
    error = "It had expired before it could be sent."
    hear(rejected(share, error_code="expired", error=error, field_errors={}))
    return Done()


def read_sent(
    share: Share,
    heard: Callable[[Share, Any], Said],
    unsure: Callable[[Share, CraftkitError], Said],
    answer: Answer,
) -> Said:
    """Read the answer to a call that makes something; ``heard`` reads what it made.

    ``unsure`` says what becomes of a share after an error that does not prove that Craftkit did
    not act.
    """
    error = answer.error
    if error is None:
        return heard(share, answer.value)
    if not isinstance(error, CraftkitError):
        raise error
    if not error.proves_inaction:
        return unsure(share, error)
    if isinstance(error, (InvalidRequest, NotFound)):
        return Said(rejected(share, **refusal(error)))
    if isinstance(error, Conflict):
        return Said(not_sent(share), Again(LOOK_AGAIN, error=str(error), heard=True))
    return Said(not_sent(share), outcome_of_error(answer.call.jobs[0], error))
