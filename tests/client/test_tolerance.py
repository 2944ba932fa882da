"""One odd field of an answer is left out and kept as it was sent; it spoils nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.client import (
    Craftkit,
    Engagement,
    EngagementEvent,
    InvalidResponse,
    Listed,
    Manifest,
    SentEmail,
    SignatureNotice,
    SignaturePage,
    SignatureRequest,
)

from .conftest import BASE, ENGAGED, LISTED, MAILED, OPENED, RENDER, SHARE, SHARED, Api
from .signatures.helpers import JANE, NOTICE, SENT, page
from .test_engagement import DELIVERED
from .test_errors import JSON
from .wholes import ANSWERS

LINKS = {"pollUrl", "downloadUrl", "shareToken"}
#: What nobody can go on without, but for the event that a webhook says and nobody reads.
NEEDED = [
    (name, field)
    for name, (_read, _body, needed) in ANSWERS.items()
    for field in sorted(needed)
    if (name, field) not in [("render event", "event"), ("document event", "event")]
]
FIELDS = [
    (name, field)
    for name, (_read, body, needed) in ANSWERS.items()
    for field in body
    if field not in needed | LINKS
]
LISTS = {"variables", "loops", "signatures", "renders"}
TEXTS = {
    "status",
    "slug",
    "key",
    "dataType",
    "eventType",
    "event",
    "session_token",
    "templateSlug",
    "apiKey",
}
OBJECTS = {"data"}
#: What may open a session: not even `unreadable` keeps it.
SECRETS = {"renew_token"}
#: Attributes that are not called as their field is.
CALLED = {
    "shareUrl": "url",
    "emailMessageId": "message_id",
    "actorKind": "actor",
    "signedDownloadUrl": "is_signed_available",
    "certificateUrl": "is_certificate_available",
    "templateId": "extra",
    "session_id": "id",
    "session_token": "token",
    "iframe_url": "url",
    "_id": "id",
    "isCustomTemplate": "is_custom",
    "cAt": "created_at",
}
#: What has come and goes wrong in one field or the other.
ODD: list[Any] = [
    *[-1, -100, 0.5, 1e300, 10**30, True, "168", "", "x" * 100_000, "\0", "\ud800", [], {}],
    *[[None], "9999-12-31T23:59:59-23:59", "yesterday", 1_780_000_000, {"a": {"b": [1]}}],
]


def attribute(field: str) -> str:
    return CALLED.get(field) or re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", field)


def others(read: Any, field: str) -> dict[str, Any]:
    """All that was read of an answer, but for one field of it."""
    return {
        one.name: repr(getattr(read, one.name))
        for one in dataclasses.fields(read)
        if one.name not in (attribute(field), "unreadable")
    }


def check(name: str, field: str, value: Any) -> None:
    reader, whole, _needed = ANSWERS[name]
    changed = {key: item for key, item in whole.items() if key != field}
    if value is not ...:
        changed[field] = value
    read = reader(changed)
    assert others(read, field) == others(reader(whole), field)
    assert set(read.unreadable) <= {field}
    hidden = field.endswith("Url") or field in SECRETS
    if read.unreadable and not hidden and not isinstance(value, list | dict):
        assert repr(read.unreadable[field]) == repr(value)


@pytest.mark.parametrize(("name", "field"), NEEDED)
def test_a_field_that_nobody_can_go_on_without_is_named(name: str, field: str) -> None:
    reader, whole, _needed = ANSWERS[name]
    for value in (..., None, 7, "evt_1", [], {}):
        fits = {"[]": LISTS, "evt_1": TEXTS, "{}": OBJECTS}.get(str(value), set())
        if field in fits:
            continue
        body = {key: item for key, item in whole.items() if key != field}
        if value is not ...:
            body[field] = value
        with pytest.raises(InvalidResponse, match=f"'{field}'"):
            reader(body)


@pytest.mark.parametrize("name", ANSWERS)
@given(data=st.data())
def test_any_json_is_read_or_refused_as_invalid(name: str, data: st.DataObject) -> None:
    reader, whole, _needed = ANSWERS[name]
    odd_fields = st.dictionaries(st.sampled_from([*whole]), JSON)
    body = data.draw(JSON | odd_fields | odd_fields.map(lambda odd: whole | odd))
    with contextlib.suppress(InvalidResponse):
        reader(body)


@given(st.dictionaries(st.text(), JSON))
def test_any_counts_are_read(counts: dict[str, Any]) -> None:
    reader, whole, _needed = ANSWERS["engagement"]
    reader(whole | {"counts": counts})


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_field_that_is_odd_leaves_the_others_as_they_are(name: str, field: str) -> None:
    for value in (..., None, *ODD):
        check(name, field, value)


@given(st.sampled_from(FIELDS), JSON)
def test_a_field_may_be_anything_at_all(where: tuple[str, str], value: Any) -> None:
    check(*where, value)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("render", "durationMs", -100),
        ("render", "durationMs", "3120"),
        ("render", "durationMs", True),
        ("render", "durationMs", 10**30),
        ("render", "createdAt", "yesterday"),
        ("render", "createdAt", "0001-01-01T00:00:00+23:00"),
        ("render", "errorMessage", {"a": 1}),
        ("render event", "completedAt", 1_780_000_000),
        ("share", "expiresAt", "soon"),
        ("share", "clickCount", "3"),
        ("share", "channel", 7),
        ("revocation", "revokedAt", True),
        ("sent e-mail", "sentAt", "now"),
        ("event", "shareId", "7"),
        ("document event", "createdAt", []),
        ("engagement", "total", 2.5),
        ("signature request", "expirationHours", 1.5),
        ("signature request", "name", ["a"]),
        ("signature request", "recipients", "all"),
        ("signature request", "renderId", 7),
        ("recipient", "order", "1"),
        ("recipient", "email", {"a": 1}),
        ("page", "nextCursor", 7),
        ("page", "hasMore", "yes"),
        ("signature event", "reason", ["r"]),
        ("template", "published", 1),
        ("template", "manifest", {"variables": [{"key": "a"}], "loops": []}),
        ("health", "checks", ["ok"]),
    ],
)
def test_what_cant_be_read_is_nothing_and_kept_as_it_was_sent(
    name: str, field: str, value: Any
) -> None:
    reader, whole, _needed = ANSWERS[name]
    read = reader(whole | {field: value})
    assert read.unreadable == {field: value}
    assert field not in read.extra
    if field != "hasMore":
        assert getattr(read, attribute(field)) in (None, "", (), {})
    assert not reader(whole).unreadable


def test_whole_numbers_are_read_however_they_are_written() -> None:
    request = SignatureRequest.from_json(SENT | {"expirationHours": 168.0})
    assert (request.expiration_hours, request.unreadable) == (168, {})


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "9" * 5_000, "-" + "9" * 5_000], ids=lambda text: text[:8]
)
def test_a_number_that_python_cant_hold_spoils_nothing_else(
    api: Api, craftkit: Craftkit, number: str
) -> None:
    body = f'{{"id": "{RENDER}", "status": "succeeded", "durationMs": {number}, "new": {number}}}'
    api.get(f"{BASE}/v1/renders/{RENDER}", body=body)
    render = craftkit.renders.get(RENDER)
    assert (render.status, render.duration_ms) == ("succeeded", None)
    assert (render.unreadable, render.extra) == ({"durationMs": number}, {"new": number})


@pytest.mark.parametrize("odd", [None, 7, [], {}, SHARED | {"id": 7}, SHARED | {"shareUrl": "no"}])
def test_a_row_of_a_list_that_cant_be_read_is_left_out_and_kept(
    api: Api, craftkit: Craftkit, odd: Any
) -> None:
    api.get(f"{BASE}/v1/renders/{RENDER}/shares", json={"shares": [odd, SHARED], "new": 1})
    listed = craftkit.shares.list(RENDER)
    assert [str(share.id) for share in listed] == [SHARE]
    (kept,) = listed.unreadable["shares"]
    assert "cks_secret" not in str(kept)
    if isinstance(odd, dict) and odd:
        assert (kept["id"], kept["createdAt"]) == (odd["id"], odd["createdAt"])
    else:
        assert kept == odd
    assert listed.extra == {"new": 1}


def test_a_template_that_cant_be_read_is_left_out_of_the_list(api: Api, craftkit: Craftkit) -> None:
    odd = LISTED | {"slug": None}
    api.get(f"{BASE}/v1/templates", json={"templates": [odd, LISTED]})
    listed = craftkit.templates.list()
    assert isinstance(listed, Listed)
    assert [template.slug for template in listed] == ["charter-handover"]
    assert listed.unreadable == {"templates": [odd]}


@pytest.mark.parametrize("odd", [None, 7, "viewed", [], {}, OPENED | {"eventType": None}])
def test_an_event_that_cant_be_read_is_left_out_of_the_latest(odd: Any) -> None:
    engagement = Engagement.from_json(ENGAGED | {"recent": [odd, OPENED]})
    assert engagement.recent == (EngagementEvent.from_json(OPENED),)
    assert engagement.unreadable == {"recent": [odd]}
    assert engagement.counts == ENGAGED["counts"]


def test_a_manifest_goes_back_as_it_came_whatever_could_be_read_of_it() -> None:
    odd = {
        "variables": [
            {"key": "a", "label": ["A"], "dataType": "text", "required": "yes", "format": {"x": 1}}
        ],
        "loops": [
            {
                "key": "rows",
                "label": 7,
                "itemFields": [{"key": "b", "label": "", "dataType": "new", "required": False}],
                "previewData": "none",
            }
        ],
    }
    assert Manifest.from_json(odd).to_json() == odd


@pytest.mark.parametrize("name", ANSWERS)
def test_links_to_documents_are_kept_nowhere(name: str) -> None:
    reader, whole, _needed = ANSWERS[name]
    secrets = dict.fromkeys([*LINKS, "download_url", "poll_url", "share_token"], "s3cret")
    odd = whole | secrets
    if name == "engagement":
        odd["recent"] = [OPENED | secrets]
    assert "s3cret" not in str(dataclasses.asdict(reader(odd)))


def test_what_is_kept_of_people_and_links_does_not_show() -> None:
    secrets = {"shareToken": "s3cret", "downloadUrl": "s3cret", "shareUrl": "s3cret"}
    kept = [
        SentEmail.from_json(MAILED | {"shareUrl": ["s3cret"], "sentAt": [secrets]}),
        SignatureRequest.from_json(SENT | {"signedDownloadUrl": ["s3cret"]}),
        Engagement.from_json(ENGAGED | {"recent": [OPENED | {"id": 7} | secrets]}),
    ]
    assert "s3cret" not in str([dataclasses.asdict(one) for one in kept])
    shown = repr(
        [
            Engagement.from_json(ENGAGED),
            Engagement.from_json(ENGAGED | {"recent": [OPENED | {"id": 7}]}),
            EngagementEvent.from_webhook(DELIVERED),
            EngagementEvent.from_json(OPENED | {"sourceIp": ["203.0.113.7"]}),
            SignatureRequest.from_json(SENT | {"recipients": ["Jane"], "errorMessage": ["Jane"]}),
            SignaturePage.from_json(page(SENT | {"id": 7})),
            SignatureRequest.from_json(SENT | {"errorMessage": "Jane said no"}),
            SignatureNotice.from_webhook(NOTICE | {"reason": ["Jane"]}),
            SignatureNotice.from_webhook(NOTICE | {"reason": "Jane said no", "by": "Jane"}),
            JANE,
        ]
    )
    for personal in ("Jane", "Doe", "example.com", "203.0.113.7", "Mozilla", "Ada"):
        assert personal not in shown
