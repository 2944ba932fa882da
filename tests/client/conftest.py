from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import responses

from django_craftkit.client import Craftkit, retry

KEY = "ck_test_0123456789abcdef"
BASE = "https://api.craftkit.dev"
RENDER = "0193c2c3-1111-7aaa-8bbb-000000000001"
SHARE = "0193c2c3-3333-7aaa-8bbb-000000000003"
EVENT = "0193c2c3-4444-7aaa-8bbb-000000000004"
TEMPLATE = "7c9f0b2e-2b1a-4f3d-9c8e-1a2b3c4d5e6f"
MANIFEST = {
    "variables": [
        {"key": "customer.name", "label": "Customer", "dataType": "text", "required": True}
    ],
    "loops": [
        {
            "key": "areas",
            "label": "Areas",
            "itemFields": [{"key": "areaKey", "label": "Area", "dataType": "text"}],
        }
    ],
}
LISTED: dict[str, Any] = {
    "id": TEMPLATE,
    "name": "Charter Handover",
    "slug": "charter-handover",
    "templateType": "document",
    "currentVersionNumber": 2,
    "published": True,
    "createdAt": "2026-05-01T09:00:00.000Z",
    "updatedAt": "2026-06-01T12:00:00.000Z",
}
QUEUED = {
    "id": RENDER,
    "status": "queued",
    "pollUrl": f"{BASE}/v1/renders/{RENDER}",
    "downloadUrl": None,
    "errorMessage": None,
    "createdAt": "2026-06-05T10:00:00.000Z",
}
SHARED = {
    "id": SHARE,
    "shareToken": "cks_secret",
    "shareUrl": "https://www.craftkit.dev/share/cks_secret",
    "channel": "link",
    "recipientEmail": None,
    "message": None,
    "expiresAt": "2026-12-31T23:59:59.000Z",
    "revokedAt": None,
    "createdAt": "2026-06-05T10:05:00.000Z",
}
MAILED = {
    "id": SHARE,
    "shareToken": "cks_secret",
    "shareUrl": "https://www.craftkit.dev/share/cks_secret",
    "emailMessageId": "re_1",
    "sentAt": "2026-06-06T09:05:00.000Z",
}
OPENED = {
    "id": EVENT,
    "eventType": "viewed",
    "actorKind": "recipient",
    "shareId": SHARE,
    "sourceIp": "203.0.113.7",
    "userAgent": "Mozilla/5.0 (secret)",
    "metadata": {"name": "Ada Lovelace"},
    "createdAt": "2026-06-05T11:03:00.000Z",
}
ENGAGED = {
    "counts": {
        "viewed": 12,
        "downloaded": 3,
        "printed": 1,
        "email_opened": 4,
        "email_sent": 2,
        "share_created": 1,
        "share_revoked": 0,
    },
    "linkOpens": 8,
    "total": 23,
    "recent": [OPENED],
}


def refusal(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "No."}}


def failing(make: Callable[[], BaseException]) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise make()

    return fail


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would have been made."""
    made: list[float] = []
    monkeypatch.setattr(retry, "sleep", made.append)
    return made


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of deadlines, which stands still unless it is moved."""
    moment = [0.0]
    monkeypatch.setattr("django_craftkit.client.deadline.monotonic", lambda: moment[0])
    return moment


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


Api = responses.RequestsMock


@pytest.fixture
def api() -> Iterator[Api]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def craftkit() -> Craftkit:
    return Craftkit(KEY)


@pytest.fixture
def once() -> Craftkit:
    """A client that tries each call once."""
    return Craftkit(KEY, max_retries=0)


Script = Callable[[socket.socket], None]


class Listener:
    """Takes connections in a thread of its own, until it is closed."""

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for number in itertools.count():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._meet(connection, number)

    def _meet(self, connection: socket.socket, number: int) -> None:
        raise NotImplementedError

    def close_listener(self) -> None:
        """Take no further connection."""
        # Wakes accept(), which close() alone does not on Linux.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        self.close_listener()
        self._thread.join(10)


@dataclass
class RawServer(Listener):
    """Answers each connection with the next script, over and over the last one."""

    scripts: list[Script]
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _meet(self, connection: socket.socket, number: int) -> None:
        # Some clients hang up on it.
        with connection, contextlib.suppress(OSError):
            connection.settimeout(60)
            self.requests.append(_request(connection))
            self.scripts[min(number, len(self.scripts) - 1)](connection)


Serve = Callable[..., RawServer]


def client(server: RawServer, **options: Any) -> Craftkit:
    return Craftkit(KEY, base_url=server.url, **({"max_retries": 0} | options))


def nobody() -> str:
    """The address of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _request(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got and (more := connection.recv(65536)):
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]) and (more := connection.recv(65536)):
                body += more
    return head + b"\r\n\r\n" + body


def says(answer: bytes) -> Script:
    return lambda connection: connection.sendall(answer)


def answers(status: int, body: bytes, *headers: str, length: int | None = None) -> Script:
    lines = [
        f"HTTP/1.1 {status} Something",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    return says("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[RawServer] = []

    def start(*scripts: Script) -> RawServer:
        servers.append(RawServer(list(scripts)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
