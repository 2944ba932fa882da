"""Refusing here what Craftkit would refuse. Messages name an argument, and quote no value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

from django_craftkit.client.encoding import is_address
from django_craftkit.client.errors import InvalidData

#: What JSON has no lists and objects in; `encoding` makes numbers and texts of the others.
_SCALARS: Final = (str, bool, int, float, Decimal, date, time, UUID)


def check_text(name: str, text: object, least: int = 0, most: int | None = None) -> None:
    """Refuse what is no text of this many characters.

    Raises:
        InvalidData: it is another.
    """
    if not (isinstance(text, str) and len(text) >= least and (most is None or len(text) <= most)):
        upper = "or more" if most is None else f"to {most:,}"
        limits = f" of {least} {upper} characters" if least or most is not None else ""
        refuse(name, f"is not a text{limits}")


def check_whole(
    name: str, number: object, least: int | None = None, most: int | None = None
) -> None:
    """Refuse what is no whole number of this size.

    Raises:
        InvalidData: it is another.
    """
    if not (
        isinstance(number, int)
        and not isinstance(number, bool)
        and (least is None or number >= least)
        and (most is None or number <= most)
    ):
        upper = "up" if most is None else f"to {most:,}"
        limits = "" if least is None else f" from {least} {upper}"
        refuse(name, f"is not a whole number{limits}")


def check_address(name: str, address: object) -> None:
    """Refuse what is no e-mail address, or several, or one with a name.

    Raises:
        InvalidData: it is another.
    """
    if not is_address(address):
        refuse(name, "is not an e-mail address")


def check_url(name: str, url: object) -> None:
    """Refuse what is no http(s) address with a host.

    Raises:
        InvalidData: it is another.
    """
    try:
        good = isinstance(url, str) and url.isprintable() and " " not in url
        parts = urlsplit(url if good and isinstance(url, str) else "")
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        refuse(name, "is not an http or https address")


def check_flag(name: str, flag: object) -> None:
    """Refuse what is neither True, False nor None.

    Raises:
        InvalidData: it is another.
    """
    if flag is not None and not isinstance(flag, bool):
        refuse(name, "is not True, False or None")


def check_mapping(name: str, value: object) -> None:
    """Refuse what is no mapping.

    Raises:
        InvalidData: it is another.
    """
    if not isinstance(value, Mapping):
        refuse(name, "is not a mapping")


def check_scalar(name: str, value: object) -> None:
    """Refuse a list, an object, and what can't be one value in JSON.

    Raises:
        InvalidData: it is one.
    """
    if not isinstance(value, _SCALARS) or (
        isinstance(value, float | Decimal) and not math.isfinite(value)
    ):
        refuse(name, "is not one value: a text, a number, True or False")


def check_moment(name: str, moment: object) -> None:
    """Refuse what is no aware datetime.

    Raises:
        InvalidData: it is another.
    """
    if not isinstance(moment, datetime):
        refuse(name, "is not a datetime")
    if moment.utcoffset() is None:
        refuse(name, "has no time zone, so nobody knows when it is")


def check_kind(name: str, value: object, kind: type) -> None:
    """Refuse what is no object of this class; its JSON is none.

    Raises:
        InvalidData: it is another.
    """
    if not isinstance(value, kind):
        refuse(name, f"is not a {kind.__name__}: write {kind.__name__}(…)")


def check_parts(
    name: str, parts: object, kind: type, *, least: int = 0, most: int | None = None
) -> None:
    """Refuse what is no list of objects of this class, of this many.

    Raises:
        InvalidData: it is another; an entry is named by its place.
    """
    if not isinstance(parts, Sequence) or isinstance(parts, str | bytes | bytearray):
        refuse(name, f"is not a list of {kind.__name__}s")
    if len(parts) < least:
        refuse(name, f"has fewer than {least} {kind.__name__}s")
    if most is not None and len(parts) > most:
        refuse(name, f"has more than {most:,} {kind.__name__}s")
    for number, part in enumerate(parts):
        check_kind(f"{name}[{number}]", part, kind)


def refuse(name: str, problem: str) -> NoReturn:
    """Say what is wrong with an argument.

    Raises:
        InvalidData: always.
    """
    raise InvalidData(f"'{name}' {problem}.")
