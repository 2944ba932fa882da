"""The loop: claim what is due, run its step, note the outcome.

Any number of loops may run at once, in any process; a lease decides who has a job in hand. No
transaction is open while a step runs.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, transaction
from django.db.models import F, Value
from django.db.models.functions import Least

from django_craftkit import conf, dispatch
from django_craftkit.client import CraftkitError
from django_craftkit.clock import database_now
from django_craftkit.database import (
    again_after_deadlock,
    database,
    describe,
    in_transaction,
    storable,
)
from django_craftkit.failures import is_outage
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, ProjectState, WebhookDelivery
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
from .outcomes import (
    MIN_PROBE_DELAY,
    Again,
    Done,
    Failed,
    Outcome,
    Paused,
    outcome_of,
    probe_delay,
    retry_delay,
)
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .pulse import Pulse

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
#: Seconds that an idle thread waits before it looks again, while another is busy.
IDLE = 0.2


class Loop:
    """Does what is due, in as many threads as it is given, until nothing is or time is up."""

    def __init__(
        self,
        *,
        threads: int | None = None,
        wake: Callable[[float], None] | None = dispatch.wake,
        room: Room | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        """``room`` is where its steps run, ``pulse`` what gives signs of life: loops of one process
        share them. A loop without a pulse is no worker: it runs in somebody's stead.
        """
        self.threads = conf.options().THREADS if threads is None else threads
        self._wake = wake
        self._stop = threading.Event()
        #: Set where a run fails: its other threads end, and the next run begins anew.
        self._failed = threading.Event()
        self._held: frozenset[tuple[str, str]] = frozenset()
        self._room = Room() if room is None else room
        self._pulse = pulse
        self._lock = threading.Lock()
        self._busy = 0

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
        with nullcontext() if self._pulse is None else self._pulse.beat():
            return self._work_in_threads(seconds)

    def _work_in_threads(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        self._failed.clear()
        if self.threads <= 1 or not _is_anything_due():
            return self._drain(deadline)
        counts: list[int] = []
        errors: list[Exception] = []
        helpers = [
            threading.Thread(
                target=self._help, args=(deadline, counts, errors), name=f"craftkit-{number}"
            )
            for number in range(self.threads - 1)
        ]
        for helper in helpers:
            helper.start()
        known: BaseException | None = None
        try:
            done = self._drain(deadline)
        except BaseException as error:
            known = error
            self._failed.set()
            raise
        finally:
            for helper in helpers:
                helper.join()
            _tell_errors(errors, known)
        return done + sum(counts)

    def _help(self, deadline: float, counts: list[int], errors: list[Exception]) -> None:
        try:
            counts.append(self._drain(deadline))
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._failed.is_set()

    def _drain(self, deadline: float) -> int:
        """Do what is due until nothing is and no other thread may still bring something."""
        done = carried = 0
        looked = 0.0
        while not self._is_over():
            if time.monotonic() >= deadline:
                if self._wake:
                    self._wake(0.0)
                break
            with self._counting(), self._room.beside():
                heard = 0
                if not carried or time.monotonic() - looked > LOOK_EVERY:
                    heard = self._hear()
                    looked = 0.0 if heard else time.monotonic()
                carried = self._carry_due()
            some = heard + carried
            done += some
            if not some and not self._busy:
                break
            if not some:
                self._stop.wait(IDLE)
        return done

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """Count the threads that have something in hand."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1

    def _hear(self) -> int:
        """Work webhooks off: a batch of them, and alone those that ended their worker."""
        now = database_now()
        heard = deliveries.process(now)
        if heard < deliveries.BATCH and deliveries.is_any_suspect(now):
            with self._room.alone() as is_alone:
                end = time.monotonic() + ALONE_FOR
                while is_alone and deliveries.process_suspect(database_now()):
                    heard += 1
                    if time.monotonic() > end or self._is_over():
                        break
        return heard

    def _carry_due(self) -> int:
        done = 0
        began = time.monotonic()
        for job in self._claim():
            if time.monotonic() - began > _lease().total_seconds() / 4:
                # The lease counts from the claim, and receivers may be slow.
                Job.objects.leave(job, database_now())
                continue
            if not job.attempts and not Job.objects.begin(job):
                continue
            self.carry(job)
            done += 1
        if self._held and not conf.options().PAUSED:
            for project, capability in ProjectState.objects.take_probes(database_now(), _lease()):
                done += self._probe(project, capability)
        return done

    def _probe(self, project: str, capability: str) -> int:
        """Carry jobs of what is paused out until one of them tells whether Craftkit answers."""
        jobs = Job.objects.filter(held_by(project, capability))
        for held, lacking in self._held:
            if held == project and lacking not in ("", capability):
                jobs = jobs.exclude(held_by(project, lacking))
        for done in range(PROBES):
            claimed = jobs.claim(1, now=database_now(), lease=_lease())
            outcome = self.carry(claimed[0]) if claimed else None
            if outcome is None:
                ProjectState.objects.postpone(
                    project, capability, database_now() + timedelta(seconds=PROBE_AGAIN)
                )
                return done
            if isinstance(outcome, (Paused, Failed)) or outcome.heard:
                return done + 1
        return PROBES

    def _claim(self) -> list[Job]:
        """Take a job that nothing holds up, or a handful that call nobody but receivers."""
        self._held = frozenset(pauses())
        now = database_now()
        claimed: list[Job] = free_jobs(self._held).claim(1, now=now, lease=_lease())
        if claimed and not claimed[0].project and claimed[0].attempts == 1:
            # The first has begun; the others begin one by one, so that only who did is suspected.
            more = Job.objects.filter(project="", attempts=0)
            claimed += more.claim(HANDFUL - 1, now=now, lease=_lease(), begin=False)
        return claimed

    @again_after_deadlock
    def take(self, kind: str, object_id: int) -> Job | None:
        """Claim the job of one object before its time, unless somebody has it in hand."""
        if self.is_held(kind, object_id):
            return None
        now = database_now()
        jobs = Job.objects.filter(kind=kind, object_id=object_id)
        jobs.using(database()).filter(lease_token=None).update(
            due_at=Least(F("due_at"), Value(now)), leased_until=None
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
        """Return the pauses that this job was a probe of."""
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


def _is_anything_due() -> bool:
    """Whether it is worth while to start threads, each with a connection of its own."""
    now = database_now()
    return any(
        model._default_manager.using(database()).due(now).exists()
        for model in (WebhookDelivery, Job)
    )


def _tell_errors(errors: list[Exception], known: BaseException | None) -> None:
    """Log what ended the helping threads of a run: what ended several of them once."""
    told = {type(known)}
    for error in errors:
        if type(error) not in told:
            told.add(type(error))
            logger.error(
                "A thread of Craftkit's loop ended; its jobs are taken up again.", exc_info=error
            )


def _run(job: Job) -> Outcome:
    try:
        return STEPS[job.kind](job)
    except CraftkitError as error:
        return outcome_of(error)
    except ImproperlyConfigured as error:
        return Paused(NOT_CONFIGURED, str(error))
    except SoftTimeLimitExceeded:
        # The worker is about to be ended; the lease leaves the job to another.
        raise
    except Exception as error:
        # A mistake of ours must not lose a document: it is logged, shown and tried again.
        if is_outage(error):
            logger.warning("The step of %s is tried again: %s", job, error)
        else:
            logger.exception("The step of %s raised.", job)
        return Failed(describe(error))


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
