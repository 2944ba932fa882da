from __future__ import annotations

import gzip
import io
import shutil
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

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
from django_craftkit.client.download import DOWNLOAD_LIMIT

from .conftest import BASE, KEY, RENDER, Api, Serve, answers, client, refusal, says
from .signatures.helpers import REQUEST

FIRST = f"{BASE}/v1/renders/{RENDER}/download"
SECOND = f"{BASE}/v1/embed/renders/{RENDER}/download"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 1_000 + b"%%EOF\n"
IS_PDF = "Content-Type: application/pdf"
Open = Callable[..., Download]
#: Where each document is, and what opens it.
DOCUMENTS: dict[str, tuple[str, Open]] = {
    "render": (
        f"/v1/renders/{RENDER}/download",
        lambda craftkit, **options: craftkit.renders.download(RENDER, **options),
    ),
    "signed": (
        f"/v1/signatures/{REQUEST}/download",
        lambda craftkit, **options: craftkit.signatures.signed_pdf(REQUEST, **options),
    ),
    "certificate": (
        f"/v1/signatures/{REQUEST}/certificate",
        lambda craftkit, **options: craftkit.signatures.certificate(REQUEST, **options),
    ),
}
each_document = pytest.mark.parametrize(("place", "open_"), DOCUMENTS.values(), ids=DOCUMENTS)
CHUNKED = f"HTTP/1.1 200 OK\r\n{IS_PDF}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


@each_document
def test_a_document_is_read_as_a_file(serve: Serve, place: str, open_: Open) -> None:
    server = serve(answers(200, PDF, IS_PDF))
    with open_(client(server)) as download:
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
    assert head.startswith(f"GET {place} ".encode())
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
    cut = client(serve(says(CHUNKED + b"5\r\n%PDF-\r\n"))).renders.download(RENDER)
    assert cut.content_length is None
    for _ in range(2):
        with pytest.raises(CraftkitConnectionError):
            cut.read()
    whole = client(serve(says(CHUNKED + b"5\r\n%PDF-\r\n0\r\n\r\n"))).renders.download(RENDER)
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


@each_document
@pytest.mark.parametrize("is_announced", [False, True])
def test_a_document_is_no_larger_than_the_clients_limit_or_the_calls(
    serve: Serve, place: str, open_: Open, is_announced: bool
) -> None:
    halves = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (PDF[:50], PDF[50:]))
    in_chunks = says(CHUNKED + halves + b"0\r\n\r\n")
    server = serve(answers(200, PDF, IS_PDF) if is_announced else in_chunks)
    strict = client(server, max_download_bytes=len(PDF) - 1)
    for craftkit, limit in ((strict, None), (client(server), len(PDF) - 1)):
        got: list[bytes] = []
        with pytest.raises(InvalidResponse, match=f"{len(PDF) - 1:,} bytes") as caught:
            got.extend(open_(craftkit, max_bytes=limit))
        assert (caught.value.method, caught.value.path) == ("GET", place)
        assert len(b"".join(got)) < (1 if is_announced else len(PDF))
    for craftkit in (strict, client(server)):
        with open_(craftkit, max_bytes=len(PDF)) as download:
            assert download.read() == PDF
    assert open_(client(server, max_download_bytes=len(PDF))).read() == PDF
    if not is_announced:
        with open_(strict) as download:
            assert download.content_length is None
            for size in (-1, 1):
                with pytest.raises(InvalidResponse, match="larger"):
                    download.read(size)


@each_document
def test_a_document_that_says_it_is_too_large_is_not_read(
    serve: Serve, place: str, open_: Open
) -> None:
    server = serve(answers(200, b"%PDF-", IS_PDF, length=DOWNLOAD_LIMIT + 1))
    with pytest.raises(InvalidResponse, match=f"{DOWNLOAD_LIMIT:,} bytes") as caught:
        open_(client(server))
    assert (caught.value.status, caught.value.method) == (200, "GET")
    assert caught.value.path == place


