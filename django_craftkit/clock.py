"""The time: this machine's for requests, the database's for leases, and a test's for both."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.db import connections
from django.db.models import DateTimeField, TextField, Value
from django.db.models.expressions import RawSQL
from django.utils import timezone

from .database import database

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.base.base import BaseDatabaseWrapper as Connection
    from django.db.models.expressions import Combinable

_CLOCKS = {
    "postgresql": "SELECT statement_timestamp() AT TIME ZONE 'UTC'",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')",
}

#: The same as what a column of moments holds, ``shift`` seconds from UTC.
_MOMENTS = {
    "postgresql": "STATEMENT_TIMESTAMP()",
    "mysql": "UTC_TIMESTAMP(6) + INTERVAL {shift} SECOND",
    # Moments are compared as texts there, and Django writes a whole second without a fraction.
    "sqlite": (
        "RTRIM(RTRIM(STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '{shift} seconds'), '0'), '.')"
    ),
}

_stand_in: Callable[[], datetime] | None = None


def set_clock(stand_in: Callable[[], datetime] | None) -> Callable[[], datetime] | None:
    """Let a test move the time; ``None`` gives it back. Return what stood in before."""
    global _stand_in
    before, _stand_in = _stand_in, stand_in
    return before


def now() -> datetime:
    """Return this machine's time."""
    return timezone.now() if _stand_in is None else _stand_in()


def seconds() -> float:
    """Return this machine's time in seconds since 1970."""
    return time.time() if _stand_in is None else _stand_in().timestamp()


def local(moment: datetime) -> datetime:
    """Return a moment in the reader's time zone; without ``USE_TZ`` it is in it already."""
    try:
        return timezone.localtime(moment) if timezone.is_aware(moment) else moment
    except OverflowError:
        return moment  # an hour of the year 1, or 9999, that is not in the zone's calendar


def database_now_expression() -> Combinable:
    """Return the database's time for a query that is made anyway; ``moment`` reads its value."""
    query = _CLOCKS.get(connections[database()].vendor)
    if query is None or _stand_in is not None:
        return Value(None, output_field=TextField())
    return RawSQL(query.replace("%", "%%"), ())  # noqa: S611


def database_moment() -> datetime | RawSQL:
    """Return the database's time to be written, without a query of its own where it can be.

    What is compared with the database's clock is written by it: a web server's may be off.
    """
    sql = moment_sql(connections[database()])
    return RawSQL(sql, (), output_field=DateTimeField()) if sql else database_now()  # noqa: S611


def moment_sql(connection: Connection) -> str:
    """Return the SQL of ``database_moment``; "" where it takes a query of its own."""
    sql = "" if _stand_in is not None else _MOMENTS.get(connection.vendor, "")
    shift = 0
    if not settings.USE_TZ:
        offset = datetime.now(timezone.get_default_timezone()).utcoffset()
        shift = int(offset.total_seconds()) if offset else 0
    return _shifted(sql, shift)


@lru_cache
def _shifted(sql: str, shift: int) -> str:
    return sql.format(shift=f"{shift:+d}")


def database_now() -> datetime:
    """Return the database's time: leases of several machines must go by one clock."""
    connection = connections[database()]
    query = _CLOCKS.get(connection.vendor)
    if query is None or _stand_in is not None:
        return now()
    with connection.cursor() as cursor:
        cursor.execute(query)
        return moment(cursor.fetchone()[0])


def moment(value: Any) -> datetime:
    """Return the time that a database's clock has told as Django has it; of ``None`` ours."""
    if value is None:
        return now()
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if timezone.is_naive(value):
        value = value.replace(tzinfo=UTC)
    if settings.USE_TZ:
        return cast("datetime", value)
    return timezone.make_naive(value, timezone.get_default_timezone())
