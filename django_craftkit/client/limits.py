"""Refusing here what Craftkit would refuse. Messages name an argument, and quote no value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import urlsplit

from django_craftkit.client.encoding import is_address
from django_craftkit.client.errors import InvalidData


def check_text(name: str, text: object, least: int, most: int | None = None) -> None:
    """Refuse what is no text of this many characters; one that must say something is not blank.

    Raises:
        InvalidData: it is another.
    """
    if not (isinstance(text, str) and len(text) >= least and (most is None or len(text) <= most)):
        upper = "or more" if most is None else f"to {most:,}"
        refuse(name, f"is not a text of {least} {upper} characters")
    if least and not text.strip():
        refuse(name, "is blank")


def check_whole(name: str, number: object, least: int, most: int | None = None) -> None:
    """Refuse what is no whole number of this size.

    Raises:
        InvalidData: it is another.
    """
    if not (
        isinstance(number, int)
        and not isinstance(number, bool)
        and number >= least
        and (most is None or number <= most)
    ):
        upper = "up" if most is None else f"to {most:,}"
        refuse(name, f"is not a whole number from {least} {upper}")


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


def refuse(name: str, problem: str) -> NoReturn:
    """Say what is wrong with an argument.

    Raises:
        InvalidData: always.
    """
    raise InvalidData(f"'{name}' {problem}.")
