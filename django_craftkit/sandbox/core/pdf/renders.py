"""The document of a render: a real PDF with every value in it, as text that can be extracted.

Laid out as Craftkit does for a template without a layout of its own (section 4.4): scalars as
labelled values, loops as tables. Images are shown by their address, as nothing is fetched here.
A value that a layout text names is printed at its place instead: an anchor that stands twice in
a document would be two places to sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django_craftkit.sandbox.core import handlebars
from django_craftkit.sandbox.core.moments import moment_in_utc

from .places import Placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_craftkit.sandbox.core.checks.templates import Loop, Variable
    from django_craftkit.sandbox.core.renders import Render
    from django_craftkit.sandbox.core.templates import Version

    from .document import Document

Row = tuple[str, str]
Table = tuple[str, list[str], list[list[str]]]
_SIZE: Final = 11


def write(render: Render) -> tuple[bytes, tuple[str, ...]]:
    """The PDF of a render, and its lines of text.

    The same data, version and moment give the same bytes.
    """
    document = lay_out(render)
    document.set_creation_date(moment_in_utc(render.created_at))
    return bytes(document.output()), tuple(document.lines)


def lay_out(render: Render, more_text: str = "") -> Document:
    """The pages of a render, with a font for `more_text` in case that pages follow."""
    version = render.version
    if version.lenient:
        rows, tables = _anything(render.data)
    else:
        named = set().union(*(handlebars.names(each["text"]) for each in version.layout_texts))
        rows = [
            _row(render.data, variable)
            for variable in version.manifest["variables"]
            if variable["key"] not in named
        ]
        tables = [_table(render.data, loop) for loop in version.manifest["loops"]]
    created = moment_in_utc(render.created_at)
    placed = _placed(version, render.data)
    characters = _characters(render.title, rows, tables, placed)
    # Half a second for what draws: most tests of a project look at no PDF.
    from .document import Document, clean

    document = Document(version.page_config, characters + more_text, placed)
    document.set_title(clean(render.title))
    document.add_page()
    document.heading(
        render.title, f"{render.template} · version {version.number} · {created:%Y-%m-%d %H:%M} UTC"
    )
    for label, value in rows:
        document.labelled(label, value)
    for label, columns, body in tables:
        document.listing(label, columns, body)
    while document.page_no() < max((each.page for each in placed), default=1):
        document.add_page()
    return document


def _placed(version: Version, data: dict[str, Any]) -> list[Placed]:
    variables = {variable["key"]: variable for variable in version.manifest["variables"]}

    def value_of(name: str) -> str:
        value = _find(data, name)
        return "" if isinstance(value, dict | list) else _show(value, variables.get(name))

    filled = [
        Placed(
            page=each["page"],
            x=each["x"],
            y=each["y"],
            text=handlebars.fill(each["text"], value_of),
            size=each.get("size", _SIZE),
        )
        for each in version.layout_texts
    ]
    return [each for each in filled if each.text.strip()]


def _row(data: object, variable: Variable) -> Row:
    return variable["label"], _show(_find(data, variable["key"]), variable)


def _find(data: object, key: str) -> object:
    for name in key.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _table(data: dict[str, Any], loop: Loop) -> Table:
    fields = loop["itemFields"]
    items = data.get(loop["key"], [])
    body = [[_row(item, field)[1] for field in fields] for item in items]
    return loop["label"], [field["label"] for field in fields], body


def _show(value: object, variable: Variable | None = None) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "Yes" if value else "No"
        case int() | float() if variable and variable["dataType"] == "currency":
            currency = variable.get("format", "").partition(":")[2]
            return f"{value:,.2f} {currency}".rstrip()
    return str(value)


def _anything(data: dict[str, object]) -> tuple[list[Row], list[Table]]:
    """Rows and tables for data without a manifest: keys are their own labels."""
    rows: list[Row] = []
    tables: list[Table] = []

    def walk(node: dict[str, object], at: str) -> None:
        for key, value in node.items():
            path = f"{at}{key}"
            if isinstance(value, dict) and path.count(".") < 20:
                walk(value, f"{path}.")
            elif isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
                columns = list(dict.fromkeys(name for item in value for name in item))[:12]
                body = [[_show(item.get(name)) for name in columns] for item in value]
                tables.append((path, columns, body))
            else:
                rows.append((path, _show(value)))

    walk(data, "")
    return rows, tables


def _characters(title: str, rows: list[Row], tables: list[Table], placed: Sequence[Placed]) -> str:
    """Every character that is written, once."""
    seen = set(title).union(*(each.text for each in placed))
    for row in rows:
        seen.update(*row)
    for label, columns, body in tables:
        seen.update(label, *columns)
        for cells in body:
            seen.update(*cells)
    return "".join(seen)
