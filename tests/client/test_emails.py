from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from responses.matchers import json_params_matcher

from django_craftkit.client import (
    Craftkit,
    InvalidData,
    InvalidResponse,
    ServerError,
)

from .conftest import BASE, MAILED, RENDER, SHARE, Api, refusal

URL = f"{BASE}/v1/renders/{RENDER}/email"
TO = "client@acme.com"


def test_a_mail_is_sent(api: Api, craftkit: Craftkit) -> None:
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


def test_a_plain_mail_sends_its_address_and_nothing_else(api: Api, craftkit: Craftkit) -> None:
    api.post(URL, json=MAILED, status=201, match=[json_params_matcher({"to": TO})])
    email = craftkit.emails.send(RENDER, TO)
    assert "Idempotency-Key" not in api.calls[0].request.headers
    assert "cks_secret" not in repr(email)
    assert hash(email)


def test_what_is_at_its_limit_is_sent(api: Api, craftkit: Craftkit) -> None:
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
        ("expires_at", "2026-12-31T00:00:00Z"),
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


def test_a_mail_that_was_not_taken_on_is_tried_again(
    api: Api, craftkit: Craftkit, pauses: list[float]
) -> None:
    api.post(URL, status=429, headers={"Retry-After": "3"})
    api.post(URL, json=MAILED, status=201)
    assert craftkit.emails.send(RENDER, TO).message_id == "re_1"
    assert pauses == [3.0]


@pytest.mark.parametrize("said", [{}, {"id": None}, {"id": 7}, {"id": {}}])
def test_a_mail_whose_id_is_not_said_may_have_gone_out(
    api: Api, craftkit: Craftkit, said: dict[str, Any]
) -> None:
    body = {name: value for name, value in MAILED.items() if name != "id"} | said
    api.post(URL, json=body, status=201)
    with pytest.raises(InvalidResponse, match="'id'") as caught:
        craftkit.emails.send(RENDER, TO)
    assert caught.value.maybe_handled is True
    assert "cks_secret" not in f"{caught.value} {caught.value.body}"
    assert len(api.calls) == 1


def test_a_link_that_is_no_address_stands_in_no_page(api: Api, craftkit: Craftkit) -> None:
    api.post(URL, json=MAILED | {"shareUrl": "javascript:alert(1)"}, status=201)
    sent = craftkit.emails.send(RENDER, TO)
    assert (sent.url, sent.unreadable, sent.message_id) == ("", {"shareUrl": None}, "re_1")


def test_an_error_does_not_tell_whom_the_mail_was_for(api: Api, once: Craftkit) -> None:
    api.post(URL, json=refusal("email_send_failed"), status=502)
    with pytest.raises(ServerError) as caught:
        once.emails.send(RENDER, TO, recipient_name="Jane Doe", message="Secret.")
    assert str(caught.value) == (f"No. (502 email_send_failed, POST /v1/renders/{RENDER}/email)")
    for told in (TO, "Jane Doe", "Secret."):
        assert told not in repr(vars(caught.value))
