from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import requests
from responses.matchers import json_params_matcher

from django_craftkit.client import (
    Conflict,
    Craftkit,
    CraftkitError,
    CraftkitTimeout,
    InvalidData,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    ServerError,
)

from .conftest import BASE, MAILED, RENDER, SHARE

if TYPE_CHECKING:
    import responses

URL = f"{BASE}/v1/renders/{RENDER}/email"
TO = "client@acme.com"


def refusal(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "No."}}


def test_a_mail_is_sent(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    sent = {
        "to": TO,
        "recipientName": "Jane Doe",
        "message": "Here is your signed agreement.",
        "expiresAt": "2026-12-31T23:59:59.000Z",
    }
    api.post(URL, json=MAILED | {"new": 1}, status=201, match=[json_params_matcher(sent)])
    email = craftkit.emails.send(
        UUID(RENDER),
        TO,
        recipient_name="Jane Doe",
        message="Here is your signed agreement.",
        expires_at=datetime(2027, 1, 1, 1, 59, 59, tzinfo=timezone(timedelta(hours=2))),
    )
    assert (email.id, email.message_id) == (UUID(SHARE), "re_1")
    assert email.url == "https://www.craftkit.dev/share/cks_secret"
    assert email.sent_at == datetime(2026, 6, 6, 9, 5, tzinfo=UTC)
    assert email.extra == {"new": 1}


def test_a_plain_mail_sends_its_address_and_nothing_else(
    api: responses.RequestsMock, craftkit: Craftkit
) -> None:
    api.post(URL, json=MAILED, status=201, match=[json_params_matcher({"to": TO})])
    email = craftkit.emails.send(RENDER, TO)
    assert "Idempotency-Key" not in api.calls[0].request.headers
    assert "cks_secret" not in repr(email)
    assert hash(email)


def test_what_is_at_its_limit_is_sent(api: responses.RequestsMock, craftkit: Craftkit) -> None:
    sent = {"to": "ü@exämple", "recipientName": "x" * 200, "message": "x" * 2_000}
    api.post(URL, json=MAILED, status=201, match=[json_params_matcher(sent)])
    craftkit.emails.send(RENDER, "ü@exämple", recipient_name="x" * 200, message="x" * 2_000)


@pytest.mark.parametrize(
    "to",
    [
        "",
        "acme.com",
        "@acme.com",
        "client@",
        "@",
        "client @acme.com",
        " client@acme.com",
        "client@acme.com\n",
        "client@acme.com\x00",
        "client@acme.com,boss@acme.com",
        "Jane <client@acme.com>",
        None,
        7,
        [TO],
    ],
)
def test_what_is_not_one_address_is_refused(craftkit: Craftkit, to: Any) -> None:
    with pytest.raises(InvalidData, match="'to'") as caught:
        craftkit.emails.send(RENDER, to)
    assert "acme" not in str(caught.value)
    assert caught.value.maybe_handled is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recipient_name", "x" * 201),
        ("recipient_name", 7),
        ("message", "x" * 2_001),
        ("message", b"x"),
        ("expires_at", datetime(2026, 12, 31)),  # noqa: DTZ001
    ],
)
def test_what_is_beyond_a_limit_is_named_and_not_sent(
    craftkit: Craftkit, name: str, value: Any
) -> None:
    with pytest.raises(InvalidData, match=f"'{name}'") as caught:
        craftkit.emails.send(RENDER, TO, **{name: value})
    assert "xxx" not in str(caught.value)


def test_a_moment_after_all_time_is_refused(craftkit: Craftkit) -> None:
    late = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))
    with pytest.raises(InvalidData):
        craftkit.emails.send(RENDER, TO, expires_at=late)


@pytest.mark.parametrize(
    ("status", "code", "kind", "handled"),
    [
        (400, "invalid_request", InvalidRequest, False),
        (404, "not_found", NotFound, False),
        (409, "not_ready", Conflict, False),
        (502, "email_send_failed", ServerError, True),
        (503, "email_not_configured", ServerError, False),
        (500, "internal", ServerError, True),
        (503, "", ServerError, True),
    ],
)
def test_a_refused_mail_is_not_tried_again(
    api: responses.RequestsMock,
    craftkit: Craftkit,
    status: int,
    code: str,
    kind: type[CraftkitError],
    handled: bool,
) -> None:
    api.post(URL, json=refusal(code), status=status)
    with pytest.raises(CraftkitError) as caught:
        craftkit.emails.send(RENDER, TO)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.maybe_handled) == (code, handled)
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (requests.exceptions.ReadTimeout(), CraftkitTimeout),
        (requests.exceptions.ConnectionError(ConnectionResetError()), CraftkitError),
    ],
)
def test_no_second_mail_goes_out_after_a_lost_answer(
    api: responses.RequestsMock, craftkit: Craftkit, failure: Exception, kind: type[CraftkitError]
) -> None:
    api.post(URL, body=failure)
    with pytest.raises(kind) as caught:
        craftkit.emails.send(RENDER, TO)
    assert caught.value.maybe_handled is True
    assert len(api.calls) == 1


def test_a_mail_that_was_not_taken_on_is_tried_again(
    api: responses.RequestsMock, craftkit: Craftkit, pauses: list[float]
) -> None:
    api.post(URL, status=429, headers={"Retry-After": "3"})
    api.post(URL, json=MAILED, status=201)
    assert craftkit.emails.send(RENDER, TO).message_id == "re_1"
    assert pauses == [3.0]


@pytest.mark.parametrize("name", ["id"])
@pytest.mark.parametrize("value", [..., None, 7, {}])
def test_a_mail_of_which_something_is_not_said_may_have_gone_out(
    api: responses.RequestsMock, craftkit: Craftkit, name: str, value: Any
) -> None:
    body: dict[str, Any] = {key: item for key, item in MAILED.items() if key != name}
    if value is not ...:
        body[name] = value
    api.post(URL, json=body, status=201)
    with pytest.raises(InvalidResponse, match=f"'{name}'") as caught:
        craftkit.emails.send(RENDER, TO)
    assert caught.value.maybe_handled is True
    assert "cks_secret" not in f"{caught.value} {caught.value.body}"
    assert len(api.calls) == 1


def test_a_link_that_is_no_address_stands_in_no_page(
    api: responses.RequestsMock, craftkit: Craftkit
) -> None:
    api.post(URL, json=MAILED | {"shareUrl": "javascript:alert(1)"}, status=201)
    sent = craftkit.emails.send(RENDER, TO)
    assert (sent.url, sent.unreadable, sent.message_id) == ("", {"shareUrl": None}, "re_1")


def test_an_error_does_not_tell_whom_the_mail_was_for(
    api: responses.RequestsMock, once: Craftkit
) -> None:
    api.post(URL, json=refusal("email_send_failed"), status=502)
    with pytest.raises(ServerError) as caught:
        once.emails.send(RENDER, TO, recipient_name="Jane Doe", message="Secret.")
    assert str(caught.value) == (f"No. (502 email_send_failed, POST /v1/renders/{RENDER}/email)")
    for told in (TO, "Jane Doe", "Secret."):
        assert told not in repr(vars(caught.value))
