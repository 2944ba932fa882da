"""What holds for each client, whatever its credential: where that goes, and that it never shows."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit.client import (
    Actor,
    Craftkit,
    CraftkitAccount,
    CraftkitAdmin,
    CraftkitConnectionError,
    CraftkitError,
    CraftkitHook,
    CraftkitSession,
    InvalidResponse,
    Secret,
    Tenant,
)
from django_craftkit.client.transport import JSON_LIMIT

from .conftest import KEY, Serve, answers, nobody
from .embed.helpers import MINTED, SESSION
from .test_account import ID, KEYED, PROVISIONED
from .test_frames import everything

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

#: By what it is for: how it is made of its credential, a call of it, and an answer to that.
CLIENTS: dict[str, tuple[Make, Callable[[Any], Any], dict[str, Any]]] = {
    "project": (
        Craftkit,
        lambda craftkit: craftkit.embed.create_session(Tenant("a", "A"), Actor("b")),
        MINTED,
    ),
    "session": (
        CraftkitSession,
        lambda session: session.upload_image(SESSION, b"GIF89a"),
        {"url": "https://cdn.example/a.gif"},
    ),
    "hook": (
        CraftkitHook,
        lambda hook: hook.render({}),
        {"id": ID, "status": "queued"},
    ),
    "account": (
        CraftkitAccount,
        lambda account: account.projects.create_key(ID),
        KEYED,
    ),
    "admin": (CraftkitAdmin, lambda admin: admin.provision("org_1", "Acme"), PROVISIONED),
}
#: Secrets of answers.
RETURNED = [
    MINTED["session_token"],
    MINTED["renew_token"],
    KEYED["key"],
]

each = pytest.mark.parametrize("name", CLIENTS)


@each
def test_a_client_hides_its_credential(name: str) -> None:
    make, _call, _answer = CLIENTS[name]
    for credential in (KEY, Secret(KEY), f" {KEY}\n"):
        made = make(credential)
        assert repr(made) == f"<{type(made).__name__} at https://api.craftkit.dev>"
        todo, seen = [made], set()
        while todo:
            thing = todo.pop()
            if id(thing) not in seen:
                seen.add(id(thing))
                assert KEY not in repr(thing)
                todo += list(vars(thing).values()) if hasattr(thing, "__dict__") else []


@each
@pytest.mark.parametrize(
    "credential", ["", "  ", None, 7, "a b", "a\nb", "kéy", "\ud800", Secret("")]
)
def test_a_credential_that_is_none_is_refused_and_not_shown(name: str, credential: Any) -> None:
    make, _call, _answer = CLIENTS[name]
    with pytest.raises(ValueError, match=r"empty|characters") as caught:
        make(credential)
    if isinstance(credential, str) and credential.strip():
        assert all(repr(credential)[1:-1] not in text for text in everything(caught.value))


@each
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("base_url", "https://ada:secret@api.craftkit.dev"),
        ("timeout", 0),
        ("max_retries", -1),
        ("max_download_bytes", 0),
    ],
)
def test_an_option_that_cant_be_used_is_named(name: str, option: str, value: Any) -> None:
    make, _call, _answer = CLIENTS[name]
    with pytest.raises(ValueError, match=option) as caught:
        make(KEY, **{option: value})
    # The test itself says what it gives.
    shown = [text for text in everything(caught.value) if "secret@" not in text]
    assert all(KEY not in text for text in shown)


def call(name: str, url: str) -> None:
    # Not the answer: error pages would show it here.
    make, act = CLIENTS[name][:2]
    act(make(KEY, base_url=url, max_retries=0))


@each
def test_an_answer_is_taken_once(serve: Serve, name: str) -> None:
    _make, _call, answer = CLIENTS[name]
    server = serve(answers(200, json.dumps(answer).encode()))
    call(name, server.url)
    (request,) = server.requests
    assert KEY.encode() in request


@each
def test_a_redirect_is_not_followed(serve: Serve, name: str) -> None:
    other = serve(answers(200, b"{}"))
    server = serve(answers(307, b"", f"Location: {other.url}/v1/x"))
    with pytest.raises(InvalidResponse, match="redirect"):
        call(name, server.url)
    assert other.requests == []


@each
def test_an_answer_without_end_is_left(serve: Serve, name: str) -> None:
    server = serve(answers(200, b'{"a": "' + b"x" * (JSON_LIMIT + 1_000_000), length=50_000_000))
    with pytest.raises(InvalidResponse, match="larger"):
        call(name, server.url)


#: Answers that echo a credential, or hold another, and can't be read.
ODD: dict[str, Callable[[bytes], bytes]] = {
    "echo": lambda answer: b'{"error": {"message": "' + KEY.encode() + b'"}}',
    "page": lambda answer: b"<html>POST /v1/hooks/" + KEY.encode() + b"</html>",
    "cut": lambda answer: answer[:-3],
    "in a list": lambda answer: b"[" + answer + b"]",
    "empty": lambda answer: b"{}",
}


@each
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("status", [200, 401, 502])
def test_no_error_and_no_log_shows_a_secret(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    name: str,
    status: int,
    odd: Callable[[bytes], bytes],
) -> None:
    caplog.set_level(logging.DEBUG)
    content = odd(json.dumps(CLIENTS[name][2]).encode())
    with pytest.raises(CraftkitError) as caught:
        call(name, serve(answers(status, content)).url)
    for text in [*everything(caught.value), caplog.text]:
        assert KEY not in text
        assert not any(secret in text for secret in RETURNED), status
    assert "POST /v1/" in caplog.text


@each
def test_no_failure_below_http_shows_a_secret(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(CraftkitConnectionError) as caught:
        call(name, nobody())
    assert caught.value.maybe_handled is False
    assert all(KEY not in text for text in [*everything(caught.value), caplog.text])
