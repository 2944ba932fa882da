"""A document that is ready takes the place of the one that it supersedes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.models.superseding import take_place
from django_craftkit.reconcile.results import Done, Result

if TYPE_CHECKING:
    from django_craftkit.models import Job


def step(job: Job) -> Result:
    """Withdraw the document that this one supersedes. Craftkit is not called."""
    take_place(job.object_id)
    return Done()
