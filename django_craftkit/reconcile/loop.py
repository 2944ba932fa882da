"""The loop: claim what is due, run its step, note the outcome.

Any number of loops may run at once, in any process; a lease decides who has a job in hand. No
transaction is open while a step runs.
"""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error, transaction
from django.db.models import F, Value
from django.db.models.functions import Least

from django_craftkit import conf, dispatch
from django_craftkit.clock import database_now
from django_craftkit.database import (
    again_after_deadlock,
    database,
    in_transaction,
    storable,
)
from django_craftkit.failures import is_outage
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, ProjectState
from django_craftkit.models.claims import Marks
from django_craftkit.models.priority import Priority
from django_craftkit.models.work import MAX_CLAIMS, NOT_CONFIGURED, PAUSED, PROJECT, RUNNING
from django_craftkit.projects import patience

from . import (
    announcements,
    archive,
    connecting,
    deliveries,
    emails,
    engagement,
    envelopes,
    links,
    polling,
    renders,
    sweeping,
)
from .backlog import NEEDS, free_jobs, held_by, pauses
from .crew import Alone, Answer, Call, Crew, Threads
from .outcomes import (
    MIN_PROBE_DELAY,
    Again,
    Done,
    Failed,
    Outcome,
    Paused,
    outcome_of_error,
    probe_delay,
    retry_delay,
)
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .batches import Batch, Ended
    from .pulse import Pulse

    #: A job, and how its step ended; ``None`` where it is quarantined, or could not be alone.
    Carried = tuple[Job, "Outcome | None"]

logger = get_logger(__name__)

STEPS: dict[str, Callable[[Job], Outcome]] = {
    "render": renders.step,
    "share": links.step,
    "email": emails.step,
    "engagement": engagement.step,
    "send signature": envelopes.send,
    "signature": envelopes.step,
    "poll signatures": polling.step,
    "archive signature": archive.keep_signed,
    "archive render": archive.keep_render,
    **dict.fromkeys(announcements.KINDS, announcements.step),
}

#: What is done for many jobs at a time, in the thread of the loop. The crew makes the calls.
BATCHES: dict[str, Batch] = {"render": renders.DOCUMENTS}

#: Seconds within which a job that is due wakes the loop itself instead of waiting for the sweep.
NEAR = 5.0
#: How many jobs a probe tries at most, and seconds to the next where none of them called Craftkit.
PROBES, PROBE_AGAIN = 50, 5.0
#: How long work that ends its workers is left alone.
ASIDE = timedelta(days=1)
#: How many announcements are taken at a time.
HANDFUL = 20
#: Seconds between two looks into an empty inbox, while there are jobs to do.
LOOK_EVERY = 0.2
#: Seconds for which webhooks that ended a worker are worked off alone, one by one: a whole batch
#: ends with its worker, and to wait for the other threads before each would take minutes.
ALONE_FOR = 1.0
#: Seconds between the tries to note how a step ended, where the database fails.
NOTE_AGAIN = (0.05, 0.1, 0.2, 0.4)
#: Seconds for which answers wait for others, to be noted together; how many do so at most.
LINGER, TOGETHER = 0.25, 100
#: Seconds between two looks for what is due, while something is under way and nothing ends.
IDLE = 0.2


@dataclass(slots=True)
class Probe:
    """Whether what is paused may go on, tried with one job after another."""

    project: str
    capability: str
    tries: int = 0


