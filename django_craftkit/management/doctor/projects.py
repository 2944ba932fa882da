"""What Craftkit says: hosts, keys and templates; and where its webhooks arrive."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from django_craftkit import conf, credentials
from django_craftkit.client import AuthenticationError, CraftkitError, NotFound, PermissionDenied
from django_craftkit.credentials import ProjectUnavailable
from django_craftkit.declarations import declared, templates_of, templates_of_some
from django_craftkit.embedding.errors import reason
from django_craftkit.models import EmbedSession, FormSubmission
from django_craftkit.projects import get_client
from django_craftkit.signals import form_submitted

from .finding import Check, Finding, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_craftkit.client import Craftkit

#: Projects of the resolver that are looked at, unless they are named.
FEW = 5


def check_resolver() -> tuple[Finding, list[str]]:
    """Return whether the resolver lists its projects, and the first few of them."""
    what = f"{conf.options().PROJECT_RESOLVER} lists its projects"
    try:
        number, some = 0, []
        for alias in credentials.project_aliases():
            if alias not in conf.projects():
                number += 1
                some += [alias] if number <= FEW else []
    except (ImproperlyConfigured, ProjectUnavailable) as error:
        fix = "What it does not tell waits, and is asked again. See manage.py check."
        return Finding(Check.RESOLVER, what, str(error), fix), []
    more = f", the first {FEW} are looked at, --project looks at others" if number > FEW else ""
    return Finding(Check.RESOLVER, f"{what}: {number}{more}"), some


def check_project(alias: str) -> Iterator[Finding]:
    try:
        project = credentials.project(alias)
        client = get_client(alias, max_retries=0)
        secrets = credentials.webhook_secrets(alias)
    except (ImproperlyConfigured, ProjectUnavailable, ValueError) as error:
        yield Finding(Check.SETTINGS, f"project {alias}", str(error), project=alias)
        return
    what = f"{alias}: {project.base_url} answers"
    try:
        health = client.health()
    except CraftkitError as error:
        fix = "Is BASE_URL right, and may this machine reach it?"
        yield Finding(Check.HOST, what, str(error), fix, alias)
        return
    is_well = health.status == "ok"
    problem = "" if is_well else f"it says of itself that it is {health.status}"
    yield Finding(Check.HOST, what, problem, project=alias)
    yield from _check_key(alias, client)
    yield Finding(
        Check.WEBHOOK_SECRETS,
        f"{alias}: webhook secrets",
        "" if secrets else "there is none, so every webhook is refused",
        "Make a webhook in Craftkit's dashboard and put its secret into WEBHOOK_SECRETS.",
        alias,
    )


def _check_key(alias: str, client: Craftkit) -> Iterator[Finding]:
    what = f"{alias}: the key is accepted"
    try:
        client.renders.get(uuid.UUID(int=0))
    except CraftkitError as error:
        # A proxy's 404 says nothing of the key.
        if isinstance(error, NotFound) and not error.is_passing:
            yield Finding(Check.API_KEY, what, project=alias)
        else:
            is_refused = isinstance(error, (AuthenticationError, PermissionDenied))
            fix = (
                "Make a key in Craftkit's dashboard under Project, API keys; keys are bound to a "
                "host."
            )
            yield Finding(Check.API_KEY, what, str(error), fix if is_refused else "", alias)
            return
    for slug in sorted(templates_of(alias) | templates_of_some()):
        yield _check_template(alias, client, slug)


def _check_template(alias: str, client: Craftkit, slug: str) -> Finding:
    what = f"{alias}: the template {slug} is published"
    found = partial(Finding, Check.TEMPLATE, project=alias)
    try:
        template = client.templates.get(slug)
    except CraftkitError as error:
        if not isinstance(error, NotFound) or error.is_passing:
            return found(what, str(error))
        if slug not in templates_of(alias) and credentials.has_several():
            # A function says in which project it is rendered, and may never name this one.
            return found(f"{alias}: the template {slug} is not there, if project= names it")
        names = named(one for one in declared() if one.is_for(slug, alias))
        fix = f"Make it in Craftkit, or mend the name in the declaration: {names}."
        return found(what, "this project has no such template", fix)
    # None: Craftkit does not say.
    is_missing = template.published is False
    return found(what, "it is there, but not published" if is_missing else "", "Publish it.")


def check_embedding(alias: str) -> Iterator[Finding]:
    """Yield whether embedding is on for a project that uses it: only those are told templates."""
    if not _embeds(alias):
        return
    what = f"{alias}: embedding is on"
    try:
        get_client(alias, max_retries=0).embed.templates()
    except (ImproperlyConfigured, ProjectUnavailable, ValueError):
        return  # which was said
    except CraftkitError as error:
        if not error.is_outage:
            _code, why = reason(alias, error)
            yield Finding(Check.EMBEDDING, what, why, project=alias)
        return
    yield Finding(Check.EMBEDDING, what, project=alias)


def _embeds(alias: str) -> bool:
    """Whether sessions were opened, forms have come, or the one project there is waits for them."""
    rows = (EmbedSession.objects, FormSubmission.objects)
    if any(one.writer().filter(project=alias).exists() for one in rows):
        return True
    listens = form_submitted.receivers_of(FormSubmission)
    return bool(listens) and not credentials.has_several()


def check_webhook_address(alias: str) -> Finding:
    what = f"{alias}: webhooks have an address"
    found = partial(Finding, Check.WEBHOOK_ADDRESS, project=alias)
    try:
        return found(f"{what}: {reverse('craftkit:webhook', args=[alias])} on this site's host")
    except NoReverseMatch:
        fix = 'path("craftkit/", include("django_craftkit.urls"))'
        return found(what, "django_craftkit.urls is included nowhere", fix)
