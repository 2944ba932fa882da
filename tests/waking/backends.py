"""Backends of Django's tasks for tests: what they are given is in one list, for all threads."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.utils.module_loading import import_string

from django_craftkit.waking import by_tasks

BaseTaskBackend: Any = import_string(f"{by_tasks.LIBRARY}.backends.base.BaseTaskBackend")


class Sent(NamedTuple):
    task: Any
    arguments: dict[str, Any]
    thread: str
    connection: Any


SENT: list[Sent] = []


class Backend(BaseTaskBackend):
    """Takes what it is given, through the database, as a backend with a table does."""

    supports_defer = True

    def enqueue(self, task: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.validate_task(task)
        assert not args
        ContentType.objects.count()
        SENT.append(Sent(task, kwargs, threading.current_thread().name, connections["default"]))


class Undeferring(Backend):
    supports_defer = False


class Failing(Backend):
    def enqueue(self, task: Any, args: Any, kwargs: dict[str, Any]) -> None:
        raise ConnectionRefusedError("no tasks today")
