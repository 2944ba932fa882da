"""A pause holds a project up until Craftkit answers again, and never longer."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit import conf
from django_craftkit.models import Change, Job, ProjectState, Render
from django_craftkit.reconcile.results import MAX_PROBE_DELAY
from django_craftkit.signals import project_paused, project_resumed
from tests.helpers import LEASE_OVER, Killed, at_once, connected, killed, settle, work
from tests.reconcile.helpers import logged
from tests.seams import before_sending, before_writing

POST = {"method": "POST", "path": "/v1/templates/*/render"}


def pause(probe_at=None, project: str = "default", capability: str = "") -> None:
    now = timezone.now()
    ProjectState.objects.pause(
        project, capability, code="unauthorized", reason="No.", now=now, probe_at=probe_at or now
    )


def seconds_until_resumed(craftkit, limit: int) -> int:
    """Let time pass until no project is paused, by small steps, as wakes and sweeps would."""
    for waited in range(0, limit, 5):
        work()
        if not ProjectState.objects.paused().exists():
            return waited
        craftkit.pass_time(5)
    raise AssertionError(f"After {limit} seconds there is still a pause.")


def test_a_pause_is_written_at_once(db):
    ProjectState.objects.of("default")
    with CaptureQueriesContext(connection) as queries:
        pause()
    writes = [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT"))]
    assert len(writes) == 1, "whoever dies between two leaves half a pause"
    state = ProjectState.objects.get()
    assert None not in (state.paused_at, state.probe_at)
    assert (state.pause_code, state.pause_reason, state.probes) == ("unauthorized", "No.", 1)


def test_a_pause_that_goes_on_began_when_it_began(db):
    pause()
    began = ProjectState.objects.get().paused_at
    pause(probe_at=timezone.now() + timedelta(minutes=1))
    state = ProjectState.objects.get()
    assert (state.paused_at, state.probes) == (began, 2)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_worker_that_dies_while_it_pauses_a_project_holds_nothing_up(craftkit, monkeypatch, nth):
    render = Render.objects.request("invoice", {})
    craftkit.sandbox.faults.add("status", status=401, code="unauthorized", times=2, **POST)
    calls = []

    def write():
        calls.append(True)
        if len(calls) == nth:
            raise Killed

    before_writing(monkeypatch, ProjectState, write, verb="UPDATE", times=None)
    for _ in range(3):
        with contextlib.suppress(Killed):
            work()
        craftkit.pass_time(MAX_PROBE_DELAY)
    assert len(calls) >= nth
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert not ProjectState.objects.paused().exists()


def test_a_pause_without_a_time_for_its_probe_is_probed(craftkit):
    render = Render.objects.request("invoice", {})
    pause()
    ProjectState.objects.update(probe_at=None)
    work()
    render.refresh_from_db()
    assert render.remote_id is not None
    assert not ProjectState.objects.paused().exists()


@pytest.mark.parametrize("status", [401, 402, 403, 429])
def test_a_code_that_is_too_long_pauses_as_well_as_a_short_one(craftkit, status):
    craftkit.sandbox.faults.add("status", status=status, code="x" * 80, times=2, **POST)
    render = Render.objects.request("invoice", {})
    work()
    state = ProjectState.objects.get()
    assert state.pause_code == "x" * 64
    assert str(status) in state.pause_reason
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert not ProjectState.objects.paused().exists()


def test_a_probe_is_not_burnt_by_links_that_wait_for_their_document(craftkit):
    craftkit.sandbox.render_time = None
    parked = Render.objects.request("invoice", {}, key="parked")
    craftkit.run()
    for number in range(20):
        parked.share(key=str(number))
    render = Render.objects.request("invoice", {}, key="waits")
    now = timezone.now()
    Job.objects.filter(kind="share").update(due_at=now - timedelta(minutes=1))
    Job.objects.filter(kind="render", object_id=parked.pk).update(due_at=now + timedelta(days=1))
    pause()
    craftkit.sandbox.render_time = 0.0
    assert seconds_until_resumed(craftkit, 600) <= MAX_PROBE_DELAY
    render.refresh_from_db()
    assert render.remote_id is not None


def test_a_probe_is_not_burnt_where_nothing_is_due(craftkit):
    pause()
    work()
    assert ProjectState.objects.paused().exists()
    render = Render.objects.request("invoice", {})
    waited = seconds_until_resumed(craftkit, 600)
    assert waited < conf.options().LEASE / 2
    render.refresh_from_db()
    assert render.remote_id is not None


def test_a_probe_is_not_burnt_by_work_that_ends_its_workers(craftkit):
    deadly, render = (Render.objects.request("invoice", {"number": n}) for n in range(2))
    Job.objects.filter(object_id=deadly.pk).update(
        attempts=4, due_at=timezone.now() - timedelta(minutes=1)
    )
    pause()
    assert seconds_until_resumed(craftkit, 600) < conf.options().LEASE / 2
    render.refresh_from_db()
    assert render.remote_id is not None
    assert Job.objects.quarantined().get().object_id == deadly.pk


def test_a_worker_that_dies_while_it_probes_leaves_the_probe_to_another(craftkit, monkeypatch):
    render = Render.objects.request("invoice", {})
    pause()
    before_sending(monkeypatch, "", killed)
    with pytest.raises(Killed):
        work()
    assert work() == 0, "the probe is leased"
    assert seconds_until_resumed(craftkit, 600) <= conf.options().LEASE + 5
    render.refresh_from_db()
    assert render.remote_id is not None


def test_a_probe_that_does_not_get_through_is_followed_by_others(craftkit):
    render = Render.objects.request("invoice", {})
    pause()
    craftkit.sandbox.faults.add("status", status=500, times=3, **POST)
    seconds_until_resumed(craftkit, 600)
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert len(craftkit.renders) == 1


def test_a_project_goes_on_though_the_oldest_of_its_work_is_mail_that_cannot_be_sent(craftkit):
    """Craftkit's answer that it sends no mail is an answer: the key is right again."""
    ready = Render.objects.request("invoice", {}, key="ready")
    craftkit.run()
    craftkit.sandbox.project("default").email_configured = False
    pause(probe_at=timezone.now() + timedelta(minutes=1))
    for number in range(5):
        ready.email("ada@example.com", key=str(number))
    render = Render.objects.request("invoice", {}, key="waits")
    Job.objects.filter(kind="email").update(due_at=timezone.now() - timedelta(minutes=1))
    waited = 0
    while render.remote_id is None and waited < 600:
        craftkit.pass_time(5)
        waited += 5
        work()
        render.refresh_from_db()
    assert waited <= 65
    assert [state.capability for state in ProjectState.objects.paused()] == ["email"]


