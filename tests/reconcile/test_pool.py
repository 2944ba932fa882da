"""The calls of one process: so many at a time, the urgent first, no project in anothers way."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter

import pytest
from django.db import connections

from django_craftkit.database import database
from django_craftkit.models import Job, ProjectState, Render
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.pool import Pool
from django_craftkit.sandbox import SandboxAdapter
from tests.helpers import TIMEOUT, Elsewhere, at_once, settle, until

TWO = {"default": {"API_KEY": "ck_test_1"}, "other": {"API_KEY": "ck_test_2"}}


class Gate:
    """Calls that go on when they are let."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.begun: list[str] = []
        self._open = threading.Semaphore(0)

    def call(
        self, name: str, project: str = "default", priority: int = 1, tenant: str = ""
    ) -> None:
        def make() -> None:
            self.begun.append(name)
            assert self._open.acquire(timeout=TIMEOUT)

        self.pool.submit(make, owner=(tenant, project), priority=priority)

    def let(self, number: int) -> None:
        self._open.release(number)


def test_no_more_calls_are_under_way_than_it_has_threads():
    gate = Gate(Pool(3))
    for number in range(5):
        gate.call(str(number))
    until(lambda: len(gate.begun) == 3)
    assert gate.pool.free == 0
    time.sleep(0.05)
    assert gate.begun == ["0", "1", "2"]
    gate.let(1)
    until(lambda: len(gate.begun) == 4)
    gate.let(4)
    until(lambda: gate.pool.free == 3)


def test_the_urgent_call_is_the_next():
    gate = Gate(Pool(1))
    gate.call("first")
    until(lambda: gate.begun)
    for number in range(3):
        gate.call(f"bulk {number}", priority=2)
    gate.call("urgent", priority=0)
    gate.let(5)
    until(lambda: gate.pool.free)
    assert gate.begun == ["first", "urgent", "bulk 0", "bulk 1", "bulk 2"]


def test_equally_urgent_calls_of_several_tenants_go_in_turn():
    gate = Gate(Pool(1))
    gate.call("first")
    until(lambda: gate.begun)
    for number in range(3):
        gate.call(f"north {number}", tenant="north")
    gate.call("south", tenant="south")
    gate.call("urgent", tenant="west", priority=0)
    gate.let(6)
    until(lambda: gate.pool.free)
    assert gate.begun == ["first", "urgent", "north 0", "south", "north 1", "north 2"]


def test_who_was_away_is_not_paid_back():
    gate = Gate(Pool(1))
    gate.call("first", tenant="north")
    until(lambda: gate.begun)
    for number in range(3):
        gate.call(f"north {number}", tenant="north")
    gate.let(2)
    until(lambda: len(gate.begun) == 3)
    for number in range(2):
        gate.call(f"south {number}", tenant="south")
    gate.let(4)
    until(lambda: gate.pool.free)
    assert gate.begun[3:] == ["north 2", "south 0", "south 1"]


def test_a_project_whose_answers_are_long_in_coming_leaves_two_threads_to_others(settings):
    settings.CRAFTKIT_PROJECTS = TWO
    gate = Gate(Pool(4))
    for number in range(6):
        gate.call(f"slow {number}")
    until(lambda: len(gate.begun) == 2)
    gate.call("other", project="other")
    until(lambda: "other" in gate.begun)
    assert gate.begun == ["slow 0", "slow 1", "other"]
    gate.let(7)
    until(lambda: gate.pool.free == 4)
    assert len(gate.begun) == 7


def test_a_lone_project_has_all_threads():
    gate = Gate(Pool(4))
    for number in range(4):
        gate.call(str(number))
    until(lambda: len(gate.begun) == 4)
    gate.let(4)


def test_a_step_that_calls_has_the_place_of_one_of_its_threads():
    gate = Gate(Pool(2))
    for number in range(3):
        gate.call(str(number))
    until(lambda: len(gate.begun) == 2)
    seated = threading.Event()

    def step():
        with gate.pool.seat(("", "default")):
            seated.set()
            until(lambda: len(gate.begun) == 3)

    thread = Elsewhere(step)
    time.sleep(0.05)
    assert not seated.is_set()
    gate.let(1)
    assert seated.wait(TIMEOUT), "before the call that waits for longer"
    assert len(gate.begun) == 2
    gate.let(1)
    thread.wait()
    gate.let(1)
    until(lambda: gate.pool.free == 2)


def test_a_fork_begins_with_threads_of_its_own(monkeypatch):
    gate = Gate(Pool(1))
    gate.call("the parent's")
    until(lambda: gate.begun)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    gate.call("the child's")
    until(lambda: len(gate.begun) == 2)
    gate.let(2)


