"""Files on their way out: how much of one is in memory, and what becomes of one that ends early."""

from __future__ import annotations

import asyncio
import http.client
import io
import threading
import tracemalloc
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import StreamingHttpResponse
from django.test import RequestFactory

from django_craftkit.models import ArchivedFile, Render
from django_craftkit.models.archive import OpenFile
from django_craftkit.streaming import CHUNK, AsyncFile, Chunks, IncompleteFile, StreamedFile
from tests.admin.conftest import make_render
from tests.helpers import TIMEOUT, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEGABYTE = 1024 * 1024


class Made(io.RawIOBase):
    """A file of so many bytes that is made up while it is read; ``before`` each read something."""

    def __init__(self, size: int, before: Callable[[int], object] = bool) -> None:
        super().__init__()
        self._left = size
        self._before = before
        self.reads = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert not self.closed
        self.reads += 1
        self._before(self.reads)
        assert not self.closed, "it was closed while it was read"
        count = min(len(buffer), self._left)
        buffer[:count] = bytes(count)
        self._left -= count
        return count


def fail_at(number: int) -> Callable[[int], None]:
    def before(read: int) -> None:
        if read == number:
            raise OSError("The network is gone.")

    return before


def response_of(file: Any, size: int | None = None) -> StreamedFile:
    return StreamedFile(Chunks(file, size, "render 7"))


async def collected(response: StreamedFile) -> int:
    return sum([len(chunk) async for chunk in response])


# Chunks.


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
@pytest.mark.parametrize("is_known", [True, False])
def test_all_of_a_file_comes(size: int, is_known: bool):
    known = size if is_known else None
    assert sum(map(len, response_of(Made(size), known))) == size
    assert asyncio.run(collected(response_of(Made(size), known))) == size


def test_no_more_comes_than_was_announced():
    assert sum(map(len, response_of(Made(10 * CHUNK), CHUNK + 5))) == CHUNK + 5


def test_a_file_that_ends_early_is_an_error():
    for size in (0, 5, CHUNK):
        with pytest.raises(IncompleteFile):
            list(response_of(Made(size), CHUNK + 1))
        with pytest.raises(IncompleteFile):
            asyncio.run(collected(response_of(Made(size), CHUNK + 1)))


@pytest.mark.django_db  # with it Django ends the request, and looks after its connections
def test_a_closed_response_never_looks_like_the_end_of_a_file():
    response = response_of(Made(3 * CHUNK))
    chunks = iter(response)
    next(chunks)
    response.close()
    with pytest.raises(ValueError, match="closed"):
        next(chunks)


def test_what_a_storage_says_of_its_error_is_not_logged(caplog: pytest.LogCaptureFixture):
    with pytest.raises(OSError, match="network"):
        list(response_of(Made(9 * CHUNK, fail_at(3))))
    assert caplog.messages == ["A download of render 7 broke off: OSError"]


def test_a_file_is_not_closed_while_another_thread_reads_it():
    reading, go_on = threading.Event(), threading.Event()

    def wait(read: int) -> None:
        reading.set()
        assert go_on.wait(TIMEOUT)

    file = Made(3 * CHUNK, wait)
    chunks = Chunks(file, None, "render 7")
    reader = threading.Thread(target=next, args=(chunks,))
    reader.start()
    assert reading.wait(TIMEOUT)
    chunks.close()
    assert not file.closed
    go_on.set()
    reader.join(TIMEOUT)
    assert file.closed


@pytest.mark.parametrize("middleware", ["gzip", "conditional"])
def test_middleware_of_djangos_leaves_it_a_stream(middleware: str):
    from django.middleware.gzip import GZipMiddleware
    from django.middleware.http import ConditionalGetMiddleware

    made = {"gzip": GZipMiddleware, "conditional": ConditionalGetMiddleware}[middleware]
    file = Made(40 * CHUNK)
    response = made(lambda request: response_of(file, 40 * CHUNK))(
        RequestFactory().get("/", headers={"accept-encoding": "gzip"})
    )

    async def begin() -> None:
        async for chunk in response:
            assert chunk
            break

    asyncio.run(begin())
    assert file.reads < 40


# What async code opens.


def test_a_file_is_read_by_chunks_or_by_a_number_of_bytes():
    async def read() -> list[int]:
        async with AsyncFile(Made(3 * CHUNK)) as file:
            assert file.size is None
            sizes = [len(await file.read(5)), *[len(chunk) async for chunk in file]]
            assert await file.read() == b""
        return sizes

    assert asyncio.run(read()) == [5, CHUNK, CHUNK, CHUNK - 5]


