"""Messages by Django's tasks: what is sent where, by whom, and what becomes of it."""

from __future__ import annotations

import sys
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.conf import global_settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.utils import timezone

from django_craftkit import background, dispatch
from django_craftkit.models import ProjectState, Render
from django_craftkit.reconcile.pulse import Pulse, note_worker
from django_craftkit.waking import by_tasks, waker
from django_craftkit.waking.waker import EXPIRES, INTERVAL
from tests.waking.backends import SENT

HERE = "tests.waking.backends"
IMMEDIATE = f"{by_tasks.LIBRARY}.backends.immediate.ImmediateBackend"
DUMMY = f"{by_tasks.LIBRARY}.backends.dummy.DummyBackend"


@pytest.fixture
def tasks(settings, monkeypatch):
    """Have messages carried by a backend, and by no other thread's waker."""
    SENT.clear()
    monkeypatch.setattr(waker, "_current", None)
    settings.CRAFTKIT = {"CHECK_ANCHORS": "off", "WAKE": "tasks", "THREADS": 1}

    def use(backend: str = "Backend", **more: object) -> None:
        path = backend if "." in backend else f"{HERE}.{backend}"
        settings.TASKS = {"default": {"BACKEND": path}, **more}

    use()
    return use


def flush() -> None:
    assert waker.current_waker().flush(30)


class TestSending:
    @pytest.mark.django_db(transaction=True)
    def test_a_request_sends_a_message_when_it_is_committed(self, tasks):
        with transaction.atomic():
            Render.objects.request("invoice", {})
            flush()
            assert SENT == []
        flush()
        (sent,) = SENT
        assert sent.task.module_path == by_tasks.TASK
        assert (sent.task.backend, sent.task.queue_name) == ("default", "default")
        assert sent.task.run_after is None
        assert 0 < sent.arguments["expires_at"] - time.time() <= EXPIRES

    @pytest.mark.django_db(transaction=True)
    def test_who_sends_it_has_a_connection_of_its_own_and_closes_it(self, tasks):
        Render.objects.request("invoice", {})
        flush()
        (sent,) = SENT
        assert sent.thread == "craftkit-wake"
        assert sent.connection is not connections["default"]
        assert sent.connection.connection is None

    @pytest.mark.django_db
    def test_in_a_test_case_it_is_sent_on_the_connection_of_the_test(
        self, tasks, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            Render.objects.request("invoice", {})
        (sent,) = SENT
        assert sent.thread == threading.current_thread().name

    @pytest.mark.django_db(transaction=True)
    def test_a_burst_is_one_message_now_and_one_for_the_rest(self, tasks):
        for number in range(20):
            Render.objects.request("invoice", {}, key=str(number))
        flush()
        assert [sent.task.run_after is None for sent in SENT] == [True, False]

    @pytest.mark.django_db(transaction=True)
    def test_a_backend_that_fails_costs_a_request_nothing_and_is_left_alone(self, tasks, caplog):
        tasks("Failing")
        for number in range(5):
            Render.objects.request("invoice", {}, key=str(number))
            flush()
        assert Render.objects.count() == 5
        assert caplog.text.count("No message got through") == 1
        assert "no tasks today" in caplog.text

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("backend", ["nowhere.Backend", f"{HERE}.Nobody"])
    def test_a_backend_that_is_not_there_costs_a_request_nothing(self, tasks, caplog, backend):
        tasks(backend)
        for number in range(5):
            Render.objects.request("invoice", {}, key=str(number))
        assert Render.objects.count() == 5
        assert caplog.text.count("No message got through") == 1

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("name", ["celery", "tasks", "pigeon"])
    def test_a_library_that_is_missing_costs_a_request_nothing(
        self, tasks, settings, monkeypatch, caplog, name
    ):
        settings.CRAFTKIT = {"WAKE": name}
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, f"django_craftkit.waking.by_{name}", None)
            for number in range(5):
                Render.objects.request("invoice", {}, key=str(number))
        assert Render.objects.count() == 5
        assert caplog.text.count("No message got through") == 1


class TestDelays:
    def test_a_backend_that_can_keeps_the_message(self, tasks):
        by_tasks.way().send({}, 30.0)
        (sent,) = SENT
        left = sent.task.run_after - timezone.now()
        assert timedelta(seconds=20) < left <= timedelta(seconds=30)
        assert sent.arguments["expires_at"] - time.time() > EXPIRES

    def test_by_one_that_cannot_a_short_delay_is_waited_for(self, tasks):
        tasks("Undeferring")
        asked_at = time.monotonic()
        waker.current_waker().wake(by_tasks.way(), {}, INTERVAL / 5)
        flush()
        assert [sent.task.run_after for sent in SENT] == [None]
        assert time.monotonic() - asked_at >= INTERVAL / 5

    def test_and_a_long_one_is_left_to_the_sweep(self, tasks):
        tasks("Undeferring")
        waker.current_waker().wake(by_tasks.way(), {}, 30.0)
        assert waker.current_waker().flush(0)
        assert SENT == []

    pytestmark = pytest.mark.django_db(transaction=True)


