"""Turns what Python code has into what Craftkit takes: JSON values, and their usual stand-ins."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence, Set, ValuesView
from datetime import date, datetime, time, timedelta
from datetime import timezone as offset_of
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.core.files.base import File
from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.duration import duration_iso_string
from django.utils.functional import LazyObject, Promise

from django_craftkit.database import MAX_DEPTH

from .check import MOST_ITEMS
from .findings import FindingCode, Findings, kind_of
from .urls import is_web_url

if TYPE_CHECKING:
    from django_craftkit.untrusted import Json

    from .findings import Finding, Steps

#: Digits before, and after, the point: no number that Craftkit counts with has more.
_MOST_DIGITS: Final = 400
#: Stands for what can't be converted; it is reported, and nothing is returned.
_NOTHING: Final = object()


class NotConvertible(ValueError):
    """Data hold what can't be sent; ``findings`` says what and where, all at once."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(findings)
        self.findings = findings

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings))


def convert(data: object) -> dict[str, Json]:
    """Return a document's data as JSON values; what was given stays as it is.

    =========================== =====================================================
    ``Decimal``                 its digits in a text, all of them: ``"12.50"``
    ``datetime``, aware         ISO 8601 in the current time zone, with its offset
    ``datetime``, naive         ISO 8601 as it is, without an offset
    ``date``, ``time``          ISO 8601
    ``timedelta``               ISO 8601: ``"P0DT01H30M00S"``
    ``UUID``                    its text
    an enum's member            its value
    a lazy text                 the text in the active language
    money                       its amount: what has ``amount`` and ``currency``
    a ``FileField``'s file      its ``url``, with http or https; without a file as ``None``
    a dataclass, a namedtuple   an object by the names of its fields
    a sequence, an iterator,    a list; an iterator is read, to 10,000 items at most
    a queryset's ``values()``
    ``None`` in an object       nothing: Craftkit takes no null, and the key is left out
    =========================== =====================================================

    Sets are refused, since their items would come in any order; so are bytes, models, and keys
    that are no texts.

    Source: https://docs.craftkit.dev/guides/variables-and-loops

    Args:
        data: a mapping, or a dataclass, of up to 30 objects and lists in one another.

    Raises:
        NotConvertible: it names everything that can't be sent by its place.
    """
    converter = _Converter()
    value = converter.value(data, ())
    if value is not _NOTHING and not isinstance(value, dict):
        converter.findings.add((), FindingCode.NOT_AN_OBJECT, kind_of(value))
    if findings := converter.findings.all():
        raise NotConvertible(findings)
    return value  # type: ignore[no-any-return]


