"""The loop: claim what is due, plan its calls, apply the answers, note the results.

Any number of loops may run at once, in any process; a lease decides who has a job. No transaction
is open while a call is under way, or a step runs.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django_craftkit import conf, dispatch
from django_craftkit.client import CraftkitError
from django_craftkit.clock import database_now
from django_craftkit.models import Job, ProjectState
from django_craftkit.models.claims import Lease, Watermarks

from . import connecting, deliveries, renders, sweeping
from .exclusion import Exclusion
from .executor import Answer, Call, Executor, ThreadExecutor
from .noting import Noting, Probe
from .pauses import NEEDS, free_jobs, paused_by, pauses
from .pool import Pool
from .results import Done, Later, Paused, Reschedule, Result, result_of, with_new_key
from .single import Single, wake_later
from .steps import BATCHES, STEPS, apply, plan
from .timings import Budget
from .uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from .batches import Batch, Ended
    from .pulse import Pulse
    from .single import Carried

#: How many jobs a probe tries at most, and seconds to the next where none of them called Craftkit.
PROBES, NEXT_PROBE = 50, 5.0
#: Seconds between two looks into an empty inbox, while there are jobs to do.
INBOX_EVERY = 0.3
#: Seconds between two looks for webhooks that ended a worker, or broke their batch, where none did.
SUSPECTS_EVERY = 1.0
#: Seconds for which webhooks that ended a worker are processed alone, one by one: a whole batch
#: ends with its worker, and to wait for the other threads before each would take minutes.
ALONE_FOR = 1.0
#: Seconds for which answers wait for others, to be noted together; how many do so at most.
LINGER, TOGETHER = 0.25, 100
#: Seconds between two looks for what is due, while something is under way and nothing ends.
IDLE = 0.2
#: How many jobs are claimed at a time after some had to be released.
FEW = 20
#: Seconds to the next look at what would need a thread of its own, while there is none for it.
NO_HELPER = 1.0
#: Seconds for which a place among the steps is kept for what has found none, at most.
KEPT = 5.0
#: Seconds after its time for which a loop makes the calls that it has planned.
GRACE = 2.0
#: Seconds for which a worker stays for what will be due, instead of sending itself a message.
STAY = 2.0


class Loop:
    """Does what is due, in as many threads as it is given, until nothing is or time is up.

    The thread that runs it claims jobs and processes webhooks; an executor does what takes long.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        wake: Callable[[float], None] | None = dispatch.wake,
        exclusion: Exclusion | None = None,
        pool: Pool | None = None,
        pulse: Pulse | None = None,
        watermarks: Watermarks | None = None,
    ) -> None:
        """``exclusion`` keeps its steps apart, ``pool`` makes its calls, ``pulse`` gives signs of
        life, ``watermarks`` say how far it has come: loops of one process share them. A loop
        without a pulse is no worker: it runs in somebody's stead.
        """
        self.threads = conf.options().THREADS if threads is None else threads
        self._wake = wake
        self._stop = threading.Event()
        self._exclusion = Exclusion() if exclusion is None else exclusion
        self._pool = Pool(self.threads) if pool is None else pool
        self._pulse = pulse
        self._watermarks = Watermarks() if watermarks is None else watermarks
        self._noting = Noting(self._look_again)
        self._single = Single(self._exclusion, self._noting)
        #: What calls of batches have answered that is not noted yet, and since when.
        self._answers: defaultdict[Batch, list[Answer]] = defaultdict(list)
        self._since = 0.0
        #: When to look again for webhooks that may end their worker.
        self._suspects_at = 0.0
        #: Whether some of what can be made in batches was released when it was claimed last.
        self._is_crowded = False
        #: Until when a place among the steps is kept for what batches leave to one.
        self._kept_until = 0.0
        #: Until when this loop stays for what it has released.
        self._stay_until = 0.0
        self._executor = Executor()
        #: When to look for what is due, if no answer comes before.
        self._look_at = 0.0

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

    def turns(self, seconds: float) -> Generator[None, None, int]:
        """Do what ``run`` does, a little at each turn, and wait for no answer.

        Whoever has loops of several tenants goes on with another while this one ``is_waiting``, and
        has renewed its connections.
        """
        return (yield from self._turns(seconds, idle=0.0))

    def _work(self, seconds: float) -> int:
        turns = self._turns(seconds, idle=IDLE)
        while True:
            try:
                next(turns)
            except StopIteration as end:
                return int(end.value)

    def _turns(self, seconds: float, *, idle: float) -> Generator[None, None, int]:
        """Work; in each turn wait up to ``idle`` seconds for an answer if there is nothing else."""
        executor = Executor() if self.threads <= 1 else ThreadExecutor(self._pool, self._exclusion)
        self._executor = executor
        self._noting.probes.clear()
        if self._pulse is not None:
            renders.poll.recall()
        with nullcontext() if self._pulse is None else self._pulse.beat():
            try:
                return (yield from self._drain(executor, time.monotonic() + seconds, idle))
            finally:
                executor.close()

    @property
    def is_waiting(self) -> bool:
        """Whether a turn now would bring nothing: no answer is there, and it looked just now."""
        return time.monotonic() < self._look_at and not self._executor.has_answers

    def _drain(
        self, executor: Executor, deadline: float, idle: float
    ) -> Generator[None, None, int]:
        """Do what is due until nothing is, and nothing under way may still bring something."""
        done = 0
        looked = claimed = 0.0
        some = is_full = True
        while some or executor.under_way or self._is_staying():
            # Whoever stays for something looks once more, however late the next turn comes.
            yield
            answers = executor.answers(0.0 if some else idle)
            is_over = self._stop.is_set() or time.monotonic() >= deadline
            if self._stop.is_set() or time.monotonic() >= deadline + GRACE:
                executor.release()
            if is_over and not (answers or executor.under_way):
                break
            webhooks = begun = 0
            with self._exclusion.shared():
                ended = self._end(executor, answers)
                now, moment = time.monotonic(), None
                # Not with each answer that comes; but nothing is left when the loop ends: an answer
                # may be what a webhook has waited for.
                is_last = not (ended or executor.under_way)
                if not is_over and (is_last or now - looked > INBOX_EVERY):
                    moment = database_now()
                    webhooks = self._process_webhooks(moment, executor)
                    looked = 0.0 if webhooks else now
                is_time = webhooks or not executor.under_way or now - claimed > IDLE
                if not is_over and (is_time or (is_full and executor.is_ready)):
                    if webhooks or moment is None:
                        moment = database_now()
                    begun, is_full = self._begin_due(executor, moment)
                    claimed = now
            done += webhooks + ended
            some = bool(webhooks or begun or ended)
            self._look_at = 0.0 if some else time.monotonic() + IDLE
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
        """Have a loop find what is rescheduled in so many seconds; inside the transaction."""
        if self._wake is None:
            return
        if self._pulse is not None and self.threads > 1 and delay <= STAY:
            self._stay(delay)
        else:
            wake_later(delay, self._wake)

    def _stay(self, delay: float) -> None:
        """Do not end before what is rescheduled in so many seconds is looked for again."""
        self._stay_until = max(self._stay_until, time.monotonic() + delay + IDLE)

    def _process_webhooks(self, now: datetime, executor: Executor) -> int:
        """Process a batch of webhooks, and alone those that ended their worker."""
        lease = Lease(now + conf.lease())
        with uncollected():
            processed = deliveries.process(now, self._watermarks.of("inbox"), lease)
        # What they tell is announced at once: for another to claim it costs more than to tell it.
        self._begin(Job.objects.leased(lease), executor)
        if processed < deliveries.BATCH and self._is_any_suspect(now, bool(processed)):
            with self._exclusion.exclusive() as is_alone:
                end = time.monotonic() + ALONE_FOR
                while is_alone and deliveries.process_suspect(database_now()):
                    processed += 1
                    if time.monotonic() > end or self._stop.is_set():
                        break
        return processed

    def _is_any_suspect(self, now: datetime, is_time: bool) -> bool:
        """Whether a webhook is due that is to be processed alone: what others left long ago."""
        if not is_time and time.monotonic() < self._suspects_at:
            return False
        is_any = deliveries.is_any_suspect(now, self._watermarks.of("suspects"))
        self._suspects_at = 0.0 if is_any else time.monotonic() + SUSPECTS_EVERY
        return is_any

    def _begin_due(self, executor: Executor, now: datetime) -> tuple[int, bool]:
        """Claim what can begin soon, and begin it.

        Return how many jobs that were, and whether more of them may be due, and could begin now.
        """
        self._noting.paused = frozenset(pauses())
        begun = self._begin_probes(executor, now)
        kinds: AbstractSet[str] = STEPS.keys()
        room = executor.room
        if self.threads > 1:
            repeatable = {kind for kind, batch in BATCHES.items() if batch.is_repeatable}
            # What must begin at once goes first; what takes its time has threads of its own.
            begun += self._begin_some(BATCHES.keys() - repeatable, executor.free, executor, now)[0]
            steps = STEPS.keys() - BATCHES.keys()
            places = executor.helpers - (time.monotonic() < self._kept_until)
            begun += self._begin_some(steps, places, executor, now)[0]
            kinds, room = repeatable, min(executor.room, FEW) if self._is_crowded else executor.room
        claimed, released = self._begin_some(kinds, room, executor, now)
        if claimed:
            self._is_crowded = bool(released)
        is_full = claimed >= room and not any(later.after for later in released)
        return begun + claimed, is_full

    def _begin_some(
        self, kinds: AbstractSet[str], room: int, executor: Executor, now: datetime
    ) -> tuple[int, list[Later]]:
        """Claim jobs of some kinds that nothing keeps waiting, and begin them.

        Return how many, and how those were released whose turn did not come.
        """
        if not kinds or room <= 0:
            return 0, []
        kinds = frozenset(kinds)
        # Without the others, not of these: no other index than that of claims is to look useful.
        jobs = free_jobs(self._noting.paused).exclude(kind__in=STEPS.keys() - kinds)
        claimed: list[Job] = jobs.claim(
            room,
            now=now,
            lease=conf.lease(),
            # What calls nobody but receivers begins one by one, and so does who is suspected: it
            # waits until it is alone, and what ends the worker meanwhile is another.
            begins=lambda job: bool(job.project) and not job.attempts,
            since=self._watermarks.of(kinds),
            excluded=(self._noting.paused, conf.options().PAUSED),
        )
        return len(claimed), self._begin(claimed, executor)

    def _begin(self, claimed: Sequence[Job], executor: Executor) -> list[Later]:
        """Begin what was claimed; return how jobs were released whose turn did not come."""
        steps: list[Job] = []
        ended: list[Ended] = []
        batches: dict[Batch, list[Job]] = {}
        for job in claimed:
            batch = BATCHES.get(job.kind)
            if batch is None or job.crashes:
                steps.append(job)
            else:
                batches.setdefault(batch, []).append(job)
        budget = Budget()
        with uncollected():
            for batch, jobs in batches.items():
                for planned in plan(batch, jobs, budget):
                    match planned:
                        case Call():
                            executor.start(planned)
                        case Job():
                            steps.append(planned)
                        case _:
                            ended.append(planned)
        helpers = executor.helpers if self.threads > 1 else len(steps)
        if any(job.kind in BATCHES for job in steps):
            # Steps are claimed first: without a place of its own, what a batch leaves to one would
            # wait until none of them is due. With one for each, they would wait for it.
            is_begun = any(job.kind in BATCHES for job in steps[:helpers])
            self._kept_until = 0.0 if is_begun else time.monotonic() + KEPT
        for job in steps[:helpers]:
            executor.start(self._step_of(job))
        ended += [(job, Later(NO_HELPER)) for job in steps[helpers:]]
        self._noting.note_all(ended)
        released = [result for _job, result in ended if isinstance(result, Later)]
        if released:
            # They are due, whoever runs this loop.
            self._stay(max(later.after for later in released))
        return released

    def _step_of(self, job: Job) -> Call:
        """Return what carries a claimed job out by itself."""
        return Call([job], partial(self._single.carry_in_time, job, time.monotonic()))

    def _end(self, executor: Executor, answers: Sequence[Answer]) -> int:
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
                self._answers[answer.call.batch].append(answer)
                is_time |= self._is_paused_by(answer, executor)
        is_time |= sum(map(len, self._answers.values())) >= TOGETHER
        is_time |= time.monotonic() - self._since >= LINGER
        if self._answers and (is_time or not executor.under_way):
            ended += self._apply()
        for job, result in ended:
            probe = self._noting.probes.pop(job.pk, None)
            if probe is not None:
                self._go_on(probe, result, executor)
        return len(ended)

    def _is_paused_by(self, answer: Answer, executor: Executor) -> bool:
        """Whether an answer pauses its project: then no call is made that has not begun."""
        result = result_of(answer.error) if isinstance(answer.error, CraftkitError) else None
        if not isinstance(result, Paused):
            return False
        executor.stop(answer.call.jobs[0].project, NEEDS.get(result.capability))
        return True

    def _apply(self) -> list[Ended]:
        """Have the batches write what their calls have answered, and note how the jobs ended."""
        answers, self._answers = self._answers, defaultdict(list)
        with uncollected():
            ended = [one for batch, some in answers.items() for one in apply(batch, some)]
            connecting.drop_broken()
            ended = [(job, with_new_key(job, result)) for job, result in ended]
            self._noting.note_all(ended)
        return ended

    def _go_on(self, probe: Probe, result: Result | None, executor: Executor) -> None:
        """Try another job of what is paused where this one has not called Craftkit."""
        if result is None:
            _postpone(probe)
        elif isinstance(result, Later) or (
            isinstance(result, (Reschedule, Done)) and not result.answered
        ):
            self._try(probe, executor)

    def _begin_probes(self, executor: Executor, now: datetime) -> int:
        if not self._noting.paused or conf.options().PAUSED:
            return 0
        taken = ProjectState.objects.take_probes(now, conf.lease(), executor.helpers)
        return sum(self._try(Probe(*names), executor) for names in taken)

    def _try(self, probe: Probe, executor: Executor) -> int:
        """Begin a job of what is paused, which may tell whether Craftkit answers."""
        if probe.tries == PROBES:
            return 0
        jobs = Job.objects.filter(paused_by(probe.project, probe.capability))
        for project, lacking in self._noting.paused:
            if project == probe.project and lacking not in ("", probe.capability):
                jobs = jobs.exclude(paused_by(probe.project, lacking))
        claimed = jobs.claim(1, now=database_now(), lease=conf.lease())
        if not claimed:
            _postpone(probe)
            return 0
        probe.tries += 1
        self._noting.probes[claimed[0].pk] = probe
        executor.start(self._step_of(claimed[0]))
        return 1


def _postpone(probe: Probe) -> None:
    at = database_now() + timedelta(seconds=NEXT_PROBE)
    ProjectState.objects.postpone(probe.project, probe.capability, at)
