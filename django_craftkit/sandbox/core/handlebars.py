"""Texts with names in curly braces: as much of Handlebars as a line of text needs.

`{{customer.name}}` is the value of the data, or nothing if there is none; `\\{{sign_here}}` is
printed as `{{sign_here}}`, and a value is printed as it is, whatever braces it has. Blocks,
helpers, partials and comments are refused: they would not be printed as Craftkit prints them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# What Handlebars takes for an identifier, and several of them with dots between.
_WORD: Final = r"""[^\s!"#%&'()*+,./;<=>@\[\\\]^`{|}~]+"""
_NAME: Final = re.compile(rf"{_WORD}(?:\.{_WORD})*")


def parse(text: str) -> list[tuple[str, str]]:
    """What is printed as it is, each with the name that follows it; after the last comes none.

    Raises:
        ValueError: something between braces is no name, or braces are not closed.
    """
    literal, *parts = text.split("{{")
    pieces = []
    for part in parts:
        if literal.endswith("\\") and not literal.endswith("\\\\"):
            literal = f"{literal[:-1]}{{{{{part}"
            continue
        name, closed, after = part.partition("}}")
        if not closed:
            raise ValueError(f"Not closed: {{{{{part}")
        if not _NAME.fullmatch(name.strip()):
            raise ValueError(f"Not a name: {{{{{name}}}}}")
        # Two backslashes are one, and hide no braces.
        pieces.append((literal.removesuffix("\\"), name.strip()))
        literal = after
    return [*pieces, (literal, "")]


def names(text: str) -> set[str]:
    """The names in a text that can be parsed."""
    return {name for _, name in parse(text) if name}


def fill(text: str, value_of: Callable[[str], str]) -> str:
    """The text with the value of each name in its place."""
    return "".join(literal + (value_of(name) if name else "") for literal, name in parse(text))
