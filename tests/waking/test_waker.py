"""A wish costs its caller next to nothing, whatever the broker does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from celery import Celery
from django.db import connection, transaction

from django_craftkit import clock, dispatch
from django_craftkit.models import Job, Render
from django_craftkit.waking import by_celery, waker
from django_craftkit.waking.waker import HANGING, INTERVAL, PAUSE, SENDERS, STALE, STUCK, Waker
from tests import app as project_app
from tests.helpers import until

if TYPE_CHECKING:
    from collections.abc import Mapping


class Broker:
    """Stands in for what takes messages: counts them, and can be told to fail or hang."""

    can_defer = True

    def __init__(self) -> None:
        self.sent: list[float] = []
        self.error: Exception | None = None
        self.asked = threading.Event()
        self.hang = threading.Event()
        self.hang.set()

    def is_inline(self) -> bool:
        return False

    def send(self, arguments: Mapping[str, object], countdown: float) -> None:
        self.asked.set()
        self.hang.wait(60)
        if self.error:
            raise self.error
        self.sent.append(countdown)


class Flushed(Waker):
    """Sends at once, for tests that let its clock stand still."""

    def wake(self, way, arguments, delay):
        super().wake(way, arguments, delay)
        until(lambda: self.flush(0))


@pytest.fixture
def now(monkeypatch):
    """A monotonic clock that stands still until it is moved."""
    moment = [1000.0]
    monkeypatch.setattr(waker.time, "monotonic", lambda: moment[0])

    def move(seconds: float) -> None:
        moment[0] += seconds

    return move


def test_a_burst_wakes_once_at_its_beginning_and_once_after_it(now):
    one, broker = Flushed(), Broker()
    for _ in range(100):
        one.wake(broker, {}, 0.0)
    assert broker.sent[0] == 0.0
    assert len(broker.sent) == 2
    assert 0 < broker.sent[1] <= 2 * INTERVAL, "what came after the first message is seen too"


def test_a_steady_stream_wakes_once_an_interval(now):
    one, broker = Flushed(), Broker()
    for _ in range(1000):
        one.wake(broker, {}, 0.0)
        now(0.01)
    assert len(broker.sent) <= 10 / INTERVAL + 2


def test_every_wish_is_followed_by_a_wake(now):
    """No wish is stored after the last message that could have found it."""
    one, broker = Flushed(), Broker()
    start, moment = waker.time.monotonic(), 0.0
    wakes: list[float] = []
    for step in (0.0, 0.1, 0.3, 0.05, 0.6, 0.2, 0.2, 0.2, 2.0, 0.4):
        now(step)
        moment = waker.time.monotonic() - start
        before = len(broker.sent)
        one.wake(broker, {}, 0.0)
        wakes += [moment + countdown for countdown in broker.sent[before:]]
        assert max(wakes) >= moment - 1e-6
        assert min(w for w in wakes if w >= moment - 1e-6) - moment <= 2 * INTERVAL + 1e-6


def test_jobs_due_in_the_same_moment_share_a_message(now):
    one, broker = Flushed(), Broker()
    for delay in (2.0, 2.0, 2.1, 1.9):
        one.wake(broker, {}, delay)
    assert len(broker.sent) <= 2
    assert min(broker.sent) >= 1.9


def test_a_broker_that_refuses_is_left_alone_for_a_while(now, caplog):
    one, broker = Flushed(), Broker()
    broker.error = ConnectionRefusedError("no")
    for _ in range(10):
        one.wake(broker, {}, 0.0)
        now(INTERVAL)
    assert "The sweep carries on" in caplog.text
    assert caplog.text.count("No message got through") == 1

    broker.error = None
    now(PAUSE)
    one.wake(broker, {}, 0.0)
    until(lambda: broker.sent)
    now(INTERVAL)
    one.wake(broker, {}, 0.0)
    until(lambda: len(broker.sent) == 2)


def test_nobody_waits_for_a_broker_that_hangs(monkeypatch):
    waited = []
    wait = threading.Condition.wait

    def count(self, timeout=None):
        if threading.current_thread() is threading.main_thread():
            waited.append(timeout)
        return wait(self, timeout)

    one, broker = Waker(), Broker()
    broker.hang.clear()
    try:
        monkeypatch.setattr(threading.Condition, "wait", count)
        took = [_took(one.wake, broker, {}, 0.0) for _ in range(5)]
    finally:
        monkeypatch.undo()
        broker.hang.set()
    assert [timeout for timeout in waited if timeout] == [], "but for its thread to begin"
    assert max(took) < 30, "it hangs for a minute"


def test_a_first_message_gets_the_time_that_a_first_message_needs(now, caplog):
    """The imports, and the connection: it is no fault of the broker's."""
    one, broker = Waker(), Broker()
    broker.hang.clear()
    try:
        one.wake(broker, {}, 0.0)
        now(HANGING * 0.9)
        one.wake(broker, {}, 0.0)
    finally:
        broker.hang.set()
    until(lambda: one.flush(0))
    assert len(broker.sent) == 2
    assert caplog.text == ""


def senders() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "craftkit-wake"}


