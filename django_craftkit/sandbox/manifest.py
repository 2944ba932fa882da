"""Manifests: which ones are taken, and the JSON Schema that is read back.

renders-templates.md, section 4.1 (data model) and 4.4 (errors of create and PUT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .http import ApiError, Issues

if TYPE_CHECKING:
    from .shapes import Shape

Manifest = dict[str, Any]

MOST_ITEMS = 10_000
DATA_TYPES = (
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


def check_manifest(body: Shape, *, dotted_loops: bool = False) -> Manifest:
    """The `manifest` field of a template's body; issues are noted in the shape.

    Fields that the documentation doesn't name are kept: its schema of a variable isn't
    complete. `dotted_loops` accepts what only Craftkit's own builder can make.

    Raises:
        ApiError: 400 `invalid_loop_key`, when the key of a loop holds a dot.
    """
    issues: Issues = body.issues
    content = body.object("manifest", required=True)
    if content is None:
        return {}
    manifest = type(body)(content, issues, "manifest")
    variables = manifest.objects("variables", required=True)
    loops = manifest.objects("loops", required=True)
    _check_variables(variables)
    for loop in loops:
        key = loop.string("key", required=True, least=1)
        loop.string("label", required=True)
        _check_variables(loop.objects("itemFields", required=True, least=1))
        loop.objects("previewData", most=10)
        if key and "." in key and not dotted_loops:
            raise ApiError(
                400, "invalid_loop_key", f'Loop key "{key}" must be a top-level key without dots.'
            )
    _check_unique(loops)
    return content


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


_STRING = {"type": "string"}
_NUMBER = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[-+]?[0-9.eE+-]+\s*$"}]
}
_MOMENT = {"anyOf": [{**_STRING, "format": "date"}, {**_STRING, "format": "date-time"}]}
_BOOLEAN = {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]}
_URL = {**_STRING, "format": "uri", "pattern": "^[hH][tT][tT][pP][sS]?://"}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "text": _STRING,
    "longtext": _STRING,
    "number": _NUMBER,
    "currency": _NUMBER,
    "date": _MOMENT,
    "datetime": _MOMENT,
    "boolean": _BOOLEAN,
    "image": _URL,
    "url": _URL,
    "email": {**_STRING, "format": "email"},
}


def json_schema(manifest: Manifest) -> dict[str, Any]:
    """The draft-07 schema of `data` for a manifest: dots nest, keys of loops never do."""
    schema = _object_schema(manifest["variables"])
    for loop in manifest["loops"]:
        schema["properties"][loop["key"]] = {
            "type": "array",
            "title": loop["label"],
            "items": _object_schema(loop["itemFields"]),
            "maxItems": MOST_ITEMS,
            "default": [],
        }
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def _object_schema(variables: list[dict[str, Any]]) -> dict[str, Any]:
    root: dict[str, Any] = {"type": "object", "properties": {}}
    for variable in variables:
        *parents, leaf = variable["key"].split(".")
        node = root
        for parent in parents:
            if variable.get("required"):
                _require(node, parent)
            node = node["properties"].setdefault(parent, {"type": "object", "properties": {}})
        if variable.get("required"):
            _require(node, leaf)
        node["properties"][leaf] = {"title": variable["label"], **_SCHEMAS[variable["dataType"]]}
    return root


def _require(node: dict[str, Any], name: str) -> None:
    required: list[str] = node.setdefault("required", [])
    if name not in required:
        required.append(name)
