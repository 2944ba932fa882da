from __future__ import annotations

import gc
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from hypothesis import example, given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from responses.registries import OrderedRegistry

from django_craftkit.client import (
    Craftkit,
    CraftkitConnectionError,
    CraftkitError,
    CraftkitTimeout,
    InvalidData,
    InvalidResponse,
    NotFound,
    RateLimited,
    ServerError,
    encoding,
    pooling,
    transport,
)

from .conftest import (
    BASE,
    KEY,
    MANIFEST,
    QUEUED,
    RENDER,
    SHARE,
    SHARED,
    Api,
    Serve,
    answers,
    client,
    failing,
    nobody,
    says,
)
from .dripping import Peer, certificate, secured, well
from .test_errors import ENVELOPES, _json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

URL = f"{BASE}/v1/renders/{RENDER}"
RENDER_URL = f"{BASE}/v1/templates/invoice/render"
NO_QUEUE = {"error": {"code": "queue_unavailable", "message": "No queue."}}


# Sessions


@pytest.fixture
def adapters() -> list[HTTPAdapter]:
    return []


@pytest.fixture
def counted(serve: Serve, adapters: list[HTTPAdapter]) -> Craftkit:
    def adapter() -> HTTPAdapter:
        adapters.append(HTTPAdapter())
        return adapters[-1]

    return client(serve(answers(200, b'{"status": "ok"}')), adapter=adapter)


def test_a_session_is_made_when_it_is_first_used(
    counted: Craftkit, adapters: list[HTTPAdapter]
) -> None:
    assert adapters == []
    counted.health()
    counted.health()
    assert len(adapters) == 1


def test_threads_share_no_session(counted: Craftkit, adapters: list[HTTPAdapter]) -> None:
    barrier = threading.Barrier(3)

    def work() -> None:
        barrier.wait()
        counted.health()
        counted.health()

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work) for _ in range(3)]:
            done.result()
    assert len(adapters) == 3


