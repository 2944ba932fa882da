"""What Craftkit says of a request and its people, in an answer or a webhook."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from django_craftkit.client import (
    Craftkit,
    SignatureNotice,
    SignatureRequest,
)
from tests.client.conftest import RENDER, Api
from tests.client.signatures.helpers import (
    COMPLETED,
    NOTICE,
    RECIPIENT,
    REQUEST,
    SENT,
    URL,
)


def test_a_request_is_read(api: Api, craftkit: Craftkit) -> None:
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


def test_a_recipient_that_is_none_is_left_out() -> None:
    request = SignatureRequest.from_json(SENT | {"recipients": ["Jane", RECIPIENT]})
    assert [one.email for one in request.recipients] == ["jane@example.com"]
    assert request.unreadable == {"recipients": ["Jane"]}


def test_what_was_read_is_a_value() -> None:
    noted = SignatureRequest.from_json(SENT | {"errorMessage": "Jane said no"})
    assert len({noted, SignatureRequest.from_json(SENT)}) == 2
    assert hash(SignatureNotice.from_webhook(NOTICE | {"reason": "Jane said no", "by": "Jane"}))


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
