"""A run: business, kills and faults side by side, then quiet, then the accounts."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from django.db import connection

from . import books
from .accounts import Account, table
from .business import Business
from .fleet import Fleet, fleet, say
from .trouble import Trouble

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

#: Jobs that wait at most before the business writes more: it goes on for as long as the workers do.
#: With so few left in the end nothing goes wrong any more.
AHEAD, FEW = 100, 10
#: Seconds between two lines about how far it has come.
TELL_EVERY = 15.0


class Stuck(Exception):
    """Nothing gets on any more."""


def run(options: argparse.Namespace, seed: int, folder: Path) -> bool:
    """Run it, print what came of it, and return whether all of it is right."""
    version = ".".join(map(str, connection.get_database_version()))
    title = f"{options.events:,} events, seed {seed}, {connection.display_name} {version}"
    say(title)
    business = Business(options.events, random.Random(seed))
    began = time.monotonic()
    stuck = []
    with fleet(folder, options.workers, seed if options.faults else None) as processes:
        with Trouble(processes, random.Random(seed), options.every) as trouble:
            watch = _Watch(business, processes, trouble, options.patience)
            try:
                business.run(lambda: watch.until_left(AHEAD))
                watch.until_left(FEW)
                trouble.calm()
                processes.craftkit.calm()
                watch.until_quiet()
            except Stuck as error:
                stuck.append(str(error))
        seconds = time.monotonic() - began
        craftkit = processes.craftkit.books()
        accounts = [
            *books.accounts(business, craftkit, processes.archive),
            Account("what did not come to its end in time", (), stuck),
        ]
        figures = {
            "seconds": round(seconds),
            "events that were rolled back": len(business.undone),
            "objects that were saved again": business.saved_again,
            "transactions of the business that lost a deadlock": business.begun_anew,
            **{f"kills of a {kind}": times for kind, times in sorted(processes.killed.items())},
            "processes that ended for want of a pool": processes.ended,
            "jobs that were leased at a kill": trouble.leased,
            **{f"faults: {kind}": times for kind, times in sorted(craftkit["faults"].items())},
            **books.figures(craftkit),
            "MiB of memory of all processes in the end": processes.resident() // 2**20,
        }
    faults = [fault for account in accounts for fault in account.faults()]
    lines = [
        *("", title, "", table(accounts), ""),
        *(f"{value:>9,}  {name}" for name, value in figures.items()),
        *("", *(faults or ["Nothing was lost, nothing was doubled."])),
    ]
    print("\n".join(lines))  # noqa: T201
    return not faults


class _Watch:
    """Waits, and tells how far it has come."""

    def __init__(self, business: Business, fleet: Fleet, trouble: Trouble, patience: float) -> None:
        self._business, self._fleet, self._trouble = business, fleet, trouble
        self._patience = patience
        self._tell_at = 0.0

    def until_left(self, jobs: int) -> None:
        """Wait while more jobs than these are left."""
        self._until(lambda: books.jobs_left().count() <= jobs, 0.1)

    def until_quiet(self) -> None:
        """Wait until nothing is left to do, neither here nor at Craftkit."""
        self._until(self._is_quiet, 2.0)

    def _until(self, condition: Any, pause: float) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            self._trouble.check()
            self._tell()
            if condition():
                return
            if time.monotonic() > deadline:
                raise Stuck(f"after {self._patience:.0f} s there is still something to do")
            time.sleep(pause)

    def _is_quiet(self) -> bool:
        if self._is_craftkit_busy():
            return False
        self._business.ask_for_news()
        # Before and after: each may bring about something for the other.
        return books.is_quiet() and not self._is_craftkit_busy() and books.is_quiet()

    def _is_craftkit_busy(self) -> bool:
        return bool(self._fleet.craftkit.books()["under way"])

    def _tell(self) -> None:
        if time.monotonic() < self._tell_at:
            return
        self._tell_at = time.monotonic() + TELL_EVERY
        kills, left = self._fleet.killed.total(), books.jobs_left().count()
        say(f"  {len(self._business.kept):,} events, {left} jobs, {kills} kills")
