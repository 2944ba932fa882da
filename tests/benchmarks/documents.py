"""Documents from the save to the end, by real workers against a sandbox in a process of its own.

Beside the package runs what a Django developer writes by hand (``by_hand``), in turn. A document is
requested by a save of its own transaction; it has ended when its row says so.
"""

from __future__ import annotations

import statistics
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction

from django_craftkit.models import Render
from tests import app

from .by_hand.models import HandBooking
from .measure import Figure, empty, say
from .models import Booking, DeclaredBooking
from .processes import Reading, Scene, scene

if TYPE_CHECKING:
    from collections.abc import Callable

#: The views that hear webhooks.
PACKAGE, BY_HAND = "/craftkit/webhooks/default/", "/by-hand/webhooks/"
#: What a request says of one among many that nobody waits for.
BULK: dict[str, Any] = {"priority": "bulk"}

#: Documents before a measure.
WARM_UP = 10
MIB = 1024 * 1024


@dataclass(frozen=True)
class Side:
    """Whose documents they are, and how their end is found."""

    name: str
    model: type[Booking]
    ended: Callable[[], int]
    webhooks: str = ""
    receiver: float | None = None


def _ended() -> int:
    return int(Render.objects.filter(status="succeeded").count())


def _ended_by_hand() -> int:
    return HandBooking.objects.filter(status="succeeded").count()


HAND = Side("by hand", HandBooking, _ended_by_hand)
OURS = Side("the package", DeclaredBooking, _ended)
HAND_HEARD = Side("by hand, webhooks", HandBooking, _ended_by_hand, BY_HAND, 0.0)
OURS_HEARD = Side("the package, webhooks", DeclaredBooking, _ended, PACKAGE, 0.0)


def cost(rounds: int, documents: int) -> list[Figure]:
    """CPU, queries, calls and time of documents of 3 s, polled and with webhooks, in turn."""
    sides = (HAND, OURS, HAND_HEARD, OURS_HEARD)
    say(f"{documents} documents of 3 s by each side, two prefork workers:")
    found: dict[str, list[Reading]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side.name].append(_run(side, documents))
        sides = sides[::-1]

    def of_by_hand(side: Side, hand: Side, what: Callable[[Reading], float]) -> list[float]:
        pairs = zip(found[side.name], found[hand.name], strict=True)
        return [what(mine) / what(theirs) for mine, theirs in pairs]

    def each(side: Side, what: Callable[[Reading], float]) -> list[float]:
        return [what(reading) / documents for reading in found[side.name]]

    return [
        Figure(
            "worker CPU a document, polled, of by hand",
            of_by_hand(OURS, HAND, lambda one: one.workers),
            at_most=0.4,
        ),
        Figure(
            "the same with webhooks and one receiver, of by hand (polled)",
            of_by_hand(OURS_HEARD, HAND, lambda one: one.workers),
            at_most=0.45,
        ),
        Figure(
            "the same, of by hand with webhooks, which polls nothing",
            of_by_hand(OURS_HEARD, HAND_HEARD, lambda one: one.workers),
        ),
        Figure(
            "CPU of workers and web process, of by hand with webhooks",
            of_by_hand(OURS_HEARD, HAND_HEARD, lambda one: one.workers + one.web),
        ),
        Figure("queries of the workers a document", each(OURS, lambda one: one.queries), at_most=3),
        Figure("the same with webhooks", each(OURS_HEARD, lambda one: one.queries)),
        Figure("the same by hand", each(HAND, lambda one: one.queries)),
        Figure(
            "wall from the first save to the last end, of by hand",
            of_by_hand(OURS, HAND, lambda one: one.at),
            at_most=0.4,
        ),
        Figure(
            "calls to Craftkit a document, polled", each(OURS, lambda one: one.calls), at_most=2.2
        ),
        Figure(
            "calls to Craftkit a document, webhooks heard",
            each(OURS_HEARD, lambda one: one.calls),
            at_most=1.1,
        ),
        Figure("worker CPU a document by hand, ms", each(HAND, lambda one: 1000 * one.workers)),
        Figure("worker CPU a document, ms", each(OURS, lambda one: 1000 * one.workers)),
        Figure(
            "the sandbox's CPU, of one core, polled by either side",
            [max(one.sandbox / one.at for one in found[side.name]) for side in (HAND, OURS)],
        ),
    ]


def _run(side: Side, documents: int) -> Reading:
    _clear()
    with scene(
        render_seconds=3,
        webhooks=side.webhooks,
        receiver=side.receiver,
        beat=side.model is DeclaredBooking,
    ) as there:
        # The first ones: what they import is no other's cost, and webhooks have been heard of.
        _carry(there, side, WARM_UP, 0)
        before = there.read()
        _carry(there, side, documents, WARM_UP)
        cost = there.read() - before
    say(
        f"  {side.name}: {cost.at:.1f} s; a document: workers {1000 * cost.workers / documents:.1f}"
        f" ms, {cost.queries / documents:.1f} queries, {cost.calls / documents:.2f} calls; web "
        f"{1000 * cost.web / documents:.1f} ms, sandbox {1000 * cost.sandbox / documents:.1f} ms"
    )
    return cost


