"""What happens at the same time: leases that run out, late answers, requests in between."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.signals import post_delete, pre_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import Change, Job, Render, Share
from django_craftkit.reconcile.loop import Loop
from tests.helpers import (
    LEASE_OVER,
    TIMEOUT,
    Elsewhere,
    Killed,
    connected,
    elsewhere,
    settle,
    with_function,
    work,
)
from tests.reconcile.resources import LINK, LIST_SHARES, open_there
from tests.seams import (
    after_building,
    after_committing,
    after_writing,
    at_result,
    before_sending,
    before_writing,
    carry_out,
    claim,
    finish,
)
from tests.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


def confirm(**fields: object) -> Order:
    return Order.objects.create(number="1", confirmed=True, **fields)


@pytest.fixture
def data_if_there_is_a_total(monkeypatch):
    """The declared function has nothing to render for an order without a total."""
    with_function(
        monkeypatch,
        "tests.shop.craftkit.invoice",
        lambda order: {"total": order.total} if order.total else None,
    )


@pytest.mark.parametrize("killed", [False, True], ids=["goes on", "is killed"])
def test_two_workers_that_build_one_document_leave_one_that_is_followed(
    craftkit, silent, monkeypatch, killed
):
    """The first one's lease ran out while it was building; the second is building too."""
    built, taken_over = threading.Event(), threading.Event()

    def slowly():
        if threading.current_thread() is first:
            built.set()
            assert taken_over.wait(TIMEOUT)
        else:
            taken_over.set()
            first.wait()

    def die():
        if killed and threading.current_thread() is first:
            raise Killed

    after_building(monkeypatch, slowly, times=None)
    after_committing(monkeypatch, Render, die, verb="UPDATE", setting="data")
    confirm()
    ready_to_run = threading.Event()
    first = Elsewhere(lambda: ready_to_run.wait(TIMEOUT) and work())
    ready_to_run.set()
    assert built.wait(TIMEOUT)
    craftkit.pass_time(LEASE_OVER)
    work()
    assert taken_over.is_set()

    settle(craftkit)
    render = Render.objects.get()
    assert (render.status, render.error) == ("succeeded", "")
    assert [str(render.remote_id)] == [document.id for document in craftkit.renders]


def test_nothing_to_render_loses_no_event_that_fires_meanwhile(
    craftkit, monkeypatch, data_if_there_is_a_total
):
    order = confirm()

    def fire_again():
        Order.objects.get(pk=order.pk).save()
        again = Order.objects.get(pk=order.pk)
        again.total = 5
        again.save()

    after_building(monkeypatch, lambda: elsewhere(fire_again))
    work()
    settle(craftkit)
    assert Render.objects.get(key="invoice-1").status == "succeeded"
    assert [document.data for document in craftkit.renders] == [{"total": "5.00"}]


def test_who_finds_nothing_to_render_too_late_takes_no_document_away(
    craftkit, monkeypatch, data_if_there_is_a_total
):
    order = confirm()

    def take_over():
        craftkit.pass_time(LEASE_OVER)
        Order.objects.filter(pk=order.pk).update(total=5)
        elsewhere(work)

    after_building(monkeypatch, take_over)
    work()
    settle(craftkit)
    assert Render.objects.get(key="invoice-1").status == "succeeded"
    assert len(craftkit.renders) == 1


@pytest.mark.parametrize("late", ["raises", "finds nothing"])
def test_who_is_late_with_building_ends_no_document_that_another_is_about_to_send(
    craftkit, silent, monkeypatch, late
):
    sending, ended = threading.Event(), threading.Event()
    other: list[Elsewhere] = []
    built: list[Order] = []

    def build(order):
        built.append(order)
        if len(built) > 1:
            return {"number": order.number}
        if late == "raises":
            raise LookupError("no such price")
        return None

    def take_over():
        craftkit.pass_time(LEASE_OVER)
        other.append(Elsewhere(work))
        assert sending.wait(TIMEOUT)

    def hold():
        sending.set()
        assert ended.wait(TIMEOUT)

    with_function(monkeypatch, "tests.shop.craftkit.invoice", build)
    after_building(monkeypatch, take_over)
    before_sending(monkeypatch, "/render", hold)
    confirm()
    carry_out("render", Render.objects.get().pk)
    ended.set()
    other[0].wait()
    settle(craftkit)
    assert Render.objects.get().status == "succeeded"
    assert len(craftkit.renders) == 1


def test_a_wanted_link_whose_answer_comes_after_it_was_settled_is_open_once(
    craftkit, ready, monkeypatch
):
    share = ready.share()

    def settle_without_it():
        for _ in range(3):
            craftkit.pass_time(LEASE_OVER)
            elsewhere(work)

    before_sending(monkeypatch, "/shares", settle_without_it)
    work()
    settle(craftkit)
    share.refresh_from_db()
    assert share.status == "active"
    assert open_there(craftkit) == [str(share.remote_id)]
    assert Share.objects.filter(status="active").get() == share


@pytest.mark.parametrize(
    "trouble",
    [{"status": 429, "code": "rate_limited"}, {"status": 503, "code": "queue_unavailable"}],
    ids=["429", "503"],
)
def test_a_late_refusal_does_not_put_a_link_back_that_another_settles(
    craftkit, ready, monkeypatch, trouble
):
    share = ready.share()
    seen = []

    def take_over():
        craftkit.pass_time(LEASE_OVER)
        craftkit.sandbox.faults.add("status", status=500, **LIST_SHARES)
        elsewhere(work)
        seen.append(Share.objects.values("status", "sending_since").get())
        craftkit.sandbox.faults.add("status", **trouble, **LINK.post)

    before_sending(monkeypatch, "/shares", take_over)
    work()
    (before,) = seen
    assert before["status"] == "unknown"
    assert Share.objects.values("status", "sending_since").get() == before

    settle(craftkit)
    share.refresh_from_db()
    assert share.status == "active"
    assert [link.id for link in craftkit.shares] == [str(share.remote_id)]


