"""The tasks of ``tasks.py`` for Django's own framework: it finds them by their paths.

A project that has no beat enqueues ``sweep`` and ``prune`` by its scheduler, or runs
``craftkit_work``.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from . import waking
from .reconcile import worker
from .waking import by_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

task: Callable[[Callable[..., int]], Any] = by_tasks.library.task(
    takes_context=True, **by_tasks.options()
)


@task
def advance(context: Any, expires_at: float | None = None, tenant: str = "") -> int:
    """Carry out what is due of a tenant; sent by whoever writes a request or stores a webhook.

    After ``expires_at``, in seconds since 1970, a sweep has been there: Celery drops such messages
    by itself, and a queue that has grown while no worker ran is to be over soon.
    """
    if expires_at is not None and time.time() > expires_at:
        return 0
    return _run(partial(worker.advance, tenant), context)


@task
def sweep(context: Any) -> int:
    """Carry out what is due, whether or not anybody said so."""
    return _run(worker.sweep, context)


@task
def prune(context: Any) -> int:
    """Drop what settings say is not kept any longer; once a day is enough."""
    return _run(worker.prune, context)


def _run(function: Callable[..., int], context: Any) -> int:
    try:
        return function(is_inline=by_tasks.runs_inline(context.task_result.backend))
    finally:
        # RQ ends the process with its task, without asking what its threads have still to send.
        waking.flush()
