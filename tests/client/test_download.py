from __future__ import annotations

import gzip
import io
import shutil
import threading
import tracemalloc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests

from django_craftkit.client import (
    AuthenticationError,
    Conflict,
    Craftkit,
    CraftkitConnectionError,
    CraftkitTimeout,
    Download,
    InvalidResponse,
    NotFound,
    ServerError,
)

from .conftest import BASE, KEY, RENDER, answers, says

if TYPE_CHECKING:
    import responses

Serve = Callable[..., Any]
FIRST = f"{BASE}/v1/renders/{RENDER}/download"
SECOND = f"{BASE}/v1/embed/renders/{RENDER}/download"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 1_000 + b"%%EOF\n"
IS_PDF = "Content-Type: application/pdf"


def client(server: Any, **options: Any) -> Craftkit:
    return Craftkit(KEY, base_url=server.url, max_retries=0, **options)


def test_a_document_is_read_as_a_file(serve: Serve) -> None:
    server = serve(answers(200, PDF, IS_PDF))
    with client(server).renders.download(RENDER) as download:
        assert (download.content_type, download.content_length) == ("application/pdf", len(PDF))
        assert download.readable()
        assert download.read(5) == b"%PDF-"
        assert download.read(0) == b""
        assert download.read() == PDF[5:]
        assert download.read() == download.read(10) == b""
    assert download.closed
    with pytest.raises(ValueError, match="closed"):
        download.read(1)
    head = server.requests[0]
    assert f"Authorization: Bearer {KEY}".encode() in head
    assert b"Accept-Encoding: identity" in head


def test_every_way_of_reading_gives_the_same_bytes(serve: Serve) -> None:
    craftkit = client(serve(answers(200, PDF, "Content-Type: Application/PDF; charset=binary")))
    chunks = list(craftkit.renders.download(RENDER))
    assert b"".join(chunks) == PDF
    assert len(chunks) > 1
    assert io.BufferedReader(craftkit.renders.download(RENDER)).read() == PDF
    copy = io.BytesIO()
    shutil.copyfileobj(craftkit.renders.download(RENDER), copy)
    assert copy.getvalue() == PDF
    into = bytearray(10)
    assert craftkit.renders.download(RENDER).readinto(into) == 10
    assert bytes(into) == PDF[:10]


def test_a_download_shows_no_key(serve: Serve) -> None:
    with client(serve(answers(200, PDF, IS_PDF))).renders.download(RENDER) as download:
        assert repr(download) == (
            f"<Download application/pdf, {len(PDF)} bytes, /v1/renders/{RENDER}/download>"
        )


@pytest.mark.parametrize("missing", [1, 100_000])
def test_a_short_document_is_never_taken_for_a_whole_one(serve: Serve, missing: int) -> None:
    server = serve(answers(200, PDF[:-missing], IS_PDF, length=len(PDF)))
    for read in (Download.read, list, lambda download: shutil.copyfileobj(download, io.BytesIO())):
        download = client(server).renders.download(RENDER)
        with pytest.raises(CraftkitConnectionError):
            read(download)
        with pytest.raises(CraftkitConnectionError):
            download.read(1)
    buffered = io.BufferedReader(client(server).renders.download(RENDER))
    with pytest.raises(CraftkitConnectionError):
        buffered.read()


def bare(body: bytes, length: int) -> Download:
    """A download over a body that nothing below it counts."""
    response = requests.Response()
    response.status_code = 200
    response.headers["Content-Type"] = "application/pdf"
    response.headers["Content-Length"] = str(length)
    response.raw = io.BytesIO(body)
    return Download(response, "/v1/renders/x/download")


def test_a_short_document_is_found_out_without_help_from_below() -> None:
    with pytest.raises(CraftkitConnectionError, match="5 bytes came of 100") as caught:
        bare(b"%PDF-", 100).read()
    assert (caught.value.method, caught.value.path) == ("GET", "/v1/renders/x/download")


