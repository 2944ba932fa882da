"""Large documents: a month's end of them does not fill a worker's memory."""

from __future__ import annotations

import threading

import pytest
from django.db import transaction

from django_craftkit.models import Job, Render
from django_craftkit.reconcile import timings
from django_craftkit.sandbox import SandboxAdapter
from tests.seams import bytes_at_once
from tests.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER, SIZE = 12, 10_000


@pytest.fixture
def declared(declare, event, monkeypatch):
    """Ask for documents that a function makes."""
    monkeypatch.setattr(timings.TIMINGS, "_seconds", {})

    @declare(event, template="invoice", key=lambda order: f"o-{order.pk}")
    def invoice(order, **kwargs):
        return {"number": order.number, "text": "x" * SIZE}

    def ask():
        for number in range(NUMBER):
            order = Order.objects.create(number=str(number))
            with transaction.atomic():
                event.send(Order, instance=order)

    return ask


@pytest.fixture
def given():
    """Ask for documents whose data are there."""

    def ask():
        for number in range(NUMBER):
            Render.objects.request("invoice", {"number": number, "text": "x" * SIZE})

    return ask


@pytest.fixture
def under_way(monkeypatch):
    """How many documents were noted as being sent, and not as answered, at each POST."""
    send, lock, counts = SandboxAdapter.send, threading.Lock(), []

    def counted(self, request, *args, **kwargs):
        if request.method == "POST":
            with lock:
                marked = Render.objects.filter(status="pending", sending_since__isnull=False)
                counts.append(marked.count())
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", counted)
    return counts


@pytest.mark.parametrize("ask", ["given", "declared"])
@pytest.mark.parametrize(
    ("most", "together"), [(3 * SIZE, 3), (SIZE // 2, 1), (100 * SIZE, NUMBER)]
)
def test_only_so_many_bytes_are_under_way_at_once(
    craftkit, request, monkeypatch, work, under_way, ask, most, together
):
    bytes_at_once(monkeypatch, most)
    request.getfixturevalue(ask)()
    work()
    assert max(under_way) == together
    assert len(craftkit.renders) == NUMBER
    assert set(Job.objects.values_list("attempts", "failures")) == {(0, 0)}
