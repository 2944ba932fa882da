"""Whoever kills processes during a run, and starts them anew."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from django.db import connection

from django_craftkit.models import Job

if TYPE_CHECKING:
    import random

    from .fleet import Fleet

#: So many kills are of one process of a pool; the others of a whole worker, or of beat.
CHILDREN = 0.7


class Trouble:
    """Kills processes, and sees that what has ended is started anew."""

    def __init__(self, fleet: Fleet, random: random.Random, every: float) -> None:
        """``every`` is the mean of the seconds between two kills; 0: nothing is killed."""
        self._fleet, self._random, self._every = fleet, random, every
        self._calm, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None
        #: How many jobs somebody had in hand when a process was killed.
        self.leased = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def calm(self) -> None:
        """Kill nothing more; what ends is started anew all the same."""
        self._calm.set()

    def check(self) -> None:
        """Raise what has ended it."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._go_on()
        except BaseException as error:
            self._error = error
        finally:
            connection.close()

    def _go_on(self) -> None:
        kill_at = time.monotonic() + self._pause()
        while not self._over.wait(0.2):
            self._fleet.start()
            if self._every and not self._calm.is_set() and time.monotonic() >= kill_at:
                self._kill()
                kill_at = time.monotonic() + self._pause()

    def _pause(self) -> float:
        return self._every * self._random.uniform(0.5, 1.5)

    def _kill(self) -> None:
        self.leased += Job.objects.filter(lease_token__isnull=False).count()
        is_child = self._random.random() < CHILDREN
        kill = self._fleet.kill_child if is_child else self._fleet.kill_whole
        kill(self._random.choice)
