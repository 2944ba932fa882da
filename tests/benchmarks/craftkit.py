"""One document, once declared and once sent by hand: both on ``post_save``."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from django_craftkit.events import render_on

from .models import DeclaredBooking, HandBooking
from .tasks import render_by_hand


@render_on(
    post_save,
    sender=DeclaredBooking,
    template="booking",
    key=lambda booking: f"booking-{booking.code}",
)
def booking_data(booking: DeclaredBooking, **kwargs: Any) -> dict[str, Any]:
    return {"code": booking.code}


@receiver(post_save, sender=HandBooking)
def send_by_hand(instance: HandBooking, **kwargs: Any) -> None:
    transaction.on_commit(partial(render_by_hand.delay, instance.pk))
