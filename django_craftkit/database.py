"""The database that holds the mirror: which one, its clock, and writes of many rows at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from django.apps import apps
from django.conf import settings
from django.db import connections, models, router
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

M = TypeVar("M", bound=models.Model)

_CLOCKS = {
    "postgresql": "SELECT statement_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')",
}


def database() -> str:
    """Return the alias of the database that holds Craftkit's tables."""
    return router.db_for_write(apps.get_model("craftkit", "Job"))


#: Stands in for the database's clock in tests, where time is moved.
clock: Callable[[], datetime] | None = None


def database_now() -> datetime:
    """Return the database's time: leases of several machines must go by one clock."""
    if clock is not None:
        return clock()
    connection = connections[database()]
    query = _CLOCKS.get(connection.vendor)
    if query is None:
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(query)
        value = cursor.fetchone()[0]
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if timezone.is_naive(value):
        value = value.replace(tzinfo=UTC)
    return value if settings.USE_TZ else timezone.make_naive(value)


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


def upsert(rows: Sequence[models.Model], columns: Sequence[str]) -> None:
    """Write these columns of rows that exist and are locked, in one query.

    The other columns are not written, but must be filled: what a row would be inserted with.
    """
    if rows:
        type(rows[0])._default_manager.using(database()).bulk_create(
            rows,
            update_conflicts=True,
            update_fields=list(columns),
            unique_fields=_target("id"),
        )


def _target(*names: str) -> list[str] | None:
    # MySQL and MariaDB take any unique key for the target and refuse to be told which.
    features = connections[database()].features
    return list(names) if features.supports_update_conflicts_with_target else None
