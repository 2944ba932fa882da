"""What is taken back, or whose document is, is closed at Craftkit or was never made there."""

from __future__ import annotations

import contextlib

import pytest

from django_craftkit import clock
from django_craftkit.models import Change, Job, Render, RenderWithdrawn, Share
from tests.helpers import LEASE_OVER, at_once, elsewhere, work
from tests.reconcile.resources import (
    LINK,
    LIST_SHARES,
    MAIL,
    REASON,
    SIGNATURE,
    check_ended,
    each_of_all,
    each_resource,
    open_there,
    settle,
)
from tests.reconcile.signatures.helpers import calls, end_there, history
from tests.seams import after_sending, before_marking_as_sent, before_sending

WAYS = {
    "taken back": lambda resource: resource.take_back(resource.model.objects.get()),
    "withdrawn": lambda resource: Render.objects.get().withdraw(),
    "erased": lambda resource: Render.objects.all().erase().erased["Render"],
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@each_resource
@each_way
def test_before_it_was_sent_it_ends_without_a_call(craftkit, resource, way):
    craftkit.sandbox.render_time = 60.0
    render = Render.objects.request("invoice", {})
    row = resource.ask(render)
    craftkit.run()
    assert way(resource)
    craftkit.run()
    check_ended(craftkit, resource, row, made=False)
    settle(craftkit)
    check_ended(craftkit, resource, row, made=False)
    if resource is SIGNATURE and way is WAYS["taken back"]:
        assert row.error == REASON
    assert [call.method for call in craftkit.sandbox.requests].count("POST") == 1
    render.refresh_from_db()
    assert render.status == "succeeded", "what was sent goes on"


@pytest.mark.django_db(transaction=True)
@each_resource
@each_way
@pytest.mark.parametrize("when", [before_sending, after_sending])
def test_while_it_is_sent_it_is_closed_there(craftkit, ready, monkeypatch, resource, way, when):
    row = resource.ask(ready)
    when(monkeypatch, resource.ending, lambda: elsewhere(lambda: way(resource)))
    work()
    settle(craftkit)
    check_ended(craftkit, resource, row, made=True)
    if resource is SIGNATURE:
        assert history(row) == ["sent", "cancelled"]


@each_resource
@each_way
@pytest.mark.parametrize("trouble", ["cut_after", "cut_before"])
def test_a_lost_one_is_looked_for_and_never_sent_after_that(
    craftkit, ready, resource, way, trouble
):
    if resource is SIGNATURE:
        craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.sandbox.faults.add(trouble, **resource.post)
    row = resource.ask(ready)
    craftkit.sandbox.faults.add(
        "status", status=503, code="queue_unavailable", times=5, **LIST_SHARES
    )
    work()
    assert way(resource)
    work()
    row.refresh_from_db()
    assert row.status in ("pending", "unknown"), "the answer may be on its way"
    settle(craftkit)
    check_ended(craftkit, resource, row, made=trouble == "cut_after")
    assert resource.posts(craftkit) == 1
    if resource is not SIGNATURE:
        return
    assert (row.error == REASON) == (way is WAYS["taken back"])
    if trouble == "cut_after":
        assert end_there(craftkit) == ["cancelled"]
        assert history(row) == ["sent", "cancelled"]
        assert Change.objects.get(to_status="sent").cause == "read back"
    else:
        assert calls(craftkit, "GET", "/signatures") == 1


@pytest.mark.django_db(transaction=True)
@each_resource
@each_way
def test_one_whose_answer_comes_after_its_end_does_not_stay_open(
    craftkit, ready, monkeypatch, resource, way
):
    row = resource.ask(ready)

    def end_without_it():
        way(resource)
        for _ in range(3):
            craftkit.pass_time(LEASE_OVER)
            elsewhere(work)
        assert resource.model.objects.get().status == resource.ended

    before_sending(monkeypatch, resource.ending, end_without_it)
    work()
    settle(craftkit)
    check_ended(craftkit, resource, row, made=True)
    if resource is SIGNATURE:
        assert history(row) == ["cancelled", "sent", "cancelled"]
    else:
        assert Share.objects.count() == 2, "the late link has a row of its own"


def withdraw_beside() -> None:
    """Withdraw a document by a transaction that saw no row to end: it was written meanwhile."""
    Render.objects.update(withdrawn_at=clock.now())


@pytest.mark.django_db(transaction=True)
@each_of_all
@pytest.mark.parametrize(
    "withdraw",
    [
        lambda: Render.objects.get().withdraw(),
        lambda: Render.objects.all().erase(),
        withdraw_beside,
    ],
    ids=["withdrawn", "erased", "beside"],
)
def test_a_withdrawal_in_the_last_moment_before_sending(
    craftkit, target, monkeypatch, resource, withdraw
):
    row = resource.ask(target)
    before_marking_as_sent(monkeypatch, resource.model, lambda: elsewhere(withdraw))
    settle(craftkit)
    check_ended(craftkit, resource, row, made=False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "asks", [(LINK, MAIL, LINK), (SIGNATURE, SIGNATURE)], ids=["shares", "signatures"]
)
@pytest.mark.parametrize("nth", range(4))
def test_a_withdrawal_at_the_same_time_leaves_none_open(craftkit, ready, asks, nth):
    def begin(act):
        def run():
            with contextlib.suppress(RenderWithdrawn):
                act(Render.objects.get())
            work()

        return run

    *first, last = asks
    errors = at_once(
        *[begin(resource.ask) for resource in first],
        begin(lambda render: last.ask(render, key="other", wait=2)),
        begin(lambda render: render.withdraw()),
    )
    assert errors == [None] * (len(asks) + 1)
    settle(craftkit)
    assert open_there(craftkit) == []
    statuses = set(asks[0].model.objects.values_list("status", flat=True))
    assert statuses <= {asks[0].ended}
    assert not Job.objects.exists()
