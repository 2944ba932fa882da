#!/usr/bin/env bash
# pypdf 7.1.1: of a file that was saved incrementally twice, the reader returns the first update's
# cross-reference stream in the place of an object that the second update has added.
#
# PdfWriter(incremental=True) gives the second update's first new object the number that the first
# update's cross-reference stream has, which a later revision may redefine (ISO 32000-1, 7.5.6 and
# 7.5.8). PdfReader keeps each cross-reference stream that it meets while it opens a file, by its
# number, and answers with it whoever asks for that object. Other readers, pikepdf here, return the
# object. A file that was signed twice so seems to be signed once. reader.resolved_objects.clear()
# right after the file is opened makes pypdf read what the others do.
#
# Seen: "pypdf: /XRef, cleared: /Example; pikepdf: /Example".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pypdf==7.1.1 pikepdf==10.18.0
cat > "$folder/show.py" <<'PYTHON'
import io

import pikepdf
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject


def saved(writer):
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def with_object(content, name):
    """The file with an object more, to which its catalogue leads by this name."""
    writer = PdfWriter(io.BytesIO(content), incremental=True)
    added = DictionaryObject({NameObject("/Type"): NameObject("/Example")})
    writer.root_object[NameObject(name)] = writer._add_object(added)
    return saved(writer)


first = PdfWriter()
first.add_blank_page(100, 100)
twice = with_object(with_object(saved(first), "/One"), "/Two")

reader = PdfReader(io.BytesIO(twice))
by_pypdf = reader.trailer["/Root"]["/Two"]["/Type"]
reader.resolved_objects.clear()
cleared = reader.trailer["/Root"]["/Two"]["/Type"]
file = pikepdf.open(io.BytesIO(twice))
by_pikepdf = file.Root.Two.Type
print(f"pypdf: {by_pypdf}, cleared: {cleared}; pikepdf: {by_pikepdf}")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/show.py")
echo "$seen"
[ "$seen" = "pypdf: /XRef, cleared: /Example; pikepdf: /Example" ]
