"""What is done with a session's token: forms are sent in, images uploaded, renders read."""

from __future__ import annotations

import io
import json
import re
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import requests
from responses.matchers import header_matcher, json_params_matcher

from django_craftkit.client import (
    AuthenticationError,
    CraftkitError,
    CraftkitSession,
    InvalidData,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    Secret,
)
from django_craftkit.client.images import LARGEST
from tests.client.conftest import BASE, QUEUED, RENDER, Api, refusal

from .helpers import IMAGE, SESSION, TOKEN

SUBMIT_URL = f"{BASE}/v1/embed/form-submit/{SESSION}"
UPLOAD_URL = f"{SUBMIT_URL}/upload-image"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
IMAGES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\n\r\0\0WEBPVP8 ",
    "image/tiff": b"II*\0",
    "image/svg+xml": b'\n<svg xmlns="http://www.w3.org/2000/svg"/>',
}


@pytest.fixture
def guest() -> CraftkitSession:
    return CraftkitSession(Secret(TOKEN))


# Forms


def test_a_form_is_sent_in_with_the_sessions_token(api: Api, guest: CraftkitSession) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://embed.craftkit.dev"}
    sent = {"data": {"customer.name": "Ada"}, "datasetSelection": {"ships": "1"}}
    match = [header_matcher(headers), json_params_matcher(sent)]
    api.post(SUBMIT_URL, json=QUEUED, status=202, match=match)
    answer = guest.submit_form(
        UUID(SESSION), {"customer.name": "Ada"}, dataset_selection={"ships": "1"}
    )
    assert answer.render is not None
    assert (answer.render.id, answer.render.status) == (UUID(RENDER), "queued")
    assert answer.extra == {}


@pytest.mark.parametrize("body", [{}, {"status": "accepted"}, {"id": None, "status": "taken"}])
def test_a_form_that_is_only_collected_has_no_render(
    api: Api, guest: CraftkitSession, body: dict[str, str]
) -> None:
    api.post(SUBMIT_URL, json=body, status=202)
    answer = guest.submit_form(SESSION, {})
    assert (answer.render, answer.unreadable) == (None, {})
    assert answer.extra == {name: value for name, value in body.items() if value is not None}


def test_a_form_that_was_taken_is_no_error_whatever_is_said_of_it(
    api: Api, guest: CraftkitSession
) -> None:
    for body, unreadable in (({"id": "rnd_1"}, {"id": "rnd_1"}), ({"id": RENDER}, {})):
        api.post(SUBMIT_URL, json=body, status=202)
        answer = guest.submit_form(SESSION, {})
        assert (answer.render, answer.unreadable) == (None, unreadable)


@pytest.mark.parametrize("selection", [{"ships": 1}, {1: "ship"}, "ships"])
def test_a_selection_of_other_things_than_texts_is_not_sent(
    guest: CraftkitSession, selection: Any
) -> None:
    with pytest.raises(InvalidData, match="dataset_selection"):
        guest.submit_form(SESSION, {}, dataset_selection=selection)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_request", InvalidRequest),
        (400, "invalid_input_data", InvalidRequest),
        (401, "unauthorized", AuthenticationError),
        (403, "wrong_mode", PermissionDenied),
        (404, "template_not_resolved", NotFound),
        (413, "file_too_large", InvalidRequest),
        (415, "invalid_type", InvalidRequest),
    ],
)
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("call", ["form", "image"])
def test_what_a_session_may_not_do_is_told_apart(
    api: Api,
    guest: CraftkitSession,
    call: str,
    flat: bool,
    status: int,
    code: str,
    kind: type[CraftkitError],
) -> None:
    url = SUBMIT_URL if call == "form" else UPLOAD_URL
    api.post(url, json={"error": code} if flat else refusal(code), status=status)
    with pytest.raises(kind) as caught:
        guest.submit_form(SESSION, {}) if call == "form" else guest.upload_image(SESSION, PNG)
    assert (caught.value.code, caught.value.proves_inaction) == (code, True)


