"""What may be of any length and depth: a page shows its beginning, and the whole is a file.

Nothing here recurses, or reads more than it shows: whatever is stored, its page answers.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from django.db.models import BinaryField, JSONField, TextField
from django.db.models.functions import Cast
from django.utils.html import escape, format_html

from django_craftkit import untrusted
from django_craftkit.models import Render, Share, SignatureRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model
    from django.utils.safestring import SafeString

#: Characters that a page shows of JSON and of a webhook's body; of an error, a message or a note;
#: of a line of a list or a table; and of a name in one.
SHOWN, LONGEST_TEXT, LONGEST_LINE, LONGEST_NAME = 20_000, 2_000, 300, 80
#: The columns of any length of what other pages name as well, and then leave where they are.
LONG: dict[type[Model], tuple[str, ...]] = {
    Render: ("data", "answer", "error", "field_errors"),
    Share: ("message", "answer", "error", "field_errors"),
    SignatureRequest: (
        "fields",
        "anchor_tags",
        "anchor_findings",
        "answer",
        "error",
        "field_errors",
    ),
}
#: Bytes of a page for one such character: quotes and brackets take up to six, letters one to four.
_BYTES = 3
#: Levels of JSON that have lines of their own; what is deeper stands in one.
_DEEPEST = 16
#: What of stored JSON is read for each character that is shown: it may be written in escapes.
_ESCAPED = 12

#: Craftkit's ``downloadUrl`` needs no right and never ends. Any letter may be written in an escape.
_PUBLIC_NAME = "".join(rf"(?:{letter}|\\u(?i:{ord(letter):04x}))" for letter in "downloadUrl")
_PUBLIC_LINK = re.compile(rf'("{_PUBLIC_NAME}"\s*:\s*)"(?:[^"\\]|\\.)*"?', re.DOTALL)
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


def long_of(model: type[Model], through: str) -> tuple[str, ...]:
    """Return ``LONG`` of a model as a query names it that comes ``through`` a key to its rows."""
    return tuple(f"{through}__{name}" for name in LONG[model])


def truncate(text: str, most: int) -> str:
    """Return the beginning of a text, with an ellipsis where there is more of it."""
    head = text[:most]
    while len(escape(head).encode("utf-8", "replace")) > _BYTES * most:
        head = head[: len(head) // 2]
    return head if len(head) == len(text) else f"{head.rstrip()}…"


def short_name(text: str) -> str:
    return truncate(text, LONGEST_NAME)


def short_line(text: str) -> str:
    return truncate(text, LONGEST_LINE)


def is_truncated(text: str, most: int) -> bool:
    return truncate(text, most) != text


def masked(text: str) -> str:
    """Return a text without the addresses that open a document to anybody."""
    return _PUBLIC_LINK.sub(r'\1"…"', text)


def shown(text: str) -> SafeString:
    """Return the beginning of a text as it is, but for what would be no UTF-8."""
    text = masked(text.encode("utf-8", "backslashreplace").decode())
    return format_html("<pre>{}</pre>", truncate(text, SHOWN))


def laid_out(text: str) -> tuple[SafeString, bool]:
    """Return JSON to be read, and whether that is only its beginning."""
    head = text[: _ESCAPED * SHOWN]
    parts: list[str] = []
    size = 0
    for piece in _lines(head):
        parts.append(piece)
        size += len(piece)
        if size > SHOWN:
            break
    whole = "".join(parts)
    return shown(whole), len(head) < len(text) or is_truncated(whole, SHOWN)


def loads(text: str | None) -> object:
    """Return what JSON holds; ``None`` for what can't be read, being no JSON or too deep."""
    try:
        return untrusted.loads(text or "null")
    except ValueError:
        return None


def object_of(row: Model, name: str) -> dict[str, object]:
    """Return a JSON column as an object; an empty one for what is none, or too deep to be read."""
    value = _value_of(row, name)
    return value if isinstance(value, dict) else {}


def objects_of(row: Model, name: str) -> list[dict[str, object]]:
    """Return the objects in a JSON column that is a list; none of what is none, or too deep."""
    value = _value_of(row, name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _value_of(row: Model, name: str) -> object:
    try:
        # As its page has read it, or else as it is.
        text = getattr(row, f"{name}_text", None)
        return getattr(row, name) if text is None else loads(text)
    except RecursionError:
        return None


def body_of(body: bytes) -> str | None:
    """Return the text of a body that is JSON, in whichever encoding; ``None`` for any other."""
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        untrusted.loads(text)
    except ValueError:
        return None
    return text


def _lines(text: str) -> Iterator[str]:
    """Yield JSON, or the beginning of it, piece by piece as ``json.dumps(indent=2)`` writes it."""
    depth = 0
    opened = ""
    for found in _TOKEN.finditer(text):
        part = found[0]
        if part in "]}":
            yield part if opened else f"{_break(depth - 1, depth)}{part}"
            depth, opened = max(depth - 1, 0), ""
            continue
        if opened:
            yield _break(depth, depth)
        opened = ""
        if part in "[{":
            depth, opened = depth + 1, part
            yield part
        elif part == ",":
            yield f",{_break(depth, depth) or ' '}"
        elif part == ":":
            yield ": "
        else:
            yield _readable(part)


def _break(indent: int, depth: int) -> str:
    return "\n" + "  " * max(indent, 0) if depth <= _DEEPEST else ""


def _readable(part: str) -> str:
    """Return a value without the escapes that only machines need; half of one as it is."""
    if not part.startswith('"'):
        return part
    try:
        return json.dumps(json.loads(part), ensure_ascii=False)
    except ValueError:
        return part


def as_text(name: str) -> Cast:
    """Return a JSON column as its text: deep JSON can't be read otherwise."""
    return Cast(name, TextField())


def whole(row: Model, name: str) -> tuple[bytes, str]:
    """Read a column of a row anew; return it without public links, and its kind of file."""
    field = row._meta.get_field(name)
    is_json = isinstance(field, JSONField)
    rows = type(row)._default_manager.using(row._state.db).filter(pk=row.pk)
    found = rows.values_list(as_text(name) if is_json else name, flat=True).get()
    if isinstance(field, BinaryField):
        text = bytes(found).decode("utf-8", "surrogateescape")
        return masked(text).encode("utf-8", "surrogateescape"), "json"
    return masked(found or "").encode("utf-8", "replace"), "json" if is_json else "txt"
