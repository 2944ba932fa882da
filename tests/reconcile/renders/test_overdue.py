"""Documents that take too long: told once, and not for a pause's sake."""

from __future__ import annotations

import importlib
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import Change, ProjectState, Render
from django_craftkit.reconcile import sweeping
from django_craftkit.reconcile.loop import Loop
from django_craftkit.signals import render_overdue, render_succeeded
from tests.helpers import Killed, at_once, connected, killed, settle
from tests.reconcile.helpers import logged
from tests.seams import before_writing

pytestmark = pytest.mark.django_db

AFTER = 900


@pytest.fixture
def told():
    """What receivers heard of documents."""
    heard: list[tuple] = []

    def listen(instance, previous_status, change, **kwargs):
        heard.append((instance.key, change.attempt, change.signal, previous_status))

    with connected(listen, render_overdue, render_succeeded):
        yield heard


def sweep(craftkit, seconds: float = 61) -> None:
    craftkit.pass_time(seconds)
    Loop(threads=1, wake=None).sweep()


def stuck(craftkit) -> Render:
    craftkit.sandbox.render_time = None
    render = Render.objects.request("invoice", {}, key="i-1")
    sweep(craftkit)
    return render


def test_it_is_told_once_and_that_it_is_ready_after_all(craftkit, told, caplog):
    render = stuck(craftkit)
    sweep(craftkit, AFTER - 120)
    assert told == []
    sweep(craftkit, 121)
    ((level, (number, _which)),) = logged(caplog, "reconcile.sweeping")
    assert (level, number) == ("WARNING", 1)
    for _ in range(3):
        sweep(craftkit)
    assert told == [("i-1", 1, "render_overdue", "queued")]
    change = Change.objects.get(signal="render_overdue")
    assert (change.from_status, change.to_status, change.cause) == ("queued", "overdue", "here")
    assert (change.object_id, Render.objects.get().status) == (render.pk, "queued")
    assert Render.objects.get().is_overdue
    craftkit.sandbox.renders[0].finish()
    settle(craftkit)
    sweep(craftkit)
    assert told[1:] == [("i-1", 1, "render_succeeded", "queued")]
    assert not Render.objects.overdue().exists()


def test_another_attempt_may_be_overdue_too(craftkit, told):
    render = stuck(craftkit)
    sweep(craftkit, AFTER)
    Render.objects.update(status="failed")
    render.retry()
    sweep(craftkit)
    sweep(craftkit, AFTER)
    assert [row[:2] for row in told] == [("i-1", 1), ("i-1", 2)]


def test_where_nobody_listens_it_is_in_the_history_alone(craftkit):
    stuck(craftkit)
    sweep(craftkit, AFTER)
    sweep(craftkit)
    change = Change.objects.get(to_status="overdue")
    assert change.announcement == ""


def test_a_worker_that_dies_as_it_says_so_leaves_it_to_the_next(craftkit, told, monkeypatch):
    stuck(craftkit)
    craftkit.pass_time(AFTER)
    before_writing(monkeypatch, Change, killed, verb="INSERT")
    with pytest.raises(Killed):
        sweeping.note_overdue()
    assert not Change.objects.filter(to_status="overdue").exists()
    sweep(craftkit)
    assert len(told) == 1


@pytest.mark.django_db(transaction=True)
def test_of_workers_that_look_at_once_one_says_so(craftkit):
    stuck(craftkit)
    craftkit.pass_time(AFTER)
    at_once(*[sweeping.note_overdue] * 3)
    assert Change.objects.filter(to_status="overdue").count() == 1


def test_many_are_told_in_batches_with_as_many_queries(craftkit, monkeypatch):
    monkeypatch.setattr(sweeping, "BATCH", 3)
    long_ago = timezone.now() - timedelta(days=1)
    for number in range(7):
        Render.objects.request("invoice", {}, key=str(number))
    Render.objects.update(attempted_at=long_ago)
    counts = []
    for expected in (3, 3, 1, 0):
        with CaptureQueriesContext(connection) as queries:
            assert sweeping.note_overdue() == expected
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2]
    assert counts[3] == 1


def noted(craftkit) -> int:
    craftkit.pass_time(1)
    return sweeping.note_overdue()


def ask(number: int = 3) -> None:
    for one in range(number):
        Render.objects.request("invoice", {}, key=f"k-{one}")


class TestAPause:
    """Two hours of it make nothing overdue that waits for it."""

    def pause(self, craftkit, capability: str = "") -> None:
        now = craftkit._now()
        ProjectState.objects.pause("default", capability, code="", reason="", now=now, probe_at=now)

    def resume(self, craftkit) -> None:
        assert ProjectState.objects.resume("default", "", now=craftkit._now())

    def test_of_the_project(self, craftkit):
        ask()
        self.pause(craftkit)
        craftkit.pass_time(7200)
        assert noted(craftkit) == 0
        assert not Render.objects.first().is_overdue
        self.resume(craftkit)
        assert noted(craftkit) == 0
        craftkit.pass_time(AFTER)
        assert noted(craftkit) == 3

    def test_that_is_followed_by_a_short_one(self, craftkit):
        ask()
        self.pause(craftkit)
        craftkit.pass_time(7200)
        self.resume(craftkit)
        self.pause(craftkit)
        craftkit.pass_time(2)
        self.resume(craftkit)
        craftkit.pass_time(AFTER - 60)
        assert noted(craftkit) == 0
        craftkit.pass_time(60)
        assert noted(craftkit) == 3

    def test_that_is_short_excuses_nothing_for_long(self, craftkit):
        ask()
        craftkit.pass_time(AFTER)
        self.pause(craftkit)
        craftkit.pass_time(5)
        self.resume(craftkit)
        assert noted(craftkit) == 0
        craftkit.pass_time(5)
        assert noted(craftkit) == 3

    def test_of_its_e_mails_is_none_of_documents(self, craftkit):
        ask()
        self.pause(craftkit, "email")
        craftkit.pass_time(AFTER)
        assert noted(craftkit) == 3

    def test_of_another_project_is_none_of_this_one(self, craftkit):
        ask()
        Render.objects.filter(key="k-0").update(project="eu")
        self.pause(craftkit)
        craftkit.pass_time(AFTER)
        assert noted(craftkit) == 1

    def test_of_everything(self, craftkit, settings):
        settings.CRAFTKIT = {"PAUSED": True}
        ask()
        for _ in range(2):
            craftkit.pass_time(3600)
            Loop(threads=1, wake=None).sweep()
        assert noted(craftkit) == 0
        settings.CRAFTKIT = {}
        craftkit.pass_time(5)
        assert noted(craftkit) == 0
        craftkit.pass_time(AFTER)
        assert noted(craftkit) == 3


def test_an_upgrade_tells_of_nothing_that_was_overdue_before(craftkit, told):
    ask(5)
    Render.objects.filter(key="k-0").update(attempted_at=timezone.now() - timedelta(minutes=1))
    late = Render.objects.exclude(key="k-0")
    late.update(attempted_at=timezone.now() - timedelta(days=1))
    migration = importlib.import_module("django_craftkit.migrations.0011_overdue")
    for _ in range(2):
        migration.note_overdue(apps, SimpleNamespace(connection=connection))
    changes = Change.objects.filter(to_status="overdue")
    assert set(changes.values_list("object_id", flat=True)) == set(
        late.values_list("pk", flat=True)
    )
    assert not changes.exclude(signal="", announcement="").exists()
    assert sweeping.note_overdue() == 0
    craftkit.pass_time(AFTER)
    assert sweeping.note_overdue() == 1