def test_all_of_a_file_is_read_at_once():
    async def read() -> int:
        file = AsyncFile(io.BytesIO(bytes(2 * CHUNK)))
        whole = await file.read()
        assert file.size == len(whole)
        return len(whole)

    assert asyncio.run(read()) == 2 * CHUNK


def test_what_breaks_off_and_what_is_closed_are_errors():
    async def read() -> None:
        made = Made(9 * CHUNK, fail_at(3))
        async with AsyncFile(made) as file:
            with pytest.raises(OSError, match="network"):
                [chunk async for chunk in file]
        assert made.closed
        with pytest.raises(ValueError, match="closed"):
            await file.read()

    asyncio.run(read())


def test_the_loop_goes_on_while_a_file_is_read_and_whoever_leaves_closes_it():
    reading, go_on = threading.Event(), threading.Event()

    def wait(read: int) -> None:
        reading.set()
        assert go_on.wait(TIMEOUT)

    made = Made(3 * CHUNK, wait)

    async def leave() -> None:
        file = AsyncFile(made)
        task = asyncio.create_task(file.read(5))
        await asyncio.to_thread(reading.wait, TIMEOUT)
        task.cancel()
        file.close()
        assert not made.closed, "it was closed under the read"
        go_on.set()

    asyncio.run(leave())
    until(lambda: made.closed)
    assert made.reads == 1


# Over ASGI.


class Caller:
    """Somebody who calls the site over ASGI, and reads until ``leaves`` says not to."""

    def __init__(self, leaves: Callable[[], bool] = bool) -> None:
        self._leaves = leaves
        self._is_gone = asyncio.Event()
        self._sent = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.received = 0
        self.largest = 0
        self.is_whole = False

    async def receive(self) -> dict[str, Any]:
        if self._sent:
            await self._is_gone.wait()
            return {"type": "http.disconnect"}
        self._sent = True
        return {"type": "http.request", "body": b""}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.received += len(message.get("body", b""))
        self.largest = max(self.largest, len(message.get("body", b"")))
        self.is_whole = not message.get("more_body", False)
        if self._leaves():
            self._is_gone.set()
        # As over a socket: others have their turn.
        await asyncio.sleep(0)


def call(path: str, caller: Callable[[], Caller] = Caller, method: str = "GET") -> Caller:
    async def run() -> Caller:
        somebody = caller()
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(b"host", b"testserver")],
        }
        await ASGIHandler()(scope, somebody.receive, somebody.send)
        return somebody

    return asyncio.run(run())


def over_wsgi(path: str) -> int:
    started: list[str] = []
    environ = RequestFactory()._base_environ(PATH_INFO=path)
    response = WSGIHandler()(environ, lambda status, headers: started.append(status))
    try:
        size = sum(map(len, response))
    finally:
        response.close()
    assert started == ["200 OK"]
    return size


def over_asgi(path: str) -> int:
    somebody = call(path)
    assert (somebody.status, somebody.is_whole) == (200, True)
    assert somebody.largest <= CHUNK
    return somebody.received


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass

    def get_stderr(self) -> Any:
        # The traceback of what breaks off.
        return io.StringIO()


