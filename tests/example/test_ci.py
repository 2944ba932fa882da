"""The example's own pipeline: its templates, its declarations, and the Craftkit of its tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser

import pytest
from django.db import connection

from django_craftkit.management.template_files import Content
from django_craftkit.sandbox import SandboxServer
from django_craftkit.sandbox.cli import add_arguments, build
from tests.example.conftest import EXAMPLE, FILES, LISTED, in_files, listed

HANDOVER = "charter-handover"
SECONDS = 240

pytestmark = [
    pytest.mark.timeout(2 * SECONDS),
    pytest.mark.skipif(
        connection.vendor != "sqlite",
        reason="The pipeline has a database of its own, whatever the suite has: once is enough.",
    ),
]


@pytest.fixture
def craftkit():
    """The Craftkit that the example's templates are published at."""
    parser = ArgumentParser()
    add_arguments(parser)
    paths = ("--templates", str(LISTED), "--templates", str(FILES))
    with SandboxServer(build(parser.parse_args(paths))) as server:
        yield server


@pytest.fixture
def checkout(tmp_path):
    checkout = tmp_path / "checkout"
    shutil.copytree(EXAMPLE, checkout, ignore=shutil.ignore_patterns("var", "__pycache__"))
    return checkout


@pytest.fixture
def run(craftkit, checkout, tmp_path):
    """Run a program in a checkout of the example, as its pipeline does."""
    # The pipeline's `python` is that of these tests.
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(EXAMPLE.parent),
        "DJANGO_SETTINGS_MODULE": "agency.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "CELERY_BROKER_URL": "memory://",
        "CRAFTKIT_BASE_URL": craftkit.url,
        "CRAFTKIT_API_KEY": "ck_test_sandbox",
        "NO_PROXY": "127.0.0.1",
    }

    def run(*command: str) -> tuple[int, str]:
        done = subprocess.run(
            command,
            cwd=checkout,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def more(**variable) -> dict:
    """Return the manifest of the protocol with one variable more."""
    manifest = in_files()[HANDOVER]["manifest"]
    return {**manifest, "variables": [*manifest["variables"], variable]}


CREW = {"key": "crew", "label": "Crew", "dataType": "number", "required": True}


def test_what_is_committed_is_what_is_published(run, craftkit):
    status, told = run("./ci.sh")
    assert status == 0, told
    assert "1 files are as they are at Craftkit." in told
    assert "the data of <Booking: AEG-2029> fit charter-handover" in told
    assert "All is well." in told
    assert not craftkit.sandbox.renders


def test_a_template_that_somebody_has_published_anew_is_told(run, craftkit):
    craftkit.sandbox.put_template(HANDOVER, manifest=more(**CREW))
    status, told = run("./ci.sh")
    assert status != 0
    assert "- variable crew (number, required)" in told
    assert "craftkit_doctor" not in told


def test_data_that_lack_what_a_template_takes_are_told(run, craftkit):
    """The file was pulled, and the declaration was not changed."""
    craftkit.sandbox.put_template(HANDOVER, manifest=more(**CREW), name="Charter handover")
    status, told = run("python", "manage.py", "craftkit_templates", "pull", HANDOVER)
    assert status == 0, told
    status, told = run("./ci.sh")
    assert status != 0
    assert "files are as they are at Craftkit." in told
    assert "mend  charter.craftkit.handover: the data of" in told
    assert "crew" in told


def test_a_version_that_nobody_has_published_is_told(run, checkout):
    declarations = checkout / "charter" / "craftkit.py"
    declared = declarations.read_text()
    pinned = declared.replace("template=HANDOVER,", "template=HANDOVER, version=7,")
    assert pinned != declared
    declarations.write_text(pinned)
    status, told = run("./ci.sh")
    assert status != 0
    assert "All is well." in told
    assert "craftkit.W009" in told


@pytest.mark.parametrize("slug", sorted(in_files()))
def test_a_file_is_as_the_command_writes_it(slug, tmp_path):
    path = FILES / f"{slug}.json"
    Content.read(path).write(tmp_path / path.name)
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_no_template_is_kept_twice():
    assert not in_files().keys() & listed().keys()
