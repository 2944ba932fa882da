"""The data of a render against the manifest of its template.

renders-templates.md, section 4.1: each dataType with its coercions, keys that the manifest
doesn't know stripped without a word, loops of at most 10,000 items under a literal key.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from django_craftkit.sandbox.core.checks.shape import json_type
from django_craftkit.sandbox.core.errors import Issues
from django_craftkit.sandbox.core.moments import is_date

from .shape import is_email
from .templates import MOST_ITEMS
from .urls import is_web_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .templates import Loop, Manifest, Variable

_NUMERIC = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_ABSENT: Final = object()


def check_data(manifest: Manifest, data: Mapping[str, object]) -> dict[str, object]:
    """The data that a render gets: coerced, stripped of unknown keys, loops filled in.

    Raises:
        Refusal: `invalid_input_data`, with the dotted path of every fault.
    """
    issues = Issues()
    kept = _check_object(manifest["variables"], data, "", issues)
    for loop in manifest["loops"]:
        kept[loop["key"]] = _check_loop(loop, data, issues)
    issues.refuse("invalid_input_data", "Variable data did not match the template manifest.")
    return kept


def _check_loop(loop: Loop, data: Mapping[str, object], issues: Issues) -> list[dict[str, object]]:
    # The key is looked up as it is written: a dotted one binds as a literal property only.
    key = loop["key"]
    items = data.get(key, [])
    if not isinstance(items, list):
        issues.add(key, f"Expected array, received {json_type(items)}")
        return []
    if len(items) > MOST_ITEMS:
        issues.add(key, f"Array must contain at most {MOST_ITEMS} element(s)")
        return []
    kept = []
    for index, item in enumerate(items):
        at = f"{key}.{index}"
        if isinstance(item, dict):
            kept.append(_check_object(loop["itemFields"], item, at, issues))
        else:
            issues.add(at, f"Expected object, received {json_type(item)}")
    return kept


def _check_object(
    variables: list[Variable], data: Mapping[str, object], at: str, issues: Issues
) -> dict[str, object]:
    kept: dict[str, Any] = {}
    for variable in variables:
        path = variable["key"].split(".")
        value = _find(data, path, at, issues)
        if value is _Fault:
            continue
        full = ".".join([at, *path]) if at else variable["key"]
        if value is _ABSENT:
            if variable.get("required"):
                issues.add(full, "Required")
            continue
        try:
            coerced = coerce(variable["dataType"], value)
        except ValueError as fault:
            issues.add(full, str(fault))
            continue
        node = kept
        for parent in path[:-1]:
            node = node.setdefault(parent, {})
        node[path[-1]] = coerced
    return kept


class _Fault:
    """Stands for a value that can't be reached; the issue is noted already."""


def _find(data: Mapping[str, object], path: list[str], at: str, issues: Issues) -> object:
    node: object = data
    for depth, name in enumerate(path):
        if not isinstance(node, dict):
            where = ".".join([at, *path[:depth]] if at else path[:depth])
            message = f"Expected object, received {json_type(node)}"
            if message not in issues.fields.get(where, []):  # once, not for each variable below
                issues.add(where, message)
            return _Fault
        if name not in node:
            return _ABSENT
        node = node[name]
    return node


def coerce(data_type: str, value: object) -> str | float:
    """The value as the dataType has it.

    Raises:
        ValueError: it can't be one; the message is the issue.
    """
    match data_type:
        case "number" | "currency":
            return _number(value)
        case "boolean":
            if isinstance(value, str) and value in {"true", "false"}:
                return value == "true"
            if not isinstance(value, bool):
                raise ValueError(f"Expected boolean, received {json_type(value)}")
            return value
    if not isinstance(value, str):
        raise ValueError(f"Expected string, received {json_type(value)}")
    match data_type:
        case "date" | "datetime" if not is_date(value):
            raise ValueError("Invalid date")
        case "image" | "url" if not is_web_url(value):
            raise ValueError("Invalid url")
        case "email" if not is_email(value):
            raise ValueError("Invalid email")
    return value


def _number(value: object) -> int | float:
    if isinstance(value, str) and _NUMERIC.fullmatch(value):
        number = float(value)
        # "42" is the number 42: JavaScript knows one kind, and a document shows no ".0".
        value = int(number) if number.is_integer() and abs(number) < 2**53 else number
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"Expected number, received {json_type(value)}")
    if not _is_finite(value):
        raise ValueError("Number must be finite")
    return value


def _is_finite(number: int | float) -> bool:
    """Whether JavaScript, which knows no other numbers than floats, has it."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False
