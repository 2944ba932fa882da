"""The Celery tasks: two that run the loop, and one that drops what is not kept."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from celery import shared_task

from . import waking
from .models.claims import Watermarks
from .reconcile import retention
from .reconcile.exclusion import Exclusion
from .reconcile.loop import Loop
from .reconcile.pool import Pool
from .reconcile.pulse import Pulse

if TYPE_CHECKING:
    from celery import Task

#: Seconds that one task runs at most, before it hands over to the next.
SECONDS = 20.0
#: What all tasks of this process share: a pool of threads runs several at once.
_exclusion = Exclusion()
_pool = Pool()
_pulse = Pulse()
_watermarks = Watermarks()


@shared_task(name="craftkit.advance", bind=True, ignore_result=True)
def advance(self: Task[[], int]) -> int:
    """Carry out what is due; sent by whoever writes a request or stores a webhook."""
    return _loop(self).run(SECONDS)


# Expires on the task, not in beat's schedule: some schedulers keep nothing but the schedule. Twice
# as late as the messages that wake a worker: on a long queue all of those are dropped before their
# turn, and the sweeps must not be.
@shared_task(name="craftkit.sweep", bind=True, ignore_result=True, expires=2 * waking.EXPIRES)
def sweep(self: Task[[], int]) -> int:
    """Carry out what is due, whether or not anybody said so; run by beat."""
    return _loop(self).sweep(SECONDS)


@shared_task(name="craftkit.prune", bind=True, ignore_result=True, expires=3600.0)
def prune(self: Task[[], int]) -> int:
    """Drop what settings say is not kept any longer; run by beat, once a day."""
    with nullcontext() if self.request.is_eager else _pulse.beat():
        return sum(number for _name, number in retention.prune())


def _loop(task: Task[[], int]) -> Loop:
    # An eager task runs in its caller, which is no worker, and whose transaction no thread sees.
    if task.request.is_eager:
        return Loop(threads=1)
    return Loop(exclusion=_exclusion, pool=_pool, pulse=_pulse, watermarks=_watermarks)
