"""A font for the letters that Roboto doesn't have: each a box, and still itself as text.

Whoever looks at the document sees that something is written there; whoever searches it or
copies from it gets the letters.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Final

from font_roboto import Roboto  # type: ignore[import-untyped]
from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

# Seconds since 1904, as fonts count: any moment will do, as long as it stays the same.
_EPOCH: Final = 3_000_000_000
_OUTER: Final = ((60, 0), (60, 700), (540, 700), (540, 0))
_INNER: Final = ((110, 50), (490, 50), (490, 650), (110, 650))


def missing(text: str) -> list[str]:
    """The characters of a text that Roboto doesn't have, each once, in order."""
    if text.isascii():
        return []
    return sorted(c for c in set(text) if ord(c) not in _known() and c.isprintable())


def boxes(characters: list[str]) -> bytes:
    """A TrueType font with just these; the same characters give the same bytes."""
    names = {ord(character): f"u{ord(character):05X}" for character in characters}
    glyphs = [".notdef", *names.values()]
    pen = TTGlyphPen(None)
    for corners in (_OUTER, _INNER):
        pen.moveTo(corners[0])
        for corner in corners[1:]:
            pen.lineTo(corner)
        pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupHead(unitsPerEm=1000, created=_EPOCH, modified=_EPOCH)
    builder.font.recalcTimestamp = False
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys(glyphs, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (600, 60)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Boxes", "styleName": "Regular", "psName": "Boxes"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200)
    builder.setupPost()
    font = io.BytesIO()
    builder.save(font)
    return font.getvalue()


@cache
def _known() -> frozenset[int]:
    with TTFont(Roboto, lazy=True) as font:
        return frozenset(font.getBestCmap())
