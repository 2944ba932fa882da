"""Places in a document."""

from __future__ import annotations

from typing import NamedTuple


class Placed(NamedTuple):
    """One line of text at a place: percent of the page from its top left corner, points."""

    page: int
    x: float
    y: float
    text: str
    size: float