@pytest.mark.django_db(transaction=True)
def test_loops_of_one_process_share_its_calls(craftkit, monkeypatch):
    for number in range(12):
        Render.objects.request("invoice", {"number": number})
    lock, under_way, most = threading.Lock(), Counter(), []
    send = SandboxAdapter.send

    def watch(self, request, *args, **kwargs):
        with lock:
            under_way["calls"] += 1
            most.append(under_way["calls"])
        time.sleep(0.02)
        try:
            return send(self, request, *args, **kwargs)
        finally:
            with lock:
                under_way["calls"] -= 1

    monkeypatch.setattr(SandboxAdapter, "send", watch)
    pool = Pool(3)
    loops = [Loop(threads=3, wake=None, pool=pool) for _ in range(3)]
    assert at_once(*[loop.run for loop in loops]) == [None] * 3
    assert 1 < max(most) <= 3
    assert Render.objects.filter(remote_id__isnull=False).count() == 12
    assert len(craftkit.renders) == 12


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_a_projects_adapter_has_used_is_not_held(craftkit, monkeypatch):
    Render.objects.request("invoice", {"number": 1})
    send, used = SandboxAdapter.send, []

    def note(self, request, *args, **kwargs):
        assert Render.objects.exists()
        used.append(connections[database()])
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", note)
    Loop(threads=2, wake=None).run()
    assert [one.connection for one in used] == [None]
    assert used != [connections[database()]]


@pytest.mark.django_db(transaction=True)
def test_a_loop_that_is_stopped_lets_go_of_what_has_not_begun(craftkit, monkeypatch):
    for number in range(12):
        Render.objects.request("invoice", {"number": number})
    loop = Loop(threads=2, wake=None)
    send = SandboxAdapter.send

    def stop(self, request, *args, **kwargs):
        loop.stop()
        time.sleep(0.3)
        return send(self, request, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(SandboxAdapter, "send", stop)
        loop.run()
    assert 1 <= len(craftkit.renders) <= 2
    left = Render.objects.filter(remote_id=None)
    assert set(left.values_list("status", "sent_at", "sending_since")) == {("pending", None, None)}
    jobs = Job.objects.filter(object_id__in=left.values("pk"))
    assert set(jobs.values_list("attempts", "lease_token", "failures")) == {(0, None, 0)}
    settle(craftkit)
    assert len(craftkit.renders) == 12


@pytest.mark.django_db(transaction=True)
def test_what_waits_for_its_turn_is_not_made_after_its_project_was_paused(craftkit, monkeypatch):
    for number in range(12):
        Render.objects.request("invoice", {"number": number})
    craftkit.sandbox.revoke_key("ck_test_default")
    send, calls = SandboxAdapter.send, []

    def slow(self, request, *args, **kwargs):
        calls.append(request)
        time.sleep(0.3)
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", slow)
    Loop(threads=2, wake=None).run()
    assert len(calls) <= 4
    assert ProjectState.objects.get(capability="").probes == 1
    assert set(Job.objects.values_list("attempts", "lease_token", "failures")) == {(0, None, 0)}


class Step(Elsewhere):
    """A step of a tenant that runs until it is told to end."""

    def __init__(self, pool: Pool, tenant: str) -> None:
        self.waits, self.runs, self.over = (threading.Event() for _ in range(3))
        self._pool, self._tenant = pool, tenant
        super().__init__(self._run_step)

    def _run_step(self) -> None:
        with self._pool.turn(self._tenant, self.waits.set):
            self.runs.set()
            assert self.over.wait(30)

    def end(self) -> None:
        self.over.set()
        self.wait()


def test_steps_of_all_loops_run_a_few_at_a_time_in_turn():
    pool = Pool(8)
    first, second = Step(pool, ""), Step(pool, "")
    assert first.runs.wait(30)
    assert second.runs.wait(30)
    third = Step(pool, "")
    assert third.waits.wait(30)
    fourth = Step(pool, "")
    assert fourth.waits.wait(30)
    assert pool.is_crowded
    first.end()
    assert third.runs.wait(30)
    assert not fourth.runs.is_set()
    second.end()
    assert fourth.runs.wait(30)
    third.end()
    fourth.end()
    assert not pool.is_crowded


def test_steps_of_one_tenant_that_do_not_end_leave_one_to_the_others(settings):
    settings.CRAFTKIT = {**settings.CRAFTKIT, "TENANTS": "tests.tenants.databases.Databases"}
    pool = Pool(8)
    hangs = Step(pool, "north")
    assert hangs.runs.wait(30)
    more = Step(pool, "north")
    assert more.waits.wait(30)
    other = Step(pool, "south")
    assert other.runs.wait(30)
    other.end()
    assert not more.runs.is_set()
    hangs.end()
    assert more.runs.wait(30)
    more.end()
