"""Make the agreements of a month's charters anew, for the books: one document for each.

Run again, it goes on where it was ended, and makes none twice.
"""

import re
import time
from argparse import ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone

from charter.craftkit import AGREEMENT, agreement
from charter.models import Booking
from django_craftkit.models import Batch, Render

WIDTH = 40


def month(text: str) -> date:
    """Read a month as ISO 8601 writes it."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise ArgumentTypeError(f"{text} is no month: write 2026-11, say.")
    return date.fromisoformat(f"{text}-01")


def charters(first: date) -> QuerySet[Booking]:
    """Return the confirmed bookings that began in a month."""
    begun = Booking.objects.filter(starts_on__year=first.year, starts_on__month=first.month)
    return begun.filter(status=Booking.Status.CONFIRMED).select_related("boat", "guest")


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("month", nargs="?", type=month, help="2026-11, say; else this month")
        parser.add_argument(
            "--timeout", type=float, default=600.0, help="seconds to wait for the workers at most"
        )
        parser.add_argument("--retry", action="store_true", help="retry what has failed first")

    def handle(self, *args: Any, **options: Any) -> None:
        first = options["month"] or timezone.localdate().replace(day=1)
        batch = Render.objects.request_many(
            AGREEMENT,
            charters(first).order_by("pk"),
            data=agreement,
            key=lambda booking: f"books-{booking.code}",
            filename=lambda booking: f"{booking.code}.pdf",
            name=f"Charters of {first:%Y-%m}",
        )
        self.stdout.write(f"{batch.name}: {batch.created} new, {batch.existing} there already.")
        if options["retry"]:
            self.stdout.write(f"{batch.retry_failed()} are tried again.")
        counts = self.follow(batch, time.monotonic() + options["timeout"])
        failed = counts["failed"] + counts["rejected"]
        if failed:
            raise CommandError(f"{failed} have failed. Staff see why; --retry tries them again.")
        if sum(counts.values()) > counts["succeeded"] + counts["cancelled"]:
            raise CommandError("They are not ready yet. The workers go on with them.")
        self.stdout.write(self.style.SUCCESS(f"{counts['succeeded']} are ready."))

    def follow(self, batch: Batch, until: float) -> dict[str, int]:
        """Show how far the workers have come, until all is done or time is up."""
        while True:
            counts = batch.counts
            self.show(counts)
            if batch.is_complete or time.monotonic() >= until:
                self.stdout.write("")
                return counts
            time.sleep(1)

    def show(self, counts: dict[str, int]) -> None:
        number = sum(counts.values())
        done = number - counts["pending"] - counts["queued"] - counts["rendering"]
        full = WIDTH * done // number if number else WIDTH
        bar = f"[{'#' * full}{'.' * (WIDTH - full)}] {done} of {number}"
        # One line in a terminal; in a log each has its own.
        is_terminal = self.stdout.isatty()
        self.stdout.write(f"\r{bar}" if is_terminal else bar, ending="" if is_terminal else "\n")
        self.stdout.flush()
