"""Every text of ours has its German, and the compiled catalogue is the one that is written."""

from __future__ import annotations

import gettext
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command

import django_craftkit

PACKAGE = Path(django_craftkit.__file__).parent
CATALOGUE = Path("locale/de/LC_MESSAGES/django.po")

needs_gettext = pytest.mark.skipif(
    shutil.which("xgettext") is None and not os.environ.get("CI_REQUIRES_ALL"),
    reason="GNU gettext is not installed",
)


def texts(compiled: Path) -> dict[str, str]:
    with compiled.open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    found: dict[str, str] = catalogue._catalog  # type: ignore[attr-defined]
    return {str(key): text for key, text in found.items() if key}


@pytest.fixture
def extracted(tmp_path, monkeypatch) -> Path:
    """The catalogue as it would be if the texts were collected anew."""
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "sandbox", "*.mo"))
    monkeypatch.chdir(copy)
    call_command("makemessages", locale=["de"], no_obsolete=True, no_wrap=True, verbosity=0)
    return copy / CATALOGUE


@needs_gettext
@pytest.mark.parametrize("wrong", ["--untranslated", "--only-fuzzy"])
def test_every_text_is_translated(extracted, wrong):
    command = ["msgattrib", wrong, "--no-obsolete", "--no-wrap", extracted]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    missing = [line for line in found.splitlines() if line.startswith("msgid") and line[6:] != '""']
    assert missing == [], "Run makemessages in django_craftkit/, translate, run compilemessages."


@needs_gettext
def test_translations_hold_what_their_texts_hold(extracted, tmp_path):
    command = ["msgfmt", "--check-format", "--check-header", "-o", tmp_path / "x.mo", extracted]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@needs_gettext
def test_the_compiled_catalogue_is_that_of_the_written_one(tmp_path):
    compiled = tmp_path / "django.mo"
    subprocess.run(["msgfmt", "-o", compiled, PACKAGE / CATALOGUE], check=True)
    assert texts(compiled) == texts((PACKAGE / CATALOGUE).with_suffix(".mo"))
