"""The doctor speaks of what the project has: broker and beat, a backend of tasks, or neither."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_craftkit.models import ProjectState
from django_craftkit.reconcile.pulse import note_worker
from django_craftkit.reconcile.sweeping import note_sweep
from tests.waking.test_by_tasks import DUMMY, HERE

MINUTE = timedelta(minutes=1)


@pytest.fixture
def told(craftkit, settings, monkeypatch):
    for slug in ("invoice", "delivery-note", "report", "charter-handover"):
        craftkit.sandbox.put_any_template(slug)

    def tell(wake: str, backend: str = f"{HERE}.Backend") -> str:
        settings.CRAFTKIT = {"WAKE": wake}
        settings.TASKS = {"default": {"BACKEND": backend}}
        out = StringIO()
        try:
            call_command("craftkit_doctor", stdout=out, no_color=True)
        except CommandError as error:
            out.write(str(error))
        return out.getvalue()

    return tell


CARRIERS = {
    "celery": ("ok    the broker", "beat is running: last sweep"),
    "tasks": ("ok    messages go to TASKS['default'], queue 'default'", "something sweeps: last"),
    "none": ("ok    no messages", "something sweeps: last"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("wake", CARRIERS)
def test_it_says_what_carries_messages_and_what_sweeps(told, wake):
    note_sweep()
    text = told(wake)
    assert "All is well." in text
    for words in CARRIERS[wake]:
        assert words in text


STARTS = {
    "celery": ("Start a Celery worker", "Start beat"),
    "tasks": ("manage.py db_worker", "--once run by cron"),
    "none": ("Start manage.py craftkit_work", "Start manage.py craftkit_work"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("wake", STARTS)
def test_it_says_what_to_start(told, wake):
    no_worker, no_sweep = STARTS[wake]
    assert no_worker in told(wake)
    note_worker()
    assert no_sweep in told(wake)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("backend", "problem"),
    [(DUMMY, "it has no worker"), ("nowhere.Backend", "Could not find backend 'nowhere.Backend'")],
)
def test_it_tells_a_backend_that_wakes_nobody(told, backend, problem):
    note_sweep()
    text = told("tasks", backend)
    assert f": {problem}" in text
    assert "1 to mend" in text


@pytest.mark.django_db
@pytest.mark.parametrize(("wake", "is_running"), [("celery", False), ("tasks", True)])
def test_cron_that_sweeps_once_a_minute_is_a_worker_where_there_is_no_beat(
    settings, wake, is_running
):
    settings.CRAFTKIT = {"WAKE": wake}
    now = timezone.now()
    seen = ProjectState(project="default", worker_seen_at=now - 2 * MINUTE)
    assert seen.has_worker(now) is is_running
