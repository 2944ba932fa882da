"""Manifests in short, and what the checker says of data."""

from __future__ import annotations

from typing import Any

from django_craftkit.data import check

TYPES = (
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


def variable(key: str, data_type: str = "text", required: bool = False) -> dict[str, Any]:
    return {"key": key, "label": "L", "dataType": data_type, "required": required}


def loop(key: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "label": "L", "itemFields": list(fields)}


def manifest(*variables: dict[str, Any], loops: Any = ()) -> dict[str, Any]:
    return {"variables": list(variables), "loops": list(loops)}


def errors(data: Any, wanted: Any, **options: bool) -> set[str]:
    """Return the paths of the errors."""
    return {one.path for one in check(data, wanted, **options) if one.level == "error"}


def found(data: Any, wanted: Any, **options: bool) -> list[tuple[str, str, str]]:
    return [(one.path, one.code, one.level) for one in check(data, wanted, **options)]
