"""System checks: what is wrong with the settings, and what to write instead."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import DatabaseError, InterfaceError, connections, router
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from . import conf, credentials, declarations, resolver, tenants
from .client import Craftkit
from .database import database, drop_broken
from .failures import is_in_transaction
from .models import Job, Template
from .models.archive import ALIAS
from .pdf import reading

#: Where Craftkit's builder and forms are.
#: Source: https://docs.craftkit.dev/guides/hosts-and-environments
EMBED_ORIGIN = "https://embed.craftkit.dev"
#: The templates of a project by slug: the current version, 0 where none is published.
Mirror = dict[str, int]


@checks.register("craftkit")
def check_settings(**kwargs: object) -> list[checks.CheckMessage]:
    return [
        *_check_projects(),
        *_check_options(),
        *_check_database(),
        *_check_declarations(),
        *_check_resolver(),
        *_check_api(),
        *_check_downloads(),
        *_check_tenants(),
    ]


@checks.register("craftkit", deploy=True)
def check_deployment(**kwargs: object) -> list[checks.CheckMessage]:
    projects = getattr(settings, "CRAFTKIT_PROJECTS", None)
    if not isinstance(projects, Mapping):
        return []
    return [
        *_check_urls(),
        *_check_embedding(),
        *_check_archive(),
        *_check_extras(),
        *_check_projects_for_deployment(projects),
    ]


# Not "craftkit" as well: from Django 6.1, `check --tag craftkit` would ask all databases.
@checks.register(checks.Tags.database)
def check_templates(
    databases: Sequence[str] | None = None, **kwargs: object
) -> list[checks.CheckMessage]:
    """Compare declarations with the copy of Craftkit's templates, as far as that is known."""
    if database() not in (databases or ()):
        return []
    mirrors = _read_mirrors(database())
    # Several events may make the same documents.
    several = {
        (one.name, one.template, one.project, one.version): one for one in declarations.declared()
    }
    return [found for one in several.values() for found in _check_template(one, mirrors)]


def _check_projects() -> Iterator[checks.CheckMessage]:
    projects = conf.projects()
    if not projects and not conf.options_or_defaults().PROJECT_RESOLVER:
        yield checks.Error(
            "CRAFTKIT_PROJECTS is missing, empty or no dict.",
            hint='CRAFTKIT_PROJECTS = {"default": {"API_KEY": env("CRAFTKIT_API_KEY")}}',
            id="craftkit.E001",
        )
    for alias, project in projects.items():
        where = f"CRAFTKIT_PROJECTS[{alias!r}]"
        if not (isinstance(alias, str) and conf.ALIAS.fullmatch(alias)):
            yield checks.Error(
                f"The alias {alias!r} in CRAFTKIT_PROJECTS can't be used.",
                hint="It is part of an address: 1 to 64 letters, digits, - and _.",
                id="craftkit.E010",
            )
        if not isinstance(project, Mapping):
            yield checks.Error(
                f"{where} is no dict.", hint='Write {"API_KEY": …} there.', id="craftkit.E002"
            )
            continue
        for key in sorted(project.keys() - conf.PROJECT_KEYS, key=str):
            yield checks.Error(
                f"{where} has the unknown key {key!r}.",
                hint=f"It takes {', '.join(sorted(conf.PROJECT_KEYS))}.",
                id="craftkit.E003",
            )
        if not conf.is_list_of_secrets(project.get("WEBHOOK_SECRETS")):
            yield checks.Error(
                f"{where}['WEBHOOK_SECRETS'] is no list of strings.",
                hint="Use a list, so that a secret can be replaced while both are in use.",
                id="craftkit.E004",
            )
        if wrong := _refusal(base_url=project.get("BASE_URL") or conf.DEFAULT_BASE_URL):
            yield checks.Error(
                f"{where}['BASE_URL'] can't be used: {wrong}",
                hint=f"Leave it out for {conf.DEFAULT_BASE_URL}.",
                id="craftkit.E005",
            )
        if wrong := _refusal(timeout=project.get("TIMEOUT") or conf.DEFAULT_TIMEOUT):
            yield checks.Error(
                f"{where}['TIMEOUT'] can't be used: {wrong}",
                hint=f"Leave it out for {conf.DEFAULT_TIMEOUT}.",
                id="craftkit.E009",
            )
        elif not conf.outlasts(conf.options_or_defaults().LEASE, project.get("TIMEOUT")):
            yield checks.Error(
                f"{where}['TIMEOUT'] is no shorter than CRAFTKIT['LEASE'].",
                hint="A call that outlasts its lease is taken for a dead worker's: raise LEASE.",
                id="craftkit.E012",
            )


