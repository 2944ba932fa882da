"""A `requests` transport that ends in the sandbox: no socket, no waiting, the same exceptions.

What a fault looks like to a client is copied from what `requests` and urllib3 raise over a real
socket; `tests/sandbox/test_faults.py` holds the two side by side.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import HTTPConnectionPool, HTTPHeaderDict
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.response import HTTPResponse
from urllib3.util import Timeout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from wsgiref.types import WSGIEnvironment

    from requests import PreparedRequest, Response

    from .app import Sandbox

Patience = float | tuple[float | None, float | None] | Timeout | None


class SandboxAdapter(BaseAdapter):
    """Serves a `requests.Session` from a sandbox in this process.

    Args:
        sandbox: who answers.
        remote_addr: the address that calls seem to come from.
    """

    def __init__(self, sandbox: Sandbox, remote_addr: str = "127.0.0.1") -> None:
        super().__init__()
        self.sandbox = sandbox
        self.remote_addr = remote_addr

    def session(self) -> requests.Session:
        """A session that sends everything here, whatever the host."""
        session = requests.Session()
        session.trust_env = False  # no proxies, no .netrc: nothing leaves the process
        session.mount("http://", self)
        session.mount("https://", self)
        return session

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Patience = None,
        verify: bool | str = True,
        cert: object = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """Answer a request.

        Raises:
            requests.exceptions.ConnectionError: cut off, or refused.
            requests.exceptions.ConnectTimeout: told not to let it connect.
            requests.exceptions.ReadTimeout: told to take longer than `timeout`; the call has
                been carried out all the same.
        """
        connect_timeout, read_timeout = _timeouts(timeout)
        environ = self._environ(request)
        answer = self.sandbox.answer(environ)
        match answer.lost:
            case "refused":
                _refuse(request)
            case "connect_timeout":
                _time_out_connecting(request, connect_timeout)
        if read_timeout is not None and answer.delay > read_timeout:
            _time_out_reading(request, read_timeout)
        if answer.response is None:
            _cut(request)
        chunks, status, headers = answer.response.get_wsgi_response(environ)
        raw = HTTPResponse(
            body=io.BytesIO(b"".join(chunks)),
            headers=HTTPHeaderDict(headers),
            status=int(status.split()[0]),
            reason=status.partition(" ")[2],
            version=11,
            preload_content=False,
            decode_content=False,
            request_method=request.method,
            request_url=request.url,
        )
        return self._response(request, raw)

    def close(self) -> None:
        """Nothing is open."""

    def _environ(self, request: PreparedRequest) -> WSGIEnvironment:
        url = urlsplit(request.url or "")
        body = _body(request)
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": request.method or "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(url.path or "/").decode("latin-1"),
            "REQUEST_URI": request.path_url,
            "QUERY_STRING": url.query,
            "SERVER_NAME": url.hostname or "localhost",
            "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.remote_addr,
            "HTTP_HOST": url.netloc.rpartition("@")[2],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": url.scheme or "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,  # a chunked body is here as a whole
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        headers: dict[str, str | bytes] = dict(request.headers)
        for name, value in headers.items():
            variable = name.upper().replace("-", "_")
            if variable not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
                variable = f"HTTP_{variable}"
            # A header may be bytes, whatever the annotations say.
            environ[variable] = value.decode("latin-1") if isinstance(value, bytes) else value
        environ["CONTENT_LENGTH"] = str(len(body))
        return environ

    def _response(self, request: PreparedRequest, raw: HTTPResponse) -> Response:
        response = requests.Response()
        response.status_code = raw.status
        response.reason = raw.reason or ""
        response.headers = CaseInsensitiveDict(raw.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw = raw
        response.url = request.url or ""
        response.request = request
        extract_cookies_to_jar(response.cookies, request, raw)  # type: ignore[no-untyped-call]
        return response


def _body(request: PreparedRequest) -> bytes:
    body: Any = request.body
    if body is None:
        return b""
    if hasattr(body, "read"):
        body = body.read()
    elif not isinstance(body, str | bytes | bytearray):
        body = b"".join(body)
    return body.encode() if isinstance(body, str) else bytes(body)


def _timeouts(timeout: Patience) -> tuple[float | None, float | None]:
    """The patience for connecting and for reading, as `requests` reads its `timeout`."""
    match timeout:
        case (connect, read):
            return connect, read
        case Timeout():
            return timeout.connect_timeout, timeout.read_timeout  # type: ignore[return-value]
    return timeout, timeout


def _pool(request: PreparedRequest) -> HTTPConnectionPool:
    # Never connected: it gives the exceptions the host and port that real ones name.
    url = urlsplit(request.url or "")
    return HTTPConnectionPool(url.hostname or "localhost", url.port)


def _cut(request: PreparedRequest) -> NoReturn:
    ended = RemoteDisconnected("Remote end closed connection without response")
    raise requests.exceptions.ConnectionError(
        ProtocolError("Connection aborted.", ended), request=request
    )


def _refuse(request: PreparedRequest) -> NoReturn:
    pool = _pool(request)
    refused = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
    reason = NewConnectionError(
        HTTPConnection(pool.host, pool.port), f"Failed to establish a new connection: {refused}"
    )
    raise requests.exceptions.ConnectionError(
        MaxRetryError(pool, request.path_url, reason), request=request
    )


def _time_out_connecting(request: PreparedRequest, timeout: float | None) -> NoReturn:
    pool = _pool(request)
    reason = ConnectTimeoutError(
        HTTPConnection(pool.host, pool.port),
        f"Connection to {pool.host} timed out. (connect timeout={timeout})",
    )
    raise requests.exceptions.ConnectTimeout(
        MaxRetryError(pool, request.path_url, reason), request=request
    )


def _time_out_reading(request: PreparedRequest, timeout: float) -> NoReturn:
    reason = ReadTimeoutError(
        _pool(request), request.path_url, f"Read timed out. (read timeout={timeout})"
    )
    raise requests.exceptions.ReadTimeout(reason, request=request)
