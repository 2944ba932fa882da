"""The client of a Craftkit project, by its alias in ``CRAFTKIT_PROJECTS``."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from . import conf
from .client import Craftkit

if TYPE_CHECKING:
    from collections.abc import Iterator

_patience: ContextVar[float | None] = ContextVar("craftkit_patience", default=None)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let no call in here wait longer for Craftkit than a person would, in whole seconds."""
    token = _patience.set(max(1.0, float(int(seconds))))
    try:
        yield
    finally:
        _patience.reset(token)


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
    limit = _patience.get()
    if limit is not None:
        connect, read = project.timeout
        project = replace(project, timeout=(min(connect, limit), min(read, limit)))
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
