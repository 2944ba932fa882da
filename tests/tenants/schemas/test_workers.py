"""Real Celery workers, really killed, for three tenants with two projects each."""

from __future__ import annotations

import pytest

from tests.tenants.schemas.conftest import NAMES
from tests.tenants.workers import work_under_kills


@pytest.mark.timeout(600)
def test_nothing_crosses_over_under_load_and_kills(sandbox, workers):
    work_under_kills(workers, sandbox, NAMES)
