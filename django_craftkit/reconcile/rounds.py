"""Several tenants in one process: their loops take turns, in one thread.

A tenant's loop goes on with a little, and then another's does. So one that has thousands of
documents, or a Craftkit that does not answer, holds up no other.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from django_craftkit import dispatch, tenants
from django_craftkit.failures import time_limits
from django_craftkit.log import get_logger

from . import connecting
from .alone import alone
from .survey import Upkeep, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable

    from .loop import Loop

logger = get_logger(__name__)

#: How many tenants' loops claim jobs at a time; with those that only wait for their last calls.
CLAIMING, SERVED = 4, 16
#: Seconds after which a loop leaves its place to a tenant that waits for one.
SLICE = 2.0
#: Seconds between two looks at all tenants, while there is work: where messages tell of what is
#: new, and where none do.
LOOK_EVERY, LOOK_UNTOLD = 5.0, 1.0
#: Seconds for which a tenant is left out whose tables could not be read or written.
LEFT_OUT = 10.0
#: Seconds that its statements wait for a lock at most: for so long it holds up the others.
LOCK_WAIT = 1.0
#: Seconds without a look at the loops while all of them wait.
IDLE = 0.02


class Rounds:
    """Serves tenants in turn, until none has something due or time is up."""

    def __init__(
        self,
        make_loop: Callable[[], Loop],
        *,
        only: Collection[str] = (),
        wake: Callable[[float], None] | None = dispatch.wake,
    ) -> None:
        """``make_loop`` makes a loop of the current tenant; ``only`` these are served, else all."""
        self._make_loop = make_loop
        self._only = only
        self._wake = wake
        self._stop = threading.Event()
        self._upkeep = Upkeep()
        #: Until when tenants are left out.
        self._left_out: dict[str, float] = {}

    def stop(self) -> None:
        """End after the steps under way."""
        self._stop.set()

    def sweep(self, seconds: float = 20.0) -> int:
        """Serve all tenants that have something due; note in all that somebody sweeps.

        Returns how many deliveries and jobs were carried out. Raises what says that nobody can
        tell which tenants there are.
        """
        connecting.renew()
        with connecting.limited_lock_waits(LOCK_WAIT):
            found = () if self._stop.is_set() else self._look((), ())
            return self._serve(found, seconds)

    def run(self, name: str, seconds: float = 20.0) -> int:
        """Serve a tenant, and beside it others that have something due meanwhile."""
        connecting.renew()
        if not tenants.has(name):
            logger.warning("There is no tenant %r any more: its message is dropped.", name)
            return 0
        if self._left_out.get(name, 0.0) > time.monotonic():
            return 0  # a sweep takes it up again
        with connecting.limited_lock_waits(LOCK_WAIT):
            return self._serve([name], seconds)

    @property
    def _look_every(self) -> float:
        return LOOK_UNTOLD if self._wake is None else LOOK_EVERY

    def _serve(self, names: Iterable[str], seconds: float) -> int:
        look_at = time.monotonic() + self._look_every
        deadline = time.monotonic() + seconds
        waiting, served = deque(names), dict[str, _Served]()
        done = 0
        try:
            while True:
                now = time.monotonic()
                is_over = self._stop.is_set() or now >= deadline
                if now >= look_at and not is_over:
                    waiting += self._look_beside(waiting, served)
                    look_at = time.monotonic() + self._look_every
                if not is_over:
                    self._begin(waiting, served, deadline)
                if not served:
                    break
                ready = [one for one in served.values() if not one.loop.is_waiting]
                for one in ready:
                    if self._stop.is_set():
                        one.loop.stop()
                    if not one.goes_on():
                        del served[one.name]
                        done += one.done
                        if one.has_failed:
                            self._leave_out(one.name)
                        elif one.has_left:
                            waiting.append(one.name)
                if not ready:
                    time.sleep(IDLE)
        finally:
            for one in served.values():
                one.close()
        self._wake_for(waiting)
        return done

    def _look_beside(self, waiting: Collection[str], served: Collection[str]) -> list[str]:
        """Look; where that fails, go on with who is served."""
        try:
            return self._look(waiting, served)
        except time_limits():
            raise
        except Exception:
            logger.exception("Which tenants have something due could not be found out.")
            connecting.drop_broken()
            return []

    def _look(self, waiting: Collection[str], served: Collection[str]) -> list[str]:
        """Return the tenants that have something due, but for those that are known to."""
        now = time.monotonic()
        self._left_out = {name: until for name, until in self._left_out.items() if until > now}
        names = sorted(self._only or tenants.names())
        surveys = survey(names, self._left_out)
        for name in set(names) - self._left_out.keys() - {one.name for one in surveys}:
            self._leave_out(name)
        self._upkeep.keep_up(surveys)
        found = [
            one.name
            for one in surveys
            if one.is_due and one.name not in served and one.name not in waiting
        ]
        # Several processes look at the same moment, and would all begin with the same.
        random.shuffle(found)
        return found

    def _leave_out(self, name: str) -> None:
        self._left_out[name] = time.monotonic() + LEFT_OUT

    def _begin(self, waiting: deque[str], served: dict[str, _Served], deadline: float) -> None:
        """Begin with tenants that wait, as far as there is room; make some, if there is none."""
        now = time.monotonic()
        while waiting and len(served) < SERVED:
            claiming = [one for one in served.values() if not one.has_left]
            if len(claiming) >= CLAIMING:
                longest = min(claiming, key=lambda one: one.since)
                if now - longest.since < SLICE:
                    break
                longest.leave()
            name = waiting.popleft()
            if name not in served:
                one = _Served(name)
                if alone(name, partial(one.begin, self._make_loop, deadline - now)):
                    served[name] = one
                else:
                    self._leave_out(name)

    def _wake_for(self, waiting: Iterable[str]) -> None:
        """Have others go on with tenants for whom there was no time."""
        if self._wake is None:
            return
        for name in waiting:
            alone(name, partial(self._wake, 0.0))


class _Served:
    """A tenant whose loop takes turns with others."""

    loop: Loop
    _turns: Generator[None, None, int]

    def __init__(self, name: str) -> None:
        self.name = name
        self.since = time.monotonic()
        #: Whether it claims nothing more, to make room for others.
        self.has_left = self.has_failed = False
        self.done = 0
        self._is_over = False

    def begin(self, make_loop: Callable[[], Loop], seconds: float) -> None:
        """Make the loop, in the tenant."""
        self.loop = make_loop()
        self._turns = self.loop.turns(seconds)

    def goes_on(self) -> bool:
        """Let the loop do a little; ``False`` where it has ended."""
        self.has_failed = not alone(self.name, self._take_turn)
        return not (self._is_over or self.has_failed)

    def _take_turn(self) -> None:
        try:
            next(self._turns)
        except StopIteration as end:
            self.done = end.value
            self._is_over = True

    def leave(self) -> None:
        """Have the loop end after what is under way."""
        self.has_left = True
        self.loop.stop()

    def close(self) -> None:
        alone(self.name, self._turns.close)