def test_the_second_route_has_the_same_limit(api: Api, once: Craftkit) -> None:
    api.get(FIRST, status=404)
    api.get(SECOND, body=PDF, content_type="application/pdf")
    with pytest.raises(InvalidResponse, match="larger"):
        once.renders.download(RENDER, max_bytes=len(PDF) - 1).read()


@pytest.mark.parametrize(
    "before", [b"", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"\0\t\f ", b" " * 1019], ids=repr
)
def test_a_pdf_begins_after_white_space_or_a_byte_order_mark_at_most(
    api: Api, once: Craftkit, before: bytes
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
    api: Api, once: Craftkit, body: bytes
) -> None:
    api.get(FIRST, body=body, content_type="application/pdf")
    with pytest.raises(InvalidResponse, match="PDF") as caught:
        once.renders.download(RENDER)
    assert (caught.value.status, caught.value.method) == (200, "GET")
    assert caught.value.path == f"/v1/renders/{RENDER}/download"
    assert caught.value.body is None


def test_the_beginning_may_come_byte_by_byte(serve: Serve) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in PDF[:2000])
    download = client(serve(says(CHUNKED + chunks + b"0\r\n\r\n"))).renders.download(RENDER)
    assert download.read() == PDF[:2000]


@each_document
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("text/html", 200),
        ("application/json", 200),
        ("application/pdfx", 200),
        ("", 200),
        ("application/pdf", 206),
    ],
)
def test_what_is_no_whole_pdf_is_refused(
    api: Api, once: Craftkit, place: str, open_: Open, kind: str, status: int
) -> None:
    api.get(f"{BASE}{place}", body=PDF, content_type=kind, status=status)
    with pytest.raises(InvalidResponse, match="whole PDF"):
        open_(once)


def test_the_second_route_is_asked_where_the_first_knows_nothing(api: Api, once: Craftkit) -> None:
    api.get(FIRST, status=404)
    api.get(SECOND, body=PDF, content_type="application/pdf")
    with once.renders.download(RENDER) as download:
        assert download.read() == PDF


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_second_route_that_is_closed_does_not_blame_the_key(
    api: Api, once: Craftkit, status: int
) -> None:
    api.get(FIRST, json={"error": {"code": "not_found", "message": "No such."}}, status=404)
    api.get(SECOND, json={"error": "invalid_credentials"}, status=status)
    with pytest.raises(NotFound) as caught:
        once.renders.download(RENDER)
    assert caught.value.path == f"/v1/renders/{RENDER}/download"
    assert caught.value.code == "not_found"
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ([401], AuthenticationError),
        ([409], Conflict),
        ([500], ServerError),
        ([404, 500], ServerError),
    ],
)
def test_other_failures_are_raised_and_ask_no_further_route(
    api: Api, once: Craftkit, statuses: list[int], kind: type[Exception]
) -> None:
    for url, status in zip((FIRST, SECOND), statuses, strict=False):
        api.get(url, status=status)
    with pytest.raises(kind):
        once.renders.download(RENDER)


@each_document
def test_opening_a_download_is_tried_again(
    api: Api, craftkit: Craftkit, pauses: list[float], place: str, open_: Open
) -> None:
    api.get(f"{BASE}{place}", json=refusal("upstream_error"), status=502)
    api.get(f"{BASE}{place}", status=503)
    api.get(f"{BASE}{place}", body=PDF, content_type="application/pdf")
    with open_(craftkit) as download:
        assert download.read() == PDF
    assert len(pauses) == 2


@pytest.mark.parametrize(("place", "open_"), [DOCUMENTS["signed"], DOCUMENTS["certificate"]])
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "not_found", NotFound),
        (409, "conflict", Conflict),
        (502, "upstream_error", ServerError),
    ],
)
def test_a_signed_document_that_is_not_there_is_told(
    api: Api, once: Craftkit, place: str, open_: Open, status: int, code: str, kind: Any
) -> None:
    api.get(f"{BASE}{place}", json=refusal(code), status=status)
    with pytest.raises(kind) as caught:
        open_(once)
    assert caught.value.code == code
    assert len(api.calls) == 1
