"""A document is sent out for signature: its call, its key and its repeats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import requests
from responses.matchers import header_matcher, json_params_matcher

from django_craftkit.client import (
    AnchorTag,
    AuthenticationError,
    Conflict,
    Craftkit,
    CraftkitError,
    CreditsExhausted,
    InvalidData,
    InvalidRequest,
    InvalidSignatureRequest,
    NotFound,
    Recipient,
    ServerError,
    SignatureField,
)
from tests.client.conftest import KEY, RENDER
from tests.client.signatures.helpers import (
    IDEMPOTENCY_KEY,
    JOHN,
    REQUEST,
    SENT,
    URL,
    create,
    refusal,
)

if TYPE_CHECKING:
    import responses


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