def test_a_broker_that_accepts_and_never_answers_holds_a_few_threads_at_most(now, caplog):
    one, broker = Waker(), Broker()
    broker.hang.clear()
    before = senders()
    try:
        for _ in range(1000):
            one.wake(broker, {}, 0.0)
            now(PAUSE)
        assert len(senders() - before) == SENDERS
        assert caplog.text.count("No message got through") == 1
    finally:
        broker.hang.set()
    until(lambda: one.flush(0))
    now(PAUSE)
    sent = len(broker.sent)
    one.wake(broker, {}, 0.0)
    until(lambda: len(broker.sent) > sent)


def test_a_thread_that_a_broker_holds_for_ever_is_given_up(now):
    one, broker = Waker(), Broker()
    broker.hang.clear()
    try:
        one.wake(broker, {}, 0.0)
        now(STUCK + PAUSE)
        working = Broker()
        one.wake(working, {}, 0.0)
        until(lambda: working.sent)
    finally:
        broker.hang.set()


def test_what_a_way_cannot_defer_holds_up_nobody(now):
    """Thirty tenants that have each asked twice: the second messages are sent together."""
    one, broker = Waker(), Broker()
    broker.can_defer = False
    for tenant in map(str, range(30)):
        one.wake(broker, {}, 0.0, tenant)
        one.wake(broker, {}, 0.0, tenant)
    until(lambda: len(broker.sent) == 30)
    assert not one.flush(0), "the others are kept"
    one.wake(broker, {}, 0.0, "new")
    until(lambda: len(broker.sent) == 31)

    now(2 * INTERVAL)
    one.wake(broker, {}, 0.0, "newer")  # has the sender look at the clock that was moved
    until(lambda: one.flush(0))
    assert broker.sent == [0.0] * 62


def test_what_could_not_be_sent_in_time_is_left_to_the_sweep(now):
    """A broker that answers, but takes less than it is given: nothing piles up."""
    one, broker = Waker(), Broker()
    broker.hang.clear()
    try:
        for tenant in map(str, range(10)):
            one.wake(broker, {}, 0.0, tenant)
        until(broker.asked.is_set)
        now(HANGING * 0.9)
        one.wake(broker, {}, 0.0, "new")
        now(STALE - HANGING * 0.9 + 0.1)
    finally:
        broker.hang.set()
    until(lambda: one.flush(0))
    assert len(broker.sent) == 2, "the one that was under way, and the one that is young"


def test_a_script_that_ends_after_its_wish_has_sent_its_message(tmp_path):
    script = """
import time
import sys
sys.path[:0] = %r
import django.conf
django.conf.settings.configure()
from django_craftkit import dispatch
from django_craftkit.waking import by_celery

def slow(self, arguments, countdown):
    time.sleep(0.2)
    open("sent", "w").close()

by_celery.celery_app = object
by_celery.CeleryWay.is_inline = lambda self: False
by_celery.CeleryWay.send = slow
dispatch.wake()
"""
    subprocess.run([sys.executable, "-c", script % (sys.path,)], cwd=tmp_path, check=True)
    assert (tmp_path / "sent").exists()


def test_a_fork_gets_a_waker_of_its_own(monkeypatch):
    before = waker.current_waker()
    assert waker.current_waker() is before
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert waker.current_waker() is not before


def test_the_projects_celery_app_is_found_in_every_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(by_celery.celery_app()))
    thread.start()
    thread.join()
    assert found == [project_app]
    assert by_celery.TASK in project_app.tasks


@pytest.mark.django_db(transaction=True)
def test_a_wish_wakes_when_it_is_committed_and_not_before(monkeypatch):
    woken = []
    monkeypatch.setattr(dispatch, "wake", lambda: woken.append(connection.in_atomic_block))
    with transaction.atomic():
        Render.objects.request("invoice", {})
        assert woken == []
    assert woken == [False]

    with transaction.atomic():
        Render.objects.request("receipt", {})
        transaction.set_rollback(True)
    assert len(woken) == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_pays_next_to_nothing_for_a_broker_that_is_down_or_hangs(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        app = Celery("held", broker=f"amqp://127.0.0.1:{port}//", set_as_current=False)
        app.conf.broker_connection_timeout = 60
        app.tasks.register(project_app.tasks[by_celery.TASK])
        app.finalize(auto=True)
        monkeypatch.setattr(by_celery, "celery_app", lambda: app)
        monkeypatch.setattr(waker, "_current", Waker())
        took = [_took(Render.objects.request, "invoice", {"number": number}) for number in range(4)]
    # It gives up after a minute: nobody has waited for that.
    assert sum(took) < 30
    assert Render.objects.count() == 4


def test_in_eager_mode_the_work_is_done_on_the_spot(craftkit, awake, settings, monkeypatch):
    monkeypatch.setitem(project_app.conf, "task_always_eager", True)
    # Whoever woke a worker a moment ago, in another test, has not woken this one.
    monkeypatch.setattr(waker, "_current", None)
    settings.CRAFTKIT = {"THREADS": 1}
    Render.objects.request("invoice", {})
    Render.objects.request("receipt", {})
    assert by_celery.celery_app() is project_app
    dispatch.wake()
    # What is left says why: not due by this clock, held up, failed, or never looked at.
    assert len(craftkit.renders) == 2, (clock.now(), list(Job.objects.values()))


def _took(call, *arguments) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start
