"""Links and e-mails are sent once, though Craftkit takes no idempotency key for them.

The row says that it is being sent before it is. A call whose end nobody knows is never retried:
``settle.py`` settles it, and only a proof that Craftkit did not act leads back here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.database import lock
from django_craftkit.models import Change, Job, Render, Share
from django_craftkit.models.erasing import erase_late
from django_craftkit.models.problems import NO_PROBLEM, ErrorCode, Problem
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.answers import refusal
from django_craftkit.reconcile.executor import Answer, Call
from django_craftkit.reconcile.renders.states import wait_for
from django_craftkit.reconcile.results import Done, Later, Reschedule, Result, result_of_error
from django_craftkit.reconcile.updates import Answered, lock_free

from .states import (
    LOOK_AGAIN,
    ShareUpdate,
    Status,
    apply,
    apply_all,
    decided,
    finish,
    not_sent,
    rejected,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django_craftkit.reconcile.batches import Ended
    from django_craftkit.reconcile.timings import Budget
    from django_craftkit.reconcile.updates import Now


@dataclass(frozen=True, slots=True)
class SoloStep:
    """What is done for one share in its job's own step: it may wait for others, or for Craftkit."""

    do: Callable[[], Result]


@dataclass(frozen=True, slots=True)
class ShareCall:
    """A call for a share: made without the database, read with it."""

    share: Share
    make: Callable[[], Any]
    #: What an answer says, or how the step ends; raises what stands for no answer.
    read: Callable[[Answer], ShareUpdate | Result]
    #: Whether it creates something, so that the row says first that it is being created.
    creates: bool = True


class Sharing(Answered[ShareUpdate]):
    """Links or e-mails, many at a time: marked, and updated, together.

    What is rare, and what takes its time, is done alone.
    """

    is_repeatable = False

    def due(self, share: Share) -> Result | ShareCall | SoloStep:
        """Return what a share needs next."""
        raise NotImplementedError

    def end(self, row: Share) -> Result:
        """Return how a step ends, by the row after the answer was written."""
        return Done(answered=True)

    def step(self, job: Job) -> Result:
        """Do what a share needs next, in this thread."""
        share = _read([job]).get(job.object_id)
        due = Done() if share is None else self.due(share)
        if isinstance(due, SoloStep):
            return due.do()
        if not isinstance(due, ShareCall):
            return due
        for call in self._calls([(job, due)], lock):
            if isinstance(call, Call):
                return self.carry_out(call)
        # It is not as it was read, or unwanted by now.
        return Reschedule(0.0)

    def plan(self, jobs: Sequence[Job], budget: Budget) -> Iterator[Call | Ended | Job]:
        shares = _read(jobs)
        planned: list[tuple[Job, ShareCall]] = []
        for job in jobs:
            share = shares.get(job.object_id)
            try:
                due = Done() if share is None else self.due(share)
            except Exception as error:
                yield job, result_of_error(job, error)
                continue
            if isinstance(due, ShareCall):
                planned.append((job, due))
            else:
                yield job if isinstance(due, SoloStep) else (job, due)
        yield from self._calls(planned, lock_free)

    def _calls(
        self, planned: Sequence[tuple[Job, ShareCall]], locked: Callable[[Any], Any]
    ) -> Iterator[Call | Job]:
        """Return the calls to make, in time; the jobs of shares that can't be marked like this."""
        started = clock.now()
        new = [one.share for _job, one in planned if one.creates]
        begun = calls.begin(new, locked, "revoke_requested_at", **NO_PROBLEM.columns) if new else {}
        # From here on nothing fails: what is marked and not called is left for others to settle.
        for job, one in planned:
            if not one.creates:
                yield Call([job], one.make, self, one)
            elif (now := begun.get(one.share.pk)) is not None:
                calls.assign(one.share, now)
                yield Call([job], partial(calls.in_time, started, one.make), self, one)
            else:
                yield job

    def read(self, answer: Answer, now: Now) -> ShareUpdate | Result:
        planned: ShareCall = answer.call.target
        return planned.read(answer)

    def not_made(self, target: ShareCall) -> ShareUpdate | Result:
        return not_sent(target.share).then(Later()) if target.creates else Later()

    def apply_one(self, update: ShareUpdate) -> Share:
        return apply(update)

    def apply_together(self, updates: Sequence[ShareUpdate]) -> dict[int, Share]:
        return apply_all(updates, lock_free)

    def next(self, update: ShareUpdate, row: Share, now: Now) -> Result:
        return update.result or self.end(row)


def _read(jobs: Sequence[Job]) -> dict[int, Share]:
    rows = Share.objects.writer().select_related("render").defer("render__data")
    return rows.in_bulk([job.object_id for job in jobs])


def prepare(share: Share) -> SoloStep | None:
    """See that a pending share can be sent; return what is to be done where it can't."""
    if share.render.withdrawn_at is not None or share.revoke_requested_at is not None:
        return SoloStep(partial(_end, share))
    if share.render.status != Render.Status.SUCCEEDED or share.render.remote_id is None:
        return SoloStep(partial(wait_for, share.render))
    if share.is_expired:
        update = rejected(share, **Problem(ErrorCode.EXPIRED).columns, field_errors={})
        return SoloStep(partial(finish, update))
    return None


def _end(share: Share) -> Result:
    """End a share that nobody wants any more, and that was never sent."""
    erase_late(share)
    return finish(decided(share, Status.REVOKED, Change.Cause.HERE, revoked_at=clock.now()))


def read_sent(
    share: Share,
    read: Callable[[Share, Any], ShareUpdate],
    unsure: Callable[[Share, CraftkitError], ShareUpdate],
    answer: Answer,
) -> ShareUpdate:
    """Read the answer to a call that makes something; ``read`` reads what it made.

    ``unsure`` says what becomes of a share after an error that does not prove that Craftkit did
    not act.
    """
    error = answer.error
    if error is None:
        return read(share, answer.value)
    if not isinstance(error, CraftkitError):
        raise error
    if not error.proves_inaction:
        return unsure(share, error)
    if isinstance(error, (InvalidRequest, NotFound)):
        return rejected(share, **refusal(error))
    if isinstance(error, Conflict):
        return not_sent(share).then(Reschedule(LOOK_AGAIN, Problem.of(error), answered=True))
    return not_sent(share).then(result_of_error(answer.call.jobs[0], error))