@pytest.mark.parametrize("call", ["form", "image"])
def test_nothing_is_sent_twice_after_a_lost_answer(
    api: Api, guest: CraftkitSession, call: str
) -> None:
    url = SUBMIT_URL if call == "form" else UPLOAD_URL
    api.post(url, body=requests.exceptions.ReadTimeout())
    with pytest.raises(CraftkitError) as caught:
        guest.submit_form(SESSION, {}) if call == "form" else guest.upload_image(SESSION, PNG)
    assert (len(api.calls), caught.value.maybe_handled) == (1, True)


def test_a_render_of_the_session_is_read(api: Api, guest: CraftkitSession) -> None:
    api.get(f"{BASE}/v1/embed/renders/{RENDER}", json=QUEUED)
    assert guest.render(RENDER).status == "queued"


def test_the_origin_can_be_ones_own(api: Api) -> None:
    match = [header_matcher({"Origin": "https://forms.example.com:8443"})]
    api.post(SUBMIT_URL, json=QUEUED, match=match)
    CraftkitSession(TOKEN, origin="https://forms.example.com:8443").submit_form(SESSION, {})


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "example.com",
        "https://example.com/",
        "https://a@example.com",
        "https://a\r\nX: y",
        "https://k\u00f6ln.example",
        None,
    ],
)
def test_an_origin_that_is_none_is_refused(origin: Any) -> None:
    with pytest.raises(ValueError, match="origin"):
        CraftkitSession(TOKEN, origin=origin)


# Images


def parts(api: Api) -> tuple[str, str, bytes]:
    """The name, the content type and the bytes of the one file that was uploaded."""
    request = api.calls[0].request
    boundary = re.fullmatch(r"multipart/form-data; boundary=(\w+)", request.headers["Content-Type"])
    assert boundary
    assert isinstance(request.body, bytes)
    head, _, rest = request.body.partition(b"\r\n\r\n")
    content, end, _ = rest.rpartition(f"\r\n--{boundary[1]}--\r\n".encode())
    assert end
    found = re.search(rb'form-data; name="file"; filename="([^"]*)"\r\nContent-Type: (\S+)$', head)
    assert found
    return found[1].decode(), found[2].decode(), content


@pytest.mark.parametrize(("kind", "content"), IMAGES.items(), ids=IMAGES)
@pytest.mark.parametrize("said", [True, False], ids=["said", "told"])
def test_an_image_is_uploaded_as_what_it_is(
    api: Api, guest: CraftkitSession, kind: str, content: bytes, said: bool
) -> None:
    api.post(UPLOAD_URL, json=IMAGE)
    uploaded = guest.upload_image(SESSION, content, content_type=kind if said else None)
    assert uploaded.url == IMAGE["url"]
    assert "embed-uploads" not in repr(uploaded)
    ending = kind.partition("/")[2].partition("+")[0]
    assert parts(api) == (f"image.{ending}", kind, content)


def test_a_file_is_read_from_where_it_stands(api: Api, guest: CraftkitSession) -> None:
    api.post(UPLOAD_URL, json=IMAGE)
    file = io.BytesIO(b"head" + PNG)
    file.seek(4)
    guest.upload_image(SESSION, file, filename='a "b".png')
    assert parts(api) == ("a %22b%22.png", "image/png", PNG)


def test_a_file_that_comes_in_pieces_is_sent_whole(api: Api, guest: CraftkitSession) -> None:
    class Pipe(io.RawIOBase):
        left = PNG + b"\0" * 100

        def read(self, size: int | None = -1) -> bytes:
            part, self.left = self.left[:10], self.left[10:]
            return part

    api.post(UPLOAD_URL, json=IMAGE)
    guest.upload_image(SESSION, Pipe())
    assert parts(api)[2] == PNG + b"\0" * 100


class Stream(io.BytesIO):
    """What comes once: a pipe, say."""

    def seekable(self) -> bool:
        return False

    def seek(self, *args: Any) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


