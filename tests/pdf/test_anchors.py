"""Whether the texts that say where people sign are in a PDF: four answers, and what looks alike."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from fpdf import FPDF
from PIL import Image
from pypdf import PdfReader, PdfWriter

from django_craftkit.pdf import reading
from django_craftkit.pdf.anchors import Finding, cannot_tell, for_signatures, look_for, tokens
from django_craftkit.pdf.reading import Unreadable, read_pages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: What a template has for a text to sign at, printed by Chromium, and what is found of the text.
PRINTED = {
    "a line of its own": ('<p style="white-space:nowrap">[[one_line]]</p>', "found"),
    "kept on one line": (
        '<p style="width:60px"><span style="white-space:nowrap">[[kept-on a line]]</span></p>',
        "found",
    ),
    "breaks at blanks and hyphens": ('<p style="width:60px">[[breaks-in a place]]</p>', "apart"),
    "a soft hyphen": ("<p>[[soft\u00adhyphen]]</p>", "apart"),
    "transparent": ('<p style="color:transparent">[[transparent]]</p>', "found"),
    "white on white": (
        '<p style="color:#fff;background:#fff;print-color-adjust:exact">[[white]]</p>',
        "found",
    ),
    "one pixel high": ('<p style="font-size:1px">[[one_pixel]]</p>', "found"),
    "no height": ('<p style="font-size:0">[[no_height]]</p>', "missing"),
    "opacity": ('<p style="opacity:0">[[opacity]]</p>', "missing"),
    "not visible": ('<p style="visibility:hidden">[[not_visible]]</p>', "missing"),
    "not displayed": ('<p style="display:none">[[not_displayed]]</p>', "missing"),
    "off the page": ('<p style="position:absolute;left:-5000px">[[off_the_page]]</p>', "missing"),
    "clipped": ('<div style="width:0;height:0;overflow:hidden">[[clipped]]</div>', "missing"),
    "blurred": ('<p style="filter:blur(2px)">[[blurred]]</p>', "missing"),
    "drawn on a canvas": (
        '<canvas id="c"></canvas><script>c.getContext("2d").fillText("[[canvas]]", 9, 9)</script>',
        "missing",
    ),
    "content of a style": (
        '<style>.b::before { content: "[[before]]" }</style><p class="b">x</p>',
        "found",
    ),
    "SVG": ('<svg width="300" height="30"><text x="0" y="20">[[svg]]</text></svg>', "found"),
    "an input's value": ('<input style="width:300px" value="[[input]]">', "found"),
    "a textarea": ('<textarea style="width:300px">[[textarea]]</textarea>', "found"),
    "scaled": ('<p style="transform:scale(0.8)">[[scaled]]</p>', "found"),
    "zoomed": ('<p style="zoom:1.5">[[zoomed]]</p>', "found"),
    "spans and bold": ("<p><span>[[spa</span><b>ns]]</b></p>", "found"),
    "letters a little apart": ('<p style="letter-spacing:0.08em">[[little]]</p>', "found"),
    "letters far apart": ('<p style="letter-spacing:0.3em">[[letters]]</p>', "apart"),
    "upper case": ('<p style="text-transform:uppercase">[[case]]</p>', "missing"),
    "an entity": ("<p>[[a&amp;b]]</p>", "found"),
}
ANCHOR = re.compile(r"\[\[.*?\]\]")


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> list[str]:
    """The text of each of these pages."""
    sections = "".join(f"<section><h1>Page</h1>{html}</section>" for html, _ in PRINTED.values())
    style = "<style>section { break-after: page } p { font-family: Liberation Sans }</style>"
    return pages_of(print_html(tmp_path_factory.mktemp("printed"), style + sections))


def print_html(folder: Path, html: str) -> bytes:
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CI_REQUIRES_ALL"):
            pytest.fail("Chromium is to be there.")
        pytest.skip("Chromium is not installed.")
    (folder / "page.html").write_text(f'<meta charset="utf-8">{html}')
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer")
    command = [chromium, *options, f"--user-data-dir={folder / 'profile'}"]
    command += [f"--print-to-pdf={folder / 'page.pdf'}", str(folder / "page.html")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return (folder / "page.pdf").read_bytes()


def pages_of(pdf: bytes) -> list[str]:
    return read_pages(io.BytesIO(pdf))


def drawn(*texts: str, font: str = "") -> bytes:
    """A PDF with each of these texts on a page of its own."""
    pdf = FPDF()
    if font:
        pdf.add_font("other", fname=font)
    pdf.set_font("other" if font else "Helvetica", size=12)
    for text in texts:
        pdf.add_page()
        if text:
            pdf.multi_cell(0, text=text)
    return bytes(pdf.output())


@pytest.mark.parametrize("name", PRINTED)
def test_a_text_that_is_printed_is_found_as_far_as_it_is_in_the_file(printed, name):
    html, answer = PRINTED[name]
    text = re.sub(r"</?(span|b)>", "", html).replace("\u00ad", "").replace("&amp;", "&")
    (anchor,) = ANCHOR.findall(text)
    (finding,) = look_for([anchor], [printed[list(PRINTED).index(name)]])
    assert finding.answer == answer


def test_what_stands_on_each_page_is_found_on_each(tmp_path):
    html = (
        "<table><thead><tr><th>[[head]]</th></tr></thead><tbody>"
        + "<tr><td>row</td></tr>" * 200
        + '</tbody></table><p style="position:fixed;bottom:0">[[foot]]</p>'
    )
    pages = pages_of(print_html(tmp_path, html))
    everywhere = tuple(range(1, len(pages) + 1))
    assert len(everywhere) > 1
    assert [one.pages for one in look_for(["[[head]]", "[[foot]]"], pages)] == [everywhere] * 2


def test_a_narrow_cell_cuts_between_letters():
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    pdf.multi_cell(22, text="[[sign_here_please]]")
    (finding,) = look_for(["[[sign_here_please]]"], pages_of(bytes(pdf.output())))
    assert (finding.answer, finding.pages) == ("apart", (1,))


def test_each_text_is_told_once_with_its_pages():
    pages = pages_of(drawn("[[a]] and [[b]]", "[[b]]", "no more"))
    assert look_for(["[[b]]", "[[a]]", "[[b]]"], pages) == [
        Finding("[[b]]", "found", (1, 2)),
        Finding("[[a]]", "found", (1,)),
    ]


class TestOneThatIsMissing:
    def test_is_told_with_what_looks_like_it(self):
        pages = ["Dear Jane, {{date}}", "Sign: {{sign-here}} {{Other}}"]
        (finding,) = look_for(["{{sign_here}}"], pages)
        assert finding.answer == "missing"
        assert finding.similar == (("{{sign-here}}", 2), ("{{Other}}", 2), ("{{date}}", 1))

    @pytest.mark.parametrize(
        ("text", "page", "similar"),
        [
            ("Signature Jane", "Total 5\nSIGNATURE  JANE: ____", "SIGNATURE JANE"),
            ("sign_here", "please Sign here.", "Sign here"),
            ("signature", "a signa-\nture of yours", "signature"),
            ("Straße 7", "STRASSE 7", "STRASSE 7"),
        ],
    )
    def test_may_differ_in_case_blanks_and_dashes_alone(self, text, page, similar):
        assert look_for([text], [page])[0].similar == ((similar, 1),)

    def test_is_nothing_to_be_sure_of_where_a_page_has_no_text(self):
        pages = pages_of(drawn("[[a]]", ""))
        assert [one.answer for one in look_for(["[[a]]", "[[b]]"], pages)] == ["found", "unknown"]
        assert look_for(["[[a]]"], [])[0].answer == "unknown"

    def test_has_a_few_hints_at_most(self):
        page = " ".join(f"{{{{t{n}}}}}" for n in range(50))
        assert len(look_for(["{{x}}"], [page])[0].similar) == 5


@pytest.mark.parametrize(
    ("text", "page", "is_in_words"),
    [
        ("here", "over there", True),
        ("here", "sign here.", False),
        ("here", "here and there", True),
        ("{{here}}", "there{{here}}there", False),
        ("Jane", "Janet", True),
    ],
)
def test_one_in_the_midst_of_a_word_is_told(text, page, is_in_words):
    (finding,) = look_for([text], [page])
    assert (finding.answer, finding.is_in_words) == ("found", is_in_words)


@pytest.mark.parametrize(
    ("text", "page", "answer"),
    [
        ("ab", "a b", "missing"),
        ("abcd", "a b c d", "apart"),
        ("[]", "[ ]", "apart"),
        ("ﬁnal", "final", "apart"),
        ("final", "\ufb01nal", "apart"),
        ("[[x]]", "[[\u200bx]]", "apart"),
        ("Sign", "sign", "missing"),
    ],
)
def test_only_what_can_be_no_other_text_is_looked_for_in_pieces(text, page, answer):
    assert look_for([text], [page])[0].answer == answer


def test_what_is_meant_for_signatures_is_offered():
    pages = ["{{a}} [[b]] {{a}}", "{{ c d }} {x} {{}} [[e\n]]"]
    assert tokens(pages) == [("{{a}}", 1), ("[[b]]", 1), ("{{ c d }}", 2)]


@pytest.mark.parametrize(
    ("texts", "signing"),
    [
        (["[[sign_2]]", "{{total}}", "[[sign_1]]"], ["[[sign_1]]", "[[sign_2]]"]),
        (["{{sign_here_2}}", "{{sign_here}}"], ["{{sign_here}}", "{{sign_here_2}}"]),
        (["[[sign_10]]", "[[sign_9]]"], ["[[sign_9]]", "[[sign_10]]"]),
        (["[[skipper_signature]]", "[[Sign Here]]"], ["[[skipper_signature]]", "[[Sign Here]]"]),
        (["[[SignHere1]]", "[[Unterschrift 2]]"], ["[[SignHere1]]", "[[Unterschrift 2]]"]),
        (["[[sign_date]]", "[[signature_name]]", "[[sign_initials]]"], []),
        (["[[design]]", "{{assigned_to}}", "{{signed_at}}", "[[date]]"], []),
    ],
)
def test_those_for_signatures_are_in_the_order_of_their_numbers(texts, signing):
    assert for_signatures(texts) == signing


def encrypted(password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(drawn("[[a]]"))))
    writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


UNREADABLE: Mapping[str, bytes] = {
    "nothing": b"",
    "words": b"This is no PDF.",
    "half": drawn("[[a]]")[:500],
    "a password": encrypted("secret"),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_is_said_so(content):
    with pytest.raises(Unreadable):
        pages_of(content)
    assert cannot_tell(["[[a]]", "[[a]]"]) == [Finding("[[a]]", "unknown")]


def test_one_that_anybody_may_open_is_read():
    assert look_for(["[[a]]"], pages_of(encrypted("")))[0].answer == "found"


def test_whatever_the_parser_raises_the_file_cannot_be_read(monkeypatch):
    def extract(page):
        raise RecursionError

    monkeypatch.setattr("pypdf.PageObject.extract_text", extract)
    with pytest.raises(Unreadable):
        pages_of(drawn("[[a]]"))


def test_reading_ends_after_its_time(monkeypatch):
    monkeypatch.setattr(reading, "MAX_SECONDS", -1.0)
    with pytest.raises(Unreadable):
        pages_of(drawn("[[a]]"))


class TestALargePage:
    """Its reading is watched: what takes too long ends before the page does."""

    def test_is_read_as_any_other(self, monkeypatch):
        pdf = drawn("[[a]] and\n[[b]]", "[[c]]")
        usual = pages_of(pdf)
        monkeypatch.setattr(reading, "LARGE_PAGE", 0)
        assert pages_of(pdf) == usual

    @pytest.mark.parametrize(("large", "is_watched"), [(0, True), (10**6, False)])
    def test_ends_after_its_time(self, monkeypatch, large, is_watched):
        pdf = drawn("line\n" * 40)
        seconds = iter(range(10_000))
        monkeypatch.setattr(reading, "LARGE_PAGE", large)
        monkeypatch.setattr(reading.time, "monotonic", lambda: next(seconds))
        if is_watched:
            with pytest.raises(Unreadable, match="time"):
                read_pages(io.BytesIO(pdf), seconds=9)
            assert next(seconds) < 15
        else:
            assert len(read_pages(io.BytesIO(pdf), seconds=9)) == 1


def test_three_hundred_pages_are_read():
    pages = pages_of(drawn(*(f"Page {n}: [[sign_{n}]]" for n in range(300))))
    assert look_for(["[[sign_299]]"], pages) == [Finding("[[sign_299]]", "found", (300,))]


def test_one_of_20_megabytes_is_read_without_its_pictures():
    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for number in range(20):
        pdf.add_page()
        # Noise, which no program makes smaller.
        pdf.image(Image.frombytes("RGB", (600, 600), os.urandom(600 * 600 * 3)), w=100)
        pdf.multi_cell(0, text=f"[[sign_{number}]]")
    content = bytes(pdf.output())
    assert len(content) > 20_000_000
    file = io.BytesIO(content)
    tracemalloc.start()
    try:
        pages = read_pages(file)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert look_for(["[[sign_19]]"], pages) == [Finding("[[sign_19]]", "found", (20,))]
    assert most < 3 * len(content)
