"""The signed PDF and the certificate are read as files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit.client import (
    Conflict,
    Craftkit,
    CraftkitError,
    Download,
    InvalidResponse,
    NotFound,
    ServerError,
)
from django_craftkit.client.download import DOWNLOAD_LIMIT
from tests.client.conftest import KEY, answers, says
from tests.client.signatures.helpers import PDF, REQUEST, URL, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    import responses

DOCUMENTS: list[Any] = [
    pytest.param("download", lambda craftkit: craftkit.signatures.signed_pdf, id="signed"),
    pytest.param("certificate", lambda craftkit: craftkit.signatures.certificate, id="certificate"),
]


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_a_document_is_read_as_a_file(
    serve: Callable[..., Any], place: str, read: Callable[[Craftkit], Callable[..., Download]]
) -> None:
    server = serve(answers(200, PDF, "Content-Type: application/pdf"))
    craftkit = Craftkit(KEY, base_url=server.url, max_retries=0)
    with read(craftkit)(REQUEST) as document:
        assert document.content_length == len(PDF)
        assert document.read() == PDF
    head = server.requests[0]
    assert head.startswith(f"GET /v1/signatures/{REQUEST}/{place} ".encode())
    assert f"Authorization: Bearer {KEY}".encode() in head


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "not_found", NotFound),
        (409, "conflict", Conflict),
        (502, "upstream_error", ServerError),
    ],
)
def test_a_document_that_is_not_there_is_told(
    api: responses.RequestsMock,
    once: Craftkit,
    place: str,
    read: Any,
    status: int,
    code: str,
    kind: type[CraftkitError],
) -> None:
    api.get(f"{URL}/{REQUEST}/{place}", json=refusal(code), status=status)
    with pytest.raises(kind) as caught:
        read(once)(REQUEST)
    assert caught.value.code == code
    assert len(api.calls) == 1


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_a_document_is_fetched_again(
    api: responses.RequestsMock, craftkit: Craftkit, place: str, read: Any
) -> None:
    api.get(f"{URL}/{REQUEST}/{place}", json=refusal("upstream_error"), status=502)
    api.get(f"{URL}/{REQUEST}/{place}", body=PDF, content_type="application/pdf")
    with read(craftkit)(REQUEST) as document:
        assert document.read() == PDF


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_what_is_no_pdf_is_refused(
    api: responses.RequestsMock, once: Craftkit, place: str, read: Any
) -> None:
    api.get(f"{URL}/{REQUEST}/{place}", body=PDF, content_type="text/html")
    with pytest.raises(InvalidResponse, match="PDF"):
        read(once)(REQUEST)


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_a_document_that_says_it_is_too_large_is_not_read(
    serve: Callable[..., Any], place: str, read: Any
) -> None:
    kind, limit = "Content-Type: application/pdf", DOWNLOAD_LIMIT
    server = serve(answers(200, b"%PDF-", kind, length=limit + 1), answers(200, PDF, kind))
    craftkit = Craftkit(KEY, base_url=server.url, max_retries=0)
    with pytest.raises(InvalidResponse, match=f"{limit:,} bytes") as caught:
        read(craftkit)(REQUEST)
    assert (caught.value.status, caught.value.method) == (200, "GET")
    assert caught.value.path == f"/v1/signatures/{REQUEST}/{place}"
    with read(craftkit)(REQUEST, max_bytes=len(PDF)) as document:
        assert document.read() == PDF
    with pytest.raises(InvalidResponse):
        read(craftkit)(REQUEST, max_bytes=len(PDF) - 1)


@pytest.mark.parametrize(("place", "read"), DOCUMENTS)
def test_a_document_that_grows_too_large_ends(
    serve: Callable[..., Any], place: str, read: Any
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (PDF[:50], PDF[50:]))
    server = serve(says(head + body + b"0\r\n\r\n"))
    craftkit = Craftkit(KEY, base_url=server.url, max_retries=0)
    document = read(craftkit)(REQUEST, max_bytes=len(PDF) - 1)
    assert document.content_length is None
    got = io.BytesIO()
    with pytest.raises(InvalidResponse, match="larger") as caught:
        got.writelines(document)
    assert len(got.getvalue()) < len(PDF)
    assert caught.value.path == f"/v1/signatures/{REQUEST}/{place}"
    with pytest.raises(InvalidResponse):
        document.read(1)
    document.close()
    with read(craftkit)(REQUEST, max_bytes=len(PDF)) as document:
        assert document.read() == PDF
