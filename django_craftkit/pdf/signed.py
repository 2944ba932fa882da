"""What a signed PDF says of itself: whether it is whole, and whether its signatures cover it.

Whether a signature is valid, by whom it is and whether that can be trusted, is not told here: that
takes certificates, and tools that are made for them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any

from .reading import Unreadable, open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes at either end of a file in which a PDF says that it is one, and that it ends.
_EDGE = 1024
#: What may follow a PDF's end, as a line's end does.
_BLANK = b" \t\r\n\f\0"
#: Fields of a form that are looked at, at most: one may be its own parent.
_MOST_FIELDS = 5_000


class Coverage(StrEnum):
    """What a file's signatures cover."""

    #: There is none: Craftkit may prove it by its certificate.
    NONE = "none"
    #: The last one covers the file from its first byte to its last.
    WHOLE = "whole"
    #: Something was added to the file after the last one: an audit page, say.
    ADDED = "added"
    #: They are not where they say: a program has saved the file anew.
    MOVED = "moved"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SignedFile:
    """What a file says of itself."""

    #: It begins as a PDF.
    is_pdf: bool
    #: It ends as one, too.
    is_whole: bool
    #: ``None``: can't be told.
    signatures: int | None
    coverage: Coverage


def inspect(file: IO[bytes]) -> SignedFile:
    """Return what a file says of itself; it is read where it is needed, and stays open."""
    size = file.seek(0, os.SEEK_END)
    is_pdf = b"%PDF-" in _at(file, 0, _EDGE)
    _before, end, after = _at(file, max(size - _EDGE, 0), _EDGE).rpartition(b"%%EOF")
    is_whole = is_pdf and bool(end) and not after.strip(_BLANK)
    if not is_whole:
        return SignedFile(is_pdf, is_whole, None, Coverage.UNKNOWN)
    try:
        ranges = list(_ranges(file))
    except Unreadable:
        return SignedFile(is_pdf, is_whole, None, Coverage.UNKNOWN)
    return SignedFile(is_pdf, is_whole, len(ranges), _coverage(file, size, ranges))


def _coverage(file: IO[bytes], size: int, ranges: list[list[int] | None]) -> Coverage:
    if not ranges:
        return Coverage.NONE
    known = [one for one in ranges if one is not None and _fits(file, size, one)]
    if len(known) < len(ranges):
        return Coverage.MOVED
    end = max(one[2] + one[3] for one in known)
    # A line's end after the last "%%EOF" is no addition.
    rest = _at(file, end, _EDGE)
    is_all = end + len(rest) == size and not rest.strip(_BLANK)
    return Coverage.WHOLE if is_all else Coverage.ADDED


def _fits(file: IO[bytes], size: int, covered: list[int]) -> bool:
    """Whether what a signature leaves out is the place where it stands itself."""
    start, length, after, rest = covered
    is_in_file = start == 0 and 0 < length < after and rest >= 0 and after + rest <= size
    return is_in_file and _at(file, length, 1) == b"<" and _at(file, after - 1, 1) == b">"


def _at(file: IO[bytes], place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)


def _ranges(file: IO[bytes]) -> Iterator[list[int] | None]:
    """Yield what each signature says it covers: two places, each with a length; else ``None``.

    Raises:
        Unreadable: the file's objects can't be read.
    """
    reader = open_reader(file)
    try:
        form = _resolved(reader.trailer["/Root"]).get("/AcroForm")
        todo = [] if form is None else list(_resolved(_resolved(form).get("/Fields", [])))
        seen = 0
        while todo and seen < _MOST_FIELDS:
            seen += 1
            field = _resolved(todo.pop())
            todo += _resolved(field.get("/Kids", []))
            value = _resolved(field.get("/V"))
            if hasattr(value, "get") and "/ByteRange" in value:
                yield _numbers(_resolved(value["/ByteRange"]))
    except Exception as error:
        # A parser may raise anything over what was made to break it.
        raise Unreadable(type(error).__name__) from error


def _resolved(value: Any) -> Any:
    return value.get_object() if hasattr(value, "get_object") else value


def _numbers(covered: Any) -> list[int] | None:
    numbers = [_resolved(one) for one in covered]
    is_pairs = len(numbers) == 4 and all(isinstance(one, int) for one in numbers)
    return [int(one) for one in numbers] if is_pairs else None
