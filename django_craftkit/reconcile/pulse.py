"""Signs of life: what doctors and staff know by that a worker is running."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import Error, connections

from django_craftkit import tenants
from django_craftkit.clock import database_now
from django_craftkit.log import get_logger
from django_craftkit.models import ProjectState
from django_craftkit.models.project import signed_projects

from . import connecting

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = get_logger(__name__)

#: Seconds between two signs of a process.
EVERY = 10.0
#: Seconds that one waits for a lock at most, where there are tenants.
LOCK_WAIT = 1.0


class Pulse:
    """The signs of life of one process, however many loops and threads run in it.

    Each tenant in which one runs is given its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}

    @contextmanager
    def beat(self) -> Iterator[None]:
        """Give a sign now, and then from a thread of its own: other threads may be in long steps.

        It says that the process runs the loop, not that its steps come to an end; how old the
        oldest due job is says that.
        """
        self._give()
        over = threading.Event()
        thread = threading.Thread(
            target=tenants.bound(self._go_on), args=(over,), name="craftkit-pulse", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _go_on(self, over: threading.Event) -> None:
        while not over.wait(EVERY):
            try:
                # Whoever ends the loop waits for this thread.
                with connecting.limited_lock_waits(LOCK_WAIT):
                    self._give()
            except Error as error:
                # Work goes on; where the database is away, the loop's own queries end its run.
                logger.warning("A sign of life could not be written: %s", error)
            finally:
                # Nobody needs it until the next sign.
                connections.close_all()

    def _give(self) -> None:
        """Note that a worker is running, unless a loop of this process has done so just now."""
        now, tenant = time.monotonic(), tenants.current()
        with self._lock:
            if now < self._next.get(tenant, now):
                return
            self._next = {name: at for name, at in self._next.items() if at > now}
            self._next[tenant] = now + EVERY / 2
        note_worker()


def note_worker() -> None:
    """Note for each project of the settings, and once for the resolver's, that a worker runs."""
    ProjectState.objects.sign("worker_seen_at", signed_projects(), database_now())
