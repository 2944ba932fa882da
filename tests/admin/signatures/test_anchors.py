"""The texts of the PDF to sign at: offered when the form is opened, and no one else's mistake."""

from __future__ import annotations

import io
import re
import uuid
from html import unescape
from html.parser import HTMLParser

import pytest
from django.core import signing
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter

from django_craftkit.admin.signatures import anchors
from django_craftkit.client import CraftkitTimeout
from django_craftkit.models import CraftkitError, Render, SignatureRequest
from django_craftkit.pdf import reading
from tests.admin.conftest import address, make_render, make_request, told

from .conftest import JANE, MAX

pytestmark = pytest.mark.django_db

FIRST, SECOND, DATE = "[[sign_here]]", "[[sign_here_2]]", "[[date]]"
GUESSES = ["{{sign_here}}", "{{sign_here_2}}", "{{sign_here_3}}", "{{sign_here_4}}"]


@pytest.fixture(autouse=True)
def looked_up(settings, monkeypatch):
    settings.CRAFTKIT = {"CHECK_ANCHORS": "warn"}
    # A busy machine is no PDF that takes too long.
    monkeypatch.setattr(anchors, "SECONDS", 60.0)


def drawn(*pages: str, size: int = 12) -> bytes:
    pdf = FPDF()
    pdf.set_font("Helvetica", size=size)
    for text in pages:
        pdf.add_page()
        if text:
            pdf.multi_cell(0, text=text)
    return bytes(pdf.output())


def encrypted(*pages: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(drawn(*pages))))
    writer.encrypt("a secret", algorithm="RC4-128")
    writer.write(file := io.BytesIO())
    return file.getvalue()


class Opened:
    """How often the PDF was opened, and what was in it."""

    def __init__(self, pdf: bytes | Exception) -> None:
        self.pdf, self.count = pdf, 0

    def __call__(self, render: Render, *, timeout: float) -> io.BytesIO:
        self.count += 1
        assert timeout <= anchors.SECONDS
        if isinstance(self.pdf, Exception):
            raise self.pdf
        return io.BytesIO(self.pdf)


@pytest.fixture
def opened(monkeypatch):
    """Have the PDF of each document be one that two people sign, the second one on page 2."""
    found = Opened(drawn(f"Between {SECOND} us {DATE}", f"{FIRST} and {SECOND}"))
    monkeypatch.setattr(Render, "open", lambda *args, **how: found(*args, **how))
    return found


@pytest.fixture
def render(craftkit) -> Render:
    craftkit.run()
    render = Render.objects.request("charter", {"sign": FIRST}, key="charter-1")
    craftkit.run()
    return Render.objects.get(pk=render.pk)


