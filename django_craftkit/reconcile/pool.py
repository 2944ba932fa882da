"""The threads in which one process calls Craftkit. They touch no database."""

from __future__ import annotations

import heapq
import itertools
import os
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django_craftkit import conf, credentials, tenants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Whose a call is: the tenant, and the project.
    Owner = tuple[str, str]

#: Seconds after which a thread ends that nobody has given a call; its connections end with it.
IDLE = 10.0
#: How many threads one project leaves to the others, where there are several.
LEFT = 2
#: Of how many threads one may be for steps, which have database connections of their own.
PER_HELPER = 4


class Pool:
    """Makes calls in turn, the most urgent first; so many at a time, whoever asks for them.

    One project, of one tenant, gets all of its threads but two, where there are several: an answer
    that is long in coming holds up nobody else. Of equally urgent calls those of all owners go in
    turn: who has one waits for one call of each other, and not for the hundreds that these have.
    """

    def __init__(self, size: int | None = None) -> None:
        """Without ``size`` it is ``THREADS`` of the settings, as they are at the time."""
        self._size = size
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._given, self._left = threading.Condition(self._lock), threading.Condition(self._lock)
        self._numbers = itertools.count()
        #: By urgency, then by turn.
        self._waiting: list[tuple[int, int, int, Owner, Callable[[], object]]] = []
        #: The turn of the last call that began, and of the last one that waits of each owner.
        self._turn = 0
        self._turns: dict[Owner, int] = {}
        self._running: Counter[Owner] = Counter()
        self._threads = self._idle = self._guests = 0
        #: Steps that run, by tenant, and those that wait for their turn, the first one first.
        self._steps: Counter[str] = Counter()
        self._steps_waiting: list[tuple[str, threading.Event]] = []
        #: Bytes of JSON that calls under way hold, about, whoever asked for them.
        self.bytes_under_way = 0

    @property
    def size(self) -> int:
        """How many calls are under way at most."""
        return conf.options().THREADS if self._size is None else self._size

    @property
    def free(self) -> int:
        """How many more calls would begin at once."""
        with self._lock:
            return max(0, self.size - self._running.total() - self._guests - len(self._waiting))

    def _be_here(self) -> None:
        if self._pid != os.getpid():
            self._begin()  # A fork takes the object along, but not its threads.

    def submit(self, make: Callable[[], object], *, owner: Owner, priority: int) -> None:
        """Have a call made as soon as a thread is free. ``make`` raises nothing."""
        self._be_here()
        with self._lock:
            turn = self._turns[owner] = max(self._turn, self._turns.get(owner, 0)) + 1
            one = (priority, turn, next(self._numbers), owner, make)
            heapq.heappush(self._waiting, one)
            if len(self._waiting) > self._idle and self._threads < self.size:
                self._threads += 1
                threading.Thread(target=self._run, name="craftkit-call", daemon=True).start()
            self._given.notify()

    @property
    def helpers(self) -> int:
        """How many steps run at a time at most."""
        return max(1, self.size // PER_HELPER)

    @property
    def is_crowded(self) -> bool:
        """Whether as many steps wait as may run."""
        return len(self._steps_waiting) >= self.helpers

    def hold(self, size: int) -> None:
        """Count bytes that a call holds from now on; fewer than none: that it holds no longer."""
        self._be_here()
        with self._lock:
            self.bytes_under_way += size

    @contextmanager
    def turn(self, tenant: str, wait: Callable[[], object]) -> Iterator[None]:
        """Run a step, of whatever loop, when it is its turn; ``wait`` is called before it waits.

        One tenant gets all turns but one, where there are several: a function that does not end
        holds up nobody else.
        """
        self._be_here()
        given = threading.Event()
        with self._lock:
            self._steps_waiting.append((tenant, given))
            self._give_turns()
        if not given.is_set():
            wait()
            given.wait()
        try:
            yield
        finally:
            with self._lock:
                self._steps[tenant] -= 1
                if not self._steps[tenant]:
                    del self._steps[tenant]
                self._give_turns()

    def _give_turns(self) -> None:
        most = max(1, self.helpers - tenants.are_used())
        waiting, self._steps_waiting = self._steps_waiting, []
        for tenant, given in waiting:
            if self._steps.total() < self.helpers and self._steps[tenant] < most:
                self._steps[tenant] += 1
                given.set()
            else:
                self._steps_waiting.append((tenant, given))

    @contextmanager
    def seat(self, owner: Owner) -> Iterator[None]:
        """Make calls of an owner in this thread, in the place of one of the pool's."""
        with self._lock:
            self._guests += 1
            self._left.wait_for(lambda: self._running.total() < self.size)
            self._guests -= 1
            self._running[owner] += 1
        try:
            yield
        finally:
            self._leave(owner)
            with self._lock:
                self._given.notify()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            owner, make = found
            try:
                make()
            finally:
                self._leave(owner)

    def _next(self) -> tuple[Owner, Callable[[], object]] | None:
        """Wait for the next call; return ``None`` where none has come for a while."""
        with self._lock:
            while (found := self._pop()) is None:
                self._idle += 1
                is_given = self._given.wait(IDLE)
                self._idle -= 1
                if not (is_given or self._waiting):
                    self._threads -= 1
                    return None
            self._running[found[0]] += 1
            return found

    def _pop(self) -> tuple[Owner, Callable[[], object]] | None:
        # Whoever waits for a seat has one thread for all that it does, and goes first.
        if self._running.total() + self._guests >= self.size:
            return None
        most = self.size
        if tenants.are_used() or credentials.has_several():
            most = max(1, most - LEFT)
        passed, found = [], None
        while self._waiting and found is None:
            one = heapq.heappop(self._waiting)
            if self._running[one[3]] < most:
                found = one[3], one[4]
                self._turn = max(self._turn, one[1])
            else:
                passed.append(one)
        for one in passed:
            heapq.heappush(self._waiting, one)
        if not self._waiting:
            self._turns.clear()
        return found

    def _leave(self, owner: Owner) -> None:
        with self._lock:
            self._running[owner] -= 1
            if not self._running[owner]:
                del self._running[owner]  # there may be thousands
            self._left.notify()