def test_a_late_refusal_does_not_put_a_link_back_that_another_is_sending(
    craftkit, ready, monkeypatch
):
    share = ready.share()
    seen = []

    def send_elsewhere():
        """Have another worker say that it sends it, and not come to it."""
        seen.append(Share.objects.get().sending_since + timedelta(seconds=LEASE_OVER))
        Share.objects.update(sending_since=seen[0])
        craftkit.sandbox.faults.add("status", status=429, code="rate_limited", **LINK.post)

    before_sending(monkeypatch, "/shares", send_elsewhere)
    work()
    assert [call.status for call in craftkit.sandbox.requests][-1] == 429
    share.refresh_from_db()
    assert (share.status, [share.sending_since]) == ("pending", seen)


def test_no_request_is_lost_where_an_application_listens_to_every_deletion(craftkit):
    """Django would read the rows first then, and delete by primary key alone."""
    render = Render.objects.request("invoice", {})
    (job,) = claim(Job.objects.all(), now=timezone.now())
    requested = []

    def listen(sender, instance, **kwargs):
        if isinstance(instance, Job):
            requested.append(instance.pk)
            Job.objects.schedule("render", [render.pk], "default")

    def note(sender, **kwargs):
        pass

    with (
        connected(listen, pre_delete),
        connected(note, post_delete),
        CaptureQueriesContext(connection) as queries,
    ):
        finish(job)
    touching = [query for query in queries if Job._meta.db_table in query["sql"]]
    assert len(touching) == 1
    assert Job.objects.exists() == bool(requested)


def test_a_link_is_revoked_and_renewed_in_one_transaction_while_its_document_succeeds(
    craftkit, monkeypatch
):
    if not connection.features.has_select_for_no_key_update:
        pytest.skip("Only PostgreSQL has locks that let rows be referred to.")
    craftkit.sandbox.render_time = 60.0
    render = Render.objects.request("invoice", {})
    share = render.share()
    craftkit.run()
    craftkit.pass_time(61)
    revoked, heard, renewed = threading.Event(), threading.Event(), threading.Event()
    went_through = []

    def pause():
        heard.set()
        went_through.append(renewed.wait(TIMEOUT / 3))

    def renew():
        with transaction.atomic():
            share.revoke()
            revoked.set()
            assert heard.wait(TIMEOUT)
            Render.objects.get(pk=render.pk).share()
            renewed.set()

    # The worker has the document locked, and goes on to what waits for it.
    after_writing(monkeypatch, Change, pause, saying="succeeded")
    user = Elsewhere(renew)
    assert revoked.wait(TIMEOUT)
    work()
    user.wait()
    assert went_through[0], "the user waited for the worker, who was to wait for the user"
    settle(craftkit)
    assert sorted(Share.objects.values_list("status", flat=True)) == ["active", "revoked"]


def test_a_loop_that_fails_ends_after_all_its_threads(craftkit, monkeypatch):
    in_hand, failing, over = threading.Barrier(3), threading.Event(), threading.Event()
    outlived = []
    first, calls = iter([True]), itertools.count()

    def hold():
        if next(calls) < in_hand.parties:
            in_hand.wait(TIMEOUT)
        if not next(first, False):
            failing.wait(TIMEOUT)
            outlived.append(over.wait(0.1))

    def fail():
        if not failing.is_set():
            failing.set()
            raise ArithmeticError("oops")

    before_sending(monkeypatch, "", hold, times=None)
    before_sending(monkeypatch, "", hold, method="GET", times=None)
    at_result(monkeypatch, fail, times=None)
    for number in range(6):
        Render.objects.request("invoice", {"number": number})
    with pytest.raises(ArithmeticError):
        Loop(threads=3, wake=None).run()
    over.set()
    assert len(outlived) >= 2
    assert not any(outlived)


def test_a_database_that_fails_while_the_end_of_a_step_is_noted_quarantines_no_job(
    craftkit, monkeypatch
):
    failed = []

    def fail():
        failed.append(True)
        raise OperationalError("the server is going away")

    at_result(monkeypatch, fail, times=4)
    render = Render.objects.request("invoice", {})
    work()
    assert len(failed) == 4
    assert not Job.objects.quarantined().exists()
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"


FACES = {
    "request": lambda render: Render.objects.request("invoice", {}, key="another"),
    "share": lambda render: render.share(),
    "email": lambda render: render.email("ada@example.com"),
    "withdraw": lambda render: render.withdraw(),
    "refresh": lambda render: render.refresh(),
    "record": lambda render: render.record("viewed"),
    "revoke": lambda render: render.shares.get().revoke(),
}


@pytest.mark.parametrize("act", FACES.values(), ids=FACES)
def test_a_deadlock_is_nothing_that_a_user_hears_of(craftkit, monkeypatch, act):
    """In a transaction of their own it is: only they can start over."""
    render = Render.objects.request("invoice", {})
    craftkit.run()
    render.refresh_from_db()
    render.share()
    craftkit.run()
    victims = []

    def lose():
        if victims:
            victims.pop()
            raise OperationalError(1213, "deadlock detected")

    before_writing(monkeypatch, Job, lose, times=None)
    victims.append(act)
    with pytest.raises(OperationalError), transaction.atomic():
        act(render)
    assert not Job.objects.exists()
    victims.extend([act, act])
    act(render)
    assert victims == []
    assert Job.objects.exists()
    monkeypatch.undo()
    settle(craftkit)
