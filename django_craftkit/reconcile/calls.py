"""Calls that make something at Craftkit: noted on their row before they are made.

The note says since when a call may be under way. It is taken back only where Craftkit proved that
it did not act, and only by who wrote it: what a later call, or a later attempt, has written stays.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from django_craftkit import clock, conf
from django_craftkit.clock import database_now
from django_craftkit.database import database, update_many
from django_craftkit.models import Render, Share, SignatureRequest

from .crew import NotMade

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet

    from .facts import R

T = TypeVar("T")
Row = Render | Share | SignatureRequest
#: The moment of the first call of an attempt, where the row has it, and of the last one.
Noted = dict[str, datetime | None]


def noted(row: Row) -> Noted:
    """Return what a row says of its calls."""
    names = {field.name for field in row._meta.concrete_fields}
    return {name: getattr(row, name) for name in ("sent_at", "sending_since") if name in names}


def note(row: Row, wanted: QuerySet[Any], **also: Any) -> bool:
    """Note that a call for a row is under way; ``False`` where it may not be made.

    That is where the row is none of ``wanted`` by now, or another call was noted since it was read.
    ``also`` is written with it.
    """
    before = noted(row)
    values = _with_call(before, database_now())
    if not wanted.filter(pk=row.pk, status=row.Status.PENDING, **before).update(**values, **also):
        return False
    remember(row, values)
    return True


def note_all(
    rows: Sequence[R], locked: Callable[[QuerySet[Any]], QuerySet[Any]], *names: str
) -> dict[int, Noted | None]:
    """Note that calls for rows are under way, as ``note`` does; return what was noted of which row.

    ``None``: the call may not be made, since the row is not as it was read, in its calls or in the
    columns ``names``. Inside a transaction; ``remember`` it when that is committed. ``locked``
    locks the rows: it waits for whoever has them, or leaves those out.
    """
    if not rows:
        return {}
    columns: tuple[str, ...] = tuple(noted(rows[0]))
    read = ("status", "attempt", *names, *columns)
    # By primary keys alone: MySQL would lock whatever other index it goes by.
    all_rows: Any = type(rows[0])._default_manager.using(database()).only(*read)
    found = locked(all_rows).in_bulk([row.pk for row in rows])
    now, begun = database_now(), []
    for row in rows:
        there = found.get(row.pk)
        if there is not None and all(getattr(there, n) == getattr(row, n) for n in read):
            remember(there, _with_call(noted(row), now))
            begun.append(there)
    update_many(begun, columns)
    return {**dict.fromkeys(found), **{row.pk: noted(row) for row in begun}}


def _with_call(before: Noted, now: datetime) -> Noted:
    """Return what a row says once a call more is noted."""
    return {**{name: value or now for name, value in before.items()}, "sending_since": now}


def remember(row: Row, values: Noted) -> None:
    """Have a row that was read before say what was noted of it since."""
    for name, value in values.items():
        setattr(row, name, value)


def take_back(row: Row, before: Noted) -> None:
    """Note that Craftkit did not act on the call that was noted last, by this worker."""
    rows = type(row)._default_manager.using(database())
    if not isinstance(row, Share):
        rows = rows.filter(attempt=row.attempt)
    mine = rows.filter(pk=row.pk, status=row.Status.PENDING, sending_since=row.sending_since)
    mine.update(**before)


def stood_still(started: datetime) -> bool:
    """Whether the worker stood still for so long that others may soon settle its call."""
    return clock.now() - started > timedelta(seconds=conf.options().LEASE) / 2


def in_time(started: datetime, call: Callable[[], T]) -> T:
    """Make a call that rows tell of since ``started``, unless others may soon settle it."""
    if stood_still(started):
        raise NotMade
    return call()


def seconds_until_over(project: str) -> float:
    """Return how long after it was noted a call may still be under way, in seconds.

    Its worker makes it within half a lease, or not at all: `stood_still`. Then it is over within
    its timeout and a second: no byte of it goes out later, however long a name took to be found.
    An adapter of the project's own may count connecting apart. By then its lease is over, too.
    """
    lease = conf.options().LEASE
    return max(lease, lease / 2 + sum(conf.project(project).timeout) + 1)


def is_over(project: str, since: datetime, now: datetime) -> bool:
    """Whether no worker makes the call any longer that was noted then."""
    return (now - since).total_seconds() >= seconds_until_over(project)
