from __future__ import annotations

import base64
import io
import struct

import pytest
from PIL import Image
from pypdf import PdfReader

from django_craftkit.sandbox.core.pdf import document as pdf
from tests.sandbox.conftest import INVOICE

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
ANYTHING = [
    {"key": f"v{number}", "label": f"Value {number}", "dataType": "text"} for number in range(3)
]


def document(api, data, slug="invoice") -> PdfReader:
    answer = api.render(data, slug=slug)
    assert answer.status_code == 202, answer.text
    download = api.get(f"/v1/renders/{answer.json()['id']}/download")
    assert download.status_code == 200, download.text
    return PdfReader(io.BytesIO(download.content))


def text(reader: PdfReader) -> str:
    return "\n".join(page.extract_text() for page in reader.pages)


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "Łukasz Ćwikła-Ñandú",
        "Ελένη Παπαδοπούλου",
        "Владимир Щербаков",
        "Åsa Ørsted",
    ],
)
def test_names_are_written_in_their_own_letters(api, name):
    assert name in text(document(api, {"customer": {"name": name}}))


def test_everything_of_the_data_is_in_the_document(api):
    reader = document(
        api,
        {
            "customer": {"name": "Ada", "email": "ada@example.com"},
            "total": "4200.5",
            "lines": [{"what": "Chaîne", "count": 3}, {"what": "Άγκυρα", "count": 0.5}],
        },
    )
    written = text(reader)

    for wanted in ("Invoice", "Customer", "Ada", "ada@example.com", "4,200.50 EUR", "Lines"):
        assert wanted in written
    for wanted in ("What", "Count", "Chaîne", "3", "Άγκυρα", "0.5"):
        assert wanted in written
    assert reader.metadata is not None
    assert reader.metadata.title == "Invoice"


def test_it_is_a4_and_long_loops_go_on_with_their_heads_on_the_next_page(api):
    rows = [{"what": f"Line number {number}", "count": number} for number in range(120)]

    reader = document(api, {"customer": {"name": "Ada"}, "lines": rows})

    assert len(reader.pages) > 2
    for page in reader.pages:
        assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
        assert "What" in page.extract_text()
    written = text(reader)
    assert all(f"Line number {number}" in written for number in range(120))


def test_a_script_without_letters_leaves_the_rest_of_the_page_readable(api):
    rows = [{"what": f"山田太郎 {number}", "count": 1000 + number} for number in range(80)]

    reader = document(api, {"customer": {"name": "नमस्ते", "email": "a@example.com"}, "lines": rows})

    written = text(reader)
    assert len(reader.pages) > 1
    for wanted in ("नमस्ते", "a@example.com", "Customer", "What", "Rendered by the Craftkit sandbox"):
        assert wanted in written
    for number in range(80):
        assert f"山田太郎 {number}" in written
        assert str(1000 + number) in written


def test_a_page_can_lie_down(api, sandbox):
    sandbox.put_template("wide", manifest=INVOICE, page_config={"orientation": "landscape"})

    page = document(api, {"customer": {"name": "Ada"}}, slug="wide").pages[0]

    assert page.mediabox.width > page.mediabox.height


@pytest.mark.parametrize(
    ("name", "width", "height"),
    [("A3", 842, 1191), ("A4", 595, 842), ("A5", 420, 595), ("Letter", 612, 792)],
)
def test_a_page_has_its_format(api, sandbox, name, width, height):
    sandbox.put_template("sized", manifest=INVOICE, page_config={"format": name})

    page = document(api, {"customer": {"name": "Ada"}}, slug="sized").pages[0]

    assert [round(float(side)) for side in page.mediabox[2:]] == [width, height]


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f", "\u2009"])
def test_digits_and_their_currency_stay_apart(api, blank):
    written = text(document(api, {"customer": {"name": f"1{blank}234{blank}€"}}))

    assert "1 234 €" in written.replace("\u00a0", " ")


def test_the_bytes_of_a_render_stay_the_same(api, sandbox):
    render_id = api.render().json()["id"]
    path = f"/v1/renders/{render_id}/download"

    assert api.get(path).content == api.get(path).content
    render = sandbox.renders[0]
    first, render._pdf = render.pdf(), None
    assert render.pdf() == first


def test_a_republished_template_leaves_older_renders_as_they_are(api, sandbox):
    render_id = api.render().json()["id"]
    sandbox.put_template("invoice", name="Something else", manifest=INVOICE)

    content = api.get(f"/v1/renders/{render_id}/download").content

    written = text(PdfReader(io.BytesIO(content)))
    assert "Invoice" in written
    assert "Something else" not in written


def uri_of(content: bytes, label: str) -> str:
    return f"data:{label};base64,{base64.b64encode(content).decode()}"


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (2, 2), "red").save(file, kind)
    return file.getvalue()


def pictures_in(api, sandbox, value: str) -> tuple[int, str]:
    sandbox.put_template("anything", manifest={"variables": ANYTHING, "loops": []})
    reader = document(api, {"v0": value}, slug="anything")
    return sum(len(page.images) for page in reader.pages), text(reader).replace("\n", "")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize(
    "label", ["image/png", "image/jpg", "image/svg+xml", "text/html;charset=x", "", "IMAGE/GIF"]
)
def test_a_picture_is_drawn_whatever_its_label_says(api, sandbox, kind, label):
    assert pictures_in(api, sandbox, uri_of(picture(kind), label))[0] == 1


NO_PICTURES = {
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9"/></svg>',
    "SVG with a declaration": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "HTML": b"<!DOCTYPE html><script>alert(1)</script>",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
    "BMP": picture("BMP"),
    "TIFF": picture("TIFF"),
    "half a PNG": picture("PNG")[:50],
    "a PNG of too many points": PIXEL.replace(
        struct.pack(">II", 1, 1), struct.pack(">II", 60_000, 60_000)
    ),
    "nothing": b"",
}


@pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES.keys())
@pytest.mark.parametrize("label", ["image/png", "image/svg+xml"])
def test_what_is_no_picture_is_a_text_whatever_its_label_says(
    api, sandbox, content, label, monkeypatch
):
    monkeypatch.setattr(pdf.Document, "image", None)
    uri = uri_of(content, label)
    found, written = pictures_in(api, sandbox, uri)
    assert found == 0
    assert uri[:20] in written


def test_an_image_in_a_text_is_drawn(api, sandbox):
    sandbox.put_template("anything", manifest={"variables": ANYTHING, "loops": []})
    uri = "data:image/png;base64," + base64.b64encode(PIXEL).decode()

    reader = document(api, {"v0": uri, "v1": "data:image/png;base64,AAAA"}, slug="anything")

    assert len(reader.pages[0].images) == 1
    assert "base64,AAAA" in text(reader).replace("\n", "")


@pytest.mark.parametrize(
    "value",
    [
        "\ud800 half a pair",
        "日本語 🚢 עברית",
        "\x00\x07\x1b bells",
        "x" * 100_000,
        "{{sign_here}} **bold** --under--",
        "\n\n\n",
        "word " * 5000,
    ],
)
def test_no_text_keeps_a_document_from_being_written(api, sandbox, value):
    manifest = {
        "variables": [*ANYTHING, {"key": "last", "label": value[:500], "dataType": "text"}],
        "loops": [{"key": "rows", "label": "Rows", "itemFields": ANYTHING}],
    }
    sandbox.put_template("anything", manifest=manifest)
    rows = [{"v0": value[:3000], "v1": "a"}]

    reader = document(api, {"v0": value, "last": "The end", "rows": rows}, slug="anything")

    assert "The end" in text(reader)
