"""Noting how steps ended: on their jobs, and on the project where it is at fault."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from django.db import Error

from django_craftkit.clock import database_now
from django_craftkit.database import in_transaction, sanitized
from django_craftkit.failures import is_outage
from django_craftkit.log import about, get_logger
from django_craftkit.models import Change, Job, ProjectState
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.models.project import PAUSED, RUNNING

from . import connecting
from .pauses import NEEDS
from .results import (
    MIN_PROBE_DELAY,
    Done,
    Failed,
    Later,
    Paused,
    Reschedule,
    Result,
    probe_delay,
    retry_delay,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .batches import Ended

logger = get_logger(__name__)

#: So often in a row a job may reschedule itself at once; then it waits for so many seconds at
#: least, each time for twice as long, and this many at most.
AT_ONCE, FLOOR, CEILING = 5, 0.1, 60.0
#: Of how many jobs a loop remembers that: others may have gone on with them, and ended them.
REMEMBERED = 1000
#: Seconds between the tries to note how a step ended, where the database fails.
RETRY_AFTER = (0.05, 0.1, 0.2, 0.4)


@dataclass(slots=True)
class Probe:
    """Whether what is paused may go on, tried with one job after another."""

    project: str
    capability: str
    tries: int = 0


class Noting:
    """Notes how the steps of one loop ended."""

    def __init__(self, look_again: Callable[[float], None]) -> None:
        """``look_again`` has what is due in so many seconds found then, once it is committed."""
        self._look_again = look_again
        #: What was paused when the loop last looked, or has paused since.
        self.paused: frozenset[tuple[str, str]] = frozenset()
        #: The probes under way, by the primary keys of their jobs.
        self.probes: dict[int, Probe] = {}
        #: How often in a row jobs have rescheduled themselves at once, by their primary keys.
        self._at_once: Counter[int] = Counter()

    def note_all(self, ended: Sequence[Ended]) -> None:
        """Note how steps ended: together where nothing but their jobs is concerned."""
        together: list[Ended] = []
        alone: list[Ended] = []
        for job, result in ended:
            result = self._calmed(job, result)
            is_probe = job.pk in self.probes
            if isinstance(result, Paused) and not is_probe:
                pause = (job.project, _lacking(job, result))
                if pause in self.paused:
                    # Many calls under way may tell of a pause; one of them notes it.
                    together.append((job, Later(problem=Problem(result.code, result.reason))))
                    continue
                self.paused |= {pause}
            # What is suspected stays so.
            is_suspect = isinstance(result, Later) and bool(job.crashes)
            is_alone = isinstance(result, (Paused, Failed)) or is_probe or is_suspect
            (alone if is_alone else together).append((job, result))
        noted: set[int] = set()
        if len(together) > 1:
            try:
                noted = self._note_together(together)
            except Error as error:
                logger.warning("How %d steps ended is noted one by one: %s", len(ended), error)
        alone += [(job, result) for job, result in together if job.pk not in noted]
        for job, result in alone:
            self._note(job, result)

    def _calmed(self, job: Job, result: Result) -> Result:
        """Have a job wait that reschedules itself at once, over and over.

        It makes no progress, and would take all the time of its worker, and Craftkit's.
        """
        if not isinstance(result, Reschedule) or result.after >= FLOOR:
            self._at_once.pop(job.pk, None)
            return result
        if len(self._at_once) > REMEMBERED:
            self._at_once.clear()
        self._at_once[job.pk] += 1
        times = self._at_once[job.pk] - AT_ONCE
        if times <= 0:
            return result
        if times == 1:
            logger.warning("%s goes round in circles: it waits between its steps.", job)
        return replace(result, after=min(FLOOR * 2.0 ** min(times - 1, 10), CEILING))

    @in_transaction
    def _note_together(self, ended: Sequence[Ended]) -> set[int]:
        """Note how steps ended, but for jobs that another has locked; return which were noted."""
        now = cache(database_now)
        done: list[Job] = []
        rescheduled: list[tuple[Job, datetime, Problem, int]] = []
        for job, result in ended:
            match result:
                case Done():
                    done.append(job)
                case Reschedule(after, problem):
                    rescheduled.append((job, now() + timedelta(seconds=after), problem, 0))
                case Later(after, said):
                    at = now() + timedelta(seconds=after)
                    problem = job.problem if said is None else said
                    rescheduled.append((job, at, problem, job.failures))
        for delay in {one.after for _job, one in ended if isinstance(one, (Reschedule, Later))}:
            self._look_again(delay)
        return Job.objects.release(done, rescheduled)

    def note(self, job: Job, result: Result) -> None:
        """Note how the step of one job ended."""
        self._note(job, self._calmed(job, result))

    def _note(self, job: Job, result: Result) -> None:
        """Note how a step ended, over a database that goes away and comes back, too.

        Else nobody would claim the job before its lease is over.
        """
        for pause in (*RETRY_AFTER, None):
            try:
                if result == Done():
                    Job.objects.done(job)
                else:
                    self._note_once(job, result)
                return
            except Error as error:
                if pause is None or not is_outage(error):
                    raise
                logger.warning("Noting how %s ended is retried: %s", job, error)
            time.sleep(pause)
            connecting.renew()

    @in_transaction
    def _note_once(self, job: Job, result: Result) -> None:
        now = database_now()
        delay = math.inf
        match result:
            case Paused():
                result = replace(result, capability=_lacking(job, result))
                self._pause(job, result, now)
                if result.capability:
                    # Craftkit has answered, which ends a pause of more than that.
                    self._resume(job, but=result.capability)
            case Failed(problem, after):
                failures = job.failures + 1
                delay = max(retry_delay(failures), after or 0.0)
                at = now + timedelta(seconds=delay)
                if Job.objects.reschedule(job, at, problem=problem, failures=failures):
                    for project, capability in self._probed_by(job):
                        ProjectState.objects.postpone(project, capability, at)
            case Reschedule(delay, problem):
                Job.objects.reschedule(job, now + timedelta(seconds=delay), problem=problem)
            case Later(delay, said):
                at = now + timedelta(seconds=delay)
                if job.crashes:
                    # What is suspected stays so.
                    Job.objects.wait(job)
                    Job.objects.leave(job, at)
                else:
                    problem = job.problem if said is None else said
                    Job.objects.reschedule(job, at, problem=problem, failures=job.failures)
            case Done():
                Job.objects.done(job)
        if isinstance(result, (Reschedule, Done)) and result.answered:
            self._resume(job)
        self._look_again(delay)

    def _probed_by(self, job: Job) -> list[tuple[str, str]]:
        """Return the pauses that this job is a probe of."""
        if job.pk not in self.probes:
            return []
        return [
            (project, capability)
            for project, capability in self.paused
            if project == job.project and job.kind in NEEDS.get(capability, (job.kind,))
        ]

    def _resume(self, job: Job, *, but: str | None = None) -> None:
        for project, capability in self._probed_by(job):
            if capability == but:
                continue
            if ProjectState.objects.resume(project, capability, now=database_now()):
                state = ProjectState.objects.of(project, capability)
                _record(state, RUNNING, Change.Cause.ANSWER, "")
                logger.warning(
                    "Craftkit project %r (%s) goes on.",
                    project,
                    capability or "all of it",
                    extra=about(state),
                )

    def _pause(self, job: Job, pause: Paused, now: datetime) -> None:
        state = ProjectState.objects.of(job.project, pause.capability)
        after = pause.after
        delay = probe_delay(state.probes) if after is None else max(after, MIN_PROBE_DELAY)
        problem = Problem(pause.code, pause.reason)
        Job.objects.reschedule(job, now, problem=problem, failures=job.failures)
        is_new = ProjectState.objects.pause(
            job.project,
            pause.capability,
            code=pause.code,
            reason=pause.reason,
            now=now,
            probe_at=now + timedelta(seconds=delay),
        )
        if is_new:
            is_ours = pause.code == ErrorCode.NOT_CONFIGURED
            cause = Change.Cause.HERE if is_ours else Change.Cause.ANSWER
            _record(state, PAUSED, cause, sanitized(pause.reason))
            logger.error(
                "Craftkit project %r (%s) is paused: %s",
                job.project,
                pause.capability or "all of it",
                # Craftkit's words may quote what was sent: the project's row has them.
                pause.reason if is_ours else pause.code,
                extra=about(state),
            )


def _lacking(job: Job, pause: Paused) -> str:
    """Return the capability that a job waits for; "": the whole project."""
    return pause.capability if job.kind in NEEDS.get(pause.capability, ()) else ""


def _record(state: ProjectState, status: str, cause: Change.Cause, note: str) -> None:
    """Note that a project is paused or goes on, in the transaction that has it so."""
    is_paused = status == PAUSED
    change = Change(
        kind=Change.Kind.PROJECT,
        object_id=state.pk,
        from_status=RUNNING if is_paused else PAUSED,
        to_status=status,
        cause=cause,
        note=note,
        signal="project_paused" if is_paused else "project_resumed",
    )
    Change.objects.record([change])
