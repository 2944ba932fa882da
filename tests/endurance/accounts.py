"""Holding what is there against what ought to be, label by label."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

#: How many labels of a fault are named.
NAMED = 20


@dataclass(frozen=True)
class Account:
    """What there ought to be once each, and what was found, repeats included."""

    name: str
    expected: Collection[str]
    found: Collection[str]
    #: What may be missing.
    excused: Collection[str] = ()
    #: Whether repeats are no fault.
    may_repeat: bool = False

    @property
    def lost(self) -> list[str]:
        return sorted(set(self.expected) - set(self.found) - set(self.excused))

    @property
    def doubled(self) -> list[str]:
        if self.may_repeat:
            return []
        return sorted(label for label, times in Counter(self.found).items() if times > 1)

    @property
    def unexpected(self) -> list[str]:
        return sorted(set(self.found) - set(self.expected))

    @property
    def repeats(self) -> int:
        return len(self.found) - len(set(self.found))

    @property
    def is_right(self) -> bool:
        return not (self.lost or self.doubled or self.unexpected)

    def faults(self) -> Iterator[str]:
        """Name what is wrong, a line for each kind of fault."""
        for what in ("lost", "doubled", "unexpected"):
            labels: list[str] = getattr(self, what)
            if labels:
                more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
                yield f"{self.name}, {what}: {'; '.join(labels[:NAMED])}{more}"

    def row(self) -> tuple[str, ...]:
        numbers = (self.expected, self.found, self.lost, self.doubled, self.unexpected)
        verdict = "ok" if self.is_right else "WRONG"
        return self.name, *(f"{len(number):,}" for number in numbers), verdict


def table(accounts: Sequence[Account]) -> str:
    head = ("what", "expected", "found", "lost", "doubled", "unexpected", "")
    rows = [head, *(account.row() for account in accounts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for name, *numbers, verdict in rows:
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *cells, verdict]).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)