def _carry(there: Scene, side: Side, documents: int, before: int) -> None:
    """Request documents by a save each, and wait for their end after those from before."""
    for _ in range(documents):
        _save(side.model)
    goal = before + documents
    there.until(lambda: side.ended() >= goal, 60 + documents / 2)
    if side.receiver is not None:
        # It may be told after the row says so; what that takes is part of the cost.
        there.until(lambda: there.told() >= goal, 60 + documents / 2)


def behind_bulk(rounds: int, waiting: int) -> list[Figure]:
    """One document while others wait in bulk, against one alone: a single worker process."""
    say(f"One document behind {waiting} in bulk, of alone:")
    found = []
    for _ in range(rounds):
        _clear()
        with scene(render_seconds=1, concurrency=1) as there:
            alone = statistics.median(_latency(there) for _ in range(3))
            for start in range(0, waiting, 100):
                with transaction.atomic():
                    for number in range(start, min(start + 100, waiting)):
                        Render.objects.request("booking", {"code": f"bulk-{number}"}, **BULK)
            time.sleep(1)  # so that the worker has begun with them
            behind = _latency(there, seconds=60 + waiting / 2)
        say(f"  {behind:.1f} s, alone {alone:.2f} s")
        found.append(behind / alone)
    return [Figure(f"one document behind {waiting} in bulk, of alone", found, at_most=2)]


def beside_receiver(rounds: int, documents: int) -> list[Figure]:
    """How much longer one document takes while a receiver of 1 s is called for others.

    One after the other is requested as long as there is much to call it for; the slowest counts.
    """
    say(f"One document while a receiver takes 1 s for each of {documents}:")
    found = []
    for _ in range(rounds):
        _clear()
        with scene(render_seconds=1, concurrency=1, receiver=0.0) as there:
            alone = statistics.median(_latency(there) for _ in range(3))
        _clear()
        with scene(render_seconds=1, concurrency=1, receiver=1.0) as there:
            for _ in range(documents):
                _save(DeclaredBooking)
            there.until(there.told, 60 + documents)
            taken = []
            while there.told() < documents * 0.6:
                taken.append(_latency(there, seconds=60 + 2 * documents))
            beside = max(taken)
        say(f"  {beside:.2f} s, alone {alone:.2f} s")
        found.append(beside - alone)
    return [Figure("seconds more for one document beside a receiver of 1 s", found, at_most=2)]


def memory(first: int, last: int) -> list[Figure]:
    """What a worker's processes keep of the documents that they have done."""
    say(f"Memory of a worker after {first} and {last} documents:")
    _clear()
    sizes = []
    with scene(render_seconds=1, concurrency=1) as there:
        done = 0
        for goal in (first, last):
            while done < goal:
                batch = min(1000, goal - done)
                for _ in range(batch):
                    _save(DeclaredBooking)
                done += batch
                there.until(lambda: _ended() >= done, 60 + batch / 2)  # noqa: B023
            sizes.append(there.workers[0].resident() / MIB)
            say(f"  after {done}: {sizes[-1]:.1f} MiB")
    return [
        Figure(
            f"MiB of a worker after {last} documents, more than after {first}",
            [sizes[1] - sizes[0]],
            at_most=8,
        )
    ]


def connections_of_a_loop(documents: int) -> list[Figure]:
    """The most connections at once of one process that runs the loop; short receivers."""
    say(f"Connections of a loop over {documents} documents, a receiver of 20 ms:")
    _clear()
    seen: list[int] = []
    with scene(render_seconds=1, concurrency=1, receiver=0.02) as there:
        for _ in range(documents):
            _save(DeclaredBooking)

        def is_over() -> bool:
            seen.append(_connections())
            return there.told() >= documents

        there.until(is_over, 60 + documents, pause=0.02)
    say(f"  {len(seen)} looks: {statistics.median(seen):g} in the median, {max(seen)} at most")
    return [Figure("database connections of a loop, at most", [max(seen)], at_most=1)]


def _connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'worker'"
        )
        return int(cursor.fetchone()[0])


def _latency(there: Scene, seconds: float = 60.0) -> float:
    """Return the seconds from the commit of one save to its document."""
    booking = _save(DeclaredBooking)
    began = time.perf_counter()
    mine = Render.objects.for_object(booking).filter(status="succeeded")
    there.until(mine.exists, seconds, pause=0.02)
    return time.perf_counter() - began


def _save(model: type[Booking]) -> Booking:
    booking = model(code=uuid.uuid4().hex)
    with transaction.atomic():
        booking.save()
    return booking


def _clear() -> None:
    """Begin anew: empty tables, and a queue without what an earlier measure left in it."""
    with app.connection_for_write() as broker:
        app.amqp.queues[settings.CELERY_TASK_DEFAULT_QUEUE](broker.default_channel).purge()
    empty()
