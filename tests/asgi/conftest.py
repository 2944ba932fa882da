from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from django_craftkit.sandbox import Sandbox, SandboxServer
from tests.helpers import TIMEOUT
from tests.process.conftest import _database_url

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


class Site:
    """A process of Uvicorn's, on the database of the test."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self._log = folder / f"{uuid.uuid4()}.log"
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:{1}".format(*self._socket.getsockname())
        descriptor = self._socket.fileno()
        more = os.environ.get("PYTHONPATH", "")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-W", "error", "-W", "ignore::ResourceWarning"),
                    *("-m", "uvicorn", "tests.asgi.app:application", "--fd", str(descriptor)),
                    *("--no-access-log", "--lifespan", "off"),
                ],
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(
                        [str(ROOT), str(ROOT / "example_project"), *filter(None, [more])]
                    ),
                    "DJANGO_SETTINGS_MODULE": "tests.asgi.settings",
                    "DATABASE_URL": _database_url(),
                    "CRAFTKIT_BASE_URL": base_url,
                    "CRAFTKIT_ARCHIVE": str(folder / "archive"),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[descriptor],
            )

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the site; the socket listens before the process does."""
        answer = requests.request(method, f"{self.url}{path}", timeout=TIMEOUT, **options)
        assert answer.status_code == 200, self.log()
        return answer

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT)
        self._socket.close()


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Sandbox(api_keys=["ck_test_sandbox"], lenient=True)) as server:
        yield server


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    yield server.sandbox
    server.sandbox.reset()
    server.sandbox.render_time = 0.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "archive").mkdir()
    return folder


@pytest.fixture
def archive(folder: Path) -> Path:
    return folder / "archive"


@contextmanager
def _running(folder: Path, server: SandboxServer) -> Iterator[Site]:
    site = Site(folder, server.url)
    try:
        yield site
    finally:
        site.stop()
    assert "Traceback" not in site.log(), site.log()


@pytest.fixture(scope="module")
def running(
    django_db_setup: None, django_db_blocker: Any, folder: Path, server: SandboxServer
) -> Iterator[Site]:
    with django_db_blocker.unblock(), _running(folder, server) as site:
        yield site


@pytest.fixture
def site(transactional_db: None, sandbox: Sandbox, running: Site) -> Site:
    """A site that has answered others before."""
    return running


@pytest.fixture
def cold_site(
    transactional_db: None, sandbox: Sandbox, folder: Path, server: SandboxServer
) -> Iterator[Site]:
    """A site that nobody has called yet."""
    with _running(folder, server) as site:
        yield site
