"""What Python code has becomes what Craftkit takes, or an error that names its place."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections import OrderedDict, UserDict, deque, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from itertools import count
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage
from django.db.models import FileField, IntegerChoices, TextChoices
from django.db.models.fields.files import FieldFile
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import mark_safe
from django.utils.timezone import override as in_zone
from django.utils.translation import gettext_lazy, override
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.data import NotConvertible, check, convert
from django_craftkit.data.findings import MOST_FINDINGS
from django_craftkit.database import MAX_DEPTH, is_too_deep
from tests.shop.models import Order

from .cases import loop, manifest, variable

CEST = timezone(timedelta(hours=2))


class Size(TextChoices):
    SMALL = "s", gettext_lazy("Small")


class Rank(IntegerChoices):
    FIRST = 1, "First"


class Price(Enum):
    FULL = Decimal("12.50")


@dataclasses.dataclass
class Line:
    title: str
    price: Decimal | None
    #: Not a field.
    kind = "line"


class Row(NamedTuple):
    title: str
    pieces: int


@dataclasses.dataclass(frozen=True)
class Money:
    """As py-moneyed and django-money have it."""

    amount: Decimal
    currency: object


EUR = SimpleNamespace(code="EUR")


def case(value: object) -> str:
    """The name of a case, which is the same in each process: an object's own has its address."""
    name = repr(value)
    return type(value).__name__ if " at 0x" in name else name[:20]


def one(value: Any) -> Any:
    return convert({"v": value})["v"]


def refused(data: Any) -> list[tuple[str, str]]:
    with pytest.raises(NotConvertible) as caught:
        convert(data)
    return [(found.path, found.code) for found in caught.value.findings]


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("Ünïcode €\n", "Ünïcode €\n"),
        (mark_safe("<b>"), "<b>"),
        (1, 1),
        (1.5, 1.5),
        (True, True),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+2"), "100"),
        (Decimal("-0.00"), "0.00"),
        (Decimal("1234567890123456789012345678.90"), "1234567890123456789012345678.90"),
        (Decimal("1E-10"), "0.0000000001"),
        (date(2026, 6, 5), "2026-06-05"),
        (time(12, 30), "12:30:00"),
        (timedelta(minutes=90), "P0DT01H30M00S"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Size.SMALL, "s"),
        (Rank.FIRST, 1),
        (Price.FULL, "12.50"),
        (Money(Decimal("9.90"), EUR), "9.90"),
        (lazy(lambda: "later", str)(), "later"),
        (Line("Oar", Decimal("3.10")), {"title": "Oar", "price": "3.10"}),
        (Row("Oar", 2), {"title": "Oar", "pieces": 2}),
        (namedtuple("Pair", "a b")(1, 2), {"a": 1, "b": 2}),
        ((1, 2), [1, 2]),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        ((n * n for n in range(3)), [0, 1, 4]),
        (map(str, [1, 2]), ["1", "2"]),
        ({"b": 1, "a": 2}.values(), [1, 2]),
        ({"b": 1, "a": 2}.keys(), ["b", "a"]),
        (MappingProxyType({"a": (1, None)}), {"a": [1, None]}),
        (OrderedDict(a=1), {"a": 1}),
        (UserDict(a=1), {"a": 1}),
        ({Size.SMALL: 1, mark_safe("k"): 2}, {"s": 1, "k": 2}),
        ({"a": None, "b": {"c": None}}, {"b": {}}),
    ],
    ids=case,
)
def test_what_python_has_is_sent_as_json(value, sent):
    made = one(value)
    assert made == sent
    assert json.loads(json.dumps(made)) == sent


def test_plain_json_is_of_pythons_own_types():
    made = convert({mark_safe("k"): [mark_safe("x"), Rank.FIRST]})
    assert [type(key) for key in made] == [str]
    assert [type(item) for item in made["k"]] == [str, int]


# Moments: the day that people see is the day that is sent.

MIDNIGHT = datetime(2026, 4, 30, 21, 30, tzinfo=UTC)


@pytest.mark.parametrize("use_tz", [True, False])
@pytest.mark.parametrize(
    ("zone", "sent"),
    [
        ("Europe/Athens", "2026-05-01T00:30:00.000+03:00"),
        ("UTC", "2026-04-30T21:30:00.000+00:00"),
        ("America/New_York", "2026-04-30T17:30:00.000-04:00"),
        ("Asia/Kathmandu", "2026-05-01T03:15:00.000+05:45"),
    ],
)
def test_an_aware_moment_is_sent_in_the_current_time_zone(settings, use_tz, zone, sent):
    settings.USE_TZ = use_tz
    with in_zone(zone):
        assert one(MIDNIGHT) == one(MIDNIGHT.astimezone(CEST)) == sent
        assert datetime.fromisoformat(sent) == MIDNIGHT


