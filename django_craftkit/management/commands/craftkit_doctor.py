"""``manage.py craftkit_doctor``: what is wrong, and what to do."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError
from django.db.models import Q
from django.urls import NoReverseMatch, reverse

from django_craftkit import conf, waking
from django_craftkit.client import AuthenticationError, CraftkitError, NotFound, PermissionDenied
from django_craftkit.clock import database_now
from django_craftkit.declarations import declared, templates_of, templates_of_some
from django_craftkit.management.missing import expecting
from django_craftkit.management.samples import bindings
from django_craftkit.management.tenants import TenantCommand
from django_craftkit.models import Job, ProjectState
from django_craftkit.projects import get_client
from django_craftkit.reconcile import pauses
from django_craftkit.reconcile.sweeping import lost_jobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from django_craftkit.client import Craftkit
    from django_craftkit.declarations import Declaration

#: Objects without a document that are counted.
MOST_MISSING = 1000
SCHEDULE = "CELERY_BEAT_SCHEDULE = {**django_craftkit.beat_schedule()}"
BEAT = f"Start beat with {SCHEDULE}."
SWEEP = "Start manage.py craftkit_work, or have its --once run by cron, once a minute."
#: What to start where no worker is running, and where nothing sweeps, by ``CRAFTKIT["WAKE"]``.
STARTS = {
    "celery": (f"Start a Celery worker, or manage.py craftkit_work. Is beat running? {BEAT}", BEAT),
    "tasks": (f"Start the worker of the backend in TASKS, say manage.py db_worker. {SWEEP}", SWEEP),
    "none": (SWEEP, SWEEP),
}


class Finding(NamedTuple):
    """One thing that was checked; ``fix`` is shown where there is a problem."""

    what: str
    problem: str = ""
    fix: str = ""


class Command(TenantCommand):
    help = "Looks at keys, hosts, templates, webhook secrets, broker, worker and beat."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--project", action="append", help="look at this project only")
        parser.add_argument(
            "--deploy",
            action="store_true",
            help="also build data of some objects of each declaration, and check them against its "
            "template; nothing of it is kept",
        )

    def handle_tenant(self, **options: Any) -> None:
        problems = 0
        # Each is shown as soon as it is known: some take seconds.
        for what, problem, fix in _findings(options["project"], deploy=options["deploy"]):
            if not problem:
                self.stdout.write(f"{self.style.SUCCESS('ok')}    {what}")
                continue
            problems += 1
            self.stdout.write(f"{self.style.ERROR('mend')}  {what}: {problem}")
            if fix:
                self.stdout.write(f"      {fix}")
        if problems:
            raise CommandError(f"{problems} to mend.")
        self.stdout.write(self.style.SUCCESS("All is well."))


def _findings(chosen: list[str] | None, *, deploy: bool) -> Iterator[Finding]:
    """Yield the findings of the projects that were chosen; of all, where none was."""
    known = conf.project_aliases()
    aliases = chosen or known
    if not known:
        yield Finding("CRAFTKIT_PROJECTS names a project", "it names none", "See manage.py check.")
    for alias in aliases:
        yield from _check_project(alias)
    for alias in aliases:
        yield _check_webhook_address(alias)
    yield from _check_declarations(chosen)
    yield from _check_missing(chosen)
    if deploy:
        yield from _check_samples(chosen)
    yield Finding(*waking.probe())
    try:
        yield from _check_work(aliases, is_all=not chosen)
    except DatabaseError as error:
        yield Finding("the tables of Craftkit can be read", str(error), "Run manage.py migrate.")


def _check_project(alias: str) -> Iterator[Finding]:
    try:
        project = conf.project(alias)
        client = get_client(alias, max_retries=0)
    except (ImproperlyConfigured, ValueError) as error:
        yield Finding(f"project {alias}", str(error))
        return
    what = f"{alias}: {project.base_url} answers"
    try:
        health = client.health()
    except CraftkitError as error:
        fix = "Is BASE_URL right, and may this machine reach it?"
        yield Finding(what, str(error), fix)
        return
    is_well = health.status == "ok"
    yield Finding(what, "" if is_well else f"it says of itself that it is {health.status}")
    yield from _check_key(alias, client)
    yield Finding(
        f"{alias}: webhook secrets",
        "" if conf.webhook_secrets(alias) else "there is none, so every webhook is refused",
        "Make a webhook in Craftkit's dashboard and put its secret into WEBHOOK_SECRETS.",
    )


def _check_key(alias: str, client: Craftkit) -> Iterator[Finding]:
    what = f"{alias}: the key is accepted"
    try:
        client.renders.get(uuid.UUID(int=0))
    except CraftkitError as error:
        # A proxy's 404 says nothing of the key.
        if isinstance(error, NotFound) and not error.is_passing:
            yield Finding(what)
        else:
            is_refused = isinstance(error, (AuthenticationError, PermissionDenied))
            fix = (
                "Make a key in Craftkit's dashboard under Project, API keys; keys are bound to a "
                "host."
            )
            yield Finding(what, str(error), fix if is_refused else "")
            return
    for slug in sorted(templates_of(alias) | templates_of_some()):
        yield _check_template(alias, client, slug)


def _check_template(alias: str, client: Craftkit, slug: str) -> Finding:
    what = f"{alias}: the template {slug} is published"
    try:
        template = client.templates.get(slug)
    except CraftkitError as error:
        if not isinstance(error, NotFound) or error.is_passing:
            return Finding(what, str(error))
        if slug not in templates_of(alias) and len(conf.project_aliases()) > 1:
            # A function says in which project it is rendered, and may never name this one.
            return Finding(f"{alias}: the template {slug} is not there, if project= names it")
        names = _named(one for one in declared() if one.is_for(slug, alias))
        fix = f"Make it in Craftkit, or mend the name in the declaration: {names}."
        return Finding(what, "this project has no such template", fix)
    # None: Craftkit does not say.
    is_missing = template.published is False
    return Finding(what, "it is there, but not published" if is_missing else "", "Publish it.")


def _check_webhook_address(alias: str) -> Finding:
    what = f"{alias}: webhooks have an address"
    try:
        return Finding(f"{what}: {reverse('craftkit:webhook', args=[alias])} on this site's host")
    except NoReverseMatch:
        fix = 'path("craftkit/", include("django_craftkit.urls"))'
        return Finding(what, "django_craftkit.urls is included nowhere", fix)


def _check_declarations(chosen: list[str] | None) -> Iterator[Finding]:
    named = {one.project for one in declared() if isinstance(one.project, str)}
    missing = named.difference(conf.project_aliases())
    for alias in sorted(missing if chosen is None else missing & set(chosen)):
        names = _named(one for one in declared() if one.project == alias)
        yield Finding(
            f"the project {alias} of declarations is configured",
            "CRAFTKIT_PROJECTS has no such alias, so their documents wait for ever",
            f"Add it, or mend project= in the declaration: {names}.",
        )


def _check_missing(chosen: list[str] | None) -> Iterator[Finding]:
    """Yield how many objects that should have a document have none, up to ``MOST_MISSING``."""
    for one in expecting(chosen):
        what = f"what {one.name} is declared for has documents of the template {one.template}"
        try:
            rows = one.missing()
            number = 0 if rows is None else rows.order_by()[: MOST_MISSING + 1].count()
        except Exception as error:
            # The project's own function may raise anything.
            yield Finding(
                what, f"{type(error).__name__}: {error}", f"Mend queryset= at {one.place}."
            )
            continue
        shown = f"more than {MOST_MISSING}" if number > MOST_MISSING else str(number)
        yield Finding(
            what,
            f"{shown} objects have none" if number else "",
            "Ask for them with craftkit_sync --missing, or mend queryset= in the declaration: "
            f"{_named([one])}.",
        )


def _check_samples(chosen: list[str] | None) -> Iterator[Finding]:
    """Yield whether the data of some objects fit the templates of their declarations."""
    for one in bindings(chosen):
        declaration = one.declaration
        whose = "its objects" if one.source is None else f"{one.source!r:.80}"
        what = f"{declaration.name}: the data of {whose} fit {declaration.template}"
        if one.warnings and not one.problem:
            what += f", but {'; '.join(one.warnings)}"
        yield Finding(
            what, one.problem, f"Mend the function at {declaration.place}, or the template."
        )


def _named(some: Iterable[Declaration]) -> str:
    return ", ".join(f"{one.name} ({one.place})" for one in some)


def _check_work(aliases: list[str], *, is_all: bool) -> Iterator[Finding]:
    """Yield what the database knows of these projects; ``is_all``: there are no others."""
    states = list(ProjectState.objects.writer().order_by("project", "capability"))
    # After them, so that no sign is of a time to come.
    now = database_now()
    known = conf.project_aliases()
    configured = [alias for alias in known if alias in aliases]
    # The projects that settings don't name, and that this database knows.
    left_over = {state.project for state in states}.difference(known)
    yield from _check_workers(configured, states, now)
    yield from _check_pauses([state for state in states if state.project in configured], now)
    yield from _check_left_over(left_over if is_all else left_over.intersection(aliases), states)
    yield from _check_oldest(None if is_all else aliases, now)
    yield from _check_jobs()


def _check_workers(
    aliases: list[str], states: list[ProjectState], now: datetime
) -> Iterator[Finding]:
    wake = conf.options().WAKE
    start_worker, start_sweep = STARTS.get(wake, STARTS["none"])
    wholes = {state.project: state for state in states if not state.capability}
    for alias in aliases:
        state = wholes.get(alias, ProjectState(project=alias))
        seen, swept = (
            moment and _long(now - moment) for moment in (state.last_sign_at, state.swept_at)
        )
        what = f"{alias}: a worker is running"
        if not state.has_worker(now):
            yield Finding(
                what,
                f"no worker has been seen for {seen}" if seen else "no worker has run yet",
                start_worker,
            )
            continue
        yield Finding(f"{what}: last seen {seen} ago")
        what = f"{alias}: beat is running" if wake == "celery" else f"{alias}: something sweeps"
        if state.has_sweep(now):
            yield Finding(f"{what}: last sweep {swept} ago")
            continue
        for_long = f"for {swept}" if swept else "yet"
        yield Finding(
            what,
            f"a worker is running, but there has been no sweep {for_long}",
            f"{start_sweep} Without it, work whose message was lost waits until the next document "
            "is requested.",
        )


def _check_pauses(states: list[ProjectState], now: datetime) -> Iterator[Finding]:
    for state in states:
        if not state.capability:
            heard = state.webhook_heard_at
            when = f"{heard:%Y-%m-%d %H:%M %Z}" if heard else "never"
            yield Finding(f"{state.project}: last webhook heard: {when}")
        if state.paused_at is not None:
            number = pauses.count_due(now, pauses.paused_by(state.project, state.capability))
            at = f"at {state.probe_at:%H:%M:%S %Z}" if state.probe_at else "at once"
            yield Finding(
                f"{state}: is running",
                f"it is paused: {state.pause_reason}",
                f"{_jobs(number)} for it. It is tried again {at}, and goes on if that gets "
                "through. Workers read settings when they start: restart them after a change.",
            )
    if conf.options().PAUSED:
        number = pauses.count_due(now, ~Q(project=""))
        yield Finding(
            "nothing is paused by a setting",
            'CRAFTKIT["PAUSED"] is on',
            f"{_jobs(number)} for it. Take it out of the settings, and restart the workers.",
        )


def _check_left_over(aliases: set[str], states: list[ProjectState]) -> Iterator[Finding]:
    reasons = {one.project: one.pause_reason for one in states if one.paused_at is not None}
    for alias in sorted(aliases):
        number = pauses.count(Q(project=alias))
        waits = f"{_jobs(number)} for it"
        if alias in reasons:
            waits = f"{waits}, and it is paused: {reasons[alias]}"
        yield Finding(
            f"nothing waits for the project {alias}, which CRAFTKIT_PROJECTS does not name",
            waits if number else "",
            "Add the project to CRAFTKIT_PROJECTS, with the API_KEY that it had, and restart the "
            "workers. If it was renamed, keep the old alias as well: its documents have it.",
        )


def _check_oldest(aliases: list[str] | None, now: datetime) -> Iterator[Finding]:
    late = timedelta(seconds=conf.options().OVERDUE_AFTER)
    fix = (
        "If a worker is running, it has more to do than it gets done, or its steps take long: "
        "look at the errors under Jobs in the admin and at the log, start more workers, or raise "
        'CRAFTKIT["THREADS"].'
    )
    for what, row in (
        ("job", pauses.oldest_job(now, aliases)),
        ("webhook", pauses.oldest_delivery(now, aliases)),
    ):
        if row is None or row.due_at is None:
            yield Finding(f"no {what} waits for a worker")
            continue
        waited = f"the oldest due {what} has waited for {_long(now - row.due_at)}"
        if now - row.due_at <= late:
            yield Finding(waited)
        else:
            yield Finding(f"no {what} waits for more than {_long(late)}", waited, fix)


def _check_jobs() -> Iterator[Finding]:
    if number := Job.objects.writer().quarantined().count():
        yield Finding(
            "no job is quarantined",
            f"{number} took several workers with them",
            "Look at them in the admin under Jobs. Once the cause is mended, refresh() of the "
            "document or the share starts them anew.",
        )
    for kind, number in lost_jobs().items():
        yield Finding(
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
