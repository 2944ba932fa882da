"""Declarations that the tests fire."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models.signals import post_save
from django.dispatch import Signal

from django_craftkit.events import render_on

from .models import Order

shipped = Signal()
closed = Signal()


@render_on(
    post_save,
    sender=Order,
    template="invoice",
    when=lambda order: order.confirmed,
    key=lambda order: f"invoice-{order.number}",
)
def invoice(order: Order, **kwargs: Any) -> dict[str, Any] | None:
    if order.number == "RAISES":
        raise LookupError("no such price")
    if order.number == "BREAKS":
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
    if order.number == "NOTHING":
        return None
    return {
        "number": order.number,
        "total": order.total,
        "lines": [{"text": line.text} for line in order.lines.order_by("pk")],
    }


@render_on(
    shipped,
    template="delivery-note",
    key=lambda order: f"note-{order.number}",
    snapshot=True,
)
def delivery_note(order: Order, **kwargs: Any) -> dict[str, Any]:
    if order.number == "RAISES":
        raise LookupError("no such parcel")
    return {"number": order.number, "total": order.total, "parcels": kwargs.get("parcels")}


@render_on(closed, template="report", key=lambda day: f"report-{day}")
def report(day: str, **kwargs: Any) -> dict[str, Any]:
    return {"day": day, "turnover": kwargs["turnover"]}
