"""What goes wrong during a run: processes that are killed, a Craftkit that fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from django.db import connection

from django_craftkit.models import Job

if TYPE_CHECKING:
    import random

    from .fleet import Fleet

#: Of ten kills so many are of one child; the others of a whole worker, or of beat.
CHILDREN = 0.7
#: Faults of Craftkit, each for a call or a few: an answer that is lost before or after Craftkit
#: has acted, refusals that prove or don't, slow answers (5 s are more than anybody waits for), and
#: webhooks that are lost, late, doubled or out of order. None of them ends a document badly.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "cut_before", "method": "POST"},
    {"kind": "cut_after", "method": "POST"},
    {"kind": "cut_after"},
    {"kind": "refused"},
    {"kind": "truncated", "method": "POST"},
    {"kind": "garbage", "handled": True},
    {"kind": "garbage"},
    {"kind": "status", "status": 500, "handled": True, "method": "POST"},
    {"kind": "status", "status": 500},
    {"kind": "delay", "seconds": 2.0},
    {"kind": "delay", "seconds": 5.0, "method": "POST"},
    {"kind": "webhook_dropped"},
    {"kind": "webhook_doubled"},
    {"kind": "webhook_reordered", "seconds": 3.0},
    {"kind": "webhook_delayed", "seconds": 5.0},
)
#: For how many seconds such a fault waits, and for how many calls.
FAULT, CALLS = 1.0, (1, 1, 2, 3, 5)
#: Faults that hold everything up; how many of a hundred are such ones, and for how many seconds.
OUTAGES: tuple[dict[str, Any], ...] = (
    {"kind": "refused"},
    {"kind": "status", "status": 503, "code": "queue_unavailable"},
    {"kind": "status", "status": 429, "code": "rate_limited", "retry_after": 1},
)
OUTAGE_CHANCE, OUTAGE = 3, (1.0, 6.0)


class Trouble:
    """Kills processes and asks for faults, and sees that what ended is started anew."""

    def __init__(self, fleet: Fleet, random: random.Random, *, every: float, faults: bool) -> None:
        """``every`` is the mean of the seconds between two kills; 0: nothing is killed."""
        self._fleet, self._random = fleet, random
        self._every, self._with_faults = every, faults
        self._calm, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None
        self.faults: Counter[str] = Counter()
        #: How many jobs somebody had in hand when a process was killed.
        self.leased = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def calm(self) -> None:
        """Let nothing more go wrong; what ends is started anew all the same."""
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
        fault_at = time.monotonic()
        while not self._over.wait(0.2):
            self._fleet.start()
            now = time.monotonic()
            is_calm = self._calm.is_set()
            if self._every and now >= kill_at and not is_calm:
                self._kill()
                kill_at = now + self._pause()
            if self._with_faults and now >= fault_at:
                # What nobody has met is over: while Craftkit is left alone, faults would pile up.
                self._fleet.craftkit.clear_faults()
                fault_at = now + (FAULT if is_calm else self._fail())

    def _pause(self) -> float:
        return self._every * self._random.uniform(0.5, 1.5)

    def _kill(self) -> None:
        self.leased += Job.objects.filter(lease_token__isnull=False).count()
        is_child = self._random.random() < CHILDREN
        kill = self._fleet.kill_child if is_child else self._fleet.kill_whole
        kill(self._random.choice)

    def _fail(self) -> float:
        """Ask for a fault, and return for how many seconds."""
        if self._random.randrange(100) < OUTAGE_CHANCE:
            fault, times = self._random.choice(OUTAGES), None
            seconds = self._random.uniform(*OUTAGE)
            self.faults["outage"] += 1
        else:
            fault, times = self._random.choice(FAULTS), self._random.choice(CALLS)
            seconds = FAULT
            self.faults[fault["kind"]] += 1
        self._fleet.craftkit.add_fault(**fault, times=times)
        return seconds
