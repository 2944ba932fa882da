"""What leaves us: JSON bodies, moments, paths, queries and keys."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final, TypeGuard
from urllib.parse import quote, urlencode
from uuid import UUID

from django_craftkit.client.errors import InvalidData

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")


def dumps(value: object) -> bytes:
    """UTF-8 JSON. Decimals become digits in a string (Craftkit coerces them), UUIDs and dates text.

    An aware datetime is sent in UTC with milliseconds, a naive one without a zone.

    Raises:
        InvalidData: NaN, Infinity, a type that is not data, half a character, a loop. Its text
            names the type and never the value.
    """
    problem = ""
    try:
        text = json.dumps(
            value, default=plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
        return text.encode()
    except UnicodeEncodeError:
        problem = "text with half a character (a lone surrogate)"
    except ValueError:
        problem = "a number that is not finite, or data that contain themselves"
    except TypeError as error:
        problem = str(error) if isinstance(error, _NotDataError) else "a key that is not text"
    except RecursionError:
        problem = "data nested too deeply"
    except OverflowError:
        problem = "a moment before or after all time"
    # Raised here: the errors above hold the data, and would go along as the context.
    raise InvalidData(f"This can't be sent to Craftkit: {problem}.")


def iso(moment: datetime) -> str:
    """`2026-06-05T10:00:00.000Z`, from an aware datetime.

    Raises:
        InvalidData: it has no time zone, so nobody knows when it is.
    """
    if moment.utcoffset() is None:
        raise InvalidData("A datetime without a time zone can't be sent to Craftkit.")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def path(*parts: object) -> str:
    """`/v1/renders/…` from its parts, each quoted whole: no part can become two, or none.

    Raises:
        InvalidData: a part is empty, or one that URLs treat as "here" or "up".
    """
    quoted = []
    for part in parts:
        text = str(part)
        # Quoting doesn't help here: URL libraries take %2E%2E for "..".
        if text in ("", ".", ".."):
            raise InvalidData("This is no id or slug at Craftkit: it is empty, '.' or '..'.")
        try:
            quoted.append(quote(text, safe=""))
        except UnicodeEncodeError:
            raise InvalidData("This is no id or slug at Craftkit: half a character.") from None
    return "/" + "/".join(quoted)


def given(**values: object) -> dict[str, object]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def query(**parameters: object) -> str:
    """`?a=1&b=x` from what is not None, or `""`.

    Raises:
        InvalidData: a text holds half a character.
    """
    values = given(**parameters)
    try:
        return "?" + urlencode(values) if values else ""
    except UnicodeEncodeError:
        raise InvalidData("This can't be asked of Craftkit: half a character.") from None


def checked_key(key: str) -> str:
    """An idempotency key that may stand in a header.

    Raises:
        InvalidData: it is not one or more printable ASCII characters, without blanks around them.
    """
    good = isinstance(key, str) and key and key.isascii() and key.isprintable()
    if not (good and key.strip() == key):
        raise InvalidData("An idempotency key is one or more printable ASCII characters.")
    return key


def is_address(text: object) -> TypeGuard[str]:
    """Whether this may be one e-mail address, without a name.

    Which addresses there are is Craftkit's to say; this stops what is none, and what is several.
    """
    return isinstance(text, str) and bool(_ADDRESS.fullmatch(text)) and text.isprintable()


class _NotDataError(TypeError):
    """A type that has no place in data."""


def plain(value: object) -> object:
    """What stands for a value that JSON has no form of, for `default=` of `json.dumps`.

    Raises:
        TypeError: it is not data.
        ValueError: it is not finite.
    """
    match value:
        case datetime():
            return iso(value) if value.utcoffset() is not None else value.isoformat()
        case date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case Decimal():
            if not math.isfinite(value):
                raise ValueError("a decimal that is not finite")
            return format(value, "f")
        case Mapping():
            return dict(value)
    raise _NotDataError(f"an object of type {type(value).__qualname__}")