@pytest.mark.parametrize("use_tz", [True, False])
def test_without_a_zone_of_its_own_it_is_the_sites(settings, use_tz):
    settings.USE_TZ = use_tz
    settings.TIME_ZONE = "Asia/Tokyo"
    assert one(MIDNIGHT) == "2026-05-01T06:30:00.000+09:00"


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_naive_moment_and_a_date_are_sent_as_they_are(settings, use_tz):
    settings.USE_TZ = use_tz
    with in_zone("Asia/Tokyo"):
        assert one(datetime(2026, 5, 1, 0, 30)) == "2026-05-01T00:30:00.000"  # noqa: DTZ001
        assert one(date(2026, 5, 1)) == "2026-05-01"


def test_a_moment_of_the_19th_century_is_on_its_day_and_can_be_read():
    with in_zone("Europe/Athens"):
        born = datetime(
            1890, 6, 5, 0, 0, tzinfo=timezone(timedelta(hours=1, minutes=34, seconds=52))
        )
        assert one(born) == "1890-06-05T00:00:08.000+01:35"
    assert not check({"v": one(born)}, manifest(variable("v", "datetime")))


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Europe/Athens", datetime(9999, 12, 31, 23, 59, tzinfo=UTC)),
        ("America/New_York", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_beyond_the_zones_calendar_is_refused(zone, moment):
    with in_zone(zone):
        assert refused({"v": moment}) == [("v", "out_of_time")]


@given(st.datetimes(timezones=st.timezones()))
def test_a_moment_is_always_one_that_craftkit_reads(moment):
    try:
        sent = one(moment)
    except NotConvertible:
        return
    told = check({"v": sent}, manifest(variable("v", "datetime")))
    assert told == []
    assert abs(datetime.fromisoformat(sent) - moment) < timedelta(minutes=1)


# Languages.


def test_a_lazy_text_is_in_the_active_language():
    texts = {"v": gettext_lazy("May")}
    with override("de"):
        assert convert(texts) == {"v": "Mai"}
    with override("en"):
        assert convert(texts) == {"v": "May"}


# Money.


@pytest.mark.parametrize("digits", ["0.10", "19.99", "-3.30", "1000000.00"])
def test_money_keeps_its_digits_and_is_taken_as_a_number(digits):
    for value in (Decimal(digits), Money(Decimal(digits), EUR)):
        assert one(value) == digits
        assert check({"v": one(value)}, manifest(variable("v", "currency"))) == []


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2))
def test_no_digit_of_an_amount_is_lost(amount):
    assert Decimal(one(amount)) == amount


# Files.


class Remote(InMemoryStorage):
    def url(self, name: str) -> str:
        return f"https://files.example.com/{name}"


class NoAddresses(Storage):
    pass


def stored(storage: Storage, name: str | None = "a.png") -> FieldFile:
    return FieldFile(Order(), FileField(storage=storage), name)  # type: ignore[arg-type]


def test_a_file_is_sent_as_its_address():
    assert one(stored(Remote())) == "https://files.example.com/a.png"


def test_a_file_that_is_none_is_left_out():
    assert convert({"v": stored(Remote(), None), "w": stored(Remote(), "")}) == {}


@pytest.mark.parametrize(
    "file",
    [
        stored(InMemoryStorage(base_url="/media/")),
        stored(NoAddresses()),
        ContentFile(b"x", "a.png"),
    ],
    ids=["relative", "none", "content"],
)
def test_a_file_that_craftkit_cant_fetch_is_refused(file):
    assert refused({"v": file}) == [("v", "file_without_url")]


# Querysets.


@pytest.mark.django_db
def test_the_values_of_a_queryset_are_a_loop_and_its_objects_are_not():
    for number in ("1", "2"):
        Order.objects.create(number=number)
    orders = Order.objects.order_by("number")
    assert one(orders.values("number")) == [{"number": "1"}, {"number": "2"}]
    assert one(orders.values_list("number", flat=True)) == ["1", "2"]
    assert one(orders.values_list("number", named=True)) == [{"number": "1"}, {"number": "2"}]
    assert one(orders.none().values()) == []
    assert refused({"v": orders}) == [("v.0", "model"), ("v.1", "model")]
    assert refused({"v": orders[0]}) == [("v", "model")]
    assert refused({"v": Order.objects}) == [("v", "not_data")]


# Refused.

SELF: dict[str, Any] = {}
SELF["a"] = [SELF]
TWICE: list[Any] = []
TWICE += [TWICE, TWICE]


