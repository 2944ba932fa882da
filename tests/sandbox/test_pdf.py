from __future__ import annotations

import base64
import io

import pytest
from pypdf import PdfReader

from .conftest import INVOICE

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
