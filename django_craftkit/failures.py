"""What a failure means: a lost race, an outage, a broken transaction, a worker that is to end."""

from __future__ import annotations

import errno
import sqlite3
import sys
import traceback
from typing import TYPE_CHECKING

import requests
from django.db import Error, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseErrorWrapper

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a database says whose transaction has lost a race and would win it next time: PostgreSQL's
#: deadlock and serialization failure, MySQL's deadlock, and SQLite's snapshot that is too old.
_LOST_RACES = frozenset({"40P01", "40001", 1213, getattr(sqlite3, "SQLITE_BUSY_SNAPSHOT", 517)})

#: SQLite's codes for what passes: locked, out of memory, interrupted, a disk that fails or is full,
#: a file that can't be opened or written to, a lock that did not come.
_SQLITE_OUTAGES = frozenset({5, 6, 7, 8, 9, 10, 13, 14, 15})
#: MySQL's errors that say nothing of the statement, beside those of its client from 2000 on: too
#: many connections, shutdown, out of memory or disk, a lock that did not come, a deadlock, killed,
#: out of time, read-only.
_MYSQL_OUTAGES = frozenset(
    {1021, 1037, 1038, 1040, 1041, 1053, 1077, 1079, 1105, 1114, 1129, 1135, 1152, 1153, 1154}
    | {1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1206, 1213, 1223, 1226, 1290}
    | {1317, 1412, 1615, 1637, 1792, 1836, 1927, 1969, 3024, 4031}
)
#: PostgreSQL's classes: connections, lost races, resources, not in the state for it (a lock that
#: did not come), intervention of an operator (shutdown, cancelled), system; and read-only.
_POSTGRESQL_OUTAGES = ("08", "40", "53", "55", "57", "58", "25006")
#: What libpq says of a transaction that failed, and of a connection that is lost.
_ABORTED = (3, 4)
#: Errors of the system that pass: full, too many files, a network that is not there.
_SYSTEM_OUTAGES = frozenset(
    code
    for code, name in errno.errorcode.items()
    if name in {"EAGAIN", "EBUSY", "EDQUOT", "EIO", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"}
    or name in {"EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETRESET", "ENETUNREACH", "ENOSPC"}
)
_OUTAGES = (
    ConnectionError,
    TimeoutError,
    MemoryError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
)

#: What task queues raise in the middle of anything, of a worker that they end soon: the module that
#: has it, and its name.
_TIME_LIMITS = (
    ("billiard.exceptions", "SoftTimeLimitExceeded"),  # Celery's
    ("rq.timeouts", "BaseTimeoutException"),
)


def time_limits() -> tuple[type[Exception], ...]:
    """Return the exceptions that are about no step, but about its worker: it is ended soon.

    Nothing is imported: what is raised is of a module that is loaded. So ask when it was raised,
    ``except time_limits():``, and not before.
    """
    modules = ((sys.modules.get(module), name) for module, name in _TIME_LIMITS)
    return tuple(getattr(module, name) for module, name in modules if hasattr(module, name))


def is_lost_race(error: BaseException) -> bool:
    """Whether a transaction failed for another's sake, so that it can be run again at once.

    Its connection may have failed over that, which hides the race behind another error.
    """
    return any(isinstance(one, Error) and _code_of(one) in _LOST_RACES for one in _chain(error))


def is_refused(error: BaseException, seconds: float, timeout: float) -> bool:
    """Whether SQLite has not even waited for a lock, since its error came after ``seconds``.

    It does not where two deferred transactions have read and both go on to write: they would wait
    for each other. Its code is that of a lock that did not come in time.
    """
    is_busy = any(
        isinstance(one.__cause__, sqlite3.OperationalError)
        and getattr(one.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        for one in _chain(error)
    )
    return is_busy and seconds < timeout


def is_outage(error: BaseException) -> bool:
    """Whether something that code relies on failed under it: a database, a network, a disk.

    The same code may well succeed later, so an outage decides nothing. What an error was raised
    from, or while it was handled, counts too: libraries wrap. An error of a call to Craftkit wraps
    nothing, and says it of itself.
    """
    return any(_is_outage(one) for one in _chain(error))


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, Error):
        return _is_outage_of_database(error)
    if isinstance(error, _OUTAGES) or getattr(error, "is_outage", False) is True:
        return True
    return isinstance(error, OSError) and (
        error.errno in _SYSTEM_OUTAGES or type(error).__module__ in ("socket", "ssl")
    )


def _is_outage_of_database(error: Error) -> bool:
    code = _code_of(error)
    if isinstance(error.__cause__, sqlite3.Error):
        # What it calls operational may be a statement that is wrong.
        return code is not None and int(code) & 0xFF in _SQLITE_OUTAGES
    if isinstance(code, str):
        return code.startswith(_POSTGRESQL_OUTAGES)
    if isinstance(code, int) and code:
        return code in _MYSQL_OUTAGES or 2000 <= code < 3000
    # A connection that is gone names no code.
    return isinstance(error, (InterfaceError, OperationalError))


def _code_of(error: BaseException) -> str | int | None:
    """Return a database's code of an error: PostgreSQL's SQLSTATE, a number, or ``None``."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if isinstance(state, str):
        return state
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None and not isinstance(cause, sqlite3.Error):
        code = next(iter(error.args), None)
    return code if type(code) is int else None


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Whether the caller has to commit: in an ``atomic`` block, or out of autocommit."""
    if connection.connection is None:
        return connection.in_atomic_block or not connection.settings_dict["AUTOCOMMIT"]
    return connection.in_atomic_block or not connection.autocommit


def breaks_transaction(error: BaseException, *, saved: str = "") -> bool:
    """Whether somebody's open transaction can't be committed any more after this error.

    ``saved`` is the alias of a database whose savepoint has been rolled back to since.

    To swallow it would roll their rows back without a word: PostgreSQL answers COMMIT of such a
    transaction with ROLLBACK, MySQL has ended one that lost a deadlock, and leaving an ``atomic``
    block that needs a rollback raises nothing.
    """
    open_ones = [one for one in connections.all(initialized_only=True) if is_in_transaction(one)]
    if any(one.needs_rollback or _is_aborted(one) for one in open_ones):
        return True
    for one in _chain(error):
        if isinstance(one, Error):
            failed = _connection_of(one)
            # One that was raised by hand names none: it may be any.
            if any(failed in (None, other) for other in open_ones if other.alias != saved):
                return True
    return False


def _is_aborted(connection: BaseDatabaseWrapper) -> bool:
    """Whether PostgreSQL's driver says that a transaction can't be committed, whoever broke it.

    The error that did may be out of sight: caught, or the driver's own.
    """
    if connection.vendor != "postgresql":
        return False
    info = getattr(connection.connection, "info", None)
    return getattr(info, "transaction_status", None) in _ABORTED


def _connection_of(error: Error) -> BaseDatabaseWrapper | None:
    """Return the connection that an error of a database happened on, if its frames tell."""
    found: BaseDatabaseWrapper | None = None
    for frame, _line in traceback.walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        if type(owner) is DatabaseErrorWrapper:
            found = owner.wrapper  # type: ignore[attr-defined]
        elif isinstance(owner, BaseDatabaseWrapper):
            found = owner
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error, and what it was raised from or while it was handled."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions
        todo += [one.__cause__, None if one.__suppress_context__ else one.__context__]
