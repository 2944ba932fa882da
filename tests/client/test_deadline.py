"""No call takes longer than its timeout, however the other side holds it."""

from __future__ import annotations

import contextlib
import pkgutil
import select
import socket
import threading
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.util import Retry

from django_craftkit.client import (
    Craftkit,
    CraftkitError,
    CraftkitTimeout,
    RateLimited,
    ServerError,
)
from django_craftkit.client.deadline import within

from .conftest import BASE, KEY, QUEUED, RENDER, Api, Serve, answers
from .dripping import (
    HEALTHY,
    LONGEST,
    OK,
    Peer,
    Script,
    certificate,
    drips,
    half_a_record,
    head_of,
    never_shakes_hands,
    says_nothing,
    secured,
    sips,
    well,
)
from .test_errors import _json

SECONDS = 0.5
MUCH = SECONDS + 4
"""Seconds: 1 more than `SECONDS` is promised, and the machine may be busy. A peer holds for 20."""

Meet = Callable[..., Peer]

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def meet() -> Iterator[Meet]:
    peers: list[Peer] = []

    def start(script: Script, **options: Any) -> Peer:
        peers.append(Peer(script, **options))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate()))


def client(url: str, **options: Any) -> Craftkit:
    return Craftkit(KEY, base_url=url, **({"timeout": SECONDS, "max_retries": 0} | options))


def held(act: Callable[[], Any], kind: type[CraftkitError] = CraftkitTimeout) -> CraftkitError:
    """Do what a peer holds; return what ends it in time."""
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        act()
    assert time.monotonic() - began < MUCH
    return caught.value


def may_have_shared(craftkit: Craftkit) -> bool:
    """Make a link, which a peer holds; return whether Craftkit may have done so."""
    return held(lambda: craftkit.shares.create(RENDER)).maybe_handled


def forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def behind(scheme: str, script: Script) -> Script:
    return secured(script) if scheme == "https" else script


def all_at_once(act: Callable[[Any], None], cases: dict[str, Any]) -> None:
    """Do it with each case, and tell which ones failed: each takes the time that it is given."""
    with ThreadPoolExecutor(len(cases)) as pool:
        done = {name: pool.submit(act, case) for name, case in cases.items()}
    failed = {name: one.exception() for name, one in done.items() if one.exception()}
    assert not failed


# Answers


ANSWERS: dict[str, Callable[[], Script]] = {
    "status": lambda: drips(b"", OK),
    "headers": lambda: drips(OK, b"X-Y: z\r\n"),
    "header": lambda: drips(OK + b"X-Y: ", b"z"),
    "continue": lambda: drips(b"", forever(b"HTTP/1.1 100 Continue\r\n\r\n"), pause=0.001),
    "body": lambda: drips(OK + b"Content-Length: 100000\r\n\r\n", b" "),
    "body until the end": lambda: drips(OK + b"\r\n", b" "),
    "chunks": lambda: drips(CHUNKED, forever(b"1\r\n \r\n")),
    "size of a chunk": lambda: drips(CHUNKED, b"0"),
    "trailers": lambda: drips(CHUNKED + b"0\r\n", b"X-Y: z\r\n"),
    "gzip": lambda: drips(
        OK + b"Content-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n\x1f\x8b\x08\x10" + bytes(6),
        b"x",
    ),
    "nothing": lambda: says_nothing,
}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_that_drips_ends_with_the_timeout(meet: Meet, scheme: str) -> None:
    def ask(answer: Callable[[], Script]) -> None:
        peer = meet(behind(scheme, answer()))
        craftkit = client(peer.url(scheme), timeout=2 * SECONDS)
        assert may_have_shared(craftkit) is True
        assert len(peer.threads) == 1

    all_at_once(ask, ANSWERS)


