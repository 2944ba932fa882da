"""A real worker in long steps: it is seen to run, and nobody is told to start one."""

from __future__ import annotations

import pytest

from django_craftkit.clock import database_now
from django_craftkit.models import ProjectState, Render

pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize("celery", [True, False])
def test_a_worker_whose_step_takes_long_is_seen_all_the_while(sandbox, workers, celery):
    # Longer than a task looks for work, so that its other threads have ended.
    workers.environment["CRAFTKIT_PATIENCE"] = "60"
    sandbox.faults.add("delay", method="POST", seconds=60)
    render = Render.objects.request("invoice", {"number": 1})
    workers.start(celery=celery)
    workers.until(lambda: sandbox.renders)
    began = database_now()
    workers.until(lambda: (database_now() - began).total_seconds() > 30)
    state = ProjectState.objects.get()
    assert (database_now() - state.worker_seen_at).total_seconds() < 25
    assert state.has_worker(database_now())
    assert state.has_sweep(database_now())
    assert Render.objects.get(pk=render.pk).status == "pending"
