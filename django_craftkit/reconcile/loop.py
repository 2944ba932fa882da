"""The loop: claim what is due, plan its calls, apply the answers, note the outcomes.

Any number of loops may run at once, in any process; a lease decides who has a job in hand. No
transaction is open while a call is under way, or a step runs.
"""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Least

from django_craftkit import conf, dispatch
from django_craftkit.client import CraftkitError
from django_craftkit.clock import database_now
from django_craftkit.database import (
    again_after_deadlock,
    database,
)
from django_craftkit.log import get_logger
from django_craftkit.models import Job, ProjectState
from django_craftkit.models.claims import Marks
from django_craftkit.models.priority import Priority
from django_craftkit.models.work import MAX_CLAIMS
from django_craftkit.projects import patience

from . import (
    announcements,
    archive,
    connecting,
    deliveries,
    emails,
    engagement,
    links,
    renders,
    signatures,
    sweeping,
)
from .backlog import NEEDS, free_jobs, held_by, pauses
from .crew import Alone, Answer, Call, Crew, Threads
from .outcomes import (
    Again,
    Done,
    Failed,
    Later,
    Outcome,
    Paused,
    outcome_of,
    outcome_of_error,
)
from .pace import PACE as FUNCTIONS
from .pace import Turn
from .pool import Pool
from .results import Probe, Results
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from .batches import Batch, Ended
    from .pulse import Pulse

    #: A job, and how its step ended; ``None`` where it is quarantined, or could not be alone.
    Carried = tuple[Job, "Outcome | None"]

logger = get_logger(__name__)

STEPS: dict[str, Callable[[Job], Outcome]] = {
    "render": renders.batch.step,
    "share": links.step,
    "email": emails.step,
    "engagement": engagement.step,
    "send signature": signatures.send.step,
    "signature": signatures.cancel.step,
    "poll signatures": signatures.poll.step,
    "archive signature": archive.keep_signed,
    "archive render": archive.keep_render,
    **dict.fromkeys(announcements.KINDS, announcements.step),
}

#: What is done for many jobs at a time, in the thread of the loop. The crew makes the calls.
BATCHES: dict[str, Batch] = {
    "render": renders.batch.DOCUMENTS,
    **dict.fromkeys(announcements.KINDS, announcements.ANNOUNCEMENTS),
    "send signature": signatures.send.SENDING,
    "signature": signatures.cancel.FOLLOWING,
    "share": links.LINKS,
    "email": emails.MAILS,
}

