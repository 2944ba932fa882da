"""The client of a Craftkit project, by its alias in ``CRAFTKIT_PROJECTS``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from . import conf
from .client import Craftkit
from .client.deadline import within

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    StandIn = Callable[[conf.Project], conf.Project]

_stand_in: StandIn | None = None


def set_stand_in(stand_in: StandIn | None) -> StandIn | None:
    """Let a test say where the calls of each project go, whatever its settings say.

    ``None`` gives that back to the settings. Return what stood in before.
    """
    global _stand_in
    before, _stand_in = _stand_in, stand_in
    # Else the Craftkits of many tests would stay in memory.
    _client.cache_clear()
    return before


def time_limit(seconds: float) -> AbstractContextManager[None]:
    """Let the calls in here take so many seconds together, retries included; 1 second at least."""
    return within(max(1.0, seconds))


def get_client(alias: str = conf.DEFAULT_PROJECT, *, max_retries: int = 2) -> Craftkit:
    """Return the client of a project; its connections are pooled per process and thread.

    Args:
        alias: in ``CRAFTKIT_PROJECTS``.
        max_retries: further tries of a call that may safely be retried; 0 for none.

    Raises:
        UnknownProject: there is no such alias.
        ImproperlyConfigured: the project has no ``API_KEY``, or a setting that can't be used.
    """
    project = conf.project(alias)
    if _stand_in is not None:
        project = _stand_in(project)
    if not project.api_key:
        raise ImproperlyConfigured(
            f"CRAFTKIT_PROJECTS[{alias!r}] has no API_KEY. Make one in Craftkit's dashboard "
            "under Project, API keys, and put it there from an environment variable."
        )
    try:
        return _client(project, max_retries, conf.options_or_defaults().DOWNLOAD_MAX_BYTES)
    except ValueError as error:
        raise ImproperlyConfigured(f"CRAFTKIT_PROJECTS[{alias!r}]: {error}") from None


@lru_cache(maxsize=32)
def _client(project: conf.Project, max_retries: int, max_download_bytes: int) -> Craftkit:
    return Craftkit(
        project.api_key,
        base_url=project.base_url,
        timeout=project.timeout,
        max_retries=max_retries,
        max_download_bytes=max_download_bytes,
        adapter=project.adapter,
    )
