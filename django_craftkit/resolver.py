"""The class that ``CRAFTKIT["PROJECT_RESOLVER"]`` names: imported, made once a process, and asked.

Of what it raises, only the type goes further: the text may hold secrets.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.utils.module_loading import import_string

from .failures import breaks_transaction, time_limits

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Seconds for which a thread waits for another that makes the resolver, or asks it the same.
PATIENCE = 5.0


class ProjectResolver(Protocol):
    """What ``CRAFTKIT["PROJECT_RESOLVER"]`` names: a class that is made without arguments.

    One instance serves all threads of a process.
    """

    def get(self, alias: str) -> Mapping[str, Any] | None:
        """Return what an entry of ``CRAFTKIT_PROJECTS`` has; ``None``: there is no such project."""
        raise NotImplementedError

    def aliases(self) -> Iterable[str]:
        """Return the aliases of all projects that can be called."""
        raise NotImplementedError


class Unusable(ImproperlyConfigured):
    """A dotted path names no resolver."""


_made: dict[str, ProjectResolver] = {}
_making = threading.RLock()


def ask(path: str, alias: str) -> tuple[object, str]:
    """Return what the resolver has under an alias, or the type of what it raised."""
    try:
        given = resolver_of(path).get(alias)
        return (dict(given) if isinstance(given, Mapping) else given), ""
    except Exception as error:
        return None, failure_of(error)


def failure_of(error: Exception) -> str:
    """Return the type of what a resolver raised.

    Raises it where it says nothing of what the resolver looks into: the path names none, the code
    was called in an event loop, a transaction is broken, or the worker is about to be ended.
    """
    if isinstance(error, (Unusable, SynchronousOnlyOperation, *time_limits())):
        raise error
    if breaks_transaction(error):
        raise error
    return type(error).__name__


def resolver_of(path: str) -> ProjectResolver:
    """Return this process's instance.

    Raises ``Unusable``, ``TimeoutError`` where another thread is long in making it, and whatever
    its module raises at its import, or the class when it is made.
    """
    if (made := _made.get(path)) is not None:
        return made
    if not _making.acquire(timeout=PATIENCE):
        raise TimeoutError
    try:
        made = _made.get(path) or _class_of(path)()
        _made[path] = made
        return made
    finally:
        _making.release()


def forget() -> None:
    """Have it made anew: the settings have changed."""
    _made.clear()


def refusal(path: str) -> str:
    """Return why a dotted path names no resolver, "" if it does. Makes none, and asks nothing.

    It has the text of what the module raises at its import: for a system check, and for no log.
    """
    try:
        named = import_string(path)
    except Exception as error:  # whatever the project's module raises
        return f"{type(error).__name__}: {error}"
    return _lack(path, named)


def _class_of(path: str) -> type[ProjectResolver]:
    named: object = None
    try:
        named = import_string(path)
    except ImportError as error:
        wrong = f"it can't be imported ({type(error).__name__}); see manage.py check."
    else:
        wrong = _lack(path, named)
    if wrong:
        raise Unusable(f"CRAFTKIT['PROJECT_RESOLVER'], {path}, can't be used: {wrong}")
    return cast("type[ProjectResolver]", named)


def _lack(path: str, named: object) -> str:
    if not isinstance(named, type):
        return f"{path} is a {type(named).__name__}."
    lacking = [name for name in ("get", "aliases") if not callable(getattr(named, name, None))]
    return f"{path} has no method {' and no '.join(lacking)}." if lacking else ""