def test_a_forked_process_makes_a_session_of_its_own(
    counted: Craftkit, adapters: list[HTTPAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted.health()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    counted.health()
    assert len(adapters) == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_thread_that_ends_leaves_no_connection(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the collector of garbage: a thread a call would open more than there are."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate()))
    hung_up = threading.Event()

    def answer(connection: socket.socket) -> None:
        well(connection)
        hung_up.set()

    peer = Peer(secured(answer) if scheme == "https" else answer)
    craftkit = Craftkit(KEY, base_url=peer.url(scheme))
    gc.disable()
    try:
        thread = threading.Thread(target=lambda: [craftkit.health(), craftkit.health()])
        thread.start()
        thread.join(30)
        assert len(peer.threads) == 1
        assert hung_up.wait(10)
    finally:
        gc.enable()
        peer.close()


def test_the_environment_is_read_once_a_session(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answers(200, b'{"status": "ok"}'))
    proxy = serve(answers(200, b'{"status": "degraded"}'))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    early = client(server)
    assert early.health().status == "degraded"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert early.health().status == "degraded"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(early.health).result().status == "ok"
    assert client(server).health().status == "ok"


@example(base=BASE, method="GET", parts=[], query={}, body=b"", headers={})
@given(
    base=st.sampled_from(
        [
            BASE,
            "http://localhost:3000",
            "https://API.craftkit.dev/",
            "https://proxy/craftkit",
            "https://proxy/a/../b%7e/ä//c",
            "https://münchen.example:8443",
            "http://[::1]:80/x",
        ]
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    parts=st.lists(st.text(min_size=1).filter(lambda text: text not in (".", ".."))),
    query=st.dictionaries(st.text(min_size=1), st.text()),
    body=st.none() | st.binary(),
    headers=st.dictionaries(
        st.sampled_from(["Accept", "Accept-Encoding", "Content-Type", "Idempotency-Key"]),
        st.text("abc/ ;=", min_size=1).map(str.strip).filter(bool),
    ),
)
def test_a_call_is_what_requests_would_make_of_it(
    base: str,
    method: str,
    parts: list[str],
    query: dict[str, str],
    body: bytes | None,
    headers: dict[str, str],
) -> None:
    try:
        target = encoding.path(*parts, "v1") + encoding.query(**query)
    except InvalidData:
        return
    url = Craftkit(KEY, base_url=base).base_url
    session = pooling.Session(pooling.as_called(url), None)
    ours = session.prepared(method, target, body, headers)
    theirs = session.prepare_request(
        requests.Request(method, url + target, headers=headers, data=body, auth=lambda made: made)
    )
    assert (ours.method, ours.url, ours.body) == (theirs.method, theirs.url, theirs.body)
    assert dict(ours.headers) == dict(theirs.headers)
    assert ours.path_url == theirs.path_url


# What a failure proves


def unsent(craftkit: Craftkit, match: str | None = None) -> CraftkitConnectionError:
    """Make a link, which fails and proves that nothing was sent."""
    with pytest.raises(CraftkitConnectionError, match=match) as caught:
        craftkit.shares.create(RENDER)
    assert caught.value.maybe_handled is False
    return caught.value


def test_a_refused_connection_was_not_handled(pauses: list[float]) -> None:
    error = unsent(Craftkit(KEY, base_url=nobody()))
    assert not isinstance(error, CraftkitTimeout)
    assert str(error) == (
        "Craftkit could not be reached (ConnectionRefusedError)."
        f" (POST /v1/renders/{RENDER}/shares)"
    )
    assert len(pauses) == 2


def test_an_unknown_host_was_not_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", failing(lambda: unknown))
    unsent(Craftkit(KEY, max_retries=0), match="resolved")


def test_a_connection_that_takes_too_long_was_not_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("urllib3.util.connection.create_connection", failing(TimeoutError))
    error = unsent(Craftkit(KEY, max_retries=0), match="reached in time")
    assert isinstance(error, CraftkitTimeout)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_down_was_not_passed(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", nobody())
    unsent(Craftkit(KEY, base_url=f"{scheme}://craftkit.test", max_retries=0))


def test_a_proxy_that_refuses_was_not_passed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(answers(403, b""))
    monkeypatch.setenv("https_proxy", proxy.url)
    unsent(Craftkit(KEY, base_url="https://craftkit.test", max_retries=0), match="proxy")
    assert KEY.encode() not in proxy.requests[0]


def test_a_call_that_could_not_be_made_was_not_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    error = unsent(Craftkit(KEY, max_retries=0), match="certificates")
    assert "nowhere" not in str(error)


@pytest.mark.parametrize("begin", [says(b""), answers(201, b'{"id"', length=500)])
def test_an_answer_that_does_not_come_whole_may_have_been_handled(serve: Serve, begin: Any) -> None:
    release = threading.Event()

    def stall(connection: socket.socket) -> None:
        begin(connection)
        release.wait(5)

    server = serve(stall)
    try:
        with pytest.raises(CraftkitTimeout) as caught:
            client(server, timeout=(1.0, 0.05)).shares.create(RENDER)
    finally:
        release.set()
    assert caught.value.maybe_handled is True


@pytest.mark.parametrize(
    "script",
    [
        says(b""),
        says(b"HTTP/1.1 200"),
        says(b"\x00\xff\r\n\r\n"),
        answers(201, b'{"id"', length=500),
        says(b"HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        says(b"HTTP/1.1 201 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
    ],
    ids=["cut", "half", "garbage", "short", "chunks", "gzip"],
)
def test_a_cut_answer_may_have_been_handled(serve: Serve, script: Any) -> None:
    server = serve(script)
    with pytest.raises((CraftkitConnectionError, InvalidResponse)) as caught:
        client(server, max_retries=2).shares.create(RENDER)
    assert caught.value.maybe_handled is True
    assert len(server.requests) == 1


def test_a_status_counts_even_if_its_body_is_cut(serve: Serve) -> None:
    server = serve(answers(404, b'{"error"', length=500))
    with pytest.raises(NotFound):
        client(server).renders.get(RENDER)


def test_an_endless_answer_is_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "JSON_LIMIT", 100_000)
    server = serve(answers(200, b'{"id": "' + b"x" * 200_000 + b'"}', length=10**9))
    with pytest.raises(InvalidResponse, match="larger than"):
        client(server).renders.get(RENDER)
    failing = serve(answers(500, b"x" * 400_000, length=10**9))
    with pytest.raises(ServerError):
        client(failing).renders.get(RENDER)


# Trying again


@pytest.fixture
def ordered() -> Iterator[Api]:
    with responses.RequestsMock(registry=OrderedRegistry) as mock:
        yield mock


def test_a_read_is_tried_again_with_growing_pauses(ordered: Api, pauses: list[float]) -> None:
    ordered.get(URL, status=500)
    ordered.get(URL, body=requests.exceptions.ReadTimeout())
    ordered.get(URL, json=QUEUED)
    assert Craftkit(KEY).renders.get(RENDER).status == "queued"
    assert len(pauses) == 2
    assert 0 <= pauses[0] <= 1
    assert 0 <= pauses[1] <= 2


def test_a_render_with_its_key_is_tried_again_with_the_same_key(ordered: Api) -> None:
    ordered.post(RENDER_URL, body=requests.exceptions.ReadTimeout())
    ordered.post(RENDER_URL, json=QUEUED, status=200)
    render = Craftkit(KEY).renders.render("invoice", {"a": 1}, idempotency_key="k")
    assert render.replayed is True
    assert [call.request.headers["Idempotency-Key"] for call in ordered.calls] == ["k", "k"]
    assert [call.request.body for call in ordered.calls] == [b'{"data":{"a":1}}'] * 2


UNREPEATABLE: dict[str, Callable[[Craftkit], Any]] = {
    "render": lambda craftkit: craftkit.renders.render("invoice", {}),
    "create": lambda craftkit: craftkit.templates.create("n", MANIFEST),
    "put": lambda craftkit: craftkit.templates.put("invoice", "n", MANIFEST),
    "share": lambda craftkit: craftkit.shares.create(RENDER),
    "email": lambda craftkit: craftkit.emails.send(RENDER, "a@example.com"),
    "track": lambda craftkit: craftkit.engagement.track(RENDER, "viewed"),
}


@pytest.mark.parametrize("call", UNREPEATABLE.values(), ids=UNREPEATABLE)
@pytest.mark.parametrize(
    ("script", "tries"),
    [
        (says(b""), 1),
        (answers(500, b""), 1),
        (answers(503, b""), 1),
        (answers(503, _json(NO_QUEUE).encode()), 3),
        (answers(503, b'{"error": "email_not_configured"}'), 1),
        (answers(503, b'{"error": "signatures_unavailable"}'), 1),
        (answers(429, b"", "Retry-After: 1"), 3),
        (answers(429, b"", "Retry-After: 31"), 1),
        (answers(402, b""), 1),
        (answers(200, b"[]"), 1),
    ],
)
def test_a_call_without_a_key_is_only_repeated_where_nothing_was_done(
    serve: Serve, call: Callable[[Craftkit], Any], script: Any, tries: int
) -> None:
    server = serve(script)
    with pytest.raises(CraftkitError):
        call(client(server, max_retries=2))
    assert len(server.requests) == tries


def test_craftkits_pause_is_kept(ordered: Api, pauses: list[float]) -> None:
    ordered.get(URL, status=429, headers={"Retry-After": "7"})
    ordered.get(URL, json=QUEUED)
    Craftkit(KEY).renders.get(RENDER)
    assert pauses == [7.0]


def test_a_long_pause_is_left_to_the_caller(
    api: Api, craftkit: Craftkit, pauses: list[float]
) -> None:
    api.get(URL, status=429, headers={"Retry-After": "31"})
    with pytest.raises(RateLimited) as caught:
        craftkit.renders.get(RENDER)
    assert caught.value.retry_after == 31
    assert pauses == []


def test_retries_can_be_switched_off(api: Api, once: Craftkit, pauses: list[float]) -> None:
    api.get(URL, status=500)
    with pytest.raises(ServerError):
        once.renders.get(RENDER)
    assert pauses == []


def test_what_an_earlier_try_may_have_done_is_not_forgotten(ordered: Api) -> None:
    url = f"{BASE}/v1/renders/{RENDER}/shares/{SHARE}"
    ordered.delete(url, body=requests.exceptions.ReadTimeout())
    ordered.delete(url, json={"error": {"code": "not_found"}}, status=404)
    with pytest.raises(NotFound) as caught:
        Craftkit(KEY).shares.revoke(RENDER, SHARE)
    assert caught.value.maybe_handled is True


# Any answer


@given(
    status=st.integers(200, 599),
    body=st.binary() | ENVELOPES.map(_json) | st.just(_json(SHARED)),
    pause=st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)
def test_no_answer_raises_anything_but_our_errors(status: int, body: Any, pause: str) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        headers = {"Retry-After": pause, "Location": pause}
        api.post(RENDER_URL, body=body, status=status, headers=headers)
        api.get(f"{BASE}/v1/health", body=body, status=status, headers=headers)
        for call in (Craftkit.health, UNREPEATABLE["render"]):
            with suppress(CraftkitError):
                call(Craftkit(KEY, max_retries=0))
