"""A PDF's text, page by page, by pypdf; and what can't be read is said so."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pypdf import PdfReader

#: Seconds that reading a file may take: 300 pages take about four.
MAX_SECONDS = 20.0


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


def read_pages(file: IO[bytes]) -> list[str]:
    """Return the text of each page, in their order; "" for one without any.

    Raises:
        Unreadable: it can't be read, or takes longer than ``MAX_SECONDS``.
    """
    end = time.monotonic() + MAX_SECONDS
    reader = open_reader(file)
    texts = []
    try:
        for page in reader.pages:
            texts.append(page.extract_text())
            if time.monotonic() > end:
                raise Unreadable("time")
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(type(error).__name__) from error
    return texts
