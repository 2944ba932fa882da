"""Which templates are taken: slugs, contents, manifests.

renders-templates.md, section 4.1 (data model) and 4.4 (errors of create and PUT).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NotRequired, TypedDict, cast

from django_craftkit.sandbox.core.errors import Refusal

from .layout import MOST_TEXTS, check_layout_texts
from .shape import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .layout import LayoutText

SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST_SLUG: Final = 120
#: Of what the API makes; the builder's names have no limit in the documentation.
LONGEST_NAME: Final = 120
MOST_ITEMS: Final = 10_000
DATA_TYPES: Final = (
    "text",
    "longtext",
    "number",
    "currency",
    "date",
    "datetime",
    "boolean",
    "image",
    "url",
    "email",
)


class Variable(TypedDict):
    """One value that a template takes; `key` is a dotted path."""

    key: str
    label: str
    dataType: str
    required: NotRequired[bool]
    format: NotRequired[str]


class Loop(TypedDict):
    """A list of rows that a template repeats."""

    key: str
    label: str
    itemFields: list[Variable]


class Manifest(TypedDict):
    """What a template takes."""

    variables: list[Variable]
    loops: list[Loop]


class Content(TypedDict):
    """What is published as a version of a template."""

    name: str
    manifest: Manifest
    description: NotRequired[str | None]
    pageConfig: NotRequired[Mapping[str, object] | None]
    layoutTexts: NotRequired[Sequence[LayoutText]]
    # Takes any data as it comes.
    lenient: NotRequired[bool]


def check_slug(slug: str, shape: Shape) -> None:
    """Note in a template's shape if this can be no slug."""
    if len(slug) > LONGEST_SLUG:
        shape.wrong("slug", f"String must contain at most {LONGEST_SLUG} character(s)")
    elif not SLUG.fullmatch(slug):
        shape.wrong("slug", "Invalid")


def check_content(shape: Shape, *, from_builder: bool = False) -> Content:
    """The content of a template from the body that publishes it.

    Fields of the manifest that the documentation doesn't name are kept: its schema of a variable
    isn't complete. `from_builder` takes what only Craftkit's own builder can make: names of any
    length, dots in the keys of loops, and `layoutTexts`. The API has no word for the last and
    leaves them unread.

    Raises:
        Refusal: `invalid_request`; `invalid_loop_key`, when the key of a loop holds a dot.
    """
    name = shape.string("name", required=True, least=1, most=None if from_builder else LONGEST_NAME)
    description = shape.string("description", most=280)
    shape.object("layout")
    page_config = shape.object("pageConfig")
    if page_config is not None:
        page = Shape(page_config, shape.issues, "pageConfig")
        page.string("format")
        page.choice("orientation", ("portrait", "landscape"))
        page.boolean("printBackground")
    manifest = _check_manifest(shape, dotted_loops=from_builder)
    texts = shape.objects("layoutTexts", most=MOST_TEXTS) if from_builder else []
    layout_texts = check_layout_texts(texts)
    shape.refuse()
    return {
        "name": name or "",
        "description": description,
        "manifest": manifest,
        "pageConfig": page_config,
        "layoutTexts": layout_texts,
    }


def _check_manifest(shape: Shape, *, dotted_loops: bool) -> Manifest:
    content = shape.object("manifest", required=True)
    if content is None:
        return {"variables": [], "loops": []}
    manifest = Shape(content, shape.issues, "manifest")
    variables = manifest.objects("variables", required=True)
    loops = manifest.objects("loops", required=True)
    _check_variables(variables)
    for loop in loops:
        key = loop.string("key", required=True, least=1)
        loop.string("label", required=True)
        _check_variables(loop.objects("itemFields", required=True, least=1))
        loop.objects("previewData", most=10)
        if key and "." in key and not dotted_loops:
            raise Refusal(
                "invalid_loop_key", f'Loop key "{key}" must be a top-level key without dots.'
            )
    _check_unique(loops)
    return cast("Manifest", content)


def _check_variables(variables: list[Shape]) -> None:
    for variable in variables:
        key = variable.string("key", required=True, least=1)
        if key and not all(key.split(".")):
            variable.wrong("key", "Invalid key")
        variable.string("label", required=True)
        variable.choice("dataType", DATA_TYPES, required=True)
        variable.boolean("required")
        variable.string("format")
    _check_unique(variables)
    keys = {str(variable.body.get("key")) for variable in variables}
    for variable in variables:
        # `customer` next to `customer.name` could never both be sent.
        parents = str(variable.body.get("key")).split(".")[:-1]
        if any(".".join(parents[: depth + 1]) in keys for depth in range(len(parents))):
            variable.wrong("key", "Key lies below another variable's key")


def _check_unique(shapes: list[Shape]) -> None:
    seen: set[object] = set()
    for shape in shapes:
        key = shape.body.get("key")
        if isinstance(key, str):
            if key in seen:
                shape.wrong("key", "Duplicate key")
            seen.add(key)
