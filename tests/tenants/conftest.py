from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings

from django_craftkit.sandbox import Sandbox, SandboxServer
from tests.tenants.workers import PROJECTS, Workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HAS_SCHEMAS = hasattr(django_settings, "TENANT_MODEL")
#: By settings of its own: ``test_schemas.py`` runs it.
collect_ignore = [] if HAS_SCHEMAS else ["schemas"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    keys = {f"ck_test_{alias}": alias for alias in PROJECTS}
    with SandboxServer(Sandbox(api_keys=keys, lenient=True)) as server:
        yield server.sandbox


@pytest.fixture
def workers(sandbox: Sandbox, settings: Any, tmp_path: Path) -> Iterator[Workers]:
    if not os.environ.get("CELERY_BROKER_URL", "").startswith("redis"):
        pytest.skip("CELERY_BROKER_URL names no Redis.")
    settings.CRAFTKIT_PROJECTS = {alias: {"API_KEY": f"ck_test_{alias}"} for alias in PROJECTS}
    module = "tests.tenants.schemas.settings" if HAS_SCHEMAS else "tests.tenants.worker_settings"
    queue = getattr(settings, "CELERY_TASK_DEFAULT_QUEUE", f"tenants-{uuid.uuid4()}")
    workers = Workers(tmp_path, sandbox, module, queue)
    yield workers
    workers.stop()
