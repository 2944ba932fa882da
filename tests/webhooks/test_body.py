"""The body: taken whole however it comes, or refused with the true reason; never a 401 or 500."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory, override_settings
from werkzeug.serving import make_server

from django_craftkit.models import WebhookDelivery
from django_craftkit.webhooks.signature import sign
from django_craftkit.webhooks.views import receive

from .conftest import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpResponse

PATH = "/craftkit/webhooks/default"
BODY = b'{"event": "render.queued"}'
CHUNKED = "HTTP_TRANSFER_ENCODING"


def chunks(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


def stored() -> list[bytes]:
    return [bytes(body) for body in WebhookDelivery.objects.values_list("body", flat=True)]


def signed(body: bytes = BODY, secret: bytes = SECRET) -> dict[str, str]:
    return {
        "X-Craftkit-Signature": sign(body, secret),
        "X-Craftkit-Timestamp": str(int(time.time())),
        "X-Craftkit-Delivery-Id": str(uuid.uuid4()),
    }


class Pieces:
    """What a server calls ``wsgi.input``; each read gives one piece, or raises it."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = list(pieces)
        self.asked = 0

    def read(self, size: int = -1) -> bytes:
        self.asked += 1
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        assert len(piece) <= size, "the test gives more than was asked for"
        return piece

    readline = read


def passed_on(stream: Any, **environ: Any) -> HttpResponse:
    """A genuine webhook, and what the server says of it."""
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed().items()}
    request = RequestFactory().generic("POST", PATH, content_type="application/json", **headers)
    request.environ.pop("CONTENT_LENGTH", None)
    # WSGIRequest looks at these when it is made.
    environ = {**request.environ, "wsgi.input": stream, **environ}
    return receive(type(request)(environ), project="default")


@pytest.mark.django_db
class TestWhatAServerPassesOn:
    """Each of these is what a server was seen to do, which is named where it is not runserver."""

    def test_a_body_in_chunks_without_an_end_needs_its_length(self, caplog):
        response = passed_on(Pieces(AssertionError("it may wait for ever")), **{CHUNKED: "chunked"})
        assert response.status_code == 411
        assert "chunks" in caplog.text
        assert stored() == []

    @pytest.mark.parametrize("coding", ["chunked", "Chunked", "gzip, chunked"])
    def test_a_body_in_chunks_with_an_end_is_taken(self, coding):
        """Gunicorn, Cheroot."""
        environ = {CHUNKED: coding, "wsgi.input_terminated": True}
        assert passed_on(Pieces(BODY[:4], BODY[4:]), **environ).status_code == 200
        assert stored() == [BODY]

    @pytest.mark.parametrize("length", ["3", "99", "-1", "many"])
    def test_the_end_of_the_chunks_counts_and_not_a_length_beside_them(self, length):
        """Cheroot."""
        environ = {CHUNKED: "chunked", "wsgi.input_terminated": True, "CONTENT_LENGTH": length}
        assert passed_on(io.BytesIO(BODY), **environ).status_code == 200
        assert stored() == [BODY]

    def test_a_length_that_a_proxy_counted_counts_though_it_came_in_chunks(self):
        """nginx with ``uwsgi_pass``."""
        environ = {CHUNKED: "chunked", "CONTENT_LENGTH": str(len(BODY))}
        assert passed_on(io.BytesIO(BODY), **environ).status_code == 200
        assert stored() == [BODY]

    def test_the_chunks_themselves_are_no_body(self):
        """uWSGI without a proxy."""
        environ = {CHUNKED: "chunked", "CONTENT_LENGTH": str(len(BODY))}
        assert passed_on(io.BytesIO(chunks(BODY)), **environ).status_code == 411
        assert stored() == []

    def test_identity_is_no_chunks(self):
        environ = {CHUNKED: "identity", "CONTENT_LENGTH": str(len(BODY))}
        assert passed_on(io.BytesIO(BODY), **environ).status_code == 200
        assert passed_on(io.BytesIO(BODY + b" "), **environ).status_code == 200
        assert passed_on(io.BytesIO(b" " + BODY), **environ).status_code == 401

    def test_a_body_may_come_in_pieces(self):
        stream = Pieces(BODY[:1], BODY[1:9], BODY[9:])
        assert passed_on(stream, CONTENT_LENGTH=str(len(BODY))).status_code == 200
        assert stored() == [BODY]

    @pytest.mark.parametrize("part", [b"", BODY[:-1]])
    def test_a_body_that_ends_early_is_told_so(self, part, caplog):
        response = passed_on(io.BytesIO(part), CONTENT_LENGTH=str(len(BODY)))
        assert response.status_code == 400
        assert "Content-Length" in caplog.text
        assert stored() == []

    @pytest.mark.parametrize("error", [ConnectionResetError("gone"), ValueError("zz"), EOFError()])
    @pytest.mark.parametrize("how", [{"CONTENT_LENGTH": "26"}, {"wsgi.input_terminated": True}])
    def test_a_body_that_can_t_be_read_is_a_400(self, error, how, caplog):
        """uWSGI raises OSError, Cheroot ValueError, Gunicorn errors of its own."""
        environ = {CHUNKED: "chunked"} | how
        assert passed_on(Pieces(BODY[:2], error), **environ).status_code == 400
        assert "its body could not be read" in caplog.text
        assert stored() == []

    def test_no_more_than_the_limit_and_a_byte_is_taken_of_chunks_without_end(self, settings):
        settings.CRAFTKIT = {"WEBHOOK_MAX_BYTES": 1_000}
        stream = io.BytesIO(b"x" * 50_000)
        environ = {CHUNKED: "chunked", "wsgi.input_terminated": True}
        assert passed_on(stream, **environ).status_code == 413
        assert stream.tell() == 1_001

    def test_the_reasons_in_the_log_s_memory_are_few(self, refusals):
        for length in range(30, 60):
            passed_on(io.BytesIO(BODY), CONTENT_LENGTH=str(length))
            passed_on(io.BytesIO(BODY), CONTENT_LENGTH="x" * length)
        assert len(refusals._unsaid["", "default"]) == 2