#: Seconds within which a job that is due wakes the loop itself instead of waiting for the sweep.
NEAR = 5.0
#: How many jobs a probe tries at most, and seconds to the next where none of them called Craftkit.
PROBES, PROBE_AGAIN = 50, 5.0
#: How long work that ends its workers is left alone.
ASIDE = timedelta(days=1)
#: Seconds between two looks into an empty inbox, while there are jobs to do.
LOOK_EVERY = 0.2
#: Seconds for which webhooks that ended a worker are worked off alone, one by one: a whole batch
#: ends with its worker, and to wait for the other threads before each would take minutes.
ALONE_FOR = 1.0
#: Seconds for which answers wait for others, to be noted together; how many do so at most.
LINGER, TOGETHER = 0.25, 100
#: Seconds between two looks for what is due, while something is under way and nothing ends.
IDLE = 0.2
#: How many jobs are claimed at a time while some found no thread of their own.
FEW = 20
#: Seconds to the next look at what would need a thread of its own, while there is none for it.
NO_HELPER = 1.0
#: Seconds after its time for which a loop makes the calls that it has planned.
GRACE = 2.0
#: Seconds for which a worker stays for what will be due, instead of sending itself a message.
STAY = 2.0


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
        pool: Pool | None = None,
        pulse: Pulse | None = None,
        marks: Marks | None = None,
    ) -> None:
        """``room`` is where its steps run, ``pool`` what makes its calls, ``pulse`` what gives
        signs of life, ``marks`` how far it has come: loops of one process share them. A loop
        without a pulse is no worker: it runs in somebody's stead.
        """
        self.threads = conf.options().THREADS if threads is None else threads
        self._wake = wake
        self._stop = threading.Event()
        self._room = Room() if room is None else room
        self._pool = Pool(self.threads) if pool is None else pool
        self._pulse = pulse
        self._marks = Marks() if marks is None else marks
        self._results = Results(self._look_again)
        #: What calls of batches have answered that is not noted yet, and since when.
        self._answers: list[Answer] = []
        self._since = 0.0
        #: Whether steps wait for a thread of their own.
        self._is_crowded = False
        #: Until when this loop stays for what it has put back.
        self._stay_until = 0.0

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
        crew: Crew = Alone() if self.threads <= 1 else Threads(self._pool, self._room)
        self._results.probes.clear()
        if self._pulse is not None:
            renders.poll.recall()
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
        while some or crew.under_way or self._is_staying():
            answers = crew.answers(0.0 if some else IDLE)
            is_over = self._stop.is_set() or time.monotonic() >= deadline
            if self._stop.is_set() or time.monotonic() >= deadline + GRACE:
                crew.let_go()
            if is_over and not (answers or crew.under_way):
                break
            heard = begun = 0
            with self._room.beside():
                ended = self._end(crew, answers)
                now = time.monotonic()
                if not is_over:
                    if not some or now - looked > LOOK_EVERY:
                        heard = self._hear()
                        looked = 0.0 if heard else now
                    is_time = heard or not crew.under_way or now - claimed > IDLE
                    if is_time or (is_full and crew.is_ready):
                        begun, is_full = self._begin_due(crew)
                        claimed = now
            done += heard + ended
            some = bool(heard or begun or ended)
        if self._wake:
            left = self._stay_until - time.monotonic()
            if time.monotonic() >= deadline:
                self._wake(0.0)
            if left > 0:
                self._wake(left)
        return done

    def _is_staying(self) -> bool:
        """Whether something is due so soon that a message for it would cost more than to wait."""
        return not self._stop.is_set() and time.monotonic() < self._stay_until

    def _look_again(self, delay: float) -> None:
        """Have what is put back for so many seconds be found then; inside the transaction."""
        if self._wake is None or delay >= NEAR:
            return
        if self._pulse is not None and self.threads > 1 and delay <= STAY:
            self._stay_until = max(self._stay_until, time.monotonic() + delay + IDLE)
        else:
            transaction.on_commit(partial(self._wake, delay), using=database())

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

    def _begin_due(self, crew: Crew) -> tuple[int, bool]:
        """Claim what can begin soon, and begin it.

        Return how many jobs that were, and whether more of them may be due.
        """
        self._results.held = frozenset(pauses())
        begun = self._begin_probes(crew)
        if self.threads <= 1:
            return self._begin_some(frozenset(STEPS), crew.room, crew)
        keyed = frozenset(kind for kind, batch in BATCHES.items() if batch.is_keyed)
        # What must begin at once goes first; what takes its time has threads of its own.
        begun += self._begin_some(BATCHES.keys() - keyed, crew.free, crew)[0]
        begun += self._begin_some(STEPS.keys() - BATCHES.keys(), crew.helpers, crew)[0]
        room = min(crew.room, FEW) if self._is_crowded else crew.room
        more, is_full = self._begin_some(keyed, room, crew)
        return begun + more, is_full

    def _begin_some(self, kinds: AbstractSet[str], room: int, crew: Crew) -> tuple[int, bool]:
        """Claim and begin jobs of some kinds; return as ``_begin_due`` does."""
        if not kinds or room <= 0:
            return 0, room <= 0
        claimed = self._claim(frozenset(kinds), room)
        return len(claimed), self._begin(claimed, crew) and len(claimed) == room

    def _claim(self, kinds: frozenset[str], limit: int) -> list[Job]:
        """Take jobs of some kinds that nothing holds up."""
        # Without the others, not of these: no other index than that of claims is to look useful.
        jobs = free_jobs(self._results.held).exclude(kind__in=STEPS.keys() - kinds)
        claimed: list[Job] = jobs.claim(
            limit,
            now=database_now(),
            lease=_lease(),
            # What calls nobody but receivers begins one by one: only who did is suspected.
            begins=lambda job: bool(job.project or job.attempts),
            mark=self._marks.of(kinds),
            held=(self._results.held, conf.options().PAUSED),
        )
        return claimed

    def _begin(self, claimed: Sequence[Job], crew: Crew) -> bool:
        """Begin what was claimed; return whether there was a thread for each that needs its own."""
        steps: list[Job] = []
        ended: list[Ended] = []
        batches: dict[Batch, list[Job]] = {}
        for job in claimed:
            batch = BATCHES.get(job.kind)
            if batch is None or job.attempts > 1:
                steps.append(job)
            else:
                batches.setdefault(batch, []).append(job)
        turn = Turn(FUNCTIONS)
        for batch, jobs in batches.items():
            for planned in _planned(batch, jobs, turn):
                match planned:
                    case Call():
                        crew.start(planned)
                    case Job():
                        steps.append(planned)
                    case _:
                        ended.append(planned)
        helpers = crew.helpers if self.threads > 1 else len(steps)
        for job in steps[:helpers]:
            crew.start(self._step_of(job))
        ended += [(job, Later(NO_HELPER)) for job in steps[helpers:]]
        self._results.note_all(ended)
        self._is_crowded = len(steps) > helpers
        return not self._is_crowded

    def _step_of(self, job: Job) -> Call:
        """Return what carries a claimed job out by itself."""
        return Call([job], partial(self._carry_in_time, job, time.monotonic()))

    def _carry_in_time(self, job: Job, claimed_at: float) -> list[Carried]:
        """Carry a claimed job out; return how it ended, or nothing where it is another's."""
        if time.monotonic() - claimed_at > _lease().total_seconds() / 4:
            # The lease counts from the claim, and what was before it may have taken its time.
            self._results.note(job, Later())
        elif job.attempts or Job.objects.begin(job):
            return [(job, self.carry(job))]
        return []

    def _end(self, crew: Crew, answers: Sequence[Answer]) -> int:
        """Go on from what has ended; return how many jobs that were."""
        ended: list[Carried] = []
        is_time = False
        for answer in answers:
            if answer.call.batch is None:
                if answer.error is not None:
                    raise answer.error
                ended += answer.value
            else:
                self._since = self._since if self._answers else time.monotonic()
                self._answers.append(answer)
                is_time |= self._is_paused_by(answer, crew)
        is_time |= len(self._answers) >= TOGETHER or time.monotonic() - self._since >= LINGER
        if self._answers and (is_time or not crew.under_way):
            ended += self._apply()
        for job, outcome in ended:
            probe = self._results.probes.pop(job.pk, None)
            if probe is not None:
                self._go_on(probe, outcome, crew)
        return len(ended)

    def _is_paused_by(self, answer: Answer, crew: Crew) -> bool:
        """Whether an answer pauses its project: then no call is made that has not begun."""
        if not isinstance(answer.error, CraftkitError):
            return False
        outcome = outcome_of(answer.error)
        if isinstance(outcome, Paused):
            crew.stop(answer.call.jobs[0].project, NEEDS.get(outcome.capability))
        return isinstance(outcome, Paused)

    def _apply(self) -> list[Ended]:
        """Have the batches write what their calls have answered, and note how the jobs ended."""
        answers, self._answers = self._answers, []
        ended: list[Ended] = []
        given: dict[Batch, list[Answer]] = {}
        for answer in answers:
            if answer.call.batch is not None:
                given.setdefault(answer.call.batch, []).append(answer)
        for batch, of_batch in given.items():
            ended += _applied(batch, of_batch)
        connecting.drop_broken()
        self._results.note_all(ended)
        return ended

    def _go_on(self, probe: Probe, outcome: Outcome | None, crew: Crew) -> None:
        """Try another job of what is paused where this one has not called Craftkit."""
        if outcome is None:
            _postpone(probe)
        elif not (
            isinstance(outcome, (Paused, Failed))
            or (isinstance(outcome, (Again, Done)) and outcome.heard)
        ):
            self._try(probe, crew)

    def _begin_probes(self, crew: Crew) -> int:
        if not self._results.held or conf.options().PAUSED:
            return 0
        taken = ProjectState.objects.take_probes(database_now(), _lease(), crew.helpers)
        return sum(self._try(Probe(*names), crew) for names in taken)

    def _try(self, probe: Probe, crew: Crew) -> int:
        """Begin a job of what is paused, which may tell whether Craftkit answers."""
        if probe.tries == PROBES:
            return 0
        jobs = Job.objects.filter(held_by(probe.project, probe.capability))
        for held, lacking in self._results.held:
            if held == probe.project and lacking not in ("", probe.capability):
                jobs = jobs.exclude(held_by(probe.project, lacking))
        claimed = jobs.claim(1, now=database_now(), lease=_lease())
        if not claimed:
            _postpone(probe)
            return 0
        probe.tries += 1
        self._results.probes[claimed[0].pk] = probe
        crew.start(self._step_of(claimed[0]))
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
        self._results.note(job, outcome)
        return outcome


def _lease() -> timedelta:
    return timedelta(seconds=conf.options().LEASE)


def _planned(batch: Batch, jobs: Sequence[Job], turn: Turn) -> Sequence[Call | Ended | Job]:
    """Return what a batch plans; the jobs themselves where one of them breaks it."""
    try:
        return list(batch.plan(jobs, turn))
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
