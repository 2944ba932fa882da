"""This thread's connections: renewed before it works, closed where they broke, not kept waiting."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.db import Error, connections
from django.db.backends.signals import connection_created

from django_craftkit import database, tenants
from django_craftkit.failures import is_in_transaction
from django_craftkit.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper as Connection

    #: A connection, the driver's own that it had, and what takes the limit back.
    Limited = tuple[Connection, object, str, tuple[Any, ...]]

logger = get_logger(__name__)

#: What this thread has limited, and to how many seconds; ``None``: it waits as long as it takes.
_limited: ContextVar[tuple[float, list[Limited]] | None] = ContextVar("limited", default=None)


def renew() -> None:
    """Close this thread's connections that are too old, or broke since it last worked."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            continue
        connection.close_if_unusable_or_obsolete()
        # That looks at those alone which have failed here; a server that restarts tells nobody.
        if connection.connection is not None and not connection.is_usable():
            connection.close()


def drop_broken() -> None:
    """Close this thread's connections that failed and can't be used any more."""
    for connection in connections.all(initialized_only=True):
        database.drop_broken(connection)


@contextmanager
def limited_lock_waits(seconds: float) -> Iterator[None]:
    """Have no statement of this thread wait longer for a lock, where there are tenants.

    A migration locks the tables of one, and its data may take minutes. What waits longer raises
    ``OperationalError``. SQLite has its own limit, ``timeout``. For the session: what is done in
    here takes many transactions.
    """
    if not tenants.are_used() or _limited.get() is not None:
        yield
        return
    token = _limited.set((seconds, []))
    try:
        for connection in connections.all(initialized_only=True):
            _limit(connection)
        yield
    finally:
        given = _limited.get()
        _limited.reset(token)
        for one in given[1] if given else ():
            _give_back(*one)


def _limit_new(connection: Connection, **kwargs: object) -> None:
    _limit(connection)


connection_created.connect(_limit_new, dispatch_uid="craftkit_limited_lock_waits")


def _limit(connection: Connection) -> None:
    limit = _limited.get()
    if limit is None or connection.connection is None or is_in_transaction(connection):
        return
    seconds, limited = limit
    if connection.vendor == "postgresql":
        # A pool of connections that are any session's for a transaction: for them Django wants
        # this setting, and what is set for a session would be the next one's.
        if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            return
        read = "SELECT current_setting('lock_timeout')"
        write = "SELECT set_config('lock_timeout', %s, false)"
        values: tuple[Any, ...] = (f"{int(seconds * 1000)}ms",)
    elif connection.vendor == "mysql":
        # Of tables, and of rows.
        read = "SELECT @@SESSION.lock_wait_timeout, @@SESSION.innodb_lock_wait_timeout"
        write = "SET SESSION lock_wait_timeout = %s, SESSION innodb_lock_wait_timeout = %s"
        values = (max(1, round(seconds)),) * 2
    else:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(read)
            before = tuple(cursor.fetchone())
            cursor.execute(write, values)
    except Error as error:
        # Whoever uses it next is told.
        logger.info("How long the connection %r waits stays as it was: %s", connection.alias, error)
        database.drop_broken(connection)
        return
    limited.append((connection, connection.connection, write, before))


def _give_back(connection: Connection, own: object, write: str, before: tuple[Any, ...]) -> None:
    """Let a session wait as long as it did before."""
    if connection.connection is not own:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(write, before)
    except Error:
        # It is not kept with a limit that nobody knows of.
        connection.close()