# Real servers and real sockets.

HEAD = f"POST {PATH} HTTP/1.1\r\nHost: testserver\r\nContent-Type: application/json"
LENGTH = f"Content-Length: {len(BODY)}"
IN_CHUNKS = "Transfer-Encoding: chunked"

#: What is sent; what is answered by a server without chunks (Django's), and by one with them.
CASES = {
    "a length": ([LENGTH], BODY, 200, 200),
    "a right length and more": ([LENGTH], BODY + b"more", 200, 200),
    "chunks": ([IN_CHUNKS], chunks(BODY[:5], BODY[5:]), 411, 200),
    "chunks and a length": ([IN_CHUNKS, "Content-Length: 3"], chunks(BODY), 411, 200),
    "chunks that end early": ([IN_CHUNKS], chunks(BODY[:5], end=b""), 411, 400),
    "a chunk that ends early": ([IN_CHUNKS], chunks(BODY)[:9], 411, 400),
    "chunks that are none": ([IN_CHUNKS], BODY, 411, 400),
    "a body that ends early": ([LENGTH], BODY[:9], 400, 400),
    "a length and nothing": ([LENGTH], b"", 400, 400),
    "no number": (["Content-Length: many"], BODY, 400, 400),
    "a negative number": (["Content-Length: -1"], BODY, 400, 400),
    "nothing": ([], b"", 401, 401),
}


def exchange(address: tuple[str, int], head: list[str], body: bytes, secret: bytes) -> int:
    """Send bytes over a socket, and no more after them; return the status of the answer."""
    lines = [HEAD, *head, *(f"{name}: {value}" for name, value in signed(secret=secret).items())]
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return int(answer.readline().split()[1])


