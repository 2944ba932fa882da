"""``manage.py craftkit_sandbox``: a local Craftkit."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Runs a local Craftkit: the same API, real PDFs, signed webhooks, faults on request."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        # Imported here: without the extra, the other commands still work.
        from django_craftkit.sandbox import cli

        cli.add_arguments(parser)

    def handle(self, *args: object, **options: Any) -> None:
        from django_craftkit.sandbox import cli

        try:
            cli.run(Namespace(**options), self.stdout.write)
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