def _refusal(**options: Any) -> str:
    """Return why the client would not take an option, "" if it does."""
    if isinstance(options.get("timeout"), list):
        options["timeout"] = tuple(options["timeout"])
    try:
        Craftkit("ck_test_check", **options)
    except ValueError as error:
        return str(error)
    return ""


def _check_options() -> Iterator[checks.CheckMessage]:
    options = getattr(settings, "CRAFTKIT", {})
    if not isinstance(options, Mapping):
        yield checks.Error(
            "CRAFTKIT is no dict.", hint="CRAFTKIT = {} is enough.", id="craftkit.E006"
        )
        return
    for key in sorted(options.keys() - conf.OPTION_NAMES, key=str):
        yield checks.Error(
            f"CRAFTKIT has the unknown key {key!r}.",
            hint=f"It takes {', '.join(sorted(conf.OPTION_NAMES))}.",
            id="craftkit.E007",
        )
    for option in fields(conf.Options):
        value = options.get(option.name, option.default)
        if hint := _what_fits(option, value):
            # One that is no text may be a token all the same.
            shown = repr(value) if option.repr else f"a {type(value).__name__}"
            yield checks.Error(
                f"CRAFTKIT[{option.name!r}] can't be {shown}.", hint=hint, id="craftkit.E011"
            )


def _check_extras() -> Iterator[checks.CheckMessage]:
    options = conf.options_or_defaults()
    if options.CHECK_ANCHORS in ("warn", "refuse") and not reading.is_available():
        yield checks.Warning(
            f"CRAFTKIT['CHECK_ANCHORS'] is {options.CHECK_ANCHORS!r}, and pypdf is not installed: "
            "nothing can be looked up.",
            hint='pip install "django-craftkit[pdf]"',
            id="craftkit.W006",
        )


def _what_fits(option: Field[object], value: Any) -> str:
    """Return what to write instead of a value, "" if it fits; ``"false"`` would be true."""
    kind: Any = conf.KINDS.get(option.name, type(option.default))
    choices = conf.CHOICES.get(option.name)
    if value is None and "None" in str(option.type):
        return ""
    if type(value) is kind and (value in choices if choices else kind is not int or value > 0):
        return ""
    if choices:
        return f"Write one of {', '.join(map(repr, choices))}."
    if option.name in conf.KINDS:
        return f"Write a {kind.__name__}, or None."
    if kind is bool:
        return "Write True or False."
    return f"Write a whole number above 0; the default is {option.default}."


def _check_database() -> Iterator[checks.CheckMessage]:
    homes = {router.db_for_write(model) for model in apps.get_app_config("craftkit").get_models()}
    others = {router.db_for_write(model) for model in (ContentType, get_user_model())} - homes
    if len(homes) > 1:
        yield checks.Error(
            f"DATABASE_ROUTERS spread Craftkit's tables over {', '.join(sorted(homes))}.",
            hint="A request and its job are written in one transaction: route the app to one.",
            id="craftkit.E008",
        )
    elif others:
        yield checks.Error(
            f"Craftkit's tables are in {homes.pop()}, users or content types in {others.pop()}.",
            hint="Rows refer to users and content types: route the app to their database.",
            id="craftkit.E013",
        )


def _check_resolver() -> Iterator[checks.CheckMessage]:
    # Looked at, and not asked: it may use a database, or a store of secrets.
    path = conf.options_or_defaults().PROJECT_RESOLVER
    if isinstance(path, str) and (wrong := resolver.refusal(path)):
        yield checks.Error(
            f"CRAFTKIT['PROJECT_RESOLVER'] can't be used: {wrong}",
            hint="It names a class that is made without arguments, with get(alias) and aliases().",
            id="craftkit.E018",
        )


def _check_declarations() -> Iterator[checks.CheckMessage]:
    projects = conf.projects()
    if conf.options_or_defaults().PROJECT_RESOLVER:
        return  # only it knows which others there are, and it is not asked
    for one in declarations.declared():
        # If there is none, E001 tells; what a function returns is checked at the event.
        if projects and isinstance(one.project, str) and one.project not in projects:
            yield checks.Error(
                f"{one.name} ({one.place}) declares documents of the project {one.project!r}, "
                "which CRAFTKIT_PROJECTS has not: they would wait for ever.",
                hint=f"Add it, or name one of: {', '.join(map(str, projects))}.",
                id="craftkit.E014",
            )