@pytest.fixture
def without_chunks(live_server) -> tuple[str, int]:
    """Django's own server, which leaves chunks alone."""
    parts = urlsplit(live_server.url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


@pytest.fixture
def with_chunks(transactional_db) -> Iterator[tuple[str, int]]:
    """Werkzeug's, which ends the input where the chunks end, as Gunicorn does."""
    server = make_server("127.0.0.1", 0, WSGIHandler())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "127.0.0.1", server.port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.django_db(transaction=True)
class TestOverASocket:
    @pytest.fixture(autouse=True)
    def hosts(self):
        with override_settings(ALLOWED_HOSTS=["*"]):
            yield

    @pytest.mark.parametrize(("head", "body", "status", "_"), CASES.values(), ids=CASES.keys())
    def test_without_chunks(self, without_chunks, head, body, status, _):
        assert exchange(without_chunks, head, body, SECRET) == status
        assert stored() == ([BODY] if status == 200 else [])

    @pytest.mark.parametrize(("head", "body", "_", "status"), CASES.values(), ids=CASES.keys())
    def test_with_chunks(self, with_chunks, head, body, _, status):
        assert exchange(with_chunks, head, body, SECRET) == status
        assert stored() == ([BODY] if status == 200 else [])

    @pytest.mark.parametrize("server", ["without_chunks", "with_chunks"])
    @pytest.mark.parametrize("state", [{}, {"WEBHOOK_SECRETS": ["another"]}, None])
    def test_a_stranger_learns_nothing_of_the_settings(self, request, server, state):
        address = request.getfixturevalue(server)
        given = {} if state is None else {"default": state}
        for head, body, *statuses in CASES.values():
            status = statuses[server == "with_chunks"]
            with override_settings(CRAFTKIT_PROJECTS=given):
                answered = exchange(address, head, body, b"a stranger's")
            assert answered == (401 if status == 200 else status)
        assert stored() == []


class Scope:
    """One request to the ASGI application, in as many messages as there are pieces."""

    def __init__(self, *pieces: bytes, headers: dict[str, str]) -> None:
        self.messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
        ]
        self.messages.append({"type": "http.request"})
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "headers": [
                (name.lower().encode(), value.encode())
                for name, value in {"Host": "testserver", **headers}.items()
            ],
        }
        self.status = 0

    async def receive(self) -> dict[str, Any]:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)

    def answer(self) -> int:
        asyncio.run(ASGIHandler()(self.scope, self.receive, self.send))
        return self.status


@pytest.mark.django_db(transaction=True)
class TestUnderASGI:
    @pytest.mark.parametrize(
        "header",
        [{"Transfer-Encoding": "chunked"}, {"Content-Length": str(len(BODY))}, {}],
        ids=["chunks", "length", "http2"],
    )
    def test_a_body_is_whole_however_it_came(self, header):
        assert Scope(BODY[:3], BODY[3:], headers=signed() | header).answer() == 200
        assert stored() == [BODY]

    def test_one_that_is_on_disk_is_taken_too(self, settings):
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
        assert Scope(BODY, headers=signed()).answer() == 200
        assert stored() == [BODY]

    def test_the_limit_counts_what_came(self, settings):
        settings.CRAFTKIT = {"WEBHOOK_MAX_BYTES": 10}
        assert Scope(BODY, headers=signed() | {"Transfer-Encoding": "chunked"}).answer() == 413

    def test_a_stranger_is_refused(self):
        assert Scope(BODY, headers=signed(secret=b"another")).answer() == 401
        assert stored() == []


@pytest.mark.django_db
def test_a_middleware_that_read_the_body_takes_nothing_of_chunks_away(client):
    middleware = ["tests.webhooks.test_view.cross_everything", *settings.MIDDLEWARE]
    environ = {CHUNKED: "chunked", "wsgi.input_terminated": True, "wsgi.input": io.BytesIO(BODY)}
    with override_settings(MIDDLEWARE=middleware):
        request = {"headers": signed(), "content_type": "application/json", **environ}
        assert client.generic("POST", PATH, **request).status_code == 200
    assert stored() == [BODY]
