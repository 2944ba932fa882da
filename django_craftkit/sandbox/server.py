"""The sandbox over a socket, in a thread of its own or until the process is told to end."""

from __future__ import annotations

import signal
import socket
import threading
from typing import TYPE_CHECKING, Self

from werkzeug.serving import WSGIRequestHandler, make_server

from .app import Sandbox
from .core.webhooks.sender import Sender
from .http.hosts import LOCAL_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from wsgiref.types import WSGIEnvironment

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9100


class _Handler(WSGIRequestHandler):
    """Says nothing by itself, and closes a connection that the sandbox cuts."""

    def make_environ(self) -> WSGIEnvironment:
        """The call, with the address of this machine that it came to."""
        address: str = self.connection.getsockname()[0]
        return {**super().make_environ(), LOCAL_ADDRESS: address}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The sandbox logs its calls itself."""

    def connection_dropped(
        self, error: BaseException, environ: WSGIEnvironment | None = None
    ) -> None:
        """A cut: without this a kept connection would wait for the next request."""
        self.close_connection = True


class SandboxServer:
    """Serves a sandbox over HTTP and sends its webhooks, from `start` to `stop`.

    A context manager: `with SandboxServer(sandbox) as server: requests.get(server.url + …)`.

    Args:
        sandbox: what to serve; a new one if not given.
        host: an address of this machine; the sandbox has no business on any but loopback.
        port: 0 takes a free one.
        deliver: whether to send webhooks; without it they wait for `sandbox.deliver_due`.

    Raises:
        OSError: the port is taken, at `start`.
    """

    def __init__(
        self,
        sandbox: Sandbox | None = None,
        *,
        host: str = DEFAULT_HOST,
        port: int = 0,
        deliver: bool = True,
    ) -> None:
        self.sandbox = Sandbox() if sandbox is None else sandbox
        self._host = host
        self._port = port
        self._deliver = deliver
        self._url: str | None = None
        self._stops: list[Callable[[], None]] = []

    @property
    def url(self) -> str:
        """The address, without a slash at its end; RuntimeError unless it runs."""
        if self._url is None:
            raise RuntimeError("the sandbox's server has not been started")
        return self._url

    def start(self) -> Self:
        """Begin to serve; returns when connections are taken.

        Raises:
            RuntimeError: it runs already.
            OSError: the port is taken.
        """
        if self._url is not None:
            raise RuntimeError("the sandbox's server runs already")
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # Bound here and not by werkzeug, which ends the process when a port is taken.
        listener = socket.create_server((self._host, self._port), family=family)
        port = listener.getsockname()[1]
        with listener:
            server = make_server(
                self._host,
                port,
                self.sandbox,
                threaded=True,
                request_handler=_Handler,
                fd=listener.fileno(),
            )
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._url = f"http://{host}:{port}"
        if not self.sandbox.has_own_url:
            self.sandbox.public_url = self._url
        self.sandbox.closing.clear()
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="craftkit-sandbox", daemon=True
        )
        thread.start()
        # Undone from the end: no new calls, then no webhooks.
        self._stops = [server.server_close, thread.join, server.shutdown]
        if self._deliver:
            sender = Sender(self.sandbox.state)
            sender.start()
            self._stops.insert(0, sender.stop)
        self._stops.append(self.sandbox.closing.set)
        return self

    def stop(self) -> None:
        """Take no more calls, send no more webhooks; harmless when it doesn't run."""
        while self._stops:
            self._stops.pop()()
        self._url = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def serve(
    sandbox: Sandbox | None = None,
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; to be called in the main thread.

    Args:
        sandbox, host, port: as of `SandboxServer`.
        ready: called with the address when connections are taken.
    """
    stop = threading.Event()
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(kind, lambda *_: stop.set()) for kind in kinds]
    try:
        with SandboxServer(sandbox, host=host, port=port) as server:
            if ready is not None:
                ready(server.url)
            stop.wait()
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