@pytest.mark.parametrize(
    ("value", "path", "code"),
    [
        (float("nan"), "v", "not_finite"),
        (float("-inf"), "v", "not_finite"),
        (10**400, "v", "not_finite"),
        (Decimal("NaN"), "v", "not_finite"),
        (Decimal("sNaN"), "v", "not_finite"),
        (Decimal("-Infinity"), "v", "not_finite"),
        (Decimal("1E+999999"), "v", "not_finite"),
        (Decimal("1E-999999"), "v", "not_finite"),
        (Decimal("0E-999999"), "v", "not_finite"),
        (Money(Decimal("NaN"), EUR), "v", "not_finite"),
        ("Ada\0", "v", "no_character"),
        ("Ada \ud800", "v", "no_character"),
        (lazy(lambda: "\0", str)(), "v", "no_character"),
        ({"\0": 1}, "v.", "no_character"),
        ({"\ud800": 1}, "v.?", "no_character"),
        ({1: "x"}, "v", "key_type"),
        ({None: "x"}, "v", "key_type"),
        ({("a", "b"): "x"}, "v", "key_type"),
        ({Rank.FIRST: "x"}, "v", "key_type"),
        ({gettext_lazy("May"): "x"}, "v", "key_type"),
        ({1, 2}, "v", "unordered"),
        (frozenset(), "v", "unordered"),
        ({"a": 1}.items(), "v", "unordered"),
        (b"x", "v", "bytes"),
        (bytearray(), "v", "bytes"),
        (memoryview(b""), "v", "bytes"),
        (object(), "v", "not_data"),
        (1j, "v", "not_data"),
        (len, "v", "not_data"),
        (Line, "v", "not_data"),
        (Money, "v", "not_data"),
        (SimpleLazyObject(lambda: "x"), "v", "not_data"),
        (SimpleNamespace(amount=True, currency=None, x=1), "v", "not_data"),
        (SELF, "v.a.0", "cycle"),
        (count(), "v", "too_many_items"),
    ],
    ids=case,
)
def test_what_cant_be_sent_is_refused_by_its_place(value, path, code):
    assert refused({"v": value}) == [(path, code)]


def test_everything_is_told_at_once_where_it_is_and_never_what():
    data = {
        "lines": [Line("Oar", Decimal("1")), Line("Secret\0", Decimal("NaN"))],
        "total": {1, 2},
        "ok": "Secret",
    }
    before = copy.deepcopy(data)
    with pytest.raises(NotConvertible) as caught:
        convert(data)
    assert [one.where for one in caught.value.findings] == [
        "lines[1].title",
        "lines[1].price",
        "total",
    ]
    assert "lines[1].price: " in str(caught.value)
    assert "Secret" not in f"{caught.value} {caught.value!r}"
    assert isinstance(caught.value, ValueError)
    # What is no number equals nothing, itself neither.
    assert repr(data) == repr(before)


def test_a_hundred_places_are_told_and_the_rest_counted():
    told = refused({"v": [b""] * (MOST_FINDINGS + 7)})
    assert len(told) == MOST_FINDINGS + 1
    assert told[-1] == ("", "more")


def test_a_loop_that_holds_itself_twice_costs_no_time():
    assert refused({"v": TWICE}) == [("v.0", "cycle"), ("v.1", "cycle")]


@pytest.mark.parametrize("data", [None, [], "x", 1, [{"a": 1}]])
def test_data_are_an_object(data):
    assert refused(data) == [("", "not_an_object")]
    assert convert(Line("x", None)) == {"title": "x"}


@given(levels=st.integers(1, 3 * MAX_DEPTH), make=st.sampled_from([list, dict]))
def test_data_are_as_deep_as_every_database_holds(levels, make):
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value} if make is dict else [value]
    data = {"v": value}
    assert is_too_deep(data) == (levels + 1 > MAX_DEPTH)
    if is_too_deep(data):
        assert [code for _path, code in refused(data)] == ["too_deep"]
    else:
        assert convert(data) == data


def test_data_that_are_far_too_deep_exhaust_no_stack():
    value: Any = []
    for _ in range(100_000):
        value = [value]
    assert [code for _path, code in refused({"v": value})] == ["too_deep"]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
jsons = st.recursive(
    st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(texts, jsons))
def test_json_stays_as_it_is(data):
    made = convert(data)
    assert made == data
    assert made is not data


# Null.


def test_craftkit_takes_no_null_so_none_is_left_out(judge):
    wanted = manifest(
        variable("a"), variable("b.c", "email"), loops=[loop("rows", variable("x", "date"))]
    )
    data = {"a": None, "b": {"c": None}, "rows": [{"x": None}]}
    assert judge.errors(data, wanted) == {"a", "b.c", "rows.0.x"}
    assert judge.kept(convert(data), wanted) == {"rows": [{}]}
