"""``recheck=``: a signal that comes before the save makes no document of what is not saved."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import pre_save
from django.dispatch import Signal

from django_craftkit.models import Change, Job, Render
from tests.helpers import settle
from tests.seams import after_building
from tests.shop.models import Order, Parcel

pytestmark = pytest.mark.django_db

#: What a state machine sends: the object has its new state, and is still to be saved.
priced = Signal()


class Built(list[str]):
    """What the function was called with, by what was saved."""


@pytest.fixture
def built(declare) -> Built:
    calls = Built()

    @declare(
        priced,
        template="offer",
        key=lambda order: f"o-{order.number}",
        when=lambda order: order.total > 0,
        recheck=lambda order: order.total > 0,
    )
    def offer(order: Order, **kwargs: Any) -> dict[str, Any]:
        calls.append(str(order.total))
        return {"total": order.total}

    return calls


def set_price(order: Order) -> None:
    """Go on to the next state, as a state machine does."""
    order.total = 7
    priced.send(Order, instance=order)


def state() -> tuple[str, str, int]:
    return Render.objects.values_list("status", "error_code", "attempt").get()


def never_saved(craftkit) -> Order:
    order = Order.objects.create(number="1")
    set_price(order)
    settle(craftkit)
    assert state() == ("rejected", "not_confirmed", 1)
    return order


def test_a_document_is_built_from_the_row_as_it_is_after_the_save(craftkit, built):
    order = Order.objects.create(number="1")
    set_price(order)
    craftkit.run()
    assert state() == ("pending", "", 1)
    assert Job.objects.get().error_code == "not_confirmed"
    order.save()
    settle(craftkit)
    assert state() == ("succeeded", "", 1)
    assert [document.data for document in craftkit.renders] == [{"total": "7.00"}]
    assert built == ["7.00"]


def test_what_was_saved_in_time_is_built_at_once(craftkit, built):
    order = Order.objects.create(number="1")
    with transaction.atomic():
        set_price(order)
        order.save()
    craftkit.run()
    assert built == ["7.00"]


def test_what_is_saved_within_a_minute_is_in_time(craftkit, built):
    order = Order.objects.create(number="1")
    set_price(order)
    craftkit.run()
    craftkit.pass_time(55)
    craftkit.run()
    assert state() == ("pending", "", 1)
    order.save()
    craftkit.pass_time(15)
    craftkit.run()
    assert built == ["7.00"]


def test_an_object_that_is_still_to_be_saved_is_waited_for_too(craftkit, declare):
    """Its key was made beforehand, so the event of its first save knows it."""

    @declare(
        pre_save,
        sender=Parcel,
        template="label",
        key=lambda parcel: f"l-{parcel.pk}",
        recheck=lambda parcel: True,
    )
    def label(parcel: Parcel, **kwargs: Any) -> dict[str, Any]:
        return {"id": str(parcel.pk)}

    parcel = Parcel()
    pre_save.send(Parcel, instance=parcel, raw=False, using="default")
    craftkit.run()
    assert state() == ("pending", "", 1)
    parcel.save()
    settle(craftkit)
    assert state() == ("succeeded", "", 1)


def test_an_object_that_is_never_saved_is_not_confirmed_after_a_minute(craftkit, built):
    order = Order.objects.create(number="1")
    with transaction.atomic():
        set_price(order)
        Order.objects.all().delete()
    settle(craftkit)
    assert state() == ("rejected", "not_confirmed", 1)


def test_what_is_never_saved_is_rejected_after_a_minute_and_nothing_is_built(craftkit, built):
    never_saved(craftkit)
    assert built == []
    assert craftkit.renders == []
    assert not Job.objects.exists()
    changes = Change.objects.filter(kind="render").values_list("to_status", "signal")
    assert list(changes) == [("rejected", "render_rejected")]


def test_the_minute_counts_from_when_the_worker_first_looked(craftkit, built):
    """It may have been down, and its clock is not that of whoever asked."""
    order = Order.objects.create(number="1")
    set_price(order)
    craftkit.pass_time(600)
    craftkit.run()
    assert state() == ("pending", "", 1)
    order.save()
    settle(craftkit)
    assert state() == ("succeeded", "", 1)


def test_an_event_that_fires_again_has_a_minute_of_its_own(craftkit, built):
    order = Order.objects.create(number="1")
    set_price(order)
    craftkit.run()
    craftkit.pass_time(50)
    set_price(order)
    craftkit.run()
    craftkit.pass_time(50)
    craftkit.run()
    assert state() == ("pending", "", 1)
    order.save()
    settle(craftkit)
    assert state() == ("succeeded", "", 1)
    assert len(craftkit.renders) == 1


def test_an_event_that_fires_as_the_minute_ends_is_not_lost(craftkit, built, monkeypatch):
    order = Order.objects.create(number="1")
    set_price(order)
    craftkit.run()

    def fire_and_save() -> None:
        set_price(order)
        order.save()

    craftkit.pass_time(70)
    after_building(monkeypatch, fire_and_save)
    settle(craftkit)
    assert state() == ("succeeded", "", 1)
    assert len(craftkit.renders) == 1


def test_a_later_event_tries_again_what_was_never_confirmed(craftkit, built):
    order = never_saved(craftkit)
    order.save()
    set_price(order)
    settle(craftkit)
    assert state() == ("succeeded", "", 2)
    assert len(craftkit.renders) == 1
    set_price(order)
    settle(craftkit)
    assert state() == ("succeeded", "", 2)


def test_a_retry_asks_again(craftkit, built):
    order = never_saved(craftkit)
    assert Render.objects.get().retry()
    settle(craftkit)
    assert state() == ("rejected", "not_confirmed", 2)
    order.save()
    assert Render.objects.get().retry()
    settle(craftkit)
    assert state() == ("succeeded", "", 3)


def test_an_event_brings_back_nothing_that_was_withdrawn(craftkit, built):
    order = never_saved(craftkit)
    Render.objects.get().withdraw()
    order.save()
    set_price(order)
    settle(craftkit)
    assert state() == ("rejected", "not_confirmed", 1)


def test_an_event_of_another_object_under_its_key_starts_nothing(craftkit, built, caplog):
    never_saved(craftkit)
    set_price(Order.objects.create(number="1"))
    assert "new document wants a new key" in caplog.text
    settle(craftkit)
    assert state() == ("rejected", "not_confirmed", 1)


def test_who_asks_for_it_in_python_gets_it_as_it_is(craftkit, built):
    order = never_saved(craftkit)
    order.save()
    Render.objects.request("offer", {}, source=order, key="o-1")
    settle(craftkit)
    assert state() == ("rejected", "not_confirmed", 1)


def test_a_recheck_that_raises_rejects_the_document_until_it_is_mended(craftkit, declare, event):
    trouble: list[Exception] = [LookupError("no such state")]

    def recheck(order: Order) -> bool:
        if trouble:
            raise trouble[0]
        return True

    @declare(event, template="offer", key=lambda order: "k", recheck=recheck)
    def offer(order: Order, **kwargs: Any) -> dict[str, Any]:
        return {}

    event.send(Order, instance=Order.objects.create(number="1"))
    settle(craftkit)
    assert state() == ("rejected", "builder_failed", 1)
    assert "no such state" in Render.objects.get().error
    trouble.clear()
    assert Render.objects.get().retry()
    settle(craftkit)
    assert state() == ("succeeded", "", 2)


def test_an_event_about_no_saved_object_can_be_rechecked_by_nobody(declare, event, caplog):
    @declare(event, template="offer", key=str, recheck=bool)
    def offer(day: str, **kwargs: Any) -> dict[str, Any]:
        return {}

    event.send("monday")
    assert not Render.objects.exists()
    assert "recheck= is asked of a saved object" in caplog.text


def test_without_it_a_document_is_what_the_row_was_when_the_worker_looked(craftkit, declare):
    """Which the docs warn of: so it is said how to do it right."""

    @declare(priced, template="offer", key=lambda order: "k")
    def offer(order: Order, **kwargs: Any) -> dict[str, Any]:
        return {"total": order.total}

    set_price(Order.objects.create(number="1"))
    craftkit.run()
    assert craftkit.renders[0].data == {"total": "0.00"}
