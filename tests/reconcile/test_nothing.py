"""A function that returned ``None`` leaves nothing behind, and whoever waits is told in words."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext

from django_craftkit.models import (
    Change,
    Job,
    NothingToRender,
    Render,
    RenderFailed,
    Share,
    SignatureRequest,
)
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import (
    LEASE_OVER,
    TIMEOUT,
    Elsewhere,
    elsewhere,
    settle,
    with_function,
    work,
)
from tests.seams import after_building, after_reading, before_writing, carry_out
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db(transaction=True)

JANE = [Recipient("Jane", "Doe", "jane@example.com")]
TAGS = [AnchorTag("{{sign}}", "signature")]


@pytest.fixture(autouse=True)
def _data_if_there_is_a_total(monkeypatch):
    with_function(
        monkeypatch,
        "tests.shop.craftkit.invoice",
        lambda order: {"total": order.total} if order.total else None,
    )


@pytest.fixture
def order() -> Order:
    return Order.objects.create(number="1", confirmed=True)


@pytest.fixture
def gone(craftkit, order) -> Render:
    """A document that somebody has, whose row is gone."""
    render = Render.objects.get()
    craftkit.run()
    assert not Render.objects.exists()
    return render


def fire(order: Order) -> None:
    """Let the event fire, with what is saved already."""
    post_save.send(Order, instance=order, created=False, using="default", update_fields=None)


def with_total(order: Order) -> Order:
    Order.objects.filter(pk=order.pk).update(total=5)
    return Order.objects.get(pk=order.pk)


def assert_one_document(craftkit) -> None:
    settle(craftkit)
    render = Render.objects.get(key="invoice-1")
    assert (render.status, render.error, render.attempt) == ("succeeded", "", 1)
    assert [document.id for document in craftkit.renders] == [str(render.remote_id)]
    assert craftkit.renders[0].data == {"total": "5.00"}


# Who waits for it


@pytest.mark.parametrize("before", [False, True], ids=["while it waits", "before it waits"])
def test_who_waits_for_it_is_told_in_words(craftkit, order, before):
    render = Render.objects.get()
    if before:
        craftkit.run()
    for _ in range(2):
        with pytest.raises(NothingToRender) as told:
            render.wait()
        assert isinstance(told.value, RenderFailed)
        assert told.value.render.error_code == ErrorCode.NOTHING_TO_RENDER
        assert told.value.render is render
    assert (render.status, render.error_code) == ("cancelled", "nothing_to_render")
    assert not Render.objects.exists()


@pytest.mark.parametrize("before", [False, True], ids=["while it waits", "before it waits"])
def test_who_asks_for_news_of_it_finds_it_cancelled(craftkit, order, before):
    render = Render.objects.get()
    if before:
        craftkit.run()
    for _ in range(2):
        assert not render.refresh(wait=True)
        assert (render.status, render.error_code) == ("cancelled", "nothing_to_render")
        assert render.is_gone
    render.refresh()
    craftkit.run()
    assert not Job.objects.exists()


def test_who_asks_for_the_same_document_in_python_and_waits_finds_it_cancelled(craftkit, order):
    render = Render.objects.request("invoice", {}, source=order, key="invoice-1", wait=True)
    assert (render.status, render.error_code) == ("cancelled", "nothing_to_render")


REQUESTS: dict[str, Callable[[Render], Any]] = {
    "share": lambda render: render.share(),
    "share and wait": lambda render: render.share(wait=True),
    "email": lambda render: render.email("jane@example.com"),
    "sign": lambda render: render.send_for_signature(JANE, anchor_tags=TAGS),
}


@pytest.mark.parametrize("ask", REQUESTS.values(), ids=REQUESTS)
def test_who_wants_something_of_it_later_is_told_so(gone, ask):
    with pytest.raises(NothingToRender, match=re.escape(str(Problem(ErrorCode.NOTHING_TO_RENDER)))):
        ask(gone)
    assert gone.is_gone


@pytest.mark.parametrize("ask", REQUESTS.values(), ids=REQUESTS)
def test_who_wants_something_of_it_while_it_goes_is_told_so(order, craftkit, monkeypatch, ask):
    render = Render.objects.get()

    def lose() -> None:
        elsewhere(work)
        assert not Render.objects.exists()

    after_reading(monkeypatch, Render, lose)
    with pytest.raises(NothingToRender):
        ask(render)


@pytest.mark.parametrize("ask", REQUESTS.values(), ids=REQUESTS)
def test_being_told_so_breaks_no_transaction(gone, ask):
    with transaction.atomic():
        with pytest.raises(NothingToRender):
            ask(gone) if ask is not REQUESTS["share and wait"] else gone.share()
        Order.objects.create(number="2")
    assert Order.objects.filter(number="2").exists()


def test_there_is_nothing_to_withdraw_or_to_try_again(gone):
    assert not gone.withdraw()
    assert not gone.withdraw(wait=True)
    assert not gone.retry()
    assert not gone.retry(wait=True)
    assert gone.is_gone


def test_one_that_somebody_removed_in_another_way_is_no_such_case(craftkit):
    render = Render.objects.request("invoice", {}, key="k")
    Render.objects.all().delete()
    with pytest.raises(Render.DoesNotExist):
        render.wait()


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda render: render.share(wait=True), "pending"),
        (lambda render: render.email("jane@example.com", wait=True), "pending"),
        (lambda render: render.send_for_signature(JANE, anchor_tags=TAGS, wait=True), "rejected"),
    ],
    ids=["link", "mail", "signature"],
)
def test_one_that_somebody_wants_stays_and_is_cancelled(craftkit, order, ask, status):
    wanted = ask(Render.objects.get())
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("cancelled", "nothing_to_render")
    assert wanted.status == status
    with pytest.raises(NothingToRender):
        render.wait()


def test_a_retry_that_has_nothing_to_render_stays_and_is_cancelled(craftkit, order):
    Render.objects.get().share(wait=True)
    render = Render.objects.get()
    assert render.retry(wait=True)
    assert (render.status, render.error_code, render.attempt) == (
        "cancelled",
        "nothing_to_render",
        2,
    )


def test_it_leaves_no_history_no_job_and_no_signal(gone):
    assert not Change.objects.exists()
    assert not Job.objects.exists()


def test_a_page_shows_nothing_of_it(gone, order):
    template = Template("{% load craftkit %}{% craftkit_status order %}")
    assert template.render(Context({"order": order})).strip() == ""


# None, then data


def test_none_and_then_data_under_one_key_is_one_document(craftkit, order):
    craftkit.run()
    fire(with_total(order))
    fire(with_total(order))
    assert_one_document(craftkit)


def test_it_is_one_where_two_workers_look_at_once(craftkit, order, monkeypatch):
    """The first one's lease is over, the second one finds nothing too, and there are data then."""

    def be_slow() -> None:
        craftkit.pass_time(LEASE_OVER)
        elsewhere(work)
        assert not Render.objects.exists()
        fire(with_total(order))

    after_building(monkeypatch, be_slow)
    work()
    assert_one_document(craftkit)


