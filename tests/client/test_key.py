"""Where the key goes, and where it never shows; which settings are refused."""

from __future__ import annotations

import copy
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import requests

from django_craftkit.client import Craftkit, CraftkitError, InvalidResponse, transport

from .conftest import BASE, KEY, QUEUED, RENDER, Api, Serve, answers, client, nobody, says
from .test_frames import everything

if TYPE_CHECKING:
    from pathlib import Path

URL = f"{BASE}/v1/renders/{RENDER}"


def test_the_key_shows_nowhere(craftkit: Craftkit) -> None:
    assert repr(craftkit) == f"<Craftkit at {BASE}>"
    hidden = transport.Secret(KEY)
    assert KEY not in f"{hidden} {hidden!r}"
    with pytest.raises(TypeError):
        pickle.dumps(hidden)
    assert copy.deepcopy(hidden) is copy.copy(hidden) is hidden
    assert (hidden == transport.Secret(KEY), hidden == transport.Secret("x")) == (True, False)
    assert len({hidden, transport.Secret(KEY)}) == 1
    assert (bool(hidden), bool(transport.Secret(""))) == (True, False)
    todo, seen = [craftkit], set()
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        assert KEY not in repr(thing)
        todo += list(vars(thing).values()) if hasattr(thing, "__dict__") else []


def test_no_error_page_shows_the_key(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = b'{"error": {"message": "Authorization: Bearer ' + KEY.encode() + b'"}}'
    for url in (
        serve(answers(500, echo)).url,
        serve(answers(400, echo)).url,
        serve(answers(302, echo, "Location: http://127.0.0.1:1/")).url,
        serve(answers(200, KEY.encode())).url,
        serve(says(b"")).url,
        serve(says(b"garbage\r\n\r\n")).url,
        nobody(),
    ):
        with pytest.raises(CraftkitError) as caught:
            Craftkit(KEY, base_url=url, max_retries=1).renders.get(RENDER)
        assert all(KEY not in text for text in everything(caught.value))
        assert caught.value.__context__ is None
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", ["", "   ", "\n", None, 7, "a b", "a\nb", "kéy"])
def test_a_key_that_is_none_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises(ValueError, match="API key") as caught:
        Craftkit(key)
    if isinstance(key, str) and key.strip():
        assert all(repr(key)[1:-1] not in text for text in everything(caught.value))


def test_white_space_around_a_key_is_dropped(api: Api) -> None:
    api.get(URL, json=QUEUED)
    Craftkit(f"  {KEY}\n").renders.get(RENDER)
    assert api.calls[0].request.headers["Authorization"] == f"Bearer {KEY}"


def test_a_redirect_is_refused_and_its_host_never_asked(serve: Serve) -> None:
    other = serve(answers(200, b"{}"))
    for location in (other.url, f"{other.url}/v1/renders/x", "/v1/renders/x", "http://[", "\xff"):
        server = serve(answers(307, b"", f"Location: {location}".encode().decode("latin-1")))
        for call in (
            lambda: client(server).renders.get(RENDER),  # noqa: B023
            lambda: client(server).renders.render("x", {}),  # noqa: B023
            lambda: client(server).renders.download(RENDER),  # noqa: B023
            lambda: client(server).health(),  # noqa: B023
        ):
            with pytest.raises(InvalidResponse, match="redirect") as caught:
                call()
            assert caught.value.status == 307
            assert caught.value.maybe_handled is True
        assert len(server.requests) == 4
    assert other.requests == []


def test_the_key_goes_to_one_origin_only() -> None:
    bearer = transport.Bearer(transport.Secret(KEY), "https://api.craftkit.dev/base")
    for url, sent in [
        ("https://api.craftkit.dev/v1/x", True),
        ("https://api.craftkit.dev:443/v1/x", True),
        ("https://API.craftkit.dev/v1/x", True),
        ("http://api.craftkit.dev/v1/x", False),
        ("https://api.craftkit.dev:8443/v1/x", False),
        ("https://www.craftkit.dev/v1/x", False),
        ("https://api.craftkit.dev.evil.example/v1/x", False),
        ("https://api.craftkit.dev@evil.example/v1/x", False),
    ]:
        prepared = bearer(requests.Request("GET", url).prepare())
        assert ("Authorization" in prepared.headers) is sent, url


def test_netrc_adds_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password lovelace\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(answers(200, b'{"status": "ok"}'))
    client(server).health()
    assert b"authorization" not in server.requests[0].lower()
    with pytest.raises(InvalidResponse):
        client(server).renders.get(RENDER)
    assert f"Authorization: Bearer {KEY}".encode() in server.requests[1]


def test_cookies_are_not_kept(serve: Serve) -> None:
    server = serve(answers(200, b'{"status": "ok"}', "Set-Cookie: a=b; Path=/"))
    craftkit = client(server)
    craftkit.health()
    craftkit.health()
    assert b"Cookie" not in server.requests[1]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.craftkit.dev",
        "ftp://api.craftkit.dev",
        "https://",
        "https://ada:secret@api.craftkit.dev",
        "https://api.craftkit.dev?x=1",
        "https://api.craftkit.dev#x",
        "https://api.craft kit.dev",
        "https://api.craftkit.dev:99999",
        "https://[",
        "https://api.craftkit.dev\\@evil.example",
        "https://*.craftkit.dev",
        "https://api.craftkit.dev/v1",
        "https://api.craftkit.dev/v1/",
        None,
    ],
)
def test_an_address_that_cant_be_called_is_refused(url: Any) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        Craftkit(KEY, base_url=url)
    assert "secret" not in str(caught.value)


def test_an_address_is_tidied() -> None:
    assert Craftkit(KEY, base_url=" http://localhost:3000/ ").base_url == "http://localhost:3000"
    assert Craftkit(KEY, base_url="https://proxy/craftkit//").base_url == "https://proxy/craftkit"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("timeout", value) for value in (None, 0, -1, True, float("inf"), (1,), (1, None), "3")),
        *(("max_retries", value) for value in (-1, 1.5, None, True)),
        *(("max_download_bytes", value) for value in (0, -1, 1.5, None, True, "100")),
    ],
)
def test_an_option_that_cant_be_used_is_named(name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=name):
        Craftkit(KEY, **options)
