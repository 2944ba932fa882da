"""All tenants at a glance: which have something due, and whose turn upkeep is.

Where one connection reaches the tables of all tenants, that takes one statement for some hundreds
of them; else one in each.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connections, models

from django_craftkit import conf, tenants
from django_craftkit.clock import database_now
from django_craftkit.database import database
from django_craftkit.models import Job, ProjectState, WebhookDelivery
from django_craftkit.models.priority import Priority

from . import sweeping
from .alone import alone

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

#: Seconds from one tenant's upkeep to the next one's; and to its own next one, at least.
UPKEEP_EVERY, UPKEEP_AT_LEAST = 5.0, 60.0
#: Tenants whose upkeep one survey does at most: after a pause of all workers it is due for all.
MOST_UPKEEP = 5
#: Seconds after which a tenant is given another sign that somebody sweeps.
SIGN_EVERY = 20.0

_TABLES: dict[str, type[models.Model]] = {
    "job": Job,
    "delivery": WebhookDelivery,
    "state": ProjectState,
}
_IS_FREE = "t.due_at <= %s AND (t.leased_until IS NULL OR t.leased_until <= %s)"
#: What waits for its project to be tried again is not due.
_IS_NOT_PAUSED = (
    "NOT EXISTS (SELECT 1 FROM {state} s WHERE s.project = t.project AND s.capability = '' "
    "AND s.paused_at IS NOT NULL AND s.probe_at > %s)"
)
_IS_SIGNED = "EXISTS (SELECT 1 FROM {state} s WHERE s.capability = '' AND s.swept_at >= %s)"
#: By the index of claims, and by that of the inbox.
_IS_JOB_DUE = (
    f"EXISTS (SELECT 1 FROM {{job}} t WHERE {_IS_FREE} AND t.priority IN "  # noqa: S608
    f"({', '.join(str(int(one)) for one in Priority)}) AND "
)
_IS_WEBHOOK_DUE = f"EXISTS (SELECT 1 FROM {{delivery}} t WHERE {_IS_FREE})"  # noqa: S608


def _sql(*, is_paused: bool) -> str:
    condition = "t.project = ''" if is_paused else _IS_NOT_PAUSED
    columns = (f"{_IS_JOB_DUE}{condition}) OR {_IS_WEBHOOK_DUE}", _IS_SIGNED, _IS_SIGNED)
    return "SELECT " + ", ".join(f"CASE WHEN {one} THEN 1 ELSE 0 END" for one in columns)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found of a tenant."""

    name: str
    is_due: bool
    #: Whether it has had a sign of late, and whether it has had its upkeep in this turn.
    is_signed: bool
    is_kept_up: bool
    #: When this turn began, and when it was asked, by the clock of its database.
    turn: datetime
    now: datetime


def survey(names: Sequence[str], left_out: Container[str] = ()) -> list[Survey]:
    """Return what is found of each tenant that can be asked, but for those ``left_out``.

    ``names`` are all, in a lasting order: by it they have their turns.
    """
    prepare = models.DateTimeField().get_db_prep_value
    places = {name: place for place, name in enumerate(names)}
    #: Of each tenant, when it was asked, and when its last turn began.
    moments: dict[str, tuple[datetime, datetime]] = {}
    is_paused = conf.options().PAUSED
    sql = _sql(is_paused=is_paused)

    def params(some: Sequence[str]) -> list[list[Any]]:
        # Of the connection that is asked: leases are judged by the clock that wrote them.
        now = database_now()
        recently = now - timedelta(seconds=SIGN_EVERY)
        found = []
        for name in some:
            turn = _turn(places[name], len(names), now)
            moments[name] = now, turn
            values = [*[now] * (4 if is_paused else 5), recently, turn]
            found.append([prepare(one, connections[database()]) for one in values])
        return found

    surveys = []
    asked = [name for name in names if name not in left_out]
    for name, rows in tenants.select(asked, sql, _TABLES, params):
        if rows is not None:
            is_due, is_signed, is_kept_up = map(bool, rows[0])
            now, turn = moments[name]
            surveys.append(Survey(name, is_due, is_signed, is_kept_up, turn, now))
    return surveys


def _turn(place: int, number: int, now: datetime) -> datetime:
    """Return when the last turn of upkeep began of one of so many tenants, spread over time."""
    period = _period(number)
    passed = (now.timestamp() - period * place / number) % period
    return now - timedelta(seconds=passed)


def _period(number: int) -> float:
    """Return in how many seconds each of so many tenants has its turn of upkeep once."""
    return max(UPKEEP_AT_LEAST, UPKEEP_EVERY * number)


class Upkeep:
    """Signs of life for all tenants, and in turn what ``sweeping.look_after`` does."""

    def __init__(self) -> None:
        #: Until when, of this process, a tenant's upkeep is not due: of one without projects
        #: nothing in its tables says so.
        self._done_until: dict[str, float] = {}
        #: Whose turn this process has taken and is still to do. If it dies, their next turn comes.
        self._taken: set[str] = set()

    def keep_up(self, surveys: Sequence[Survey]) -> None:
        """Do it for some of the tenants whose turn it is; give the others a sign."""
        started, period = time.monotonic(), _period(len(surveys))
        self._done_until = {
            name: until for name, until in self._done_until.items() if until > started
        }
        due = [
            one
            for one in surveys
            if one.name in self._taken or not (one.is_kept_up or one.name in self._done_until)
        ]
        done = due[:MOST_UPKEEP]
        for one in done:
            self._done_until[one.name] = started + period / 2
            is_taken = one.name in self._taken
            self._taken.discard(one.name)
            part = int(one.now.timestamp() // period)
            alone(one.name, partial(_keep_up, one, part, is_taken=is_taken))
        # Others are told by their sign that somebody has taken the turn.
        self._taken.update(one.name for one in due[MOST_UPKEEP:])
        fresh = {one.name for one in done if not one.is_kept_up}
        _sign([one for one in surveys if not one.is_signed and one.name not in fresh])


def _keep_up(one: Survey, part: int, *, is_taken: bool) -> None:
    # Another process may be at it.
    if is_taken or sweeping.note_sweep(one.now, since=one.turn):
        sweeping.look_after(one.now, part)


def _sign(surveys: Sequence[Survey]) -> None:
    """Note in these tenants that somebody sweeps; what another has locked is left to the next."""
    are_together = all(tenants.table(one.name, ProjectState) for one in surveys)
    # Outside of all tenants there may be no database.
    are_together = are_together and connections[database()].vendor == "postgresql"
    for start in range(0, len(surveys), tenants.TOGETHER):
        part = surveys[start : start + tenants.TOGETHER]
        names = [one.name for one in part]
        if are_together and alone(None, partial(_sign_together, names, part[0].now)):
            continue
        # One whose tables are gone by now, or locked, takes no other along.
        for one in part:
            alone(one.name, partial(sweeping.note_sweep, one.now))


def _sign_together(names: Sequence[str], now: datetime) -> None:
    columns, condition, params = sweeping.signs_sql(now)
    updates = ", ".join(
        f"u{number} AS (UPDATE {table} SET {columns} WHERE id IN "  # noqa: S608
        f"(SELECT id FROM {table} WHERE {condition} FOR UPDATE SKIP LOCKED))"
        for number, table in enumerate(tenants.table(name, ProjectState) for name in names)
    )
    with connections[database()].cursor() as cursor:
        cursor.execute(f"WITH {updates} SELECT 1", params * len(names))
