"""All tenants at a glance: which have something due, and whose turn upkeep is.

Where one connection reaches the tables of all tenants, that takes one statement for some hundreds
of them; else one in each.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import Error, connections, models

from django_craftkit import conf, tenants
from django_craftkit.clock import database_now
from django_craftkit.database import database
from django_craftkit.log import get_logger
from django_craftkit.models import Job, ProjectState, WebhookDelivery
from django_craftkit.models.priority import Priority
from django_craftkit.models.project import signed_projects

from . import connecting, sweeping

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = get_logger(__name__)

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
    #: When this turn began.
    turn: datetime


def survey(names: Sequence[str], now: datetime) -> list[Survey]:
    """Return what is found of each tenant that can be asked; ``names`` are in a lasting order."""
    prepare = models.DateTimeField().get_db_prep_value
    turns = dict(zip(names, _turns(len(names), now), strict=True))
    recently = now - timedelta(seconds=SIGN_EVERY)
    is_paused = conf.options().PAUSED
    sql = _sql(is_paused=is_paused)

    def params(name: str) -> list[Any]:
        moments = [*[now] * (4 if is_paused else 5), recently, turns[name]]
        return [prepare(one, connections[database()]) for one in moments]

    surveys = []
    for name, rows in tenants.select(names, sql, _TABLES, params):
        if rows is not None:
            is_due, is_signed, is_kept_up = map(bool, rows[0])
            surveys.append(Survey(name, is_due, is_signed, is_kept_up, turns[name]))
    return surveys


def _turns(number: int, now: datetime) -> list[datetime]:
    """Return for each of so many tenants when its last turn of upkeep was, spread over time."""
    seconds = now.timestamp()
    period = _period(number)
    passed = [(seconds - period * place / number) % period for place in range(number)]
    return [now - timedelta(seconds=one) for one in passed]


def _period(number: int) -> float:
    """Return in how many seconds each of so many tenants has its turn of upkeep once."""
    return max(UPKEEP_AT_LEAST, UPKEEP_EVERY * number)


class Upkeep:
    """Signs of life for all tenants, and in turn what ``sweeping.look_after`` does."""

    def __init__(self) -> None:
        #: Until when, of this process, a tenant's upkeep is not due: of one without projects
        #: nothing in its tables says so.
        self._done_until: dict[str, float] = {}

    def keep_up(self, surveys: Sequence[Survey], now: datetime) -> None:
        """Do it for the tenants whose turn it is; give the others a sign."""
        started, period = time.monotonic(), _period(len(surveys))
        self._done_until = {
            name: until for name, until in self._done_until.items() if until > started
        }
        due = [one for one in surveys if not one.is_kept_up and one.name not in self._done_until]
        for one in due[:MOST_UPKEEP]:
            self._done_until[one.name] = started + period / 2
            with tenants.enter(one.name), _alone(one.name):
                # Another process may be at it.
                if sweeping.note_sweep(now, since=one.turn):
                    sweeping.look_after(now, int(now.timestamp() // period))
        done = {one.name for one in due[:MOST_UPKEEP]}
        # Who has had no turn yet is not told to have had one.
        waiting = {one.name for one in due} - done
        _sign(
            [one.name for one in surveys if not one.is_signed and one.name not in done | waiting],
            now,
        )


def _sign(names: Sequence[str], now: datetime) -> None:
    """Note in these tenants that somebody sweeps; what another has locked is left to the next."""
    is_one_statement = all(tenants.table(name, ProjectState) for name in names)
    # Outside of all tenants there may be no database.
    if not is_one_statement or connections[database()].vendor != "postgresql":
        for name in names:
            with tenants.enter(name), _alone(name):
                sweeping.note_sweep(now)
        return
    values = sweeping.signs(now)
    columns = ", ".join(f"{column} = %s" for column in values)
    for start in range(0, len(names), tenants.TOGETHER):
        part = names[start : start + tenants.TOGETHER]
        updates = ", ".join(
            f"u{number} AS (UPDATE {table} SET {columns} WHERE id IN "  # noqa: S608
            f"(SELECT id FROM {table} WHERE capability = '' AND project = ANY(%s) "
            "FOR UPDATE SKIP LOCKED))"
            for number, table in enumerate(tenants.table(name, ProjectState) for name in part)
        )
        # One whose tables are gone by now takes the signs of the others along, to the next survey.
        which = f"{part[0]}, or one of {len(part)}"
        with _alone(which), connections[database()].cursor() as cursor:
            cursor.execute(
                f"WITH {updates} SELECT 1", [*values.values(), signed_projects()] * len(part)
            )


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let what the database says of one tenant's tables hold up no other."""
    try:
        yield
    except Error:
        logger.exception("The tenant %r could not be seen to.", name)
        connecting.drop_broken()


def busy(names: Sequence[str], upkeep: Upkeep | None = None) -> list[str]:
    """Return which of these tenants have something due; see to the upkeep of those in turn."""
    if not names:
        return []
    # Outside of all tenants there may be no database.
    with tenants.enter(names[0]):
        now = database_now()
    surveys = survey(names, now)
    if upkeep is not None:
        upkeep.keep_up(surveys, now)
    return [one.name for one in surveys if one.is_due]
