"""``manage.py craftkit_doctor``: what is wrong, and what to do."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_craftkit.management.doctor import Finding, findings


class Command(BaseCommand):
    help = "Looks at keys, hosts, templates, webhook secrets, broker, worker and beat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", action="append", help="look at this project only")
        parser.add_argument(
            "--deploy",
            action="store_true",
            help="also build data of some objects of each declaration, and check them against its "
            "template; nothing of it is kept",
        )
        parser.add_argument(
            "--json", action="store_true", help="write one JSON object, for machines to read"
        )

    def handle(self, *args: object, **options: Any) -> None:
        found = []
        for finding in findings(options["project"], deploy=options["deploy"]):
            found.append(finding)
            # Each is shown as soon as it is known: some take seconds.
            if not options["json"]:
                self._show(finding)
        problems = sum(bool(finding.problem) for finding in found)
        if options["json"]:
            shown = {"problems": problems, "findings": [finding.as_dict() for finding in found]}
            self.stdout.write(json.dumps(shown, indent=2))
        if problems:
            raise CommandError(f"{problems} to mend.")
        if not options["json"]:
            self.stdout.write(self.style.SUCCESS("All is well."))

    def _show(self, finding: Finding) -> None:
        if not finding.problem:
            self.stdout.write(f"{self.style.SUCCESS('ok')}    {finding.what}")
            return
        # By the name of the check its page in the documentation is found.
        problem = f"{finding.what}: {finding.problem} [{finding.check.value}]"
        self.stdout.write(f"{self.style.ERROR('mend')}  {problem}")
        if finding.fix:
            self.stdout.write(f"      {finding.fix}")
