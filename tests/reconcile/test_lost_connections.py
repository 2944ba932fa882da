"""A database that goes away and comes back: whoever looks for work goes on by itself."""

from __future__ import annotations

import threading
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import InterfaceError, OperationalError, connection, connections

from django_craftkit import tasks
from django_craftkit.management.commands import craftkit_work
from django_craftkit.models import Job, Render
from django_craftkit.reconcile.loop import Loop
from tests.helpers import cut_connections, elsewhere, settle
from tests.reconcile.helpers import logged
from tests.seams import at_claim, before_sending

pytestmark = pytest.mark.django_db(transaction=True)


def ask(number: int = 1) -> None:
    Render.objects.request("invoice", {"number": number})


def statuses() -> list[str]:
    return list(Render.objects.values_list("status", flat=True))


@pytest.fixture
def _server() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server that could end a connection.")


LOOKS = {
    "craftkit_work": lambda: call_command("craftkit_work", "--once", stdout=StringIO()),
    "the sweep task": lambda: tasks.sweep.apply(throw=True),
    "the advance task": lambda: tasks.advance.apply(throw=True),
}


@pytest.mark.usefixtures("_server")
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_look_for_work_renews_a_connection_that_was_cut_before_it(
    craftkit, settings, look, threads
):
    settings.CRAFTKIT = {"THREADS": threads}
    look()
    cut_connections()
    elsewhere(ask)
    look()
    assert statuses() == ["queued"]


@pytest.mark.usefixtures("_server")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_loop_whose_connections_are_cut_in_its_steps_goes_on(craftkit, monkeypatch, threads):
    loop = Loop(threads=threads, wake=None)
    for number in range(6):
        ask(number)
    before_sending(monkeypatch, "/render", cut_connections)
    for _ in range(4):
        try:
            loop.run()
        except (InterfaceError, OperationalError):
            continue
        craftkit.pass_time(130)
    assert "pending" not in statuses()
    settle(craftkit)
    assert set(statuses()) == {"succeeded"}
    assert len(craftkit.renders) == 6


@pytest.mark.usefixtures("_server")
def test_a_step_that_loses_its_connection_notes_how_it_ended(craftkit, monkeypatch):
    ask()
    before_sending(monkeypatch, "/render", cut_connections)
    Loop(threads=1, wake=None).run()
    job = Job.objects.get()
    assert (job.lease_token, job.attempts) == (None, 0)


def test_a_loop_that_failed_once_works_the_next_time(craftkit, monkeypatch):
    main, failed = threading.current_thread(), []

    def fail_once():
        if threading.current_thread() is main and not failed:
            failed.append(True)
            raise OperationalError("the server is going away")

    at_claim(monkeypatch, fail_once, times=None)
    loop = Loop(threads=3, wake=None)
    ask()
    with pytest.raises(OperationalError):
        loop.run()
    ask(2)
    loop.run()
    # Not by their status: on a slow machine the loop has polled by then.
    assert len(craftkit.renders) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_while_the_database_is_away_the_command_looks_less_often_and_says_so_once(
    craftkit, settings, monkeypatch, caplog, threads
):
    settings.CRAFTKIT = {"THREADS": threads}
    away, stop = threading.Event(), threading.Event()
    waits: list[float] = []
    wrapper = type(connections["default"])
    connect = wrapper.get_new_connection

    def refuse(self, params):
        if away.is_set():
            raise OperationalError("connection refused")
        return connect(self, params)

    def wait(seconds: float) -> bool:
        """Go through an outage of seven looks, and end once the work after it is done."""
        if not waits:
            ask()
            connection.close()
            away.set()
        waits.append(seconds)
        if len(waits) == 8:
            away.clear()
        if not away.is_set() and statuses() == ["queued"]:
            stop.set()
        assert len(waits) < 12, "it never goes on"
        return stop.is_set()

    event = SimpleNamespace(wait=wait, set=stop.set, is_set=stop.is_set)
    monkeypatch.setattr(wrapper, "get_new_connection", refuse)
    monkeypatch.setattr(craftkit_work, "threading", SimpleNamespace(Event=lambda: event))
    call_command("craftkit_work", stdout=StringIO())
    assert waits[:8] == [1, 1, 2, 4, 8, 16, 30, 30]
    assert waits[8:] in ([], [1.0])
    told = logged(caplog, "management.commands.craftkit_work")
    assert [level for level, _args in told] == ["ERROR", "WARNING"]
    assert not [record for record in caplog.records if "thread" in record.message]
