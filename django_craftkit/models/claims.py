"""How due rows are found and leased: nobody waits for a claim, and a claim waits for nobody.

A claim finds due rows without a lock, by an index of their own, and then locks them by their
primary keys, past whatever somebody else has locked.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from django.db import connections, models, transaction
from django.db.models import ExpressionWrapper, F, Q
from django.db.models.lookups import LessThanOrEqual
from django.utils.translation import gettext_lazy as _

from django_craftkit import bulk, tenants
from django_craftkit.database import database, in_read_committed, retried_after_deadlock

from .problems import Explained
from .rows import RowQuerySet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

    from .columns import NullableMoment, NullableUUID

    #: The moments that a scan begins at, by class.
    Starts = dict[int, datetime]

#: How often a claim looks where others have taken all that it found.
TRIES = 5
#: How many rows too many a claim looks at, in case that others take some.
SPARE = 20
#: Seconds between two scans of everything that is due, whatever was found empty before; and how
#: many times as long as such a scan took nobody takes another.
SCAN_EVERY, REST = 5.0, 20
#: How old a moment is that everything before it can be taken to be empty: transactions commit a
#: little later than what they write is due.
SETTLED = timedelta(seconds=2)
#: How long a class of jobs waits until it counts one higher.
RISES_EVERY = timedelta(minutes=1)
#: What stands in a compiled scan for its class, for the moment that it begins at, and for now.
_ANY, _START, _NOW = -32_001, datetime(1900, 1, 1), datetime(1900, 1, 2)  # noqa: DTZ001
#: A compiled scan finds a multiple of so many rows: it is compiled for few numbers of them.
STEP = 50
#: How many compiled scans a process keeps: one for each kind of work and each set of pauses.
MOST_SCANS = 256
#: How many watermarks: some for each tenant. One that is dropped begins anew.
MOST_WATERMARKS = 5_000


@dataclass(slots=True)
class Lease:
    """For whom and until when jobs are leased that their writer goes on with at once.

    Nobody has to claim them: they are leased with the commit. Should their writer end before it
    has carried them out, they are due when the lease is over, like all that was claimed.
    """

    until: datetime
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    #: What such jobs announce, by their kind and object. Some of these objects may have had a job
    #: before, which is as it was.
    changes: dict[str, dict[int, list[Any]]] = field(default_factory=dict)
    #: Such jobs of which the database has told the keys: nobody has to read them.
    jobs: list[Any] = field(default_factory=list)

    def clear(self) -> None:
        """Forget what was written by a transaction that is run again."""
        self.changes.clear()
        self.jobs.clear()

    def add(self, kind: str, changes: Mapping[int, Sequence[Any]]) -> None:
        """Note for which objects jobs of a kind were written, and what they announce."""
        known = self.changes.setdefault(kind, {})
        for object_id, rows in changes.items():
            known.setdefault(object_id, []).extend(rows)


class Found(NamedTuple):
    """A due row, as the index has it."""

    pk: int
    due_at: datetime
    #: 0 where rows have no class.
    priority: int


@dataclass(frozen=True, slots=True)
class _Scan:
    """A scan for due rows in the part of each class, but for what is another each time."""

    sql: str
    #: Those of one class, with what stands for its number, its beginning and now.
    values: tuple[object, ...]
    start: object
    now: object

    def params(
        self, classes: Sequence[int], now: object, starts: Mapping[int, object]
    ) -> list[Any]:
        """Return the parameters; where a class has no start, its beginning is that of time."""
        params: list[Any] = []
        for one in classes:
            given = {_ANY: one, self.now: now, self.start: starts.get(one, self.start)}
            params += [given.get(value, value) for value in self.values]
        return params


_scans: dict[Hashable, _Scan] = {}


class Watermark:
    """From which moment on a process looks for due rows of one kind.

    What is done leaves entries in the index that stay for as long as somebody's transaction is
    open, a dump's, say, and a scan from the first entry on walks over all of them. Where nothing
    was due and free before a moment, the next scan begins there. What is written in time is found
    at once; what is committed more than ``SETTLED`` late, what was moved back by hand, and what a
    worker left behind that died, by the scan of everything, ``SCAN_EVERY`` seconds later at most.
    (Only if that took over a quarter of a second it rests ``REST`` times as long.) So whoever
    makes a row due or free again writes a ``due_at`` that has not passed.

    Of one process, in memory: a new one begins with a scan of everything.
    """

    def __init__(self, what: Hashable = None) -> None:
        """``what`` is looked for: what is compiled for it is compiled once in a process."""
        self._lock = threading.Lock()
        self._what = what
        self._excluded: Hashable = None
        self._starts: Starts = {}
        self._scan_at = 0.0
        self._scans = 0
        #: When a row of a class was last taken here; before the first one, when this began.
        self._taken_at: dict[int, datetime] = {}
        self._began_at: datetime | None = None

    def begin(self, excluded: Hashable, now: datetime) -> tuple[Starts, int]:
        """Return the moments to scan from, by class (none: all), and the number of the scan."""
        with self._lock:
            if self._began_at is None or self._began_at > now:
                self._began_at = now
            if excluded != self._excluded:
                self._excluded, self._scan_at = excluded, 0.0
            if time.monotonic() >= self._scan_at:
                self._scan_at = time.monotonic() + SCAN_EVERY
                self._scans += 1
                self._starts = {}
            return dict(self._starts), self._scans

    def compiled(self, at: Hashable, make: Callable[[], _Scan]) -> _Scan:
        """Return a scan that is compiled once for each way in which it differs."""
        if self._what is None:
            return make()
        key = (self._what, at)
        scan = _scans.get(key)
        if scan is None:
            if len(_scans) >= MOST_SCANS:
                _scans.clear()
            scan = _scans[key] = make()
        return scan

    def end(
        self,
        scan: int,
        firsts: dict[int, datetime],
        classes: Sequence[int],
        now: datetime,
        seconds: float,
    ) -> None:
        """Note the first due row of each class that a scan has found; it took so long."""
        with self._lock:
            if scan != self._scans:
                return  # Another has looked at everything since, and may have found more.
            settled = now - SETTLED
            self._starts = {one: min(firsts.get(one, settled), settled) for one in classes}
            self._scan_at = max(self._scan_at, time.monotonic() + min(REST * seconds, 600.0))

    def order(self, firsts: dict[int, datetime], now: datetime) -> list[int]:
        """Return the classes of which something is due, the most urgent first.

        One of which nothing was taken for ``RISES_EVERY``, although something was due, counts one
        higher, and after twice as long two. Of equals the one that has waited for longest is
        first.
        """
        with self._lock:
            waited = {
                one: now - max(first, self._taken_at.get(one, self._began_at or now))
                for one, first in firsts.items()
            }
        return sorted(firsts, key=lambda one: (one - waited[one] // RISES_EVERY, -waited[one]))

    def note_taken(self, classes: set[int], now: datetime) -> None:
        """Note that rows of these classes were taken."""
        with self._lock:
            self._taken_at.update(dict.fromkeys(classes, now))


class Watermarks:
    """The watermarks of one process, by what is looked for; loops of one process share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watermarks: dict[Hashable, Watermark] = {}

    def of(self, what: Hashable) -> Watermark:
        using = database()
        # Each tenant has tables of its own, and so has each schema where settings name no tenants.
        schema = getattr(connections[using], "schema_name", None)
        key = (using, tenants.current(), schema, what)
        with self._lock:
            found = self._watermarks.pop(key, None) or Watermark((using, what))
            # The last one that was asked for is the last to go.
            self._watermarks[key] = found
            if len(self._watermarks) > MOST_WATERMARKS:
                del self._watermarks[next(iter(self._watermarks))]
            return found


