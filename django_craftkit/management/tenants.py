"""Commands that work in tenants: which ones, and one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from django_craftkit import tenants
from django_craftkit.database import describe
from django_craftkit.reconcile import connecting

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


def add_tenants(parser: CommandParser) -> None:
    """Add ``--tenant``."""
    parser.add_argument(
        "--tenant",
        action="append",
        metavar="NAME",
        help="work in this tenant; several times for several; default: the one that the command "
        'runs in, else all (where CRAFTKIT["TENANTS"] is set)',
    )


def chosen_tenants(options: dict[str, Any]) -> list[str] | None:
    """Return the tenants that ``--tenant`` names; ``None`` where it names none.

    Raises ``CommandError`` for one that there is not.
    """
    names: list[str] = options.get("tenant") or []
    if names and not tenants.are_used():
        raise CommandError('--tenant needs CRAFTKIT["TENANTS"], which is not set.')
    for name in names:
        if not tenants.has(name):
            raise CommandError(f"There is no tenant {name!r} with Craftkit's tables.")
    if not names and (here := tenants.entered()):
        return [here]
    return names or None


class TenantCommand(BaseCommand):
    """A command that does ``handle_tenant`` in one tenant after another; without tenants once."""

    #: Whether it works in all tenants where none is named, or says that one has to be.
    in_all = True

    def add_arguments(self, parser: CommandParser) -> None:
        add_tenants(parser)

    def handle_tenant(self, **options: Any) -> None:
        """Do it in the current tenant; raise ``CommandError`` for what went wrong there."""
        raise NotImplementedError

    def begin(self, name: str) -> None:
        """Say which of several tenants comes now."""
        self.stdout.write(f"{name}:")

    def handle(self, *args: object, **options: Any) -> None:
        names = chosen_tenants(options)
        if not tenants.are_used():
            self.handle_tenant(**options)
            return
        if names is None and not self.in_all:
            raise CommandError("Say in which tenant: --tenant NAME.")
        failed = []
        names = tenants.names() if names is None else names
        for name in names:
            if len(names) == 1:
                with tenants.enter(name):
                    self.handle_tenant(**options)
                return
            self.begin(name)
            # What is wrong with one is no reason to leave the others out.
            try:
                with tenants.enter(name):
                    self.handle_tenant(**options)
            except CommandError as error:
                self.stderr.write(f"{name}: {error}")
                failed.append(name)
            except Error as error:
                self.stderr.write(f"{name}: {describe(error)}")
                connecting.drop_broken()
                failed.append(name)
        if failed:
            raise CommandError(f"Failed in {len(failed)} of {len(names)}: {', '.join(failed)}.")
