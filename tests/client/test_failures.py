"""A failure proves that nothing was sent only where no byte was out; a server counts the calls."""

from __future__ import annotations

import contextlib
import http.client
import inspect
import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3.exceptions
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.util import Retry

from django_craftkit.client import Craftkit, CraftkitConnectionError, CraftkitError
from django_craftkit.client.failures import NETWORK_ERRORS

from .conftest import KEY, MAILED, RENDER, Serve, answers, failing, says
from .dripping import HEALTHY
from .test_errors import _json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import RawServer

#: Every exception of requests, urllib3 and http.client. One that a newer version brings is to be
#: entered here.
NAMED = {
    "requests.exceptions": """
        BaseHTTPError ChunkedEncodingError CompatJSONDecodeError ConnectTimeout
        ConnectionError ContentDecodingError HTTPError InvalidHeader InvalidJSONError
        InvalidProxyURL InvalidSchema InvalidURL JSONDecodeError MissingSchema ProxyError
        ReadTimeout RequestException RetryError SSLError StreamConsumedError Timeout
        TooManyRedirects URLRequired UnrewindableBodyError
    """,
    "urllib3.exceptions": """
        BodyNotHttplibCompatible ClosedPoolError ConnectTimeoutError ConnectionError
        DecodeError EmptyPoolError FullPoolError HTTPError HeaderParsingError
        HostChangedError IncompleteRead InvalidChunkLength InvalidHeader LocationParseError
        LocationValueError MaxRetryError MessageDefect MultiPartInvalidFieldError
        NameResolutionError NewConnectionError PoolError ProtocolError ProxyError
        ProxySchemeUnknown ProxySchemeUnsupported ReadTimeoutError RequestError
        ResponseError ResponseNotChunked SSLError TimeoutError TimeoutStateError
        URLSchemeUnknown UnrewindableBodyError httplib_IncompleteRead
    """,
    "http.client": """
        BadStatusLine CannotSendHeader CannotSendRequest HTTPException
        ImproperConnectionState IncompleteRead InvalidURL LineTooLong NotConnected
        RemoteDisconnected ResponseNotReady UnimplementedFileMode UnknownProtocol
        UnknownTransferEncoding error
    """,
}
#: Those of them which say that there was no connection, if an adapter that nobody watches raises
#: them.
UNCONNECTED = {
    "requests.exceptions.ConnectTimeout",
    "urllib3.exceptions.ConnectTimeoutError",
    "urllib3.exceptions.NameResolutionError",
    "urllib3.exceptions.NewConnectionError",
}
MODULES = {
    "requests.exceptions": requests.exceptions,
    "urllib3.exceptions": urllib3.exceptions,
    "http.client": http.client,
}


def exceptions_of(module: Any) -> dict[str, type[Exception]]:
    return {
        name: kind
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning)
    }


def one_of(kind: type[Exception]) -> Exception:
    """An exception of a class, whatever it wants to be made of."""
    pool = HTTPConnectionPool("craftkit.test")
    connection = HTTPConnection("craftkit.test")
    response: Any = type("Response", (), {"tell": lambda self: 0, "length_remaining": 1})()
    ways: list[tuple[Any, ...]] = [
        ("odd",),
        ("odd", ValueError()),
        (connection, "odd"),
        (pool, "/", "odd"),
        (response, b"zz"),
        ("odd", "", 0),
        ("craftkit.test", connection, socket.gaierror()),
        ([], "odd"),
        (1, 2),
    ]
    for way in ways:
        with contextlib.suppress(TypeError, AttributeError):
            made = kind(*way)
            str(made), repr(made)
            return made
    raise AssertionError(f"{kind} can't be made")


KINDS = {
    f"{module}.{name}": kind
    for module, named in MODULES.items()
    for name, kind in exceptions_of(named).items()
}
each_exception = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def call(craftkit: Craftkit) -> BaseException:
    """Mail a document, which nobody may do twice; return what is raised."""
    with pytest.raises(Exception) as caught:
        craftkit.emails.send(RENDER, "ada@example.com")
    return caught.value


