"""Which of the databases a page is measured on: the whole site is on it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_current: str | None = None


@contextmanager
def on(alias: str) -> Iterator[None]:
    global _current
    before, _current = _current, alias
    try:
        yield
    finally:
        _current = before


class Side:
    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return _current

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return _current
