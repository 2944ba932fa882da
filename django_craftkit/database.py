"""The database that holds the mirror: which one, and writes of many rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.apps import apps
from django.db import connections, models, router

if TYPE_CHECKING:
    from collections.abc import Sequence

M = TypeVar("M", bound=models.Model)


def database() -> str:
    """Return the alias of the database that holds Craftkit's tables."""
    return router.db_for_write(apps.get_model("craftkit", "Job"))


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
