"""The pytest plugin is loaded by every run of pytest, also where nobody has asked for it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# A busy machine is no fault.
pytestmark = pytest.mark.timeout(400)

SETTINGS = """
SECRET_KEY = "for tests"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_craftkit"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
"""
#: Fails the run if it is there when it ends.
IMPORTED = """
import sys
def pytest_sessionfinish(session, exitstatus):
    names = [name for name in {names} if name in sys.modules]
    print("imported:", names)
"""
USES = """
def test_it(craftkit):
    from django_craftkit.models import Render
    Render.objects.request("invoice", {"total": 42})
    craftkit.run()
    craftkit.assert_rendered("invoice", data={"total": 42})
"""
HIDES = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == {name!r} else find_spec(name, *more)
"""


def run(folder: Path, test: str, *options: str, conftest: str = "", django: str = "") -> str:
    """Run pytest in a project of its own; return what it says."""
    (folder / "test_it.py").write_text(test)
    (folder / "conftest.py").write_text(conftest)
    (folder / "pytest.ini").write_text("[pytest]\n")
    # Where CI is told of, pytest says all of it once more in its summary.
    ours = ("BUILD_NUMBER", "CI", "DJANGO_", "PYTEST_", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    if django:
        (folder / "project_settings.py").write_text(django)
        environment["DJANGO_SETTINGS_MODULE"] = "project_settings"
        environment["PYTHONPATH"] = str(folder)
    # Not by the entry point: this tree's, wherever another one is installed.
    root = __file__.rpartition("/tests/")[0]
    environment["PYTHONPATH"] = f"{root}:{environment.get('PYTHONPATH', '')}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("options", [(), ("-p", "no:django")], ids=["pytest-django", "without it"])
def test_a_project_without_settings_is_left_alone(tmp_path, options):
    names = ["django.db.models", "django_craftkit.models", "django_craftkit.testing.kit", "celery"]
    if options:
        names += ["django"]
    said = run(
        tmp_path,
        "def test_it(): ...\n",
        *options,
        conftest=IMPORTED.format(names=names),
    )
    assert "1 passed" in said
    assert "imported: []" in said


def test_a_project_with_settings_pays_for_it_when_it_is_used(tmp_path):
    names = ["django_craftkit.testing.kit", "fpdf", "django_craftkit.sandbox"]
    conftest = IMPORTED.format(names=names)
    assert "imported: []" in run(
        tmp_path, "def test_it(db): ...\n", conftest=conftest, django=SETTINGS
    )
    said = run(tmp_path, USES, conftest=conftest, django=SETTINGS)
    assert "1 passed" in said
    # The fonts of a PDF that nobody wants are not read.
    assert "imported: ['django_craftkit.testing.kit', 'django_craftkit.sandbox']" in said


@pytest.mark.parametrize("name", ["fpdf", "pytest_django"])
def test_what_is_missing_is_said_where_it_is_used(tmp_path, name):
    options = ("-p", "no:django") if name == "pytest_django" else ()
    hiding = {"conftest": "", "django": SETTINGS}
    (tmp_path / "hiding.py").write_text(HIDES.format(name=name))
    options = ("-p", "hiding", *options)
    test = "def test_other(): ...\n" + USES
    said = run(tmp_path, test, *options, **hiding)
    assert "1 passed, 1 error" in said
    assert said.count("pip install 'django-craftkit[testing]'") == 2, "once, and in the summary"
    assert f"The test kit needs {name}: " in said


def test_without_settings_pytest_django_skips_what_uses_it(tmp_path):
    said = run(tmp_path, USES, "-rs")
    assert "1 skipped" in said
    assert "no Django settings" in said
