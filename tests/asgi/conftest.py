from __future__ import annotations

import os
import socket
import subprocess
import sys
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
        self._log = folder / "uvicorn.log"
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:{1}".format(*self._socket.getsockname())
        descriptor = self._socket.fileno()
        more = os.environ.get("PYTHONPATH", "")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-W", "error::RuntimeWarning", "-W", "error::UserWarning"),
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


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with SandboxServer(Sandbox(api_keys=["ck_test_sandbox"], lenient=True)) as server:
        yield server.sandbox


@pytest.fixture
def site(transactional_db: None, sandbox: Sandbox, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, sandbox.public_url)
    yield site
    site.stop()
    assert "Error" not in site.log(), site.log()
