"""Tenants: whose tables code works on, where a project keeps each tenant's in its own place.

``CRAFTKIT["TENANTS"]`` names a class that says which tenant is the current one, enters one, and
lists them. Without it there is one set of tables, and its name is ``""``.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from django.utils.module_loading import import_string

from . import conf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

P = ParamSpec("P")
R = TypeVar("R")


class Tenants(Protocol):
    """What ``CRAFTKIT["TENANTS"]`` names."""

    def current(self) -> str:
        """Return the name of the tenant whose tables queries reach now; ``""``: of none."""
        raise NotImplementedError

    def enter(self, name: str) -> AbstractContextManager[object]:
        """Let queries of this thread, or task, reach a tenant's tables while it is entered."""
        raise NotImplementedError

    def names(self) -> Iterable[str]:
        """Return the names of all tenants that have Craftkit's tables."""
        raise NotImplementedError


def current() -> str:
    """Return the name of the tenant whose tables are used now; ``""`` without tenants."""
    tenants = _tenants()
    return "" if tenants is None else tenants.current()


def enter(name: str) -> AbstractContextManager[object]:
    """Use the tables of a tenant while it is entered."""
    tenants = _tenants()
    return nullcontext() if tenants is None else tenants.enter(name)


def names() -> list[str]:
    """Return the names of all tenants; without tenants ``[""]``."""
    tenants = _tenants()
    return [""] if tenants is None else list(tenants.names())


def bound(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that works on the tables that are used now, in whatever thread it runs."""
    name = current()

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with enter(name):
            return function(*args, **kwargs)

    return run


def _tenants() -> Tenants | None:
    path = conf.options().TENANTS
    if path is None:
        return None
    tenants: Tenants = import_string(path)()
    return tenants
