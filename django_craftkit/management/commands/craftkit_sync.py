"""``manage.py craftkit_sync``: the mirror level with Craftkit, documents with the business."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from django_craftkit import conf, credentials
from django_craftkit.database import describe
from django_craftkit.failures import breaks_transaction
from django_craftkit.management.missing import FAILED, count_missing, expecting, request_missing
from django_craftkit.management.progress import counted, in_words
from django_craftkit.management.tenants import TenantCommand
from django_craftkit.reconcile import syncing

if TYPE_CHECKING:
    from django.core.management.base import CommandParser
    from django.db import models

#: Failures that are told one by one.
MOST_TOLD = 20


class Command(TenantCommand):
    help = (
        "Has workers ask Craftkit now about all that is open: documents, signature requests, "
        "links and engagement, templates. With --missing it asks for the documents that objects "
        "lack instead, by the queryset= of their declarations. It returns before the workers have "
        "done it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--project", action="append", help="an alias; several times for several; default: all"
        )
        parser.add_argument(
            "--missing", action="store_true", help="ask for the documents that objects lack"
        )
        parser.add_argument(
            "--days",
            type=float,
            default=30.0,
            help="ask about links and engagement of documents ready since then (default: 30)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle_tenant(self, **options: Any) -> None:
        for alias in options["project"] or ():
            try:
                credentials.check_project(alias)
            except conf.UnknownProject as error:
                raise CommandError(str(error)) from None
        try:
            projects = options["project"] or list(credentials.project_aliases())
        except credentials.ProjectUnavailable as error:
            raise CommandError(f"{error} Name projects with --project.") from None
        if options["missing"]:
            self._missing(projects, is_dry=options["dry_run"])
        else:
            self._sync(projects, options["days"], is_dry=options["dry_run"])

    def _sync(self, projects: list[str], days: float, *, is_dry: bool) -> None:
        if is_dry:
            for kind in syncing.kinds(projects, days):
                self.stdout.write(f"{kind.rows.count()} {kind.name} would be asked about.")
            return
        asked = counted(syncing.sync(projects, days), self.stderr)
        self.stdout.write(f"Workers ask about: {in_words(asked, 'nothing')}.")

    def _missing(self, projects: list[str], *, is_dry: bool) -> None:
        failed = 0
        for one in expecting(projects):
            numbers: Counter[str] = Counter()
            try:
                if is_dry:
                    numbers = count_missing(one)
                else:
                    found = request_missing(one, frozenset(projects), self._tell)
                    numbers = counted(found, self.stderr)
            except Exception as error:
                if breaks_transaction(error):
                    raise
                # queryset= may raise anything; what is asked for of others is not lost for it.
                self._tell_of(one.name, error)
                numbers[FAILED] += 1
            failed += numbers[FAILED]
            self.stdout.write(f"{one.name}: {in_words(numbers, 'nothing is missing')}.")
        if failed:
            raise CommandError(f"{failed} failed. Mend the declarations, and run it again.")

    _told = 0

    def _tell(self, source: models.Model, error: Exception) -> None:
        self._tell_of(f"{source._meta.label} {source.pk}", error)

    def _tell_of(self, what: str, error: Exception) -> None:
        self._told += 1
        if self._told <= MOST_TOLD:
            self.stderr.write(f"{what}: {describe(error)}")
