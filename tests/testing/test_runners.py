"""The kit in the processes of Django's own runner, however they are started, and of xdist's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import django
import pytest

SETTINGS = """
SECRET_KEY = "for tests"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_craftkit"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "bookings.db"}}
USE_TZ = True
# Nobody listens there.
CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
CRAFTKIT_PROJECTS = {"default": {}}
"""
TESTS = """
from django.test import TestCase, TransactionTestCase
from django_craftkit.models import Render
from django_craftkit.testing import CraftkitTestMixin

class Base(CraftkitTestMixin):
    def test_one(self):
        for total in range(2):
            with self.subTest(total=total):
                Render.objects.request("invoice", {"total": total})
                self.craftkit.run()
                self.craftkit.assert_rendered("invoice", data={"total": total})

    def test_another(self):
        self.craftkit.assert_rendered("invoice", count=0)

class FirstTests(Base, TestCase): ...
class LastTests(TestCase, Base): ...
class CommittedTests(Base, TransactionTestCase): ...
"""
MANAGE = """
import multiprocessing, os, sys
if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
    multiprocessing.set_start_method(sys.argv.pop())
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""

METHODS = ["fork", "spawn"] if django.VERSION < (6,) else ["fork", "spawn", "forkserver"]


# A busy machine is no fault.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project_settings.py").write_text(SETTINGS)
    (tmp_path / "manage.py").write_text(MANAGE)
    (tmp_path / "test_bookings.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(project: Path, *command: str) -> str:
    """Run Python in the project, with this tree; return what it says."""
    named = ("DJANGO_", "PYTEST_", "PYTHON", "DATABASE_URL")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(named)}
    environment["PYTHONPATH"] = f"{Path(__file__).parents[2]}:{project}"
    environment["DJANGO_SETTINGS_MODULE"] = "project_settings"
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("method", METHODS)
def test_django_s_own_runner_in_parallel(project, method):
    said = run(project, "manage.py", "test", "--parallel", "2", "test_bookings", method)
    assert "Ran 6 tests" in said
    assert "\nOK\n" in said


def test_xdist(project):
    said = run(project, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider")
    assert "6 passed" in said