def _read_mirrors(using: str) -> dict[str, Mirror]:
    """Return the templates of the projects whose copy is there; of none where nobody can tell."""
    connection = connections[using]
    mirrors: dict[str, Mirror] = {}
    try:
        # `migrate` checks before it makes them. To ask for a table that is not there would break
        # the caller's transaction.
        if Template._meta.db_table not in connection.introspection.table_names():
            return {}
        rows = Template.objects.using(using)
        for project, slug, published, version, gone_at in rows.values_list(
            "project", "slug", "published", "version", "gone_at"
        ):
            mirror = mirrors.setdefault(project, {})
            if gone_at is None:
                # No pinned version is above a number that Craftkit did not tell.
                mirror[slug] = (version or sys.maxsize) if published else 0
        # A copy is read one by one: while a job says that it is being read, or is to be read anew,
        # what is missing from it may be there at Craftkit.
        jobs = Job.objects.using(using).filter(kind=Job.Kind.TEMPLATES)
        for project in jobs.values_list("project", flat=True):
            mirrors.pop(project, None)
    except (DatabaseError, InterfaceError):
        if is_in_transaction(connection):
            raise  # it is the caller's, and lost
        drop_broken(connection)
        return {}
    return mirrors


def _check_template(
    one: declarations.Declaration, mirrors: Mapping[str, Mirror]
) -> Iterator[checks.CheckMessage]:
    # Where a function names the project, only what is so in each of them is known, and which there
    # are.
    aliases = [one.project] if isinstance(one.project, str) else list(conf.projects())
    if not isinstance(one.project, str) and conf.options_or_defaults().PROJECT_RESOLVER:
        return
    if not aliases or any(alias not in mirrors for alias in aliases):
        return
    known = [mirrors[alias][one.template] for alias in aliases if one.template in mirrors[alias]]
    newest = max(known, default=0)
    what = f"{one.name} ({one.place}) declares documents of the template {one.template!r}"
    if not known:
        slugs = sorted({slug for alias in aliases for slug in mirrors[alias]})
        yield checks.Warning(
            f"{what}, which Craftkit has not: they would be rejected.",
            hint=f"Make it at Craftkit, or write one that is there: {_some(slugs)}.",
            id="craftkit.W007",
        )
    elif not newest:
        yield checks.Warning(
            f"{what}, of which no version is published: they would be rejected.",
            hint="Publish it at Craftkit.",
            id="craftkit.W008",
        )
    elif one.version is not None and one.version > newest:
        yield checks.Warning(
            f"{what} in version {one.version}, which Craftkit has not: they would be rejected.",
            hint=f"Write version={newest}, or leave it out for the current one.",
            id="craftkit.W009",
        )


def _some(slugs: Sequence[str], most: int = 10) -> str:
    return ", ".join([*slugs[:most], *(["…"] if slugs[most:] else [])]) or "there is none"


def _check_api() -> Iterator[checks.CheckMessage]:
    options = conf.options_or_defaults()
    for name in ("VISIBLE", "API_QUERYSET"):
        path = getattr(options, name)
        if isinstance(path, str) and (wrong := _no_function(path)):
            yield checks.Error(
                f"CRAFTKIT[{name!r}] names no function: {wrong}",
                hint='"django_craftkit.visibility.own_documents" is one.',
                id="craftkit.E015",
            )
    owners = options.API_OWNERS
    for label, owner in owners.items() if isinstance(owners, dict) else ():
        if wrong := _no_owner(label, owner):
            yield checks.Error(
                f"CRAFTKIT['API_OWNERS'][{label!r}] can't be {owner!r}: {wrong}",
                hint='It leads from a model to the user: {"shop.Order": "customer"}.',
                id="craftkit.E016",
            )


def _check_downloads() -> Iterator[checks.CheckMessage]:
    path = conf.options_or_defaults().DOWNLOAD_PERMISSION
    if isinstance(path, str) and (wrong := _no_function(path)):
        yield checks.Error(
            f"CRAFTKIT['DOWNLOAD_PERMISSION'] names no function: {wrong}",
            hint='"django_craftkit.downloads.own_documents" is one.',
            id="craftkit.E017",
        )


def _check_tenants() -> Iterator[checks.CheckMessage]:
    path = conf.options_or_defaults().TENANTS
    if isinstance(path, str) and (wrong := _no_tenants(path)):
        yield checks.Error(
            f"CRAFTKIT['TENANTS'] names no class of tenants: {wrong}",
            hint='"django_craftkit.tenants.DjangoTenants" is one, for django-tenants.',
            id="craftkit.E024",
        )
    elif path is None and tenants.are_overlooked():
        yield checks.Error(
            "Craftkit's tables are in each tenant's schema, and no worker looks there.",
            hint="Write CRAFTKIT = {'TENANTS': 'django_craftkit.tenants.DjangoTenants'}.",
            id="craftkit.E025",
        )


