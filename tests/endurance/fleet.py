"""The processes of a run: Craftkit, a web process that hears its webhooks, workers, beat."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

from django.conf import settings

from tests.benchmarks.processes import ROOT, Process

from . import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Processes of a worker's pool.
POOL = 2
WEBHOOKS = "/webhooks/default/"


class Craftkit:
    """The sandbox, seen from outside."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Not by a proxy of the environment.
        self._opener = build_opener(ProxyHandler({}))

    def books(self) -> dict[str, Any]:
        """Return what it has, by its own count."""
        return self._call(sandbox.BOOKS)  # type: ignore[no-any-return]

    def calm(self) -> None:
        """Have it fail no more."""
        self._call(sandbox.CALM)

    def _call(self, path: str) -> Any:
        with self._opener.open(f"{self._url}{path}", timeout=60) as answer:
            return json.load(answer)


class Fleet:
    """The processes: workers and beat may be killed, and are started anew."""

    def __init__(self, folder: Path, workers: int, faults: int | None, made: ExitStack) -> None:
        self._folder, self._made = folder, made
        self._numbers = itertools.count(1)
        self.archive = folder / "archive"
        self.archive.mkdir()
        self._environ = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'example_project'}",
            "PYTHONUNBUFFERED": "1",
            "ENDURANCE_RUN": settings.ENDURANCE_RUN,
            "ENDURANCE_ARCHIVE": str(self.archive),
        }
        project: dict[str, Any] = settings.CRAFTKIT_PROJECTS["default"]
        web = self._start("web", "tests.benchmarks.web")
        hears = web.line() + WEBHOOKS
        arguments = ["--key", project["API_KEY"], "--webhook-url", hears]
        arguments += ["--webhook-secret", project["WEBHOOK_SECRETS"][0]]
        if faults is not None:
            arguments += ["--faults", str(faults)]
        there = self._start("sandbox", "tests.endurance.sandbox", *arguments)
        self._environ["ENDURANCE_BASE_URL"] = url = there.line()
        self.craftkit = Craftkit(url)
        self._others = [web, there]
        celery = ["celery", "-A", "tests"]
        worker = [*celery, "worker", "--pool", "prefork", "--concurrency", str(POOL)]
        worker += ["--without-gossip", "--without-mingle"]
        self._commands = {f"worker-{number}": worker for number in range(workers)}
        self._commands["beat"] = [*celery, "beat"]
        self._running: dict[str, Process] = {}
        #: What was killed, by its kind.
        self.killed: Counter[str] = Counter()
        #: Celery ends a worker whose pool is killed before it has begun.
        self.ended = 0
        self.start()

    def _start(self, name: str, *command: str) -> Process:
        folder = self._folder / f"{next(self._numbers):04}-{name}"
        folder.mkdir()
        if "worker" in command:
            command = (*command, "--hostname", f"{folder.name}@%h")
        process = Process(name, folder, list(command), self._environ)
        self._made.callback(_stop, process)
        return process

    def start(self) -> None:
        """Start what isn't running; note what has ended by itself."""
        for other in self._others:
            other.check()
        for name, command in self._commands.items():
            process = self._running.get(name)
            if process is not None and process.status() is None:
                continue
            if process is not None:
                say(f"  {process.folder.name} has ended with {process.status()}")
                self.ended += 1
            self._running[name] = self._start(name, *command)

    def kill_child(self, choose: Any) -> None:
        """Kill one process of a worker's pool, which the worker replaces."""
        name = choose([name for name in self._commands if name != "beat"])
        if children := self._running[name].children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(choose(children), signal.SIGKILL)
                self.killed["child"] += 1

    def kill_whole(self, choose: Any) -> None:
        """Kill a worker with its pool, or beat; ``start`` starts it anew."""
        name = choose(list(self._commands))
        self._running.pop(name).kill()
        self.killed["beat" if name == "beat" else "worker"] += 1

    def resident(self) -> int:
        """Return the bytes of memory of all that is running."""
        processes = [*self._others, *self._running.values()]
        return sum(process.resident() for process in processes if process.status() is None)

    def check_that_it_works(self, seconds: float = 60.0) -> None:
        """Wait until each worker has its pool."""
        deadline = time.monotonic() + seconds
        for name, process in self._running.items():
            while name != "beat" and len(process.children()) < POOL:
                process.check()
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{name} did not start:\n{process.log()}")
                time.sleep(0.2)


def _stop(process: Process) -> None:
    """End a process that is still running."""
    if process.status() is None:
        process.stop()


@contextmanager
def fleet(folder: Path, workers: int, faults: int | None) -> Iterator[Fleet]:
    """Start all processes of a run, and end them; ``faults`` is the seed of Craftkit's."""
    with ExitStack() as made:
        started = Fleet(folder, workers, faults, made)
        started.check_that_it_works()
        yield started


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
