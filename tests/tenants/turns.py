"""What tests do in one tenant after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django_craftkit import tenants
from django_craftkit.models import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django_craftkit.reconcile.worker import Worker


def everywhere(names: Iterable[str], act: Callable[[], Any]) -> dict[str, Any]:
    """Return what a function returns in each of these tenants."""
    found = {}
    for name in names:
        with tenants.enter(name):
            found[name] = act()
    return found


def finish(names: Iterable[str], worker: Worker) -> None:
    """Work until none of these tenants has a job."""
    end = time.monotonic() + 30
    while any(everywhere(names, Job.objects.exists).values()):
        assert time.monotonic() < end
        worker.sweep()
