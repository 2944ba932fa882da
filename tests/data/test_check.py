"""What Craftkit refuses is refused here with the same paths; what it drops is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import translation

from django_craftkit.data import check, errors_in
from django_craftkit.data.check import MOST_ITEMS
from django_craftkit.data.findings import MOST_FINDINGS, Finding, FindingCode

from .cases import TYPES, errors, found, loop, manifest, variable

HANDOVER = manifest(
    variable("booking.code", required=True),
    variable("handover.signedBy", required=True),
    variable("handover.signatureImageUrl", "image"),
    loops=[loop("areas", variable("areaKey"), variable("condition"))],
)
INVOICE = manifest(
    variable("customer.name", required=True),
    variable("customer.email", "email"),
    variable("invoice.total", "currency", required=True),
    loops=[loop("lines", variable("title", required=True), variable("price", "currency"))],
)
CUSTOMER = {"name": "Ada Lovelace", "email": "ada@example.com"}
GOOD = {"customer": CUSTOMER, "invoice": {"total": 4200}}

#: What no variable of these types takes, with the code of each.
REFUSED = [
    (("text", "longtext"), [1, 1.5, True, None, [], {}], "not_a_text"),
    (
        ("number", "currency"),
        [
            "",
            " ",
            "abc",
            "1,000",
            "1_000",
            "12 €",
            "0x10",
            "Infinity",
            "NaN",
            "--1",
            "1e",
            "١٢",
            True,
            None,
            [],
            {},
        ],
        "not_a_number",
    ),
    (("number", "currency"), ["1e400", "9" * 400, 10**400], "not_finite"),
    (
        ("date", "datetime"),
        [
            "",
            "05.06.2026",
            "June 5, 2026",
            "2026-02-30",
            "2026-13-01",
            "10:00",
            "2026-06-05T25:00",
            "2026-06-05T10:00+24:00",
            "2026-06-05T10:00+01:34:52",
            "2026-06-05\n",
            1780000000,
            True,
            None,
            [],
            {},
        ],
        "not_a_date",
    ),
    (("boolean",), ["", "True", "yes", "1", 1, 0, None, [], {}], "not_a_boolean"),
    (
        ("image", "url"),
        [
            "",
            "example.com",
            "//example.com",
            "/media/x.png",
            "ftp://example.com",
            "http://",
            "javascript:alert(1)",
            "mailto:a@b.co",
            "http://a b.com",
            "http://[::1",
            "http://a:b",
            "http://a:99999",
            "http://a@",
            "http://256.1.1.1",
            "http://a%20b",
            1,
            None,
            [],
            {},
        ],
        "not_a_url",
    ),
    (("image", "url"), ["data:image/png;base64,AAAA", " DATA:,x"], "data_uri"),
    (
        ("email",),
        [
            "",
            "ada",
            "ada@example",
            "Ada <ada@example.com>",
            "a b@c.de",
            "a@b@c.de",
            "a..b@c.de",
            ".a@c.de",
            "a@c..de",
            "a@c.de\n",
            "ada@example.com ",
            1,
            None,
            [],
            {},
        ],
        "not_an_email",
    ),
]
TAKEN = {
    "text": ["", "x", "data:image/png;base64,AAAA", "\n"],
    "number": [0, -1, 1.5, "1", "-1.50", "+1", ".5", "5.", "1e3", " 12 ", 2**53, 0.1 + 0.2],
    "date": ["2026-06-05", "0001-01-01", "2024-02-29", "2026-06-05T10:00", "2026-06-05T23:59:59Z"],
    "datetime": ["2026-06-05T10:00:00.000+02:00", "2026-06-05T10:00:00.123456+0200"],
    "boolean": [True, False, "true", "false"],
    "url": [
        "http://a",
        "HTTPS://EXAMPLE.com/x?y#z",
        "http://user:pw@a:80/",
        "http://[::1]:8/",
        "http://münchen.de/ü",
        "http://a/b c",
        " http://a\n",
        "http:a",
        "http://127.0.0.1",
        "http://.",
    ],
    "email": ["a@b.co", "a+b@c.de", "o'hara@c.de", "A_B@C-D.EXAMPLE"],
}
ALIKE = {"longtext": "text", "currency": "number", "image": "url"}

VALUES = [
    pytest.param(kind, value, code, id=f"{kind}-{json.dumps(value)[:24]}")
    for kinds, values, code in REFUSED
    for kind in kinds
    for value in values
]


@pytest.mark.parametrize(("kind", "value", "code"), VALUES)
def test_a_value_of_another_type_is_refused_by_both(judge, kind, value, code):
    wanted = manifest(variable("a.v", kind))
    assert found({"a": {"v": value}}, wanted) == [("a.v", code, "error")]
    assert judge.errors({"a": {"v": value}}, wanted) == {"a.v"}


@pytest.mark.parametrize("kind", TYPES)
def test_a_value_that_craftkit_coerces_is_taken_by_both(judge, kind):
    wanted = manifest(variable("v", kind, required=True))
    for value in TAKEN[ALIKE.get(kind, kind)]:
        assert found({"v": value}, wanted) == []
        assert judge.errors({"v": value}, wanted) == set()


AREAS = manifest(
    loops=[loop("areas", variable("name", required=True), variable("size.x", "number"))]
)
STRUCTURES = {
    "missing": ({}, INVOICE, {"customer.name": "required", "invoice.total": "required"}),
    "half missing": (
        {"customer": {}, "invoice": {"total": 1}},
        INVOICE,
        {"customer.name": "required"},
    ),
    "null in its place": ({**GOOD, "customer": None}, INVOICE, {"customer": "not_an_object"}),
    "text in its place": ({**GOOD, "customer": "Ada"}, INVOICE, {"customer": "not_an_object"}),
    "list in its place": ({**GOOD, "customer": [1]}, INVOICE, {"customer": "not_an_object"}),
    "loop null": ({"areas": None}, AREAS, {"areas": "not_a_list"}),
    "loop object": ({"areas": {}}, AREAS, {"areas": "not_a_list"}),
    "items": (
        {"areas": [1, None, [], {}, {"name": "x", "size": 1}, {"name": 1, "size": {"x": "?"}}]},
        AREAS,
        {
            "areas.0": "not_an_object",
            "areas.1": "not_an_object",
            "areas.2": "not_an_object",
            "areas.3.name": "required",
            "areas.4.size": "not_an_object",
            "areas.5.name": "not_a_text",
            "areas.5.size.x": "not_a_number",
        },
    ),
    "too many": ({"areas": [{"name": "x"}] * (MOST_ITEMS + 1)}, AREAS, {"areas": "too_many_items"}),
    "dotted loop, as it must be": (
        {"handover.areas": [{"name": 1}]},
        manifest(loops=[loop("handover.areas", variable("name"))]),
        {"handover.areas.0.name": "not_a_text"},
    ),
}


@pytest.mark.parametrize(("data", "wanted", "expected"), STRUCTURES.values(), ids=STRUCTURES)
def test_all_that_is_wrong_is_told_at_once_at_craftkits_paths(judge, data, wanted, expected):
    assert {one.path: one.code for one in check(data, wanted)} == expected
    assert judge.errors(data, wanted) == set(expected)


EXAMPLES = [
    (GOOD, INVOICE),
    (
        {"booking": {"code": "B1"}, "handover": {"signedBy": "Ada"}}
        | {
            "areas": [
                {"areaKey": "hull", "condition": "damage"},
                {"areaKey": "engine", "condition": "ok"},
            ]
        },
        HANDOVER,
    ),
    ({"booking": {"code": "B1"}, "handover": {"signedBy": "Ada"}}, HANDOVER),
    ({"lineItems": [{"a": "x"}] * MOST_ITEMS}, manifest(loops=[loop("lineItems", variable("a"))])),
    (
        {"handover.areas": [{"a": "x"}]},
        manifest(variable("handover.by"), loops=[loop("handover.areas", variable("a"))]),
    ),
]


@pytest.mark.parametrize(("data", "wanted"), EXAMPLES)
def test_the_examples_of_the_documentation_are_taken_by_both(judge, data, wanted):
    assert found(data, wanted, strict=True) == []
    assert not isinstance(judge.kept(data, wanted), set)


DROPPED = {
    "unknown": ({**GOOD, "note": "x"}, "note", "unknown_key", GOOD),
    "unknown in an object": (
        {**GOOD, "customer": {**CUSTOMER, "phone": "1"}},
        "customer.phone",
        "unknown_key",
        GOOD,
    ),
    "unknown in an item": (
        {**GOOD, "lines": [{"title": "x"}, {"title": "y", "colour": 1}]},
        "lines.1.colour",
        "unknown_key",
        {**GOOD, "lines": [{"title": "x"}, {"title": "y"}]},
    ),
    "misspelt": ({**GOOD, "linse": []}, "linse", "misspelt_key", GOOD),
    "as the manifest writes it": (
        {**GOOD, "customer.email": "x@y.de"},
        "customer.email",
        "dotted_key",
        GOOD,
    ),
}


@pytest.mark.parametrize(("data", "path", "code", "kept"), DROPPED.values(), ids=DROPPED)
def test_a_key_that_craftkit_drops_is_told(judge, data, path, code, kept):
    assert judge.kept(data, INVOICE) == {"lines": [], **kept}
    assert found(data, INVOICE) == [(path, code, "warning")]
    assert found(data, INVOICE, strict=True) == [(path, code, "error")]


@pytest.mark.parametrize("beside", [(), [variable("handover.by")]])
@pytest.mark.parametrize("items", [[{"a": "x"}], [], None, "x"])
def test_a_loop_with_a_dot_that_is_nested_is_an_error_that_says_how_to_send_it(
    judge, beside, items
):
    wanted = manifest(*beside, loops=[loop("handover.areas", variable("a"))])
    data = {"handover": {"areas": items}}
    (one,) = check(data, wanted)
    assert (one.path, one.code, one.level) == ("handover.areas", "dotted_loop", "error")
    assert '"handover.areas"' in one.message
    assert judge.kept(data, wanted)["handover.areas"] == []


def test_a_nested_loop_beside_the_one_that_counts_is_merely_dropped(judge):
    wanted = manifest(loops=[loop("handover.areas", variable("a"))])
    data = {"handover": {"areas": []}, "handover.areas": [{"a": "x"}]}
    assert found(data, wanted) == [("handover.areas", "unknown_key", "warning")]
    assert judge.kept(data, wanted)["handover.areas"] == [{"a": "x"}]


def test_what_only_a_misplaced_loop_would_be_under_is_a_key_like_any_other(judge):
    wanted = manifest(loops=[loop("handover.areas", variable("a"))])
    assert found({"handover": "x"}, wanted) == [("handover", "unknown_key", "warning")]
    assert judge.errors({"handover": "x"}, wanted) == set()


def test_a_key_that_items_have_and_the_template_has_not_is_told_once():
    data = {**GOOD, "lines": [{"title": "x", "colour": 1, f"k{n}": 1} for n in range(3)]}
    assert found(data, INVOICE) == [
        ("lines.0.colour", "unknown_key", "warning"),
        ("lines.0.k0", "unknown_key", "warning"),
        ("lines.1.k1", "unknown_key", "warning"),
        ("lines.2.k2", "unknown_key", "warning"),
    ]


def test_a_hundred_findings_are_told_errors_first_and_the_rest_counted():
    lines = [{"title": n, f"k{n}": 1} for n in range(MOST_FINDINGS - 1)]
    *told, more = check({**GOOD, "lines": lines}, INVOICE)
    assert [one.level for one in told] == ["error"] * (MOST_FINDINGS - 1) + ["warning"]
    assert (more.code, more.detail, more.level) == ("more", str(MOST_FINDINGS - 2), "warning")
    lines *= 2
    *told, more = check({**GOOD, "lines": lines}, INVOICE)
    assert {one.level for one in told} == {"error"}
    assert (len(told), more.code, more.level) == (MOST_FINDINGS, "more", "error")


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("number", 2**53 + 1, "digits_lost"),
        ("currency", "9007199254740993.01", "digits_lost"),
        ("currency", "0.10000000000000000001", "digits_lost"),
        ("number", "1e-99999999999999999999", "digits_lost"),
        ("date", "2026-06-05T00:30:00+03:00", "other_day_in_utc"),
        ("date", "2026-06-05T23:30:00-05:00", "other_day_in_utc"),
    ],
)
def test_what_may_print_otherwise_than_meant_is_a_warning_also_to_the_strict(
    judge, kind, value, code
):
    wanted = manifest(variable("v", kind))
    assert found({"v": value}, wanted, strict=True) == [("v", code, "warning")]
    assert judge.errors({"v": value}, wanted) == set()


@pytest.mark.parametrize(
    "value", ["123456789012345.00", "1234567890.1200000", "100000000000000000"]
)
def test_digits_that_are_kept_are_no_warning(value):
    assert found({"v": value}, manifest(variable("v", "currency"))) == []


@pytest.mark.parametrize(
    "value", ["2026-06-05T00:30:00+00:00", "2026-06-05T12:00+03:00", "2026-06-05"]
)
def test_a_moment_of_the_same_day_in_utc_is_a_date(value):
    assert found({"v": value}, manifest(variable("v", "date"))) == []


ODD_MANIFESTS: list[Any] = [
    None,
    1,
    "x",
    [],
    {},
    {"variables": None, "loops": None},
    {"variables": {}, "loops": "x"},
    {
        "variables": [None, 1, "x", [], {}, {"key": 1}, {"key": ""}, {"key": []}],
        "loops": [None, {}],
    },
    {"variables": [{"key": "v"}], "loops": [{"key": "l"}, {"key": "m", "itemFields": []}]},
    {"variables": [{"key": "v", "dataType": ["text"], "required": "yes"}], "loops": []},
    {"variables": [{"key": "v", "dataType": "rating"}], "loops": []},
    {
        "variables": [{"key": "v." * 10_000 + "v", "dataType": "text", "required": True}],
        "loops": [],
    },
    manifest(variable("v"), variable("v.a", required=True)),
    manifest(variable("v.a", required=True), variable("v")),
    manifest(variable("v"), variable("v", "number")),
    manifest(variable("v"), loops=[loop("v", variable("a"))]),
    manifest(variable("v.a"), loops=[loop("v", variable("a")), loop("v", variable("b"))]),
    manifest(loops=[loop("v.a", variable("a")), loop("v", variable("a", "rating"))]),
    {"variables": [], "loops": [{"key": "v", "itemFields": [None]}]},
]


@pytest.mark.parametrize("wanted", ODD_MANIFESTS, ids=range(len(ODD_MANIFESTS)))
@pytest.mark.parametrize("value", [None, 1, [], [1], [{"a": 1}], {"a": 1}, {"a": {"b": [1]}}])
def test_a_manifest_that_cant_be_read_or_contradicts_itself_never_raises(wanted, value):
    check({"v": value, "l": value, "m": value, 7: value}, wanted, strict=True)
    check(value, wanted)


@pytest.mark.parametrize("wanted", [*ODD_MANIFESTS[:9], ODD_MANIFESTS[11]])
def test_what_cant_be_judged_is_passed(wanted):
    assert found({"v": {"a": 1}, "m": [{"a": 1}]}, wanted, strict=True) == []


@pytest.mark.parametrize("wanted", ODD_MANIFESTS[12:17])
def test_a_place_of_which_a_manifest_says_two_things_is_not_judged(wanted):
    for value in (1, "x", [], {"a": 1}):
        assert found({"v": value}, wanted, strict=True) == []


def test_a_type_that_isnt_known_here_can_still_be_required():
    wanted = manifest(variable("v", "rating", required=True))
    assert found({"v": None}, wanted) == []
    assert found({}, wanted) == [("v", "required", "error")]


@pytest.mark.parametrize("data", [None, [], "x", 1])
def test_data_that_are_no_object_are_one_error(data):
    assert found(data, INVOICE) == [("", "not_an_object", "error")]


def test_a_finding_says_where_as_python_writes_it():
    wanted = manifest(loops=[loop("a.l", variable("first name.x", required=True))])
    (one,) = check({"a.l": [{}]}, wanted)
    assert (one.path, one.where) == ("a.l.0.first name.x", "['a.l'][0]['first name'].x")
    assert str(one).startswith("['a.l'][0]['first name'].x: ")


def test_a_finding_never_quotes_a_value_and_cuts_a_key():
    wanted = manifest(variable("v", "email"))
    told = check({"v": "Ada Secret", "k" * 10_000: "Secret", "\0\ud800": "Secret"}, wanted)
    assert len(told) == 3
    assert all("Secret" not in f"{one!r} {one}" for one in told)
    assert max(len(one.path) for one in told) < 300
    json.dumps([one.path for one in told], ensure_ascii=False).encode()


def test_a_finding_is_worded_in_the_readers_language():
    one = Finding("v", FindingCode.NOT_A_TEXT.value, "null")
    with translation.override("en"):
        assert "null" in one.message
    for code in FindingCode:
        assert "%" not in Finding("v", code.value, "x").message


def test_errors_are_handed_on_as_craftkits_own(judge):
    data = {"customer": {"name": 1, "phone": "1"}}
    told = errors_in(check(data, INVOICE))
    assert set(told) == judge.errors(data, INVOICE) == errors(data, INVOICE)
    assert all(isinstance(text, str) for texts in told.values() for text in texts)
