from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from django_craftkit.sandbox import Sandbox, SandboxServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]


class Workers:
    """Real Celery workers, each with its own beat, on the database of the test."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self._folder = folder
        (folder / "broker" / "control").mkdir(parents=True)
        self._running: list[subprocess.Popen[bytes]] = []
        #: Where they keep what was signed.
        self.archive = folder / "archive"
        self.environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'example_project'}",
            "DJANGO_SETTINGS_MODULE": "tests.process.settings",
            "DATABASE_URL": _database_url(),
            "CELERY_BROKER_URL": os.environ.get("CELERY_BROKER_URL", "filesystem://localhost"),
            "CELERY_FOLDER": str(folder / "broker"),
            "CELERY_QUEUE": f"craftkit-{uuid.uuid4()}",
            "CRAFTKIT_BASE_URL": base_url,
            "CRAFTKIT_ARCHIVE": str(self.archive),
        }

    def start(self, *, celery: bool = True, pool: str = "prefork") -> subprocess.Popen[bytes]:
        number = len(self._running)
        schedule = f"--schedule {self._folder / f'schedule-{number}'}"
        if not celery:
            return self._run("django craftkit_work --interval 0.2")
        worker = f"celery -A tests worker --loglevel INFO --hostname w{number}@%h"
        if pool == "prefork":
            return self._run(f"{worker} --concurrency 1 --beat {schedule}")
        self._run(f"celery -A tests beat {schedule}")
        return self._run(f"{worker} --pool {pool}")

    def _run(self, command: str) -> subprocess.Popen[bytes]:
        number = len(self._running)
        with (self._folder / f"{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command.split()],
                cwd=self._folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL, to the worker and its children."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self._running:
            if process.poll() is None:
                self.kill(process)

    def logs(self) -> str:
        return "\n".join(path.read_text()[-4000:] for path in self._folder.glob("*.log"))

    def said(self, words: str) -> int:
        """Return how often the processes have said something."""
        return sum(path.read_text().count(words) for path in self._folder.glob("*.log"))

    def until(self, condition: Callable[[], object], seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.logs()
            assert all(p.poll() in (None, -signal.SIGKILL) for p in self._running), self.logs()
            time.sleep(0.05)


class Door:
    """A way to the database's server that can be shut: connections are cut, new ones refused."""

    def __init__(self) -> None:
        settings = connection.settings_dict
        self._server = (settings["HOST"], int(settings["PORT"]))
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._start()

    def _start(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            self._open += client, server
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def shut(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def open(self) -> None:
        self._listener = socket.create_server(self.address)
        self._start()

    def url(self) -> str:
        host, port = self._server
        return _database_url().replace(f"@{host}:{port}/", "@{}:{}/".format(*self.address))


def _database_url() -> str:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    scheme = {"postgresql": "postgres", "mysql": "mysql"}[connection.vendor]
    user = settings["USER"] + (f":{settings['PASSWORD']}" if settings["PASSWORD"] else "")
    return f"{scheme}://{user}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with SandboxServer(Sandbox(api_keys=["ck_test_sandbox"], lenient=True)) as server:
        yield server.sandbox


@pytest.fixture
def door(transactional_db: None) -> Iterator[Door]:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server that could go away.")
    door = Door()
    yield door
    door.shut()


@pytest.fixture
def workers(transactional_db: None, sandbox: Sandbox, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(tmp_path, sandbox.public_url)
    yield workers
    workers.stop()
