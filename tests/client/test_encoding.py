from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.client import InvalidData, InvalidRequest
from django_craftkit.client.encoding import dumps, iso, path

CEST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (Decimal("10.50"), "10.50"),
        (Decimal("1E+3"), "1000"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2026, 6, 5), "2026-06-05"),
        (datetime(2026, 6, 5, 12, 0, tzinfo=CEST), "2026-06-05T10:00:00.000Z"),
        (datetime(2026, 6, 5, 12, 0), "2026-06-05T12:00:00"),  # noqa: DTZ001
        (MappingProxyType({"a": (1, 2)}), {"a": [1, 2]}),
        ("Ünïcode €", "Ünïcode €"),
    ],
)
def test_what_python_holds_is_sent_as_json(value: Any, sent: Any) -> None:
    assert json.loads(dumps({"data": value})) == {"data": sent}


SELF: list[Any] = []
SELF.append(SELF)
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        object(),
        {1, 2},
        b"bytes",
        {("a", "b"): 1},
        "Ada \ud800",
        SELF,
        DEEP,
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cant_hold_is_refused_before_it_is_sent(value: Any) -> None:
    with pytest.raises(InvalidData) as caught:
        dumps({"customer": "Ada", "x": value})
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, InvalidRequest)
    assert caught.value.maybe_handled is False
    assert "Ada" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_moment_is_sent_in_utc_with_milliseconds() -> None:
    assert iso(datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC)) == "2026-12-31T23:59:59.999Z"
    with pytest.raises(ValueError, match="time zone"):
        iso(datetime(2026, 12, 31))  # noqa: DTZ001


@pytest.mark.parametrize("part", ["", ".", "..", "\ud800"])
def test_a_part_that_is_no_place_is_refused(part: str) -> None:
    with pytest.raises(InvalidData):
        path("v1", "renders", part)


@given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
def test_a_part_of_a_path_stays_one_part(part: str) -> None:
    try:
        quoted = path("v1", "renders", part, "shares")
    except InvalidData:
        return
    assert quoted.count("/") == 4
    assert not set(quoted) & set("?#\\ \r\n")
    assert quoted.isascii()
