"""Inbound hooks: the token in the path, the signature over the body."""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import Any
from uuid import UUID

import pytest
import requests
from responses.matchers import json_params_matcher
from urllib3.util import Retry

from django_craftkit.client import (
    AuthenticationError,
    Conflict,
    CraftkitError,
    CraftkitHook,
    InvalidData,
    InvalidRequest,
    NotFound,
    Secret,
    ServerError,
)

from .conftest import BASE, QUEUED, RENDER, Api, Serve, answers, nobody, refusal

TOKEN = "whk_0123456789"
SECRET = "whsec_abcdef"
URL = f"{BASE}/v1/hooks/{TOKEN}"
DATA = {"customer": {"name": "Ädä"}, "total": 49.95}


def test_a_hook_makes_a_document_without_a_key(api: Api) -> None:
    api.post(URL, json=QUEUED, status=202, match=[json_params_matcher(DATA)])
    render = CraftkitHook(TOKEN).render(DATA)
    assert (render.id, render.status, render.extra) == (UUID(RENDER), "queued", {})
    sent = api.calls[0].request.headers
    assert "Authorization" not in sent
    assert "X-Craftkit-Signature" not in sent


def test_a_hook_with_a_secret_signs_the_bytes_that_it_sends(api: Api) -> None:
    api.post(URL, json=QUEUED, status=202)
    CraftkitHook(Secret(TOKEN), SECRET).render(DATA)
    request = api.calls[0].request
    assert isinstance(request.body, bytes)
    mac = hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Craftkit-Signature"] == mac


def test_an_adapter_that_repeats_calls_logs_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    retry = Retry(1, backoff_factor=0, allowed_methods=None)
    hook = CraftkitHook(
        TOKEN, base_url=nobody(), adapter=lambda: requests.adapters.HTTPAdapter(max_retries=retry)
    )
    with pytest.raises(CraftkitError):
        hook.render({})
    assert "Incremented Retry" in caplog.text
    assert TOKEN not in caplog.text


def test_a_token_stays_one_part_of_the_path(serve: Serve) -> None:
    server = serve(answers(404, b'{"error": {"code": "invalid_token"}}'))
    for token, quoted in [("../projects", "..%2Fprojects"), ("a?b#c", "a%3Fb%23c")]:
        with pytest.raises(NotFound):
            CraftkitHook(token, base_url=server.url).render({})
        assert server.requests[-1].split(b" ")[1].decode() == f"/v1/hooks/{quoted}"
    for token in (".", ".."):
        with pytest.raises(ValueError, match="token of the hook"):
            CraftkitHook(token)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_input_data", InvalidRequest),
        (401, "invalid_signature", AuthenticationError),
        (404, "invalid_token", NotFound),
        (409, "no_published_version", Conflict),
    ],
)
def test_what_a_hook_refuses_is_told_apart(
    api: Api, status: int, code: str, kind: type[CraftkitError]
) -> None:
    api.post(URL, json=refusal(code), status=status)
    with pytest.raises(kind) as caught:
        CraftkitHook(TOKEN).render({})
    assert (caught.value.code, caught.value.maybe_handled) == (code, False)
    assert (caught.value.method, caught.value.path) == ("POST", "/v1/hooks/:token")
    assert len(api.calls) == 1


def test_a_lost_answer_makes_no_second_document(api: Api) -> None:
    api.post(URL, body=requests.exceptions.ReadTimeout())
    with pytest.raises(CraftkitError) as caught:
        CraftkitHook(TOKEN).render({})
    assert (len(api.calls), caught.value.maybe_handled) == (1, True)


def test_a_full_queue_is_tried_again(api: Api) -> None:
    api.post(URL, json=refusal("queue_unavailable"), status=503)
    api.post(URL, json=QUEUED, status=202)
    assert CraftkitHook(TOKEN).render({}).id == UUID(RENDER)


def test_a_failing_hook_is_not(api: Api) -> None:
    api.post(URL, json=refusal("internal"), status=500)
    with pytest.raises(ServerError):
        CraftkitHook(TOKEN).render({})
    assert len(api.calls) == 1


@pytest.mark.parametrize("data", [[], None, {"a": float("nan")}, {"a": object()}])
def test_what_are_no_data_is_not_sent(data: Any) -> None:
    with pytest.raises(InvalidData):
        CraftkitHook(TOKEN).render(data)


def test_an_empty_secret_is_refused() -> None:
    # It would sign, with what everybody knows.
    with pytest.raises(ValueError, match="secret"):
        CraftkitHook(TOKEN, " ")
