"""What goes on here: workers, beat, pauses, and what waits."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Q

from django_craftkit import conf, credentials
from django_craftkit.clock import database_now
from django_craftkit.models import Job, ProjectState
from django_craftkit.models.project import RESOLVED, signed_projects
from django_craftkit.reconcile import pauses
from django_craftkit.reconcile.sweeping import lost_jobs

from .finding import Check, Finding
from .projects import FEW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

BEAT = "Start beat with CELERY_BEAT_SCHEDULE = {**django_craftkit.beat_schedule()}."
SWEEP = "Start manage.py craftkit_work, or have its --once run by cron, once a minute."
#: What to start where no worker is running, and where nothing sweeps, by ``CRAFTKIT["WAKE"]``.
STARTS = {
    "celery": (f"Start a Celery worker, or manage.py craftkit_work. Is beat running? {BEAT}", BEAT),
    "tasks": (f"Start the worker of the backend in TASKS, say manage.py db_worker. {SWEEP}", SWEEP),
    "none": (SWEEP, SWEEP),
}


def check_work(aliases: list[str], *, is_all: bool) -> Iterator[Finding]:
    """Yield what the database knows of these projects; ``is_all``: there are no others."""
    states = list(ProjectState.objects.writer().order_by("project", "capability"))
    # After them, so that no sign is of a time to come.
    now = database_now()
    mine = {alias for alias in aliases if credentials.has_project(alias)}
    others = {state.project for state in states}.difference(signed_projects(), mine)
    is_resolved = is_all or bool(mine.difference(conf.projects()))
    # Workers give one sign for all projects of the resolver.
    signed = [one for one in signed_projects() if one in mine or (one == RESOLVED and is_resolved)]
    yield from _check_workers(signed, states, now)
    yield from _check_pauses([state for state in states if state.project in mine], now)
    if is_all and conf.options().PROJECT_RESOLVER:
        # Which of them are left over, only the resolver knows: it would be asked for each.
        yield from _check_pauses_of_others([one for one in states if one.project in others])
    else:
        yield from _check_left_over(others if is_all else others.intersection(aliases), states)
    yield from _check_oldest(None if is_all else aliases, now)
    yield from _check_jobs()


def _check_workers(
    aliases: list[str], states: list[ProjectState], now: datetime
) -> Iterator[Finding]:
    wake = conf.options().WAKE
    start_worker, start_sweep = STARTS.get(wake, STARTS["none"])
    wholes = {state.project: state for state in states if not state.capability}
    for state in [wholes.get(alias, ProjectState(project=alias)) for alias in aliases]:
        alias = state.shown_project
        seen, swept = (
            moment and _long(now - moment) for moment in (state.last_sign_at, state.swept_at)
        )
        what = f"{alias}: a worker is running"
        if not state.has_worker(now):
            yield Finding(
                Check.WORKER,
                what,
                f"no worker has been seen for {seen}" if seen else "no worker has run yet",
                start_worker,
                state.project,
            )
            continue
        yield Finding(Check.WORKER, f"{what}: last seen {seen} ago", project=state.project)
        what = f"{alias}: beat is running" if wake == "celery" else f"{alias}: something sweeps"
        if state.has_sweep(now):
            yield Finding(Check.BEAT, f"{what}: last sweep {swept} ago", project=state.project)
            continue
        for_long = f"for {swept}" if swept else "yet"
        yield Finding(
            Check.BEAT,
            what,
            f"a worker is running, but there has been no sweep {for_long}",
            f"{start_sweep} Without it, work whose message was lost waits until the next document "
            "is requested.",
            state.project,
        )


def _check_pauses(states: list[ProjectState], now: datetime) -> Iterator[Finding]:
    for state in states:
        if not state.capability:
            heard = state.webhook_heard_at
            when = f"{heard:%Y-%m-%d %H:%M %Z}" if heard else "never"
            what = f"{state.project}: last webhook heard: {when}"
            yield Finding(Check.LAST_WEBHOOK, what, project=state.project)
        if state.paused_at is not None:
            number = pauses.count_due(now, pauses.paused_by(state.project, state.capability))
            at = f"at {state.probe_at:%H:%M:%S %Z}" if state.probe_at else "at once"
            yield Finding(
                Check.PAUSE,
                f"{state}: is running",
                f"it is paused: {state.pause_reason}",
                f"{_jobs(number)} for it. It is tried again {at}, and goes on if that gets "
                "through. Workers read settings when they start: restart them after a change.",
                state.project,
            )
    if conf.options().PAUSED:
        number = pauses.count_due(now, ~Q(project=""))
        yield Finding(
            Check.PAUSED_SETTING,
            "nothing is paused by a setting",
            'CRAFTKIT["PAUSED"] is on',
            f"{_jobs(number)} for it. Take it out of the settings, and restart the workers.",
        )


def _check_pauses_of_others(states: list[ProjectState]) -> Iterator[Finding]:
    """Yield how many projects of the resolver are paused, and the first few reasons."""
    paused = [state for state in states if state.paused_at is not None]
    some = "; ".join(f"{state}: {state.pause_reason}" for state in paused[:FEW])
    yield Finding(
        Check.PAUSE,
        "no other project is paused",
        f"{len(paused)} are, such as {some}" if paused else "",
        "craftkit_doctor --project looks at one of them.",
    )


def _check_left_over(aliases: set[str], states: list[ProjectState]) -> Iterator[Finding]:
    reasons = {one.project: one.pause_reason for one in states if one.paused_at is not None}
    for alias in sorted(aliases):
        number = pauses.count(Q(project=alias))
        waits = f"{_jobs(number)} for it"
        if alias in reasons:
            waits = f"{waits}, and it is paused: {reasons[alias]}"
        yield Finding(
            Check.UNKNOWN_PROJECT,
            f"nothing waits for the project {alias}, which is not configured",
            waits if number else "",
            "Add the project to CRAFTKIT_PROJECTS, with the API_KEY that it had, and restart the "
            "workers. If it was renamed, keep the old alias as well: its documents have it.",
            alias,
        )


def _check_oldest(aliases: list[str] | None, now: datetime) -> Iterator[Finding]:
    late = timedelta(seconds=conf.options().OVERDUE_AFTER)
    fix = (
        "If a worker is running, it has more to do than it gets done, or its steps take long: "
        "look at the errors under Jobs in the admin and at the log, start more workers, or raise "
        'CRAFTKIT["THREADS"].'
    )
    for check, what, row in (
        (Check.OLDEST_JOB, "job", pauses.oldest_job(now, aliases)),
        (Check.OLDEST_WEBHOOK, "webhook", pauses.oldest_delivery(now, aliases)),
    ):
        if row is None or row.due_at is None:
            yield Finding(check, f"no {what} waits for a worker")
            continue
        waited = f"the oldest due {what} has waited for {_long(now - row.due_at)}"
        if now - row.due_at <= late:
            yield Finding(check, waited)
        else:
            what = f"no {what} waits for more than {_long(late)}"
            yield Finding(check, what, waited, fix)


def _check_jobs() -> Iterator[Finding]:
    if number := Job.objects.writer().quarantined().count():
        yield Finding(
            Check.QUARANTINED_JOBS,
            "no job is quarantined",
            f"{number} took several workers with them",
            "Look at them in the admin under Jobs. Once the cause is mended, refresh() of the "
            "document or the share starts them anew.",
        )
    for kind, number in lost_jobs().items():
        yield Finding(
            Check.LOST_JOBS,
            f"whatever is due has a job of the kind {kind!r}",
            f"{number} rows have none",
            "The sweep writes such jobs within minutes, of a large table within hours. If the "
            "number stays, no sweep runs: start beat, or manage.py craftkit_work.",
        )


def _jobs(number: int) -> str:
    if number == 1:
        return "1 job waits"
    return f"{number} jobs wait" if number <= pauses.MOST else f"more than {pauses.MOST} jobs wait"


def _long(duration: timedelta) -> str:
    """Return how long something has taken, in the unit that says most."""
    seconds = max(int(duration.total_seconds()), 0)
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
