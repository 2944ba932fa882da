"""The connections of requests' own adapter, watched: whether one came about, and for how long.

A timeout of requests is for the wait between two bytes. A server or proxy that sends one byte every
few seconds would block the caller for ever. Therefore each step on a watched connection waits no
longer than until the call's deadline. No thread looks at the clock, so that it works in whatever
the caller runs.
"""

from __future__ import annotations

import io
import threading
from contextlib import nullcontext
from copy import copy
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.util import Retry

from django_craftkit.client import retry
from django_craftkit.client.deadline import Deadline, alarm

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from http.client import HTTPResponse

    import requests
    from _typeshed import WriteableBuffer
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

T = TypeVar("T")
Option = tuple[int, int, int | bytes]
"""Of a socket: level, name and value."""

PIECE: Final = 16 * 1024
"""Bytes sent at once: those of one record of TLS, each of which may have a timeout of its own."""
SHARE: Final = 0.45
"""Of the time that is left, for one step of connecting: an address that swallows what it is sent
leaves time to try another."""


class _Call(threading.local):
    #: Of the call that this thread makes: None as long as nobody has connected, False once
    #: somebody tried in vain, True for good once there was a connection to send it by.
    connected: bool | None = None
    #: None outside a call: a project may use its adapter for calls of its own.
    deadline: Deadline | None = None


_call = _Call()


def has_connected() -> bool | None:
    """Whether this thread's last watched call had a connection; None where nobody could watch."""
    return _call.connected


def pool_of(
    adapter: BaseAdapter, request: requests.PreparedRequest, settings: Mapping[str, Any]
) -> HTTPConnectionPool | None:
    """Return where requests' own adapter takes its connections from, else None.

    Raises what the adapter would raise before it connects: for a proxy without a host, for
    certificates that aren't there.
    """
    if not isinstance(adapter, HTTPAdapter):
        return None
    verify, proxies, cert = settings["verify"], settings["proxies"], settings["cert"]
    pool = adapter.get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
    adapter.cert_verify(pool, request.url or "", verify, cert)  # type: ignore[no-untyped-call]
    # Of either scheme, whatever the annotations say.
    return cast("HTTPConnectionPool", pool)


def watched(pool: HTTPConnectionPool | None, deadline: Deadline, send: Callable[[], T]) -> T:
    """Send, and watch the connections that this thread takes from the pool for it.

    What is read of the answer's body later ends by the deadline, too.
    """
    _call.connected = None
    if pool is None:
        return send()
    before, _call.deadline = _call.deadline, deadline
    _replace(pool)
    try:
        return send()
    finally:
        _restore(pool)
        _call.deadline = before


#: What makes the connections of a pool, and what makes its tries.
_REPLACED: Final = ("ConnectionCls", "urlopen")
# How many calls are under way in a pool, and which of these it had of its own before. Threads share
# a pool where a project's adapters are one.
_watching: WeakKeyDictionary[HTTPConnectionPool, tuple[int, dict[str, Any]]] = WeakKeyDictionary()
_lock = threading.Lock()


def _replace(pool: HTTPConnectionPool) -> None:
    # During calls only: tests replace the class that pools make their connections of.
    with _lock:
        count, own = _watching.get(pool, (0, {}))
        if not count:
            own = {name: vars(pool)[name] for name in _REPLACED if name in vars(pool)}
            vars(pool)["urlopen"] = partial(_urlopen, pool.urlopen)
        pool.ConnectionCls = _watching_kind(pool.ConnectionCls)
        _watching[pool] = (count + 1, own)


def _restore(pool: HTTPConnectionPool) -> None:
    with _lock:
        count, own = _watching.pop(pool)
        if count > 1:
            _watching[pool] = (count - 1, own)
            return
        for name in _REPLACED:
            vars(pool).pop(name, None)
        vars(pool).update(own)


def _urlopen(call: Callable[..., T], *args: Any, **options: Any) -> T:
    # By name from requests, by place from urllib3 itself, which goes on with what it was given.
    if isinstance(retries := options.get("retries"), Retry):
        kind: Any = type(retries)
        options["retries"] = timely = copy(retries)
        timely.__class__ = _timely_kind(kind)
    return call(*args, **options)


class _Timely(Retry):
    """The tries of a project's own adapter: no pause between two lasts beyond the deadline."""

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        if _call.deadline is None:
            super().sleep(response)
            return
        asked = response is not None and self.respect_retry_after_header
        pause = (asked and self.get_retry_after(response)) or self.get_backoff_time()  # type: ignore[arg-type]
        if pause >= _call.deadline.left():
            raise TimeoutError("no time is left for another try")
        if pause > 0:
            retry.sleep(pause)


@lru_cache(maxsize=32)
def _timely_kind(kind: type) -> type:
    return kind if issubclass(kind, _Timely) else type(kind.__name__, (_Timely, kind), {})


