"""Messages by Django's tasks, to ``django_craftkit.background.advance``.

The framework is that of Django 6.0, or before it of the package ``django-tasks``. The backend is
``TASKS["craftkit"]`` where there is one, as with ``STORAGES``, and else ``TASKS["default"]``.
"""

from __future__ import annotations

import time
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils import timezone
from django.utils.module_loading import import_string

from django_craftkit.database import database

from .waker import EXPIRES

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARY = "django.tasks" if find_spec("django.tasks") else "django_tasks"
TASK = "django_craftkit.background.advance"
ALIAS = "craftkit"

library: Any = import_module(LIBRARY)
#: The backends without a worker: whoever enqueues a task runs it, or nobody does.
IMMEDIATE = import_string(f"{LIBRARY}.backends.immediate.ImmediateBackend")
DUMMY = import_string(f"{LIBRARY}.backends.dummy.DummyBackend")


def backend() -> Any:
    """Return the backend of the messages; raises where ``TASKS`` can't be used."""
    backends = library.task_backends
    return backends[ALIAS if ALIAS in backends.settings else library.DEFAULT_TASK_BACKEND_ALIAS]


def options() -> dict[str, Any]:
    """Return to which backend and queue tasks of this package go.

    The queue is "default", or else the only one of the backend: no setting of ours names a queue.
    """
    one = backend()
    queue: str = library.DEFAULT_TASK_QUEUE_NAME
    if one.queues and queue not in one.queues:
        if len(one.queues) > 1:
            raise ImproperlyConfigured(
                f"TASKS[{one.alias!r}] has several QUEUES, and none of them is {queue!r}. "
                f"Add it, or make TASKS[{ALIAS!r}] with one queue."
            )
        (queue,) = one.queues
    return {"backend": one.alias, "queue_name": queue}


def runs_inline(alias: str) -> bool:
    """Whether tasks of a backend run in whoever enqueues them, which is no worker."""
    return isinstance(library.task_backends[alias], IMMEDIATE)


def way() -> TasksWay:
    return TasksWay(backend())


def probe() -> tuple[str, str, str]:
    try:
        one, where = backend(), options()
    except Exception as error:
        # Whatever a backend's module raises, and how it reads its options.
        return "TASKS has a backend for messages", f"{type(error).__name__}: {error}", ""
    what = f"messages go to TASKS[{one.alias!r}], queue {where['queue_name']!r}: {_name(one)}"
    problem = "; ".join(found.msg for found in one.check() if found.is_serious())
    if isinstance(one, (IMMEDIATE, DUMMY)):
        problem = problem or "it has no worker"
    return what, problem, "Name a backend with a worker, such as django_tasks_db.DatabaseBackend."


def _name(one: Any) -> str:
    return f"{type(one).__module__}.{type(one).__qualname__}"


class TasksWay:
    """Sends by the backend of the thread that asks; each thread has its own."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    @property
    def can_defer(self) -> bool:
        return bool(self._backend.supports_defer)

    def is_inline(self) -> bool:
        # A transaction that is open when a request has been committed is a test case's: its
        # database may be locked for other threads, and what they write would outlast it.
        in_test = connections[database()].in_atomic_block
        return in_test or isinstance(self._backend, (IMMEDIATE, DUMMY))

    def send(self, arguments: Mapping[str, Any], countdown: float) -> None:
        task = import_string(TASK).using(**options())
        expires_at = time.time() + countdown + EXPIRES
        if countdown:
            task = task.using(run_after=timezone.now() + timedelta(seconds=countdown))
        task.enqueue(**arguments, expires_at=expires_at)
