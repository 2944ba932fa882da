from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.sandbox.core.checks.renders import check_data
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.http.answers import STATUSES

MISSING = object()
STRING = "Expected string, received "


def manifest(data_type="text", key="value", *, required=False, loops=()):
    variable = {"key": key, "label": "Value", "dataType": data_type, "required": required}
    return {"variables": [variable], "loops": list(loops)}


def faults(manifest, data):
    """The field errors that Craftkit would answer with."""
    with pytest.raises(Refusal) as caught:
        check_data(manifest, data)
    assert (STATUSES[caught.value.code], caught.value.code) == (400, "invalid_input_data")
    assert caught.value.issues is not None
    return caught.value.issues["fieldErrors"]


@pytest.mark.parametrize(
    ("data_type", "sent", "kept"),
    [
        ("text", "", ""),
        ("text", "Ελένη", "Ελένη"),
        ("text", "data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
        ("longtext", "a\nb", "a\nb"),
        ("number", 1, 1),
        ("number", -1.5, -1.5),
        ("number", "42", 42),
        ("number", " 4.50 ", 4.5),
        ("number", "1e3", 1000),
        ("currency", "4200.00", 4200),
        ("currency", 0, 0),
        ("date", "2026-06-05", "2026-06-05"),
        ("date", "2026-06-05T10:00:00.000Z", "2026-06-05T10:00:00.000Z"),
        ("datetime", "2026-06-05T10:00:00+02:00", "2026-06-05T10:00:00+02:00"),
        ("datetime", "2026-06-05", "2026-06-05"),
        ("boolean", True, True),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("image", "https://example.com/a.png?x=1", "https://example.com/a.png?x=1"),
        ("url", "HTTP://example.com", "HTTP://example.com"),
        ("url", "https://example.com/a b", "https://example.com/a b"),
        ("url", " https://example.com\n", " https://example.com\n"),
        ("url", "https:example.com", "https:example.com"),
        ("url", "https://ada:pw@[::1]:65535", "https://ada:pw@[::1]:65535"),
        ("url", "https://münchen.example/", "https://münchen.example/"),
        ("image", "https://127.1/a.png", "https://127.1/a.png"),
        ("email", "ada.l+x@mail.example.com", "ada.l+x@mail.example.com"),
        ("email", "O'Hara@EXAMPLE.com", "O'Hara@EXAMPLE.com"),
        ("email", f"{'a' * 400}@example.com", f"{'a' * 400}@example.com"),
    ],
)
def test_each_data_type_takes_what_is_documented(data_type, sent, kept):
    result = check_data(manifest(data_type), {"value": sent})["value"]

    assert result == kept
    assert type(result) is type(kept)


@pytest.mark.parametrize(
    ("data_type", "sent", "message"),
    [
        ("text", 7, STRING + "number"),
        ("text", None, STRING + "null"),
        ("text", True, STRING + "boolean"),
        ("text", ["a"], STRING + "array"),
        ("longtext", {}, STRING + "object"),
        ("number", "", "Expected number, received string"),
        ("number", "4,5", "Expected number, received string"),
        ("number", "four", "Expected number, received string"),
        ("number", "٤", "Expected number, received string"),
        ("number", True, "Expected number, received boolean"),
        ("number", float("inf"), "Number must be finite"),
        ("number", "1e999", "Number must be finite"),
        ("number", 10**400, "Number must be finite"),
        ("currency", "4200 EUR", "Expected number, received string"),
        ("currency", None, "Expected number, received null"),
        ("date", "05.06.2026", "Invalid date"),
        ("date", "2026-02-30", "Invalid date"),
        ("date", "2026-06-05 10:00", "Invalid date"),
        ("date", 1780653600, STRING + "number"),
        ("datetime", "soon", "Invalid date"),
        ("boolean", "yes", "Expected boolean, received string"),
        ("boolean", 1, "Expected boolean, received number"),
        ("image", "data:image/png;base64,AAAA", "Invalid url"),
        ("image", "/media/a.png", "Invalid url"),
        ("url", "ftp://example.com", "Invalid url"),
        ("url", "http://[", "Invalid url"),
        ("url", "https://exa mple.com", "Invalid url"),
        ("url", "example.com", "Invalid url"),
        ("url", "https://", "Invalid url"),
        ("url", "https://?a", "Invalid url"),
        ("url", "https://example.com:65536", "Invalid url"),
        ("url", f"https://example.com:{'9' * 5000}", "Invalid url"),
        ("url", "https://example.com:http", "Invalid url"),
        ("url", "https://a<b.example", "Invalid url"),
        ("url", "https://a%2Fb.example", "Invalid url"),
        ("url", "https://[::1%25eth0]", "Invalid url"),
        ("url", "https://256.0.0.1", "Invalid url"),
        ("url", "https://1.2.3.4.5", "Invalid url"),
        ("image", "https://example.com:65536/a.png", "Invalid url"),
        ("email", "ada", "Invalid email"),
        ("email", "ada@example", "Invalid email"),
        ("email", "Ada <ada@example.com>", "Invalid email"),
        ("email", "ada@example.com, bob@example.com", "Invalid email"),
        ("email", "ada@example.com\n", "Invalid email"),
        ("email", "ada@münchen.example", "Invalid email"),
        ("email", "ada..l@example.com", "Invalid email"),
    ],
)
def test_each_data_type_refuses_everything_else(data_type, sent, message):
    assert faults(manifest(data_type), {"value": sent}) == {"value": [message]}


def test_what_is_required_must_be_there():
    assert faults(manifest(required=True), {}) == {"value": ["Required"]}
    assert check_data(manifest(), {}) == {}


def test_dots_nest_and_faults_carry_the_whole_path():
    wanted = manifest(key="customer.address.city", required=True)

    assert check_data(wanted, {"customer": {"address": {"city": "Split"}}}) == {
        "customer": {"address": {"city": "Split"}}
    }
    assert faults(wanted, {}) == {"customer.address.city": ["Required"]}
    assert faults(wanted, {"customer": {"address": "Split"}}) == {
        "customer.address": ["Expected object, received string"]
    }
    # A dotted property is not the way to send a scalar.
    assert faults(wanted, {"customer.address.city": "Split"}) == {
        "customer.address.city": ["Required"]
    }


def test_a_fault_above_two_variables_is_told_once():
    variables = [
        {"key": f"customer.{name}", "label": name, "dataType": "text"} for name in ("a", "b")
    ]

    assert faults({"variables": variables, "loops": []}, {"customer": 7}) == {
        "customer": ["Expected object, received number"]
    }


def test_unknown_keys_are_stripped_without_a_word():
    data = {"value": "x", "more": 1, "customer": {"name": "y"}}

    assert check_data(manifest(), data) == {"value": "x"}


AREAS = {
    "key": "areas",
    "label": "Areas",
    "itemFields": [
        {"key": "name", "label": "Name", "dataType": "text", "required": True},
        {"key": "size.width", "label": "Width", "dataType": "number"},
    ],
}


def test_loops_are_checked_row_by_row():
    wanted = manifest(loops=[AREAS])

    assert check_data(wanted, {"areas": [{"name": "hull", "x": 1, "size": {"width": "2"}}]}) == {
        "areas": [{"name": "hull", "size": {"width": 2}}]
    }
    assert faults(wanted, {"areas": [{"name": "a"}, {"size": {"width": "wide"}}, 7]}) == {
        "areas.1.name": ["Required"],
        "areas.1.size.width": ["Expected number, received string"],
        "areas.2": ["Expected object, received number"],
    }


@pytest.mark.parametrize("data", [{}, {"areas": []}, {"other": [{"name": "hull"}]}])
def test_a_loop_that_is_not_there_is_empty(data):
    assert check_data(manifest(loops=[AREAS]), data) == {"areas": []}


@pytest.mark.parametrize("value", [None, {}, "hull"])
def test_a_loop_is_an_array(value):
    assert "areas" in faults(manifest(loops=[AREAS]), {"areas": value})


def test_a_loop_has_ten_thousand_items_at_most():
    row = {"name": "hull"}
    wanted = manifest(loops=[AREAS])

    assert len(check_data(wanted, {"areas": [row] * 10_000})["areas"]) == 10_000
    assert faults(wanted, {"areas": [row] * 10_001}) == {
        "areas": ["Array must contain at most 10000 element(s)"]
    }


def test_a_dotted_loop_key_binds_as_a_literal_property_only():
    wanted = manifest(loops=[{**AREAS, "key": "handover.areas"}])
    rows = [{"name": "hull"}]

    assert check_data(wanted, {"handover.areas": rows}) == {"handover.areas": rows}
    assert check_data(wanted, {"handover": {"areas": rows}}) == {"handover.areas": []}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "areas", "name", "size", "width"]), inner)
    ),
    max_leaves=12,
)


def outcome(manifest, data):
    """What is kept of the data, or the error that is answered."""
    try:
        return check_data(manifest, data)
    except Refusal as error:
        return error


@given(
    st.dictionaries(st.sampled_from(["value", "areas", "x"]), json_values),
    st.sampled_from(["text", "number", "date", "boolean", "url", "email"]),
)
def test_any_json_is_taken_or_refused_and_what_is_taken_is_taken_again(data, data_type):
    wanted = manifest(data_type, loops=[AREAS])

    kept = outcome(wanted, data)

    if isinstance(kept, Refusal):
        assert kept.issues is not None
        assert kept.issues["fieldErrors"]
    else:
        assert outcome(wanted, kept) == kept


@given(st.text(alphabet=string.printable))
def test_no_text_breaks_a_data_type(text):
    for data_type in ("number", "date", "boolean", "image", "email"):
        result = outcome(manifest(data_type), {"value": text})
        assert isinstance(result, dict) or STATUSES[result.code] == 400
