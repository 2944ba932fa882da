"""The project as a whole: its settings, its seed, and the demonstration."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from charter.models import Boat, Booking

ROOT = Path(__file__).parents[2] / "example_project"


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "agency.settings", **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("debug", ["true", "false"])
def test_settings_pass_the_checks(debug):
    done = run(
        str(ROOT / "manage.py"),
        # Of a database that has no tables yet, nothing is known of Craftkit's templates.
        *("check", "--database", "default", "--fail-level", "WARNING"),
        DEBUG=debug,
        DATABASE_URL="sqlite://:memory:",
        CELERY_BROKER_URL="memory://",
    )
    assert done.returncode == 0, done.stderr


def test_migrations_are_complete(db):
    call_command("makemigrations", "charter", "--check", "--dry-run", verbosity=0)


@pytest.mark.parametrize("debug", [True, False])
def test_seed_can_be_repeated(db, settings, debug):
    settings.DEBUG = debug
    call_command("seed", verbosity=0)
    Boat.objects.filter(slug="nereid").update(name="Renamed by hand")
    tokens = set(Booking.objects.values_list("token"))
    call_command("seed", verbosity=0)
    assert (Boat.objects.count(), Booking.objects.count()) == (4, 6)
    assert Boat.objects.filter(name="Renamed by hand").exists()
    assert set(Booking.objects.values_list("token")) == tokens
    assert Booking.objects.get(code="AEG-2031").signed_off_at is None
    admin = get_user_model().objects.get(username="admin")
    assert admin.is_superuser is debug
    assert admin.check_password("admin") is debug


@pytest.mark.timeout(320)
def test_the_demonstration_ends_with_a_document():
    done = run(str(ROOT / "demo.py"), "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    assert "completed" in done.stdout
    assert "mailed    to eleni@example.com" in done.stdout
    (signed,) = (ROOT / "var" / "documents" / "craftkit" / "default" / "signed").rglob("*.pdf")
    assert str(signed) in done.stdout
    assert hashlib.sha256(signed.read_bytes()).hexdigest() in done.stdout
    assert signed.stat().st_mode & 0o077 == 0
    assert (ROOT / "var" / "handover-AEG-2031.pdf").read_bytes().startswith(b"%PDF")
