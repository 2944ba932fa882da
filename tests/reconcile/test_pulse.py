"""Signs of life: whoever works gives them, in time, and in nobody's way."""

from __future__ import annotations

import signal
import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit import tasks
from django_craftkit.models import ProjectState, Render
from django_craftkit.reconcile import pulse, retention, sweeping, worker
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.pulse import Pulse
from tests.helpers import elsewhere, until, work
from tests.reconcile.helpers import logged
from tests.seams import before_sending, before_writing


def last(project: str = "default"):
    """Return when a worker was last seen."""
    states = ProjectState.objects.filter(project=project, capability="")
    return states.values_list("worker_seen_at", flat=True).first()


@pytest.fixture
def eu(settings) -> None:
    settings.CRAFTKIT_PROJECTS = {
        **settings.CRAFTKIT_PROJECTS,
        "eu": settings.CRAFTKIT_PROJECTS["default"],
    }


@pytest.fixture
def quick(monkeypatch) -> None:
    """A sign each 50 milliseconds, each written."""
    monkeypatch.setattr(pulse, "EVERY", 0.05)
    monkeypatch.setattr("django_craftkit.models.project.SIGN_EVERY", timedelta(0))


WORKERS = {
    "a task that was woken": lambda: Loop(threads=1, wake=None, pulse=Pulse()).run(),
    "a sweep": lambda: Loop(threads=1, wake=None, pulse=Pulse()).sweep(),
    "craftkit_work": lambda: call_command("craftkit_work", "--once", stdout=StringIO()),
}


@pytest.mark.parametrize("works", WORKERS.values(), ids=WORKERS)
@pytest.mark.parametrize("is_due", [True, False])
def test_whoever_works_gives_a_sign_for_each_project(craftkit, settings, eu, works, is_due):
    settings.CRAFTKIT = {"THREADS": 1}
    if is_due:
        Render.objects.request("invoice", {})
    works()
    assert None not in (last("default"), last("eu"))


BYSTANDERS = {
    "a person who waits": lambda: Render.objects.request("invoice", {"number": 2}, wait=True),
    "an eager task": lambda: tasks.advance.apply(throw=True),
    "an eager prune": lambda: tasks.prune.apply(throw=True),
    "a test": work,
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("works", BYSTANDERS.values(), ids=BYSTANDERS)
def test_who_works_in_somebodys_stead_gives_none(craftkit, works):
    Render.objects.request("invoice", {})
    works()
    assert last() is None


def test_tasks_of_a_worker_share_their_pulse(craftkit):
    loops = [worker._worker.loop() for _ in range(2)]
    assert loops[0]._pulse is loops[1]._pulse is worker._worker.pulse


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_worker_gives_signs_while_all_its_steps_are_under_way(
    craftkit, monkeypatch, quick, threads
):
    """One step of minutes, in whichever thread, also while the others have ended."""
    Render.objects.request("invoice", {})
    signs = []

    def be_slow() -> None:
        first = last()
        until(lambda: last() != first)
        signs.append(last())

    before_sending(monkeypatch, "/render", be_slow)
    Loop(threads=threads, wake=None, pulse=Pulse()).run(0.1)
    assert len(signs) == 1
    assert not [one for one in threading.enumerate() if one.name == "craftkit-pulse"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "works", [tasks.prune, lambda: call_command("craftkit_work", stdout=StringIO())]
)
def test_a_worker_gives_signs_while_it_prunes(craftkit, monkeypatch, quick, works):
    signs = []

    def prune():
        first = last()
        until(lambda: last() != first)
        signs.append(last())
        signal.raise_signal(signal.SIGTERM)
        return []

    monkeypatch.setattr(retention, "prune", prune)
    monkeypatch.setattr(worker._worker, "pulse", Pulse())
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        works()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert len(signs) == 1


def test_a_process_gives_one_sign_however_much_it_does(craftkit, monkeypatch):
    """Not one for a job, a run, or a thread."""
    monkeypatch.setattr(pulse, "EVERY", 600.0)
    monkeypatch.setattr("django_craftkit.models.project.SIGN_EVERY", timedelta(0))
    alive = Pulse()
    for number in range(5):
        Render.objects.request("invoice", {"number": number})
    with CaptureQueriesContext(connection) as queries:
        for _ in range(3):
            Loop(threads=1, wake=None, pulse=alive).run()
    assert len([one for one in queries if written(one["sql"])]) == 1


def test_of_many_workers_one_writes(craftkit, monkeypatch):
    monkeypatch.setattr("django_craftkit.models.project.SIGN_EVERY", timedelta(minutes=5))
    pulse.note_worker()
    with CaptureQueriesContext(connection) as queries:
        for _ in range(4):
            pulse.note_worker()
    assert all(one["sql"].startswith("SELECT") for one in queries)
    first = last()
    craftkit.pass_time(301)
    pulse.note_worker()
    assert last() > first


def written(sql: str) -> bool:
    return sql.startswith("UPDATE") and "worker_seen_at" in sql


def test_a_clock_that_was_set_back_stops_no_sign(craftkit):
    ProjectState.objects.of("default")
    ahead = timezone.now() + timedelta(hours=1)
    ProjectState.objects.update(worker_seen_at=ahead, swept_at=ahead)
    pulse.note_worker()
    sweeping.note_sweep()
    state = ProjectState.objects.get()
    assert max(state.worker_seen_at, state.swept_at) < ahead


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sign", [pulse.note_worker, sweeping.note_sweep])
def test_a_sign_waits_for_nobody_who_holds_a_project(craftkit, eu, sign):
    """Whoever pauses a project, or has it tried again, in a transaction that lasts."""
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("This database locks its file, not rows.")
    for project in ("default", "eu"):
        ProjectState.objects.of(project)
    with transaction.atomic():
        ProjectState.objects.filter(project="default").update(pause_code="x")
        elsewhere(sign)
    signs = dict(ProjectState.objects.values_list("project", sign_of(sign)))
    assert signs["default"] is None
    assert signs["eu"] is not None


def sign_of(sign) -> str:
    return "swept_at" if sign is sweeping.note_sweep else "worker_seen_at"


@pytest.mark.django_db(transaction=True)
def test_a_sign_that_can_not_be_written_ends_no_work(craftkit, monkeypatch, quick, caplog):
    Render.objects.request("invoice", {})
    main = threading.current_thread()

    def fail():
        if threading.current_thread() is not main:
            raise OperationalError("the server is going away")

    before_writing(monkeypatch, ProjectState, fail, setting="worker_seen_at", times=None)
    before_sending(monkeypatch, "/render", lambda: until(lambda: logged(caplog, "reconcile.pulse")))
    Loop(threads=1, wake=None, pulse=Pulse()).run()
    assert Render.objects.get().status == "queued"
