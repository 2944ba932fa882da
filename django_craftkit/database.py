"""The database that holds the mirror: which one, what it can store, locks and bulk writes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from django.apps import apps
from django.core.exceptions import EmptyResultSet
from django.db import Error, connections, models, router, transaction

from . import bulk
from .failures import is_in_transaction, is_lost_race, is_refused
from .log import get_logger
from .statements import insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper as Connection
    from django.db.backends.mysql.base import DatabaseWrapper as MySQL
    from django.db.models.sql.compiler import SQLCompiler

    from .statements import Lookup
    from .untrusted import Json

    Sql = tuple[str, tuple[str | int, ...]]

logger = get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=models.Model)
Rows = TypeVar("Rows", bound=models.QuerySet[Any])
View = TypeVar("View", bound=Callable[..., object])

#: Lists and objects in one another that every database holds in a JSON column: MariaDB's takes 31.
MAX_DEPTH = 30
_READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
#: How often something is tried that loses a race.
TRIES = 5


def database() -> str:
    """Return the alias of the database that holds Craftkit's tables."""
    return router.db_for_write(_job())


@cache
def _job() -> type[models.Model]:
    return apps.get_model("craftkit", "Job")


def count_some(querysets: Iterable[models.QuerySet[Any]], most: int) -> list[int]:
    """Count the rows of each, up to ``most`` and one, with one query for all."""
    using = database()
    connection = connections[using]
    parts: list[str] = []
    params: list[Any] = []
    for rows in querysets:
        few = rows.using(using).order_by().values("pk")[: most + 1]
        try:
            sql, values = few.query.get_compiler(using).as_sql()
        except EmptyResultSet:
            parts.append("0")
            continue
        parts.append(f"(SELECT COUNT(*) FROM ({sql}) craftkit_{len(parts)})")  # noqa: S608
        params += values
    if not parts:
        return []
    with connection.cursor() as cursor:
        suffix = connection.features.bare_select_suffix
        cursor.execute(f"SELECT {', '.join(parts)}{suffix}", params)
        return [int(number) for number in cursor.fetchone()]