def _no_tenants(path: str) -> str:
    """Return why a dotted path names no class of tenants, "" if it does."""
    try:
        made = import_string(path)()
    except Exception as error:  # whatever the project's module raises
        return f"{type(error).__name__}: {error}"
    return "" if isinstance(made, tenants.Tenants) else f"{path} makes no {tenants.Tenants}."


def _no_function(path: str) -> str:
    """Return why a dotted path names no function, "" if it does."""
    try:
        named = import_string(path)
    except Exception as error:  # whatever the project's module raises
        return f"{type(error).__name__}: {error}"
    return "" if callable(named) else f"{path} is a {type(named).__name__}."


def _no_owner(label: str, path: str) -> str:
    """Return why a path leads from no model to its user, "" if it does."""
    user = get_user_model()
    try:
        model: Any = apps.get_model(label)
        if path == "pk":
            return "" if model is user else f"{label} is no {user._meta.label}."
        for name in path.split("__"):
            model = model._meta.get_field(name).related_model
    except (AttributeError, LookupError, TypeError, ValueError, FieldDoesNotExist) as error:
        return f"{type(error).__name__}: {error}"
    return "" if model is user else f"{path} leads to no {user._meta.label}."


def _check_urls() -> Iterator[checks.CheckMessage]:
    try:
        reverse("craftkit:statuses")
    except NoReverseMatch:
        yield checks.Warning(
            "django_craftkit.urls is included nowhere: no webhook is heard, no badge refreshes.",
            hint='path("craftkit/", include("django_craftkit.urls"))',
            id="craftkit.W004",
        )


def _check_embedding() -> Iterator[checks.CheckMessage]:
    """Find a policy of Django's own, as of Django 6, that keeps Craftkit's pages out of ours."""
    policy = getattr(settings, "SECURE_CSP", None)
    # Where another Craftkit has its pages, nobody knows before a session is opened.
    is_craftkits = any(
        isinstance(one, Mapping) and one.get("BASE_URL") in (None, "", conf.DEFAULT_BASE_URL)
        for one in conf.projects().values()
    )
    if not (isinstance(policy, Mapping) and is_craftkits):
        return
    # As browsers look for it: each directive stands in for those before it.
    names = [one for one in ("frame-src", "child-src", "default-src") if policy.get(one)]
    if not names:
        return
    given = policy[names[0]]
    allowed = given if isinstance(given, (list, tuple, set, frozenset)) else str(given).split()
    if not {"*", "https:", "https://*.craftkit.dev", EMBED_ORIGIN}.intersection(allowed):
        yield checks.Warning(
            f"SECURE_CSP lets no page show Craftkit's builder and forms: {names[0]} lacks them.",
            hint=f'Add them: SECURE_CSP = {{…, "frame-src": ["{EMBED_ORIGIN}"]}}.',
            id="craftkit.W010",
        )


def _check_archive() -> Iterator[checks.CheckMessage]:
    if ALIAS not in settings.STORAGES:
        yield checks.Warning(
            "Signed documents are kept in the default storage, which often is public.",
            hint=(
                'Name a private one: STORAGES = {…, "craftkit": {"BACKEND": …}}. If something is '
                "kept already, move its folder craftkit/ along."
            ),
            id="craftkit.W005",
        )


def _check_projects_for_deployment(
    projects: Mapping[str, object],
) -> Iterator[checks.CheckMessage]:
    for alias, project in projects.items():
        if not isinstance(project, Mapping):
            continue
        where = f"CRAFTKIT_PROJECTS[{alias!r}]"
        is_list = conf.is_list_of_secrets(project.get("WEBHOOK_SECRETS"))
        if is_list and not credentials.webhook_secrets(alias):
            yield checks.Warning(
                f"{where} has no WEBHOOK_SECRETS: every webhook is refused, documents are polled "
                "for.",
                hint="Make a webhook in Craftkit's dashboard and list its secret.",
                id="craftkit.W001",
            )
        url = project.get("BASE_URL") or conf.DEFAULT_BASE_URL
        if not _refusal(base_url=url):
            parts = urlsplit(url.strip())
            if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
                yield checks.Warning(
                    f"{where}['BASE_URL'] is plain http: the API key travels in the open.",
                    hint="Use https.",
                    id="craftkit.W002",
                )
        if str(project.get("API_KEY") or "").strip().startswith("ck_test_"):
            yield checks.Warning(
                f"{where} has a test key: documents may carry a watermark.",
                hint="Use a key that begins with ck_live_.",
                id="craftkit.W003",
            )
