"""Declarations."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import Signal

from django_craftkit.events import render_on
from django_craftkit.mailing import Mail
from django_craftkit.signing import AnchorTag, Envelope, Recipient, SignatureField

from .models import Order

confirmed, shipped = Signal(), Signal()


@render_on(
    post_save,
    sender=Order,
    template="invoice",
    when=lambda order: order.confirmed,
    key=lambda order: f"invoice-{order.number}",
)
def invoice(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {"number": order.number, "total": order.total}


@render_on(
    confirmed,
    template="confirmation",
    key=lambda order: f"confirmation-{order.number}",
    recheck=lambda order: order.confirmed,
)
def confirmation(order: Order, **kwargs: Any) -> dict[str, Any] | None:
    return {"number": order.number} if order.total else None


@render_on(
    [shipped, confirmed], template="note", key=lambda order: f"note-{order.number}", snapshot=True
)
def delivery_note(order: Order, parcels: int = 0, **kwargs: Any) -> dict[str, Any]:
    return {"number": order.number, "parcels": parcels}


def customer(order: Order) -> Envelope | None:
    if order.total < 100:
        return None
    return Envelope(
        [Recipient("Jane", "Doe", "jane@example.com")],
        anchor_tags=[AnchorTag("[[sign_here]]", "signature")],
        fields=[SignatureField("date", page=1, x=10, y=10, width=20, height=5)],
        name=f"Order {order.number}",
    )


def readers(order: Order) -> list[str | Mail] | None:
    if not order.total:
        return None
    return ["jane@example.com", Mail("joe@example.com", message="A copy.")]


@render_on(confirmed, template="copy", key=lambda order: "", email_to=readers)
@render_on(
    shipped, template="copy", key=lambda order: "", email_to=lambda order: Mail("a@b.example")
)
def copy(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {"number": order.number}


@render_on(
    post_save,
    sender=Order,
    template="agreement",
    when=lambda order: order.confirmed,
    on_change=("total",),
    queryset=Order.objects.filter(total__gt=0),
    key=lambda order: f"agreement-{order.number}",
    sign_with=customer,
    priority="bulk",
    project=lambda order: "eu" if order.total else "default",
    language=lambda order: "de" if order.total else None,
    version=3,
    filename=lambda order: f"agreement-{order.number}.pdf",
)
def agreement(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {"number": order.number, "total": order.total}


def ship(order: Order) -> None:
    shipped.send(type(order), instance=order, parcels=2)
    # What is declared stays the function that it was.
    invoice(order)