def non_atomic(view: View) -> View:
    """Keep a view out of ``ATOMIC_REQUESTS``, for every database."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def retried_after_deadlock(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function that writes, and retry it if its transaction has lost a race.

    In an open transaction only the caller can start over. What the function commits must be the
    last thing that it does, and no hook may run with it; else use ``in_transaction``.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return _retried(function.__qualname__, lambda: function(*args, **kwargs))

    return run


def in_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function in a transaction of Craftkit's database; retry it if that has lost a race.

    In READ COMMITTED, as `in_read_committed`.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        committed: list[bool] = []

        def once() -> R:
            with in_read_committed(database()):
                # The first of its hooks. What another one raises comes too late to start over.
                transaction.on_commit(partial(committed.append, True), using=database())
                return function(*args, **kwargs)

        return _retried(function.__qualname__, once, committed)

    return run


def _retried(name: str, once: Callable[[], R], committed: Sequence[bool] = ()) -> R:
    connection = connections[database()]
    if is_in_transaction(connection):
        return once()
    timeout = connection.settings_dict["OPTIONS"].get("timeout", 5.0)
    for attempt in range(1, TRIES + 1):
        began = time.monotonic()
        try:
            return once()
        except Error as error:
            waited = time.monotonic() - began
            is_lost = is_lost_race(error) or is_refused(error, waited, timeout)
            if is_in_transaction(connection) and not connection.in_atomic_block:
                # It broke while it rolled back, and would take the next block for an inner one.
                connection.close()
            drop_broken(connection)
            if attempt == TRIES or committed or not is_lost:
                raise
            logger.info("%s is retried: %s", name, error)
        time.sleep(0.01 * 2**attempt)
    raise AssertionError("unreachable")


@contextmanager
def in_read_committed(using: str) -> Iterator[None]:
    """Open a transaction in READ COMMITTED; inside an open one its level stays.

    For locking rows past those that others have locked: in another level PostgreSQL gives up on
    each row that has changed, and MariaDB locks the gaps between them.
    """
    connection = connections[using]
    is_outermost = not is_in_transaction(connection)
    read_committed_next(using)
    with transaction.atomic(using=using):
        is_set = "isolation_level" in connection.settings_dict["OPTIONS"]
        if is_outermost and is_set and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(_READ_COMMITTED)
        yield


def read_committed_next(using: str) -> None:
    """Have the next transaction of MariaDB or MySQL lock no gaps, if none is open.

    Web requests that insert would wait for whoever locks them, and deadlock. Other databases have
    no such locks.
    """
    connection = connections[using]
    if connection.vendor != "mysql" or is_in_transaction(connection):
        return
    connection.ensure_connection()
    # Django has set it for the session, by default.
    if cast("MySQL", connection).isolation_level != "read committed":
        with connection.cursor() as cursor:
            cursor.execute(_READ_COMMITTED)


def drop_broken(connection: Connection) -> None:
    """Close a connection on which something failed, where it can't be used any more.

    Not one that is merely old: its session may hold a lock of the caller's. Nor one in the caller's
    transaction: on a new one nothing would tell that the caller's rows are lost.
    """
    if is_in_transaction(connection) or not connection.errors_occurred:
        return
    if connection.connection is None or connection.is_usable():
        connection.errors_occurred = False
    else:
        connection.close()


def lock(queryset: Rows, *, skip_locked: bool = False) -> Rows:
    """Lock the rows of a queryset; rows that refer to them can be written meanwhile.

    ``skip_locked`` passes over rows that others have locked, where the database can.
    """
    features = connections[queryset.db].features
    return queryset.select_for_update(
        skip_locked=skip_locked and features.has_select_for_update_skip_locked,
        no_key=features.has_select_for_no_key_update,
    )


def is_too_deep(value: object) -> bool:
    """Whether a JSON value nests more than ``MAX_DEPTH`` lists and objects in one another."""
    # One iterator for each level: no recursion, which data of others could drive to its limit.
    path: list[Iterator[object]] = [iter((value,))]
    while path:
        for item in path[-1]:
            # Most values are these, and to say what is no Mapping takes longer.
            if item is None or isinstance(item, (str, int, float)):
                continue
            if isinstance(item, (list, tuple, Mapping)):
                if len(path) > MAX_DEPTH:
                    return True
                path.append(iter(item.values() if isinstance(item, Mapping) else item))
                break
        else:
            path.pop()
    return False


def sanitized(value: object, levels: int = MAX_DEPTH) -> Json:
    """Return a JSON value of Craftkit's without what some database can't store.

    That is NUL characters, halves of surrogate pairs, numbers that aren't finite, and what is
    nested more than ``levels`` deep.
    """
    match value:
        case str():
            return value.replace("\0", "").encode("utf-8", "replace").decode()
        case float() if not math.isfinite(value):
            return None
        case list() | Mapping() if levels == 0:
            return None
        case list():
            return [sanitized(item, levels - 1) for item in value]
        case Mapping():
            return {sanitized(key): sanitized(item, levels - 1) for key, item in value.items()}
    return value


def describe(error: Exception) -> str:
    """Return what staff are shown of an exception."""
    return str(sanitized(f"{type(error).__name__}: {error}"))


def insert_or_get(row: M, lookup: Lookup[M], *names: str) -> M:
    """Insert a row whose key was free a moment ago, and return it: one query.

    Whoever lost a race for the key gets the winner's row, another object than ``row``, by
    ``lookup`` of ``names``. Where the transaction reads as of an earlier moment, PostgreSQL
    raises 40001 instead: only who began it can start over.
    """
    using = database()
    values = [getattr(row, name) for name in names]
    for _try in range(TRIES):
        if insert(row, using):
            return row
        winner = lookup.first(using, *values)
        if winner is None and connections[using].vendor == "mysql":
            # It may have been committed after what REPEATABLE READ lets this transaction see.
            winner = lookup.first(using, *values, is_shared=True)
        if winner is not None:
            return winner
        # It was deleted again in between.
    # Or it was no key that the database refused, and it says what.
    row.save(using=using, force_insert=True)
    return row


class IsCurrent(models.Expression):
    """Whether a statement sees all that others have committed before it: in READ COMMITTED.

    Else a transaction may see what has been gone since it began.
    """

    output_field = models.BooleanField()

    def as_sql(self, compiler: SQLCompiler, connection: Connection) -> Sql:
        # SQLite: one writer at a time, and whoever has written is it.
        return ("1" if connection.vendor == "sqlite" else "0"), ()

    def as_postgresql(self, compiler: SQLCompiler, connection: Connection) -> Sql:
        return "(CURRENT_SETTING('transaction_isolation') = 'read committed')", ()

    def as_mysql(self, compiler: SQLCompiler, connection: MySQL) -> Sql:
        name = "tx_isolation" if connection.mysql_is_mariadb else "transaction_isolation"
        return f"(@@{name} = 'READ-COMMITTED')", ()


def update_many(rows: Sequence[models.Model], columns: Iterable[str]) -> None:
    """Write these columns of locked rows in one query for each megabyte, each row its own values.

    A value may be an expression where it is every row's.
    """
    if rows:
        bulk.update(rows, list(columns), database())