def test_more_bytes_than_announced_are_no_document() -> None:
    download = bare(b"%PDF-", 3)
    for size in (1, 1, -1):
        with pytest.raises(CraftkitConnectionError, match="5 bytes came of 3"):
            download.read(size)


def test_a_cut_in_chunked_transfer_is_found_out(serve: Serve) -> None:
    head = f"HTTP/1.1 200 OK\r\n{IS_PDF}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    cut = client(serve(says(head + b"5\r\n%PDF-\r\n"))).renders.download(RENDER)
    assert cut.content_length is None
    for _ in range(2):
        with pytest.raises(CraftkitConnectionError):
            cut.read()
    whole = client(serve(says(head + b"5\r\n%PDF-\r\n0\r\n\r\n"))).renders.download(RENDER)
    assert whole.read() == b"%PDF-"


def test_a_download_that_stalls_ends(serve: Serve) -> None:
    release = threading.Event()

    def stall(connection: Any) -> None:
        answers(200, b"%PDF-", IS_PDF, length=100)(connection)
        release.wait(60)

    try:
        download = client(serve(stall), timeout=(30.0, 3.0)).renders.download(RENDER)
        with download, pytest.raises(CraftkitTimeout):
            download.read()
    finally:
        release.set()


def test_a_compressed_download_is_unpacked(serve: Serve) -> None:
    server = serve(answers(200, gzip.compress(PDF), IS_PDF, "Content-Encoding: gzip"))
    with client(server).renders.download(RENDER) as download:
        assert download.content_length is None
        assert download.read() == PDF


def test_memory_stays_small_however_large_the_document(serve: Serve) -> None:
    size = 20_000_000

    def send(connection: Any) -> None:
        answers(200, b"", IS_PDF, length=size)(connection)
        block = b"%PDF-".ljust(100_000, b"\0")
        for _ in range(size // len(block)):
            connection.sendall(block)

    download = client(serve(send)).renders.download(RENDER)
    tracemalloc.start()
    try:
        assert sum(len(chunk) for chunk in download) == size
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_what_unpacks_to_more_than_the_limit_ends_there(serve: Serve) -> None:
    """A few kB that become 200 MB, of which no more than a few chunks are ever unpacked."""
    bomb = gzip.compress(b"%PDF-" + bytes(200_000_000))
    server = serve(answers(200, bomb, IS_PDF, "Content-Encoding: gzip"))
    download = client(server, max_download_bytes=1_000_000).renders.download(RENDER)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidResponse, match="1,000,000 bytes"):
            sum(len(chunk) for chunk in download)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    with pytest.raises(InvalidResponse):
        download.read(1)


@pytest.mark.parametrize("length", [None, len(PDF)], ids=["chunked", "announced"])
def test_a_document_is_no_larger_than_the_clients_limit_or_the_calls(
    serve: Serve, length: int | None
) -> None:
    if length is None:
        head = f"HTTP/1.1 200 OK\r\n{IS_PDF}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        server = serve(says(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(PDF), PDF)))
    else:
        server = serve(answers(200, PDF, IS_PDF))
    strict = client(server, max_download_bytes=len(PDF) - 1).renders
    for download in (
        lambda: strict.download(RENDER),
        lambda: client(server).renders.download(RENDER, max_bytes=len(PDF) - 1),
    ):
        with pytest.raises(InvalidResponse, match=f"{len(PDF) - 1:,} bytes") as caught:
            download().read()
        assert caught.value.path == f"/v1/renders/{RENDER}/download"
    assert strict.download(RENDER, max_bytes=len(PDF)).read() == PDF
    assert client(server, max_download_bytes=len(PDF)).renders.download(RENDER).read() == PDF


def test_the_second_route_has_the_same_limit(api: responses.RequestsMock, once: Craftkit) -> None:
    api.get(FIRST, status=404)
    api.get(SECOND, body=PDF, content_type="application/pdf")
    with pytest.raises(InvalidResponse, match="larger"):
        once.renders.download(RENDER, max_bytes=len(PDF) - 1).read()