def test_a_project_that_is_paused_with_its_mails_is_not_probed_by_mail(craftkit):
    ready = Render.objects.request("invoice", {}, key="ready")
    craftkit.run()
    craftkit.sandbox.project("default").email_configured = False
    ready.email("ada@example.com")
    craftkit.run()
    Job.objects.filter(kind="email").update(due_at=timezone.now() - timedelta(hours=1))
    later = timezone.now() + timedelta(hours=1)
    ProjectState.objects.filter(capability="email").update(probe_at=later)
    pause()
    render = Render.objects.request("invoice", {}, key="waits")
    posts = len(craftkit.sandbox.requests)
    work()
    render.refresh_from_db()
    assert render.remote_id is not None
    mails = [call for call in craftkit.sandbox.requests[posts:] if call.path.endswith("/email")]
    assert mails == []


def test_a_mail_that_gets_through_ends_both_pauses(craftkit):
    ready = Render.objects.request("invoice", {}, key="ready")
    craftkit.run()
    pause()
    pause(capability="email")
    ready.email("ada@example.com")
    assert seconds_until_resumed(craftkit, 600) <= MAX_PROBE_DELAY
    assert len(craftkit.outbox) == 1


@pytest.mark.parametrize("capability", ["", "email"])
def test_a_person_has_a_pause_tried_again_at_once(craftkit, capability):
    ready = Render.objects.request("invoice", {}, key="ready")
    craftkit.run()
    pause(probe_at=timezone.now() + timedelta(hours=1), capability=capability)
    ready.email("ada@example.com")
    craftkit.run()
    assert craftkit.outbox == []
    state = ProjectState.objects.paused().get()
    assert state.try_again()
    craftkit.run()
    assert len(craftkit.outbox) == 1
    assert not ProjectState.objects.paused().exists()
    assert not state.try_again(), "there is nothing to try"


