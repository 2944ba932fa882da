"""``manage.py craftkit_sandbox``: a local Craftkit."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Runs a local Craftkit; the arguments are those of python -m django_craftkit.sandbox."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("arguments", nargs=REMAINDER, help="see -- --help")

    def handle(self, *args: Any, **options: Any) -> None:
        from django_craftkit.sandbox.__main__ import main

        main(options["arguments"])