@pytest.mark.parametrize(
    "options",
    [
        {"filename": ""},
        {"filename": "a\r\nb"},
        {"content_type": "application/pdf"},
        {"session_id": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [io.BytesIO, Stream])
def test_a_file_is_whole_after_a_refusal_of_another_argument(
    api: Api, guest: CraftkitSession, kind: type[io.BytesIO], options: dict[str, str]
) -> None:
    file = kind(PNG)
    with pytest.raises(InvalidData):
        guest.upload_image(**({"session_id": SESSION} | options), file=file)
    api.post(UPLOAD_URL, json=IMAGE)
    guest.upload_image(SESSION, file)
    assert parts(api)[2] == PNG


@pytest.mark.parametrize(
    ("options", "status"),
    [({"content_type": "image/gif"}, None), ({}, 503), ({}, 401)],
    ids=["by its bytes", "by a failure", "by Craftkit"],
)
def test_a_file_that_can_go_back_is_where_it_was_after_a_refusal(
    api: Api, guest: CraftkitSession, options: dict[str, str], status: int | None
) -> None:
    file = io.BytesIO(b"head" + PNG)
    file.seek(4)
    if status is not None:
        api.post(UPLOAD_URL, json=refusal("internal"), status=status)
    with pytest.raises(CraftkitError):
        guest.upload_image(SESSION, file, **options)
    api.reset()
    api.post(UPLOAD_URL, json=IMAGE)
    guest.upload_image(SESSION, file)
    assert parts(api)[2] == PNG


@pytest.mark.parametrize(
    "name",
    [
        "a" * 300 + ".png",
        "Screenshot 9.41.00\u202fAM.png",
        "caf\u00ad\u00e9.png",
        "\U0001f468\u200d\U0001f4bb",
    ],
)
def test_a_file_may_be_called_as_files_are(api: Api, guest: CraftkitSession, name: str) -> None:
    api.post(UPLOAD_URL, json=IMAGE)
    guest.upload_image(SESSION, PNG, filename=name)
    assert parts(api)[0] == name


def test_an_svg_may_have_a_long_head(api: Api, guest: CraftkitSession) -> None:
    api.post(UPLOAD_URL, json=IMAGE)
    file = b"<!--" + b"x" * 9000 + b"--><svg/>"
    guest.upload_image(SESSION, file, content_type="image/svg+xml")
    assert parts(api)[1] == "image/svg+xml"


def test_a_kind_that_is_not_known_here_is_craftkits_to_judge(
    api: Api, guest: CraftkitSession
) -> None:
    api.post(UPLOAD_URL, json=IMAGE)
    guest.upload_image(SESSION, b"\x01\x02", content_type="IMAGE/X-New; a=b")
    assert parts(api)[1] == "image/x-new"


@pytest.mark.parametrize(
    ("argument", "file", "options"),
    [
        ("file", b"", {}),
        ("file", b"%PDF-1.7", {}),
        ("file", b"<?xml version='1.0'?><note/>", {}),
        ("file", b"<html><svg></svg></html>", {}),
        ("file", "text", {}),
        ("file", io.StringIO("text"), {}),
        ("file", PNG + b"\0" * LARGEST, {}),
        ("file", io.BytesIO(PNG + b"\0" * LARGEST), {}),
        ("content_type", PNG, {"content_type": "image/jpeg"}),
        ("content_type", PNG, {"content_type": "image/x-new"}),
        ("content_type", b"%PDF-1.7", {"content_type": "image/png"}),
        ("content_type", PNG, {"content_type": "application/pdf"}),
        ("content_type", PNG, {"content_type": "image/png\r\nX: y"}),
        ("filename", PNG, {"filename": ""}),
        ("filename", PNG, {"filename": "a\r\nb"}),
        ("filename", PNG, {"filename": "a\ud800"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_image_is_named_and_not_sent(
    guest: CraftkitSession, argument: str, file: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidData, match=f"'{argument}'"):
        guest.upload_image(SESSION, file, **options)


def test_the_largest_image_is_sent(api: Api, guest: CraftkitSession) -> None:
    api.post(UPLOAD_URL, json=IMAGE)
    guest.upload_image(SESSION, PNG.ljust(LARGEST, b"\0"))
    assert len(parts(api)[2]) == LARGEST


def test_numbers_of_the_data_keep_their_digits(api: Api, guest: CraftkitSession) -> None:
    api.post(SUBMIT_URL, json=QUEUED)
    digits = "12345678901234567890.1234567890"
    guest.submit_form(SESSION, {"price": Decimal(digits), "number": 10**30})
    sent = json.loads(api.calls[0].request.body or "", parse_float=str)["data"]
    assert sent == {"price": digits, "number": 10**30}