@pytest.fixture
def told():
    """What receivers heard of projects."""
    heard: list[tuple] = []

    def listen(sender, instance, previous_status, change, **kwargs):
        what = (instance.project, instance.capability)
        heard.append((sender, *what, change.signal, previous_status, change.to_status))

    with connected(listen, project_paused, project_resumed):
        yield heard


def test_a_pause_and_its_end_are_announced_once_and_meanwhile(craftkit, told):
    craftkit.sandbox.faults.add("status", status=402, code="no_credits", times=3, **POST)
    for number in range(3):
        Render.objects.request("invoice", {"number": number})
    craftkit.run()
    paused = (ProjectState, "default", "", "project_paused", "running", "paused")
    assert told == [paused], "though the project is paused"
    change = Change.objects.get(signal="project_paused")
    assert (change.kind, change.cause) == ("project", "answer")
    assert change.note == ProjectState.objects.get().pause_reason
    settle(craftkit)
    resumed = (ProjectState, "default", "", "project_resumed", "paused", "running")
    assert told == [paused, resumed]
    assert Change.objects.filter(kind="project").count() == 2


def test_a_pause_of_a_capability_says_which(craftkit, told, caplog):
    render = Render.objects.request("invoice", {})
    craftkit.run()
    craftkit.sandbox.faults.add(
        "status", status=503, code="email_not_configured", path="*/email", times=2
    )
    render.email("ada@example.com")
    settle(craftkit)
    assert [row[1:4] for row in told] == [
        ("default", "email", "project_paused"),
        ("default", "email", "project_resumed"),
    ]
    assert [(level, args[:2]) for level, args in logged(caplog, "reconcile.noting")] == [
        ("ERROR", ("default", "email")),
        ("WARNING", ("default", "email")),
    ]


def test_a_pause_for_the_settings_sake_is_decided_here(craftkit, settings, told):
    Render.objects.request("invoice", {})
    projects = settings.CRAFTKIT_PROJECTS
    settings.CRAFTKIT_PROJECTS = {"default": {**projects["default"], "API_KEY": ""}}
    craftkit.run()
    assert Change.objects.get(kind="project").cause == "here"
    assert len(told) == 1


@pytest.mark.django_db(transaction=True)
def test_of_workers_that_pause_at_once_one_says_so():
    ProjectState.objects.of("default")
    answers = []
    at_once(*[lambda: answers.append(is_new_pause())] * 4)
    assert sorted(answers) == [False, False, False, True]
    at_once(*[lambda: answers.append(is_end_of_pause())] * 4)
    assert sorted(answers[4:]) == [False, False, False, True]


def is_new_pause() -> bool:
    now = timezone.now()
    return ProjectState.objects.pause("default", "", code="", reason="", now=now, probe_at=now)


def is_end_of_pause() -> bool:
    return ProjectState.objects.resume("default", "", now=timezone.now())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", ["paused", "running"])
def test_a_worker_that_dies_as_it_says_so_has_changed_nothing(craftkit, monkeypatch, told, status):
    craftkit.sandbox.faults.add("status", status=401, code="unauthorized", times=1, **POST)
    Render.objects.request("invoice", {})
    if status == "running":
        craftkit.run()
        craftkit.pass_time(MAX_PROBE_DELAY)
    signal = {"paused": "project_paused", "running": "project_resumed"}[status]
    before_writing(monkeypatch, Change, killed, verb="INSERT", saying=signal)
    with pytest.raises(Killed):
        work()
    assert ProjectState.objects.paused().exists() == (status == "running")
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    kinds = ["project_paused", "project_resumed"] if status == "running" else []
    assert [row[3] for row in told] == kinds, "the fault of the one call has passed"
