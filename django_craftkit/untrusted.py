"""JSON of others: how deep it may nest, and how long its numbers may be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
"""Any JSON value. What may be something else is an `object`, and looked at before it is used."""
JsonObject: TypeAlias = Mapping[str, Json]

DEEPEST: Final = 100
"""Lists and objects in one another that are parsed; what is stored has fewer."""

_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_OTHERS: Final = bytes(set(range(256)) - _STEPS.keys())


def loads(
    text: str | bytes,
    *,
    parse_constant: Callable[[str], object] | None = None,
    parse_float: Callable[[str], object] | None = None,
) -> Json:
    """Parse JSON as `json.loads` does, but no deeper than `DEEPEST`.

    A whole number of more digits than Python takes is its digits, a text: it spoils nothing else.

    Raises:
        ValueError: it is not JSON, or nests deeper.
    """
    # Python's parser recurses. At its limit it raises in whatever runs there by chance: finalizers
    # of other objects, whose work is lost then.
    if isinstance(text, bytes):
        # As json.loads reads bytes.
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    if _is_too_deep(text):
        raise ValueError(f"more than {DEEPEST} lists and objects in one another")
    if parse_constant is None and parse_float is None:
        return _DECODER.decode(text)
    return json.loads(
        text, parse_int=_whole, parse_constant=parse_constant, parse_float=parse_float
    )


def _whole(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits


#: Made once: each webhook is read.
_DECODER: Final = json.JSONDecoder(parse_int=_whole)


def _is_too_deep(text: str) -> bool:
    """Whether a parser would go too deep before the text ends, or it finds a mistake."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    rest = text.encode("utf-8", "surrogatepass")
    if b"\\" in rest:
        rest = rest.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Every other part is a string: its brackets open nothing.
    outside = b"".join(rest.split(b'"')[::2])
    depths = accumulate(_STEPS[bracket] for bracket in outside.translate(None, _OTHERS))
    return any(depth > DEEPEST for depth in depths)
