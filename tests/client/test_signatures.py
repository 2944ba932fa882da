from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from responses.matchers import header_matcher, json_params_matcher, query_param_matcher

from django_craftkit import signing
from django_craftkit.client import (
    AnchorTag,
    AuthenticationError,
    Conflict,
    Craftkit,
    CraftkitConnectionError,
    CraftkitError,
    CreditsExhausted,
    Download,
    InvalidData,
    InvalidRequest,
    InvalidResponse,
    InvalidSignatureRequest,
    NotFound,
    Recipient,
    ServerError,
    SignatureField,
    SignatureNotice,
    SignaturePage,
    SignatureRecipient,
    SignatureRequest,
    check_signature,
)
from django_craftkit.client.download import DOWNLOAD_LIMIT
from django_craftkit.client.encoding import dumps
from django_craftkit.client.envelope import ANCHOR_TYPES, FIELD_TYPES

from .conftest import BASE, KEY, RENDER, answers, says
from .test_errors import JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    import responses

REQUEST = "0193c2c3-2222-7aaa-8bbb-000000000002"
URL = f"{BASE}/v1/signatures"
IDEMPOTENCY_KEY = "a" * 64
RECIPIENT = {
    "id": "rcp_8e10-12ab34cd56ef",
    "firstName": "Jane",
    "lastName": "Doe",
    "email": "jane@example.com",
    "designation": "Signer",
    "order": 1,
}
SENT: dict[str, Any] = {
    "id": REQUEST,
    "renderId": RENDER,
    "name": "Charter handover — BK-12345",
    "status": "sent",
    "recipients": [RECIPIENT],
    "expirationHours": 168,
    "signedDownloadUrl": None,
    "certificateUrl": None,
    "errorMessage": None,
    "createdAt": "2026-06-05T10:00:00.000Z",
    "completedAt": None,
}
COMPLETED = SENT | {
    "status": "completed",
    "recipients": [RECIPIENT | {"signedAt": "2026-06-05T11:40:00.000Z"}],
    "signedDownloadUrl": f"{URL}/{REQUEST}/download",
    "certificateUrl": f"{URL}/{REQUEST}/certificate",
    "completedAt": "2026-06-05T11:42:08.000Z",
}
NOTICE = {
    "event": "signature.completed",
    "signatureRequestId": REQUEST,
    "renderId": RENDER,
    "status": "completed",
}
JANE = Recipient("Jane", "Doe", "jane@example.com")
JOHN = Recipient("John", "", "john@example.com", designation="Approver")
SIGN_HERE = AnchorTag("{{sign_here}}", "signature")
AT_A_PLACE = SignatureField("signature", x=10, y=80)
PDF = b"%PDF-1.7\n" + bytes(200_000) + b"%%EOF\n"


def refusal(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "No."}}


def page(*items: dict[str, Any], cursor: str | None = None, more: bool = False) -> dict[str, Any]:
    return {"signatures": [*items], "nextCursor": cursor, "hasMore": more}


def create(craftkit: Craftkit, **options: Any) -> SignatureRequest:
    arguments = {"anchor_tags": [SIGN_HERE], "idempotency_key": IDEMPOTENCY_KEY} | options
    return craftkit.signatures.create(RENDER, [JANE], **arguments)


# Creating


