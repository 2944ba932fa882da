"""The Celery tasks: two that run the loop, and one that drops what is not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import shared_task

from . import waking
from .reconcile import retention
from .reconcile.loop import Loop
from .reconcile.worker import SECONDS, Worker, work_here

if TYPE_CHECKING:
    from celery import Task

#: What all tasks of this process share.
_worker = Worker()


@shared_task(name="craftkit.advance", bind=True, ignore_result=True)
def advance(self: Task[..., int], tenant: str = "") -> int:
    """Carry out what is due of a tenant; sent by whoever writes a request or stores a webhook."""
    # An eager task runs in its caller, which is no worker.
    return work_here(tenant) if self.request.is_eager else _worker.advance(tenant)


# Expires on the task, not in beat's schedule: some schedulers keep nothing but the schedule. Twice
# as late as the messages that wake a worker: on a long queue all of those are dropped before their
# turn, and the sweeps must not be.
@shared_task(name="craftkit.sweep", bind=True, ignore_result=True, expires=2 * waking.EXPIRES)
def sweep(self: Task[[], int]) -> int:
    """Carry out what is due of all tenants, whether or not anybody said so; run by beat."""
    return Loop(threads=1).sweep(SECONDS) if self.request.is_eager else _worker.sweep()


@shared_task(name="craftkit.prune", bind=True, ignore_result=True, expires=3600.0)
def prune(self: Task[[], int]) -> int:
    """Drop what settings say is not kept any longer; run by beat, once a day."""
    if self.request.is_eager:
        return sum(number for _name, number in retention.prune())
    return _worker.prune()
