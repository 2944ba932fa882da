"""What a document is about, in which database, and who pays for a mistake: never the event."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models.signals import post_save

from django_craftkit import clock, declarations
from django_craftkit.models import Job, KeyConflict, Render, Share
from tests.helpers import Replica, settle
from tests.shop.models import Order, RushOrder, Seat

if TYPE_CHECKING:
    from django.dispatch import Signal

pytestmark = pytest.mark.django_db
two_databases = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def fire(event: Signal, order: Order) -> None:
    event.send(type(order), instance=order)


# Declarations


def test_a_snapshot_of_what_is_saved_gets_what_the_signal_says(craftkit, declare):
    @declare(post_save, sender=Order, template="note", key=lambda o: f"n-{o.number}", snapshot=True)
    def snapshot(order, created, using, update_fields, **kwargs):
        return {"number": order.number, "created": created, "using": using}

    Order.objects.create(number="1")
    assert Render.objects.get(key="n-1").data == {
        "number": "1",
        "created": True,
        "using": "default",
    }
    settle(craftkit)
    assert [document.data["number"] for document in craftkit.renders] == ["1"]


def test_two_declarations_of_one_function_are_two_documents(craftkit, declare, event):
    def both(order, **kwargs):
        return {"number": order.number}

    declare(event, template="invoice", key=lambda order: f"i-{order.number}")(both)
    declare(event, template="receipt", key=lambda order: f"r-{order.number}")(both)
    fire(event, Order.objects.create(number="1"))
    settle(craftkit)
    assert sorted(Render.objects.values_list("template", "key", "status")) == [
        ("invoice", "i-1", "succeeded"),
        ("receipt", "r-1", "succeeded"),
    ]
    assert declarations.templates_of("default") >= {"invoice", "receipt"}


def test_one_declaration_that_is_imported_twice_is_one(craftkit, declare, event):
    def once(order, **kwargs):
        return {}

    def key(order):
        return "i-1"

    declare(event, template="invoice", key=key)(once)
    declare(event, template="invoice", key=key)(once)
    assert len(event.receivers) == 1


def test_a_proxys_function_gets_the_proxy(craftkit, declare):
    @declare(post_save, sender=RushOrder, template="rush", key=lambda order: f"r-{order.number}")
    def rush(order, **kwargs):
        return {"deadline": order.deadline()}

    RushOrder.objects.create(number="1")
    settle(craftkit)
    render = Render.objects.get()
    assert (render.status, render.error) == ("succeeded", "")
    assert craftkit.renders[0].data == {"deadline": "1 today"}


def test_a_function_for_any_sender_gets_what_was_saved(craftkit, declare, event):
    @declare(event, template="rush", key=lambda order: f"r-{order.number}")
    def anything(order, **kwargs):
        return {"model": type(order).__name__}

    fire(event, RushOrder.objects.create(number="1"))
    settle(craftkit)
    assert craftkit.renders[0].data == {"model": "Order"}


# Sources and keys


def test_a_proxy_is_the_object_that_it_stands_for():
    rush = RushOrder.objects.create(number="1")
    order = Order.objects.get(pk=rush.pk)
    render = Render.objects.request("invoice", {}, source=rush)
    assert Render.objects.request("invoice", {}, source=order) == render
    assert Render.objects.get().source == order
    assert list(Render.objects.for_object(order)) == list(Render.objects.for_object(rush))


def test_the_default_key_tells_apart_what_documents_are_about():
    one, other = Order.objects.create(number="1"), Order.objects.create(number="2")
    renders = [
        Render.objects.request("invoice", {}, source=one),
        Render.objects.request("invoice", {}, source=other),
        Render.objects.request("receipt", {}, source=one),
        Render.objects.request("invoice", {}, source=ContentType.objects.get_for_model(Order)),
        Render.objects.request("invoice", {}),
        Render.objects.request("receipt", {}),
        Render.objects.request("invoice", {"a": 1}),
    ]
    assert len({render.pk for render in renders}) == len(renders)
    kind = ContentType.objects.get_for_model(Order).pk
    assert renders[2].key == f"receipt:{kind}:{one.pk}"


def test_a_declaration_without_a_key_of_its_own_goes_by_its_source(craftkit, declare, event):
    @declare(event, template="invoice", key=lambda order: "")
    def keyless(order, **kwargs):
        return {}

    orders = [Order.objects.create(number="1"), Order.objects.create(number="1")]
    for order in [*orders, *orders]:
        fire(event, order)
    assert {render.source for render in Render.objects.all()} == set(orders)
    assert Render.objects.count() == 2


def test_a_composite_key_is_refused_and_its_transaction_goes_on(declare, event, caplog):
    @declare(event, template="ticket", key=lambda seat: f"t-{seat}")
    def ticket(seat, **kwargs):
        return {}

    with transaction.atomic():
        seat = Seat.objects.create(row=1, number=2)
        with pytest.raises(TypeError, match="composite key"):
            Render.objects.request("ticket", {}, source=seat)
        event.send(Seat, instance=seat)
        Seat.objects.create(row=1, number=3)
    assert Seat.objects.count() == 2
    assert not Render.objects.exists()
    assert "composite key" in caplog.text


# Mistakes


def broken(order):
    raise ZeroDivisionError("oops")


MISTAKES = {
    "when raises": {"when": broken},
    "key raises": {"key": broken},
    "the key is no text": {"key": lambda order: 7},
    "the key is blank": {"key": lambda order: " "},
    "the key is too long": {"key": lambda order: "k" * 256},
    "the key holds NUL": {"key": lambda order: "k\0"},
    "the key holds half a character": {"key": lambda order: "k\ud800"},
}


@pytest.mark.parametrize("options", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_declaration_is_logged_and_its_transaction_goes_on(
    declare, event, caplog, options
):
    @declare(event, **{"template": "invoice", "key": lambda order: "k", **options})
    def mistaken(order, **kwargs):
        return {}

    with transaction.atomic():
        fire(event, Order.objects.create(number="1"))
        Order.objects.create(number="2")
    assert Order.objects.count() == 2
    assert not Render.objects.exists()
    assert not Job.objects.exists()
    assert "mistaken asked for no document" in caplog.text


@pytest.mark.parametrize("slug", ["t" * 121, "t" * 5000, "", "t\0"])
def test_a_slug_that_can_be_none_is_refused_and_the_callers_transaction_goes_on(slug):
    with transaction.atomic():
        order = Order.objects.create(number="1")
        with pytest.raises(ValueError, match="slug"):
            Render.objects.request(slug, {}, source=order)
        Order.objects.create(number="2")
    assert Order.objects.count() == 2
    assert not Render.objects.exists()


def test_a_key_that_is_taken_is_refused_and_the_callers_transaction_goes_on():
    Render.objects.request("invoice", {}, key="k")
    with transaction.atomic():
        with pytest.raises(KeyConflict):
            Render.objects.request("receipt", {}, key="k")
        Order.objects.create(number="1")
    assert Order.objects.exists()


def test_a_slug_may_be_as_long_as_craftkit_allows(craftkit):
    render = Render.objects.request("t" * 120, {})
    settle(craftkit)
    render.refresh_from_db()
    assert (render.template, render.status) == ("t" * 120, "succeeded")


# Databases


@two_databases
def test_data_are_made_from_the_primary_also_of_what_was_read_from_a_replica(
    craftkit, settings, declare, event
):
    @declare(event, template="invoice", key=lambda order: f"i-{order.number}")
    def built(order, **kwargs):
        return {"total": int(order.total)}

    settings.DATABASE_ROUTERS = [Replica("shop")]
    Order(pk=1, number="1", total=9).save(using="default")
    Order(pk=1, number="1", total=1).save(using="other")
    order = Order.objects.get(pk=1)
    assert (order._state.db, order.total) == ("other", 1)
    fire(event, order)
    settle(craftkit)
    assert [document.data for document in craftkit.renders] == [{"total": 9}]
    assert Render.objects.get().source.total == 9


@two_databases
def test_an_event_about_what_was_read_from_a_replica_is_rolled_back_with_the_primary(
    settings, declare, event
):
    @declare(event, template="invoice", key=lambda order: f"i-{order.number}")
    def built(order, **kwargs):
        return {}

    settings.DATABASE_ROUTERS = [Replica("shop")]
    for alias in ("default", "other"):
        Order(pk=1, number="1").save(using=alias)

    def fail():
        with transaction.atomic():
            fire(event, Order.objects.get(pk=1))
            assert Render.objects.exists()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert not Render.objects.exists()
    assert not Job.objects.exists()


@two_databases
@pytest.mark.parametrize("alias", ["default", "other"])
def test_nothing_is_waited_for_in_a_transaction_of_any_database(craftkit, alias):
    render = Render.objects.request("invoice", {}, key="k")
    craftkit.run()
    render.refresh_from_db()
    share = render.share()
    craftkit.run()
    calls = len(craftkit.sandbox.requests)
    with transaction.atomic(using=alias):
        order = Order(number="1")
        order.save(using=alias)
        with pytest.raises(RuntimeError, match="inside a transaction"):
            Render.objects.request("invoice", {}, source=order, wait=True)
        with pytest.raises(RuntimeError, match="inside a transaction"):
            render.wait()
        with pytest.raises(RuntimeError, match="inside a transaction"):
            render.share(wait=True)
        with pytest.raises(RuntimeError, match="inside a transaction"):
            share.revoke(wait=True)
    assert len(craftkit.sandbox.requests) == calls
    assert Render.objects.count() == 1
    assert [share.revoke_requested_at for share in Share.objects.all()] == [None]


@pytest.mark.parametrize("use_tz", [True, False], ids=["aware", "naive"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
def test_the_databases_clock_tells_the_time_of_this_settings_zone(settings, use_tz, zone):
    settings.TIME_ZONE = zone
    settings.USE_TZ = use_tz
    truth = datetime.now(ZoneInfo(zone))
    for told in (clock.now(), clock.database_now()):
        assert (told.tzinfo is not None) == use_tz
        told = told if use_tz else told.replace(tzinfo=ZoneInfo(zone))
        assert abs((told - truth).total_seconds()) < 10
