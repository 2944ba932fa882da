"""The client of a Craftkit project, by its alias; ``credentials.py`` knows what belongs to it."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from django.core.exceptions import ImproperlyConfigured

from . import conf, credentials
from .client import AuthenticationError, Craftkit, Secret
from .client.deadline import within
from .client.pooling import Sessions
from .credentials import ProjectUnavailable, forget

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    StandIn = Callable[[conf.Project], conf.Project]

__all__ = ["ProjectUnavailable", "call", "forget", "get_client", "is_replaced", "time_limit"]

T = TypeVar("T")

#: Seconds between two questions for a project that has no key yet.
WITHOUT_KEY = 1.0
#: What all projects at one host are called by, in each thread.
_sessions = Sessions()
_stand_in: StandIn | None = None


def set_stand_in(stand_in: StandIn | None) -> StandIn | None:
    """Let a test say where the calls of each project go, whatever its settings say.

    ``None`` gives that back to the settings. Return what stood in before.
    """
    global _sessions, _stand_in
    before, _stand_in = _stand_in, stand_in
    # Else the Craftkits of many tests would stay in memory.
    _client.cache_clear()
    _sessions = Sessions()
    return before


def time_limit(seconds: float) -> AbstractContextManager[None]:
    """Let the calls in here take so many seconds together, retries included; 1 second at least."""
    return within(max(1.0, seconds))


def get_client(alias: str = conf.DEFAULT_PROJECT, *, max_retries: int = 2) -> Craftkit:
    """Return the client of a project; connections are pooled per process, thread and host.

    It keeps the API key that the project has now: ask for it where you use it.

    Args:
        alias: in ``CRAFTKIT_PROJECTS``, or one that ``CRAFTKIT["PROJECT_RESOLVER"]`` knows.
        max_retries: further tries of a call that may safely be retried; 0 for none.

    Raises:
        UnknownProject: there is no such alias.
        ImproperlyConfigured: the project has no ``API_KEY``, or a setting that can't be used.
        ProjectUnavailable: the resolver could not tell for now.
    """
    project = _project(alias)
    where = credentials.place_of(alias)
    if not project.api_key:
        credentials.renew(alias, time.monotonic() - WITHOUT_KEY)
        raise ImproperlyConfigured(
            f"{where} has no API_KEY. Make one in Craftkit's dashboard under Project, API keys, "
            "and put it there from an environment variable, or from wherever you keep secrets."
        )
    try:
        return _client(project, max_retries, conf.options_or_defaults().DOWNLOAD_MAX_BYTES)
    except ValueError as error:
        raise ImproperlyConfigured(f"{where}: {error}") from None


def call(alias: str, act: Callable[[Craftkit], T], *, max_retries: int = 2) -> T:
    """Return what a function makes of a project's client, for somebody who waits.

    Where Craftkit refuses the key, and the project has another one by now, it is called once more
    with that. Raises what the function and ``get_client`` raise.
    """
    try:
        return act(get_client(alias, max_retries=max_retries))
    except AuthenticationError as error:
        if not is_replaced(alias, error):
            raise
    return act(get_client(alias, max_retries=max_retries))


def is_replaced(alias: str, error: AuthenticationError) -> bool:
    """Whether a project has another API key by now than the one that Craftkit has refused.

    Asks the resolver anew, unless it has been asked since that call began: one of many calls that
    are refused at a time does. What is refused for a session that is over tells nothing of the key.
    """
    if not error.fingerprint or error.code == "refresh_failed":
        return False
    try:
        if _fingerprint(alias) == error.fingerprint:
            credentials.renew(alias, error.called_at)
        return _fingerprint(alias) not in ("", error.fingerprint)
    except (ImproperlyConfigured, ProjectUnavailable):
        return False


def _fingerprint(alias: str) -> str:
    return Secret.of(_project(alias).api_key).fingerprint


def _project(alias: str) -> conf.Project:
    project = credentials.project(alias)
    return project if _stand_in is None else _stand_in(project)


@lru_cache(maxsize=1024)
def _client(project: conf.Project, max_retries: int, max_download_bytes: int) -> Craftkit:
    return Craftkit(
        project.api_key,
        base_url=project.base_url,
        timeout=project.timeout,
        max_retries=max_retries,
        max_download_bytes=max_download_bytes,
        adapter=project.adapter,
        sessions=_sessions,
    )
