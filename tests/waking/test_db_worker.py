"""A real worker of django-tasks-db: the message of one process wakes another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from django_craftkit.sandbox import Sandbox, SandboxServer

ROOT = Path(__file__).parents[2]

REQUEST = """
import django
django.setup()
from django.db import transaction
from django_craftkit.models import Render
from django_craftkit.waking.waker import current_waker

with transaction.atomic():
    Render.objects.request("invoice", {"total": 42})
# At its end a process waits for a second, which a busy machine may not keep to.
assert current_waker().flush(60)
"""

TOLD = """
import sys
import django
django.setup()
from django_craftkit.models import ProjectState, Render
from django_tasks_db.models import DBTaskResult

state = ProjectState.objects.get(project="default", capability="")
first = DBTaskResult.objects.earliest("enqueued_at")
print(
    Render.objects.get().status,
    bool(state.worker_seen_at),
    first.status,
    first.task_path,
    DBTaskResult.objects.filter(status="FAILED").count(),
)
"""


@pytest.mark.timeout(240)
def test_a_request_wakes_a_worker_that_is_another_process(tmp_path):
    with SandboxServer(sandbox := Sandbox(lenient=True)) as server:
        sandbox.render_time = 0
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.waking.worker_settings",
            "CRAFTKIT_BASE_URL": server.url,
        }

        def run(*arguments: str) -> str:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", *arguments],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        run("-m", "django", "migrate", "--verbosity", "0")
        run("-c", REQUEST)
        assert sandbox.renders == []
        run("-m", "django", "db_worker", "--batch", "--no-startup-delay")
        assert len(sandbox.renders) == 1
        told = run("-c", TOLD).split()
    assert told == ["succeeded", "True", "SUCCESSFUL", "django_craftkit.background.advance", "0"]
