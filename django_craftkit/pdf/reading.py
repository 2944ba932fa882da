"""A PDF's text, page by page, by pypdf; and what can't be read is said so."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

#: Seconds that reading a file may take: 300 pages take about four.
MAX_SECONDS = 20.0
#: Bytes that a page may draw with, unpacked, before its reading is watched: 5 MB of text on one
#: page take pypdf 20 seconds. To watch it takes longer, so the usual page is not.
LARGE_PAGE = 500_000


class Unreadable(Exception):
    """Nobody can tell what is in a file."""


def is_available() -> bool:
    """Whether pypdf is installed."""
    return find_spec("pypdf") is not None


def open_reader(file: IO[bytes]) -> PdfReader:
    """Return pypdf's reader of a file, which stays open for as long as that is used.

    Raises:
        Unreadable: it is no PDF, or one that only a password opens.
    """
    from pypdf import PdfReader

    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("password")
        # It keeps the cross-reference streams it has met by their numbers, which a later revision
        # of the file may have given to something else: a signature, say.
        reader.resolved_objects.clear()
    except Unreadable:
        raise
    except Exception as error:
        # A parser may raise anything over what was made to break it.
        raise Unreadable(type(error).__name__) from error
    return reader


def read_pages(file: IO[bytes], *, seconds: float | None = None) -> list[str]:
    """Return the text of each page, in their order; "" for one without any.

    Args:
        file: the PDF.
        seconds: that it may take; None: ``MAX_SECONDS``.

    Raises:
        Unreadable: it can't be read, or takes longer.
    """
    end = time.monotonic() + (MAX_SECONDS if seconds is None else seconds)
    reader = open_reader(file)
    texts = []
    try:
        for page in reader.pages:
            texts.append(_text_of(page, end))
            _check_time(end)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(type(error).__name__) from error
    return texts


def _text_of(page: PageObject, end: float) -> str:
    contents = page.get_contents()
    if contents is None or len(contents.get_data()) <= LARGE_PAGE:
        return page.extract_text()
    return page.extract_text(visitor_operand_before=lambda *_operand: _check_time(end))


def _check_time(end: float) -> None:
    if time.monotonic() > end:
        raise Unreadable("time")
