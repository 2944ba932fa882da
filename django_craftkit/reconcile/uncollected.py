"""Batches are read and written without a search for garbage in their midst."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def uncollected() -> Iterator[None]:
    """Put off Python's search for cycles, for as long as a batch takes.

    A batch makes thousands of objects, which are freed by their counts as soon as it is over.
    Python takes so many for a sign of garbage, and looks through all that the process has: that
    takes a fifth of the batch's time. What the project's functions leave is found right after it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
