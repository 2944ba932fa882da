"""The Celery tasks: two that run the loop, and one that drops what is not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import shared_task

from . import waking
from .reconcile import worker

if TYPE_CHECKING:
    from celery import Task


@shared_task(name="craftkit.advance", bind=True, ignore_result=True)
def advance(self: Task[..., int], tenant: str = "") -> int:
    """Carry out what is due of a tenant; sent by whoever writes a request or stores a webhook."""
    return worker.advance(tenant, is_inline=self.request.is_eager)


# Expires on the task, not in beat's schedule: some schedulers keep nothing but the schedule. Twice
# as late as the messages that wake a worker: on a long queue all of those are dropped before their
# turn, and the sweeps must not be.
@shared_task(name="craftkit.sweep", bind=True, ignore_result=True, expires=2 * waking.EXPIRES)
def sweep(self: Task[[], int]) -> int:
    """Carry out what is due of all tenants, whether or not anybody said so; run by beat."""
    return worker.sweep(is_inline=self.request.is_eager)


@shared_task(name="craftkit.prune", bind=True, ignore_result=True, expires=3600.0)
def prune(self: Task[[], int]) -> int:
    """Drop what settings say is not kept any longer; run by beat, once a day."""
    return worker.prune(is_inline=self.request.is_eager)
