"""The database that holds the mirror: which one, what it can store, locks and bulk writes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.apps import apps
from django.db import Error, connections, models, router, transaction
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from .failures import is_busy, is_in_transaction, is_lost_race
from .log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

logger = get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=models.Model)
View = TypeVar("View", bound=Callable[..., Any])

#: Lists and objects in one another that every database holds in a JSON column: MariaDB's takes 31.
MAX_DEPTH = 30
#: How often something is tried that loses a race.
TRIES = 5


def database() -> str:
    """Return the alias of the database that holds Craftkit's tables."""
    return router.db_for_write(apps.get_model("craftkit", "Job"))


def non_atomic(view: View) -> View:
    """Keep a view out of ``ATOMIC_REQUESTS``, for every database."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def again_after_deadlock(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function that writes once more where its transaction has lost a race.

    Inside somebody's transaction only they can start over, also where they have taken the
    connection out of autocommit. What the function commits is the last
    thing that it does, and nobody's hook runs with it; else use ``in_transaction``.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return _again(function.__qualname__, lambda: function(*args, **kwargs), lambda: False)

    return run


def in_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function in a transaction of Craftkit's database, again if that has lost a race."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        committed: list[bool] = []

        def once() -> R:
            with transaction.atomic(using=database()):
                # The first of its hooks. What another one raises comes too late to start over.
                transaction.on_commit(partial(committed.append, True), using=database())
                return function(*args, **kwargs)

        return _again(function.__qualname__, once, lambda: bool(committed))

    return run


def _again(name: str, once: Callable[[], R], is_committed: Callable[[], bool]) -> R:
    connection = connections[database()]
    if is_in_transaction(connection):
        return once()
    for attempt in range(1, TRIES + 1):
        began = time.monotonic()
        try:
            return once()
        except Error as error:
            is_lost = is_lost_race(error) or _is_refused(error, time.monotonic() - began)
            if is_in_transaction(connection) and not connection.in_atomic_block:
                # It broke while it rolled back, and would take the next block for an inner one.
                connection.close()
            drop_broken(connection)
            if attempt == TRIES or is_committed() or not is_lost:
                raise
            logger.info("%s is run again: %s", name, error)
        time.sleep(0.01 * 2**attempt)
    raise AssertionError("unreachable")


def drop_broken(connection: Any) -> None:
    """Let go of a connection on which something failed, where it can't be used any more.

    Not of one that is merely old: its session may hold the caller's, an advisory lock, say. Nor
    of one in somebody's transaction: on a new connection nothing would tell that their rows are
    lost.
    """
    if is_in_transaction(connection) or not connection.errors_occurred:
        return
    if connection.connection is None or connection.is_usable():
        connection.errors_occurred = False
    else:
        connection.close()


def _is_refused(error: Error, seconds: float) -> bool:
    """Whether SQLite has not even waited for a lock, of an error that took so long to come.

    It does not where two deferred transactions have read and both go on to write: they would wait
    for each other. Its code is that of a lock that did not come in time.
    """
    patience: float = connections[database()].settings_dict["OPTIONS"].get("timeout", 5.0)
    return is_busy(error) and seconds < patience


def lock(queryset: models.QuerySet[M]) -> models.QuerySet[M]:
    """Lock the rows of a queryset; rows that refer to them can be written meanwhile."""
    features = connections[queryset.db].features
    return queryset.select_for_update(no_key=features.has_select_for_no_key_update)


def is_too_deep(value: Any) -> bool:
    """Whether a JSON value nests more than ``MAX_DEPTH`` lists and objects in one another."""
    # One iterator for each level: no recursion, which data of others could drive to its limit.
    path: list[Iterator[Any]] = [iter((value,))]
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


def storable(value: Any, levels: int = MAX_DEPTH) -> Any:
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
            return [storable(item, levels - 1) for item in value]
        case Mapping():
            return {storable(key): storable(item, levels - 1) for key, item in value.items()}
        case _:
            return value


def describe(error: Exception) -> str:
    """Return what staff are shown of an exception."""
    return str(storable(f"{type(error).__name__}: {error}"))


def insert_or_get(row: M, *names: str) -> M:
    """Insert a row, or return the one that is unique by the same values in ``names``: one query.

    Whoever loses a race for it gets the winner's, from an update that changes nothing.
    """
    manager = type(row)._default_manager.using(database())
    inserted: M
    (inserted,) = manager.bulk_create(
        [row],
        update_conflicts=True,
        update_fields=[names[-1]],
        unique_fields=_target(*names),
    )
    if inserted.pk is None:  # MySQL does not return it
        return manager.get(**{name: getattr(row, name) for name in names})
    return inserted


def update_many(rows: Sequence[models.Model], columns: Iterable[str]) -> None:
    """Write these columns of locked rows in one query, each row its own values."""
    if not rows:
        return
    model, pks = type(rows[0]), [row.pk for row in rows]
    values = {
        name: _value(model, pks, [getattr(row, name) for row in rows], name) for name in columns
    }
    model._default_manager.using(database()).filter(pk__in=pks).update(**values)


def _value(model: type[models.Model], pks: Sequence[Any], values: Sequence[Any], name: str) -> Any:
    """Return the one value of a column, or what chooses a row's own by its primary key.

    ``Case(When(…))``, and ``bulk_update`` with it, costs more to compile than to run.
    """
    if all(value == values[0] for value in values):
        return values[0]
    field: Any = model._meta.get_field(name)
    connection = connections[database()]
    params: list[Any] = []
    for pk, value in zip(pks, values, strict=True):
        params += pk, field.get_db_prep_save(value, connection)
    key = connection.ops.quote_name("id")
    choice = RawSQL(f"CASE {key} {'WHEN %s THEN %s ' * len(pks)}END", params, field)  # noqa: S611
    casted = connection.features.requires_casted_case_in_updates
    return Cast(choice, field) if casted else choice


def _target(*names: str) -> list[str] | None:
    # MySQL and MariaDB take any unique key for the target and refuse to be told which.
    features = connections[database()].features
    return list(names) if features.supports_update_conflicts_with_target else None
