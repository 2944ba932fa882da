"""Two judges of the same data, written apart from one contract, come to the same result."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from django_craftkit.data import check, convert

from .cases import TYPES, errors, loop, manifest, variable
from .conftest import Judge

#: One for all examples: each has a template of its own.
JUDGE = Judge()

names = st.sampled_from(["a", "b", "c", "first name", "0", "items", "é"])
digits = st.from_regex(
    r"[ ]?[+-]?[0-9]{0,4}[.]?[0-9]{0,4}([eE][+-]?[0-9]{1,2})?[ ]?", fullmatch=True
)
dates = st.one_of(
    st.dates().map(lambda day: day.isoformat()),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z"),
    st.from_regex(
        r"20[0-9]{2}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,9})?)?"
        r"(Z|[+-][0-2][0-9]:?[0-6][0-9])?)?",
        fullmatch=True,
    ),
)
urls = st.one_of(
    st.from_regex(
        r"(http|https|HTTP|ftp|data|)(:|)[/\\]{0,3}([a-z]{0,2}@)?"
        r"[a-z0-9.%\[\]:é _-]{0,8}(:[0-9]{0,6})?[/?#\\]?[a-z ]{0,3}",
        fullmatch=True,
    ),
    st.from_regex(
        r"https?://[a-z]{1,5}\.(com|[0-9x]{1,4})(:8[0-9])?/[a-z0-9?=&#.]{0,8}", fullmatch=True
    ),
    st.ip_addresses(v=4).map(lambda address: f"http://{address}/"),
    st.ip_addresses(v=6).map(lambda address: f"http://[{address}]/"),
)
emails = st.one_of(
    st.emails(),
    st.from_regex(r"[a-zA-Z0-9_'+.-]{1,6}@[a-z0-9.-]{1,6}\.[a-zA-Z0-9]{1,3}", fullmatch=True),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["true", "false", "True", ""]),
    texts,
    digits,
    dates,
    urls,
    emails,
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)
#: What a variable of the type takes, more or less.
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "number": digits | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    "date": dates,
    "boolean": st.booleans() | st.sampled_from(["true", "false"]),
    "url": urls,
    "email": emails,
}
LIKELY |= {"longtext": texts, "currency": LIKELY["number"], "datetime": dates, "image": urls}


@st.composite
def variables(draw: Any, *, least: int = 0, taken: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Variables as a template may have them: no key twice, and none below another."""
    made: list[dict[str, Any]] = []
    for steps in draw(
        st.lists(st.lists(names, min_size=1, max_size=3), min_size=least, max_size=5)
    ):
        keys = [one["key"].split(".") for one in made] + [[key] for key in taken]
        if any(key[: len(steps)] == steps[: len(key)] for key in keys):
            continue
        made.append(variable(".".join(steps), draw(st.sampled_from(TYPES)), draw(st.booleans())))
    return made


@st.composite
def manifests(draw: Any) -> dict[str, Any]:
    keys = draw(
        st.lists(st.sampled_from(["a", "items", "rows", "a.rows", "x.y"]), unique=True, max_size=2)
    )
    loops = [loop(key, *draw(variables(least=1))) for key in keys]
    return manifest(*draw(variables(taken=tuple(keys))), loops=loops)


@st.composite
def objects(draw: Any, fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Draw an object that is nearly right."""
    data: dict[str, Any] = {}
    for field in fields:
        if draw(st.integers(0, 9)) == 0:
            continue
        *steps, last = field["key"].split(".")
        inner = data
        for step in steps:
            inner = inner.setdefault(step, {})
        likely = draw(st.integers(0, 7)) > 0
        inner[last] = draw(LIKELY[field["dataType"]] if likely else anything)
    if draw(st.integers(0, 5)) == 0:
        data |= draw(st.dictionaries(names, anything, max_size=2))
    return data


@st.composite
def cases(draw: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    wanted = draw(manifests())
    data = draw(objects(wanted["variables"]))
    for one in wanted["loops"]:
        if draw(st.integers(0, 9)) == 0:
            data[one["key"]] = draw(anything)
        elif draw(st.booleans()):
            data[one["key"]] = draw(st.lists(objects(one["itemFields"]), max_size=3))
    return wanted, data


def paths(data: Any, wanted: Any) -> set[str]:
    """Return what is wrong but for loops that Craftkit empties without a word."""
    return {
        one.path
        for one in check(data, wanted)
        if (one.level, one.code != "dotted_loop") == ("error", True)
    }


@settings(max_examples=150)
@given(cases())
@example((manifest(variable("v", "url")), {"v": "http://a"}))
def test_both_judges_refuse_the_same_at_the_same_paths(case):
    wanted, data = case
    told = paths(data, wanted)
    assume(len(told) < 100)
    assert told == JUDGE.errors(data, wanted)


@settings(max_examples=100)
@given(manifests(), anything)
def test_both_judges_refuse_the_same_of_any_data(wanted, value):
    data = value if isinstance(value, dict) else {"a": value, "items": value, "x": {"y": value}}
    assert paths(data, wanted) == JUDGE.errors(data, wanted)


@pytest.mark.parametrize("kind", TYPES)
def test_both_judges_read_a_text_alike(kind):
    wanted = manifest(variable("v", kind))

    @settings(max_examples=60)
    @given(LIKELY[kind] | scalars)
    def read_alike(value: Any) -> None:
        assert errors({"v": value}, wanted) == JUDGE.errors({"v": value}, wanted), value

    read_alike()


@given(cases())
def test_nothing_is_dropped_of_data_without_a_finding(case):
    """But for numbers and booleans in texts, which Craftkit coerces, and empty objects."""
    wanted, data = case
    assume(not [one for one in check(data, wanted) if one.code != "digits_lost"])
    kept = JUDGE.kept(data, wanted)
    assert keys_of(kept) >= keys_of(data)


def keys_of(value: Any, steps: tuple[Any, ...] = ()) -> set[tuple[Any, ...]]:
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        return {steps}
    return {found for key, item in inner for found in keys_of(item, (*steps, key))}


@given(cases())
def test_converted_data_are_judged_alike_and_hold_no_null_key(case):
    wanted, data = case
    assume("\\u0000" not in json.dumps(data))  # refused before any judge sees it
    made = convert(data)
    assert convert(made) == made
    assert paths(made, wanted) == JUDGE.errors(made, wanted)
    assert paths(made, wanted) - paths(data, wanted) <= {
        one.path for one in check(made, wanted) if one.code == "required"
    }