class LeasedQuerySet(RowQuerySet[Any]):
    #: The classes of rows, each of which has its part of the index; 0 alone: there are none.
    classes: Sequence[int] = (0,)

    def still_leased(self, rows: Collection[Leased]) -> Self:
        """Return those of these claimed rows that nobody has taken over since."""
        return self.writer().filter(
            bulk.among("pk", [row.pk for row in rows]),
            lease_token__in={row.lease_token for row in rows},
        )

    def due(self, now: datetime) -> Self:
        return self._free(now).filter(due_at__lte=now)

    def _free(self, now: datetime) -> Self:
        return self.filter(Q(leased_until=None) | Q(leased_until__lte=now))

    def _still_due(self, now: datetime) -> Self:
        """Return what is due of rows that are named, by an expression that no index has.

        Statistics of an hour in which all jobs waited say that next to none is due now. PostgreSQL
        would rather look for those than for the rows, and walk over all that was ever done.
        """
        due_at = ExpressionWrapper(F("due_at") + timedelta(0), models.DateTimeField())
        return self._free(now).filter(LessThanOrEqual(due_at, now))

    @retried_after_deadlock
    def claim(
        self,
        limit: int,
        *,
        now: datetime,
        lease: timedelta,
        begins: Callable[[Any], bool] = lambda row: True,
        since: Watermark | None = None,
        excluded: Hashable = None,
    ) -> list[Any]:
        """Lease up to ``limit`` due rows that nobody has leased, the most urgent and oldest first.

        Each has a token and is this caller's until ``now + lease``; after a crash the next claim
        takes it then. Counts the attempt of those that begin: what waits for its turn ends no
        worker. ``since`` is where earlier claims by the same filters have come to; ``excluded`` is
        what the filters leave out, and a change of it begins anew.
        """
        rows = self.writer()
        taken = {"lease_token": uuid.uuid4(), "leased_until": now + lease}
        for _try in range(TRIES):
            found = rows.find(2 * limit + SPARE, now=now, since=since, excluded=excluded)
            if not found:
                break
            if claimed := rows._take([one.pk for one in found], limit, now, taken, begins):
                if since is not None:
                    since.note_taken({getattr(row, "priority", 0) for row in claimed}, now)
                return claimed
        return []

    def find(
        self, most: int, *, now: datetime, since: Watermark | None = None, excluded: Hashable = None
    ) -> list[Found]:
        """Return what is due in the order of claims, without a lock; ``most`` of each class."""
        since = Watermark() if since is None else since
        starts, scan = since.begin(excluded, now)
        began = time.monotonic()
        found = self._find(most, now, starts, since, excluded)
        seconds = 0.0 if starts else time.monotonic() - began
        firsts: dict[int, datetime] = {}
        for one in found:
            firsts.setdefault(one.priority, one.due_at)
        since.end(scan, firsts, self.classes, now, seconds)
        places = {one: place for place, one in enumerate(since.order(firsts, now))}
        return sorted(found, key=lambda one: places[one.priority])

    def _find(
        self, most: int, now: datetime, starts: Starts, since: Watermark, excluded: Hashable
    ) -> list[Found]:
        """Scan each class's part of the index, with one statement that is compiled once."""
        connection = connections[database()]
        most = -(-most // STEP) * STEP
        at = (excluded, connection.alias, self.model._meta.db_table, now.tzinfo is None, most)
        scan = since.compiled(at, partial(self._compile, most, now, connection))
        due_at: Any = self.model._meta.get_field("due_at")
        column = due_at.get_col(self.model._meta.db_table)
        prepared = partial(due_at.get_db_prep_value, connection=connection)
        params = scan.params(
            self.classes, prepared(now), {one: prepared(start) for one, start in starts.items()}
        )
        converters = connection.ops.get_db_converters(column) + column.get_db_converters(connection)
        found = []
        with connection.cursor() as cursor:
            cursor.execute(scan.sql, params)
            for one, pk, moment in cursor.fetchall():
                for convert in converters:
                    moment = convert(moment, column, connection)
                found.append(Found(pk, moment, one))
        return found

    def _compile(self, most: int, now: datetime, connection: Any) -> _Scan:
        due_at: Any = self.model._meta.get_field("due_at")
        start, until = (moment.replace(tzinfo=now.tzinfo) for moment in (_START, _NOW))
        rows = self._of_class(_ANY).due(until).filter(due_at__gte=start)
        first = rows.order_by("due_at", "pk").values("pk", "due_at")[:most]
        sql, values = first.query.get_compiler(connection.alias).as_sql()
        statements = []
        for one in self.classes:
            name = connection.ops.quote_name(f"c{one}")
            statements.append(f"SELECT {one}, {name}.* FROM ({sql}) AS {name}")  # noqa: S608
        return _Scan(
            sql=" UNION ALL ".join(statements),
            values=tuple(values),
            start=due_at.get_db_prep_value(start, connection),
            now=due_at.get_db_prep_value(until, connection),
        )

    def _of_class(self, one: int) -> Self:
        return self.all()

    def _take(
        self,
        pks: list[int],
        limit: int,
        now: datetime,
        taken: dict[str, Any],
        begins: Callable[[Any], bool],
    ) -> list[Any]:
        """Lease the first ``limit`` of these rows that are still due, in this order."""
        using = database()
        if not connections[using].features.has_select_for_update_skip_locked:
            return self._take_by_update(pks[:limit], now, taken, begins)
        rows: list[Any] = []
        with in_read_committed(using):
            while pks and len(rows) < limit:
                # By primary keys, and as many as are wanted: others are free for others.
                part, pks = pks[: limit - len(rows)], pks[limit - len(rows) :]
                due = self.order_by().filter(bulk.among("pk", part))._still_due(now)
                places = {pk: place for place, pk in enumerate(part)}
                locked = due.select_for_update(skip_locked=True)
                rows += sorted(locked, key=lambda row: places[row.pk])
            begun = [row for row in rows if begins(row)]
            if begun:
                self._write(begun, **taken, attempts=F("attempts") + 1)
            if len(begun) < len(rows):
                self._write([row for row in rows if not begins(row)], **taken)
        for row in rows:
            vars(row).update(taken)
        _count(rows, begun)
        return rows

    def _take_by_update(
        self, pks: list[int], now: datetime, taken: dict[str, Any], begins: Callable[[Any], bool]
    ) -> list[Any]:
        """Lease where rows can't be locked: the guard is in the UPDATE, one writer at a time."""
        still_due = self.order_by().filter(pk__in=pks).due(now)
        with transaction.atomic(using=database()):
            if not still_due.update(**taken):
                return []
            # By the token alone: a claim changes what its queryset may filter by.
            rows = self.model.objects.writer()
            mine = rows.filter(pk__in=pks, lease_token=taken["lease_token"])
            places = {pk: place for place, pk in enumerate(pks)}
            claimed = sorted(mine, key=lambda row: places[row.pk])
            if begun := [row for row in claimed if begins(row)]:
                self._write(begun, attempts=F("attempts") + 1)
        _count(claimed, begun)
        return claimed

    def _write(self, rows: Sequence[Any], **values: Any) -> None:
        bulk.update_by_pk(self.model, [row.pk for row in rows], database(), **values)


def _count(claimed: Sequence[Any], begun: Sequence[Any]) -> None:
    """Note on claimed rows, read before, what was written of their attempts."""
    for row in claimed:
        row.crashes = row.attempts
    for row in begun:
        row.attempts += 1


class Leased(Explained):
    """A row that is processed: due at one moment, then leased by one worker until another."""

    #: ``None``: nothing to do. A lease leaves it as it is, and writes to no index.
    due_at: NullableMoment = models.DateTimeField(_("due at"), null=True, blank=True)
    leased_until: NullableMoment = models.DateTimeField(_("in hand until"), null=True, blank=True)
    lease_token: NullableUUID = models.UUIDField(null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(
        _("attempts"),
        default=0,
        db_default=0,
        help_text=_("Since the last one that ended with a word."),
    )
    #: As in ``Problem``.
    error = models.TextField(_("error"), blank=True, default="", db_default="")
    error_code = models.CharField(
        _("error code"), max_length=64, blank=True, default="", db_default=""
    )
    #: Of a claimed row: how many workers have ended while on it, since one that did not.
    crashes = 0

    class Meta:
        abstract = True
