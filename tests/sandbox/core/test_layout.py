"""The texts that a template has at places of its pages."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pypdf import PdfReader

from django_craftkit.sandbox import Sandbox

HERE = "[[sign_here]]"
TEXT: dict[str, Any] = {"page": 1, "x": 10, "y": 80, "text": HERE}
MANIFEST: dict[str, Any] = {
    "variables": [
        {"key": "guest.name", "label": "The guest", "dataType": "text"},
        {"key": "guest.place", "label": "Signs at", "dataType": "text"},
        {"key": "total", "label": "Total", "dataType": "currency", "format": "money:EUR"},
    ],
    "loops": [
        {
            "key": "lines",
            "label": "Lines",
            "itemFields": [{"key": "what", "label": "What", "dataType": "text"}],
        }
    ],
}
DATA: dict[str, Any] = {
    "guest": {"name": "Ada", "place": "{{jane_signs}}"},
    "total": 4200.5,
    "lines": [{"what": "Oars"}],
    # No template asks for it: Craftkit strips it, and never prints it.
    "sign_here": "[[stripped]]",
}


@pytest.fixture
def pages(api, sandbox):
    """Print a document of a template with such texts; its pages."""

    def pages(*texts: dict[str, Any], data=DATA, **more):
        sandbox.put_template("letter", manifest=MANIFEST, layout_texts=texts, **more)
        render_id = api.render(data, slug="letter").json()["id"]
        download = api.get(f"/v1/renders/{render_id}/download")
        return PdfReader(io.BytesIO(download.content)).pages

    return pages


def at(page, wanted: str) -> tuple[float, float, float]:
    """Where a text starts on its page, in points from the top left corner, and its size."""
    found = []

    def visit(text, cm, tm, font, size):
        if wanted in text:
            found.append((tm[4], float(page.mediabox.height) - tm[5], size))

    page.extract_text(visitor_text=visit)
    (place,) = found
    return place


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (HERE, HERE),
        (r"\{{sign_here}}", "{{sign_here}}"),
        ("For {{guest.name}}", "For Ada"),
        ("{{guest.place}}", "{{jane_signs}}"),
        ("{{total}} to pay", "4,200.50 EUR to pay"),
        ("On\n one\tline", "On one line"),
        ("Ελένη 山田", "Ελένη 山田"),
    ],
)
def test_a_text_is_printed(pages, text, printed):
    (page,) = pages({**TEXT, "text": text})
    assert printed in page.extract_text()


@pytest.mark.parametrize(
    "text", ["{{sign_here}}", "{{nobody.signs}}", "{{guest}}", "{{lines}}", "{{guest.name.first}}"]
)
def test_a_name_without_a_value_prints_nothing(pages, text):
    (plain,) = pages()
    (page,) = pages({**TEXT, "text": text})
    assert page.extract_text().replace("version 2", "version 1") == plain.extract_text()


def test_a_value_that_a_text_names_is_printed_once(pages):
    (page,) = pages({**TEXT, "text": "{{guest.place}}"})
    written = page.extract_text()
    assert written.count("{{jane_signs}}") == 1
    assert "Signs at" not in written
    assert "The guest" in written


@pytest.mark.parametrize("page_config", [None, {"format": "Letter", "orientation": "landscape"}])
def test_a_place_is_in_percent_from_the_top_left_corner(pages, page_config):
    (page,) = pages({**TEXT, "x": 25, "y": 50, "size": 20}, page_config=page_config)
    left, baseline, size = at(page, HERE)
    assert left == pytest.approx(float(page.mediabox.width) / 4, abs=1)
    # The letters stand on a line that is below their top left corner.
    assert 10 < baseline - float(page.mediabox.height) / 2 < 20
    assert size == 20


def test_each_text_is_on_its_page_however_many_the_data_fill(pages):
    rows = [{"what": f"Line {number}"} for number in range(100)]
    texts = [{**TEXT, "page": number, "text": f"[[page_{number}]]"} for number in (1, 2, 5)]
    written = [page.extract_text() for page in pages(*texts, data={"lines": rows})]
    assert len(written) == 5
    for number, page in enumerate(written, 1):
        assert (f"[[page_{number}]]" in page) == (number in (1, 2, 5))
        assert f"{number} / 5" in page
    assert all(f"Line {number}" in "".join(written) for number in range(100))


def test_a_text_without_a_value_makes_no_page(pages):
    assert len(pages({**TEXT, "page": 3, "text": "{{sign_here}}"})) == 1


def test_a_small_text_can_be_found(pages):
    (page,) = pages({**TEXT, "size": 1})
    assert at(page, HERE)[2] == 1


def test_the_signed_document_has_them_too(pages, api, sandbox):
    pages(TEXT)
    body = {
        "renderId": sandbox.renders[-1].id,
        "recipients": [{"firstName": "Ada", "email": "ada@example.com"}],
        "anchorTags": [{"anchorString": HERE, "type": "signature", "recipientIndex": 0}],
    }
    request_id = api.post("/v1/signatures", body).json()["id"]
    sandbox.sign_all(request_id)
    signed = api.get(f"/v1/signatures/{request_id}/download").content
    first, last = PdfReader(io.BytesIO(signed)).pages
    assert HERE in first.extract_text()
    assert HERE not in last.extract_text()


@pytest.mark.parametrize(
    ("texts", "path"),
    [
        ({}, "layoutTexts"),
        ([TEXT] * 201, "layoutTexts"),
        ([HERE], "layoutTexts.0"),
        ([TEXT, {**TEXT, "page": 0}], "layoutTexts.1.page"),
        ([{**TEXT, "page": 101}], "layoutTexts.0.page"),
        ([{**TEXT, "page": 1.5}], "layoutTexts.0.page"),
        ([{**TEXT, "x": -1}], "layoutTexts.0.x"),
        ([{**TEXT, "x": float("nan")}], "layoutTexts.0.x"),
        ([{**TEXT, "y": 100.5}], "layoutTexts.0.y"),
        ([{**TEXT, "y": "80"}], "layoutTexts.0.y"),
        ([{**TEXT, "size": 0}], "layoutTexts.0.size"),
        ([{**TEXT, "size": 1001}], "layoutTexts.0.size"),
        ([{**TEXT, "text": ""}], "layoutTexts.0.text"),
        ([{**TEXT, "text": "x" * 501}], "layoutTexts.0.text"),
        ([{**TEXT, "text": "{{#if guest}}"}], "layoutTexts.0.text"),
        ([{**TEXT, "colour": "red"}], "layoutTexts.0.colour"),
        *[
            ([{name: TEXT[name] for name in TEXT if name != gone}], f"layoutTexts.0.{gone}")
            for gone in TEXT
        ],
    ],
)
def test_what_is_no_layout_is_refused_with_template_and_place(texts, path):
    seed = {"slug": "letter", "name": "Letter", "manifest": MANIFEST, "layoutTexts": texts}
    with pytest.raises(ValueError, match=rf"^template 'letter': .* {path}: \S"):
        Sandbox(templates=[seed])


def test_a_template_that_is_given_has_its_texts_again_after_a_reset(clock):
    seed = {"slug": "letter", "name": "Letter", "manifest": MANIFEST, "layoutTexts": [TEXT]}
    sandbox = Sandbox(clock=clock, templates=[seed])
    sandbox.put_template("letter", manifest=MANIFEST)
    sandbox.reset()
    (text,) = sandbox.project().templates["letter"].versions[-1].layout_texts
    assert text["text"] == HERE


def test_to_publish_over_the_api_makes_the_layout_anew(pages, api, sandbox):
    pages(TEXT)
    # What the API has no word for is left unread.
    body = {"name": "Letter", "manifest": MANIFEST, "layoutTexts": "anything"}
    assert api.put("/v1/templates/letter", body).status_code == 200
    assert api.render({}, slug="letter").status_code == 202
    assert api.render({}, slug="letter", options={"versionNumber": 1}).status_code == 202
    anew, before = sandbox.renders[-2:]
    assert (anew.prints(HERE), before.prints(HERE)) == (False, True)