@pytest.mark.parametrize(("status", "replayed"), [(201, False), (200, True)])
def test_a_render_is_sent_out(
    api: responses.RequestsMock, craftkit: Craftkit, status: int, replayed: bool
) -> None:
    sent = {
        "renderId": RENDER,
        "name": "Charter handover — BK-12345",
        "recipients": [
            {
                "firstName": "Jane",
                "lastName": "Doe",
                "email": "jane@example.com",
                "designation": "Signer",
                "order": 2,
            },
            {
                "firstName": "John",
                "email": "john@example.com",
                "designation": "CC",
                "order": 1,
            },
        ],
        "fields": [
            {
                "type": "initial",
                "recipientIndex": 1,
                "page": 2,
                "x": 10,
                "y": 80.5,
                "width": 20,
                "height": 5,
                "required": False,
            }
        ],
        "anchorTags": [
            {
                "anchorString": "{{sign_here}}",
                "type": "signature",
                "recipientIndex": 0,
                "width": 120,
                "height": 40,
                "required": True,
                "ignoreIfNotPresent": True,
            }
        ],
        "expirationHours": 24,
    }
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": IDEMPOTENCY_KEY}
    match = [json_params_matcher(sent), header_matcher(headers)]
    api.post(URL, json=SENT | {"new": 1}, status=status, match=match)
    request = craftkit.signatures.create(
        UUID(RENDER),
        [
            Recipient("Jane", "Doe", "jane@example.com", order=2),
            Recipient("John", "", "john@example.com", designation="CC", order=1),
        ],
        fields=(
            SignatureField(
                "initial", recipient=1, page=2, x=10, y=80.5, width=20, height=5, required=False
            ),
        ),
        anchor_tags=(
            AnchorTag(
                "{{sign_here}}",
                "signature",
                recipient=0,
                width=120,
                height=40,
                required=True,
                ignore_if_not_present=True,
            ),
        ),
        name="Charter handover — BK-12345",
        expires_in_hours=24,
        idempotency_key=IDEMPOTENCY_KEY,
    )
    assert (request.id, request.render_id) == (UUID(REQUEST), UUID(RENDER))
    assert (request.status, request.replayed, request.extra) == ("sent", replayed, {"new": 1})


def test_a_plain_request_sends_what_it_must_and_nothing_else(
    api: responses.RequestsMock, craftkit: Craftkit
) -> None:
    jane = {"firstName": "Jane", "lastName": "Doe", "email": "jane@example.com"}
    sent = {
        "renderId": RENDER,
        "recipients": [jane | {"designation": "Signer"}],
        "anchorTags": [{"anchorString": "{{sign_here}}", "type": "signature", "recipientIndex": 0}],
    }
    api.post(URL, json=SENT, status=201, match=[json_params_matcher(sent)])
    create(craftkit)


def test_who_only_gets_a_copy_needs_no_place(
    api: responses.RequestsMock, craftkit: Craftkit
) -> None:
    api.post(URL, json=SENT, status=201)
    craftkit.signatures.create(RENDER, [JOHN], idempotency_key="k")
    assert set(json.loads(api.calls[0].request.body or "")) == {"renderId", "recipients"}


@pytest.mark.parametrize(
    "failure",
    [
        {"body": requests.exceptions.ReadTimeout()},
        {"json": refusal("signature_provider_error"), "status": 502},
        {"json": refusal("internal"), "status": 500},
        {"json": refusal("rate_limited"), "status": 429},
    ],
    ids=str,
)
def test_a_request_is_repeated_with_its_key(
    api: responses.RequestsMock, craftkit: Craftkit, failure: dict[str, Any]
) -> None:
    api.post(URL, **failure)
    api.post(URL, json=SENT, status=200)
    assert create(craftkit).replayed is True
    keys = [call.request.headers["Idempotency-Key"] for call in api.calls]
    assert keys == [IDEMPOTENCY_KEY] * 2
    assert api.calls[0].request.body == api.calls[1].request.body


@pytest.mark.parametrize(
    ("status", "code", "kind", "handled"),
    [
        (400, "invalid_request", InvalidRequest, False),
        (401, "unauthorized", AuthenticationError, False),
        (402, "signature_credits_exhausted", CreditsExhausted, False),
        (404, "not_found", NotFound, False),
        (409, "conflict", Conflict, False),
        (413, "document_too_large", InvalidRequest, False),
        (503, "signatures_unavailable", ServerError, False),
    ],
)
def test_a_request_that_is_refused_is_made_once(
    api: responses.RequestsMock,
    craftkit: Craftkit,
    pauses: list[float],
    status: int,
    code: str,
    kind: type[CraftkitError],
    handled: bool,
) -> None:
    api.post(URL, json=refusal(code), status=status)
    with pytest.raises(kind) as caught:
        create(craftkit)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.maybe_handled is handled
    assert (len(api.calls), pauses) == (1, [])


def test_a_service_that_did_not_take_it_may_have_mailed_somebody(
    api: responses.RequestsMock, craftkit: Craftkit
) -> None:
    api.post(URL, json=refusal("signature_provider_error"), status=502)
    with pytest.raises(ServerError) as caught:
        create(craftkit)
    assert (caught.value.code, caught.value.maybe_handled) == ("signature_provider_error", True)
    assert len(api.calls) == 3


