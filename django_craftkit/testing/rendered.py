"""The assertion that a document was rendered, and what it says where it was not."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from django_craftkit.models import Render
from django_craftkit.models.arguments import document_data

from .remote import RemoteRender

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import Model

    from django_craftkit.sandbox import Sandbox

#: How many documents a message shows that came near.
SHOWN = 3


class Assertions:
    """The part of the kit that asserts."""

    sandbox: Sandbox

    def assert_rendered(
        self,
        template: str,
        *,
        data: Mapping[str, Any] | None = None,
        source: Model | None = None,
        count: int = 1,
    ) -> list[RemoteRender]:
        """Assert that Craftkit has rendered so many documents, neither more nor fewer.

        Args:
            template: their slug.
            data: what their data hold; they may hold more. Objects in it are compared in the same
                way; lists item by item, and they must be as long. Values may be what a document's
                function returns: a ``Decimal``, a date.
            source: the object that they are about; None: whichever.
            count: how many there are; 0: none.

        Returns:
            Them, oldest first.

        Raises:
            AssertionError: there are more or fewer. Its message says what came near.
        """
        __tracebackhide__ = True
        expected = None if data is None else document_data(data)
        ready = [one for one in map(RemoteRender.of, self.sandbox.renders) if is_ready(one)]
        near = [one for one in ready if one.template == template]
        if source is not None:
            near = _about(source, near)
        found = [one for one in near if expected is None or holds(one.data, expected)]
        if len(found) != count:
            said = _said(template, expected, source, count, len(found))
            reasons = _reasons(template, source, ready, near, expected, len(found))
            raise AssertionError("\n".join([said, *reasons]))
        return found


def is_ready(document: RemoteRender) -> bool:
    return document.status == "succeeded"


def holds(value: Any, expected: Any) -> bool:
    """Whether a value of JSON is what is expected: objects may hold more."""
    match expected:
        case dict():
            return isinstance(value, dict) and all(
                key in value and holds(value[key], one) for key, one in expected.items()
            )
        case list():
            return (
                isinstance(value, list)
                and len(value) == len(expected)
                and all(map(holds, value, expected))
            )
    # True is no 1 in JSON.
    return isinstance(value, bool) == isinstance(expected, bool) and bool(value == expected)


def _about(source: Model, documents: Sequence[RemoteRender]) -> list[RemoteRender]:
    rows = Render.objects.writer().for_object(source)
    ids = {str(one) for one in rows.values_list("remote_id", flat=True)}
    return [one for one in documents if one.id in ids]


def _said(template: str, data: Any, source: Model | None, count: int, found: int) -> str:
    what = f"of {template!r}"
    what += f" about {source!r}" if source is not None else ""
    what += " with these data" if data is not None else ""
    return f"{count} {_documents(count)} {what} expected, {found} rendered."


def _reasons(
    template: str,
    source: Model | None,
    ready: Sequence[RemoteRender],
    near: Sequence[RemoteRender],
    expected: Any,
    found: int,
) -> list[str]:
    """Return what may be why: documents that differ, are about another, wait, or failed."""
    lines: list[str] = []
    if not found and near:
        lines += [_difference(one.data, expected) for one in near[-SHOWN:]]
    elif not near and (others := [one for one in ready if one.template == template]):
        lines.append(f"{len(others)} {_documents(len(others))} of it about something else.")
    elif not near and ready:
        slugs = sorted({one.template for one in ready})
        lines.append(f"Rendered were: {', '.join(slugs)}.")
    return lines + _waiting(template, source)


def _waiting(template: str, source: Model | None) -> list[str]:
    rows = Render.objects.writer().filter(template=template).exclude(status="succeeded")
    if source is not None:
        rows = rows.for_object(source)
    lines = []
    for row in rows.order_by("pk")[:SHOWN]:
        why = f": {row.error}" if row.error else "."
        if not row.is_final:
            why += " Let the worker run()."
        lines.append(f"{row} is {row.status}{why}")
    return lines


def _difference(data: Any, expected: Any) -> str:
    """Return what was expected of a document, and what it holds there, line by line."""
    lines = difflib.unified_diff(
        _lines(expected),
        _lines(_narrowed(data, expected)),
        "expected",
        "rendered",
        lineterm="",
        n=2,
    )
    return "\n".join(lines)


def _narrowed(data: Any, expected: Any) -> Any:
    """Return of some data what is compared."""
    match data, expected:
        case dict(), dict():
            return {key: _narrowed(data[key], one) for key, one in expected.items() if key in data}
        case list(), list():
            pairs = zip(data, expected, strict=False)
            return [_narrowed(*pair) for pair in pairs] + data[len(expected) :]
    return data


def _lines(data: Any) -> list[str]:
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False).splitlines()


def _documents(count: int) -> str:
    return "document" if count == 1 else "documents"
