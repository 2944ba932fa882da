"""``python -m tests.benchmarks``: exit status 1 where a target is missed."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.settings"

#: What can be measured of documents by itself.
DOCUMENTS = (
    "saves",
    "webhooks",
    "cost",
    "bulk",
    "receiver",
    "connections",
    "claims",
    "mariadb",
    "memory",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short, less certain run")
    parser.add_argument(
        "--documents",
        nargs="*",
        choices=DOCUMENTS,
        metavar="MEASURE",
        help=f"what documents cost alone, or some of it: {', '.join(DOCUMENTS)}",
    )
    parser.add_argument("--pages", action="store_true", help="staff's pages alone")
    parser.add_argument("--api", action="store_true", help="lists of the HTTP API alone")
    parser.add_argument("--batches", action="store_true", help="a month's end alone")
    parser.add_argument("--signatures", action="store_true", help="signature requests alone")
    parser.add_argument("--downloads", action="store_true", help="memory of downloads alone")
    parser.add_argument("--kit", action="store_true", help="the test kit alone")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    django.setup()
    alone = ("pages", "api", "signatures", "batches", "downloads", "kit")
    every = options.documents is None and not any(getattr(options, name) for name in alone)
    documents = DOCUMENTS if every or options.documents == [] else options.documents or ()
    pages, api = every or options.pages, every or options.api
    with _databases(few_and_many=pages or api):
        from . import measure

        figures: list[Any] = []
        # First of all: what others leave free would hide what is taken.
        if every or options.downloads:
            figures += _of_downloads(quick=options.quick)
        if documents:
            with _broker() as queue:
                figures += _of_documents(documents, queue, quick=options.quick)
        if every or options.kit:
            figures += _of_the_kit(quick=options.quick)
        if every or options.batches:
            figures += _of_batches(quick=options.quick)
        if every or options.signatures:
            figures += _of_signatures(quick=options.quick)
        if pages or api:
            figures += _of_pages(quick=options.quick, admin=pages, api=api)
        print(f"\n{_machine()}\n\n{measure.table(figures)}")  # noqa: T201
    return int(any(figure.missed for figure in figures))


def _of_documents(names: Sequence[str], queue: Any, *, quick: bool) -> list[Any]:
    from . import claims, documents, mariadb, measure, saves, webhooks

    rounds = 5 if quick else 15
    finished = 20_000 if quick else 100_000
    measures: dict[str, Callable[[], list[Any]]] = {
        "saves": lambda: saves.saves(rounds, bookings=100 if quick else 200),
        "webhooks": lambda: (
            webhooks.intake(rounds, requests=500)
            + webhooks.application_of(4 if quick else 12, deliveries=500 if quick else 2000)
        ),
        "cost": lambda: documents.cost(1 if quick else 2, 100 if quick else 1000),
        "bulk": lambda: documents.behind_bulk(1, 200 if quick else 2000),
        "receiver": lambda: documents.beside_receiver(1 if quick else 2, 30 if quick else 60),
        "connections": lambda: documents.connections_of_a_loop(50 if quick else 200),
        "claims": lambda: claims.over_remains(1, finished),
        "mariadb": lambda: mariadb.on_mariadb(1, finished, 200 if quick else 1000),
        "memory": lambda: documents.memory(*((100, 300) if quick else (1000, 10_000))),
    }
    figures: list[Any] = []
    for name in names:
        found = measures[name]()
        # Also where a later one fails.
        measure.say(measure.table(found))
        figures += found
        if name in ("saves", "webhooks") and not queue.queue_declare(passive=True).message_count:
            sys.exit("No wake reached the broker, so none of the times above holds.")
    return figures


def _of_batches(*, quick: bool) -> list[Any]:
    from . import batches

    return batches.month_end(2000 if quick else 10_000)


def _of_signatures(*, quick: bool) -> list[Any]:
    from . import signatures

    finished = 100_000 if quick else 1_000_000
    # Memory first: what a million rows leave free would hide what is taken.
    return signatures.keeping(20) + signatures.following(10_000, 100, finished)


def _of_downloads(*, quick: bool) -> list[Any]:
    from . import downloads

    return downloads.downloads(40 if quick else 200)


def _of_the_kit(*, quick: bool) -> list[Any]:
    from . import kit

    return kit.suite(1 if quick else 5)


def _of_pages(*, quick: bool, admin: bool, api: bool) -> list[Any]:
    from . import api as of_api
    from . import pages

    pages.fill_both(*((100_000, 300_000) if quick else (1_000_000, 3_000_000)))
    rounds = 2 if quick else 3
    figures: list[Any] = pages.pages(rounds) if admin else []
    return figures + (of_api.lists(rounds) if api else [])


def _end(*args: object) -> None:
    sys.exit(143)


@contextmanager
def _databases(*, few_and_many: bool) -> Iterator[None]:
    from django.db import connections

    with ExitStack() as made:
        for alias in connections if few_and_many else ["default"]:
            connection: Any = connections[alias]
            if connection.vendor != "postgresql":
                sys.exit("The benchmarks want PostgreSQL: leave DATABASE_URL out, or name one.")
            name = connection.settings_dict["NAME"]
            # Also where making it fails half way.
            made.callback(_drop, connection, name)
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        yield


def _drop(connection: Any, name: str) -> None:
    if connection.settings_dict["NAME"] != name:
        connection.creation.destroy_test_db(name, verbosity=0)


@contextmanager
def _broker() -> Iterator[Any]:
    """Let the tasks pile up in a queue of their own, for workers of a measure, and delete it."""
    from tests import app

    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1)
        queue = app.amqp.queues[app.conf.task_default_queue](broker.default_channel)
        try:
            yield queue
        finally:
            queue.declare()
            queue.delete()


def _machine() -> str:
    from django.db import connection

    connection.ensure_connection()
    server: Any = connection.connection.info
    major, minor = divmod(server.server_version, 10000)
    return (
        f"{os.cpu_count()} cores, {_processor()}; Python {platform.python_version()}, "
        f"Django {django.__version__}, PostgreSQL {major}.{minor}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
