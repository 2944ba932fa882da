"""The JSON Schema of a template's data, which is read back with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django_craftkit.sandbox.core.checks.templates import MOST_ITEMS

if TYPE_CHECKING:
    from django_craftkit.sandbox.core.checks.templates import Manifest, Variable

Schema: TypeAlias = dict[str, Any]

_STRING = {"type": "string"}
_NUMBER = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[-+]?[0-9.eE+-]+\s*$"}]
}
_MOMENT = {"anyOf": [{**_STRING, "format": "date"}, {**_STRING, "format": "date-time"}]}
_BOOLEAN = {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]}
_URL = {**_STRING, "format": "uri", "pattern": "^[hH][tT][tT][pP][sS]?://"}
_SCHEMAS: dict[str, Schema] = {
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


def json_schema(manifest: Manifest) -> Schema:
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


def _object_schema(variables: list[Variable]) -> Schema:
    root: Schema = {"type": "object", "properties": {}}
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


def _require(node: Schema, name: str) -> None:
    required: list[str] = node.setdefault("required", [])
    if name not in required:
        required.append(name)
