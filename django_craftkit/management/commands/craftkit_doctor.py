"""``manage.py craftkit_doctor``: what is wrong, and what to do."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.db.models import Q
from django.urls import NoReverseMatch, reverse

from django_craftkit import conf, dispatch
from django_craftkit.client import AuthenticationError, CraftkitError, NotFound, PermissionDenied
from django_craftkit.clock import database_now
from django_craftkit.database import database
from django_craftkit.declarations import declared, templates_of
from django_craftkit.models import Job, ProjectState
from django_craftkit.projects import get_client
from django_craftkit.reconcile import pauses
from django_craftkit.reconcile.sweeping import lost_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from django_craftkit.client import Craftkit
    from django_craftkit.declarations import Declaration

#: Seconds for the broker to answer.
BROKER_TIMEOUT = 3
SCHEDULE = "CELERY_BEAT_SCHEDULE = {**django_craftkit.beat_schedule()}"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    trouble: str = ""
    remedy: str = ""


class Command(BaseCommand):
    help = "Looks at keys, hosts, templates, webhook secrets, broker, worker and beat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", action="append", help="look at this project only")

    def handle(self, *args: object, **options: Any) -> None:
        aliases = options["project"] or conf.project_aliases()
        troubles = 0
        looks: list[Callable[[], Iterator[Finding]]] = [
            _look_at_settings,
            *(lambda alias=alias: _look_at_project(alias) for alias in aliases),
            *(lambda alias=alias: _look_at_webhook_address(alias) for alias in aliases),
            lambda: _look_at_declarations(options["project"]),
            _look_at_broker,
            lambda: _look_at_work(aliases, is_all=not options["project"]),
        ]
        for look in looks:
            for finding in look():
                troubles += bool(finding.trouble)
                self._tell(finding)
        if troubles:
            raise CommandError(f"{troubles} to mend.")
        self.stdout.write(self.style.SUCCESS("All is well."))

    def _tell(self, finding: Finding) -> None:
        if not finding.trouble:
            self.stdout.write(f"{self.style.SUCCESS('ok')}    {finding.what}")
            return
        self.stdout.write(f"{self.style.ERROR('mend')}  {finding.what}: {finding.trouble}")
        if finding.remedy:
            self.stdout.write(f"      {finding.remedy}")


def _look_at_settings() -> Iterator[Finding]:
    if not conf.project_aliases():
        yield Finding("CRAFTKIT_PROJECTS names a project", "it names none", "See manage.py check.")


def _look_at_project(alias: str) -> Iterator[Finding]:
    try:
        project = conf.project(alias)
        client = get_client(alias, max_retries=0)
    except (ImproperlyConfigured, ValueError) as error:
        yield Finding(f"project {alias}", str(error))
        return
    try:
        health = client.health()
    except CraftkitError as error:
        yield Finding(
            f"{alias}: {project.base_url} answers",
            str(error),
            "Is BASE_URL right, and may this machine reach it?",
        )
        return
    trouble = "" if health.status == "ok" else f"it says of itself that it is {health.status}"
    yield Finding(f"{alias}: {project.base_url} answers", trouble)
    yield from _look_at_key(alias, client)
    yield Finding(
        f"{alias}: webhook secrets",
        "" if conf.webhook_secrets(alias) else "there is none, so every webhook is refused",
        "Make a webhook in Craftkit's dashboard and put its secret into WEBHOOK_SECRETS.",
    )


def _look_at_key(alias: str, client: Craftkit) -> Iterator[Finding]:
    try:
        client.renders.get(uuid.UUID(int=0))
    except NotFound as error:
        # A proxy's page says nothing of the key.
        yield Finding(f"{alias}: the key is accepted", str(error) if error.is_passing else "")
        if error.is_passing:
            return
    except (AuthenticationError, PermissionDenied) as error:
        yield Finding(
            f"{alias}: the key is accepted",
            str(error),
            "Make a key in Craftkit's dashboard under Project, API keys; keys are bound to a host.",
        )
        return
    except CraftkitError as error:
        yield Finding(f"{alias}: the key is accepted", str(error))
        return
    for slug in sorted(templates_of(alias)):
        yield _look_at_template(alias, client, slug)


def _look_at_template(alias: str, client: Craftkit, slug: str) -> Finding:
    what = f"{alias}: the template {slug} is published"
    try:
        template = client.templates.get(slug)
    except NotFound as error:
        if error.is_passing:
            return Finding(what, str(error))
        names = _named(one for one in declared() if (one.project, one.template) == (alias, slug))
        remedy = f"Make it in Craftkit, or mend the name in the declaration: {names}."
        return Finding(what, "this project has no such template", remedy)
    except CraftkitError as error:
        return Finding(what, str(error))
    # None: Craftkit does not say.
    is_missing = template.published is False
    return Finding(what, "it is there, but not published" if is_missing else "", "Publish it.")


def _look_at_declarations(chosen: list[str] | None) -> Iterator[Finding]:
    known = conf.project_aliases()
    missing = {one.project for one in declared() if one.project not in known}
    for alias in sorted(missing if chosen is None else missing & set(chosen)):
        names = _named(one for one in declared() if one.project == alias)
        yield Finding(
            f"the project {alias} of declarations is configured",
            "CRAFTKIT_PROJECTS has no such alias, so their documents wait for ever",
            f"Add it, or mend project= in the declaration: {names}.",
        )


def _named(some: Iterable[Declaration]) -> str:
    return ", ".join(f"{one.name} ({one.place})" for one in some)


def _look_at_webhook_address(alias: str) -> Iterator[Finding]:
    what = f"{alias}: webhooks have an address"
    try:
        yield Finding(f"{what}: {reverse('craftkit:webhook', args=[alias])} on this site's host")
    except NoReverseMatch:
        yield Finding(
            what,
            "django_craftkit.urls is included nowhere",
            'path("craftkit/", include("django_craftkit.urls"))',
        )


def _look_at_broker() -> Iterator[Finding]:
    app = dispatch.celery_app()
    if app is None:
        yield Finding("no Celery app: manage.py craftkit_work has to run")
        return
    what = "the broker answers"
    try:
        with app.connection_for_write(connect_timeout=BROKER_TIMEOUT) as connection:
            what = f"the broker {connection.as_uri()} answers"
            connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT)
    except Exception as error:
        # A broker's client may raise anything, also where the client itself is not installed.
        yield Finding(
            what,
            f"{type(error).__name__}: {error}",
            "Start it, install its client, or mend CELERY_BROKER_URL. Until then only a sweep "
            "carries wishes out.",
        )
    else:
        yield Finding(what)


@dataclass(frozen=True)
class Known:
    """What the database knows, read once."""

    now: datetime
    states: list[ProjectState]
    #: The projects to look at; ``is_all``: there are no others.
    aliases: list[str]
    is_all: bool

    @property
    def configured(self) -> list[str]:
        return [alias for alias in conf.project_aliases() if alias in self.aliases]

    @property
    def left_over(self) -> set[str]:
        """The projects that settings don't name, and that this database knows."""
        unknown = {state.project for state in self.states}.difference(conf.project_aliases())
        return unknown if self.is_all else unknown.intersection(self.aliases)


