from __future__ import annotations

from celery import shared_task


@shared_task(ignore_result=True)
def render_by_hand(booking_id: int) -> None:
    """Stands for the task that a project would write; nobody runs it here."""
