"""Whether the texts that are to say where people sign are in a rendered PDF.

Craftkit takes an anchor that is nowhere in the PDF, and what tool it looks with is unknown. What is
found here, every tool found that was tried; what is not found where each page has text, none did.
It is never said that Craftkit finds it, that it can be seen, how often it is there, or where on its
page.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import partial
from heapq import nlargest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Texts that are offered instead of one that isn't there, at most.
MOST_HINTS = 5
#: Characters from which on a text is looked for in pieces: shorter ones are in any text.
LEAST_IN_PIECES = 4
#: What a template's author writes for a text to sign at.
TOKEN = re.compile(r"\{\{[^{}\n]{1,80}\}\}|\[\[[^\[\]\n]{1,80}\]\]")

#: Of such a text, what says that it is for a signature, and what says that it is for another thing.
_SIGN = re.compile(r"(?<![^\W\d_])(sign(ature|here)?|unterschrift)(?![^\W\d_])", re.IGNORECASE)
_OTHER = re.compile(r"date|datum|name|initial|kürzel", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"(\d{1,9})\D*\Z")

#: Invisible: the soft hyphen, spaces without a width, marks of direction, joiners.
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)]
)
_LINE_END_HYPHEN = re.compile(r"[-\u2010]\s*\n\s*")


class Answer(StrEnum):
    """Whether a text is in a PDF."""

    #: On these pages, as it is.
    FOUND = "found"
    #: Its letters are there, one after another, but apart or on two lines.
    APART = "apart"
    MISSING = "missing"
    #: The file can't be read, or there is a page without text.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one text."""

    text: str
    answer: Answer
    #: Numbers of pages, from 1.
    pages: tuple[int, ...] = ()
    #: Whether it stands in the midst of a longer word somewhere: "here" is in "there".
    is_in_words: bool = False
    #: Texts that look like it, each with its page: of one that is missing.
    similar: tuple[tuple[str, int], ...] = ()


def look_for(texts: Iterable[str], pages: Sequence[str]) -> list[Finding]:
    """Look for texts on pages, which are given as ``read_pages`` returns them; each once."""
    plain = [_plain(page) for page in pages]
    return [_look_for(text, pages, plain) for text in dict.fromkeys(texts)]


def cannot_tell(texts: Iterable[str]) -> list[Finding]:
    """Return what is said of texts in a file that can't be read."""
    return [Finding(text, Answer.UNKNOWN) for text in dict.fromkeys(texts)]


def tokens(pages: Sequence[str]) -> list[tuple[str, int]]:
    """Return what looks as if it were meant for signatures, ``{{…}}`` and ``[[…]]``; each once."""
    found: dict[str, int] = {}
    for number, page in enumerate(pages, 1):
        for match in TOKEN.finditer(page):
            found.setdefault(match[0], number)
    return list(found.items())


def for_signatures(texts: Iterable[str]) -> list[str]:
    """Return those of ``tokens`` that say that somebody signs there, each for one more person.

    In the order of their numbers, a text without one first; else in the order they are given in.
    """
    signing = [text for text in texts if _SIGN.search(text) and not _OTHER.search(text)]
    return sorted(signing, key=_number)


def _number(text: str) -> int:
    found = _LAST_NUMBER.search(text)
    return int(found[1]) if found else 0


def _look_for(text: str, pages: Sequence[str], plain: Sequence[str]) -> Finding:
    on = _on(text, pages)
    if on:
        return Finding(text, Answer.FOUND, on, is_in_words=_is_in_words(text, pages))
    if len(text) >= LEAST_IN_PIECES or _is_delimited(text):
        on = _on(_plain(text), plain)
        if on:
            return Finding(text, Answer.APART, on)
    if not all(plain) or not plain:
        return Finding(text, Answer.UNKNOWN)
    return Finding(text, Answer.MISSING, similar=tuple(_similar(text, pages)))


def _on(text: str, pages: Sequence[str]) -> tuple[int, ...]:
    return tuple(number for number, page in enumerate(pages, 1) if text and text in page)


def _plain(text: str) -> str:
    """Return a text without what tools put between letters, and in one form of Unicode."""
    return "".join(unicodedata.normalize("NFKC", text).translate(_INVISIBLE).split())


def _is_delimited(text: str) -> bool:
    return not (text[:1].isalnum() or text[-1:].isalnum())


def _is_in_words(text: str, pages: Sequence[str]) -> bool:
    """Whether a text has a letter or digit right before or behind it that would go on with it."""
    begins, ends = text[:1].isalnum(), text[-1:].isalnum()
    for page in pages:
        start = page.find(text)
        while start >= 0:
            end = start + len(text)
            is_behind_word = begins and page[start - 1 : start].isalnum() and start > 0
            if is_behind_word or (ends and page[end : end + 1].isalnum()):
                return True
            start = page.find(text, end)
    return False


def _similar(text: str, pages: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield what looks like a text: first what differs in case, blanks and dashes alone.

    Then the other texts that are meant for signatures, the nearest first.
    """
    wanted = "".join(letter for letter, _place in _folded(text))
    there = tokens(pages)
    alike = {one: page for one, page in there if _fold(one) == wanted}
    if not alike and wanted:
        for number, page in enumerate(pages, 1):
            if (found := _find_folded(wanted, page)) is not None:
                alike[found] = number
                break
    others = [(one, page) for one, page in there if one not in alike]
    nearest = nlargest(MOST_HINTS, others, key=partial(_likeness, wanted))
    yield from [*alike.items(), *nearest][:MOST_HINTS]


def _likeness(wanted: str, one: tuple[str, int]) -> float:
    return SequenceMatcher(None, wanted, _fold(one[0]), autojunk=False).ratio()


def _fold(text: str) -> str:
    return "".join(letter for letter, _place in _folded(text))


def _folded(text: str) -> Iterator[tuple[str, int]]:
    """Yield the letters of a text that tell it from others, each with its place in it."""
    for place, letter in enumerate(text):
        for one in unicodedata.normalize("NFKC", letter).translate(_INVISIBLE).casefold():
            if not one.isspace() and one not in "-_\u2010\u2011":
                yield one, place


def _find_folded(wanted: str, page: str) -> str | None:
    """Return what a page has where a folded text is found in it."""
    page = _LINE_END_HYPHEN.sub("", page)
    letters = list(_folded(page))
    start = "".join(letter for letter, _place in letters).find(wanted)
    if start < 0:
        return None
    first, last = letters[start][1], letters[start + len(wanted) - 1][1]
    return " ".join(page[first : last + 1].split())
