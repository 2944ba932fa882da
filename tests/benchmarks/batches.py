"""A month's end: many documents requested in one go, by a process of its own.

``python -m tests.benchmarks.batches 10000`` is that process, and says what it took.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .measure import Figure

MOST_QUERIES, MOST_MEMORY = 40, 256
#: Documents that are requested one by one, to compare.
SINGLE = 1000


def month_end(documents: int) -> list[Figure]:
    """Return what so many documents take in one go: statements, memory, and time."""
    from django.db import connection

    from .measure import Figure, empty, say
    from .models import DeclaredBooking

    say(f"{documents:,} documents requested in one go:")
    empty()
    DeclaredBooking.objects.bulk_create(
        DeclaredBooking(code=f"{number:06}") for number in range(documents)
    )
    server = os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
    # The database that this run has made.
    url = f"{server.rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, str(documents)],
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        check=True,
    )
    took: dict[str, float] = json.loads(done.stdout)
    say(f"  {took}")
    empty()
    return [
        Figure(
            f"statements for {documents:,} documents in one go",
            [took["statements"]],
            at_most=MOST_QUERIES,
        ),
        Figure(
            f"statements for the same {documents:,} once more",
            [took["again"]],
            at_most=MOST_QUERIES,
        ),
        Figure("MiB of that process, at most", [took["mib"]], at_most=MOST_MEMORY),
        Figure("time of a document in one go, of one by itself", [took["ratio"]]),
    ]


def _data(booking: Any) -> dict[str, Any]:
    lines = [{"text": f"Night {n} in {booking.code}", "price": "120.00"} for n in range(7)]
    return {"code": booking.code, "guest": {"name": "Ελένη Παπαδοπούλου"}, "lines": lines}


def _main(documents: int) -> None:
    from django.contrib.contenttypes.models import ContentType
    from django.db import connection, transaction

    from django_craftkit.models import Job, Render

    from .models import DeclaredBooking

    statements = 0

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*args)

    def seconds(act: Callable[[], object], *, is_counted: bool) -> float:
        began = time.perf_counter()
        with connection.execute_wrapper(count) if is_counted else nullcontext():
            act()
        return time.perf_counter() - began

    # The types of content are looked up once in the life of a process.
    ContentType.objects.get_for_model(DeclaredBooking)

    def one_by_one() -> None:
        for booking in DeclaredBooking.objects.order_by("pk")[:SINGLE]:
            with transaction.atomic():
                key = f"single-{booking.code}"
                Render.objects.request("charter", _data(booking), source=booking, key=key)

    def in_one_go() -> None:
        bookings = DeclaredBooking.objects.order_by("pk")
        Render.objects.request_many(
            "charter", bookings, data=_data, key=lambda one: f"11-{one.code}", name="2026-11"
        )

    spent = seconds(in_one_go, is_counted=True)
    took: dict[str, float] = {"statements": statements, "seconds": spent}
    took["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    statements = 0
    seconds(in_one_go, is_counted=True)
    took["again"] = statements
    made = Render.objects.filter(batch__isnull=False).count(), Job.objects.count() - 1
    if made != (documents, documents):
        raise RuntimeError(f"{made} documents and jobs came of {documents}.")
    single = seconds(one_by_one, is_counted=False) / SINGLE
    took["ratio"] = spent / documents / single
    print(json.dumps(took))  # noqa: T201


if __name__ == "__main__":
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.settings"
    django.setup()
    _main(int(sys.argv[1]))
