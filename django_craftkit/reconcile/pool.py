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

    @property
    def size(self) -> int:
        """How many calls are under way at most."""
        return conf.options().THREADS if self._size is None else self._size

    @property
    def free(self) -> int:
        """How many more calls would begin at once."""
        with self._lock:
            return max(0, self.size - self._running.total() - self._guests - len(self._waiting))

    def submit(self, make: Callable[[], object], *, owner: Owner, priority: int) -> None:
        """Have a call made as soon as a thread is free. ``make`` raises nothing."""
        if self._pid != os.getpid():
            self._begin()  # A fork takes the object along, but not its threads.
        with self._lock:
            turn = self._turns[owner] = max(self._turn, self._turns.get(owner, 0)) + 1
            one = (priority, turn, next(self._numbers), owner, make)
            heapq.heappush(self._waiting, one)
            if len(self._waiting) > self._idle and self._threads < self.size:
                self._threads += 1
                threading.Thread(target=self._run, name="craftkit-call", daemon=True).start()
            self._given.notify()

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
