"""Whether the project's own functions are quick enough for the thread of a loop.

There they need no database connection of their own, and what they make is stored together. But
everything else waits meanwhile: one that takes its time is called in another thread.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds for which the thread of a loop calls functions before it looks for something else.
BUDGET = 1.0
#: Seconds from which on a function is slow, and how much the last call counts beside all before.
SLOW, LAST = 0.1, 0.3


class Timings:
    """How long functions take in this process, by their names."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def is_slow(self, name: str) -> bool:
        return self._seconds.get(name, 0.0) > SLOW

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Call a function in here."""
        began = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - began
            before = self._seconds.get(name, seconds)
            # A slow one is called in a loop's thread once it was quick several times elsewhere.
            self._seconds[name] = max(seconds, before + LAST * (seconds - before))


#: How long the functions of declarations and the receivers of signals take in this process.
TIMINGS = Timings()


class Budget:
    """The time that a loop's thread has for functions that are quick, until it looks again."""

    def __init__(self) -> None:
        self._end = time.monotonic() + BUDGET

    @property
    def is_spent(self) -> bool:
        return time.monotonic() >= self._end

    def is_slow(self, *names: str) -> bool:
        """Whether one of these functions is none for this thread."""
        return any(map(TIMINGS.is_slow, names))