@lru_cache(maxsize=32)
def _watching_kind(kind: type) -> type:
    if not issubclass(kind, HTTPConnection) or issubclass(kind, _Watched):
        return kind
    return type(kind.__name__, (_Watched, kind), {})


class _Watched(HTTPConnection):
    """A connection that tells whether there was one, and keeps the deadline of its call."""

    _deadline: Deadline | None = None
    _outer: _Hurried | None = None

    def connect(self) -> None:
        if _call.connected is None:
            _call.connected = False
        self._deadline = _call.deadline
        # With its handshake, and with a proxy's answer to CONNECT.
        if self._deadline is None:
            super().connect()
        else:
            self._connect_by(self._deadline)
        _call.connected = True

    def _connect_by(self, deadline: Deadline) -> None:
        options, limit = self.socket_options, self.timeout
        left = deadline.at_most()
        self.timeout = min(left * SHARE, left if limit is None else limit)
        self.socket_options = _Tries(options or (), deadline, self.timeout)
        try:
            with alarm(left):
                super().connect()
            # Nothing is sent by now, which is worth more than a last moment.
            deadline.at_most()
        finally:
            self.socket_options, self.timeout = options, limit

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        try:
            # For the handshake, which Python bounds as a whole.
            in_time(sock, self._deadline, self.timeout)
        except TimeoutError:
            sock.close()
            raise
        return sock

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> socket.socket | _Hurried:
        secured: socket.socket = super()._connect_tls_proxy(hostname, sock)  # type: ignore[misc]
        if self._deadline is None or not self.proxy_is_tunneling:
            return secured
        # TLS inside TLS is a loop of urllib3's own.
        self._outer = _Hurried(secured, self._deadline)
        return self._outer

    def _tunnel(self) -> None:
        super()._tunnel()
        in_time(self.sock, self._deadline, self.timeout)

    def request(self, *args: Any, **options: Any) -> None:
        self._deadline = _call.deadline
        if self._outer is not None:
            self._outer.deadline = self._deadline
        if self.sock is not None:
            _call.connected = True
        super().request(*args, **options)

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        for piece in _pieces(data) if isinstance(data, bytes) else [data]:
            with in_time(self.sock, self._deadline, None):
                super().send(piece)

    def response_class(  # type: ignore[override]
        self, sock: socket.socket, *args: Any, **options: Any
    ) -> HTTPResponse:
        # For Craftkit's answer, and for a proxy's to CONNECT.
        response = super().response_class(sock, *args, **options)
        if self._deadline is not None and isinstance(response.fp, io.BufferedReader):
            raw = _Hasty(response.fp.detach(), sock, self._deadline, self.timeout)
            response.fp = io.BufferedReader(raw)
        return response


def in_time(
    sock: socket.socket, deadline: Deadline | None, limit: float | None
) -> AbstractContextManager[object]:
    """Let the next step on a socket end by the deadline, and within `limit` seconds.

    Raises:
        TimeoutError: it is over.
    """
    if deadline is None:
        return nullcontext()
    seconds = deadline.at_most(limit)
    sock.settimeout(seconds)
    return alarm(seconds)


class _Tries(list[Option]):
    """The options of a socket, which are read for each address of a host that is tried.

    All of them together must end by the deadline, and urllib3 gives each the same time.
    """

    def __init__(self, options: Iterable[Option], deadline: Deadline, seconds: float) -> None:
        super().__init__(options)
        self._deadline = deadline
        self._seconds = seconds
        self._needed = 0.0

    def __iter__(self) -> Iterator[Option]:
        if self._deadline.at_most() < self._needed:
            raise TimeoutError("no time is left to try another address")
        # To find the first took the resolver's own time.
        self._needed = self._seconds
        return super().__iter__()


class _Hasty(io.RawIOBase):
    """What is read from a socket, each time within what is left until the deadline."""

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline, limit: float | None
    ) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        with in_time(self._sock, self._deadline, self._limit):
            return self._raw.readinto(buffer)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Hurried:
    """A TLS connection to a proxy with another one in it, each step of which ends in time."""

    def __init__(self, sock: socket.socket, deadline: Deadline | None) -> None:
        self._sock = sock
        self.deadline = deadline

    def recv(self, *args: int) -> bytes:
        with in_time(self._sock, self.deadline, self._sock.gettimeout()):
            return self._sock.recv(*args)

    def sendall(self, data: bytes) -> None:
        for piece in _pieces(data):
            with in_time(self._sock, self.deadline, self._sock.gettimeout()):
                self._sock.sendall(piece)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


def _pieces(data: bytes) -> Iterator[bytes]:
    # Nothing is one piece, too.
    for start in range(0, len(data) or 1, PIECE):
        yield data[start : start + PIECE]
