"""``craftkit_fill --renders 1000000 --events 3000000``: rows to measure with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from tests.benchmarks import rows

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Empties Craftkit's tables and fills them with rows like those of three years. Only in a "
        "database on PostgreSQL whose name begins with test_craftkit_benchmarks."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--renders", type=int, default=1_000_000)
        parser.add_argument("--events", type=int, default=3_000_000)
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS)

    def handle(self, *args: Any, **options: Any) -> None:
        renders, events = options["renders"], options["events"]
        if renders < 1000 or events < 1000:
            raise CommandError("Fewer than 1,000 rows don't have all kinds.")
        try:
            rows.fill(options["database"], rows.Size(renders, events))
        except RuntimeError as error:
            raise CommandError(str(error)) from error
