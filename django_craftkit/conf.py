"""The settings ``CRAFTKIT_PROJECTS`` and ``CRAFTKIT``, read when they are used.

Nothing is kept here, so that ``override_settings`` works.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests.adapters import BaseAdapter

DEFAULT_PROJECT = "default"
DEFAULT_BASE_URL = "https://api.craftkit.dev"
DEFAULT_TIMEOUT = (3.05, 30.0)

#: What a project may be called: its alias is part of the webhooks' address.
ALIAS = re.compile(r"[-\w]{1,64}", re.ASCII)
PROJECT_KEYS = frozenset({"API_KEY", "WEBHOOK_SECRETS", "BASE_URL", "TIMEOUT", "ADAPTER"})

#: What an option takes that is one of a few words.
CHOICES = {
    "ENGAGEMENT_STORE_IP": ("full", "truncated", "none"),
    "CHECK_ANCHORS": ("off", "warn", "refuse"),
    "WAKE": ("celery", "tasks", "none"),
}
#: Of what kind an option is whose default is ``None``.
KINDS: dict[str, type] = {
    "API_QUERYSET": str,
    "API_OWNERS": dict,
    "CHECK_ANCHORS": str,
    "DOWNLOAD_PERMISSION": str,
    "HEALTH_TOKEN": str,
    "PROJECT_RESOLVER": str,
    "TENANTS": str,
    "VISIBLE": str,
}


class UnknownProject(ImproperlyConfigured):
    """Neither ``CRAFTKIT_PROJECTS`` nor the resolver knows such an alias."""


# Not frozen: one is made for each webhook, and each would take six times as long to make.
@dataclass(slots=True)
class Options:
    """The keys of ``CRAFTKIT`` and their defaults."""

    #: Requests and webhooks are stored, and nothing is sent to Craftkit.
    PAUSED: bool = False
    #: How many calls to Craftkit one worker process has under way at most.
    THREADS: int = 16
    #: Seconds after which another worker takes a silent one's jobs; longer than any call may take.
    LEASE: int = 120
    #: Seconds after which a render that is not final is shown as overdue.
    OVERDUE_AFTER: int = 900
    #: Largest webhook body that is read, in bytes.
    WEBHOOK_MAX_BYTES: int = 10_000_000
    #: Seconds that a webhook's timestamp may be off, either way; ``None`` switches it off.
    WEBHOOK_TOLERANCE: int | None = 86_400
    #: What is kept of the addresses that documents were opened from: "full", "truncated", "none".
    ENGAGEMENT_STORE_IP: str = "truncated"
    #: Whether to keep which browsers they were opened with.
    ENGAGEMENT_STORE_USER_AGENT: bool = True
    #: Days after which both are dropped from what was kept; ``None``: never.
    ENGAGEMENT_KEEP_DAYS: int | None = 365
    #: Whether the PDFs of all documents are kept in the project's own storage, too.
    ARCHIVE_RENDERS: bool = False
    #: Largest PDF that is read from Craftkit, in bytes: documents, signed PDFs, certificates.
    DOWNLOAD_MAX_BYTES: int = 100_000_000
    #: Days after which the body of a webhook that was applied is dropped; ``None``: never. That of
    #: an event that this version doesn't know stays.
    DELIVERY_KEEP_DAYS: int | None = 30
    #: Days after which such a webhook goes altogether; ``None``: never.
    DELIVERY_ROWS_KEEP_DAYS: int | None = None
    #: Days after which the data of a document that was ready are dropped; ``None``: never.
    DATA_KEEP_DAYS: int | None = None
    #: Days after which the data of a submitted form are dropped, and embed sessions that ended go;
    #: ``None``: never.
    FORM_KEEP_DAYS: int | None = None
    #: Days after which the lines of the history go; ``None``: never.
    HISTORY_KEEP_DAYS: int | None = None
    #: Dotted path of a function that narrows the documents that a visitor may know of at all: in
    #: the admin, the HTTP API, downloads and template tags.
    VISIBLE: str | None = None
    #: Dotted path of another one, which narrows what the HTTP API shows of these.
    API_QUERYSET: str | None = None
    #: For the rules ``own_documents``: from a model's label to the path of its user.
    API_OWNERS: Mapping[str, str] | None = None
    #: Dotted path of the rule that says who may open a document at this site's own address of it;
    #: ``None``: whoever has the permission ``craftkit.download_render``.
    DOWNLOAD_PERMISSION: str | None = None
    #: Whether Craftkit is told of what is downloaded at these addresses.
    RECORD_DOWNLOADS: bool = True
    #: Whether a document is rejected, and not only logged, whose data have keys that its template
    #: hasn't.
    STRICT_DATA: bool = False
    #: Whether the texts that say where people sign are looked up in the PDF before it is sent to be
    #: signed: "off"; "warn"; "refuse", which rejects a request whose texts aren't there. ``None``:
    #: "warn" where pypdf is installed.
    CHECK_ANCHORS: str | None = None
    #: Whether a document that was made elsewhere gets a row when a webhook tells of it.
    ADOPT: bool = False
    #: Dotted path of the class that knows the projects which ``CRAFTKIT_PROJECTS`` does not name.
    PROJECT_RESOLVER: str | None = None
    #: Dotted path of the class that enters and lists tenants, where each has tables of its own.
    TENANTS: str | None = None
    #: What tells a worker that something is due at once: "celery", "tasks", "none".
    WAKE: str = "celery"
    #: What a monitor sends to be told of the health; ``None``: only users with the permission are.
    HEALTH_TOKEN: str | None = field(default=None, repr=False)
    #: The most seconds that ``?wait=`` of the HTTP API takes.
    API_MAX_WAIT: int = 30


@dataclass(frozen=True, slots=True)
class Project:
    """One entry of ``CRAFTKIT_PROJECTS``, or what the resolver says of a project."""

    alias: str
    api_key: str = field(repr=False)
    base_url: str
    timeout: tuple[float, float]
    adapter: Callable[[], BaseAdapter] | None


OPTION_NAMES = frozenset(option.name for option in fields(Options))


def options() -> Options:
    """Return ``CRAFTKIT`` over its defaults; raise ``ImproperlyConfigured`` for an unknown key."""
    given = getattr(settings, "CRAFTKIT", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("CRAFTKIT is no dict.")
    if not given.keys() <= OPTION_NAMES:
        unknown = sorted(map(str, given.keys() - OPTION_NAMES))
        del given  # error pages show locals, and it holds a token
        raise ImproperlyConfigured(f"CRAFTKIT has no key {', '.join(unknown)}.")
    return Options(**given)


def check_anchors() -> str:
    """Return ``CHECK_ANCHORS``: "off", "warn" or "refuse"."""
    return options().CHECK_ANCHORS or "warn"


def lease() -> timedelta:
    """Return for how long a worker leases its jobs."""
    return timedelta(seconds=options().LEASE)


def options_or_defaults() -> Options:
    """Return ``CRAFTKIT``, or the defaults where it can't be used."""
    try:
        return options()
    except ImproperlyConfigured:
        return Options()


def projects() -> Mapping[str, object]:
    """Return ``CRAFTKIT_PROJECTS``; no projects where it is missing or no dict."""
    given = getattr(settings, "CRAFTKIT_PROJECTS", None)
    return given if isinstance(given, Mapping) else {}


def outlasts(lease: object, timeout: Any) -> bool:
    """Whether a lease is longer than any call with this ``TIMEOUT``; unless one can't be used."""
    timeout = timeout or DEFAULT_TIMEOUT
    parts = timeout if isinstance(timeout, (list, tuple)) else (timeout, timeout)
    if not isinstance(lease, int) or lease <= 0:
        return True
    return not all(isinstance(part, (int, float)) for part in parts) or lease > sum(parts)


def is_list_of_secrets(value: object) -> bool:
    """Whether a value is fit for ``WEBHOOK_SECRETS``; an environment may leave a ``None`` in it."""
    return value is None or (
        isinstance(value, (list, tuple, set, frozenset))
        and all(secret is None or isinstance(secret, str) for secret in value)
    )
