"""The project's own functions in the thread of the loop: builders and receivers, many at a time."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from django_craftkit.models import Change, Job, Render
from django_craftkit.reconcile import announcements, timings
from django_craftkit.signals import render_succeeded
from tests.helpers import LEASE_OVER, TIMEOUT, Elsewhere, Killed, connected, settle, until
from tests.reconcile.helpers import locks_rows
from tests.seams import before_sending, before_writing, passing
from tests.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _unknown_functions(monkeypatch):
    monkeypatch.setattr(timings.TIMINGS, "_seconds", {})


@pytest.fixture
def declared(declare, event):
    """Documents about orders whose data a function makes, which is given; return who asks."""

    def of(function, **options):
        @declare(event, template="invoice", key=lambda order: f"o-{order.pk}", **options)
        def invoice(order, **kwargs):
            return function(order)

        def fire(*numbers):
            for number in numbers:
                order = Order.objects.create(number=str(number))
                with transaction.atomic():
                    event.send(Order, order=order, instance=order)

        return fire

    return of


@pytest.fixture
def receiver():
    """Have a function called with each document that succeeds."""
    with contextlib.ExitStack() as stack:

        def connect(function):
            def listen(instance, **kwargs):
                function(instance)

            stack.enter_context(connected(listen, render_succeeded))

        yield connect


def test_documents_are_built_stored_and_marked_together(craftkit, silent, declared, work):
    fire = declared(lambda order: {"number": order.number})

    def statements(number):
        fire(*range(number))
        with CaptureQueriesContext(connection) as queries:
            work()
        assert Render.objects.filter(status="pending").count() == 0
        tables = (Render._meta.db_table, Order._meta.db_table)
        return [query["sql"] for query in queries if any(table in query["sql"] for table in tables)]

    few, many = statements(2), statements(8)
    # What is sent is answered as it comes: what went before is counted.
    assert len([sql for sql in few if "data" in sql]) >= len([sql for sql in many if "data" in sql])
    assert sum(Order._meta.db_table in sql for sql in many) == 1
    assert len(craftkit.renders) == 10


def test_nothing_is_sent_before_its_data_are_stored(craftkit, declared, work, monkeypatch):
    fire = declared(lambda order: {"number": order.number})
    fire(*range(4))
    seen = []

    def look():
        seen.extend(Render.objects.values_list("data", "sending_since"))
        connection.close()

    before_sending(monkeypatch, "", look)
    work()
    assert len(seen) == 4
    assert all(data is not None and since is not None for data, since in seen)


def test_one_that_raises_is_rejected_alone(craftkit, declared, work):
    def build(order):
        if order.number == "1":
            raise LookupError("no such price")
        return {"number": order.number}

    fire = declared(build)
    fire(0, 1, 2)
    work()
    settle(craftkit)
    ends = Counter(Render.objects.values_list("status", "error_code"))
    assert ends == {("succeeded", ""): 2, ("rejected", "builder_failed"): 1}


def test_one_without_data_leaves_no_row(craftkit, declared, work):
    fire = declared(lambda order: None if order.number == "1" else {"number": order.number})
    fire(0, 1, 2)
    work()
    settle(craftkit)
    assert list(Render.objects.values_list("status", flat=True)) == ["succeeded"] * 2


def test_two_documents_about_one_object_do_not_share_it(craftkit, declare, event, work):
    seen = []
    for template in ("invoice", "receipt"):

        @declare(event, template=template, key=lambda order, t=template: f"{t}-{order.pk}")
        def build(order, **kwargs):
            seen.append(order.number)
            order.number = "scribbled on"
            return {"number": "1"}

        build.__qualname__ = template
    order = Order.objects.create(number="1")
    event.send(Order, order=order, instance=order)
    work()
    assert seen == ["1", "1"]


def test_a_worker_killed_while_it_builds_loses_and_doubles_nothing(craftkit, declared, work):
    left = [3]

    def build(order):
        left[0] -= 1
        if not left[0]:
            raise Killed
        return {"number": order.number}

    fire = declared(build)
    fire(*range(6))
    with pytest.raises(Killed):
        work()
    assert craftkit.renders == []
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert list(Render.objects.values_list("status", flat=True)) == ["succeeded"] * 6
    assert len(craftkit.renders) == 6


@locks_rows
def test_a_slow_function_holds_up_nobody(craftkit, declared, work, monkeypatch):
    names, over, let_pass = [], threading.Event(), passing(monkeypatch)

    def build(order):
        names.append((order.number, threading.current_thread().name))
        if order.number.startswith("slow"):
            let_pass(timings.SLOW * 1.2)
            if order.number != "slow 0":
                assert over.wait(TIMEOUT)
        return {"number": order.number}

    fire = declared(build)
    fire("slow 0")
    work()
    fire("slow 1")
    Render.objects.request("invoice", {"number": 7}, key="quick")
    worker = Elsewhere(work)
    until(lambda: Render.objects.filter(key="quick", remote_id__isnull=False).exists())
    over.set()
    worker.wait()
    assert [name.startswith("craftkit-step") for _number, name in names] == [False, True]
    settle(craftkit)
    assert Counter(Render.objects.values_list("status", flat=True)) == {"succeeded": 3}


@locks_rows
def test_more_slow_ones_than_have_threads_wait_as_they_were(craftkit, declared, work, monkeypatch):
    monkeypatch.setattr(timings.TIMINGS, "is_slow", lambda name: True)
    over = threading.Event()

    def build(order):
        assert over.wait(TIMEOUT)
        return {"number": order.number}

    fire = declared(build)
    fire(*range(9))
    Job.objects.update(failures=2, error="before")
    worker = Elsewhere(lambda: work(4))
    put_back = Job.objects.filter(lease_token=None)
    until(lambda: put_back.count() == 7)
    assert set(put_back.values_list("attempts", "failures", "error")) == {(0, 2, "before")}
    over.set()
    worker.wait()
    settle(craftkit)
    assert len(craftkit.renders) == 9


def ready(craftkit, number):
    for one in range(number):
        Render.objects.request("invoice", {"number": one}, key=str(one))
    settle(craftkit)


def announce_anew():
    Change.objects.filter(to_status="succeeded").update(announcement="due", receivers=None)
    Job.objects.schedule("announce render", Render.objects.values_list("pk", flat=True))


def test_many_are_announced_in_a_turn(craftkit, receiver, work):
    ready(craftkit, 8)
    heard = []
    receiver(lambda render: heard.append(render.key))
    announce_anew()
    with CaptureQueriesContext(connection) as queries:
        work()
    assert sorted(heard) == [str(one) for one in range(8)]
    changes = Change._meta.db_table
    assert (
        sum(query["sql"].startswith("UPDATE") and changes in query["sql"] for query in queries) == 1
    )
    assert set(Change.objects.exclude(announcement="").values_list("announcement")) == {("done",)}
    assert not Job.objects.exists()


def test_one_that_raises_is_called_again_alone(craftkit, receiver, work):
    ready(craftkit, 4)
    heard, left = Counter(), [1]

    def fail(render):
        heard[render.key] += 1
        if render.key == "2" and left:
            left.clear()
            raise LookupError

    receiver(fail)
    announce_anew()
    work()
    assert Job.objects.get().failures == 1
    settle(craftkit)
    assert heard == {"0": 1, "1": 1, "2": 2, "3": 1}


def test_only_who_was_being_told_is_suspected_of_ending_the_worker(
    craftkit, receiver, work, monkeypatch
):
    monkeypatch.setattr(announcements, "BEGIN", 5)
    ready(craftkit, 8)
    heard = Counter()

    def die(render):
        heard[render.key] += 1
        if render.key == "4" and heard["4"] == 1:
            raise Killed

    receiver(die)
    announce_anew()
    with pytest.raises(Killed):
        work()
    begun = Job.objects.filter(attempts=1).values_list("object_id", flat=True)
    assert set(begun) <= set(Render.objects.filter(key__lte="4").values_list("pk", flat=True))
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert max(heard.values()) == 2, "told again is what was not noted"
    assert set(heard) == {str(one) for one in range(8)}


def test_a_dead_worker_leaves_so_many_to_be_told_again(craftkit, receiver, work, monkeypatch):
    monkeypatch.setattr(announcements, "CALLS", 2)
    ready(craftkit, 8)
    heard = Counter()

    def die(render):
        heard[render.key] += 1
        if sum(heard.values()) == 6:
            raise Killed

    receiver(die)
    announce_anew()
    with contextlib.suppress(Killed):
        work()
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert sum(heard.values()) <= 8 + 2


def test_who_has_listened_is_noted_over_a_lost_race_and_called_once(
    craftkit, receiver, work, monkeypatch
):
    ready(craftkit, 3)
    heard, races = Counter(), [1, 2]

    def lose():
        if races:
            races.pop()
            raise OperationalError(1213, "deadlock detected")

    receiver(lambda render: heard.update([render.key]))
    announce_anew()
    before_writing(monkeypatch, Change, lose, times=None)
    work()
    assert races == []
    assert heard == {"0": 1, "1": 1, "2": 1}
    assert not Change.objects.filter(announcement="due").exists()
    assert not Job.objects.exists()


def test_a_slow_receiver_holds_up_no_document(craftkit, receiver, work, monkeypatch):
    ready(craftkit, 6)
    over, names, let_pass = threading.Event(), [], passing(monkeypatch)

    def slow(render):
        names.append(threading.current_thread().name)
        let_pass(timings.SLOW * 1.2)
        if len(names) > 1:
            assert over.wait(TIMEOUT)

    receiver(slow)
    announce_anew()
    Render.objects.request("invoice", {"number": 7}, key="quick")
    worker = Elsewhere(work)
    until(lambda: Render.objects.filter(key="quick", remote_id__isnull=False).exists())
    over.set()
    worker.wait()
    assert {name.startswith("craftkit-step") for name in names[1:]} == {True}
    settle(craftkit)
    assert len(names) >= 7