class _Converter:
    def __init__(self) -> None:
        self.findings = Findings()
        #: Ids of the objects and lists that the value is in.
        self._around: set[int] = set()

    def value(self, value: Any, steps: Steps) -> Any:
        # Most values are of exactly these types.
        kind = type(value)
        if kind is str:
            return self._text(value, steps)
        if value is None or kind is bool:
            return value
        if kind is int or kind is float:
            return self._number(value, steps)
        if kind is dict or kind is list:
            return self._nested(value, steps)
        return self._other(value, steps)

    def _other(self, value: Any, steps: Steps) -> Any:
        match value:
            # A lazy object pretends to be of the class that it wraps.
            case LazyObject():
                return self._refuse(steps, FindingCode.NOT_DATA, value)
            case Enum():
                return self.value(value.value, steps)
            case Promise():
                return self._text(str(value), steps)
            case str():
                return self._text("".join((value,)), steps)
            case float():
                return self._number(float(value), steps)
            case int():
                return self._number(int(value), steps)
            case Decimal():
                return self._decimal(value, steps)
            case datetime():
                return self._moment(value, steps)
            case date() | time():
                return value.isoformat()
            case timedelta():
                return duration_iso_string(value)
            case UUID():
                return str(value)
            case File():
                return self._file(value, steps)
            case bytes() | bytearray() | memoryview():
                return self._refuse(steps, FindingCode.BYTES)
            case Model():
                return self._refuse(steps, FindingCode.MODEL, value)
        if (amount := _amount_of(value)) is not None:
            return self.value(amount, steps)
        return self._nested(value, steps)

    def _refuse(self, steps: Steps, code: FindingCode, value: object = None) -> Any:
        detail = "" if value is None else type(value).__qualname__
        self.findings.add(steps, code, detail)
        return _NOTHING

    def _text(self, text: str, steps: Steps) -> Any:
        if "\0" in text or not (text.isascii() or _is_whole(text)):
            return self._refuse(steps, FindingCode.NO_CHARACTER)
        return text

    def _number(self, number: float, steps: Steps) -> Any:
        try:
            is_finite = math.isfinite(number)
        except OverflowError:
            is_finite = False
        return number if is_finite else self._refuse(steps, FindingCode.NOT_FINITE)

    def _decimal(self, number: Decimal, steps: Steps) -> Any:
        exponent = number.as_tuple().exponent
        if (
            not isinstance(exponent, int)
            or number.adjusted() > _MOST_DIGITS
            or exponent < -_MOST_DIGITS
        ):
            return self._refuse(steps, FindingCode.NOT_FINITE)
        # Nobody wants to read -0.00 on an invoice.
        return format(number if number else number.copy_abs(), "f")

    def _moment(self, moment: datetime, steps: Steps) -> Any:
        if timezone.is_aware(moment):
            try:
                moment = timezone.localtime(moment)
                moment = _with_whole_minutes(moment)
            except OverflowError:
                return self._refuse(steps, FindingCode.OUT_OF_TIME)
        return moment.isoformat(timespec="milliseconds")

    def _file(self, file: File[Any], steps: Steps) -> Any:
        if not file:
            return None
        try:
            url = getattr(file, "url", "")
        except (NotImplementedError, ValueError):
            # The storage has no addresses.
            url = ""
        if not (isinstance(url, str) and is_web_url(url)):
            return self._refuse(steps, FindingCode.FILE_WITHOUT_URL)
        return self._text(url, steps)

    def _nested(self, value: Any, steps: Steps) -> Any:
        if id(value) in self._around:
            return self._refuse(steps, FindingCode.CYCLE)
        is_object = _is_object(value)
        if not is_object and not _is_list(value):
            code = FindingCode.UNORDERED if isinstance(value, Set) else FindingCode.NOT_DATA
            return self._refuse(steps, code, value)
        if len(self._around) >= MAX_DEPTH:
            self.findings.add(steps, FindingCode.TOO_DEEP, MAX_DEPTH)
            return _NOTHING
        self._around.add(id(value))
        try:
            return self._object(value, steps) if is_object else self._list(value, steps)
        finally:
            self._around.remove(id(value))

    def _object(self, value: Any, steps: Steps) -> dict[str, Json]:
        made = {}
        for key, item in _items_of(value):
            name = key if type(key) is str else self._key(key, steps)
            if name is None:
                continue
            if type(item) is str and item.isascii() and "\0" not in item:
                made[name] = item
            elif (plain := self.value(item, (*steps, name))) is not None:
                made[name] = plain
            if not name.isascii() or "\0" in name:
                self._text(name, (*steps, name))
        return made

    def _key(self, key: object, steps: Steps) -> str | None:
        if isinstance(key, Enum):
            key = key.value
        if isinstance(key, str) and not isinstance(key, LazyObject):
            return "".join((key,))
        self._refuse(steps, FindingCode.KEY_TYPE, key)
        return None

    def _list(self, value: Iterable[Any], steps: Steps) -> Any:
        if isinstance(value, Iterator):
            # It may never end.
            value = list(islice(value, MOST_ITEMS + 1))
            if len(value) > MOST_ITEMS:
                return self._refuse(steps, FindingCode.TOO_MANY_ITEMS)
        return [self.value(item, (*steps, place)) for place, item in enumerate(value)]


def _is_whole(text: str) -> bool:
    """Whether a text has no halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _amount_of(value: object) -> Decimal | int | None:
    """Return the amount of money, as libraries for it have it; ``None`` of what is none."""
    if isinstance(value, type) or not hasattr(value, "currency"):
        return None
    amount = getattr(value, "amount", None)
    is_amount = isinstance(amount, (Decimal, int)) and not isinstance(amount, bool)
    return amount if is_amount else None


def _with_whole_minutes(moment: datetime) -> datetime:
    """Return a moment whose offset ISO 8601 can write: those of the 19th century have seconds."""
    offset = moment.utcoffset() or timedelta(0)
    minutes = math.ceil(offset.total_seconds() / 60)
    if timedelta(minutes=minutes) == offset:
        return moment
    # Rounded up: the clock shows some seconds more, and never the day before.
    return moment.astimezone(offset_of(timedelta(minutes=minutes)))


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) or _field_names(value) is not None


def _is_list(value: Any) -> bool:
    return isinstance(value, (Sequence, Iterator, QuerySet, KeysView, ValuesView))


def _field_names(value: Any) -> Sequence[str] | None:
    """Return the fields of a dataclass' or namedtuple's instance."""
    if isinstance(value, type):
        return None
    if isinstance(value, tuple):
        names: Sequence[str] | None = getattr(value, "_fields", None)
        return names
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    return None


def _items_of(value: Any) -> Iterable[tuple[object, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    return ((name, getattr(value, name)) for name in _field_names(value) or ())