@pytest.mark.parametrize(
    "before", [b"", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"\0\t\f ", b" " * 1019], ids=repr
)
def test_a_pdf_begins_after_white_space_or_a_byte_order_mark_at_most(
    api: responses.RequestsMock, once: Craftkit, before: bytes
) -> None:
    api.get(FIRST, body=before + PDF, content_type="application/pdf")
    assert once.renders.download(RENDER).read() == before + PDF, "it is kept as it came"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"%PDF",
        b"%pdf-1.7",
        b"x%PDF-1.7",
        b" " * 1020 + PDF,
        b"<html>This is not the %PDF-1.7 you are looking for</html>",
        b'{"error": {"code": "internal"}}',
        b"PK\3\4" + bytes(100_000),
        bytes(100_000),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_does_not_begin_as_a_pdf_is_refused_before_anything_is_handed_out(
    api: responses.RequestsMock, once: Craftkit, body: bytes
) -> None:
    api.get(FIRST, body=body, content_type="application/pdf")
    with pytest.raises(InvalidResponse, match="PDF") as caught:
        once.renders.download(RENDER)
    assert (caught.value.status, caught.value.method) == (200, "GET")
    assert caught.value.path == f"/v1/renders/{RENDER}/download"
    assert caught.value.body is None


def test_the_beginning_may_come_byte_by_byte(serve: Serve) -> None:
    head = f"HTTP/1.1 200 OK\r\n{IS_PDF}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in PDF[:2000])
    download = client(serve(says(head + chunks + b"0\r\n\r\n"))).renders.download(RENDER)
    assert download.read() == PDF[:2000]


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/pdfx", ""])
def test_what_is_no_pdf_is_refused(api: responses.RequestsMock, once: Craftkit, kind: str) -> None:
    api.get(FIRST, body=b"%PDF-", content_type=kind)
    with pytest.raises(InvalidResponse, match="PDF"):
        once.renders.download(RENDER)


def test_a_part_of_a_pdf_is_refused(api: responses.RequestsMock, once: Craftkit) -> None:
    api.get(FIRST, body=b"%PDF-", content_type="application/pdf", status=206)
    with pytest.raises(InvalidResponse, match="whole"):
        once.renders.download(RENDER)


def test_the_second_route_is_asked_where_the_first_knows_nothing(
    api: responses.RequestsMock, once: Craftkit
) -> None:
    api.get(FIRST, status=404)
    api.get(SECOND, body=PDF, content_type="application/pdf")
    with once.renders.download(RENDER) as download:
        assert download.read() == PDF


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_second_route_that_is_closed_does_not_blame_the_key(
    api: responses.RequestsMock, once: Craftkit, status: int
) -> None:
    api.get(FIRST, json={"error": {"code": "not_found", "message": "No such."}}, status=404)
    api.get(SECOND, json={"error": "invalid_credentials"}, status=status)
    with pytest.raises(NotFound) as caught:
        once.renders.download(RENDER)
    assert caught.value.path == f"/v1/renders/{RENDER}/download"
    assert caught.value.code == "not_found"
    assert caught.value.__context__ is None


def test_a_second_route_that_fails_is_told(api: responses.RequestsMock, once: Craftkit) -> None:
    api.get(FIRST, status=404)
    api.get(SECOND, status=500)
    with pytest.raises(ServerError):
        once.renders.download(RENDER)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (409, Conflict), (500, ServerError)]
)
def test_other_failures_ask_no_second_route(
    api: responses.RequestsMock, once: Craftkit, status: int, kind: type[Exception]
) -> None:
    api.get(FIRST, status=status)
    with pytest.raises(kind):
        once.renders.download(RENDER)


def test_opening_a_download_is_tried_again(
    api: responses.RequestsMock, craftkit: Craftkit, pauses: list[float]
) -> None:
    api.get(FIRST, status=503)
    api.get(FIRST, body=PDF, content_type="application/pdf")
    with craftkit.renders.download(RENDER) as download:
        assert download.read() == PDF
    assert len(pauses) == 1
