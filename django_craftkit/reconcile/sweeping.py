"""The sweep: what is looked after although nobody has said that there is something to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit import conf
from django_craftkit.clock import database_now
from django_craftkit.log import get_logger
from django_craftkit.models import Job, ProjectState

from .due import DUE

if TYPE_CHECKING:
    from datetime import datetime

logger = get_logger(__name__)

#: Seconds between two looks for rows that are due and have no job.
MEND_EVERY = 60
#: Jobs of a kind that one look writes at most.
BATCH = 1000


def sweep() -> None:
    """Note that somebody sweeps, and once a minute mend what has lost its job."""
    now = database_now()
    if note_sweep(now):
        mend(int(now.timestamp()) // MEND_EVERY)


def note_sweep(now: datetime | None = None) -> bool:
    """Note for each project that somebody sweeps, which doctors and staff are shown.

    Returns whether this is the first sweep of its minute, of all processes.
    """
    now = now or database_now()
    minute = now.replace(second=0, microsecond=0)
    aliases = conf.project_aliases()
    return any(
        state.project == aliases[0] and (state.swept_at is None or state.swept_at < minute)
        for state in ProjectState.objects.sign("swept_at", aliases, now, at_least=minute)
    )


def mend(part: int) -> int:
    """Write the jobs of rows that are due and have none; return how many.

    ``part`` is the slice to look at of tables in which no index finds such rows.
    """
    mended = 0
    for due in DUE:
        by_project: dict[str, list[int]] = {}
        for object_id, project in due.lost(part)[:BATCH]:
            by_project.setdefault(project, []).append(object_id)
        for project, object_ids in by_project.items():
            logger.warning(
                "%d of kind %r of project %r were due and had no job: %s",
                len(object_ids),
                due.kind,
                project,
                object_ids[:10],
            )
            Job.objects.restore(due.kind, object_ids, project)
            mended += len(object_ids)
    return mended


def lost_jobs() -> dict[str, int]:
    """Return how many rows are due and have no job, by kind; those of which there are some."""
    counts: dict[str, int] = {}
    for due in DUE:
        if lost := due.lost().count():
            counts[due.kind] = counts.get(due.kind, 0) + lost
    return counts
