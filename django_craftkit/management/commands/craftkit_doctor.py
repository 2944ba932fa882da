"""``manage.py craftkit_doctor``: what is wrong, and what to do."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.urls import NoReverseMatch, reverse

from django_craftkit import conf, dispatch
from django_craftkit.client import AuthenticationError, CraftkitError, NotFound, PermissionDenied
from django_craftkit.clock import database_now
from django_craftkit.database import database
from django_craftkit.declarations import declared, templates_of
from django_craftkit.models import Job, ProjectState
from django_craftkit.projects import get_client
from django_craftkit.reconcile.sweeping import lost_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django_craftkit.declarations import Declaration

#: Seconds without a sweep after which nobody is taken to be at work.
STALE = 60
#: Seconds for the broker to answer.
BROKER_TIMEOUT = 3


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

    def handle(self, *args: Any, **options: Any) -> None:
        aliases = options["project"] or conf.project_aliases()
        if not aliases:
            raise CommandError("CRAFTKIT_PROJECTS names no project: see manage.py check.")
        troubles = 0
        looks: list[Callable[[], Iterator[Finding]]] = [
            *(lambda alias=alias: _look_at_project(alias) for alias in aliases),
            *(lambda alias=alias: _look_at_webhook_address(alias) for alias in aliases),
            lambda: _look_at_declarations(options["project"]),
            _look_at_broker,
            lambda: _look_at_worker(aliases, is_all=not options["project"]),
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


def _look_at_key(alias: str, client: Any) -> Iterator[Finding]:
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


def _look_at_template(alias: str, client: Any, slug: str) -> Finding:
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
    return Finding(
        what, "" if template.published else "it is there, but not published", "Publish it."
    )


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


def _look_at_state(state: ProjectState) -> Iterator[Finding]:
    if not state.capability:
        heard = state.webhook_heard_at
        when = f"{heard:%Y-%m-%d %H:%M %Z}" if heard else "never"
        yield Finding(f"{state.project}: last webhook heard: {when}")
    if state.paused_at is not None:
        yield Finding(
            f"{state}: is running",
            f"it is paused: {state.pause_reason}",
            f"It is tried again at {state.probe_at:%H:%M:%S %Z}, and goes on if that gets through. "
            "Workers read settings when they start: restart them after a change.",
        )


def _look_at_worker(aliases: list[str], *, is_all: bool) -> Iterator[Finding]:
    what = "somebody looks for work"
    try:
        states = list(ProjectState.objects.using(database()).order_by("project", "capability"))
        aside = Job.objects.using(database()).aside().count()
        lost = lost_jobs()
    except DatabaseError as error:
        yield Finding(what, str(error), "Run manage.py migrate.")
        return
    # What waits for a project that settings name no longer is nobody else's to tell.
    left_over = [state for state in states if is_all and state.project not in aliases]
    states = [state for state in states if state.project in aliases]
    last = max((state.swept_at for state in states if state.swept_at), default=None)
    remedy = (
        "Start a Celery worker and beat with CELERY_BEAT_SCHEDULE = "
        "{**django_craftkit.beat_schedule()}, or manage.py craftkit_work."
    )
    if last is None:
        yield Finding(what, "nobody has ever looked for work", remedy)
    elif (age := (database_now() - last).total_seconds()) > STALE:
        yield Finding(what, f"nobody has looked for work for {age:.0f} seconds", remedy)
    else:
        yield Finding(f"{what}: {age:.0f} seconds ago")
    for state in (*states, *(one for one in left_over if one.paused_at is not None)):
        yield from _look_at_state(state)
    if conf.options().PAUSED:
        yield Finding("nothing is held", 'CRAFTKIT["PAUSED"] is on')
    if aside:
        yield Finding(
            "no work is set aside",
            f"{aside} jobs took several workers with them",
            "Look at them in the admin under Jobs. Once the cause is mended, refresh() of the "
            "document or the share starts them anew.",
        )
    for kind, number in lost.items():
        yield Finding(
            f"whatever is due has a job of the kind {kind!r}",
            f"{number} rows have none",
            "The sweep writes such jobs within minutes, of a large table within hours. If the "
            "number stays, no sweep runs: start beat, or manage.py craftkit_work.",
        )