class Loop:
    """Does what is due, in as many threads as it is given, until nothing is or time is up.

    The thread that runs it claims jobs and hears webhooks; what takes its time, the crew does.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        wake: Callable[[float], None] | None = dispatch.wake,
        room: Room | None = None,
        pulse: Pulse | None = None,
        marks: Marks | None = None,
    ) -> None:
        """``room`` is where its steps run, ``pulse`` what gives signs of life, ``marks`` how far it
        has come: loops of one process share them. A loop without a pulse is no worker: it runs in
        somebody's stead.
        """
        self.threads = conf.options().THREADS if threads is None else threads
        self._wake = wake
        self._stop = threading.Event()
        self._held: frozenset[tuple[str, str]] = frozenset()
        self._room = Room() if room is None else room
        self._pulse = pulse
        self._marks = Marks() if marks is None else marks
        #: The probes under way, by the primary keys of their jobs.
        self._probes: dict[int, Probe] = {}
        #: What calls of batches have answered that is not noted yet, and since when.
        self._answers: list[Answer] = []
        self._since = 0.0

    def stop(self) -> None:
        """End after the steps under way."""
        self._stop.set()

    def sweep(self, seconds: float = 20.0) -> int:
        """Note that somebody sweeps, then ``run``: for whoever looks for work unasked."""
        connecting.renew()
        sweeping.sweep()
        return self._work(seconds)

    def run(self, seconds: float = 20.0) -> int:
        """Return how many deliveries and jobs were carried out in up to ``seconds``.

        Raises what the database raises; another ``run`` begins with connections that work.
        """
        connecting.renew()
        return self._work(seconds)

    def _work(self, seconds: float) -> int:
        crew: Crew = Alone() if self.threads <= 1 else Threads(self.threads, self._room)
        self._probes.clear()
        with nullcontext() if self._pulse is None else self._pulse.beat():
            try:
                return self._drain(crew, time.monotonic() + seconds)
            finally:
                crew.close()

    def _drain(self, crew: Crew, deadline: float) -> int:
        """Do what is due until nothing is, and nothing under way may still bring something."""
        done = 0
        looked = claimed = 0.0
        some = is_full = True
        while some or crew.under_way:
            answers = crew.answers(0.0 if some else IDLE)
            is_late = time.monotonic() >= deadline
            if (is_late or self._stop.is_set()) and not (answers or crew.under_way):
                break
            heard = begun = 0
            with self._room.beside():
                ended = self._end(crew, answers)
                now = time.monotonic()
                if not is_late and not self._stop.is_set():
                    if not some or now - looked > LOOK_EVERY:
                        heard = self._hear()
                        looked = 0.0 if heard else now
                    if crew.free and (
                        is_full or heard or not crew.under_way or now - claimed > IDLE
                    ):
                        free = crew.free
                        begun = self._begin_due(crew)
                        claimed, is_full = now, begun >= free
            done += heard + ended
            some = bool(heard or begun or ended)
        if time.monotonic() >= deadline and self._wake:
            self._wake(0.0)
        return done

    def _hear(self) -> int:
        """Work webhooks off: a batch of them, and alone those that ended their worker."""
        now = database_now()
        heard = deliveries.process(now, self._marks.of("inbox"))
        suspects = self._marks.of("suspects")
        if heard < deliveries.BATCH and deliveries.is_any_suspect(now, suspects):
            with self._room.alone() as is_alone:
                end = time.monotonic() + ALONE_FOR
                while is_alone and deliveries.process_suspect(database_now()):
                    heard += 1
                    if time.monotonic() > end or self._stop.is_set():
                        break
        return heard

    def _begin_due(self, crew: Crew) -> int:
        """Claim as many jobs as can begin at once, and begin them; return how many that were."""
        self._held = frozenset(pauses())
        begun = self._begin_probes(crew)
        if crew.free:
            claimed = self._claim(crew.free)
            begun += len(claimed)
            for call in self._calls(claimed):
                crew.start(call)
        return begun

    def _calls(self, claimed: Sequence[Job]) -> Iterator[Call]:
        """Return what is to be done for claimed jobs."""
        others: list[Job] = []
        ended: list[Ended] = []
        batches: dict[str, list[Job]] = {}
        for job in claimed:
            is_first = job.kind in BATCHES and job.attempts == 1
            (batches.setdefault(job.kind, []) if is_first else others).append(job)
        for kind, jobs in batches.items():
            for planned in _planned(BATCHES[kind], jobs):
                match planned:
                    case Call():
                        yield planned
                    case Job():
                        others.append(planned)
                    case _:
                        ended.append(planned)
        self._note_all(ended)
        for jobs in _handfuls(others):
            yield Call(jobs, partial(self._carry_each, jobs))

    def _claim(self, limit: int) -> list[Job]:
        """Take jobs that nothing holds up, and a handful that call nobody but receivers."""
        now = database_now()
        claimed: list[Job] = free_jobs(self._held).claim(
            limit,
            now=now,
            lease=_lease(),
            mark=self._marks.of("jobs"),
            held=(self._held, conf.options().PAUSED),
        )
        ours = [job for job in claimed if not job.project and job.attempts == 1]
        if ours:
            # The first ones have begun; the others begin one by one, so that only who did is
            # suspected.
            one = ours[0].priority
            more = Job.objects.filter(project="", attempts=0, priority=one)
            mark = self._marks.of(("announcements", one))
            claimed += more.claim(HANDFUL - 1, now=now, lease=_lease(), begin=False, mark=mark)
        return claimed

    def _carry_each(self, jobs: Sequence[Job]) -> list[Carried]:
        """Carry claimed jobs out, one after another; return how each of them ended."""
        began = time.monotonic()
        ended: list[Carried] = []
        for job in jobs:
            if time.monotonic() - began > _lease().total_seconds() / 4:
                # The lease counts from the claim, and receivers may be slow.
                Job.objects.leave(job, database_now())
            elif job.attempts or Job.objects.begin(job):
                ended.append((job, self.carry(job)))
        return ended

    def _end(self, crew: Crew, answers: Sequence[Answer]) -> int:
        """Go on from what has ended; return how many jobs that were."""
        ended: list[Carried] = []
        for answer in answers:
            if answer.call.batch is None:
                if answer.error is not None:
                    raise answer.error
                ended += answer.value
            else:
                self._since = self._since if self._answers else time.monotonic()
                self._answers.append(answer)
        is_time = len(self._answers) >= TOGETHER or time.monotonic() - self._since >= LINGER
        if self._answers and (is_time or not crew.under_way):
            ended += self._apply()
        for job, outcome in ended:
            probe = self._probes.pop(job.pk, None)
            if probe is not None:
                self._go_on(probe, outcome, crew)
        return len(ended)

    def _apply(self) -> list[Ended]:
        """Have the batches write what their calls have answered, and note how the jobs ended."""
        answers, self._answers = self._answers, []
        ended: list[Ended] = []
        for batch in BATCHES.values():
            given = [answer for answer in answers if answer.call.batch is batch]
            if given:
                ended += _applied(batch, given)
        connecting.drop_broken()
        self._note_all(ended)
        return ended

    def _go_on(self, probe: Probe, outcome: Outcome | None, crew: Crew) -> None:
        """Try another job of what is paused where this one has not called Craftkit."""
        if outcome is None:
            _postpone(probe)
        elif not (isinstance(outcome, (Paused, Failed)) or outcome.heard):
            self._try(probe, crew)

    def _begin_probes(self, crew: Crew) -> int:
        if not self._held or conf.options().PAUSED:
            return 0
        taken = ProjectState.objects.take_probes(database_now(), _lease(), crew.free)
        return sum(self._try(Probe(*names), crew) for names in taken)

    def _try(self, probe: Probe, crew: Crew) -> int:
        """Begin a job of what is paused, which may tell whether Craftkit answers."""
        if probe.tries == PROBES:
            return 0
        jobs = Job.objects.filter(held_by(probe.project, probe.capability))
        for held, lacking in self._held:
            if held == probe.project and lacking not in ("", probe.capability):
                jobs = jobs.exclude(held_by(probe.project, lacking))
        claimed = jobs.claim(1, now=database_now(), lease=_lease())
        if not claimed:
            _postpone(probe)
            return 0
        probe.tries += 1
        self._probes[claimed[0].pk] = probe
        crew.start(Call(claimed, partial(self._carry_each, claimed)))
        return 1

    @again_after_deadlock
    def take(self, kind: str, object_id: int) -> Job | None:
        """Claim the job of one object before its time, unless somebody has it in hand."""
        if self.is_held(kind, object_id):
            return None
        now = database_now()
        jobs = Job.objects.filter(kind=kind, object_id=object_id)
        jobs.using(database()).filter(lease_token=None).update(
            due_at=Least(F("due_at"), Value(now)),
            leased_until=None,
            # What is left of it when its caller waits no longer goes first, too.
            priority=Priority.URGENT,
        )
        return next(iter(jobs.claim(1, now=now, lease=_lease())), None)

    def is_held(self, kind: str, object_id: int) -> bool:
        """Whether what this object waits for is paused, or everything is."""
        if conf.options().PAUSED:
            return True
        jobs = Job.objects.using(database()).filter(kind=kind, object_id=object_id)
        return any(
            jobs.filter(held_by(project, capability)).exists() for project, capability in pauses()
        )

    def carry(self, job: Job) -> Outcome | None:
        """Run the step of a claimed job and note how it ended; ``None`` where it is quarantined."""
        if job.attempts >= MAX_CLAIMS:
            logger.error("%s is quarantined: %d workers ended with it.", job, job.attempts - 1)
            Job.objects.set_aside(
                job,
                database_now() + ASIDE,
                error=f"Quarantined: {job.attempts - 1} workers ended while on it.",
            )
            return None
        return self._carry(job) if job.attempts == 1 else self._carry_alone(job)

    def _carry_alone(self, job: Job) -> Outcome | None:
        """Carry out what a worker has ended with: whatever else ran in it may be innocent."""
        # While it waits, what ends this process is another.
        Job.objects.wait(job)
        with self._room.alone(_lease().total_seconds() / 4) as is_alone:
            if is_alone and Job.objects.begin(job):
                return self._carry(job)
        Job.objects.leave(job, database_now() + timedelta(seconds=NEAR))
        return None

    def _carry(self, job: Job) -> Outcome:
        outcome = _run(job)
        # A connection that broke in the step must not keep its end from being noted.
        connecting.drop_broken()
        self._note(job, outcome)
        return outcome

    def _note_all(self, ended: Sequence[Ended]) -> None:
        """Note how steps ended: together where nothing but their jobs is concerned."""
        together: list[tuple[Job, Done | Again, int]] = []
        alone: list[Ended] = []
        paused: set[tuple[str, str]] = set()
        for job, outcome in ended:
            if isinstance(outcome, Paused) and (job.project, outcome.capability) in paused:
                # Many calls under way may tell of a pause; one of them notes it.
                together.append((job, Again(0.0, outcome.reason), job.failures))
            elif isinstance(outcome, (Paused, Failed)) or job.pk in self._probes:
                alone.append((job, outcome))
                if isinstance(outcome, Paused):
                    paused.add((job.project, outcome.capability))
            else:
                together.append((job, outcome, 0))
        noted: set[int] = set()
        if len(together) > 1:
            try:
                noted = self._note_together(together)
            except Error as error:
                logger.warning("How %d steps ended is noted one by one: %s", len(ended), error)
        alone += [(job, outcome) for job, outcome, _failures in together if job.pk not in noted]
        for job, outcome in alone:
            self._note(job, outcome)

    @in_transaction
    def _note_together(self, ended: Sequence[tuple[Job, Done | Again, int]]) -> set[int]:
        """Note how steps ended, but for jobs that another has locked; return which were noted."""
        now = database_now()
        done = [job for job, outcome, _failures in ended if isinstance(outcome, Done)]
        again = [
            (job, now + timedelta(seconds=outcome.after), outcome.error, failures)
            for job, outcome, failures in ended
            if isinstance(outcome, Again)
        ]
        delays = [outcome.after for _, outcome, _ in ended if isinstance(outcome, Again)]
        if self._wake and min(delays, default=NEAR) < NEAR:
            transaction.on_commit(partial(self._wake, min(delays)), using=database())
        return Job.objects.put_down(done, again)

    def _note(self, job: Job, outcome: Outcome) -> None:
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
        delay = NEAR
        match outcome:
            case Paused():
                if job.kind not in NEEDS.get(outcome.capability, ()):
                    outcome = replace(outcome, capability="")
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
            case Done():
                Job.objects.done(job)
        if isinstance(outcome, (Again, Done)) and outcome.heard:
            self._resume(job)
        if delay < NEAR and self._wake:
            transaction.on_commit(partial(self._wake, delay), using=database())

    def _holding(self, job: Job) -> list[tuple[str, str]]:
        """Return the pauses that this job is a probe of."""
        if job.pk not in self._probes:
            return []
        return [
            (project, capability)
            for project, capability in self._held
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


def _lease() -> timedelta:
    return timedelta(seconds=conf.options().LEASE)


def _planned(batch: Batch, jobs: Sequence[Job]) -> Sequence[Call | Ended | Job]:
    """Return what a batch plans; the jobs themselves where one of them breaks it."""
    try:
        return list(batch.plan(jobs))
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        logger.exception("A batch of %d jobs is taken apart.", len(jobs))
        return jobs


def _applied(batch: Batch, answers: Sequence[Answer]) -> Iterator[Ended]:
    """Return how the steps end whose calls have answered, also where that raises."""
    left = {answer.call.jobs[0].pk: answer.call.jobs[0] for answer in answers}
    try:
        for job, outcome in batch.apply(answers):
            del left[job.pk]
            yield job, outcome
    except Exception as error:
        for job in left.values():
            yield job, outcome_of_error(job, error)


def _handfuls(claimed: Sequence[Job]) -> Iterator[list[Job]]:
    """Return what is carried out in one go: a job, and with one of ours the handful after it."""
    waiting = [job for job in claimed if not job.attempts]
    for job in claimed:
        if job.attempts == 1 and not job.project:
            yield [job, *waiting]
            waiting = []
        elif job.attempts:
            yield [job]


def _postpone(probe: Probe) -> None:
    at = database_now() + timedelta(seconds=PROBE_AGAIN)
    ProjectState.objects.postpone(probe.project, probe.capability, at)


def _run(job: Job) -> Outcome:
    try:
        return STEPS[job.kind](job)
    except Exception as error:
        return outcome_of_error(job, error)


#: Seconds between two looks while a person waits; https://docs.craftkit.dev/guides/render-lifecycle
PACE = (0.25, 0.5, 1.0, 2.0, 5.0)


def carry_out(
    kind: str, object_id: int, *, timeout: float, until: Callable[[], bool] | None = None
) -> bool:
    """Do what is due for one object in this thread, until it is so or ``timeout`` is over.

    Ends at once where its project is paused: what is left is the worker's.
    """
    deadline = time.monotonic() + timeout
    loop = Loop(threads=1)
    pace = iter(PACE)
    while until is None or not until():
        with patience(deadline - time.monotonic()):
            job = loop.take(kind, object_id)
            outcome = loop.carry(job) if job is not None else None
        if until is None:
            if isinstance(outcome, Again):
                return outcome.heard and not outcome.error
            return isinstance(outcome, Done) and outcome.heard
        if until():
            return True
        pause = next(pace, PACE[-1])
        if loop.is_held(kind, object_id) or time.monotonic() + pause > deadline:
            return False
        time.sleep(pause)
    return True


dispatch.register(carry_out)
