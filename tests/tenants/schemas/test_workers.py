"""Real Celery workers, really killed, for three tenants with two projects each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from django_craftkit import tenants
from django_craftkit.models import Job, Render, Share
from django_craftkit.sandbox import Sandbox, SandboxServer
from tests.tenants.schemas.conftest import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PROJECTS = ("default", "eu")
#: Documents of each project of each tenant.
EACH = 20


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    keys = {f"ck_test_{alias}": alias for alias in PROJECTS}
    with SandboxServer(Sandbox(api_keys=keys, lenient=True)) as server:
        yield server.sandbox


class Workers:
    """Celery workers with beat, whose messages go through Redis."""

    def __init__(self, folder: Path, sandbox: Sandbox, queue: str) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), str(ROOT / "example_project"), os.environ.get("PYTHONPATH", "")]
            ),
            "DJANGO_SETTINGS_MODULE": "tests.tenants.schemas.settings",
            "CRAFTKIT_DATABASE": connection.settings_dict["NAME"],
            "CELERY_QUEUE": queue,
            "CRAFTKIT_BASE_URL": str(sandbox.public_url),
            "CRAFTKIT_ARCHIVE": str(folder / "archive"),
        }

    def start(self) -> subprocess.Popen[bytes]:
        number = len(self._running)
        command = (
            f"celery -A tests worker --loglevel INFO --hostname t{number}@%h --concurrency 1 "
            f"--beat --schedule {self._folder / f'schedule-{number}'}"
        )
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
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        for process in self._running:
            self.kill(process)

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self._folder.glob("*.log"))

    def until(self, condition: Any, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.logs()
            time.sleep(0.1)


@pytest.fixture
def workers(sandbox: Sandbox, settings: Any, tmp_path: Path) -> Iterator[Workers]:
    if not os.environ.get("CELERY_BROKER_URL", "").startswith("redis"):
        pytest.skip("CELERY_BROKER_URL names no Redis.")
    workers = Workers(tmp_path, sandbox, settings.CELERY_TASK_DEFAULT_QUEUE)
    yield workers
    workers.stop()


def everywhere(act: Any) -> dict[str, Any]:
    found = {}
    for name in NAMES:
        with tenants.enter(name):
            found[name] = act()
    return found


def ask(project: str) -> None:
    """Ask for documents whose keys, numbers and addresses are those of the other tenants."""
    for number in range(EACH):
        label = f"{tenants.current()} {project} {number}"
        render = Render.objects.request(
            "invoice", {"label": label}, key=f"i-{project}-{number}", project=project
        )
        if number % 4 == 0:
            render.share(message=label)
            render.email("ada@example.com", message=label)


@pytest.mark.timeout(150)
def test_nothing_crosses_over_under_load_and_kills(settings, sandbox, workers):
    settings.CRAFTKIT_PROJECTS = {alias: {"API_KEY": f"ck_test_{alias}"} for alias in PROJECTS}
    first = workers.start()
    for project in PROJECTS:
        everywhere(lambda project=project: ask(project))
    keys = everywhere(lambda: sorted(Render.objects.values_list("pk", "project", "key")))
    assert keys["alpha"] == keys["beta"] == keys["gamma"]

    total = len(NAMES) * len(PROJECTS) * EACH
    workers.until(lambda: len(sandbox.renders) > total // 4)
    workers.kill(first)
    second = workers.start()
    workers.until(lambda: len(sandbox.mails) > 5)
    workers.kill(second)
    workers.start()
    workers.until(lambda: not any(everywhere(Job.objects.exists).values()), 90)

    labels = Counter(one.data["label"] for one in sandbox.renders)
    assert labels == {
        f"{name} {project} {number}": 1
        for name in NAMES
        for project in PROJECTS
        for number in range(EACH)
    }
    made = {one.id: (one.data["label"], one.project.slug) for one in sandbox.renders}
    links = {link.id: link.message for link in sandbox.shares}
    for name in NAMES:
        with tenants.enter(name):
            for render in Render.objects.all():
                label, project = made[str(render.remote_id)]
                assert (render.status, render.data["label"]) == ("succeeded", label)
                assert (project, label.split()[0]) == (render.project, name)
            for share in Share.objects.all():
                assert share.status == "active", share.error
                assert links[str(share.remote_id)] == share.message
                assert share.message.split()[0] == name
    handed = Counter(link.message for link in sandbox.shares)
    assert set(handed.values()) == {2}, "a link and a mail of each, none twice"
    assert len(sandbox.mails) == total // 4