class Page(HTMLParser):
    """A page of the form as a browser has it: what it would send, and its rows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.fields, self._select = html, {}, ""
        self.feed(html.partition('<form method="post" novalidate')[2].partition("</form>")[0])

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "input" and given.get("type") not in ("submit", "checkbox"):
            self.fields[given["name"]] = given.get("value") or ""
        elif tag == "input" and "checked" in given:
            self.fields[given["name"]] = given.get("value", "on")
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and "selected" in given:
            self.fields[self._select] = given["value"]

    @property
    def anchors(self) -> list[str]:
        return [value for name, value in self.fields.items() if name.endswith("-anchor")]

    @property
    def listed(self) -> list[str]:
        found = self.html.partition('<div class="craftkit-offers">')[2].partition("</ul>")[0]
        return [" ".join(re.sub("<[^>]*>", "", one).split()) for one in found.split("<li>")[1:]]

    @property
    def errors(self) -> dict[int, str]:
        rows = self.html.partition("<tbody>")[2].partition("</tbody>")[0].split("<tr>")[1:]
        found = {n: re.search(r"errorlist[^>]*>(.*?)</ul>", row) for n, row in enumerate(rows)}
        return {n: unescape(re.sub("<[^>]*>", "", one[1])) for n, one in found.items() if one}

    def fill(self, *people, **more) -> dict[str, str]:
        """Return what a browser sends once people were typed in, from the first row on."""
        typed = {
            f"people-{n}-{name}": value
            for n, person in enumerate(people)
            for name, value in person.items()
        }
        return {**self.fields, **typed, **more}


def page_of(desk, render, query: str = "") -> Page:
    return Page(desk.shows(address(Render, "sign", render.pk) + query))


def post(desk, render, data, query: str = ""):
    return desk.post(address(Render, "sign", render.pk) + query, data, follow=True)


def tags() -> list[tuple[str, int]]:
    request = SignatureRequest.objects.get()
    return [(tag["anchorString"], tag["recipientIndex"]) for tag in request.anchor_tags]


class TestWhatThePdfHas:
    def test_is_listed_with_its_pages_and_proposed_in_the_order_of_the_people(
        self, boss, render, opened
    ):
        page = page_of(boss, render)
        assert page.listed == [f"{SECOND} page 1", f"{DATE} page 1", f"{FIRST} page 2"]
        assert page.anchors == [FIRST, SECOND, "", ""]
        assert page.html.count('list="craftkit-offers"') == 4
        assert f'<option value="{DATE}">{DATE}, page 1</option>' in page.html
        assert opened.count == 1

    def test_comes_from_craftkit_once_and_records_no_view(self, boss, render, craftkit):
        assert page_of(boss, render).listed == [f"{FIRST} page 1"]
        downloads = [one for one in craftkit.sandbox.requests if one.path.endswith("/download")]
        assert len(downloads) == 1
        craftkit.run()
        render.refresh_from_db()
        assert not render.counts

    def test_is_signed_at_by_those_who_are_named_and_by_nobody_else(self, boss, render, opened):
        page = page_of(boss, render)
        response = post(boss, render, page.fill(JANE))
        assert told(response) == [("success", "The document is sent to be signed.")]
        assert tags() == [(FIRST, 0)]
        assert SignatureRequest.objects.get().recipients.count() == 1

    def test_goes_to_nobody_where_nobody_is_named(self, boss, render, opened):
        response = post(boss, render, page_of(boss, render).fields)
        assert "Name at least one person." in response.content.decode()
        assert not SignatureRequest.objects.exists()

    def test_has_a_row_for_each_who_is_to_sign(self, boss, render, opened):
        opened.pdf = drawn(" ".join(f"[[sign_{n}]]" for n in range(6, 0, -1)))
        assert page_of(boss, render).anchors == [f"[[sign_{n}]]" for n in range(1, 7)]
        opened.pdf = drawn(" ".join(f"[[sign_{n}]]" for n in range(30)))
        assert len(page_of(boss, render).anchors) == 20

    def test_is_bounded(self, boss, render, opened):
        opened.pdf = drawn(" ".join(f"[[text {n}]]" for n in range(300)), size=6)
        page = page_of(boss, render)
        assert len(page.listed) == anchors.MOST_OFFERS
        assert page.anchors == ["", "", "", ""]
        assert len(page.fields["known"]) < 5_000

    def test_is_escaped(self, boss, render, opened, monkeypatch):
        odd = '[[sign "><script>alert(1)</script>]]'
        monkeypatch.setattr(reading, "read_pages", lambda file, **how: [f"{odd} [[sign \ud800]]"])
        page = page_of(boss, render)
        assert page.anchors[0] == odd
        assert "<script>alert" not in page.html
        assert len(page.listed) == 1

    def test_costs_as_many_queries_as_nothing(self, boss, render, opened):
        path = address(Render, "sign", render.pk)
        counts = set()
        for pdf in (drawn("Nothing."), drawn(" ".join(f"[[sign_{n}]]" for n in range(40)))):
            opened.pdf = pdf
            boss.shows(path)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                boss.shows(path)
            counts.add(len(queries))
        assert len(counts) == 1


class TestMoreRows:
    def test_are_empty_keep_what_was_typed_and_open_the_pdf_no_second_time(
        self, boss, render, opened
    ):
        page = page_of(boss, render)
        data = page.fill(JANE, {**MAX, "anchor": DATE}, name="Mine", more="1")
        page = Page(post(boss, render, data, "?rows=8").content.decode())
        assert page.anchors == [FIRST, DATE, *[""] * 6]
        assert page.listed == [f"{SECOND} page 1", f"{DATE} page 1", f"{FIRST} page 2"]
        assert (page.fields["people-1-email"], page.fields["name"]) == (MAX["email"], "Mine")
        assert not SignatureRequest.objects.exists()
        post(boss, render, page.fields)
        assert tags() == [(FIRST, 0), (DATE, 1)]
        assert opened.count == 1

    def test_leave_a_proposal_for_nobody_one_for_nobody(self, boss, render, opened):
        data = page_of(boss, render).fill(JANE, more="1")
        page = Page(post(boss, render, data, "?rows=8").content.decode())
        assert page.anchors == [FIRST, SECOND, *[""] * 6]
        post(boss, render, page.fields)
        assert tags() == [(FIRST, 0)]


class TestAnError:
    def test_keeps_the_offers_and_opens_the_pdf_no_second_time(self, boss, render, opened):
        page = page_of(boss, render)
        data = page.fill({**JANE, "email": "jane"})
        page = Page(post(boss, render, data).content.decode())
        assert page.errors == {0: "Enter a valid email address."}
        assert page.listed == [f"{SECOND} page 1", f"{DATE} page 1", f"{FIRST} page 2"]
        assert page.anchors == [FIRST, SECOND, "", ""]
        post(boss, render, page.fill(JANE))
        assert tags() == [(FIRST, 0)]
        assert opened.count == 1

    def test_of_what_was_typed_and_names_nobody_is_said(self, boss, render, opened):
        data = page_of(boss, render).fill(JANE, {"anchor": DATE})
        page = Page(post(boss, render, data).content.decode())
        assert page.errors == {1: "This field is required."}
        assert not SignatureRequest.objects.exists()

    @pytest.mark.parametrize("how", ["forged", "another document's", "nothing"])
    def test_in_what_the_form_carries_along_is_as_if_nobody_had_looked(
        self, boss, render, opened, how
    ):
        other = make_render(remote_id=uuid.uuid4())
        known = {
            "forged": signing.dumps({"offers": [["x", 1]], "why": "", "is_read": True}),
            "another document's": page_of(boss, other).fields["known"],
            "nothing": "",
        }[how]
        data = page_of(boss, render).fill({**JANE, "email": "jane"}, known=known)
        page = Page(post(boss, render, data).content.decode())
        assert page.listed == []
        assert page.errors[0] == "Enter a valid email address."


class TestATextThatIsNotOffered:
    def test_is_sent_where_the_pdf_has_it(self, boss, render, opened):
        data = page_of(boss, render).fill({**JANE, "anchor": "Between"})
        post(boss, render, data)
        assert tags() == [("Between", 0)]
        assert opened.count == 2

    @pytest.mark.parametrize("mode", ["warn", "refuse"])
    @pytest.mark.parametrize(
        ("typed", "nearest"), [("[[sign-here]]", f"{FIRST} on page 2"), ("[[dat]]", f"{DATE} on")]
    )
    def test_is_an_error_at_its_field_with_the_nearest_one(
        self, boss, render, opened, settings, mode, typed, nearest
    ):
        settings.CRAFTKIT = {"CHECK_ANCHORS": mode}
        data = page_of(boss, render).fill(JANE, {**MAX, "anchor": typed})
        page = Page(post(boss, render, data).content.decode())
        assert list(page.errors) == [1]
        assert nearest in page.errors[1]
        assert "Nothing was sent." in page.html
        assert 'name="anyway"' in page.html
        assert not SignatureRequest.objects.exists()

    def test_is_an_error_where_there_is_no_other(self, boss, render, opened):
        opened.pdf = drawn("Sign below.")
        page = page_of(boss, render)
        assert (page.anchors, page.listed) == ([""] * 4, [])
        assert "No text of the PDF looks like a place to sign" in page.html
        data = page.fill({**JANE, "anchor": "Here"})
        page = Page(post(boss, render, data).content.decode())
        assert page.errors == {0: "The PDF does not have this text."}

    def test_is_not_asked_about_before_it_is_missing(self, boss, render, opened):
        assert 'name="anyway"' not in page_of(boss, render).html

    @pytest.mark.parametrize("mode", ["warn", "refuse"])
    def test_is_sent_all_the_same_where_that_is_confirmed(
        self, boss, render, craftkit, settings, mode
    ):
        settings.CRAFTKIT = {"CHECK_ANCHORS": mode}
        data = page_of(boss, render).fill({**JANE, "anchor": "[[nowhere]]"})
        page = Page(post(boss, render, data).content.decode())
        response = post(boss, render, page.fields | {"anyway": "on"})
        assert told(response) == [("success", "The document is sent to be signed.")]
        request = SignatureRequest.objects.get()
        # What was not found is kept where it is no reason to refuse.
        answers = [one["answer"] for one in request.anchor_findings or ()]
        assert answers == (["missing"] if mode == "warn" else [])

    def test_stays_confirmed_while_something_else_is_corrected(self, boss, render, opened):
        data = page_of(boss, render).fill({**JANE, "anchor": "[[nowhere]]", "email": "jane"})
        page = Page(post(boss, render, data | {"anyway": "on"}).content.decode())
        assert page.fields["anyway"] == "on"
        page = Page(post(boss, render, page.fields | {"more": "1"}, "?rows=8").content.decode())
        assert page.fields["anyway"] == "on"

    def test_of_a_pdf_that_can_not_be_opened_any_more_is_sent(self, boss, render, opened):
        data = page_of(boss, render).fill({**JANE, "anchor": "[[nowhere]]"})
        opened.pdf = CraftkitTimeout("It took too long.")
        assert told(post(boss, render, data))[0][0] == "success"
        assert tags() == [("[[nowhere]]", 0)]

    def test_sent_by_a_double_click_is_looked_up_once(self, boss, render, opened):
        data = page_of(boss, render).fill({**JANE, "anchor": "Between"})
        for _ in range(2):
            post(boss, render, data)
        assert SignatureRequest.objects.count() == 1
        assert opened.count == 2


@pytest.mark.parametrize(
    ("pdf", "words"),
    [
        (drawn("Nothing to sign at."), "No text of the PDF looks like a place to sign"),
        (drawn("", ""), "no text that can be read"),
        (encrypted(FIRST), "Only a password opens the PDF"),
        (b"%PDF-1.7\nbroken", "can&#x27;t be read, so no places"),
        (b"", "can&#x27;t be read, so no places"),
        (drawn(FIRST) + b"\n" * 2_000, "too large to be read here"),
        (CraftkitTimeout("It took too long."), "could not be opened just now"),
        (CraftkitError("no"), "could not be opened just now"),
        (OSError("a disk"), "could not be opened just now"),
    ],
)
def test_a_pdf_that_offers_nothing_says_why_and_the_form_works(
    boss, render, opened, monkeypatch, caplog, pdf, words
):
    monkeypatch.setattr(anchors, "MOST_BYTES", 2_000)
    opened.pdf = pdf
    page = page_of(boss, render)
    assert page.listed == []
    assert words in page.html
    assert FIRST not in caplog.text
    data = page.fill({**JANE, "email": "jane", "anchor": "x"})
    page = Page(post(boss, render, data).content.decode())
    assert words in page.html
    opened.pdf = OSError("a disk")
    assert told(post(boss, render, page.fill(JANE)))[0][0] == "success"


class TestTime:
    def test_is_short(self, boss, render, opened, monkeypatch):
        monkeypatch.setattr(anchors, "SECONDS", 0.0)
        assert "takes too long" in page_of(boss, render).html

    def test_is_shared_by_download_and_reading(self, boss, render, opened, monkeypatch):
        limits = []

        def read(file, *, seconds):
            limits.append(seconds)
            return [FIRST]

        monkeypatch.setattr(reading, "read_pages", read)
        assert page_of(boss, render).anchors[0] == FIRST
        (limit,) = limits
        assert 0 < limit < anchors.SECONDS


class TestIsNotOpened:
    @pytest.mark.parametrize("how", ["off", "paused", "no pypdf", "not ready"])
    def test_where_nobody_looks_texts_up(self, boss, render, opened, settings, monkeypatch, how):
        if how == "off":
            settings.CRAFTKIT = {"CHECK_ANCHORS": "off"}
        elif how == "paused":
            settings.CRAFTKIT = {"PAUSED": True}
        elif how == "no pypdf":
            monkeypatch.setattr(reading, "is_available", lambda: False)
        else:
            render = make_render("queued")
        page = page_of(boss, render)
        assert (page.anchors, page.listed, opened.count) == (GUESSES, [], 0)
        post(boss, render, page.fill({**JANE, "anchor": "[[nowhere]]"}))
        assert tags() == [("[[nowhere]]", 0)]
        assert opened.count == 0

    def test_for_who_may_not_open_it(self, staff, boss, render, opened):
        desk = staff("add_signaturerequest", "view_render")
        assert page_of(desk, render).anchors == GUESSES
        # Not by what somebody else was shown either: an error would tell what is in the PDF.
        data = page_of(boss, render).fill({**JANE, "anchor": "[[nowhere]]"})
        count = opened.count
        post(desk, render, data)
        assert tags() == [("[[nowhere]]", 0)]
        assert opened.count == count
        desk = staff("add_signaturerequest", "download_render")
        assert page_of(desk, render).anchors[:2] == [FIRST, SECOND]

    @pytest.mark.django_db(transaction=True)
    def test_in_a_transaction_of_somebody_else(self, boss, opened):
        render = make_render(remote_id=uuid.uuid4())
        with transaction.atomic():
            page = page_of(boss, render)
        assert (page.anchors, opened.count) == (GUESSES, 0)

    def test_for_what_goes_to_nobody_any_more(self, boss, render, opened):
        Render.objects.update(withdrawn_at=render.requested_at)
        boss.get(address(Render, "sign", render.pk))
        assert opened.count == 0


def test_who_is_asked_once_more_keeps_the_offers(boss, render, opened):
    make_request(render, "sent", {**JANE})
    page = Page(post(boss, render, page_of(boss, render).fill(JANE)).content.decode())
    assert 'name="once_more"' in page.html
    assert page.listed == [f"{SECOND} page 1", f"{DATE} page 1", f"{FIRST} page 2"]
    post(boss, render, page.fields | {"once_more": "on"})
    assert SignatureRequest.objects.count() == 2
    assert opened.count == 1
