"""The sweep: finds what is to be done although nobody has said so."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef

from django_craftkit import conf
from django_craftkit.clock import database_now
from django_craftkit.database import in_transaction, lock
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, ProjectState, Render
from django_craftkit.models.project import signed_projects
from django_craftkit.models.render_manager import OVERDUE

from . import deliveries, templates
from .due import DUE

logger = get_logger(__name__)

#: Seconds between two looks for rows that are due and have no job.
RESTORE_EVERY = 60
#: Jobs of a kind that one look writes at most, and documents that it notes as overdue.
BATCH = 1000


def sweep() -> None:
    """Note that somebody sweeps.

    Once a minute, restore lost jobs, have templates read whose turn it is, note which documents are
    overdue, and have webhooks processed that no earlier version could read.
    """
    now = database_now()
    if note_sweep(now):
        look_after(now, int(now.timestamp()) // RESTORE_EVERY)


def look_after(now: datetime, part: int) -> None:
    """Do what is done once a minute; ``part`` counts up with each time."""
    restore_jobs(part)
    templates.schedule_due(now)
    note_overdue()
    deliveries.take_up(part)


def note_sweep(now: datetime | None = None, *, since: datetime | None = None) -> bool:
    """Note that somebody sweeps, as ``note_worker`` does; doctors and staff are shown it.

    Returns whether this is the first sweep ``since`` a moment, or of its minute, of all processes.
    """
    now = now or database_now()
    first = since or now.replace(second=0, microsecond=0)
    aliases = signed_projects()
    also = signs(now)
    del also["swept_at"]
    states = ProjectState.objects.sign("swept_at", aliases, now, at_least=first, also=also)
    is_first = any(
        state.project == aliases[0] and (state.swept_at is None or state.swept_at < first)
        for state in states
    )
    if is_first and also and conf.options().PROJECT_RESOLVER:
        ProjectState.objects.excuse_resolved(also["catching_up_until"])
    return is_first


def signs(now: datetime) -> dict[str, datetime]:
    """Return what a sweep writes to the states of projects, by column."""
    values = {"swept_at": now}
    options = conf.options()
    if options.PAUSED:
        # What waits until the setting is off is not late at that moment.
        values["catching_up_until"] = now + timedelta(seconds=options.OVERDUE_AFTER)
    return values


def signs_sql(now: datetime) -> tuple[str, str, list[Any]]:
    """Return what a sweep writes to the states of projects: columns, which rows, parameters.

    The parameters are those of the columns, then those of the rows.
    """
    values, aliases = signs(now), signed_projects()
    until = values.get("catching_up_until")
    if until is None or not conf.options().PROJECT_RESOLVER:
        columns = ", ".join(f"{column} = %s" for column in values)
        return columns, "capability = '' AND project = ANY(%s)", [*values.values(), aliases]
    # What waits in the projects of the resolver is excused, too, as often as once a minute.
    columns = (
        "swept_at = CASE WHEN project = ANY(%s) THEN %s ELSE swept_at END, catching_up_until = %s"
    )
    rows = (
        "capability = '' AND (project = ANY(%s) OR catching_up_until IS NULL "
        "OR catching_up_until < %s)"
    )
    params = [aliases, now, until, aliases, until - timedelta(seconds=RESTORE_EVERY)]
    return columns, rows, params


def restore_jobs(part: int) -> int:
    """Write the jobs of rows that are due and have none; return how many.

    ``part`` is the slice to look at of tables in which no index finds such rows.
    """
    restored = 0
    for due in DUE:
        by_project: defaultdict[str, list[int]] = defaultdict(list)
        for object_id, project in due.lost(part)[:BATCH]:
            by_project[project].append(object_id)
        for project, object_ids in by_project.items():
            logger.warning(
                "%d of kind %r of project %r were due and had no job: %s",
                len(object_ids),
                due.kind.value,
                project,
                object_ids[:10],
                extra={"project": project, "kind": due.kind.value},
            )
            Job.objects.restore(due.kind, object_ids, project)
            restored += len(object_ids)
    return restored


def note_overdue() -> int:
    """Note which documents are overdue by now, once for each attempt; return how many."""
    told = Change.objects.writer().filter(
        kind=Change.Kind.RENDER,
        object_id=OuterRef("pk"),
        attempt=OuterRef("attempt"),
        to_status=OVERDUE,
    )
    late = Render.objects.writer().overdue().filter(~Exists(told))
    attempts = dict(late.order_by("pk").values_list("pk", "attempt")[:BATCH])
    noted = _note_overdue(attempts) if attempts else []
    if noted:
        logger.warning("Newly overdue documents: %d, such as %s.", len(noted), noted[:10])
    return len(noted)


@in_transaction
def _note_overdue(attempts: dict[int, int]) -> list[int]:
    """Note that these attempts, by document, are overdue; return those that are by now."""
    # Whoever comes second waits here, and finds what the first has noted.
    rows = lock(Render.objects.writer().under_way()).filter(pk__in=list(attempts))
    late = list(rows.only("status", "attempt").order_by("pk"))
    told = Change.objects.writer().filter(
        kind=Change.Kind.RENDER, object_id__in=list(attempts), to_status=OVERDUE
    )
    known = set(told.values_list("object_id", "attempt"))
    changes = [
        Change(
            kind=Change.Kind.RENDER,
            object_id=row.pk,
            attempt=row.attempt,
            from_status=row.status,
            to_status=OVERDUE,
            cause=Change.Cause.HERE,
            signal="render_overdue",
        )
        for row in late
        if row.attempt == attempts[row.pk] and (row.pk, row.attempt) not in known
    ]
    Change.objects.record(changes)
    return [change.object_id for change in changes]


def lost_jobs() -> dict[str, int]:
    """Return how many rows are due and have no job, by kind; those of which there are some."""
    counts: dict[str, int] = {}
    for due in DUE:
        if lost := due.lost().count():
            counts[due.kind.value] = counts.get(due.kind, 0) + lost
    return counts
