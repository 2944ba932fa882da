"""What makes the calls of a loop: threads beside it, or the thread that the loop runs in."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connections

from django_craftkit import conf, tenants
from django_craftkit.failures import time_limits
from django_craftkit.models.priority import Priority

from . import connecting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django_craftkit.models import Job

    from .batches import Batch
    from .exclusion import Exclusion
    from .pool import Pool

#: Calls that are planned begin within about this many seconds: what waits can be taken by nobody.
AHEAD = 1.0
#: How many calls are planned at least and at most, and how long one is taken to last at first.
FEWEST, MOST, FIRST_GUESS = 20, 200, 0.05
#: Bytes of JSON, about, that calls under way hold: hundreds of large ones would fill the memory.
MOST_BYTES = 16 * 2**20
#: Seconds between two looks whether the last calls are over.
IDLE = 0.2
#: How many times as many those of all loops of a process hold: one of large documents leaves room.
MOST_LOOPS = 2
#: Seconds after which a thread for steps that has none gives its database connections back.
GIVE_BACK = 0.5
#: Seconds that a step waits for a lock at most, where there are tenants: others wait for its loop.
LOCK_WAIT = 5.0


class NotMade(Exception):
    """A call was not made: its turn came too late, or its worker ends."""


@dataclass(frozen=True, slots=True)
class Call:
    """What takes its time for a job: a batch's touches no database; one without is a step."""

    jobs: Sequence[Job]
    make: Callable[[], Any]
    #: What goes on from the answer, and what it has to know for that.
    batch: Batch | None = None
    target: Any = None
    #: Bytes of JSON that it holds until it is answered, about.
    size: int = 0
    planned_at: float = field(default_factory=time.monotonic)

    @property
    def is_late(self) -> bool:
        """Whether its job may be over to another before the call is."""
        return time.monotonic() - self.planned_at > conf.options().LEASE / 4

    def as_planned_now(self) -> Call:
        """Return the call as it is planned once its row says so."""
        return replace(self, planned_at=time.monotonic())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returned, or raised."""

    call: Call
    value: Any = None
    error: BaseException | None = None
    #: By this process's clock.
    came_at: float = field(default_factory=time.monotonic)


class Executor:
    """Makes calls, and gives back their answers: this one in the loop's own thread, at once."""

    def __init__(self) -> None:
        #: How many calls have been started whose answers nobody has got yet.
        self.under_way = 0
        self._made: list[Answer] = []

    @property
    def room(self) -> int:
        """How many more calls of batches may be planned."""
        return 1 - self.under_way

    @property
    def is_ready(self) -> bool:
        """Whether there is room for so many more that they are worth a look for what is due."""
        return not self.under_way

    @property
    def free(self) -> int:
        """How many more calls would begin at once; those of a kind that must."""
        return self.room

    @property
    def helpers(self) -> int:
        """How many more steps would begin soon."""
        return self.room

    def start(self, call: Call) -> None:
        """Make a call, in its turn."""
        self._made.append(made(call))
        self.under_way += 1

    @property
    def has_answers(self) -> bool:
        """Whether answers have come that nobody has got yet."""
        return bool(self._made)

    def answers(self, seconds: float) -> list[Answer]:
        """Return the answers that have come; wait for the first of them for ``seconds``."""
        answers, self._made = self._made, []
        self.under_way = 0
        return answers

    def release(self) -> None:
        """Make no call that has not begun: its answer is ``NotMade``."""

    def stop(self, project: str, kinds: Sequence[str] | None) -> None:
        """Release the calls of a project, for jobs of these kinds, or for all."""

    def close(self) -> None:
        """Wait for the calls under way, and close what they used."""