def test_it_is_one_where_the_event_fires_while_the_row_is_being_removed(
    craftkit, order, declare, monkeypatch
):
    """An event that is no save: nothing tells that it was, but what it writes."""
    told, known = Signal(), threading.Event()
    events: list[Elsewhere] = []

    @declare(told, template="invoice", key=lambda order: f"invoice-{order.number}")
    def invoiced(order, **kwargs):
        return {"total": order.total}

    def fire_meanwhile() -> None:
        # The event has found the document, and is about to ask for it again.
        after_reading(monkeypatch, Render, known.set)
        with_total(order)
        events.append(Elsewhere(lambda: told.send(Order, instance=order)))
        assert known.wait(TIMEOUT)

    before_writing(monkeypatch, Render, fire_meanwhile, verb="DELETE")
    work()
    (event,) = events
    event.wait()
    assert_one_document(craftkit)


def saved_with_total(order: Order) -> None:
    saved = Order.objects.get(pk=order.pk)
    saved.total = 5  # type: ignore[assignment]
    saved.save()


def test_it_is_one_where_its_source_is_saved_while_the_row_is_being_removed(
    craftkit, order, monkeypatch
):
    begun = threading.Event()
    saves: list[Elsewhere] = []

    def save() -> None:
        begun.set()
        saved_with_total(order)

    def save_meanwhile() -> None:
        saves.append(Elsewhere(save))
        assert begun.wait(TIMEOUT)

    before_writing(monkeypatch, Render, save_meanwhile, verb="DELETE")
    work()
    (one,) = saves
    one.wait()
    assert_one_document(craftkit)


def test_it_is_one_where_its_source_is_saved_after_the_function_was_called(
    craftkit, order, monkeypatch
):
    after_building(monkeypatch, lambda: saved_with_total(order))
    work()
    assert_one_document(craftkit)


def test_a_save_that_is_not_committed_yet_keeps_its_document(craftkit, order):
    """It has seen the document wait, and has left no trace that a worker could see."""
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("Only one transaction writes at a time here.")
    with transaction.atomic():
        with CaptureQueriesContext(connection) as queries:
            saved_with_total(order)
        elsewhere(work)
        assert Render.objects.get().status == "pending"
    assert [query["sql"] for query in queries if "craftkit_" in query["sql"]] != []
    assert not [query for query in queries if "FOR UPDATE" in query["sql"]]
    craftkit.pass_time(5)
    assert_one_document(craftkit)


def test_a_transaction_that_wants_something_of_it_is_not_rolled_back(craftkit, order, monkeypatch):
    """PostgreSQL would look for the document only when that ends."""
    if not connection.features.has_select_for_update:
        pytest.skip("Only one transaction writes at a time here.")
    render = Render.objects.get()
    waits = "SET lock_timeout = '200ms'"
    if connection.vendor == "mysql":
        waits = "SET innodb_lock_wait_timeout = 1"
    looked = []

    def drop() -> None:
        with connection.cursor() as cursor:
            cursor.execute(waits)
        with suppress(OperationalError):
            carry_out("render", render.pk)

    after_building(monkeypatch, lambda: looked.append(True))
    with transaction.atomic():
        Order.objects.create(number="2")
        render.share()
        render.send_for_signature(JANE, anchor_tags=TAGS)
        elsewhere(drop)
        assert looked, "the worker did not come to it"
    assert Order.objects.filter(number="2").exists()
    assert Render.objects.exists(), "it was not there any more when the transaction ended"
    craftkit.pass_time(60)
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("cancelled", "nothing_to_render")
    assert Share.objects.get().status == "pending"
    assert SignatureRequest.objects.get().status == "rejected"
