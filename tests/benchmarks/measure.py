"""Paired rounds, their ratios, and the table."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.apps import apps
from django.db import connection
from django.utils import timezone

from django_craftkit.conf import project_aliases

if TYPE_CHECKING:
    from collections.abc import Iterator

Work = Sequence[Callable[[], object]]

#: How much of its work each side does before it is the other's turn.
BLOCK = 25


@dataclass
class Figure:
    """One line of the table: what was measured in each round, and what it has to be.

    Without values it could not be measured, which ``note`` explains, and is not missed.
    """

    name: str
    values: list[float] = field(default_factory=list)
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def missed(self) -> bool:
        if not self.values:
            return False
        if self.at_least is not None:
            return self.median < self.at_least
        return self.at_most is not None and self.median > self.at_most

    def row(self) -> tuple[str, str, str, str, str]:
        target, verdict = "–", "for information"
        if self.at_least is not None:
            target, verdict = f"≥ {self.at_least:g}", "ok"
        elif self.at_most is not None:
            target, verdict = f"≤ {self.at_most:g}", "ok"
        if not self.values:
            return self.name, target, "–", "not measured", self.note
        spread = f"{self.median:.3g} ({min(self.values):.3g} – {max(self.values):.3g})"
        return self.name, target, spread, "MISSED" if self.missed else verdict, self.note


def table(figures: list[Figure]) -> str:
    rows = [("figure", "target", "median (min – max)", "verdict", "")]
    rows += [figure.row() for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * (sum(widths) + 6))
    return "\n".join(lines)


def seconds(function: Callable[[], object]) -> float:
    """Return how long a function takes."""
    with prepared():
        began = time.perf_counter()
        function()
        return time.perf_counter() - began


@dataclass
class Ratios:
    """What one side needs of what the other does, round for round."""

    #: Of the time, and of this process's CPU, its other threads included.
    time: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def ratios(rounds: int, one: Callable[[], Work], other: Callable[[], Work]) -> Ratios:
    """Return what one side needs over what the other does, round for round.

    Each side is a function that prepares as much work for a round; the first round warms up.
    """
    found = Ratios()
    for number in range(rounds + 1):
        (mine, my_cpu), (theirs, their_cpu) = _race(one(), other())
        if number:
            found.time.append(mine / theirs)
            found.cpu.append(my_cpu / their_cpu)
        say(
            f"  round {number} of {rounds}: {mine:.3f} s against {theirs:.3f} s, "
            f"CPU {my_cpu:.3f} against {their_cpu:.3f}"
        )
    return found


def _race(one: Work, other: Work) -> list[tuple[float, float]]:
    """Do both sides' work in turns, so that what else the machine does meets both."""
    spent = [(0.0, 0.0), (0.0, 0.0)]
    sides = [(0, one), (1, other)]
    with prepared():
        for start in range(0, len(one), BLOCK):
            for side, work in sides:
                began, cpu = time.perf_counter(), time.process_time()
                for item in work[start : start + BLOCK]:
                    item()
                spent[side] = (
                    spent[side][0] + time.perf_counter() - began,
                    spent[side][1] + time.process_time() - cpu,
                )
            sides.reverse()
    return spent


@contextmanager
def prepared() -> Iterator[None]:
    """Keep what was prepared from the garbage collector, which would pay for it in the round."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def empty() -> None:
    """Empty the tables that grow, and tell the planner: autovacuum may be off, or on its way."""
    tables = [
        model._meta.db_table
        for label in ("craftkit", "benchmarks", "by_hand")
        for model in apps.get_app_config(label).get_models()
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)}")
    # Templates are read once an hour, which is no part of what is measured.
    states = apps.get_model("craftkit", "ProjectState")
    for alias in project_aliases():
        states.objects.create(project=alias, templates_read_at=timezone.now())
    settle()


def settle() -> None:
    """Do what autovacuum and the checkpointer would else do within a round."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
