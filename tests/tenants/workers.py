"""Real Celery workers for all tenants, and what is to come of their work when they are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import connections

from django_craftkit import tenants
from django_craftkit.models import Job, Render, Share
from tests.tenants.turns import everywhere

if TYPE_CHECKING:
    from collections.abc import Collection

    from django_craftkit.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PROJECTS = ("default", "eu")
#: Documents of each project of each tenant.
EACH = 20


class Workers:
    """Celery workers with beat, whose messages go through Redis."""

    def __init__(self, folder: Path, sandbox: Sandbox, settings: str, queue: str) -> None:
        """``settings`` is the module of theirs, ``queue`` that of their messages."""
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), str(ROOT / "example_project"), os.environ.get("PYTHONPATH", "")]
            ),
            "DJANGO_SETTINGS_MODULE": settings,
            **{
                f"CRAFTKIT_DATABASE_{alias}": str(connections[alias].settings_dict["NAME"])
                for alias in connections
            },
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

    def until(self, condition: Any, seconds: float = 150.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.logs()
            time.sleep(0.1)


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


def work_under_kills(workers: Workers, sandbox: Sandbox, names: Collection[str]) -> None:
    """Have workers killed while these tenants have much to do; nothing crosses, or comes twice."""
    first = workers.start()
    for project in PROJECTS:
        everywhere(names, lambda project=project: ask(project))
    keys = everywhere(names, lambda: sorted(Render.objects.values_list("pk", "project", "key")))
    assert len(set(map(str, keys.values()))) == 1

    total = len(names) * len(PROJECTS) * EACH
    workers.until(lambda: len(sandbox.renders) > total // 4)
    workers.kill(first)
    second = workers.start()
    workers.until(lambda: len(sandbox.mails) > 5)
    workers.kill(second)
    workers.start()
    workers.until(lambda: not any(everywhere(names, Job.objects.exists).values()), 240)

    labels = Counter(one.data["label"] for one in sandbox.renders)
    assert labels == {
        f"{name} {project} {number}": 1
        for name in names
        for project in PROJECTS
        for number in range(EACH)
    }
    made = {one.id: (one.data["label"], one.project.slug) for one in sandbox.renders}
    links = {link.id: link.message for link in sandbox.shares}
    for name in names:
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
