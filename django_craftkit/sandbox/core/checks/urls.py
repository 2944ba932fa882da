"""Which URLs Craftkit takes: `z.string().url()`, and http or https (section 4.1).

Zod asks the `URL` of JavaScript, so this is the parser of https://url.spec.whatwg.org/ as far as
it can fail for these two schemes: blanks around the URL and slashes too few or too many are
forgiven, a port or a host that can't be one is not.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final
from urllib.parse import unquote_to_bytes

_SCHEME: Final = re.compile(r"https?:[/\\]*", re.ASCII | re.IGNORECASE)
_AROUND: Final = "".join(map(chr, range(0x21)))
_WITHIN: Final = str.maketrans("", "", "\t\n\r")
_FORBIDDEN: Final = frozenset(_AROUND + "#/:<>?@[\\]^|%\x7f\ufffd")
_NUMBER: Final = re.compile(r"0x([0-9a-f]*)|0([0-7]*)|([1-9][0-9]*)", re.ASCII | re.IGNORECASE)


def is_web_url(text: str) -> bool:
    """Whether `text` is an absolute http(s) URL; data URIs are none."""
    text = text.strip(_AROUND).translate(_WITHIN)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return False
    authority = re.split(r"[/\\?#]", text[scheme.end() :], maxsplit=1)[0].rpartition("@")[2]
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::0*([0-9]{0,5}))?", authority, re.ASCII | re.DOTALL)
    return found is not None and int(found[2] or "0") <= 0xFFFF and _is_host(found[1])


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            return "%" not in host and bool(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return False
    name = unquote_to_bytes(host.encode("utf-8", "replace")).decode("utf-8", "replace")
    # What of IDNA matters here: full-width letters and dots are plain ones, soft hyphens nothing.
    name = unicodedata.normalize("NFKC", name).lower().replace("\u3002", ".").replace("\u00ad", "")
    if not name or _FORBIDDEN & set(name):
        return False
    labels = name.removesuffix(".").split(".")
    if labels[-1].isdigit() or re.fullmatch("0x[0-9a-f]*", labels[-1]):
        return _is_ipv4(labels)
    return True


def _is_ipv4(parts: list[str]) -> bool:
    numbers = []
    for part in parts:
        found = _NUMBER.fullmatch(part)
        if found is None:
            return False
        hexadecimal, octal, decimal = found.groups()
        if decimal is not None:
            numbers.append(int(decimal[:12]))
        elif octal is not None:
            numbers.append(int(octal or "0", 8))
        else:
            numbers.append(int(hexadecimal or "0", 16))
    if len(numbers) > 4 or any(number > 255 for number in numbers[:-1]):
        return False
    return numbers[-1] < 1 << 8 * (5 - len(numbers))
