"""``manage.py craftkit_doctor``: what is wrong, and what to do."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_craftkit import tenants
from django_craftkit.management.doctor import Finding, findings
from django_craftkit.management.tenants import TenantCommand


class Command(TenantCommand):
    help = "Looks at keys, hosts, templates, webhook secrets, broker, worker and beat."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
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
        self._as_json: bool = options["json"]
        self._shown: list[dict[str, str]] = []
        try:
            super().handle(*args, **options)
        finally:
            if self._as_json and self._shown:
                problems = sum(bool(one["problem"]) for one in self._shown)
                self.stdout.write(
                    json.dumps({"problems": problems, "findings": self._shown}, indent=2)
                )

    def begin(self, name: str) -> None:
        if not self._as_json:
            super().begin(name)

    def handle_tenant(self, **options: Any) -> None:
        problems = 0
        for finding in findings(options["project"], deploy=options["deploy"]):
            problems += bool(finding.problem)
            if self._as_json:
                tenant = {"tenant": tenants.current()} if tenants.are_used() else {}
                self._shown.append({**tenant, **finding.as_dict()})
            else:
                # Each is shown as soon as it is known: some take seconds.
                self._show(finding)
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
