"""Which twins there are for async code, and what each is a twin of."""

from __future__ import annotations

import inspect
from typing import Any

from django.apps import apps

from django_craftkit import embedding

#: Everything that is called on rows, managers and querysets, and the functions for pages.
OWNERS: dict[str, Any] = {"embedding": embedding} | {
    base.__qualname__: base
    for model in apps.get_app_config("craftkit").get_models()
    for cls in (model, type(model._default_manager), type(model._default_manager.all()))
    for base in cls.__mro__
    if base.__module__.startswith("django_craftkit")
}
#: The class, or module, and the attribute.
TWINS: dict[str, tuple[Any, str]] = {
    f"{owner}.{name}": (OWNERS[owner], name)
    for owner in OWNERS
    for name, value in vars(OWNERS[owner]).items()
    if inspect.iscoroutinefunction(value)
}


def original_of(twin: str) -> str:
    """Return the name of what has this twin: ``Render.share`` of ``Render.ashare``."""
    owner, _, name = twin.rpartition(".")
    return f"{owner}.{'wait' if name == 'await_ready' else name.removeprefix('a')}"


def find(name: str) -> Any:
    """Return a method, property or function by its name, as its class or module has it."""
    owner, _, attribute = name.rpartition(".")
    return vars(OWNERS[owner])[attribute]
