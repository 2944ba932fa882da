"""Claims: over the remains of finished jobs, and beside web requests that write new ones.

A transaction that somebody keeps open, a dump or a report, keeps the database from cleaning up the
jobs that are done.
"""

from __future__ import annotations

import statistics
import time
import uuid
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from django_craftkit.models import Job, Render
from django_craftkit.models.claims import Watermarks

from .measure import Figure, say
from .models import DeclaredBooking
from .processes import scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: How many jobs are finished at a time, to make remains.
AT_ONCE = 500
#: Claims that are timed on each side.
CLAIMS = 200
#: Jobs that the timed claims find.
LIVE = 400
OVER_REMAINS = "a claim over {} finished jobs under an open transaction, of without ({})"
BESIDE_WORKERS = "web requests of {} that wait for or deadlock with four workers (MariaDB)"
#: MariaDB: a lock did not come in time; a deadlock.
WAITED, DEADLOCKED = 1205, 1213


def claim(limit: int, watermarks: Watermarks) -> Sequence[int]:
    """Claim as a loop does, and return the ids: all that is known here of how jobs are claimed.

    ``watermarks`` are those of one worker.
    """
    # The clock of the database is that of this machine, and to ask it is no part of the claim.
    jobs = Job.objects.all().claim(
        limit,
        now=timezone.now(),
        lease=timedelta(seconds=120),
        since=watermarks.of(Job.Kind.RENDER),
    )
    return [job.pk for job in jobs]


def over_remains(rounds: int, finished: int) -> list[Figure]:
    """A claim with finished jobs under somebody's open transaction, of one without."""
    name = connection.display_name
    say(f"Claims on {name} over {finished} finished jobs under an open transaction:")
    found = []
    for _ in range(rounds):
        _empty()
        _write(LIVE)
        clean = _claims()
        _empty()
        with _somebodys_transaction():
            _write(finished)
            watermarks = Watermarks()
            while ids := claim(AT_ONCE, watermarks):
                Job.objects.filter(pk__in=list(ids)).delete()
            _write(LIVE)
            if Job.objects.count() != LIVE:
                raise RuntimeError("Not all of the jobs were finished.")
            over = _claims()
        say(f"  {1000 * over:.2f} ms, {1000 * clean:.2f} ms without")
        found.append(over / clean)
    _empty()
    return [Figure(OVER_REMAINS.format(finished, name), found, at_most=3)]


def _claims() -> float:
    """Return how long the statements of a claim take, in the lower quartile.

    The commit is left out: it waits for the disk, as long on both sides, and much longer. What
    else the machine does makes short statements seem long, and the ratio small.
    """
    taken = []
    watermarks = Watermarks()

    def measure(execute: Any, *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*args)
        finally:
            taken[-1] += time.perf_counter() - began

    with connection.execute_wrapper(measure):
        for _ in range(CLAIMS):
            taken.append(0.0)
            if not claim(1, watermarks):
                raise RuntimeError("There was nothing to claim.")
    return statistics.quantiles(taken, n=4)[0]


def _write(count: int, after: timedelta = timedelta(seconds=-1)) -> None:
    """Write jobs that are due, or will be; no two have had the same object."""
    due = timezone.now() + after
    first = next(_objects)
    for start in range(0, count, 1000):
        Job.objects.bulk_create(
            Job(kind=Job.Kind.RENDER, object_id=first + number, project="default", due_at=due)
            for number in range(start, min(start + 1000, count))
        )


_objects = iter(range(1_000_000, 10**12, 1_000_000))


def _empty() -> None:
    """Empty the table, whose statistics are of an hour in which all that there was waited."""
    table = Job._meta.db_table
    analyze = f"VACUUM ANALYZE {table}" if _is_postgresql() else f"ANALYZE TABLE {table}"
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE TABLE {table}")
        _write(LIVE, timedelta(hours=2))
        cursor.execute(analyze)
        cursor.execute(f"TRUNCATE TABLE {table}")
        cursor.execute(analyze)


@contextmanager
def _somebodys_transaction() -> Iterator[None]:
    """Keep a transaction open that has read the jobs as they are now."""
    other = connection.copy()
    with closing(other), other.cursor() as cursor:
        if _is_postgresql():
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        else:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute(f"SELECT count(*) FROM {Job._meta.db_table}")
        yield
        cursor.execute("ROLLBACK")


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def beside_workers(saves: int) -> list[Figure]:
    """Web requests that would wait for four working workers or deadlock with them.

    All in REPEATABLE READ. The session of the requests waits for no lock: one that another has
    is an error at once, so that each wait is counted, however short.
    """
    say(f"{saves} web requests beside four workers on {connection.display_name}:")
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 0")
    ours = {WAITED: 0, DEADLOCKED: 0}
    done = 0
    with scene(render_seconds=0, workers=4, celery=False) as there:
        for _ in range(saves):
            try:
                with transaction.atomic():
                    DeclaredBooking(code=uuid.uuid4().hex).save()
                done += 1
            except OperationalError as error:
                if error.args[0] not in ours:
                    raise
                ours[error.args[0]] += 1
            time.sleep(0.005)
        for worker in there.workers:
            worker.check()
        ended = Render.objects.filter(status="succeeded").count()
    if not ended:
        raise RuntimeError("The workers did nothing, so nobody could have waited for them.")
    say(f"  {ours[WAITED]} would wait, {ours[DEADLOCKED]} deadlocked; {ended} of {done} had ended")
    return [
        Figure(
            BESIDE_WORKERS.format(saves),
            [sum(ours.values())],
            at_most=0,
        )
    ]
