"""Where the steps of one process run: beside each other, or one of them alone."""

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


class Room:
    """Keeps those apart that may end their process from those that would end with it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = 0
        #: How many are alone, or want to be; whether one of them is.
        self._alone = 0
        self._taken = False
        self._not_before = 0.0

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Work beside others; waits while somebody is, or wants to be, alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, seconds: float = WAIT) -> Iterator[bool]:
        """Work alone, from ``beside()``: wait for the others for ``seconds`` at most.

        Yields ``False`` where they haven't ended by then.
        """
        left = min(seconds, WAIT)
        with self._changed:
            self._alone += 1
            self._busy -= 1
            self._changed.notify_all()
            if time.monotonic() < self._not_before:
                left = 0.0
            is_alone = self._changed.wait_for(lambda: self._busy <= 0, left)
            self._busy += 1
            if is_alone:
                self._taken = True
            elif left and not self._taken:
                self._not_before = time.monotonic() + PAUSE * left
        try:
            yield is_alone
        finally:
            with self._changed:
                self._alone -= 1
                if is_alone:
                    self._taken = False
                self._changed.notify_all()
