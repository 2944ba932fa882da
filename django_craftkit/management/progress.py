"""What a long command shows while it runs, and what it says in the end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.core.management.base import OutputWrapper


def counted(steps: Iterable[tuple[str, int]], stderr: OutputWrapper) -> Counter[str]:
    """Return how many there were of each, when all are done; a terminal is shown each step."""
    numbers: Counter[str] = Counter()
    for name, number in steps:
        numbers[name] += number
        if stderr.isatty():
            stderr.write(f"\r{numbers[name]} {name}", ending="")
    if stderr.isatty() and numbers:
        stderr.write("")
    return numbers


def in_words(numbers: Counter[str], none: str) -> str:
    """Return numbers as one line; ``none`` where nothing was counted."""
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number) or none
