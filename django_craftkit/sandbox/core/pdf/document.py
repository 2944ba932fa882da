"""A document in the sandbox's look: text, labelled values, tables, pictures.

Roboto carries Latin, Greek and Cyrillic; a script it doesn't have is drawn as empty boxes, and
can be extracted all the same. Nothing is fetched; a data URI is drawn if what it holds is a PNG,
JPEG, GIF or WebP, whatever its label says.
"""

from __future__ import annotations

import base64
import io
import re
import tempfile
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from font_roboto import Roboto, RobotoBold  # type: ignore[import-untyped]
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos
from PIL import Image

from . import fallback_font

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .places import Placed

_INK: Final = (28, 32, 40)
_FAINT: Final = (110, 118, 130)
_LINE: Final = (214, 219, 226)
_BAND: Final = (242, 244, 247)
_ACCENT: Final = (38, 99, 235)
_MARGIN: Final = 20.0
_LABEL_WIDTH: Final = 52.0
#: Names of fpdf2's, or millimetres: it warns of the name of A5, which it had wrong once.
_FORMATS: Final[Mapping[str, str | tuple[float, float]]] = {
    **{name: name for name in ("a3", "a4", "letter", "legal")},
    "a5": (148, 210),
}
#: Blanks of other widths, such as those between digits: Roboto has the one that breaks no line.
_BLANKS: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_DATA_URI: Final = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_PICTURES: Final = ("PNG", "JPEG", "GIF", "WEBP")
_MOST_PIXELS: Final = 20_000_000
_ROW_LINE: Final = 5.2
_ROW_PADDING: Final = 1.3
_CELL_GAP: Final = 3.0
_MOST_COLUMNS: Final = 12
_LONGEST_VALUE: Final = 20_000
# HTML prints these as one blank, wherever a line is not to break.
_WHITE_SPACE: Final = re.compile(r"[ \t\n\r\f]+")


