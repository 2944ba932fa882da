"""What a project asks for, in the words of any version: repeated, each call is the same wish.

Imported by ``fill.py`` under the version that fills a database, and by the test under this one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

from django_craftkit.events import render_on
from django_craftkit.models import Render
from django_craftkit.signing import AnchorTag, Envelope, Recipient
from tests.shop.craftkit import shipped
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable

PEOPLE = [Recipient("Ελένη", "Papadopoulou", "eleni@example.com")]
TAGS = [AnchorTag("{{sign_here}}", "signature", recipient=0)]
EXPIRY = datetime(2040, 1, 1, 12, tzinfo=UTC)

#: How far each wish was when the database was left.
STAGES = ("pending", "lost", "ready")

agreed = Signal()


@render_on(
    agreed,
    template="contract",
    key=lambda order: f"contract-{order.number}",
    sign_with=lambda order: Envelope(PEOPLE, anchor_tags=TAGS, name=f"Contract {order.number}"),
)
def contract_of_order(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {"number": order.number}


def order(number: str) -> Order:
    return Order.objects.get_or_create(number=number, defaults={"total": Decimal("12.50")})[0]


def confirm(stage: str) -> None:
    """Fire ``post_save``, which declares an invoice."""
    one = order(f"declared-{stage}")
    one.confirmed = True
    one.save()


def documents(stage: str) -> dict[str, Callable[[], Any]]:
    """Return the ways to ask for a document, by name."""

    def request(template: str, data: dict[str, Any], **more: Any) -> Render:
        return Render.objects.request(template, data, **more)

    return {
        "by key": lambda: request("invoice", {"n": 1}, key=f"key-{stage}"),
        "about an object": lambda: request("invoice", {"n": 2}, source=order(f"about-{stage}")),
        "about an object, by key": lambda: request(
            "invoice", {"n": 3}, source=order(f"about-{stage}"), key=f"about-key-{stage}"
        ),
        "by its data": lambda: request(
            "letter",
            {"to": f"Ада {stage}", "sum": Decimal("1.50"), "on": datetime(2026, 6, 5, tzinfo=UTC)},
        ),
        "in another project": lambda: request("invoice", {}, key=f"eu-{stage}", project="eu"),
        "of a version": lambda: request("invoice", {"n": 4}, key=f"version-{stage}", version=1),
        "declared": lambda: confirm(stage),
        "declared, as of then": lambda: shipped.send(
            Order, instance=order(f"shipped-{stage}"), parcels=2
        ),
        "declared, to be signed": lambda: agreed.send(Order, instance=order(f"agreed-{stage}")),
    }


def base(name: str = "base") -> Render:
    """Return a document that was ready before anything was done with it."""
    return Render.objects.request("invoice", {"base": name}, key=name)


def handing_out(stage: str) -> dict[str, Callable[[], Any]]:
    """Return the ways to hand a document out, by name."""
    to = f"{stage}@example.com"
    return {
        "a link by key": lambda: base().share(key=f"link-{stage}", message=stage),
        "a link that ends": lambda: base().share(key=f"ends-{stage}", expires_at=EXPIRY),
        "a mail": lambda: base().email(to, recipient_name="Ada", message="Your invoice."),
        "a mail by key": lambda: base().email(to, message="Once more.", key=f"mail-{stage}"),
        "signatures": lambda: base().send_for_signature(
            PEOPLE, anchor_tags=TAGS, name=f"Charter {stage}"
        ),
        "signatures by key": lambda: base().send_for_signature(
            PEOPLE,
            anchor_tags=TAGS,
            name="Charter",
            expires_in=timedelta(days=30),
            key=f"sign-{stage}",
        ),
    }


def repeat() -> None:
    """Make every call once more."""
    for stage in STAGES:
        for call in (*documents(stage).values(), *handing_out(stage).values()):
            call()
