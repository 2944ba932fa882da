"""``manage.py craftkit_work``: the loop without Celery."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError

from django_craftkit.log import get_logger
from django_craftkit.reconcile import retention
from django_craftkit.reconcile.loop import Loop, note_sweep

if TYPE_CHECKING:
    from argparse import ArgumentParser

logger = get_logger(__name__)

#: Seconds between two looks for what is not to be kept any longer.
PRUNE_EVERY = 86_400.0


class Command(BaseCommand):
    help = "Carries out what is due, without Celery: until SIGTERM or Ctrl-C, or once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when nothing is due")
        parser.add_argument(
            "--interval",
            type=float,
            default=1.0,
            metavar="SECONDS",
            help="pause between two looks when nothing is due (default: 1)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        loop = Loop(wake=None)

        def end(*args: object) -> None:
            stop.set()
            loop.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        self.stdout.write("Looking for work. Ctrl-C ends it after the calls under way.")
        total = 0
        prune_at = time.monotonic()
        while True:
            try:
                note_sweep()
                total += (done := loop.run())
                if not done and not options["once"] and time.monotonic() >= prune_at:
                    prune_at = time.monotonic() + PRUNE_EVERY
                    deque(retention.prune(), maxlen=0)
            except (InterfaceError, OperationalError):
                # A database that restarts is back in a while; a worker that ended is not.
                if options["once"]:
                    raise
                logger.exception("The database did not answer.")
                done = 0
            if options["once"] and not done:
                break
            if not done and stop.wait(options["interval"]):
                break
            if stop.is_set():
                break
        self.stdout.write(f"{total} deliveries and jobs carried out.")
