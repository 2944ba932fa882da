"""System checks: whether what ``CRAFTKIT["WAKE"]`` names is there, and can carry messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import global_settings, settings
from django.core import checks

from django_craftkit import conf

from . import module

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What to install, or to write instead.
HINTS = {
    "celery": 'pip install celery, or write "tasks" or "none".',
    "tasks": 'pip install "django-craftkit[tasks]", or write "celery" or "none".',
}


@checks.register("craftkit")
def check_waking(**kwargs: object) -> list[checks.CheckMessage]:
    return list(_check_waking())


@checks.register("craftkit", deploy=True)
def check_waking_for_deployment(**kwargs: object) -> list[checks.CheckMessage]:
    if conf.options_or_defaults().WAKE != "tasks" or check_waking():
        return []
    by_tasks = module("tasks")
    backend = by_tasks.backend()
    says = f"CRAFTKIT['WAKE'] is 'tasks', and TASKS[{backend.alias!r}] has no worker: "
    if isinstance(backend, by_tasks.IMMEDIATE):
        says += "whoever asks for a document calls Craftkit and waits for it."
    elif isinstance(backend, by_tasks.DUMMY):
        says += "nothing wakes anybody."
    else:
        return []
    hint = "Name a backend with a worker, such as django_tasks_db.DatabaseBackend."
    return [checks.Warning(says, hint=hint, id="craftkit.W012")]


def _check_waking() -> Iterator[checks.CheckMessage]:
    name = conf.options_or_defaults().WAKE
    if not (isinstance(name, str) and name in HINTS):
        return  # "none", or what another check tells
    try:
        way = module(name)
    except ImportError as error:
        yield checks.Error(
            f"CRAFTKIT['WAKE'] is {name!r}, and {error.name} is not installed: nothing tells a "
            "worker that something is due.",
            hint=HINTS[name],
            id="craftkit.E022",
        )
        return
    if name != "tasks":
        return
    if getattr(settings, "TASKS", None) is getattr(global_settings, "TASKS", None):
        # Django's default is the backend that runs tasks in whoever enqueues them.
        wrong = "it is not set."
    else:
        try:
            way.options()
            return
        except Exception as error:  # whatever a backend's module raises
            wrong = f"{type(error).__name__}: {error}"
    yield checks.Error(
        f"CRAFTKIT['WAKE'] is 'tasks', and TASKS can't be used: {wrong}",
        hint='TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}',
        id="craftkit.E023",
    )
