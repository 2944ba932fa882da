"""What a signed file says of itself: whole, and covered by its signatures to the end, or not."""

from __future__ import annotations

import io

import pytest
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from django_craftkit.models import ArchivedFile
from django_craftkit.pdf.signed import Coverage, SignedFile, inspect

#: Numbers and bytes that the places of a signature are written over, once they are known.
PLACES, CONTENTS = (1_111_111_111, 2_222_222_222, 3_333_333_333), bytes(range(1, 33))


def plain() -> bytes:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    pdf.cell(text="Signed.")
    return bytes(pdf.output())


def signed(content: bytes | None = None, name: str = "Signature1") -> bytes:
    """A file with a signature more, which covers all of it but itself."""
    content = plain() if content is None else content
    writer = PdfWriter(io.BytesIO(content), incremental=True)
    value = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Sig"),
            NameObject("/ByteRange"): ArrayObject(map(NumberObject, (0, *PLACES))),
            NameObject("/Contents"): ByteStringObject(CONTENTS),
        }
    )
    field = DictionaryObject(
        {
            NameObject("/FT"): NameObject("/Sig"),
            NameObject("/T"): TextStringObject(name),
            NameObject("/V"): writer._add_object(value),
        }
    )
    root = writer.root_object
    before = root.get("/AcroForm", DictionaryObject()).get_object().get("/Fields", [])
    form = DictionaryObject(
        {NameObject("/Fields"): ArrayObject([*before, writer._add_object(field)])}
    )
    root[NameObject("/AcroForm")] = writer._add_object(form)
    file = io.BytesIO()
    writer.write(file)
    written = file.getvalue()
    hexed = b"<" + CONTENTS.hex().encode() + b">"
    start = written.rindex(hexed)
    end = start + len(hexed)
    for number, place in zip(PLACES, (start, end, len(written) - end), strict=True):
        written = written.replace(str(number).encode(), str(place).rjust(10).encode())
    return written


def saved_anew(content: bytes) -> bytes:
    file = io.BytesIO()
    PdfWriter(clone_from=PdfReader(io.BytesIO(content))).write(file)
    return file.getvalue()


def with_page(content: bytes) -> bytes:
    """A file to which a page was added after it was signed, as with a service's own record."""
    writer = PdfWriter(io.BytesIO(content), incremental=True)
    writer.add_blank_page(100, 100)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def looped() -> bytes:
    """A file whose form's field is its own child."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(plain())))
    field = DictionaryObject({NameObject("/T"): TextStringObject("x")})
    reference = writer._add_object(field)
    field[NameObject("/Kids")] = ArrayObject([reference])
    form = DictionaryObject({NameObject("/Fields"): ArrayObject([reference])})
    writer.root_object[NameObject("/AcroForm")] = form
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


SAYS = {
    "no signature": (plain(), SignedFile(True, True, 0, "none")),
    "signed": (signed(), SignedFile(True, True, 1, "whole")),
    "signed twice": (signed(signed(), "Signature2"), SignedFile(True, True, 2, "whole")),
    "a page added": (with_page(signed()), SignedFile(True, True, 1, "added")),
    "a line's end added": (signed() + b"\r\n", SignedFile(True, True, 1, "whole")),
    "saved anew": (saved_anew(signed()), SignedFile(True, True, 1, "moved")),
    "half": (signed()[:-200], SignedFile(True, False, None, "unknown")),
    "no PDF": (b"<html>", SignedFile(False, False, None, "unknown")),
    "nothing": (b"", SignedFile(False, False, None, "unknown")),
    "no objects": (b"%PDF-1.7\n%%EOF", SignedFile(True, True, None, "unknown")),
    "a field that is its own child": (looped(), SignedFile(True, True, 0, "none")),
}


@pytest.mark.parametrize(("content", "says"), SAYS.values(), ids=SAYS)
def test_it_says_so(content, says):
    assert inspect(io.BytesIO(content)) == says


def test_the_archive_has_a_column_value_for_each_answer():
    assert set(ArchivedFile.Coverage.values) == set(Coverage)


@pytest.mark.parametrize(
    "places", [b"[0 10]", b"[0 10 20 -5]", b"[(a) 0 0 0]", b"[0 9 9 99999999]", b"[5 10 20 30]"]
)
def test_places_that_are_none_are_not_where_they_say(places):
    content = signed()
    start = content.rindex(b"/ByteRange [")
    end = content.index(b"]", start) + 1
    odd = b"/ByteRange " + places.ljust(end - start - 11)
    says = inspect(io.BytesIO(content[:start] + odd + content[end:]))
    assert (says.signatures, says.coverage) == (1, "moved")