class TestWhere:
    @pytest.mark.parametrize(
        ("more", "where"),
        [
            ({}, ("default", "default")),
            ({"other": {"BACKEND": f"{HERE}.Backend"}}, ("default", "default")),
            ({"craftkit": {"BACKEND": f"{HERE}.Backend"}}, ("craftkit", "default")),
            (
                {"craftkit": {"BACKEND": f"{HERE}.Backend", "QUEUES": ["documents"]}},
                ("craftkit", "documents"),
            ),
            (
                {"craftkit": {"BACKEND": f"{HERE}.Backend", "QUEUES": ["a", "default"]}},
                ("craftkit", "default"),
            ),
            ({"craftkit": {"BACKEND": f"{HERE}.Backend", "QUEUES": []}}, ("craftkit", "default")),
        ],
    )
    @pytest.mark.django_db(transaction=True)
    def test_messages_go(self, tasks, more, where):
        tasks(**more)
        by_tasks.way().send({}, 0.0)
        (sent,) = SENT
        assert (sent.task.backend, sent.task.queue_name) == where

    def test_nobody_guesses_a_queue(self, tasks):
        tasks(craftkit={"BACKEND": f"{HERE}.Backend", "QUEUES": ["a", "b"]})
        with pytest.raises(ImproperlyConfigured, match="several QUEUES"):
            by_tasks.options()


class TestTasks:
    @pytest.mark.django_db(transaction=True)
    def test_the_immediate_backend_does_the_work_on_the_spot(self, craftkit, awake, tasks):
        tasks(IMMEDIATE)
        with transaction.atomic():
            Render.objects.request("invoice", {})
            assert craftkit.renders == []
        assert len(craftkit.renders) == 1
        assert not ProjectState.objects.exclude(worker_seen_at=None).exists(), "it is no worker"

    @pytest.mark.django_db(transaction=True)
    def test_the_dummy_backend_shows_a_test_what_would_be_sent(self, tasks):
        tasks(DUMMY)
        Render.objects.request("invoice", {})
        assert [one.task.module_path for one in by_tasks.backend().results] == [by_tasks.TASK]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("late", [False, True])
    def test_a_message_that_comes_late_is_dropped(self, craftkit, tasks, late):
        Render.objects.request("invoice", {})
        craftkit.pass_time(1)  # it is due, however the machine's clock is set meanwhile
        context = SimpleNamespace(task_result=SimpleNamespace(backend="default"))
        done = background.advance.func(context, expires_at=time.time() + (-1 if late else 30))
        assert bool(done) is not late
        assert len(craftkit.renders) == (not late)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("task", [background.advance, background.sweep, background.prune])
    def test_each_is_a_sign_of_life_of_a_worker(self, craftkit, tasks, monkeypatch, task):
        # However lately another test has given one.
        monkeypatch.setattr(Pulse, "_give", lambda self: note_worker())
        task.func(SimpleNamespace(task_result=SimpleNamespace(backend="default")))
        seen = ProjectState.objects.get(project="default", capability="")
        assert seen.worker_seen_at is not None
        assert (seen.swept_at is not None) is (task is background.sweep)

    @pytest.mark.django_db(transaction=True)
    def test_what_its_threads_have_to_send_goes_out_before_it_ends(self, tasks, monkeypatch):
        """RQ ends the process with its task."""
        flushed = []
        monkeypatch.setattr(background.waking, "flush", lambda: flushed.append(True))
        background.advance.func(SimpleNamespace(task_result=SimpleNamespace(backend="default")))
        assert flushed == [True]


class TestNone:
    @pytest.mark.django_db(transaction=True)
    def test_nobody_is_woken(self, settings, tasks):
        settings.CRAFTKIT = {"WAKE": "none"}
        Render.objects.request("invoice", {})
        dispatch.wake(3.0)
        flush()
        assert SENT == []


class TestChecks:
    def found(self, *, deploy: bool = False) -> dict[str | None, str]:
        messages = checks.run_checks(tags=["craftkit"], include_deployment_checks=deploy)
        ours = ("craftkit.E022", "craftkit.E023", "craftkit.W012")
        return {message.id: message.msg for message in messages if message.id in ours}

    def test_a_backend_with_a_worker_is_well(self, tasks):
        assert self.found(deploy=True) == {}

    @pytest.mark.parametrize("name", ["celery", "tasks"])
    def test_e022_the_library_is_not_installed(self, tasks, settings, monkeypatch, name):
        library = {"celery": "celery", "tasks": "django_tasks"}[name]
        settings.CRAFTKIT = {"WAKE": name}
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, f"django_craftkit.waking.by_{name}", raising=False)
            # Neither Django's own, nor the package that is one for an earlier Django.
            for one in (library, "django.tasks"):
                patch.setitem(sys.modules, one, None)
            found = self.found(deploy=True)
        assert list(found) == ["craftkit.E022"]
        assert f"{library} is not installed" in found["craftkit.E022"]

    def test_e023_there_is_no_setting(self, tasks, settings):
        settings.TASKS = getattr(global_settings, "TASKS", None)
        assert list(self.found(deploy=True)) == ["craftkit.E023"]

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"other": {"BACKEND": f"{HERE}.Backend"}},
            {"default": {}},
            {"default": {"BACKEND": "nowhere.Backend"}},
            {"default": {"BACKEND": f"{HERE}.Backend", "QUEUES": ["a", "b"]}},
        ],
    )
    def test_e023_the_setting_cannot_be_used(self, tasks, settings, given):
        settings.TASKS = given
        assert list(self.found(deploy=True)) == ["craftkit.E023"]

    @pytest.mark.parametrize("backend", [IMMEDIATE, DUMMY])
    def test_w012_the_backend_has_no_worker(self, tasks, backend):
        tasks(backend)
        assert list(self.found()) == []
        assert list(self.found(deploy=True)) == ["craftkit.W012"]

    @pytest.mark.parametrize("name", ["celery", "none"])
    def test_are_silent_where_tasks_carry_nothing(self, tasks, settings, name):
        settings.CRAFTKIT = {"WAKE": name}
        settings.TASKS = {}
        assert self.found(deploy=True) == {}
