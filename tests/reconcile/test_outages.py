"""A document is never given up because something that its code relies on failed for a while."""

from __future__ import annotations

import errno
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.db import OperationalError, connection, transaction
from django.dispatch import Signal

from django_craftkit.client import Craftkit, ServerError
from django_craftkit.events import render_on
from django_craftkit.models import Change, Job, Render, SignatureRequest
from django_craftkit.reconcile.announcements import MAX_ATTEMPTS
from django_craftkit.signals import render_succeeded
from django_craftkit.signing import Envelope, Recipient, SignatureField
from tests.helpers import connected, kill_connection, settle
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db(transaction=True)

fired = Signal()
troubles: list[Callable[[], None]] = []


def in_trouble(order: Order) -> None:
    if troubles:
        troubles.pop(0)()


@render_on(fired, template="invoice", key=lambda order: f"outage-{order.pk}")
def document_of_order(order: Order, **kwargs: Any) -> dict[str, Any]:
    in_trouble(order)
    return {"number": order.number}


def who_signs(order: Order) -> Envelope:
    in_trouble(order)
    field = SignatureField("signature", recipient=0, page=1, x=1, y=1, width=20, height=10)
    return Envelope([Recipient("Ada", "Byron", "ada@example.com")], fields=[field])


@render_on(
    fired,
    sender="signed",
    template="contract",
    key=lambda order: f"signed-{order.pk}",
    sign_with=who_signs,
)
def contract_of_order(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {"number": order.number}


def raiser(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def lose_the_database() -> None:
    """Have the server end the connection that the worker is on."""
    if connection.vendor == "sqlite":
        raise OperationalError("the disk is gone")
    kill_connection(connection)
    Order.objects.count()


def call_craftkit_in_vain() -> None:
    """Have the code itself ask Craftkit, for an earlier document's PDF, say."""
    nobody = Craftkit("ck_test_nobody", base_url="http://127.0.0.1:1", max_retries=0)
    nobody.renders.get(uuid.uuid4())


def wrap() -> None:
    try:
        raise ConnectionResetError
    except ConnectionResetError as error:
        raise RuntimeError("a library wraps it") from error


OUTAGES = {
    "the database is lost": lose_the_database,
    "a lock does not come": raiser(OperationalError(1205, "Lock wait timeout exceeded")),
    "a service is away": raiser(requests.ConnectionError()),
    "Craftkit is away": call_craftkit_in_vain,
    "Craftkit fails": raiser(ServerError(status=502)),
    "a disk is full": raiser(OSError(errno.ENOSPC, "full")),
    "a library wraps it": wrap,
}


@pytest.fixture(autouse=True)
def _no_trouble_left():
    yield
    troubles.clear()


@pytest.mark.parametrize("sender", ["plain", "signed"])
@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_an_outage_in_a_builder_or_in_sign_with_is_tried_again(craftkit, outage, sender):
    troubles.extend([outage] * 3)
    order = Order.objects.create(number="1")
    fired.send(sender, instance=order)
    wanted = Render.objects.count()
    craftkit.run()
    assert Render.objects.filter(status="pending").count() >= 1
    assert not Render.objects.filter(status="rejected").exists()
    assert Job.objects.filter(kind="render", failures__gt=0).exists()
    for _ in range(8):
        craftkit.pass_time(60)
        craftkit.run()
    assert troubles == []
    assert Render.objects.filter(status="succeeded").count() == wanted == len(craftkit.renders)
    assert SignatureRequest.objects.count() == (sender == "signed")


def test_what_the_code_does_wrong_rejects_the_document(craftkit):
    troubles.append(raiser(LookupError("no such price")))
    fired.send("plain", instance=Order.objects.create(number="1"))
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "builder_failed")


@pytest.mark.parametrize(
    "outage",
    [OUTAGES[name] for name in ("a service is away", "a library wraps it", "Craftkit is away")],
)
def test_a_receiver_is_not_given_up_for_an_outage(craftkit, outage):
    heard = []

    def receiver(instance: Render, **kwargs: Any) -> None:
        if len(heard) <= MAX_ATTEMPTS:
            heard.append("outage")
            outage()
        heard.append(instance.status)

    with connected(receiver, render_succeeded):
        Render.objects.request("invoice", {})
        settle(craftkit, minutes=240)
    assert heard == ["outage"] * (MAX_ATTEMPTS + 1) + ["succeeded"]
    assert Change.objects.filter(announcement="done").count() == 1


def test_a_snapshot_that_an_outage_prevents_is_shown_and_can_be_retried(craftkit):
    snapped = Signal()

    @render_on(snapped, template="note", key=lambda order: f"snap-{order.pk}", snapshot=True)
    def snapshot_of_order(order: Order, **kwargs: Any) -> dict[str, Any]:
        in_trouble(order)
        return {"number": order.number}

    troubles.append(OUTAGES["a service is away"])
    order = Order.objects.create(number="1")
    with transaction.atomic():
        snapped.send(Order, instance=order)
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "builder_failed")
    assert render.retry()
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"
