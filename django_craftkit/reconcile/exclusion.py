"""A lock between the steps of one process that run side by side, and those that run alone."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds that whoever waits to be alone holds up new steps, at most; and for how many times as
#: long nobody waits again, after a step that did not end meanwhile.
WAIT, PAUSE = 10.0, 12.0


class Exclusion:
    """A readers–writer lock: keeps who may end their process from those who would end with it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shared = 0
        #: How many have it, or want it, to themselves; whether one of them has.
        self._wanted = 0
        self._is_taken = False
        self._not_before = 0.0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Work beside others; waits while somebody works alone, or wants to."""
        with self._changed:
            self._changed.wait_for(lambda: not self._wanted)
            self._shared += 1
        try:
            yield
        finally:
            with self._changed:
                self._shared -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self, seconds: float = WAIT) -> Iterator[bool]:
        """Work alone, from within ``shared()``: wait for the others for ``seconds`` at most.

        Yields ``False`` where they haven't ended by then.
        """
        left = min(seconds, WAIT)
        with self._changed:
            self._wanted += 1
            self._shared -= 1
            self._changed.notify_all()
            if time.monotonic() < self._not_before:
                left = 0.0
            is_alone = self._changed.wait_for(lambda: self._shared <= 0, left)
            self._shared += 1
            if is_alone:
                self._is_taken = True
            elif left and not self._is_taken:
                self._not_before = time.monotonic() + PAUSE * left
        try:
            yield is_alone
        finally:
            with self._changed:
                self._wanted -= 1
                if is_alone:
                    self._is_taken = False
                self._changed.notify_all()
