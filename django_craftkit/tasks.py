"""Celery's side: two tasks that run the loop."""

from __future__ import annotations

from celery import shared_task

from .reconcile.loop import Loop, note_sweep

#: Seconds that one task runs at most, before it hands over to the next.
SECONDS = 20.0


@shared_task(name="craftkit.advance", ignore_result=True)
def advance() -> int:
    """Carry out what is due; sent by whoever writes a wish or hears a webhook."""
    return Loop().run(SECONDS)


@shared_task(name="craftkit.sweep", ignore_result=True)
def sweep() -> int:
    """Carry out what is due, whether or not anybody said so; run by beat."""
    note_sweep()
    return Loop().run(SECONDS)