@pytest.mark.parametrize("key", ["", " ", "a\nb", "ü", "a" * 201, " a", None, 7])
def test_no_request_without_a_key(craftkit: Craftkit, key: Any) -> None:
    with pytest.raises(InvalidData, match="key"):
        create(craftkit, idempotency_key=key)


def test_a_request_beyond_a_limit_is_not_sent(craftkit: Craftkit) -> None:
    with pytest.raises(InvalidSignatureRequest) as caught:
        create(craftkit, expires_in_hours=0)
    assert caught.value.field == "expires_in_hours"
    assert caught.value.maybe_handled is False
    assert isinstance(caught.value, ValueError)


# Reading


def test_a_request_is_read(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    api.get(f"{URL}/{REQUEST}", json=COMPLETED)
    request = craftkit.signatures.get(UUID(REQUEST))
    assert (request.name, request.status) == ("Charter handover — BK-12345", "completed")
    assert (request.expiration_hours, request.error_message) == (168, None)
    assert (request.is_signed_available, request.is_certificate_available) == (True, True)
    assert request.created_at == datetime(2026, 6, 5, 10, tzinfo=UTC)
    assert request.completed_at == datetime(2026, 6, 5, 11, 42, 8, tzinfo=UTC)
    assert (request.replayed, request.extra) == (False, {})
    (jane,) = request.recipients
    assert (jane.id, jane.first_name, jane.last_name) == ("rcp_8e10-12ab34cd56ef", "Jane", "Doe")
    assert (jane.email, jane.designation, jane.order) == ("jane@example.com", "Signer", 1)
    assert jane.signed_at == datetime(2026, 6, 5, 11, 40, tzinfo=UTC)
    assert (jane.declined_at, jane.extra) == (None, {})


def test_a_read_is_tried_again(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    api.get(f"{URL}/{REQUEST}", body=requests.exceptions.ReadTimeout())
    api.get(f"{URL}/{REQUEST}", json=SENT)
    assert craftkit.signatures.get(REQUEST).status == "sent"


@pytest.mark.parametrize("nothing", [{}, dict.fromkeys([*RECIPIENT, "signedAt", "declinedAt"])])
def test_a_recipient_may_say_nothing(nothing: dict[str, Any]) -> None:
    (one,) = SignatureRequest.from_json(SENT | {"recipients": [nothing]}).recipients
    assert (one.id, one.first_name, one.last_name, one.email, one.designation) == ("",) * 5
    assert (one.order, one.signed_at, one.declined_at) == (None, None, None)


def test_what_is_new_to_us_is_kept() -> None:
    request = SignatureRequest.from_json(
        SENT
        | {
            "status": "signed",
            "recipients": [RECIPIENT | {"designation": "Witness", "viewedAt": "x"}],
            "provider": {"a": 1},
        }
    )
    assert (request.status, request.extra) == ("signed", {"provider": {"a": 1}})
    assert request.recipients[0].designation == "Witness"
    assert request.recipients[0].extra == {"viewedAt": "x"}


@pytest.mark.parametrize("name", ["signedDownloadUrl", "certificateUrl"])
def test_each_document_is_there_or_not(name: str) -> None:
    request = SignatureRequest.from_json(COMPLETED | {name: None})
    assert request.is_signed_available is (name != "signedDownloadUrl")
    assert request.is_certificate_available is (name != "certificateUrl")
    assert "https://" not in str(dataclasses.asdict(SignatureRequest.from_json(COMPLETED)))


@pytest.mark.parametrize("name", ["id", "status"])
@pytest.mark.parametrize("value", [..., None, 7, {}])
def test_a_wrong_field_is_named(name: str, value: Any) -> None:
    body = {key: item for key, item in SENT.items() if key != name}
    if value is not ...:
        body[name] = value
    with pytest.raises(InvalidResponse, match=f"'{name}'"):
        SignatureRequest.from_json(body)


def test_a_recipient_that_is_none_is_left_out() -> None:
    request = SignatureRequest.from_json(SENT | {"recipients": ["Jane", RECIPIENT]})
    assert [one.email for one in request.recipients] == ["jane@example.com"]
    assert request.unreadable == {"recipients": ["Jane"]}


def test_people_do_not_show_in_a_repr() -> None:
    noted = SignatureRequest.from_json(SENT | {"errorMessage": "Jane said no"})
    notice = SignatureNotice.from_webhook(NOTICE | {"reason": "Jane said no", "by": "Jane"})
    shown = repr((noted, notice, JANE))
    assert "Jane" not in shown
    assert "Doe" not in shown
    assert "example.com" not in shown
    assert len({noted, SignatureRequest.from_json(SENT)}) == 2
    assert hash(notice)


# Listing


def test_one_page_is_listed(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    asked = {"limit": "2", "renderId": RENDER, "cursor": "2026-06-05T10:00:00.000Z"}
    body = page(COMPLETED, SENT, cursor="2026-06-04T10:00:00.000Z", more=True) | {"total": 9}
    api.get(URL, json=body, match=[query_param_matcher(asked)])
    listed = craftkit.signatures.list(
        render_id=UUID(RENDER), limit=2, cursor="2026-06-05T10:00:00.000Z"
    )
    assert [item.status for item in listed.items] == ["completed", "sent"]
    assert (listed.next_cursor, listed.has_more) == ("2026-06-04T10:00:00.000Z", True)
    assert listed.extra == {"total": 9}


def test_a_plain_list_asks_for_a_hundred(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    api.get(URL, json=page(), match=[query_param_matcher({"limit": "100"})])
    listed = craftkit.signatures.list()
    assert (listed.items, listed.next_cursor, listed.has_more) == ((), None, False)


def test_a_cursor_is_text_and_no_second_parameter(
    api: responses.RequestsMock, craftkit: Craftkit
) -> None:
    asked = {"limit": "1", "cursor": "a&renderId=x+#"}
    api.get(URL, json=page(), match=[query_param_matcher(asked)])
    craftkit.signatures.list(limit=1, cursor="a&renderId=x+#")


def test_a_moment_is_a_cursor(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    asked = {"limit": "100", "cursor": "2026-06-05T10:00:00.120Z"}
    api.get(URL, json=page(), match=[query_param_matcher(asked)])
    here = timezone(timedelta(hours=2))
    craftkit.signatures.list(cursor=datetime(2026, 6, 5, 12, 0, 0, 120_000, tzinfo=here))
    with pytest.raises(InvalidData, match="time zone"):
        craftkit.signatures.list(cursor=datetime(2026, 6, 5))  # noqa: DTZ001


@pytest.mark.parametrize("limit", [0, 101, -1, True, 1.0, "5", None])
def test_a_page_has_1_to_100(craftkit: Craftkit, limit: Any) -> None:
    with pytest.raises(InvalidData, match="'limit'"):
        craftkit.signatures.list(limit=limit)


def test_half_a_character_is_no_cursor(craftkit: Craftkit) -> None:
    with pytest.raises(InvalidData):
        craftkit.signatures.list(cursor="\ud800")


def test_no_error_shows_the_query(api: responses.RequestsMock, once: Craftkit) -> None:
    api.get(URL, status=400, json=refusal("invalid_request"))
    with pytest.raises(InvalidRequest) as caught:
        once.signatures.list(cursor="c")
    assert caught.value.path == "/v1/signatures"


@pytest.mark.parametrize(
    ("name", "value"),
    [("signatures", ...), ("signatures", None), ("signatures", {})],
)
def test_an_answer_without_a_list_is_refused(name: str, value: Any) -> None:
    body = page() | {name: value}
    with pytest.raises(InvalidResponse, match=f"'{name}'"):
        SignaturePage.from_json({key: item for key, item in body.items() if item is not ...})


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, SENT | {"id": None}, SENT | {"status": 7}])
def test_a_row_that_cant_be_read_is_left_out_and_kept(odd: Any) -> None:
    listed = SignaturePage.from_json(page(odd, SENT, cursor="c1", more=True))
    assert [item.id for item in listed.items] == [UUID(REQUEST)]
    assert listed.unreadable == {"signatures": [odd]}
    assert (listed.next_cursor, listed.has_more, listed.is_empty) == ("c1", True, False)


@pytest.mark.parametrize(
    ("said", "has_more"),
    [
        ({"hasMore": None}, False),
        ({"hasMore": 1}, False),
        ({"hasMore": "yes", "nextCursor": "c1"}, True),
        ({"hasMore": None, "nextCursor": 0}, True),
        ({"hasMore": False, "nextCursor": 7}, False),
    ],
)
def test_whether_a_list_goes_on_is_told_by_its_cursor_else(said: Any, has_more: bool) -> None:
    assert SignaturePage.from_json(page(SENT) | said).has_more is has_more


def test_pages_go_on_behind_one_of_which_nothing_can_be_read(
    api: responses.RequestsMock, craftkit: Craftkit
) -> None:
    api.get(URL, json=page({"id": 7}, cursor="c1", more=True))
    api.get(URL, json=page(SENT), match=[query_param_matcher({"limit": "100", "cursor": "c1"})])
    first, second = craftkit.signatures.pages()
    assert (first.items, first.unreadable) == ((), {"signatures": [{"id": 7}]})
    assert len(second.items) == 1


@pytest.mark.parametrize("cursor", [7, [], {"before": "x"}, True])
@pytest.mark.parametrize("more", [True, None, "yes"])
def test_pages_do_not_end_in_silence_at_a_cursor_that_cant_be_read(
    api: responses.RequestsMock, craftkit: Craftkit, cursor: Any, more: Any
) -> None:
    api.get(URL, json=page(SENT) | {"nextCursor": cursor, "hasMore": more})
    pages = craftkit.signatures.pages()
    assert len(next(pages).items) == 1
    with pytest.raises(InvalidResponse, match="cursor"):
        next(pages)


def test_pages_follow_the_cursor(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    for asked, answer in [
        ({}, page(SENT, cursor="c1", more=True)),
        ({"cursor": "c1"}, page(SENT, COMPLETED, cursor="c2", more=True)),
        ({"cursor": "c2"}, page(SENT)),
    ]:
        match = [query_param_matcher({"limit": "7", "renderId": RENDER} | asked)]
        api.get(URL, json=answer, match=match)
    pages = list(craftkit.signatures.pages(render_id=RENDER, limit=7))
    assert [len(one.items) for one in pages] == [1, 2, 1]


def test_each_request_of_the_pages_is_given(
    api: responses.RequestsMock, craftkit: Craftkit
) -> None:
    first = {"limit": "2", "renderId": RENDER}
    second = first | {"cursor": "c1"}
    many = page(SENT, COMPLETED, cursor="c1", more=True)
    api.get(URL, json=many, match=[query_param_matcher(first)])
    api.get(URL, json=page(SENT), match=[query_param_matcher(second)])
    found = craftkit.signatures.each(render_id=RENDER, limit=2)
    assert [next(found).status, next(found).status] == ["sent", "completed"]
    assert len(api.calls) == 1
    assert [one.status for one in found] == ["sent"]


@pytest.mark.parametrize(
    "last",
    [
        page(SENT, cursor="c2", more=False),
        page(SENT, cursor=None, more=True),
        page(SENT, cursor="", more=True),
    ],
)
def test_pages_end_at_any_sign_of_an_end(
    api: responses.RequestsMock, craftkit: Craftkit, last: dict[str, Any]
) -> None:
    api.get(URL, json=page(SENT, cursor="c1", more=True))
    api.get(URL, json=last)
    assert len(list(craftkit.signatures.pages())) == 2
    assert len(api.calls) == 2


def test_pages_end_at_an_empty_one(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    api.get(URL, json=page(SENT, cursor="c1", more=True))
    api.get(URL, json=page(cursor="c2", more=True))
    assert len(list(craftkit.signatures.pages())) == 1
    assert len(api.calls) == 2


@pytest.mark.parametrize("cursors", [["c1", "c1"], ["c1", "c2", "c1"]])
def test_pages_do_not_go_in_a_circle(
    api: responses.RequestsMock, craftkit: Craftkit, cursors: list[str]
) -> None:
    for cursor in cursors:
        api.get(URL, json=page(SENT, cursor=cursor, more=True))
    pages = craftkit.signatures.pages()
    for _ in cursors:
        next(pages)
    with pytest.raises(InvalidResponse, match="circle") as caught:
        next(pages)
    assert (caught.value.method, caught.value.path) == ("GET", "/v1/signatures")
    assert len(api.calls) == len(cursors)


def test_a_page_is_asked_for_when_it_is_wanted(
    api: responses.RequestsMock, craftkit: Craftkit
) -> None:
    api.get(URL, json=page(SENT, cursor="c1", more=True))
    next(craftkit.signatures.pages())
    assert len(api.calls) == 1


# Cancelling


def test_a_request_is_cancelled(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    reason = "Customer changed the terms"
    cancelled = SENT | {"status": "cancelled", "errorMessage": reason}
    match = [json_params_matcher({"reason": reason})]
    api.post(f"{URL}/{REQUEST}/cancel", json=cancelled, match=match)
    request = craftkit.signatures.cancel(REQUEST, reason)
    assert (request.status, request.error_message, request.replayed) == ("cancelled", reason, False)
    assert "Idempotency-Key" not in api.calls[0].request.headers


def test_no_reason_is_no_body(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    api.post(f"{URL}/{REQUEST}/cancel", json=SENT)
    craftkit.signatures.cancel(REQUEST)
    assert api.calls[0].request.body is None
    assert "Content-Type" not in api.calls[0].request.headers


def test_the_longest_reason_is_sent(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    api.post(f"{URL}/{REQUEST}/cancel", json=SENT)
    craftkit.signatures.cancel(REQUEST, "x" * 500)
    assert json.loads(api.calls[0].request.body or "") == {"reason": "x" * 500}


@pytest.mark.parametrize("reason", ["x" * 501, "a\x00b", "\ud800", 7])
def test_a_reason_beyond_its_limit_is_not_sent(craftkit: Craftkit, reason: Any) -> None:
    with pytest.raises(InvalidSignatureRequest) as caught:
        craftkit.signatures.cancel(REQUEST, reason)
    assert caught.value.field == "reason"


@pytest.mark.parametrize(
    ("failure", "handled"),
    [
        ({"body": requests.exceptions.ReadTimeout()}, True),
        ({"json": refusal("signature_provider_error"), "status": 502}, True),
        ({"json": refusal("conflict"), "status": 409}, False),
        ({"json": refusal("not_found"), "status": 404}, False),
    ],
    ids=str,
)
def test_a_cancel_is_not_repeated(
    api: responses.RequestsMock, craftkit: Craftkit, failure: dict[str, Any], handled: bool
) -> None:
    api.post(f"{URL}/{REQUEST}/cancel", **failure)
    with pytest.raises(CraftkitError) as caught:
        craftkit.signatures.cancel(REQUEST)
    assert caught.value.maybe_handled is handled
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    "failure",
    [
        {"body": requests.exceptions.ConnectTimeout()},
        {"json": refusal("rate_limited"), "status": 429},
    ],
    ids=str,
)
def test_a_cancel_that_was_not_handled_is_repeated(
    api: responses.RequestsMock, craftkit: Craftkit, failure: dict[str, Any]
) -> None:
    api.post(f"{URL}/{REQUEST}/cancel", **failure)
    api.post(f"{URL}/{REQUEST}/cancel", json=SENT | {"status": "cancelled"})
    assert craftkit.signatures.cancel(REQUEST).status == "cancelled"


# Documents

DOCUMENTS: list[Any] = [
    pytest.param("download", lambda craftkit: craftkit.signatures.signed_pdf, id="signed"),
    pytest.param("certificate", lambda craftkit: craftkit.signatures.certificate, id="certificate"),
]


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_a_document_is_read_as_a_file(
    serve: Callable[..., Any], place: str, read: Callable[[Craftkit], Callable[..., Download]]
) -> None:
    server = serve(answers(200, PDF, "Content-Type: application/pdf"))
    craftkit = Craftkit(KEY, base_url=server.url, max_retries=0)
    with read(craftkit)(REQUEST) as document:
        assert document.content_length == len(PDF)
        assert document.read() == PDF
    head = server.requests[0]
    assert head.startswith(f"GET /v1/signatures/{REQUEST}/{place} ".encode())
    assert f"Authorization: Bearer {KEY}".encode() in head


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "not_found", NotFound),
        (409, "conflict", Conflict),
        (502, "upstream_error", ServerError),
    ],
)
def test_a_document_that_is_not_there_is_told(
    api: responses.RequestsMock,
    once: Craftkit,
    place: str,
    read: Any,
    status: int,
    code: str,
    kind: type[CraftkitError],
) -> None:
    api.get(f"{URL}/{REQUEST}/{place}", json=refusal(code), status=status)
    with pytest.raises(kind) as caught:
        read(once)(REQUEST)
    assert caught.value.code == code
    assert len(api.calls) == 1


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_a_document_is_fetched_again(
    api: responses.RequestsMock, craftkit: Craftkit, place: str, read: Any
) -> None:
    api.get(f"{URL}/{REQUEST}/{place}", json=refusal("upstream_error"), status=502)
    api.get(f"{URL}/{REQUEST}/{place}", body=PDF, content_type="application/pdf")
    with read(craftkit)(REQUEST) as document:
        assert document.read() == PDF


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_what_is_no_pdf_is_refused(
    api: responses.RequestsMock, once: Craftkit, place: str, read: Any
) -> None:
    api.get(f"{URL}/{REQUEST}/{place}", body=PDF, content_type="text/html")
    with pytest.raises(InvalidResponse, match="PDF"):
        read(once)(REQUEST)


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_a_document_that_says_it_is_too_large_is_not_read(
    serve: Callable[..., Any], place: str, read: Any
) -> None:
    kind, limit = "Content-Type: application/pdf", DOWNLOAD_LIMIT
    server = serve(answers(200, b"%PDF-", kind, length=limit + 1), answers(200, PDF, kind))
    craftkit = Craftkit(KEY, base_url=server.url, max_retries=0)
    with pytest.raises(InvalidResponse, match="larger than 100,000,000 bytes") as caught:
        read(craftkit)(REQUEST)
    assert (caught.value.status, caught.value.method) == (200, "GET")
    assert caught.value.path == f"/v1/signatures/{REQUEST}/{place}"
    with read(craftkit)(REQUEST, max_bytes=len(PDF)) as document:
        assert document.read() == PDF
    with pytest.raises(InvalidResponse):
        read(craftkit)(REQUEST, max_bytes=len(PDF) - 1)


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_a_document_that_grows_too_large_ends(
    serve: Callable[..., Any], place: str, read: Any
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (PDF[:50], PDF[50:]))
    server = serve(says(head + body + b"0\r\n\r\n"))
    craftkit = Craftkit(KEY, base_url=server.url, max_retries=0)
    document = read(craftkit)(REQUEST, max_bytes=len(PDF) - 1)
    assert document.content_length is None
    got = io.BytesIO()
    with pytest.raises(InvalidResponse, match="larger") as caught:
        got.writelines(document)
    assert len(got.getvalue()) < len(PDF)
    assert caught.value.path == f"/v1/signatures/{REQUEST}/{place}"
    with pytest.raises(InvalidResponse):
        document.read(1)
    document.close()
    with read(craftkit)(REQUEST, max_bytes=len(PDF)) as document:
        assert document.read() == PDF


def test_bytes_beyond_the_announced_ones_are_never_handed_out() -> None:
    response = requests.Response()
    response.status_code = 200
    response.headers.update({"Content-Type": "application/pdf", "Content-Length": "3"})
    response.raw = io.BytesIO(b"%PDF-")
    download = Download(response, "/v1/signatures/x/download")
    for _ in range(2):
        with pytest.raises(CraftkitConnectionError, match="5 bytes came of 3"):
            download.read(1)


# Paths

CALLS: list[tuple[str, Callable[[Craftkit, str], Any]]] = [
    ("/v1/signatures/{}", lambda craftkit, part: craftkit.signatures.get(part)),
    ("/v1/signatures/{}/cancel", lambda craftkit, part: craftkit.signatures.cancel(part)),
    ("/v1/signatures/{}/download", lambda craftkit, part: craftkit.signatures.signed_pdf(part)),
    ("/v1/signatures/{}/certificate", lambda craftkit, part: craftkit.signatures.certificate(part)),
]


@pytest.mark.parametrize(("place", "call"), CALLS, ids=[place for place, _ in CALLS])
def test_no_id_leaves_its_place_in_the_path(serve: Any, place: str, call: Any) -> None:
    server = serve(answers(404, b"{}"))
    with pytest.raises(NotFound):
        call(Craftkit(KEY, base_url=server.url, max_retries=0), "../a?b=c#d")
    assert server.requests[0].split(b" ")[1].decode() == place.format("..%2Fa%3Fb%3Dc%23d")


@pytest.mark.parametrize("part", ["", ".", ".."])
@pytest.mark.parametrize("call", [call for _, call in CALLS])
def test_no_id_climbs(craftkit: Craftkit, call: Any, part: str) -> None:
    with pytest.raises(InvalidData):
        call(craftkit, part)


# Deliveries


def test_a_notice_is_read() -> None:
    notice = SignatureNotice.from_webhook(NOTICE)
    assert (notice.event, notice.id) == ("signature.completed", UUID(REQUEST))
    assert (notice.render_id, notice.status) == (UUID(RENDER), "completed")
    assert (notice.reason, notice.extra) == (None, {})


def test_a_notice_may_be_thin_and_may_be_new() -> None:
    thin = {name: NOTICE[name] for name in ("signatureRequestId", "renderId")}
    notice = SignatureNotice.from_webhook(thin | {"event": "signature.reminded", "count": 2})
    assert (notice.event, notice.status, notice.reason) == ("signature.reminded", None, None)
    assert notice.extra == {"count": 2}


def test_a_notice_tells_the_reason() -> None:
    told = SignatureNotice.from_webhook(NOTICE | {"reason": "Too dear", "status": None})
    assert (told.reason, told.status) == ("Too dear", None)


@pytest.mark.parametrize("recipients", [[RECIPIENT], "Jane", None])
def test_a_notice_keeps_no_people(recipients: Any) -> None:
    notice = SignatureNotice.from_webhook(NOTICE | {"name": "n", "recipients": recipients})
    assert notice.extra == {}


@pytest.mark.parametrize("name", ["event", "signatureRequestId"])
@pytest.mark.parametrize("value", [None, 7, []])
def test_a_wrong_field_of_a_notice_is_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidResponse, match=f"'{name}'"):
        SignatureNotice.from_webhook(NOTICE | {name: value})


# Limits


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


@pytest.mark.parametrize(("name", "value"), RECIPIENT_FAULTS)
def test_a_recipient_beyond_a_limit_is_named(name: str, value: Any) -> None:
    error = refused([JANE, but(JANE, **{name: value})], [AT_A_PLACE])
    assert error.field == f"recipients[1].{name}"


@pytest.mark.parametrize(("name", "value"), FIELD_FAULTS)
def test_a_field_beyond_a_limit_is_named(name: str, value: Any) -> None:
    error = refused([JANE], [AT_A_PLACE, but(AT_A_PLACE, **{name: value})])
    assert error.field == f"fields[1].{name}"


@pytest.mark.parametrize(("name", "value"), TAG_FAULTS)
def test_an_anchor_tag_beyond_a_limit_is_named(name: str, value: Any) -> None:
    error = refused([JANE], (), [SIGN_HERE, but(SIGN_HERE, **{name: value})])
    assert error.field == f"anchor_tags[1].{name}"


@pytest.mark.parametrize("value", [*NOT_WHOLE, 8_761])
def test_a_request_expires_after_whole_hours_within_a_year(value: Any) -> None:
    error = refused([JANE], [AT_A_PLACE], (), None, value)
    assert error.field == "expires_in_hours"


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
        ([None, 2], 0),
        ([1, True], 1),
        ([1.0, 2], 0),
        (["1", 2], 0),
        ([2, [1]], 1),
        ([3, 1, 1], 2),
    ],
)
def test_orders_are_given_to_all_or_none_each_once(orders: list[Any], at: int) -> None:
    error = refused([but(JANE, order=order) for order in orders], [AT_A_PLACE])
    assert error.field == f"recipients[{at}].order"


def test_orders_may_come_in_any_order() -> None:
    check_signature([but(JANE, order=order) for order in (3, 1, 2)], [AT_A_PLACE])


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
        ([JANE, but(JANE, order=2)], [place], [tag], "", 0),
        ([JANE], [place], [tag], "", 0),
        ([JANE], [], [tag], "", 0),
        ([JANE], [], [], "", 0),
        ([JANE], [], [SIGN_HERE], "", 0),
        ([JANE], [], [SIGN_HERE], "n", 0),
    ]
    assert [refused(*arguments).field for arguments in calls] == [
        "recipients[0].first_name",
        "recipients[1].first_name",
        "recipients[0].order",
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


# There and back


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


# Anything at all


@given(JSON | st.dictionaries(st.sampled_from([*SENT, *RECIPIENT, *NOTICE, *page()]), JSON))
def test_any_json_is_read_or_refused_as_invalid(body: Any) -> None:
    for read in (
        SignatureRequest.from_json,
        SignatureRecipient.from_json,
        SignaturePage.from_json,
        SignatureNotice.from_webhook,
    ):
        with contextlib.suppress(InvalidResponse):
            read(body)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(SENT, JSON)))
def test_any_change_of_an_answer_is_read_or_refused(changes: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidResponse):
        SignatureRequest.from_json(COMPLETED | changes)


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
