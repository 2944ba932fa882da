from __future__ import annotations

import itertools
import mmap
import os
import struct
import time
from typing import TYPE_CHECKING, Any

from celery.signals import worker_ready
from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: In the folder of a worker: it takes tasks.
READY = "ready"
QUERIES, CALLS = "queries", "calls"


class Tally:
    """A number that each process keeps in a file of its own, whatever ends the process."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._pid = 0
        self._numbers: Iterator[int] = itertools.count(1)
        self._memory: mmap.mmap | None = None

    def add(self) -> None:
        if self._pid != os.getpid() or self._memory is None:
            self._open()
        assert self._memory is not None
        # Of two threads the later may write first: one is lost then, until the next.
        struct.pack_into("q", self._memory, 0, next(self._numbers))

    def _open(self) -> None:
        """Begin a file: in the process, not in the one that it was forked from."""
        self._pid, self._numbers = os.getpid(), itertools.count(1)
        with (self._folder / f"{self._name}-{self._pid}").open("w+b") as file:
            file.write(bytes(8))
            file.flush()
            self._memory = mmap.mmap(file.fileno(), 8)


def read(folder: Path, name: str) -> int:
    """Return what all processes of a folder have counted under a name."""
    files = folder.glob(f"{name}-*")
    return sum(struct.unpack("q", data)[0] for file in files if len(data := file.read_bytes()) == 8)


class InstrumentsConfig(AppConfig):
    name = "tests.benchmarks.instruments"

    def ready(self) -> None:
        folder: Path = settings.BENCHMARK_FOLDER
        queries, calls = Tally(folder, QUERIES), Tally(folder, CALLS)

        def count(execute: Any, *args: Any) -> Any:
            queries.add()
            return execute(*args)

        def watch(connection: Any, **kwargs: Any) -> None:
            # A connection that is made anew has its wrappers still.
            if count not in connection.execute_wrappers:
                connection.execute_wrappers.append(count)

        def receive(**kwargs: Any) -> None:
            time.sleep(settings.BENCHMARK_RECEIVER)
            calls.add()

        def note_ready(**kwargs: Any) -> None:
            (folder / READY).touch()

        connection_created.connect(watch, weak=False)
        worker_ready.connect(note_ready, weak=False)
        if settings.BENCHMARK_RECEIVER is not None:
            from django_craftkit.signals import render_succeeded
            from tests.benchmarks.by_hand.tasks import document_ready

            render_succeeded.connect(receive, weak=False)
            document_ready.connect(receive, weak=False)
