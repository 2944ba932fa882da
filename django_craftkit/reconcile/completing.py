"""Batches: noted as complete, and announced, once all of their documents have ended.

A document that ends makes the job of its batch due, and many that end at a time make one. Its step
looks for one document that is under way; nothing is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit import clock
from django_craftkit.database import in_transaction, lock
from django_craftkit.models import Batch, Change, Job
from django_craftkit.models.batch import COMPLETED, OPEN

from .results import Done, Reschedule, Result

if TYPE_CHECKING:
    from django_craftkit.models.batch import BatchQuerySet

#: Seconds to the next look at a batch that somebody has locked.
AGAIN = 5.0


@in_transaction
def step(job: Job) -> Result:
    """Note that a batch is complete, if it is."""
    # Whoever retries one of its documents, or adds one, has the row locked, or waits for it; and
    # what is looked for next is seen as it is by then. Theirs may be a long transaction.
    mine: BatchQuerySet = Batch.objects.writer().filter(pk=job.object_id)
    still_open = mine.filter(completed_at=None)
    if lock(still_open, skip_locked=True).first() is None:
        return Reschedule(AGAIN) if still_open.exists() else Done()
    if not mine.complete().exists():
        return Done()
    mine.update(completed_at=clock.now())
    change = Change(
        kind=Change.Kind.BATCH,
        object_id=job.object_id,
        from_status=OPEN,
        to_status=COMPLETED,
        cause=Change.Cause.HERE,
        signal="batch_completed",
    )
    Change.objects.record([change])
    return Done()
