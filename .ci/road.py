"""A reader's road with a built wheel, in a folder of its own: from nothing to a PDF and a test.

    python .ci/road.py dist/django_craftkit-0.1.0-py3-none-any.whl [celery] [tasks] [none]

Follows docs/installation.md and README.md by their own snippets: a new project, its tables, the
sandbox, the site, a worker, a document that the worker makes, a test that passes. Celery is
uninstalled before the two ways that do without it. Needs no services; run by .ci/run, once.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WAYS = ("celery", "tasks", "none")
#: Seconds for one step, at most.
TIMEOUT = 60

#: What the installation leaves to the reader: a broker without a service, for Celery alone.
BROKER = """
CELERY_BROKER_URL = "filesystem://"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "data_folder_in": BASE_DIR / "broker",
    "data_folder_out": BASE_DIR / "broker",
    "control_folder": BASE_DIR / "broker",
}
"""
#: "stands for a fixture of yours", docs/testing.md says.
CONFTEST = """
import pytest
from orders.models import Order


@pytest.fixture
def order(db):
    return Order.objects.create(number="A-1", total=42)
"""
#: A document that nobody waits for: whoever waits for one does the work.
UNATTENDED = """
import time
from django_craftkit.models import Render
from orders.models import Order

order = Order.objects.create(number="B-1", total=7, confirmed=True)
begin = time.monotonic()
while Render.objects.for_object(order).get().status != "succeeded":
    assert time.monotonic() < begin + 40, list(Render.objects.values())
    time.sleep(0.1)
print(f"the worker took {time.monotonic() - begin:.1f} s")
"""


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Return the fenced blocks of a page: the comment above each, its language, its text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fence = r"(?:<!-- (\w+: \S+) -->\n)?^```(\w+)\n(.*?)^```$"
    return re.findall(fence, text, flags=re.M | re.S)


INSTALLATION = blocks("docs/installation.md")


def snippet(page: str, marker: str, having: str = "") -> str:
    (found,) = (text for mark, _, text in blocks(page) if mark == marker and having in text)
    return found


def commands(having: str) -> list[list[str]]:
    """Return the commands of the installation that hold some words."""
    lines = [line for _, kind, text in INSTALLATION if kind == "sh" for line in text.splitlines()]
    found = [line.split() for line in lines if having in line]
    assert found, f"the installation no longer says {having}"
    return found


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


class Road:
    """One project, in one folder, with the environment of all of them."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.bin = programs
        self.ports = {"9100": free_port(), "8000": free_port()}
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO_")}
        # Nothing of this tree is importable: what is not in the wheel is missing.
        kept.pop("PYTHONPATH", None)
        self.environment = {**kept, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        self.running: list[subprocess.Popen[bytes]] = []

    def here(self, text: str) -> str:
        for told, port in self.ports.items():
            text = text.replace(f"127.0.0.1:{told}", f"127.0.0.1:{port}")
        return text

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        old = path.read_text() if path.name == "settings.py" else ""
        path.write_text(f"{old}\n{self.here(text)}" if old else self.here(text))

    def run(self, *command: str, feed: str = "") -> str:
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.folder,
            env=self.environment,
            input=feed,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{command}\n{done.stdout}\n{done.stderr}\n{self.logs()}")
        return done.stdout

    def start(self, *command: str) -> None:
        command = tuple(map(self.here, command))
        with (self.folder / f"{len(self.running)}.log").open("wb") as log:
            self.running.append(
                subprocess.Popen(
                    [str(self.bin / command[0]), *command[1:]],
                    cwd=self.folder,
                    env=self.environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )

    def stop(self) -> None:
        for process in reversed(self.running):
            process.terminate()
        for process in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(25)
            process.kill()

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))


