"""Whether a text is an address that Craftkit takes: http(s), read as browsers read URLs.

Source: https://docs.craftkit.dev/guides/images-and-signatures and https://url.spec.whatwg.org/
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import unquote

_AROUND: Final = "".join(map(chr, range(0x21)))
_INSIDE: Final = {ord(character): None for character in "\t\n\r"}
_SCHEME: Final = re.compile(r"https?:[/\\]*", re.IGNORECASE)
_END_OF_AUTHORITY: Final = re.compile(r"[/\\?#]")
_PORT: Final = re.compile(r"[0-9]*")
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f#%/:<>?@\[\\\]^|]")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def is_data_uri(text: str) -> bool:
    return text[:100].lstrip(_AROUND)[:5].lower() == "data:"


def is_web_url(text: str) -> bool:
    """Whether browsers, and Craftkit, read this as an address with http or https."""
    text = text.strip(_AROUND).translate(_INSIDE)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return False
    authority = _END_OF_AUTHORITY.split(text[scheme.end() :], maxsplit=1)[0]
    place = authority.rpartition("@")[2]
    if place.startswith("["):
        inner, bracket, port = place[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return False
        return _is_ipv6(inner) and _is_port(port[1:])
    host, _colon, port = place.partition(":")
    return _is_host(host) and _is_port(port)


def _is_port(text: str) -> bool:
    if not _PORT.fullmatch(text):
        return False
    digits = text.lstrip("0")
    return len(digits) <= 5 and int(digits or 0) < 2**16


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return "%" not in text


def _is_host(text: str) -> bool:
    host = unicodedata.normalize("NFKC", unquote(text)).replace("\u3002", ".")
    if not host or _FORBIDDEN.search(host):
        return False
    labels = host.split(".")
    if labels[-1] == "" and len(labels) > 1:
        labels.pop()
    return not _NUMBER.fullmatch(labels[-1]) or _is_ipv4(labels)


def _is_ipv4(labels: list[str]) -> bool:
    """Whether the numbers are an address; each may be hexadecimal, octal or decimal."""
    if len(labels) > 4:
        return False
    numbers = []
    for label in labels:
        try:
            numbers.append(_number(label))
        except ValueError:
            return False
    *first, last = numbers
    return all(number < 256 for number in first) and last < 256 ** (5 - len(numbers))


def _number(label: str) -> int:
    if not _NUMBER.fullmatch(label) or len(label) > 64:
        raise ValueError(label)
    if label[:2].lower() == "0x":
        return int(label[2:] or "0", 16)
    return int(label, 8 if label.startswith("0") else 10)