def may_have_been_sent(error: BaseException) -> bool:
    # What is no failure of a network passes as it is, and says nothing.
    return error.maybe_handled if isinstance(error, CraftkitError) else True


@pytest.fixture
def mailing(serve: Serve) -> RawServer:
    server: RawServer = serve(answers(201, _json(MAILED).encode()))
    return server


@pytest.mark.parametrize("module", MODULES)
def test_every_exception_that_may_come_is_known(module: str) -> None:
    unknown = exceptions_of(MODULES[module]).keys() - set(NAMED[module].split())
    assert not unknown, "what do they prove, if an adapter raises them?"


@each_exception
def test_what_is_raised_before_anybody_connects_proves_that_nothing_was_sent(
    mailing: RawServer, kind: type[Exception]
) -> None:
    class Adapter(HTTPAdapter):
        get_connection_with_tls_context = failing(lambda: one_of(kind))

    raised = call(Craftkit(KEY, base_url=mailing.url, adapter=Adapter))
    assert isinstance(raised, CraftkitConnectionError)
    assert raised.maybe_handled is False
    assert mailing.requests == []


@each_exception
def test_what_is_raised_for_an_answer_proves_nothing(
    mailing: RawServer, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = HTTPConnection.getresponse

    def fail(self: HTTPConnection) -> Any:
        read(self)
        raise one_of(kind)

    monkeypatch.setattr(HTTPConnection, "getresponse", fail)
    assert may_have_been_sent(call(Craftkit(KEY, base_url=mailing.url)))
    assert len(mailing.requests) == 1


@each_exception
def test_what_an_adapter_raises_after_it_has_sent_proves_nothing(
    mailing: RawServer, kind: type[Exception]
) -> None:
    class Adapter(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> Any:
            super().send(*args, **options).close()
            raise one_of(kind)

    assert may_have_been_sent(call(Craftkit(KEY, base_url=mailing.url, adapter=Adapter)))
    assert len(mailing.requests) == 1


@each_exception
def test_what_is_raised_while_an_answer_is_read_proves_nothing(
    mailing: RawServer, kind: type[Exception]
) -> None:
    class Body:
        def stream(self, *args: Any, **options: Any) -> Iterator[bytes]:
            yield b'{"id"'
            raise one_of(kind)

        def close(self) -> None:
            pass

        release_conn = close

    class Adapter(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> Any:
            response = super().send(*args, **options)
            body: Any = Body()
            body._original_response = None
            response.raw = body
            return response

    assert may_have_been_sent(call(Craftkit(KEY, base_url=mailing.url, adapter=Adapter)))
    assert len(mailing.requests) == 1


def unwatched(error: Exception) -> type[BaseAdapter]:
    class Adapter(BaseAdapter):
        send = failing(lambda: error)

        def close(self) -> None:
            pass

    return Adapter


@pytest.mark.parametrize("name", KINDS)
def test_an_adapter_that_nobody_observes_is_believed_where_it_could_not_connect(name: str) -> None:
    error = one_of(KINDS[name])
    raised = call(Craftkit(KEY, max_retries=0, adapter=unwatched(error)))
    assert may_have_been_sent(raised) is (name not in UNCONNECTED)
    assert isinstance(raised, CraftkitError) is isinstance(error, NETWORK_ERRORS)


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.InvalidHeader(
            urllib3.exceptions.InvalidHeader("Content-Length contained multiple unmatching values")
        ),
        requests.exceptions.ConnectionError(
            urllib3.exceptions.ProtocolError(
                "Connection aborted.", one_of(urllib3.exceptions.NewConnectionError)
            )
        ),
        requests.exceptions.ConnectionError(
            http.client.BadStatusLine("Tunnel connection failed: so it says")
        ),
        OSError("no TLS CA certificate bundle, it says"),
        requests.exceptions.ProxyError(
            urllib3.exceptions.MaxRetryError(
                HTTPConnectionPool("craftkit.test"),
                "/",
                urllib3.exceptions.ProxyError(
                    "Unable to connect to proxy", http.client.RemoteDisconnected("no answer")
                ),
            )
        ),
    ],
    ids=["header", "chained", "status line", "text", "proxy"],
)
def test_what_an_exception_happens_to_hold_proves_nothing(error: Exception) -> None:
    craftkit = Craftkit(KEY, max_retries=0, adapter=unwatched(error))
    assert may_have_been_sent(call(craftkit))


ODD_ANSWERS = {
    "two lengths": b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "two lengths in one": b"HTTP/1.1 201 Created\r\nContent-Length: 2, 3\r\n\r\n{}",
    "no length": b"HTTP/1.1 201 Created\r\nContent-Length: many\r\n\r\n{}",
    "a tunnel": b"Tunnel connection failed: 403 no\r\n\r\n",
    "another protocol": b"HTTP/9.9 201 Created\r\n\r\n{}",
    "an endless line": b"HTTP/1.1 201 " + b"x" * 70_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 201 Created\r\n" + b"X-Y: z\r\n" * 200 + b"\r\n{}",
    "an odd chunk": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}",
    "an odd encoding": b"HTTP/1.1 201 Created\r\nContent-Encoding: br, gzip\r\n\r\nabc",
    "an odd cookie": b"HTTP/1.1 500 No\r\nSet-Cookie: =;;=\xff; expires=never\r\n\r\n",
    "an odd redirect": b"HTTP/1.1 307 Go\r\nLocation: http://[\xff\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_a_mail_with_an_odd_answer_is_sent_once(serve: Serve, answer: bytes) -> None:
    server = serve(says(answer))
    raised = call(Craftkit(KEY, base_url=server.url, max_retries=3))
    assert isinstance(raised, CraftkitError)
    assert raised.maybe_handled is True
    assert len(server.requests) == 1


def test_a_call_on_a_kept_connection_that_the_server_hangs_up_may_have_been_handled(
    serve: Serve,
) -> None:
    seen: list[bytes] = []

    def twice(connection: socket.socket) -> None:
        connection.sendall(HEALTHY)
        seen.append(connection.recv(65536))

    server = serve(twice)
    craftkit = Craftkit(KEY, base_url=server.url)
    craftkit.health()
    raised = call(craftkit)
    assert isinstance(raised, CraftkitConnectionError)
    assert raised.maybe_handled is True
    assert (len(server.requests), len(seen)) == (1, 1)


def test_a_proxy_that_hangs_up_may_have_passed_the_call_on(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(says(b""))
    monkeypatch.setenv("http_proxy", proxy.url)
    raised = call(Craftkit(KEY, base_url="http://craftkit.test", max_retries=2))
    assert isinstance(raised, CraftkitConnectionError)
    assert raised.maybe_handled is True
    assert len(proxy.requests) == 1


def test_what_an_adapter_has_sent_before_it_could_not_connect_is_not_forgotten(
    serve: Serve,
) -> None:
    def once(connection: socket.socket) -> None:
        server.close_listener()

    server = serve(once)
    craftkit = Craftkit(
        KEY,
        base_url=server.url,
        adapter=lambda: HTTPAdapter(max_retries=Retry(2, allowed_methods=None)),
    )
    raised = call(craftkit)
    assert isinstance(raised, CraftkitConnectionError)
    assert raised.maybe_handled is True
    assert len(server.requests) == 1


def test_a_handshake_that_fails_proves_that_nothing_was_sent(serve: Serve) -> None:
    server = serve(says(b"HTTP/1.1 400 This is no TLS\r\n\r\n"))
    url = server.url.replace("http:", "https:")
    raised = call(Craftkit(KEY, base_url=url, max_retries=0))
    assert isinstance(raised, CraftkitConnectionError)
    assert raised.maybe_handled is False
    assert KEY.encode() not in b"".join(server.requests)


def test_connections_are_observed_during_a_call_only(mailing: RawServer) -> None:
    adapters: list[HTTPAdapter] = []

    def adapter() -> HTTPAdapter:
        adapters.append(HTTPAdapter())
        return adapters[-1]

    Craftkit(KEY, base_url=mailing.url, adapter=adapter).emails.send(RENDER, "ada@example.com")
    pool = adapters[0].poolmanager.connection_from_url(mailing.url)
    assert pool.ConnectionCls is type(pool).ConnectionCls
