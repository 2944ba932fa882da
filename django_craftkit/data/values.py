"""What each ``dataType`` of a manifest takes.

Source: https://docs.craftkit.dev/guides/variables-and-loops
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from .findings import FindingCode, kind_of
from .urls import is_data_uri, is_web_url

#: What is wrong, and its detail; ``None``: nothing.
Verdict: TypeAlias = "tuple[FindingCode, str] | None"
Judge: TypeAlias = Callable[[object], Verdict]

# What JavaScript reads as a decimal number, but for names like Infinity.
_DIGITS: Final = re.compile(
    r"[ \t\n\r\f\v]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\n\r\f\v]*"
)
_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(\.[0-9]+)?"
    r"(?:(Z)|([+-][0-9]{2}):?([0-9]{2}))?)?"
)
# As Zod has it, by which Craftkit checks its input.
_EMAIL: Final = re.compile(
    r"(?!\.)(?!.*\.\.)[a-z0-9_'+.-]*[a-z0-9_+-]@(?:[a-z0-9][a-z0-9-]*\.)+[a-z]{2,}",
    re.IGNORECASE | re.ASCII,
)
#: Whole numbers up to here are exact in what JavaScript counts with.
_EXACT: Final = 2**53
#: Significant digits that always are.
_SURE_DIGITS: Final = 15


def text(value: object) -> Verdict:
    return None if isinstance(value, str) else (FindingCode.NOT_A_TEXT, kind_of(value))


def number(value: object) -> Verdict:
    if isinstance(value, str):
        return _digits(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return FindingCode.NOT_A_NUMBER, kind_of(value)
    try:
        as_float = float(value)
    except OverflowError:
        return FindingCode.NOT_FINITE, ""
    if not math.isfinite(as_float):
        return FindingCode.NOT_FINITE, ""
    if isinstance(value, int) and abs(value) > _EXACT and int(as_float) != value:
        return FindingCode.DIGITS_LOST, ""
    return None


def _digits(value: str) -> Verdict:
    if not _DIGITS.fullmatch(value):
        return FindingCode.NOT_A_NUMBER, _kind_of_text(value)
    as_float = float(value)
    if not math.isfinite(as_float):
        return FindingCode.NOT_FINITE, ""
    if len(value) > _SURE_DIGITS and not _is_exact(value, as_float):
        return FindingCode.DIGITS_LOST, ""
    return None


def _is_exact(digits: str, as_float: float) -> bool:
    try:
        return Decimal(digits.strip()) == Decimal(repr(as_float))
    except InvalidOperation:  # an exponent beyond all numbers
        return False


def moment(value: object) -> Verdict:
    if not isinstance(value, str):
        return FindingCode.NOT_A_DATE, kind_of(value)
    return None if _parsed(value) else (FindingCode.NOT_A_DATE, _kind_of_text(value))


def day(value: object) -> Verdict:
    verdict = moment(value)
    if verdict is not None or not isinstance(value, str):
        return verdict
    parsed = _parsed(value)
    if parsed is None or parsed.tzinfo is None:
        return None
    try:
        is_same = parsed.astimezone(UTC).date() == parsed.date()
    except OverflowError:
        is_same = True
    return None if is_same else (FindingCode.OTHER_DAY_IN_UTC, "")


def _parsed(value: str) -> datetime | None:
    found = _MOMENT.fullmatch(value)
    if found is None:
        return None
    date, time, _fraction, utc, hours, minutes = found.groups()
    zone = "+00:00" if utc else f"{hours}:{minutes}" if hours else ""
    try:
        return datetime.fromisoformat(f"{date}T{time}{zone}" if time else date)
    except ValueError:
        return None


def boolean(value: object) -> Verdict:
    if isinstance(value, str):
        if value in ("true", "false"):
            return None
        return FindingCode.NOT_A_BOOLEAN, _kind_of_text(value)
    return None if isinstance(value, bool) else (FindingCode.NOT_A_BOOLEAN, kind_of(value))


def url(value: object) -> Verdict:
    if not isinstance(value, str):
        return FindingCode.NOT_A_URL, kind_of(value)
    if is_data_uri(value):
        return FindingCode.DATA_URI, ""
    return None if is_web_url(value) else (FindingCode.NOT_A_URL, _kind_of_text(value))


def email(value: object) -> Verdict:
    if not isinstance(value, str):
        return FindingCode.NOT_AN_EMAIL, kind_of(value)
    return None if _EMAIL.fullmatch(value) else (FindingCode.NOT_AN_EMAIL, _kind_of_text(value))


def _kind_of_text(value: str) -> str:
    return "other" if value else "empty"


JUDGES: Final[dict[str, Judge]] = {
    "text": text,
    "longtext": text,
    "number": number,
    "currency": number,
    "date": day,
    "datetime": moment,
    "boolean": boolean,
    "image": url,
    "url": url,
    "email": email,
}
