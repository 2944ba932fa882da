"""One document, declared on ``post_save``; ``by_hand`` has the same without the package."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import Signal

from django_craftkit.events import render_on

from .models import DeclaredBooking
from .rows import TEMPLATES


@render_on(
    post_save,
    sender=DeclaredBooking,
    template="booking",
    key=lambda booking: f"booking-{booking.code}",
)
def booking_data(booking: DeclaredBooking, **kwargs: Any) -> dict[str, Any]:
    return {"code": booking.code}


def _nothing(instance: Any, **kwargs: Any) -> None:
    """Stands for the data of documents that are only looked at."""


# Nobody sends it: the templates are declared, so that a list can be filtered by them.
_never = Signal()
for _template in sorted(TEMPLATES.keys() - {"booking"}):
    render_on(_never, template=_template, key=str)(_nothing)