class Document(FPDF):
    """A document in the sandbox's look.

    Args:
        page_config: `format` and `orientation`, as PUT takes them.
        text: all that may be written in it.
        placed: what is printed at places of its own, over the rest.

    Attributes:
        lines: each line of text that has been printed; complete once the document is.
    """

    def __init__(
        self,
        page_config: Mapping[str, object],
        text: str = "",
        placed: Sequence[Placed] = (),
    ) -> None:
        page_format = str(page_config.get("format", "A4")).lower()
        orientation = page_config.get("orientation", "portrait")
        super().__init__(
            orientation="landscape" if orientation == "landscape" else "portrait",
            format=_FORMATS.get(page_format, "a4"),
        )
        self.lines: list[str] = []
        self._placed = placed
        self.add_font("Roboto", "", Roboto)
        self.add_font("Roboto", "B", RobotoBold)
        self._add_boxes(fallback_font.missing(text))
        self.set_margins(_MARGIN, _MARGIN, _MARGIN)
        self.set_auto_page_break(True, margin=_MARGIN + 4)
        self.set_draw_color(*_LINE)
        self.set_producer("Craftkit sandbox")
        self.set_lang("en")

    def _add_boxes(self, characters: list[str]) -> None:
        self._has_boxes = bool(characters)
        if not characters:
            return
        # fpdf2 takes fonts from files only, and reads them at once.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            font = Path(folder, "boxes.ttf")
            font.write_bytes(fallback_font.boxes(characters))
            self.add_font("Boxes", "", font)
        self.set_fallback_fonts(["Boxes"], exact_match=False)

    def add_page(self, *args: Any, **options: Any) -> None:
        """A new page, in the font of the one before."""
        super().add_page(*args, **options)
        self._settle_font()

    def _settle_font(self) -> None:
        # A text that begins with a box sets its font for itself alone, and what follows comes in
        # the font before that (fpdf2 2.8.9). A blank sets it for the page.
        if self._has_boxes and self.page and self.font_family:
            self.text(0, 0, " ")

    def footer(self) -> None:
        """What stands below each page, and at places of it; fpdf2 calls it at each page's end."""
        for placed in self._placed:
            if placed.page == self.page_no():
                self._place(placed)
        self.set_y(-_MARGIN + 4)
        self._pen(8, _FAINT)
        self._cell(self.epw / 2, 5, "Rendered by the Craftkit sandbox")
        self.cell(self.epw / 2, 5, f"{self.page_no()} / {{nb}}", align="R")

    def _place(self, placed: Placed) -> None:
        self._pen(placed.size, _INK)
        self.set_xy(placed.x / 100 * self.w, placed.y / 100 * self.h)
        padding, self.c_margin = self.c_margin, 0
        self._cell(None, self.font_size, _WHITE_SPACE.sub(" ", clean(placed.text)))
        self.c_margin = padding

    def heading(self, title: str, below: str) -> None:
        """A title at the top of what follows, and a faint line below it."""
        self.set_fill_color(*_ACCENT)
        self.rect(self.l_margin, self.get_y(), 14, 1.6, style="F")
        self.ln(6)
        self._pen(22, _INK, bold=True)
        self._text(0, 10, title)
        self._pen(9, _FAINT)
        self._text(0, 6, below)
        self.ln(6)

    def labelled(self, label: str, value: str) -> None:
        """A label on the left, its value beside it."""
        if self.will_page_break(9):
            self.add_page()
        top, page = self.get_y(), self.page_no()
        self.line(self.l_margin, top, self.w - self.r_margin, top)
        self.set_y(top + 2)
        self._pen(9, _FAINT)
        self._text(_LABEL_WIDTH - 4, 6, label)
        below_label = self.get_y()
        # A long label that ran over the page takes its value with it.
        if self.page_no() == page:
            self.set_xy(self.l_margin + _LABEL_WIDTH, top + 2)
        else:
            self.set_x(self.l_margin + _LABEL_WIDTH)
        self._pen(11, _INK)
        picture = _picture(value)
        if picture is None or not self._draw(picture):
            self._text(self.epw - _LABEL_WIDTH, 6, value or "–")
        if self.page_no() == page:
            self.set_y(max(self.get_y(), below_label))
        self.ln(2)

    def listing(self, label: str, columns: list[str], body: list[list[str]]) -> None:
        """A table under a heading; its heads come again on each further page."""
        if self.will_page_break(34):
            self.add_page()
        self.ln(8)
        self._pen(13, _INK, bold=True)
        self._text(0, 8, label)
        self.ln(1)
        self._pen(9, _INK)
        if not body:
            self.set_text_color(*_FAINT)
            self._text(0, 6, "None")
            return
        if len(columns) > _MOST_COLUMNS:
            # Too narrow to be read: one cell a row, with the labels in it.
            body = [[" · ".join(map(": ".join, zip(columns, row, strict=True)))] for row in body]
            columns = [f"{len(columns)} columns"]
        self._heads(columns)
        for cells in body:
            self._table_row(cells, columns)

    # Not fpdf2's own tables: a row that is higher than a page, which a long text makes in no
    # time, can't be set by them; and these take a third of the time.

    def _heads(self, columns: list[str]) -> None:
        self._pen(9, _FAINT, bold=True)
        self.set_fill_color(*_BAND)
        lines = self._lines(columns)
        height = max(map(len, lines)) * _ROW_LINE + 2 * _ROW_PADDING
        self.rect(self.l_margin, self.get_y(), self.epw, height, style="F")
        self._set_lines(lines, [])

    def _table_row(self, cells: list[str], columns: list[str]) -> None:
        self._pen(9, _INK)
        self._set_lines(self._lines(cells), columns)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())

    def _lines(self, cells: list[str]) -> list[list[str]]:
        width = self.epw / len(cells) - _CELL_GAP
        return [self._wrapped(clean(cell), width) for cell in cells]

    def _wrapped(self, text: str, width: float) -> list[str]:
        if "\n" not in text and self.get_string_width(text) < width - 2:
            return [text]
        lines = self.multi_cell(
            width, _ROW_LINE, text, align="L", dry_run=True, output=MethodReturnValue.LINES
        )
        return cast("list[str]", lines)

    def _set_lines(self, cells: list[list[str]], heads: list[str]) -> None:
        self.set_y(self.get_y() + _ROW_PADDING)
        for lines in zip_longest(*cells, fillvalue=""):
            if heads and self.will_page_break(_ROW_LINE + _ROW_PADDING):
                self.add_page()
                self._heads(heads)
                self._pen(9, _INK)
                self.set_y(self.get_y() + _ROW_PADDING)
            for column, line in enumerate(lines):
                self.set_x(self.l_margin + column * self.epw / len(cells))
                self._cell(self.epw / len(cells), _ROW_LINE, line)
            self.ln(_ROW_LINE)
        self.set_y(self.get_y() + _ROW_PADDING)

    def _pen(self, size: float, color: tuple[int, int, int], *, bold: bool = False) -> None:
        self.set_font("Roboto", "B" if bold else "", size)
        self.set_text_color(*color)
        self._settle_font()

    def _text(self, width: float, height: float, text: str) -> None:
        lines = self.multi_cell(
            width,
            height,
            clean(text),
            align="L",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
            output=MethodReturnValue.LINES,
        )
        self.lines += cast("list[str]", lines)

    def _cell(self, width: float | None, height: float, line: str) -> None:
        self.cell(width, height, line)
        self.lines.append(line)

    def _draw(self, picture: bytes) -> bool:
        if self.will_page_break(32):
            self.add_page()
            self.set_x(self.l_margin + _LABEL_WIDTH)
        try:
            self.image(
                io.BytesIO(picture), self.get_x(), self.get_y(), 80, 30, keep_aspect_ratio=True
            )
        except (OSError, ValueError):
            return False
        self.ln(32)
        return True


def _picture(value: str) -> bytes | None:
    """The picture in a data URI, if there is one in it.

    fpdf2 would draw an SVG too, which may name files of this machine, and Pillow knows formats
    that run other programs.
    """
    if not _DATA_URI.match(value):
        return None
    try:
        content = base64.b64decode(value.partition(",")[2], validate=True)
        with Image.open(io.BytesIO(content), formats=_PICTURES) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.load()
    except Exception:  # a decoder raises what it likes; what is no picture is text
        return None
    return content


def clean(text: str) -> str:
    """Text that can be written: no control characters, no halves of surrogate pairs."""
    kept = _BLANKS.sub("\N{NO-BREAK SPACE}", text[:_LONGEST_VALUE])
    kept = "".join(c for c in kept if c in "\n\t\N{NO-BREAK SPACE}" or c.isprintable())
    return kept.replace("\t", "    ")