def _look_at_work(aliases: list[str], *, is_all: bool) -> Iterator[Finding]:
    try:
        states = list(ProjectState.objects.using(database()).order_by("project", "capability"))
        # After them, so that no sign is of a time to come.
        known = Known(database_now(), states, aliases, is_all)
        yield from _look_at_workers(known)
        yield from _look_at_pauses(known)
        yield from _look_at_left_over(known)
        yield from _look_at_oldest(known)
        yield from _look_at_jobs()
    except DatabaseError as error:
        yield Finding("the tables of Craftkit can be read", str(error), "Run manage.py migrate.")


def _look_at_workers(known: Known) -> Iterator[Finding]:
    wholes = {state.project: state for state in known.states if not state.capability}
    for alias in known.configured:
        state = wholes.get(alias, ProjectState(project=alias))
        seen, swept = (
            moment and _long(known.now - moment) for moment in (state.last_sign_at, state.swept_at)
        )
        what = f"{alias}: a worker is running"
        if not state.has_worker(known.now):
            yield Finding(
                what,
                f"no worker has been seen for {seen}" if seen else "no worker has run yet",
                "Start a Celery worker, or manage.py craftkit_work. If beat runs, its messages "
                f"wait for a worker; if it does not, start it as well, with {SCHEDULE}.",
            )
            continue
        yield Finding(f"{what}: last seen {seen} ago")
        what = f"{alias}: beat is running"
        if state.has_sweep(known.now):
            yield Finding(f"{what}: last sweep {swept} ago")
            continue
        for_long = f"for {swept}" if swept else "yet"
        yield Finding(
            what,
            f"a worker is running, but there has been no sweep {for_long}",
            f"Start beat with {SCHEDULE}. Without it, work whose message was lost waits until the "
            "next document is requested.",
        )


def _look_at_pauses(known: Known) -> Iterator[Finding]:
    for state in known.states:
        if state.project not in known.configured:
            continue
        if not state.capability:
            heard = state.webhook_heard_at
            when = f"{heard:%Y-%m-%d %H:%M %Z}" if heard else "never"
            yield Finding(f"{state.project}: last webhook heard: {when}")
        if state.paused_at is not None:
            number = pauses.count_due(known.now, pauses.paused_by(state.project, state.capability))
            at = f"at {state.probe_at:%H:%M:%S %Z}" if state.probe_at else "at once"
            yield Finding(
                f"{state}: is running",
                f"it is paused: {state.pause_reason}",
                f"{_jobs(number)} for it. It is tried again {at}, and goes on if that gets "
                "through. Workers read settings when they start: restart them after a change.",
            )
    if conf.options().PAUSED:
        number = pauses.count_due(known.now, ~Q(project=""))
        yield Finding(
            "nothing is paused by a setting",
            'CRAFTKIT["PAUSED"] is on',
            f"{_jobs(number)} for it. Take it out of the settings, and restart the workers.",
        )


def _look_at_left_over(known: Known) -> Iterator[Finding]:
    reasons = {one.project: one.pause_reason for one in known.states if one.paused_at is not None}
    for alias in sorted(known.left_over):
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


def _look_at_oldest(known: Known) -> Iterator[Finding]:
    late = timedelta(seconds=conf.options().OVERDUE_AFTER)
    remedy = (
        "If a worker is running, it has more to do than it gets done, or its steps take long: "
        "look at the errors under Jobs in the admin and at the log, start more workers, or raise "
        'CRAFTKIT["THREADS"].'
    )
    only = None if known.is_all else known.aliases
    for what, row in (
        ("job", pauses.oldest_job(known.now, only)),
        ("webhook", pauses.oldest_delivery(known.now, only)),
    ):
        if row is None or row.due_at is None:
            yield Finding(f"no {what} waits for a worker")
            continue
        age = known.now - row.due_at
        waited = f"the oldest due {what} has waited for {_long(age)}"
        if age <= late:
            yield Finding(waited)
        else:
            yield Finding(f"no {what} waits for more than {_long(late)}", waited, remedy)


def _look_at_jobs() -> Iterator[Finding]:
    if aside := Job.objects.using(database()).quarantined().count():
        yield Finding(
            "no job is quarantined",
            f"{aside} took several workers with them",
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