@contextmanager
def serving(site: Any) -> Iterator[str]:
    """Serve a site on a port of its own."""
    with make_server("127.0.0.1", 0, site, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(TIMEOUT)


@pytest.fixture
def link() -> Callable[[Render], str]:
    return lambda render: render.get_download_url(guest=True, expires=600)


@pytest.mark.django_db(transaction=True)
class TestASite:
    @pytest.mark.parametrize("over", [over_wsgi, over_asgi])
    @pytest.mark.parametrize("is_archived", [True, False])
    def test_has_little_of_a_large_file_in_memory(
        self, over, is_archived, link, settings, tmp_path: Path, monkeypatch
    ):
        size = 24 * MEGABYTE
        render = make_render(remote_id=uuid.uuid4())
        settings.CRAFTKIT = {"RECORD_DOWNLOADS": False}
        if is_archived:
            backend = "django.core.files.storage.FileSystemStorage"
            options = {"location": tmp_path}
            settings.STORAGES = {
                **settings.STORAGES,
                "craftkit": {"BACKEND": backend, "OPTIONS": options},
            }
            with (tmp_path / "large.pdf").open("wb") as file:
                file.truncate(size)
            ArchivedFile.objects.create(
                kind="render", object_id=render.pk, name="large.pdf", size=size, sha256="0" * 64
            )
        else:
            monkeypatch.setattr(Render, "_open_remote", lambda self, timeout: Made(size))
        url = link(render)
        # What is imported, and kept, at the first time.
        over(url)
        if not is_archived:
            monkeypatch.setattr(Render, "_open_remote", lambda self, timeout: Made(size))
        tracemalloc.start()
        try:
            assert over(url) == size
            assert tracemalloc.get_traced_memory()[1] < 4 * MEGABYTE
        finally:
            tracemalloc.stop()

    def test_closes_the_file_once_the_client_has_gone_away(self, link, monkeypatch):
        render = make_render(remote_id=uuid.uuid4())
        going, left = threading.Event(), threading.Event()

        def before(read: int) -> None:
            # The client goes while Craftkit is waited for.
            if read == 3:
                going.set()
                assert left.wait(TIMEOUT)

        file = Made(100 * CHUNK, before)
        monkeypatch.setattr(Render, "_open_remote", lambda self, timeout: file)

        class Leaving(Caller):
            async def receive(self) -> dict[str, Any]:
                if not self._sent:
                    return await super().receive()
                await asyncio.to_thread(going.wait, TIMEOUT)
                return {"type": "http.disconnect"}

        somebody = call(link(render), Leaving)
        assert not somebody.is_whole
        # The site waits for nothing; the read that is under way ends by itself.
        assert not file.closed
        left.set()
        until(lambda: file.closed)
        assert file.reads == 3

    def test_closes_the_file_at_its_end(self, link, monkeypatch):
        render = make_render(remote_id=uuid.uuid4())
        file = Made(2 * CHUNK)
        monkeypatch.setattr(Render, "_open_remote", lambda self, timeout: file)
        assert over_asgi(link(render)) == 2 * CHUNK
        assert file.closed

    def test_streams_what_a_view_of_ones_own_has_opened(self, monkeypatch):
        render = make_render(remote_id=uuid.uuid4())
        file = Made(2 * CHUNK)
        monkeypatch.setattr(Render, "_open_remote", lambda self, timeout: file)

        async def view(request: Any) -> StreamingHttpResponse:
            pdf = await (await Render.objects.aget(pk=render.pk)).aopen()
            return StreamingHttpResponse(pdf, content_type="application/pdf")

        monkeypatch.setattr(ASGIHandler, "resolve_request", lambda self, request: (view, (), {}))
        assert over_asgi("/") == 2 * CHUNK
        assert file.closed

    def test_answers_head_and_words_over_asgi(self, link):
        render = make_render("queued")
        somebody = call(link(render))
        assert (somebody.status, somebody.is_whole) == (404, True)
        assert call(link(render), method="HEAD").status == 404

    def test_breaks_off_over_asgi_what_ends_early(self, link, monkeypatch):
        render = make_render(remote_id=uuid.uuid4())
        seen: list[Caller] = []

        class Watched(Caller):
            def __init__(self) -> None:
                super().__init__()
                seen.append(self)

        file = Made(9 * CHUNK, fail_at(3))
        monkeypatch.setattr(Render, "_open_remote", lambda self, timeout: file)
        # What the server makes of it: a connection that is closed without an end.
        with pytest.raises(OSError, match="network"):
            call(link(render), Watched)
        assert seen[0].received == 2 * CHUNK
        assert not seen[0].is_whole
        assert file.closed

    @pytest.mark.parametrize("is_announced", [True, False])
    def test_breaks_off_over_wsgi_what_ends_early(self, link, monkeypatch, is_announced):
        render = make_render(remote_id=uuid.uuid4())
        size = 9 * CHUNK

        def open_file(self: Render, timeout: float | None) -> OpenFile:
            return OpenFile(Made(size, fail_at(3)), size if is_announced else None)

        monkeypatch.setattr(Render, "open_file", open_file)
        with serving(WSGIHandler()) as address:
            connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
            connection.request("GET", link(render))
            response = connection.getresponse()
            assert response.status == 200
            if is_announced:
                with pytest.raises(http.client.IncompleteRead):
                    response.read()
            else:
                # Without a length, or the chunks of HTTP/1.1, nobody can tell.
                assert len(response.read()) < size
