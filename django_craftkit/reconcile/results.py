"""Noting how steps ended: on their jobs, and on the project where it is at fault."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import Error

from django_craftkit.clock import database_now
from django_craftkit.database import in_transaction, storable
from django_craftkit.failures import is_outage
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, ProjectState
from django_craftkit.models.work import NOT_CONFIGURED, PAUSED, PROJECT, RUNNING

from . import connecting
from .backlog import NEEDS
from .outcomes import (
    MIN_PROBE_DELAY,
    Again,
    Done,
    Failed,
    Later,
    Outcome,
    Paused,
    probe_delay,
    retry_delay,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .batches import Ended

logger = get_logger(__name__)

#: Seconds between the tries to note how a step ended, where the database fails.
NOTE_AGAIN = (0.05, 0.1, 0.2, 0.4)


@dataclass(slots=True)
class Probe:
    """Whether what is paused may go on, tried with one job after another."""

    project: str
    capability: str
    tries: int = 0


class Results:
    """Notes how the steps of one loop ended."""

    def __init__(self, look_again: Callable[[float], None]) -> None:
        """``look_again`` has what is due in so many seconds found then, once it is committed."""
        self._look_again = look_again
        #: What was paused when the loop last looked, or has paused since.
        self.held: frozenset[tuple[str, str]] = frozenset()
        #: The probes under way, by the primary keys of their jobs.
        self.probes: dict[int, Probe] = {}

    def note_all(self, ended: Sequence[Ended]) -> None:
        """Note how steps ended: together where nothing but their jobs is concerned."""
        together: list[Ended] = []
        alone: list[Ended] = []
        for job, outcome in ended:
            is_probe = job.pk in self.probes
            if isinstance(outcome, Paused) and not is_probe:
                pause = (job.project, _lacking(job, outcome))
                if pause in self.held:
                    # Many calls under way may tell of a pause; one of them notes it.
                    together.append((job, Later(error=outcome.reason)))
                    continue
                self.held |= {pause}
            # What is suspected stays so.
            is_suspect = isinstance(outcome, Later) and job.attempts > 1
            is_alone = isinstance(outcome, (Paused, Failed)) or is_probe or is_suspect
            (alone if is_alone else together).append((job, outcome))
        noted: set[int] = set()
        if len(together) > 1:
            try:
                noted = self._note_together(together)
            except Error as error:
                logger.warning("How %d steps ended is noted one by one: %s", len(ended), error)
        alone += [(job, outcome) for job, outcome in together if job.pk not in noted]
        for job, outcome in alone:
            self.note(job, outcome)

    @in_transaction
    def _note_together(self, ended: Sequence[Ended]) -> set[int]:
        """Note how steps ended, but for jobs that another has locked; return which were noted."""
        now = database_now()
        done: list[Job] = []
        again: list[tuple[Job, datetime, str, int]] = []
        delays: list[float] = []
        for job, outcome in ended:
            match outcome:
                case Done():
                    done.append(job)
                case Again(after, error):
                    again.append((job, now + timedelta(seconds=after), error, 0))
                    delays.append(after)
                case Later(after, said):
                    at = now + timedelta(seconds=after)
                    again.append((job, at, job.error if said is None else said, job.failures))
                    delays.append(after)
        for delay in set(delays):
            self._look_again(delay)
        return Job.objects.put_down(done, again)

    def note(self, job: Job, outcome: Outcome) -> None:
        """Note how a step ended, over a database that goes away and comes back, too.

        Else nobody would take the job up before its lease is over.
        """
        for pause in NOTE_AGAIN:
            try:
                return self._note_once(job, outcome)
            except Error as error:
                if not is_outage(error):
                    raise
                logger.warning("How %s ended is noted again: %s", job, error)
            time.sleep(pause)
            connecting.renew()
        return self._note_once(job, outcome)

    def _note_once(self, job: Job, outcome: Outcome) -> None:
        if outcome == Done():
            Job.objects.done(job)
        else:
            self._note_more(job, outcome)

    @in_transaction
    def _note_more(self, job: Job, outcome: Outcome) -> None:
        now = database_now()
        delay = math.inf
        match outcome:
            case Paused():
                outcome = replace(outcome, capability=_lacking(job, outcome))
                self._pause(job, outcome, now)
                if outcome.capability:
                    # Craftkit has answered, which ends a pause of more than that.
                    self._resume(job, but=outcome.capability)
            case Failed(error, after):
                failures = job.failures + 1
                delay = max(retry_delay(failures), after or 0.0)
                at = now + timedelta(seconds=delay)
                if Job.objects.again(job, at, error=error, failures=failures):
                    for project, capability in self._holding(job):
                        ProjectState.objects.postpone(project, capability, at)
            case Again(delay, error):
                Job.objects.again(job, now + timedelta(seconds=delay), error=error)
            case Later(delay, said):
                at = now + timedelta(seconds=delay)
                if job.attempts > 1:
                    # What is suspected stays so.
                    Job.objects.wait(job)
                    Job.objects.leave(job, at)
                else:
                    error = job.error if said is None else said
                    Job.objects.again(job, at, error=error, failures=job.failures)
            case Done():
                Job.objects.done(job)
        if isinstance(outcome, (Again, Done)) and outcome.heard:
            self._resume(job)
        self._look_again(delay)

    def _holding(self, job: Job) -> list[tuple[str, str]]:
        """Return the pauses that this job is a probe of."""
        if job.pk not in self.probes:
            return []
        return [
            (project, capability)
            for project, capability in self.held
            if project == job.project and job.kind in NEEDS.get(capability, (job.kind,))
        ]

    def _resume(self, job: Job, *, but: str | None = None) -> None:
        for project, capability in self._holding(job):
            if capability == but:
                continue
            if ProjectState.objects.resume(project, capability, now=database_now()):
                state = ProjectState.objects.of(project, capability)
                _record(state, RUNNING, Change.Cause.ANSWER, "")
                logger.warning(
                    "Craftkit project %r (%s) goes on.", project, capability or "all of it"
                )

    def _pause(self, job: Job, pause: Paused, now: datetime) -> None:
        state = ProjectState.objects.of(job.project, pause.capability)
        after = pause.after
        delay = probe_delay(state.probes) if after is None else max(after, MIN_PROBE_DELAY)
        Job.objects.again(job, now, error=pause.reason, failures=job.failures)
        is_new = ProjectState.objects.pause(
            job.project,
            pause.capability,
            code=pause.code,
            reason=pause.reason,
            now=now,
            probe_at=now + timedelta(seconds=delay),
        )
        if is_new:
            is_ours = pause.code == NOT_CONFIGURED
            cause = Change.Cause.HERE if is_ours else Change.Cause.ANSWER
            _record(state, PAUSED, cause, storable(pause.reason))
            logger.error(
                "Craftkit project %r (%s) is paused: %s",
                job.project,
                pause.capability or "all of it",
                pause.reason,
            )


def _lacking(job: Job, pause: Paused) -> str:
    """Return the capability that a job waits for; "": the whole project."""
    return pause.capability if job.kind in NEEDS.get(pause.capability, ()) else ""


def _record(state: ProjectState, status: str, cause: Change.Cause, note: str) -> None:
    """Note that a project is paused or goes on, in the transaction that has it so."""
    change = Change(
        kind=PROJECT,
        object_id=state.pk,
        from_status=RUNNING if status == PAUSED else PAUSED,
        to_status=status,
        cause=cause,
        note=note,
        signal="project_paused" if status == PAUSED else "project_resumed",
    )
    Change.objects.record([change])
