"""Tenants in schemas, by django-tenants: a suite by settings of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.db import connection

HERE = Path(__file__).parent


@pytest.mark.timeout(900)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="Only PostgreSQL has schemas.")
def test_the_suite_of_a_project_whose_tenants_have_schemas():
    if find_spec("django_tenants") is None:
        assert not os.environ.get("CI_REQUIRES_ALL"), "django-tenants is not installed"
        pytest.skip("django-tenants is not installed.")
    # A process of xdist has more of it in its environment than a new run may know.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--ds", "tests.tenants.schemas.settings", str(HERE / "schemas")),
        ],
        cwd=HERE.parents[1],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
