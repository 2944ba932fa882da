"""A key stays used, and an erased document goes to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit.models import (
    KeyConflict,
    Render,
    RenderWithdrawn,
)
from django_craftkit.signals import render_withdrawn
from tests.erasing.people import (
    ADA,
    ADDRESS,
    NAME,
    TAGS,
    erase,
    places,
    request,
)
from tests.helpers import connected, settle
from tests.shop.models import Order

if TYPE_CHECKING:
    from django.dispatch import Signal

    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db


def test_a_key_that_was_used_stays_used(craftkit: Kit, order: Order):
    render = request(order)
    craftkit.run()
    erase(order)
    settle(craftkit)
    again = request(order)
    assert (again.pk, again.erased_at is not None, again.data) == (render.pk, True, None)
    assert request(None).pk == render.pk
    craftkit.run()
    assert len(craftkit.renders) == 1
    with pytest.raises(KeyConflict):
        Render.objects.request("contract", {}, key=f"invoice for {ADDRESS}")


def test_one_that_was_never_made_is_not_made_by_its_key(craftkit: Kit, order: Order):
    render = request(order)
    erase(order)
    assert request(order).pk == render.pk
    craftkit.run()
    assert request(order, wait=True).status == "cancelled"
    assert craftkit.renders == []


def test_an_event_of_the_same_key_makes_no_other(
    craftkit: Kit, order: Order, event: Signal, declare: Any
):
    @declare(event, template="invoice", key=lambda order: f"invoice-{ADDRESS}")
    def invoice(order: Order, **kwargs: object) -> dict[str, str]:
        return {"email": ADDRESS}

    event.send(Order, instance=order)
    craftkit.run()
    erase(order)
    for _ in range(2):
        event.send(Order, instance=order)
        settle(craftkit)
    assert Render.objects.count() == len(craftkit.renders) == 1
    assert places() == []


def labelled(order: Order) -> Render:
    """A document of an earlier version, whose default key had the label of the model."""
    key = f"invoice:shop.order:{order.pk}"
    return request(order, key=key)


def test_a_default_key_of_an_earlier_version_stays_used(craftkit: Kit, order: Order):
    render = labelled(order)
    craftkit.run()
    erase(order)
    assert Render.objects.request("invoice", {}, source=order).pk == render.pk
    assert Render.objects.request_many("invoice", [order], data=lambda order: {}).created == 0
    craftkit.run()
    assert len(craftkit.renders) == 1


def test_where_two_documents_have_that_key_the_other_one_is_found(craftkit: Kit, order: Order):
    today = Render.objects.request("invoice", {}, source=order)
    old = labelled(order)
    erase(order)
    assert Render.objects.request("invoice", {}, source=order).pk == today.pk
    old.refresh_from_db()
    assert old.erased_at is not None


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_an_erased_document_goes_to_nobody(craftkit: Kit, order: Order, status: str):
    if status == "failed":
        craftkit.sandbox.faults.add("render_failed", message=NAME)
    render = request(order)
    craftkit.run()
    erase(order)
    render.refresh_from_db()
    assert render.status == status
    assert not render.is_retriable
    if status == "failed":
        with pytest.raises(RenderWithdrawn):
            render.retry()
        assert Render.objects.retry_all([render.pk], user=None) == set()
    for act in (
        lambda: render.share(),
        lambda: render.email(ADDRESS),
        lambda: render.send_for_signature([ADA], anchor_tags=TAGS),
    ):
        with pytest.raises(RenderWithdrawn):
            act()
    with pytest.raises(FileNotFoundError):
        render.open()


def test_receivers_are_told_of_a_skeleton(craftkit: Kit, order: Order):
    told: list[Any] = []

    def listen(sender: Any, instance: Render, **kwargs: Any) -> None:
        told.append((instance.pk, instance.key, instance.data, instance.erased_at is not None))

    with connected(listen, render_withdrawn):
        render = request(order)
        erase(order)
        craftkit.run()
    assert told == [(render.pk, "", None, True)]
