from __future__ import annotations

from typing import Any

import requests
from celery import Task, shared_task
from django.conf import settings
from django.dispatch import Signal

from .models import HandBooking

BASE_URL = settings.CRAFTKIT_PROJECTS["default"]["BASE_URL"]
HEADERS = {"Authorization": f"Bearer {settings.CRAFTKIT_PROJECTS['default']['API_KEY']}"}

#: Sent with the booking when its document is there.
document_ready = Signal()


@shared_task(ignore_result=True)
def send(booking_id: int) -> None:
    booking = HandBooking.objects.get(pk=booking_id)
    if booking.render_id is not None:
        return
    response = requests.post(
        f"{BASE_URL}/v1/templates/booking/render",
        json={"data": {"code": booking.code}},
        headers={**HEADERS, "Idempotency-Key": f"booking-{booking.code}"},
        timeout=30,
    )
    response.raise_for_status()
    body = response.json()
    booking.render_id = body["id"]
    booking.status = body["status"]
    booking.save(update_fields=["render_id", "status"])
    if not settings.BY_HAND_HEARS_WEBHOOKS:
        poll.apply_async((booking_id,), countdown=1)


@shared_task(bind=True, ignore_result=True, max_retries=None)
def poll(self: Task[Any, Any], booking_id: int) -> None:
    booking = HandBooking.objects.get(pk=booking_id)
    response = requests.get(
        f"{BASE_URL}/v1/renders/{booking.render_id}", headers=HEADERS, timeout=30
    )
    response.raise_for_status()
    status = response.json()["status"]
    if status not in ("succeeded", "failed"):
        raise self.retry(countdown=1)
    booking.status = status
    booking.save(update_fields=["status"])
    document_ready.send(HandBooking, instance=booking)


@shared_task(ignore_result=True)
def tell(render_id: str) -> None:
    """Call the receivers, where a webhook brought the end: the view has no time for them."""
    document_ready.send(HandBooking, instance=HandBooking.objects.get(render_id=render_id))