def test_a_tls_record_that_drips_ends_with_the_timeout(meet: Meet) -> None:
    craftkit = client(meet(half_a_record).url("https"), timeout=2 * SECONDS)
    assert may_have_shared(craftkit) is True


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_status_counts_even_if_its_body_drips(meet: Meet, scheme: str) -> None:
    script = drips(b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n", b" ")
    craftkit = client(meet(behind(scheme, script)).url(scheme))
    held(lambda: craftkit.shares.create(RENDER), ServerError)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_body_that_is_read_slowly_ends_with_the_timeout(meet: Meet, scheme: str) -> None:
    craftkit = client(meet(behind(scheme, sips)).url(scheme), timeout=2 * SECONDS)
    error = held(lambda: craftkit.renders.render("invoice", {"text": "x" * 20_000_000}))
    assert error.maybe_handled is True


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_large_body_comes_whole(meet: Meet, scheme: str) -> None:
    got: list[int] = []

    def count(connection: socket.socket) -> None:
        head, _, body = head_of(connection).partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(1_000_000)
        got.append(len(body))
        body = _json(QUEUED).encode()
        connection.sendall(b"HTTP/1.1 202 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    craftkit = client(meet(behind(scheme, count)).url(scheme), timeout=30)
    craftkit.renders.render("invoice", {"text": "x" * 1_000_000})
    assert got == [len(b'{"data":{"text":""}}') + 1_000_000]


# Connecting


def tunnel(then: Script) -> Script:
    def script(connection: socket.socket) -> None:
        assert head_of(connection).startswith(b"CONNECT ")
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        then(connection)

    return script


PROXIES: dict[str, tuple[str, Script]] = {
    "answer": ("http", drips(b"", OK)),
    "headers": ("http", drips(OK, b"X-Y: z\r\n")),
    "handshake": ("http", tunnel(never_shakes_hands)),
    "own handshake": ("https", never_shakes_hands),
    "headers in TLS": ("https", secured(drips(OK, b"X-Y: z\r\n"))),
    "handshake in TLS": ("https", secured(tunnel(never_shakes_hands))),
}


@pytest.mark.parametrize("timeout", [SECONDS, (SECONDS, SECONDS), (30.0, SECONDS)])
def test_a_handshake_that_drips_proves_that_nothing_was_sent(meet: Meet, timeout: Any) -> None:
    peer = meet(never_shakes_hands)
    assert may_have_shared(client(peer.url("https"), timeout=timeout)) is False


@pytest.mark.parametrize(("scheme", "script"), PROXIES.values(), ids=PROXIES)
def test_a_proxy_that_drips_before_there_is_a_connection_proves_that_nothing_was_sent(
    meet: Meet, monkeypatch: pytest.MonkeyPatch, scheme: str, script: Script
) -> None:
    peer = meet(script, name="localhost")
    monkeypatch.setenv("https_proxy", peer.url(scheme))
    assert may_have_shared(client("https://craftkit.test")) is False
    assert len(peer.threads) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("answer", ["headers", "body"])
def test_an_answer_that_drips_through_a_proxy_ends_with_the_timeout(
    meet: Meet, monkeypatch: pytest.MonkeyPatch, scheme: str, answer: str
) -> None:
    through = tunnel(secured(ANSWERS[answer]()))
    if scheme == "https":
        # TLS in TLS, which Python's sockets can't wrap on this side.
        through = secured(tunnel(in_memory(ANSWERS[answer]())))
    peer = meet(through, name="localhost")
    monkeypatch.setenv("https_proxy", peer.url(scheme))
    craftkit = client("https://craftkit.test", timeout=2 * SECONDS)
    assert may_have_shared(craftkit) is True


def test_an_answer_that_drips_from_a_proxy_ends_with_the_timeout(
    meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", meet(drips(OK, b"X-Y: z\r\n")).url("http"))
    assert may_have_shared(client("http://craftkit.test")) is True


def in_memory(script: Script) -> Script:
    """A script behind TLS, over a connection that is TLS itself."""

    def between(connection: socket.socket) -> None:
        outside, inside = socket.socketpair()
        with outside, inside:
            server = threading.Thread(target=_quietly, args=(secured(script), inside), daemon=True)
            server.start()
            # By one thread: nobody may read a TLS connection while another writes to it.
            while ready := select.select([connection, outside], [], [], LONGEST)[0]:
                for one, other in ((outside, connection), (connection, outside)):
                    if one in ready:
                        if not (more := one.recv(65536)):
                            return
                        other.sendall(more)
                while connection.pending():
                    outside.sendall(connection.recv(65536))

    return between


def _quietly(script: Script, connection: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        script(connection)


def test_a_handshake_has_what_a_slow_proxy_left(
    meet: Meet, monkeypatch: pytest.MonkeyPatch, now: list[float]
) -> None:
    def later(connection: socket.socket) -> None:
        head_of(connection)
        # By now it waits for this, with the time that it had then.
        time.sleep(0.3)
        now[0] += 29.7
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        never_shakes_hands(connection)

    monkeypatch.setenv("https_proxy", meet(later).url("http"))
    assert may_have_shared(client("https://craftkit.test", timeout=30.0)) is False


def test_a_handshake_has_what_a_slow_address_left(
    meet: Meet, monkeypatch: pytest.MonkeyPatch, now: list[float]
) -> None:
    connect = urllib3.util.connection.create_connection

    def slow(*args: Any, **options: Any) -> Any:
        now[0] += 29.7
        return connect(*args, **options)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", slow)
    peer = meet(never_shakes_hands)
    assert may_have_shared(client(peer.url("https"), timeout=30.0)) is False


@pytest.mark.parametrize(
    "step",
    [
        "urllib3.util.connection.create_connection",
        "urllib3.connection._ssl_wrap_socket_and_match_hostname",
    ],
)
def test_a_connection_that_comes_about_too_late_proves_that_nothing_was_sent(
    meet: Meet, monkeypatch: pytest.MonkeyPatch, now: list[float], step: str
) -> None:
    got: list[bytes] = []
    peer = meet(secured(lambda connection: got.append(connection.recv(65536))))
    act = pkgutil.resolve_name(step)

    def late(*args: Any, **options: Any) -> Any:
        done = act(*args, **options)
        now[0] += 30
        return done

    monkeypatch.setattr(step, late)
    assert may_have_shared(client(peer.url("https"), timeout=30.0)) is False
    peer.close()
    assert got in ([], [b""])


@pytest.fixture
def full() -> Iterator[int]:
    """The port of somebody who takes no more connections, and refuses none."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port: int = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(("127.0.0.1", port))
        yield port
        for one in waiting:
            one.close()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def to(*ports: int, after: float = 0.0) -> None:
        def found(*args: Any, **options: Any) -> list[Any]:
            time.sleep(after)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports
            ]

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return to


@pytest.mark.parametrize("timeout", [SECONDS, (SECONDS, SECONDS), (30.0, SECONDS)])
def test_all_addresses_of_a_host_share_one_timeout(
    full: int, resolve: Callable[..., None], timeout: Any
) -> None:
    resolve(*[full] * 50)
    assert may_have_shared(client("http://craftkit.test", timeout=timeout)) is False


@pytest.mark.parametrize("timeout", [2.0, (0.3, 5.0)])
def test_an_address_that_does_not_answer_leaves_time_for_another(
    serve: Serve, full: int, resolve: Callable[..., None], timeout: Any
) -> None:
    server = serve(answers(200, b'{"status": "ok"}'))
    resolve(full, server.port)
    assert client("http://craftkit.test", timeout=timeout).health().status == "ok"


def test_a_name_that_is_found_too_late_proves_that_nothing_was_sent(
    serve: Serve, resolve: Callable[..., None]
) -> None:
    server = serve(answers(200, b'{"status": "ok"}'))
    resolve(server.port, after=SECONDS)
    assert may_have_shared(client("http://craftkit.test")) is False
    assert server.requests == []


# Tries, and those who wait


def test_all_tries_of_a_call_share_one_timeout(meet: Meet, pauses: list[float]) -> None:
    peer = meet(drips(OK, b"X-Y: z\r\n"))
    held(lambda: client(peer.url("http"), max_retries=3).renders.get(RENDER))
    assert len(peer.threads) == 1


def test_tries_of_the_projects_own_adapter_share_one_timeout(meet: Meet) -> None:
    peer = meet(drips(OK, b"X-Y: z\r\n"))
    retries = Retry(5, read=5, allowed_methods=None)
    adapter = lambda: HTTPAdapter(max_retries=retries)  # noqa: E731
    held(lambda: client(peer.url("http"), adapter=adapter).renders.get(RENDER))


def test_a_pause_beyond_the_timeout_is_left_to_the_caller(api: Api, pauses: list[float]) -> None:
    api.get(f"{BASE}/v1/renders/{RENDER}", status=429, headers={"Retry-After": "7"})
    with pytest.raises(RateLimited) as caught:
        client(BASE, timeout=(30.0, 6.9), max_retries=2).renders.get(RENDER)
    assert (caught.value.retry_after, pauses) == (7.0, [])
    with within(6.9), pytest.raises(RateLimited):
        client(BASE, timeout=30.0, max_retries=2).renders.get(RENDER)
    assert pauses == []


def test_who_waits_less_than_a_timeout_is_held_no_longer(meet: Meet) -> None:
    peer = meet(drips(OK, b"X-Y: z\r\n"))
    craftkit = client(peer.url("http"), timeout=(3.05, 30.0))

    def wait() -> None:
        with within(30), within(SECONDS), within(30):
            craftkit.renders.get(RENDER)

    held(wait)


def test_calls_of_one_who_waits_share_the_time(meet: Meet) -> None:
    peer = meet(drips(OK, b"X-Y: z\r\n"))
    craftkit = client(peer.url("http"), timeout=30.0)
    with within(SECONDS):
        assert may_have_shared(craftkit) is True
        # The next ones are not even made.
        assert may_have_shared(craftkit) is False
        assert held(lambda: craftkit.renders.download(RENDER)).maybe_handled is False
    assert len(peer.threads) == 1
    assert may_have_shared(client(peer.url("http"))) is True


def test_each_call_on_a_kept_connection_has_its_own_timeout(
    meet: Meet, monkeypatch: pytest.MonkeyPatch, now: list[float]
) -> None:
    direct = meet(secured(well))
    proxy = meet(secured(tunnel(in_memory(well))), name="localhost")
    for peer, url in [(direct, direct.url("https")), (proxy, "https://craftkit.test")]:
        if peer is proxy:
            monkeypatch.setenv("https_proxy", proxy.url("https"))
        craftkit = client(url, timeout=30.0)
        for _ in range(3):
            assert craftkit.health().status == "ok"
            now[0] += 29
        assert len(peer.threads) == 1


# Downloads


PDF = b"%PDF-" + bytes(300_000)
IS_PDF = OK + b"Content-Type: application/pdf\r\n"
DOCUMENTS: dict[str, Callable[[], Script]] = {
    "beginning": lambda: drips(IS_PDF + b"Content-Length: 1000000\r\n\r\n%PDF-", b"x"),
    "rest": lambda: drips(IS_PDF + b"Content-Length: 1000000\r\n\r\n" + b"%PDF-" * 300, b"x"),
    "until the end": lambda: drips(IS_PDF + b"\r\n" + b"%PDF-" * 300, b"x"),
    "chunks": lambda: drips(
        IS_PDF + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"%PDF-" * 400 + b"\r\n",
        forever(b"1\r\nx\r\n"),
    ),
}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_download_that_drips_ends(meet: Meet, scheme: str) -> None:
    def read(script: Callable[[], Script]) -> None:
        craftkit = client(meet(behind(scheme, script())).url(scheme), timeout=2 * SECONDS)
        with contextlib.ExitStack() as stack:
            error = held(lambda: stack.enter_context(craftkit.renders.download(RENDER)).read())
        assert error.maybe_handled is True

    all_at_once(read, DOCUMENTS)


def test_a_download_takes_as_long_as_it_keeps_coming(meet: Meet) -> None:
    block = b"x" * 50_000
    length = b"Content-Length: %d\r\n\r\n%%PDF-" % (24 * len(block) + 5)

    def send(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(IS_PDF + length)
        for _ in range(24):
            time.sleep(SECONDS / 10)
            connection.sendall(block)

    craftkit = client(meet(send).url("http"))
    began = time.monotonic()
    assert len(craftkit.renders.download(RENDER).read()) == 24 * len(block) + 5
    assert time.monotonic() - began > 2 * SECONDS


def test_a_download_may_be_read_as_slowly_as_its_reader_likes(serve: Serve) -> None:
    server = serve(answers(200, PDF, "Content-Type: application/pdf"))
    got = b""
    for chunk in client(server.url).renders.download(RENDER):
        time.sleep(SECONDS / 2)
        got += chunk
    assert got == PDF


def test_a_download_is_read_on_in_another_thread_after_the_wait(serve: Serve) -> None:
    server = serve(answers(200, PDF, "Content-Type: application/pdf"))
    with within(SECONDS):
        document = client(server.url, timeout=30.0).renders.download(RENDER)
    time.sleep(SECONDS)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(document.read).result() == PDF


# Adapters


def test_an_adapter_that_knows_no_deadline_is_held_to_it_between_two_chunks() -> None:
    def chunks(*args: Any, **options: Any) -> Iterator[bytes]:
        for _ in range(1000):
            time.sleep(0.02)
            yield b" "

    class Adapter(BaseAdapter):
        def send(self, request: Any, **options: Any) -> Any:
            answer = requests.Response()
            answer.status_code = 200
            raw: Any = types.SimpleNamespace(
                stream=chunks, close=lambda: None, release_conn=lambda: None
            )
            answer.raw = raw
            return answer

        def close(self) -> None:
            pass

    error = held(lambda: client(BASE, adapter=Adapter).renders.get(RENDER))
    assert error.maybe_handled is True


def test_threads_that_share_an_adapter_are_all_in_time(meet: Meet) -> None:
    """The connections of a pool are watched while any call is under way in it."""
    peer = meet(drips(OK, b"X-Y: z\r\n"))
    shared = HTTPAdapter(pool_maxsize=8)
    craftkit = client(peer.url("http"), adapter=lambda: shared)

    def work(number: int) -> None:
        time.sleep(number * 0.03)
        held(lambda: craftkit.shares.create(RENDER))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    pool_of_it = shared.poolmanager.connection_from_url(peer.url("http"))
    assert pool_of_it.ConnectionCls is type(pool_of_it).ConnectionCls


def test_a_call_that_a_project_makes_by_its_own_adapter_has_no_deadline(serve: Serve) -> None:
    def slow(connection: socket.socket) -> None:
        connection.sendall(HEALTHY)
        head_of(connection)
        time.sleep(SECONDS / 2)
        connection.sendall(HEALTHY)

    server = serve(slow)
    shared = HTTPAdapter()
    client(server.url, adapter=lambda: shared).health()
    session = requests.Session()
    session.mount("http://", shared)
    time.sleep(SECONDS / 2)
    assert session.get(server.url, timeout=30).json() == {"status": "ok"}
    assert len(server.requests) == 1
