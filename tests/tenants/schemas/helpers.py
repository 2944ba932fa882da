"""What tests of all tenants say in the same words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django_craftkit import tenants
from django_craftkit.models import Job, Render
from tests.tenants.schemas.conftest import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.reconcile.worker import Worker


def request(number: int, **more: Any) -> Render:
    """Ask for a document that says whose it is."""
    data = {"tenant": tenants.current(), "number": number}
    return Render.objects.request("invoice", data, key=f"i-{number}", **more)


def everywhere(act: Callable[[], Any]) -> dict[str, Any]:
    found = {}
    for name in NAMES:
        with tenants.enter(name):
            found[name] = act()
    return found


def finish(worker: Worker) -> None:
    """Work until no tenant has a job."""
    end = time.monotonic() + 30
    while any(everywhere(Job.objects.exists).values()):
        assert time.monotonic() < end
        worker.sweep()
