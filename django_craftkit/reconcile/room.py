"""Where the steps of one process run: beside each other, or one of them alone."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds that whoever waits to be alone holds up new steps, at most; and how long nobody may wait
#: again after one that never ended.
WAIT, PAUSE = 10.0, 120.0


class Room:
    """Keeps those apart that may end their process from those that would end with it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = 0
        self._alone = 0
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
        with self._changed:
            self._alone += 1
            self._busy -= 1
            self._changed.notify_all()
            left = 0.0 if time.monotonic() < self._not_before else min(seconds, WAIT)
            is_alone = self._changed.wait_for(lambda: self._busy <= 0, left)
            self._busy += 1
            if not is_alone and left:
                self._not_before = time.monotonic() + PAUSE
        try:
            yield is_alone
        finally:
            with self._changed:
                self._alone -= 1
                self._changed.notify_all()
