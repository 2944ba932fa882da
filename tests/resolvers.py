"""A store of credentials, as a project has one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PATH = "tests.resolvers.Store"


class Store:
    """Knows what tests have put there, and notes who has asked for what."""

    entries: ClassVar[dict[str, Any]] = {}
    #: The alias and the name of the thread, of each question.
    asked: ClassVar[list[tuple[str, str]]] = []
    listed: ClassVar[list[str]] = []
    #: Called before each answer: to raise, or to take its time.
    before: ClassVar[Callable[[], object]] = bool

    def get(self, alias: str) -> Mapping[str, Any] | None:
        self.asked.append((alias, threading.current_thread().name))
        type(self).before()
        return self.entries.get(alias)

    def aliases(self) -> Iterator[str]:
        type(self).before()
        for alias in self.entries:
            self.listed.append(alias)
            yield alias

    @classmethod
    def questions(cls, alias: str) -> int:
        """Return how often it was asked for a project."""
        return [asked for asked, _thread in cls.asked].count(alias)


class NoList:
    def get(self, alias: str) -> None:
        """Know nothing."""


class Refuses(Store):
    def __init__(self) -> None:
        raise ConnectionError("s3cret@vault")
