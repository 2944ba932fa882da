"""A request is cancelled, by one call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from responses.matchers import json_params_matcher

from django_craftkit.client import (
    Craftkit,
    CraftkitError,
    InvalidSignatureRequest,
)
from tests.client.signatures.helpers import REQUEST, SENT, URL, refusal

if TYPE_CHECKING:
    import responses


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
