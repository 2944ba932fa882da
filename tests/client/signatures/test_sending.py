"""A document is sent out for signature, and a request is cancelled."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from responses.matchers import header_matcher, json_params_matcher

from django_craftkit.client import (
    AnchorTag,
    Craftkit,
    InvalidSignatureRequest,
    Recipient,
    ServerError,
    SignatureField,
)
from tests.client.conftest import KEY, RENDER, Api, refusal
from tests.client.signatures.helpers import (
    IDEMPOTENCY_KEY,
    JOHN,
    RECIPIENT,
    REQUEST,
    SENT,
    URL,
    create,
)


@pytest.mark.parametrize(("status", "replayed"), [(201, False), (200, True)])
def test_a_render_is_sent_out(api: Api, craftkit: Craftkit, status: int, replayed: bool) -> None:
    place = {"page": 2, "x": 10, "y": 80.5, "width": 20, "height": 5, "required": False}
    tag = {"width": 120, "height": 40, "required": True}
    jane = {name: value for name, value in RECIPIENT.items() if name != "id"}
    sent = {
        "renderId": RENDER,
        "name": "Charter handover — BK-12345",
        "recipients": [
            jane | {"order": 2},
            {"firstName": "John", "email": "john@example.com", "designation": "CC", "order": 1},
        ],
        "fields": [{"type": "initial", "recipientIndex": 1} | place],
        "anchorTags": [
            {"anchorString": "{{sign_here}}", "type": "signature", "recipientIndex": 0}
            | {"ignoreIfNotPresent": True}
            | tag
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
        fields=(SignatureField("initial", recipient=1, **place),),
        anchor_tags=(
            AnchorTag("{{sign_here}}", "signature", recipient=0, ignore_if_not_present=True, **tag),
        ),
        name="Charter handover — BK-12345",
        expires_in_hours=24,
        idempotency_key=IDEMPOTENCY_KEY,
    )
    assert (request.id, request.render_id) == (UUID(REQUEST), UUID(RENDER))
    assert (request.status, request.replayed, request.extra) == ("sent", replayed, {"new": 1})


def test_a_plain_request_sends_what_it_must_and_nothing_else(api: Api, craftkit: Craftkit) -> None:
    jane = {"firstName": "Jane", "lastName": "Doe", "email": "jane@example.com"}
    sent = {
        "renderId": RENDER,
        "recipients": [jane | {"designation": "Signer"}],
        "anchorTags": [{"anchorString": "{{sign_here}}", "type": "signature", "recipientIndex": 0}],
    }
    api.post(URL, json=SENT, status=201, match=[json_params_matcher(sent)])
    create(craftkit)


def test_who_only_gets_a_copy_needs_no_place(api: Api, craftkit: Craftkit) -> None:
    api.post(URL, json=SENT, status=201)
    craftkit.signatures.create(RENDER, [JOHN], idempotency_key="k")
    assert set(json.loads(api.calls[0].request.body or "")) == {"renderId", "recipients"}


def test_a_service_that_did_not_take_it_may_have_mailed_somebody(
    api: Api, craftkit: Craftkit
) -> None:
    api.post(URL, json=refusal("signature_provider_error"), status=502)
    with pytest.raises(ServerError) as caught:
        create(craftkit)
    assert (caught.value.code, caught.value.maybe_handled) == ("signature_provider_error", True)
    assert len(api.calls) == 3


def test_a_request_beyond_a_limit_is_not_sent(craftkit: Craftkit) -> None:
    with pytest.raises(InvalidSignatureRequest) as caught:
        create(craftkit, expires_in_hours=0)
    assert caught.value.field == "expires_in_hours"
    assert caught.value.maybe_handled is False
    assert isinstance(caught.value, ValueError)


def test_a_request_is_cancelled(api: Api, craftkit: Craftkit) -> None:
    reason = "Customer changed the terms"
    cancelled = SENT | {"status": "cancelled", "errorMessage": reason}
    match = [json_params_matcher({"reason": reason})]
    api.post(f"{URL}/{REQUEST}/cancel", json=cancelled, match=match)
    request = craftkit.signatures.cancel(REQUEST, reason)
    assert (request.status, request.error_message, request.replayed) == ("cancelled", reason, False)
    assert "Idempotency-Key" not in api.calls[0].request.headers


def test_no_reason_is_no_body(api: Api, craftkit: Craftkit) -> None:
    api.post(f"{URL}/{REQUEST}/cancel", json=SENT)
    craftkit.signatures.cancel(REQUEST)
    assert api.calls[0].request.body is None
    assert "Content-Type" not in api.calls[0].request.headers


def test_the_longest_reason_is_sent(api: Api, craftkit: Craftkit) -> None:
    api.post(f"{URL}/{REQUEST}/cancel", json=SENT)
    craftkit.signatures.cancel(REQUEST, "x" * 500)
    assert json.loads(api.calls[0].request.body or "") == {"reason": "x" * 500}


@pytest.mark.parametrize("reason", ["x" * 501, "a\x00b", "\ud800", 7])
def test_a_reason_beyond_its_limit_is_not_sent(craftkit: Craftkit, reason: Any) -> None:
    with pytest.raises(InvalidSignatureRequest) as caught:
        craftkit.signatures.cancel(REQUEST, reason)
    assert caught.value.field == "reason"
