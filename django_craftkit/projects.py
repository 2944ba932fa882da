"""The client of a Craftkit project, by its alias in ``CRAFTKIT_PROJECTS``."""

from __future__ import annotations

from functools import lru_cache

from django.core.exceptions import ImproperlyConfigured

from . import conf
from .client import Craftkit


def get_client(alias: str = conf.DEFAULT_PROJECT, *, max_retries: int = 2) -> Craftkit:
    """Return the client of a project; its connections are pooled per process and thread.

    Raises ``UnknownProject`` for an alias that is not configured and ``ImproperlyConfigured``
    where it has no ``API_KEY``.
    """
    project = conf.project(alias)
    if not project.api_key:
        raise ImproperlyConfigured(
            f"CRAFTKIT_PROJECTS[{alias!r}] has no API_KEY. Make one in Craftkit's dashboard "
            "under Project, API keys, and put it there from an environment variable."
        )
    try:
        return _client(project, max_retries)
    except ValueError as error:
        raise ImproperlyConfigured(f"CRAFTKIT_PROJECTS[{alias!r}]: {error}") from None


@lru_cache(maxsize=32)
def _client(project: conf.Project, max_retries: int) -> Craftkit:
    return Craftkit(
        project.api_key,
        base_url=project.base_url,
        timeout=project.timeout,
        max_retries=max_retries,
        adapter=project.adapter,
    )
