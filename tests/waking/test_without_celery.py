"""The package without Celery: nothing imports it, and the road of a document is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from django_craftkit.waking import by_tasks

ROOT = Path(__file__).parents[2]

SCRIPT = """
import importlib
import pkgutil
import sys

LIBRARY, WAKE, RUNS = sys.argv[1:]


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("celery", "kombu", "billiard", "amqp"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Refuse())

import django
from django.conf import settings

# What the API's extra brings is installed where the suite runs; the rest is as a reader has it.
settings.configure(
    SECRET_KEY="only for this",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django_craftkit",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    TASKS={"default": {"BACKEND": f"{LIBRARY}.backends.immediate.ImmediateBackend"}},
    CRAFTKIT_PROJECTS={"default": {"API_KEY": "ck_test_none"}},
    CRAFTKIT={"WAKE": WAKE, "CHECK_ANCHORS": "off"},
    ROOT_URLCONF="django_craftkit.urls",
    USE_TZ=True,
)
django.setup()

import django_craftkit

refused = []
for module in pkgutil.walk_packages(django_craftkit.__path__, "django_craftkit."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        assert error.name == "celery", error
        refused.append(module.name)
assert refused == ["django_craftkit.tasks", "django_craftkit.waking.by_celery"], refused

from django.core.management import call_command
from django.db import transaction
from django_craftkit import dispatch
from django_craftkit.models import Render
from django_craftkit.reconcile.loop import Loop
from django_craftkit.testing import Kit

call_command("check", "--tag", "craftkit")
call_command("migrate", verbosity=0)
with Kit() as craftkit:
    dispatch.set_silent(False)
    with transaction.atomic():
        render = Render.objects.request("invoice", {"total": 42})
    assert (len(craftkit.renders) == 1) is (RUNS == "at once"), craftkit.renders
    Loop().run()
    assert len(craftkit.renders) == 1
    craftkit.pass_time(30)
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded", render.status
assert "celery" not in sys.modules
print("whole")
"""


@pytest.mark.parametrize(("wake", "runs"), [("none", "later"), ("tasks", "at once")])
def test_nothing_imports_it(tmp_path, wake, runs):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, by_tasks.LIBRARY, wake, runs],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.endswith("whole\n"), result.stderr
