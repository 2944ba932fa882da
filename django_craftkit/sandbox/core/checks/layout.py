"""The texts that a template has laid out at places of its pages.

Craftkit's documentation has no schema of a layout, so this one is the sandbox's own. Places are
those of a signature's `fields` (signatures-webhooks-embed.md, section 1.3): pages from 1, percent
of the page from its top left corner. Sizes are points, as those of `anchorTags`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NotRequired, TypedDict

from django_craftkit.sandbox.core.handlebars import parse

if TYPE_CHECKING:
    from .shape import Shape

MOST_TEXTS: Final = 200
LAST_PAGE: Final = 100
LARGEST_PLACE: Final = 100
LONGEST_TEXT: Final = 500
LARGEST_SIZE: Final = 1000
_NAMES: Final = ("page", "x", "y", "text", "size")


class LayoutText(TypedDict):
    """One line of text; `x` and `y` are those of its top left corner."""

    page: int
    x: float
    y: float
    text: str
    size: NotRequired[float]


def check_layout_texts(shapes: list[Shape]) -> list[LayoutText]:
    """The layout texts of a template, or what is wrong with them noted in their shapes."""
    return [_check(shape) for shape in shapes]


def _check(shape: Shape) -> LayoutText:
    for name in shape.body:
        if name not in _NAMES:
            shape.wrong(name, f"Unrecognized key. Expected {' | '.join(_NAMES)}")
    text = shape.string("text", required=True, least=1, most=LONGEST_TEXT) or ""
    try:
        parse(text)
    except ValueError as fault:
        shape.wrong("text", str(fault))
    checked: LayoutText = {
        "page": shape.integer("page", required=True, most=LAST_PAGE) or 1,
        "x": shape.number("x", required=True, most=LARGEST_PLACE) or 0,
        "y": shape.number("y", required=True, most=LARGEST_PLACE) or 0,
        "text": text,
    }
    size = shape.number("size", most=LARGEST_SIZE, above_zero=True)
    return checked if size is None else {**checked, "size": size}
