"""What Craftkit would refuse is refused before it is sent, by the name of its field."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit import signing
from django_craftkit.client import (
    AnchorTag,
    InvalidSignatureRequest,
    Recipient,
    SignatureField,
    check_signature,
)
from django_craftkit.client.encoding import dumps
from django_craftkit.client.envelope import ANCHOR_TYPES, FIELD_TYPES
from tests.client.signatures.helpers import AT_A_PLACE, JANE, JOHN, SIGN_HERE
from tests.client.test_errors import JSON


def refused(*arguments: Any, **options: Any) -> InvalidSignatureRequest:
    with pytest.raises(InvalidSignatureRequest) as caught:
        check_signature(*arguments, **options)
    assert caught.value.field
    assert f"'{caught.value.field}'" in str(caught.value)
    return caught.value


def but(part: Any, **changes: Any) -> Any:
    return dataclasses.replace(part, **changes)


def test_the_products_path_leads_to_the_same_classes() -> None:
    assert signing.Recipient is Recipient
    assert signing.SignatureField is SignatureField
    assert signing.AnchorTag is AnchorTag
    assert signing.InvalidSignatureRequest is InvalidSignatureRequest


def test_what_is_at_its_limit_is_taken() -> None:
    many = [
        Recipient("x" * 100, "y" * 100, "e" * 243 + "@example.com", order=20 - number)
        for number in range(20)
    ]
    big = SignatureField("text_area", recipient=19, page=1, x=0, y=100, width=100, height=0.01)
    tag = AnchorTag("x" * 200, "initials", recipient=19, width=1_000, height=0.01)
    check_signature(many, [big] * 200, [tag] * 200, "n" * 255, 8_760)
    check_signature([Recipient("x", "", "a@b")], [AT_A_PLACE], (), "n", 1)
    check_signature([JOHN], name=None, expiration_hours=None)
    for kind in FIELD_TYPES:
        check_signature([JANE], [but(AT_A_PLACE, type=kind)])
    for kind in ANCHOR_TYPES:
        check_signature([JANE], (), [but(SIGN_HERE, type=kind)])


RECIPIENT_FAULTS: list[tuple[str, Any]] = [
    *(("first_name", value) for value in ("", "  ", "x" * 101, None, 7, b"Jane", "a\x00b")),
    *(("first_name", value) for value in ("\ud800", "a\udfff")),
    *(("last_name", value) for value in ("x" * 101, None, 7, "\x00", "\udc00")),
    *(("email", value) for value in ("", "jane", "@acme.com", "jane@", "a@b,c@d", "a b@c", None)),
    *(("email", value) for value in ("a@b\n", "Jane <a@b>", "e" * 244 + "@example.com", "a\x00@b")),
    *(("email", value) for value in ("a@\ud800", 7)),
    *(("designation", value) for value in ("signer", "cc", "", None, 7, True, [], {})),
]
NOT_WHOLE = (0, -1, True, False, 1.0, 1.5, "1", float("nan"), float("inf"), [], 10**400)
NO_NUMBER = (True, False, "5", float("nan"), float("inf"), float("-inf"), -0.1, 10**400, [], 1j)
FIELD_FAULTS: list[tuple[str, Any]] = [
    *(("type", value) for value in ("initials", "Signature", "", None, 7, [], True)),
    *(("recipient", value) for value in (-1, 1, True, False, 0.0, "0", None, 10**400)),
    *(("page", value) for value in (*NOT_WHOLE, None)),
    *((name, value) for name in ("x", "y") for value in (*NO_NUMBER, None, 100.1)),
    *((name, value) for name in ("width", "height") for value in (*NO_NUMBER, 0, 100.1)),
    *(("required", value) for value in (1, 0, "yes", [])),
]
TAG_FAULTS: list[tuple[str, Any]] = [
    *(("anchor_string", value) for value in ("", " ", "x" * 201, None, 7, "a\x00", "\ud800")),
    *(("type", value) for value in ("initial", "dropdown", "", None, 7, {}, True)),
    *(("recipient", value) for value in (-1, 1, True, False, 0.0, "0", None)),
    *((name, value) for name in ("width", "height") for value in (*NO_NUMBER, 0, 1_000.1)),
    *((name, value) for name in ("required", "ignore_if_not_present") for value in (1, 0, "yes")),
]


PARTS = {
    "recipients": (JANE, RECIPIENT_FAULTS),
    "fields": (AT_A_PLACE, FIELD_FAULTS),
    "anchor_tags": (SIGN_HERE, TAG_FAULTS),
}


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [(part, *fault) for part, (_whole, faults) in PARTS.items() for fault in faults],
)
def test_what_is_beyond_a_limit_is_named(part: str, name: str, value: Any) -> None:
    whole, _faults = PARTS[part]
    arguments = {"recipients": [JANE], part: [whole, but(whole, **{name: value})]}
    assert refused(**arguments).field == f"{part}[1].{name}"


@pytest.mark.parametrize("value", [*NOT_WHOLE, 8_761])
def test_a_request_expires_after_whole_hours_within_a_year(value: Any) -> None:
    assert refused([JANE], [AT_A_PLACE], (), None, value).field == "expires_in_hours"


@pytest.mark.parametrize("value", ["", " ", "n" * 256, 7, "a\x00", "\ud800", []])
def test_a_name_beyond_its_limit_is_refused(value: Any) -> None:
    assert refused([JANE], [AT_A_PLACE], (), value).field == "name"


@pytest.mark.parametrize(
    ("orders", "at"),
    [
        ([1, 1], 1),
        ([1, 3], 1),
        ([0, 1], 0),
        ([2, None], 1),
        ([None, 1], 1),
        ([3, None, None], 2),
        ([1, True], 1),
        ([1.0, 2], 0),
        (["1", 2], 0),
        ([2, [1]], 1),
        ([3, 1, 1], 2),
    ],
)
def test_orders_are_given_each_once(orders: list[Any], at: int) -> None:
    error = refused([but(JANE, order=order) for order in orders], [AT_A_PLACE])
    assert error.field == f"recipients[{at}].order"


@pytest.mark.parametrize("orders", [(3, 1, 2), (None, 2, None), (3, None, 1), (None, None, None)])
def test_who_has_no_order_has_that_of_their_place(orders: tuple[int | None, ...]) -> None:
    check_signature([but(JANE, order=order) for order in orders], [AT_A_PLACE])


@pytest.mark.parametrize("value", [None, JANE, "Jane", b"x", 7, {"a": JANE}, iter([JANE])])
def test_recipients_are_a_list(value: Any) -> None:
    assert refused(value, [AT_A_PLACE]).field == "recipients"


def test_there_is_somebody_and_not_too_many() -> None:
    assert refused([], [AT_A_PLACE]).field == "recipients"
    assert refused([JANE] * 21, [AT_A_PLACE]).field == "recipients"
    assert refused([JANE], [AT_A_PLACE] * 201).field == "fields"
    assert refused([JANE], [], [SIGN_HERE] * 201).field == "anchor_tags"


def test_parts_of_another_kind_are_named() -> None:
    assert refused([JANE, {"email": "a@b"}], [AT_A_PLACE]).field == "recipients[1]"
    assert refused([JANE], [SIGN_HERE]).field == "fields[0]"
    assert refused([JANE], [], [AT_A_PLACE]).field == "anchor_tags[0]"
    assert refused([JANE], AT_A_PLACE).field == "fields"
    assert refused([JANE], [], None).field == "anchor_tags"


def test_a_signer_needs_a_place() -> None:
    assert refused([JOHN, JANE]).field == "fields"
    check_signature([JOHN, JANE], [AT_A_PLACE])
    check_signature([JOHN, JANE], (), [SIGN_HERE])
    check_signature([JOHN, but(JANE, designation="CC")])


def test_the_two_words_for_initials_are_told_apart() -> None:
    assert "write 'initial' " in str(refused([JANE], [but(AT_A_PLACE, type="initials")]))
    assert "write 'initials' " in str(refused([JANE], (), [but(SIGN_HERE, type="initial")]))
    assert "SignatureField" in str(refused([JANE], (), [but(SIGN_HERE, type="dropdown")]))


def test_the_first_fault_is_told() -> None:
    bad = but(JANE, first_name="", email="")
    place, tag = but(AT_A_PLACE, page=0, x=-1), but(SIGN_HERE, anchor_string="", recipient=9)
    calls: list[Any] = [
        ([bad, bad], [place], [tag], "", 0),
        ([JANE, bad], [place], [tag], "", 0),
        ([JANE, but(JANE, order=1)], [place], [tag], "", 0),
        ([JANE], [place], [tag], "", 0),
        ([JANE], [], [tag], "", 0),
        ([JANE], [], [], "", 0),
        ([JANE], [], [SIGN_HERE], "", 0),
        ([JANE], [], [SIGN_HERE], "n", 0),
    ]
    assert [refused(*arguments).field for arguments in calls] == [
        "recipients[0].first_name",
        "recipients[1].first_name",
        "recipients[1].order",
        "fields[0].page",
        "anchor_tags[0].anchor_string",
        "fields",
        "name",
        "expires_in_hours",
    ]


def test_a_refusal_quotes_nobody_and_survives_a_pickle() -> None:
    error = refused([but(JANE, email="jane.doe at example.com")], [AT_A_PLACE])
    assert "jane.doe" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.field, str(again)) == (type(error), error.field, str(error))


@pytest.mark.parametrize(
    "part",
    [
        JANE,
        JOHN,
        but(JOHN, order=2),
        AT_A_PLACE,
        SignatureField("date", recipient=3, page=4, x=1.5, y=2, width=3, height=4, required=False),
        SIGN_HERE,
        AnchorTag("x", "date", recipient=1, width=2, height=3.5, required=True),
        AnchorTag("x", "date", ignore_if_not_present=False),
    ],
)
def test_a_part_comes_back_from_its_json(part: Any) -> None:
    stored = json.loads(json.dumps(part.as_json()))
    assert None not in stored.values()
    assert type(part).from_json(stored) == part
    assert hash(part)
    assert not hasattr(part, "__dict__")


def test_null_counts_as_absent() -> None:
    body = JOHN.as_json() | {"lastName": None, "order": None}
    assert Recipient.from_json(body) == JOHN


@pytest.mark.parametrize(
    ("kind", "body", "named"),
    [
        (Recipient, {"firstName": "Jane"}, "email"),
        (Recipient, {"email": "a@b", "firstName": None}, "first_name"),
        (Recipient, JANE.as_json() | {"phone": "1"}, "phone"),
        (SignatureField, {"type": "date", "x": 1}, "y"),
        (SignatureField, AT_A_PLACE.as_json() | {"anchorString": "x"}, "anchorString"),
        (AnchorTag, {"type": "date"}, "anchor_string"),
        (AnchorTag, SIGN_HERE.as_json() | {"recipient": 1}, "recipient"),
    ],
)
def test_json_of_something_else_is_refused(kind: Any, body: Any, named: str) -> None:
    with pytest.raises(InvalidSignatureRequest) as caught:
        kind.from_json(body)
    assert caught.value.field == named


@pytest.mark.parametrize("kind", [Recipient, SignatureField, AnchorTag])
@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_what_is_no_object_is_no_part(kind: Any, body: Any) -> None:
    with pytest.raises(InvalidSignatureRequest, match=kind.__name__):
        kind.from_json(body)


def parts(whole: Any, kind: Any) -> st.SearchStrategy[Any]:
    """Parts with any JSON in some of their fields."""
    optional = dict.fromkeys(whole.as_json(), JSON)
    changed = st.fixed_dictionaries({}, optional=optional).map(lambda new: whole.as_json() | new)
    return changed.flatmap(lambda body: _made(kind, body))


def _made(kind: Any, body: Any) -> st.SearchStrategy[Any]:
    try:
        return st.just(kind.from_json(body))
    except InvalidSignatureRequest:
        return st.nothing()


@given(
    JSON | st.lists(parts(but(JANE, order=1), Recipient), max_size=2),
    JSON | st.lists(parts(but(AT_A_PLACE, width=1, required=True), SignatureField), max_size=2),
    JSON | st.lists(parts(but(SIGN_HERE, width=1, required=True), AnchorTag), max_size=2),
    JSON,
    JSON,
)
def test_what_is_checked_can_be_sent_and_stored(
    recipients: Any, fields: Any, tags: Any, name: Any, hours: Any
) -> None:
    try:
        check_signature(recipients, fields, tags, name, hours)
    except InvalidSignatureRequest:
        return
    for part in (*recipients, *fields, *tags):
        sent = json.loads(dumps(part.as_json()))
        assert type(part).from_json(sent) == part