def make_project(road: Road, way: str) -> None:
    for having in ("django-admin startproject", "manage.py startapp"):
        for command in commands(having):
            road.run(*command)
    for name in ("orders/models.py", "orders/craftkit.py", "mysite/settings.py", "mysite/urls.py"):
        road.write(name, snippet("docs/installation.md", f"file: {name}"))
    road.write("mysite/settings.py", snippet("docs/operations.md", "test: settings", "PRAGMA"))
    if way == "celery":
        schedule = snippet("docs/installation.md", "test: settings", "beat_schedule")
        road.write("mysite/settings.py", schedule + BROKER)
        for name in ("mysite/celery.py", "mysite/__init__.py"):
            road.write(name, snippet("docs/installation.md", f"file: {name}"))
    elif way == "tasks":
        road.write("mysite/settings.py", snippet("docs/installation.md", "test: tasks_settings"))
    else:
        road.write("mysite/settings.py", 'CRAFTKIT = {"WAKE": "none"}')
    for command in (*commands("makemigrations"), *commands("manage.py migrate")[:1]):
        road.run(*command)
    road.run("python", "manage.py", "check")


def start_terminals(road: Road, way: str) -> None:
    (sandbox,) = commands("craftkit_sandbox")
    road.start(*sandbox, "--port", road.ports["9100"])
    (site,) = commands("runserver")
    road.start(*site, "--noreload", f"127.0.0.1:{road.ports['8000']}")
    worker = {"celery": "celery -A mysite worker --beat", "tasks": "db_worker"}.get(way)
    (words, *_others) = commands(worker or "manage.py craftkit_work")
    road.start(*words, *(["--no-startup-delay", "--no-reload"] if way == "tasks" else []))
    wait_for(road, "9100", "8000")


def wait_for(road: Road, *names: str) -> None:
    end = time.monotonic() + TIMEOUT
    for name in names:
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", int(road.ports[name])), timeout=1).close()
                break
            if time.monotonic() > end:
                raise SystemExit(road.logs())
            time.sleep(0.1)


def walk(road: Road, way: str) -> None:
    make_project(road, way)
    start_terminals(road, way)
    try:
        print("  ", road.run("python", "manage.py", "shell", feed=UNATTENDED).splitlines()[-1])
        road.run(
            "python", "manage.py", "shell", feed=snippet("docs/installation.md", "file: shell")
        )
        assert (road.folder / "invoice.pdf").read_bytes().startswith(b"%PDF-")
        if way == "tasks":
            # Cron's turn.
            for command in (*commands("craftkit_work --once"), *commands("prune")):
                road.run(*command)
        for command in commands("craftkit_doctor"):
            assert "All is well." in road.run(*command)
    finally:
        road.stop()
    road.write("conftest.py", CONFTEST)
    tests = snippet("README.md", "test: tests") + "\n\n"
    tests += snippet("docs/testing.md", "test: tests", "def test_a_confirmed_order_has_an_invoice")
    road.write("test_orders.py", tests.replace("has_an_invoice", "has_its_invoice", 1))
    road.run("python", "-m", "pytest", "-q", "--ds=mysite.settings")


def main(wheel: str, *ways: str) -> None:
    begin = time.monotonic()

    def say(words: Any) -> None:
        print(f"{time.monotonic() - begin:5.1f} s  {words}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder, "venv")
        venv.create(environment, with_pip=True)
        programs = environment / "bin"
        pip = [str(programs / "python"), "-m", "pip", "-qq", "--disable-pip-version-check"]
        requirement = f"{Path(wheel).resolve()}[testing,tasks]"
        subprocess.run([*pip, "install", requirement, "django-tasks-db"], check=True)
        say("the wheel is installed")
        for way in sorted(ways or WAYS, key=WAYS.index):
            if way != "celery" and (programs / "celery").exists():
                subprocess.run([*pip, "uninstall", "--yes", "celery", "kombu"], check=True)
                say("Celery is uninstalled")
            road = Road(Path(folder, way), programs)
            (road.folder / "broker").mkdir(parents=True)
            walk(road, way)
            say(f"a document and a test, the way of {way}")


if __name__ == "__main__":
    main(*sys.argv[1:])
