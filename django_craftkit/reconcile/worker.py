"""What one process has for its work; and what a task does, whoever carries its messages.

``tasks.py``, ``background.py`` and the command ``craftkit_work`` are thin.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from django_craftkit import dispatch, tenants
from django_craftkit.models.claims import Watermarks

from . import connecting, retention
from .alone import alone
from .exclusion import Exclusion
from .loop import Loop
from .pool import Pool
from .pulse import Pulse
from .rounds import LOCK_WAIT, Rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

#: Seconds that one call works at most, before it hands over to the next.
SECONDS = 20.0


class Worker:
    """Carries out what is due, in whichever tenant it is.

    Threads may have it do so side by side: they share what the process has.
    """

    def __init__(
        self,
        *,
        wake: Callable[[float], None] | None = dispatch.wake,
        only: Collection[str] = (),
    ) -> None:
        """``wake`` has somebody go on with what is left; ``only`` these tenants are served."""
        self._wake, self._only = wake, only
        self._exclusion = Exclusion()
        self._pool = Pool()
        self.pulse = Pulse()
        self._watermarks = Watermarks()
        self._rounds = Rounds(self.loop, only=only, wake=wake)
        self._is_stopped = False
        self._loops: set[Loop] = set()

    def stop(self) -> None:
        """End after the steps under way."""
        self._is_stopped = True
        self._rounds.stop()
        for loop in tuple(self._loops):
            loop.stop()

    def advance(self, tenant: str = "") -> int:
        """Carry out what is due of a tenant; of all, where there are some and none is named.

        Returns how many deliveries and jobs that were.
        """
        if not tenants.are_used():
            return self._alone(Loop.run)
        return self._rounds.run(tenant, SECONDS) if tenant else self._rounds.sweep(SECONDS)

    def sweep(self) -> int:
        """Carry out what is due, of all tenants, whether or not anybody said so."""
        return self._rounds.sweep(SECONDS) if tenants.are_used() else self._alone(Loop.sweep)

    def prune(self) -> int:
        """Drop what settings say is not kept any longer; return how many rows that were."""
        return sum(self.prunings())

    def prunings(self) -> Iterator[int]:
        """Do what ``prune`` does, in one tenant after the other, until the worker is stopped."""
        dropped: list[int] = []
        if not tenants.are_used():
            self._prune(dropped)
            yield sum(dropped)
            return
        for name in self._only or tenants.names():
            if self._is_stopped:
                return
            dropped = []
            # The others have tables of their own.
            with connecting.limited_lock_waits(LOCK_WAIT):
                alone(name, partial(self._prune, dropped))
            yield sum(dropped)

    def _prune(self, dropped: list[int]) -> None:
        with self.pulse.beat():
            dropped += (number for _name, number in retention.prune())

    def _alone(self, work: Callable[[Loop], int]) -> int:
        loop = self.loop()
        self._loops.add(loop)
        try:
            if self._is_stopped:
                loop.stop()
            return work(loop)
        finally:
            self._loops.discard(loop)

    def loop(self) -> Loop:
        """Return a loop of the current tenant."""
        return Loop(
            wake=self._wake,
            exclusion=self._exclusion,
            pool=self._pool,
            pulse=self.pulse,
            watermarks=self._watermarks,
        )


#: What all tasks of this process share.
_worker = Worker()


def advance(tenant: str = "", *, is_inline: bool) -> int:
    """Carry out what is due of a tenant; ``is_inline``: in whoever sent the message, which is no
    worker, and whose transaction no thread sees.
    """
    if not is_inline:
        return _worker.advance(tenant)
    with tenants.enter(tenant) if tenant else nullcontext():
        return Loop(threads=1).run()


def sweep(*, is_inline: bool) -> int:
    """Carry out what is due, and look for what no message told of."""
    return Loop(threads=1).sweep() if is_inline else _worker.sweep()


def prune(*, is_inline: bool) -> int:
    """Drop what settings say is not kept any longer; return how much that was."""
    if is_inline:
        return sum(number for _name, number in retention.prune())
    return _worker.prune()
