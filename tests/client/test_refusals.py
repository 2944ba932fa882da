"""Refusals, lost answers and retries: the same for every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from django_craftkit.client import (
    AuthenticationError,
    Catalog,
    Conflict,
    Craftkit,
    CraftkitError,
    CraftkitTimeout,
    CreditsExhausted,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ServerError,
)

from .conftest import BASE, ENGAGED, RENDER, Api, refusal
from .embed.helpers import MINTED, RENEW_TOKEN, mint
from .signatures.helpers import IDEMPOTENCY_KEY, REQUEST, SENT, create

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[[Craftkit], Any]

#: Method and path, and what makes the call.
CALLS: dict[str, tuple[str, str, Call]] = {
    "mail": (
        "POST",
        f"renders/{RENDER}/email",
        lambda craftkit: craftkit.emails.send(RENDER, "ada@example.com"),
    ),
    "engagement": (
        "GET",
        f"renders/{RENDER}/engagement",
        lambda craftkit: craftkit.engagement.read(RENDER),
    ),
    "track": (
        "POST",
        f"renders/{RENDER}/events",
        lambda craftkit: craftkit.engagement.track(RENDER, "viewed"),
    ),
    "sign": ("POST", "signatures", create),
    "request": (
        "GET",
        f"signatures/{REQUEST}",
        lambda craftkit: craftkit.signatures.get(REQUEST),
    ),
    "cancel": (
        "POST",
        f"signatures/{REQUEST}/cancel",
        lambda craftkit: craftkit.signatures.cancel(REQUEST),
    ),
    "mint": ("POST", "embed/sessions", mint),
    "refresh": (
        "POST",
        "embed/sessions/refresh",
        lambda craftkit: craftkit.embed.refresh_session(RENEW_TOKEN),
    ),
    "catalog": (
        "POST",
        "embed/catalogs",
        lambda craftkit: craftkit.embed.create_catalog("crm", Catalog()),
    ),
    "builder": (
        "POST",
        "embed/builder/templates",
        lambda craftkit: craftkit.embed.create_template({}),
    ),
}


def answer(api: Api, name: str, **options: Any) -> Call:
    """Let the call of this name be answered so next; return what makes it."""
    method, path, call = CALLS[name]
    api.add(method, f"{BASE}/v1/{path}", **options)
    return call


@pytest.mark.parametrize(
    ("name", "status", "code", "kind", "handled"),
    [
        ("mail", 400, "invalid_request", InvalidRequest, False),
        ("mail", 404, "not_found", NotFound, False),
        ("mail", 409, "not_ready", Conflict, False),
        ("mail", 502, "email_send_failed", ServerError, True),
        ("mail", 503, "email_not_configured", ServerError, False),
        ("mail", 500, "internal", ServerError, True),
        ("mail", 503, "", ServerError, True),
        ("engagement", 403, "forbidden", PermissionDenied, False),
        ("engagement", 404, "not_found", NotFound, False),
        ("track", 400, "invalid_request", InvalidRequest, False),
        ("track", 403, "forbidden", PermissionDenied, False),
        ("track", 404, "not_found", NotFound, False),
        ("sign", 400, "invalid_request", InvalidRequest, False),
        ("sign", 401, "unauthorized", AuthenticationError, False),
        ("sign", 402, "signature_credits_exhausted", CreditsExhausted, False),
        ("sign", 404, "not_found", NotFound, False),
        ("sign", 409, "conflict", Conflict, False),
        ("sign", 413, "document_too_large", InvalidRequest, False),
        ("sign", 503, "signatures_unavailable", ServerError, False),
        ("cancel", 404, "not_found", NotFound, False),
        ("cancel", 409, "conflict", Conflict, False),
        ("cancel", 502, "signature_provider_error", ServerError, True),
        ("mint", 500, "internal", ServerError, True),
        ("refresh", 500, "internal", ServerError, True),
        ("catalog", 422, "invalid_request", InvalidRequest, False),
        ("catalog", 500, "internal_error", ServerError, True),
        ("builder", 401, "missing_or_invalid_authorization", AuthenticationError, False),
        ("builder", 403, "permission_denied", PermissionDenied, False),
        ("builder", 500, "insert_failed", ServerError, True),
    ],
)
def test_what_craftkit_refuses_is_called_once(
    api: Api,
    craftkit: Craftkit,
    pauses: list[float],
    name: str,
    status: int,
    code: str,
    kind: type[CraftkitError],
    handled: bool,
) -> None:
    call = answer(api, name, json=refusal(code), status=status)
    with pytest.raises(CraftkitError) as caught:
        call(craftkit)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.maybe_handled is handled
    assert (len(api.calls), pauses) == (1, [])


@pytest.mark.parametrize(
    "name", ["mail", "track", "cancel", "mint", "refresh", "catalog", "builder"]
)
@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (requests.exceptions.ReadTimeout(), CraftkitTimeout),
        (requests.exceptions.ConnectionError(ConnectionResetError()), CraftkitError),
    ],
)
def test_nothing_is_done_twice_after_a_lost_answer(
    api: Api,
    craftkit: Craftkit,
    name: str,
    failure: Exception,
    kind: type[CraftkitError],
) -> None:
    call = answer(api, name, body=failure)
    with pytest.raises(kind) as caught:
        call(craftkit)
    assert caught.value.maybe_handled is True
    assert len(api.calls) == 1


LOST = {"body": requests.exceptions.ReadTimeout()}
LIMITED = {"json": refusal("rate_limited"), "status": 429}
UNTAKEN = {"json": refusal("signature_provider_error"), "status": 502}
CANCELLED = SENT | {"status": "cancelled"}


@pytest.mark.parametrize(
    ("name", "failure", "then", "read"),
    [
        ("engagement", LOST, ENGAGED, {"total": 23}),
        ("request", LOST, SENT, {"status": "sent"}),
        ("sign", LOST, SENT, {"replayed": True}),
        ("sign", UNTAKEN, SENT, {"replayed": True}),
        ("sign", {"json": refusal("internal"), "status": 500}, SENT, {"replayed": True}),
        ("sign", LIMITED, SENT, {"replayed": True}),
        (
            "cancel",
            {"body": requests.exceptions.ConnectTimeout()},
            CANCELLED,
            {"status": "cancelled"},
        ),
        ("cancel", LIMITED, CANCELLED, {"status": "cancelled"}),
        ("mint", LIMITED, MINTED, {"url": MINTED["iframe_url"]}),
        ("refresh", LIMITED, MINTED, {"url": MINTED["iframe_url"]}),
    ],
    ids=str,
)
def test_what_can_do_no_harm_is_retried_as_it_was(
    api: Api,
    craftkit: Craftkit,
    name: str,
    failure: Any,
    then: Any,
    read: dict[str, Any],
) -> None:
    answer(api, name, **failure)
    result = answer(api, name, json=then)(craftkit)
    assert {attribute: getattr(result, attribute) for attribute in read} == read
    first, second = (call.request for call in api.calls)
    assert first.body == second.body
    key = IDEMPOTENCY_KEY if name == "sign" else None
    assert [one.headers.get("Idempotency-Key") for one in (first, second)] == [key, key]