class ThreadExecutor(Executor):
    """Calls in the threads of a pool, steps in a few threads of its own, begun as needed.

    None runs while somebody else has ``exclusion`` to itself. Steps work on the tables of the
    tenant that it was made in; calls touch none.
    """

    def __init__(self, pool: Pool, exclusion: Exclusion) -> None:
        super().__init__()
        self._tenant = tenants.current()
        self._pool, self._exclusion = pool, exclusion
        self._steps_under_way = self._unrepeatable_under_way = self._bytes_under_way = 0
        #: Seconds that a call takes.
        self._seconds = FIRST_GUESS
        self._is_over = False
        #: When the calls of a project, for jobs of a kind or ("") of all, were released.
        self._stopped: dict[tuple[str, str], float] = {}
        self._threads: list[threading.Thread] = []
        self._steps: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    @property
    def _capacity(self) -> int:
        return max(FEWEST, min(MOST, int(self._pool.size * AHEAD / self._seconds)))

    @property
    def room(self) -> int:
        held = self._bytes_under_way
        if held >= MOST_BYTES or self._pool.bytes_under_way >= MOST_BYTES * (
            1 if held else MOST_LOOPS
        ):
            return 0
        return max(0, self._capacity - (self.under_way - self._steps_under_way))

    @property
    def is_ready(self) -> bool:
        return 2 * self.room >= self._capacity

    @property
    def free(self) -> int:
        # Where all threads have something to do, these get their part of what ends.
        most = max(self._pool.free, self._pool.helpers)
        return max(0, most - self._unrepeatable_under_way)

    @property
    def helpers(self) -> int:
        most = 1 if self._pool.is_crowded else 2 * self._pool.helpers
        return max(0, most - self._steps_under_way)

    def start(self, call: Call) -> None:
        self.under_way += 1
        self._bytes_under_way += call.size
        self._pool.hold(call.size)
        if call.batch is not None:
            job, priority = call.jobs[0], call.jobs[0].priority
            if not call.batch.is_repeatable:
                # It is planned as one that begins at once.
                self._unrepeatable_under_way += 1
                priority -= len(Priority)
            owner = (self._tenant, job.project)
            self._pool.submit(partial(self._make, call), owner=owner, priority=priority)
            return
        self._steps_under_way += 1
        if len(self._threads) < min(self._steps_under_way, self._pool.helpers):
            name = f"craftkit-step-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name))
            self._threads[-1].start()
        self._steps.put(call)

    @property
    def has_answers(self) -> bool:
        return not self._answers.empty()

    def answers(self, seconds: float) -> list[Answer]:
        answers: list[Answer] = []
        try:
            # Greenlets' queue takes no timeout where it is not to wait.
            answers.append(self._answers.get(block=seconds > 0, timeout=seconds or None))
            while True:
                answers.append(self._answers.get_nowait())
        except queue.Empty:
            for answer in answers:
                batch = answer.call.batch
                self.under_way -= 1
                self._bytes_under_way -= answer.call.size
                self._pool.hold(-answer.call.size)
                self._steps_under_way -= batch is None
                self._unrepeatable_under_way -= batch is not None and not batch.is_repeatable
            return answers

    def release(self) -> None:
        self._is_over = True

    def stop(self, project: str, kinds: Sequence[str] | None) -> None:
        for kind in kinds or ("",):
            self._stopped[project, kind] = time.monotonic()

    def close(self) -> None:
        self._is_over = True
        for _ in self._threads:
            self._steps.put(None)
        for thread in self._threads:
            thread.join()
        while self.under_way:
            # Where the loop failed, nobody can note any longer what they answer.
            self.answers(IDLE)

    def _make(self, call: Call) -> None:
        with self._exclusion.shared():
            began, job = time.monotonic(), call.jobs[0]
            stopped = [self._stopped.get((job.project, kind), 0.0) for kind in ("", job.kind)]
            if self._is_over or call.is_late or call.planned_at <= max(stopped):
                answer = Answer(call, error=NotMade())
            else:
                answer = _answer(call, None)
                self._seconds += 0.1 * (time.monotonic() - began - self._seconds)
                # Ours use none, but an adapter of the project's own may.
                connections.close_all()
        self._answers.put(answer)

    def _run(self) -> None:
        with connecting.limited_lock_waits(LOCK_WAIT):
            self._do_steps()

    def _next_step(self) -> Call | None:
        try:
            return self._steps.get(timeout=GIVE_BACK)
        except queue.Empty:
            connections.close_all()
            return self._steps.get()

    def _do_steps(self) -> None:
        try:
            while (call := self._next_step()) is not None:
                # A seat first: who wants to be alone waits for all that share the lock.
                owner = (self._tenant, call.jobs[0].project)
                turn = self._pool.turn(self._tenant, connections.close_all)
                with turn, self._pool.seat(owner), self._exclusion.shared():
                    answer = _answer(call, self._tenant)
                self._answers.put(answer)
        finally:
            connections.close_all()


def made(call: Call) -> Answer:
    """Make a call in this thread, and return its answer."""
    try:
        return Answer(call, call.make())
    except time_limits():
        # It is not about this call: the worker is about to be ended.
        raise
    except Exception as error:
        return Answer(call, error=error)


def _answer(call: Call, tenant: str | None) -> Answer:
    try:
        # Anew for each: a step may have left another one entered.
        with nullcontext() if tenant is None else tenants.enter(tenant):
            return Answer(call, call.make())
    except BaseException as error:
        return Answer(call, error=error)
