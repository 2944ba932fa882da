"""``manage.py craftkit_work``: the loop without Celery."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, InternalError, OperationalError

from django_craftkit.log import get_logger
from django_craftkit.management.tenants import add_tenants, chosen_tenants
from django_craftkit.reconcile.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import CommandParser

logger = get_logger(__name__)

#: Seconds between two looks for what is not to be kept any longer.
PRUNE_EVERY = 86_400.0
#: What is raised where the database is away, or is a replica that is about to take over.
AWAY = (InterfaceError, InternalError, OperationalError)
#: Seconds between two looks while the database is away, at most.
MAX_PAUSE = 30.0


class Command(BaseCommand):
    help = "Carries out what is due, without Celery: until SIGTERM or Ctrl-C, or once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when nothing is due")
        parser.add_argument(
            "--interval",
            type=float,
            default=1.0,
            metavar="SECONDS",
            help="pause between two looks when nothing is due (default: 1)",
        )

        add_tenants(parser)

    def handle(self, *args: object, **options: Any) -> None:
        once, interval = options["once"], options["interval"]
        stop = threading.Event()
        worker = Worker(wake=None, only=chosen_tenants(options) or ())

        def end(*args: object) -> None:
            stop.set()
            worker.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        self.stdout.write("Looking for work. Ctrl-C ends it after the calls under way.")
        total = failures = 0
        prune_at = time.monotonic()
        prunings: Iterator[int] = iter(())
        while True:
            try:
                total += (done := worker.sweep())
                if not done and not once:
                    if time.monotonic() >= prune_at:
                        prune_at = time.monotonic() + PRUNE_EVERY
                        prunings = worker.prunings()
                    # One tenant's at a time: what is new comes before the next one's.
                    next(prunings, None)
                if failures:
                    logger.warning("The database answers again.")
                failures = 0
            except AWAY:
                # A database that restarts is back in a while; a worker that ended is not.
                if once:
                    raise
                if not failures:
                    logger.exception("The database did not answer. It is tried until it does.")
                failures += 1
                done = 0
            if once and not done:
                break
            away = min(2.0 ** min(failures - 1, 10), MAX_PAUSE) if failures else 0.0
            if (not done and stop.wait(max(interval, away))) or stop.is_set():
                break
        self.stdout.write(f"{total} deliveries and jobs carried out.")
