"""Processes of a measure: workers, a web process, a sandbox; and what they cost.

What a process costs is read from ``/proc``, from when it takes tasks: its start is nobody's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

from django.conf import settings
from django.db import connection

from . import sandbox
from .instruments import apps as instruments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
#: Seconds that a process has to start, and to end in before it is killed.
START, END = 60.0, 10.0


@dataclass(frozen=True)
class Status:
    """What ``/proc/<pid>/stat`` says of a process."""

    pid: int
    parent: int
    #: Seconds, user and system, of the process and of its children that it has waited for.
    cpu: float
    #: Bytes.
    resident: int


def parse(stat: str) -> Status:
    """Read a line of ``/proc/<pid>/stat``; the name in it may hold spaces and parentheses."""
    fields = stat.rpartition(")")[2].split()
    return Status(
        pid=int(stat.partition(" ")[0]),
        parent=int(fields[1]),
        cpu=sum(map(int, fields[11:15])) / _TICKS,
        resident=int(fields[21]) * _PAGE,
    )


def tree(pid: int) -> list[Status]:
    """Return a process that runs and all that it has started, theirs included."""
    every: dict[int, Status] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        # Others come and go meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            every[int(path.parent.name)] = parse(path.read_text())
    found = [pid]
    for each in found:
        found += [child for child, status in every.items() if status.parent == each]
    return [every[each] for each in found]


class Process:
    """A process of ours, the head of its own group, with its counters in a folder."""

    def __init__(
        self, name: str, folder: Path, command: list[str], environ: dict[str, str]
    ) -> None:
        self.name, self.folder = name, folder
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def line(self) -> str:
        """Return the first line that it says, for those that say one when they are ready."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline().decode().strip()
        if not line:
            raise RuntimeError(f"{self.name} did not start:\n{self.log()}")
        return line

    def status(self) -> int | None:
        """Return with which status it has ended; ``None`` while it runs."""
        return self._popen.poll()

    def check(self) -> None:
        if self.status() is not None:
            raise RuntimeError(f"{self.name} ended with {self.status()}:\n{self.log()}")

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def cpu(self) -> float:
        """Return the seconds of CPU of it and of all that it has started."""
        return sum(status.cpu for status in tree(self._popen.pid))

    def resident(self) -> int:
        """Return the bytes of memory of it and of all that it has started."""
        return sum(status.resident for status in tree(self._popen.pid))

    def children(self) -> list[int]:
        """Return the ids of the processes that it has started itself."""
        pid = self._popen.pid
        return [status.pid for status in tree(pid) if status.parent == pid]

    def counted(self, name: str) -> int:
        return instruments.read(self.folder, name)

    def kill(self) -> None:
        """SIGKILL, to it and to what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def stop(self) -> None:
        """End it after what it has under way, or by force; and what it has started."""
        self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(END)
        self.kill()


@dataclass(frozen=True)
class Reading:
    """What the processes of a scene have cost and done up to a moment."""

    at: float
    workers: float
    web: float
    sandbox: float
    queries: int
    calls: int

    def __sub__(self, other: Reading) -> Reading:
        mine, theirs = vars(self), vars(other)
        return Reading(**{name: mine[name] - theirs[name] for name in mine})


class Scene:
    """A sandbox, a web process where there are webhooks, and workers, all of them ready."""

    def __init__(self, sandbox: Process, url: str, web: Process | None, workers: list[Process]):
        self.sandbox, self.url, self.web, self.workers = sandbox, url, web, workers

    def read(self) -> Reading:
        return Reading(
            at=time.perf_counter(),
            workers=sum(worker.cpu() for worker in self.workers),
            web=self.web.cpu() if self.web else 0.0,
            sandbox=self.sandbox.cpu(),
            queries=sum(worker.counted(instruments.QUERIES) for worker in self.workers),
            calls=self._calls(),
        )

    def _calls(self) -> int:
        # Not by a proxy of the environment, which a sandbox has no use for.
        with build_opener(ProxyHandler({})).open(
            f"{self.url}{sandbox.COUNT}", timeout=30
        ) as answer:
            return int(json.load(answer))

    def told(self) -> int:
        """Return how often the receiver was called."""
        return sum(worker.counted(instruments.CALLS) for worker in self.workers)

    def until(self, condition: Callable[[], object], seconds: float, pause: float = 0.1) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            for process in (self.sandbox, *([self.web] if self.web else []), *self.workers):
                process.check()
            if time.monotonic() > deadline:
                logs = "\n".join(worker.log() for worker in self.workers)
                raise RuntimeError(f"Not done in {seconds:.0f} s. What the workers say:\n{logs}")
            time.sleep(pause)


@contextmanager
def scene(
    *,
    render_seconds: float,
    webhooks: str = "",
    receiver: float | None = None,
    concurrency: int = 2,
    celery: bool = True,
    beat: bool = True,
    workers: int = 1,
    environ: dict[str, str] | None = None,
) -> Iterator[Scene]:
    """Start a sandbox and workers on this process's database and queue; end them all.

    Args:
        render_seconds: how long Craftkit takes for a document.
        webhooks: the path of the view that hears them; empty: nobody does.
        receiver: seconds that the one receiver takes; None: nobody listens.
        concurrency: processes of a Celery worker's pool.
        celery: Celery's worker, or ``craftkit_work``.
        beat: with a beat inside, which the package wants and nothing by hand does.
        workers: how many of them.
        environ: what else their settings are told.
    """
    with ExitStack() as made:
        root = Path(made.enter_context(tempfile.TemporaryDirectory()))
        variables = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'example_project'}",
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.worker_settings",
            "BENCHMARK_DATABASE": connection.settings_dict["NAME"],
            "BENCHMARK_QUEUE": settings.CELERY_TASK_DEFAULT_QUEUE,
            "BENCHMARK_BASE_URL": "http://127.0.0.1:9",
            "BENCHMARK_WEBHOOKS": str(bool(webhooks)),
            **({} if receiver is None else {"BENCHMARK_RECEIVER": str(receiver)}),
            **(environ or {}),
        }

        def start(name: str, *command: str) -> Process:
            folder = root / name
            folder.mkdir()
            environment = {
                **variables,
                "BENCHMARK_FOLDER": str(folder),
                "BENCHMARK_PROCESS": name.partition("-")[0],
            }
            process = Process(name, folder, list(command), environment)
            made.callback(process.stop)
            return process

        project = settings.CRAFTKIT_PROJECTS["default"]
        arguments = ["--key", project["API_KEY"], "--render-seconds", str(render_seconds)]
        web = None
        if webhooks:
            web = start("web", "tests.benchmarks.web")
            secret: Any = project["WEBHOOK_SECRETS"][0]
            arguments += ["--webhook-url", web.line() + webhooks, "--webhook-secret", secret]
        craftkit = start("sandbox", "tests.benchmarks.sandbox", *arguments)
        url = variables["BENCHMARK_BASE_URL"] = craftkit.line()
        started = []
        for number in range(workers):
            command = ["django", "craftkit_work", "--interval", "0.05"]
            if celery:
                command = ["celery", "-A", "tests", "worker", *(["--beat"] if beat else [])]
                command += ["--concurrency", str(concurrency), "--pool", "prefork"]
                command += ["--hostname", f"benchmark-{number}-{os.getpid()}@%h"]
            started.append(start(f"worker-{number}", *command))
        there = Scene(craftkit, url, web, started)
        for worker in started:
            if celery:
                there.until((worker.folder / instruments.READY).exists, START)
            else:
                worker.line()
        yield there
