"""A save with ``render_on`` against one with ``transaction.on_commit(task.delay)``."""

from __future__ import annotations

import time
import uuid
from functools import partial
from typing import TYPE_CHECKING

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import Job, Render

from .by_hand.models import HandBooking
from .measure import Figure, empty, ratios, say
from .models import Booking, DeclaredBooking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .measure import Ratios, Work

    Rows = Callable[[type[Booking]], list[Booking]]

#: Seconds after which a session of PostgreSQL has told its statistics.
_TOLD = 1.1


def saves(rounds: int, bookings: int) -> list[Figure]:
    """What a declared document adds to a save: queries, savepoints included, rows, CPU, time.

    A later save finds the document waiting for a worker, or ready. By hand each one sends a
    message.
    """
    empty()
    # The types of content are looked up once in the life of a process.
    ContentType.objects.get_for_model(DeclaredBooking)
    declared, by_hand = DeclaredBooking(code="counted"), HandBooking(code="counted")
    figures = [
        Figure(
            "queries more for the first save than by hand",
            [_queries(declared) - _queries(by_hand)],
            at_most=3,
        )
    ]
    found = _race("first", rounds, bookings, lambda model: [_new(model) for _ in range(bookings)])
    figures += [
        Figure("CPU of the first save and its commit, of by hand", found.cpu, at_most=1.3),
        Figure("time of the first save and its commit, of by hand", found.time),
    ]
    for state, prepare in (("that waits", _leave), ("that is ready", _finish)):
        prepare()
        more = _queries(declared) - _queries(by_hand)

        def known(model: type[Booking], prepare: Callable[[], None] = prepare) -> list[Booking]:
            rows = [_new(model) for _ in range(bookings)]
            for row in rows:
                _save(row)
            prepare()
            return rows

        found = _race(f"later ({state})", rounds, bookings, known)
        figures += [
            Figure(f"CPU of a later save of one {state}, of by hand", found.cpu, at_most=0.6),
            Figure(f"time of a later save of one {state}, of by hand", found.time),
            Figure(f"queries more for a later save of one {state}", [more], at_most=1),
            Figure(
                f"rows written by a later save of one {state}",
                [_rows_written(known(DeclaredBooking))],
                at_most=0,
            ),
        ]
    return figures


def _race(name: str, rounds: int, bookings: int, rows: Rows) -> Ratios:
    say(f"{bookings} {name} saves a round, declared and by hand:")

    def work(model: type[Booking]) -> Work:
        return [partial(_save, row) for row in rows(model)]

    before = Render.objects.count()
    found = ratios(rounds, lambda: work(DeclaredBooking), lambda: work(HandBooking))
    if Render.objects.count() != before + (rounds + 1) * bookings:
        raise RuntimeError("A save did not ask for its document.")
    return found


def _leave() -> None:
    """Nobody has done anything about the documents since they were requested."""


def _finish() -> None:
    """What workers would leave: documents that are ready, and no job."""
    now = timezone.now()
    Render.objects.exclude(status=Render.Status.SUCCEEDED).update(
        status=Render.Status.SUCCEEDED, accepted_at=now, completed_at=now
    )
    Job.objects.all().delete()


def _queries(booking: Booking) -> int:
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        booking.save()
    return len(queries)


def _rows_written(bookings: Sequence[Booking]) -> float:
    """Return how many rows of the package's a save inserts, updates or deletes."""
    before = _rows()
    for booking in bookings:
        _save(booking)
    return (_rows() - before) / len(bookings)


def _rows() -> int:
    time.sleep(_TOLD)
    with connection.cursor() as cursor:
        # The end of a statement is when it tells.
        cursor.execute("SELECT 1")
        cursor.execute(
            "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables "
            "WHERE relname LIKE 'craftkit\\_%%'"
        )
        return int(cursor.fetchone()[0])


def _new(model: type[Booking]) -> Booking:
    return model(code=uuid.uuid4().hex)


def _save(booking: Booking) -> None:
    with transaction.atomic():
        booking.save()
