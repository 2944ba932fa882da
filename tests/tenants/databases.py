"""Tenants in databases of their own, as the page "Tenants" shows them."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from django_craftkit.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Which alias of ``DATABASES`` each tenant has.
ALIASES = {"north": "default", "south": "other"}
entered: ContextVar[str] = ContextVar("tenant", default="")


class Databases(Tenants):
    def current(self) -> str:
        return entered.get()

    @contextmanager
    def enter(self, name: str) -> Iterator[None]:
        token = entered.set(name)
        try:
            yield
        finally:
            entered.reset(token)

    def names(self) -> list[str]:
        return list(ALIASES)


class Router:
    def db_for_read(self, model: object, **hints: object) -> str | None:
        return ALIASES.get(entered.get())

    db_for_write = db_for_read
