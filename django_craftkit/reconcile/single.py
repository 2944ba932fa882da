"""One job at a time: what a worker has died on, what batches don't do, what a caller waits for."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Least

from django_craftkit import conf, dispatch, tenants
from django_craftkit.clock import database_now
from django_craftkit.database import database, retried_after_deadlock
from django_craftkit.log import get_logger
from django_craftkit.models import Job
from django_craftkit.models.job import MAX_CLAIMS
from django_craftkit.models.priority import Priority
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.projects import time_limit

from . import connecting, pauses
from .exclusion import Exclusion
from .noting import Noting
from .results import Done, Later, Reschedule, Result, result_of_error, with_new_key
from .steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    #: A job, and how its step ended; ``None`` where it is quarantined, or could not be alone.
    Carried = tuple[Job, "Result | None"]

logger = get_logger(__name__)

#: Seconds within which a job that is due wakes the loop itself instead of waiting for the sweep.
NEAR = 5.0
#: For how long work that ends its workers is quarantined.
QUARANTINE = timedelta(days=1)
#: Seconds between two looks while a caller waits; https://docs.craftkit.dev/guides/render-lifecycle
WAITS = (0.25, 0.5, 1.0, 2.0, 5.0)


class Single:
    """Carries claimed jobs out one by one, and notes how each ended."""

    def __init__(self, exclusion: Exclusion, noting: Noting) -> None:
        self._exclusion, self._noting = exclusion, noting

    def carry_in_time(self, job: Job, claimed_at: float) -> list[Carried]:
        """Carry a claimed job out; return how it ended, or nothing where it is another's."""
        if time.monotonic() - claimed_at > conf.options().LEASE / 4:
            # The lease counts from the claim, and what was before it may have taken its time.
            self._noting.note(job, Later())
        elif job.crashes or job.attempts or Job.objects.begin(job):
            return [(job, self.carry(job))]
        return []

    def carry(self, job: Job) -> Result | None:
        """Run the step of a claimed job and note how it ended; ``None`` where it has not run."""
        if not job.crashes:
            return self._carry(job)
        if job.crashes >= MAX_CLAIMS - 1:
            logger.error("%s is quarantined: %d workers ended with it.", job, job.crashes)
            problem = Problem(ErrorCode.WORKERS_ENDED, str(job.crashes))
            Job.objects.quarantine(job, database_now() + QUARANTINE, problem=problem)
            return None
        # What has ended a worker runs alone: whatever else ran in it may be innocent. While it
        # waits, what ends this process is another.
        Job.objects.wait(job)
        with self._exclusion.exclusive(conf.options().LEASE / 4) as is_alone:
            if is_alone and Job.objects.begin(job):
                return self._carry(job)
        Job.objects.leave(job, database_now() + timedelta(seconds=NEAR))
        return None

    def _carry(self, job: Job) -> Result:
        try:
            result = STEPS[job.kind](job)
        except Exception as error:
            result = result_of_error(job, error)
        # A connection that broke in the step must not keep its end from being noted.
        connecting.drop_broken()
        result = with_new_key(job, result)
        self._noting.note(job, result)
        return result


@retried_after_deadlock
def take(kind: str, object_id: int) -> Job | None:
    """Claim the job of one object before its time, unless somebody has leased it."""
    if is_paused(kind, object_id):
        return None
    now = database_now()
    jobs = Job.objects.filter(kind=kind, object_id=object_id)
    jobs.writer().filter(lease_token=None).update(
        due_at=Least(F("due_at"), Value(now)),
        leased_until=None,
        # What is left of it when its caller waits no longer goes first, too.
        priority=Priority.URGENT,
    )
    return next(iter(jobs.claim(1, now=now, lease=conf.lease())), None)


def is_paused(kind: str, object_id: int) -> bool:
    """Whether what this object waits for is paused, or everything is."""
    if conf.options().PAUSED:
        return True
    jobs = Job.objects.writer().filter(kind=kind, object_id=object_id)
    project = jobs.values_list("project", flat=True).first()
    return project is not None and pauses.is_paused(project, kind)


def wake_later(delay: float, wake: Callable[[float], None] = dispatch.wake) -> None:
    """Wake a loop for what is rescheduled in so many seconds; inside the transaction."""
    if delay < NEAR:
        transaction.on_commit(tenants.bound(partial(wake, delay)), using=database())


def carry_out(
    kind: str, object_id: int, *, timeout: float, until: Callable[[], bool] | None = None
) -> bool:
    """Do what is due for one object in this thread, until it is so or ``timeout`` is over.

    Without ``until`` it is one step, and returns whether Craftkit has answered that. Ends at once
    where its project is paused: what is left is the worker's.
    """
    deadline = time.monotonic() + timeout
    single = Single(Exclusion(), Noting(wake_later))
    waits = iter(WAITS)
    is_first = True
    while until is None or not until():
        with time_limit(deadline - time.monotonic()):
            job = take(kind, object_id)
            result = single.carry(job) if job is not None else None
        if until is None:
            if is_first and result == Reschedule(0.0) and time.monotonic() < deadline:
                is_first = False  # nothing was asked yet, or by a key that was replaced
                continue
            if isinstance(result, Reschedule):
                return result.answered and not result.problem
            return isinstance(result, Done) and result.answered
        if until():
            return True
        pause = next(waits, WAITS[-1])
        if is_paused(kind, object_id) or time.monotonic() + pause > deadline:
            return False
        time.sleep(pause)
    return True


dispatch.register(carry_out)
