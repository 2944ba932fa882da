"""Faults by HTTP: one or a list, with the settings of `Fault`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from django_craftkit.sandbox.core.checks.shape import Shape, json_type
from django_craftkit.sandbox.core.errors import Issues, Refusal
from django_craftkit.sandbox.core.faults import Fault
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.call import parse_json
from django_craftkit.sandbox.http.routing import Routes

from .access import PREFIX

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.http.call import Call

_TYPES: Final = {
    "kind": "string",
    "method": "string",
    "path": "string",
    "event": "string",
    "template": "string or null",
    "times": "number or null",
    "status": "number or null",
    "code": "string",
    "message": "string",
    "body": "string or null",
    "retry_after": "number or string or null",
    "seconds": "number",
    "handled": "boolean",
}
if {field.name for field in fields(Fault)} != {*_TYPES, "id"}:
    raise AssertionError("every setting of a fault has its JSON type")

routes = Routes(door="control")


@routes("POST", PREFIX + "/faults")
def add(call: Call) -> Response:
    """Ask for one fault or several; 400 `invalid_request` adds none of them."""
    body = parse_json(call.request.get_data())
    items: list[Any] = body if isinstance(body, list) else [body]
    issues = Issues()
    for item in items:
        if not isinstance(item, dict):
            issues.add("", f"Expected object, received {json_type(item)}")
    issues.refuse()
    faults = [call.state.faults.add(fault) for fault in [from_json(item) for item in items]]
    return json_response({"faults": [_as_json(fault) for fault in faults]}, 201)


@routes("GET", PREFIX + "/faults")
def list_all(call: Call) -> Response:
    """The faults that wait for their call."""
    return json_response({"faults": [_as_json(fault) for fault in call.state.faults]})


@routes("DELETE", PREFIX + "/faults")
def clear(call: Call) -> Response:
    """Ask for no fault any more."""
    call.state.faults.clear()
    return json_response({"faults": []})


@routes("DELETE", PREFIX + "/faults/<int:fault_id>")
def remove(call: Call, fault_id: int) -> Response:
    """Take one fault back."""
    if not call.state.faults.remove(fault_id):
        raise Refusal("not_found", "Fault not found.")
    return json_response({"id": fault_id, "deleted": True})


def from_json(body: dict[str, Any]) -> Fault:
    """The fault that a JSON object describes.

    Raises:
        Refusal: `invalid_request`, with what is wrong in `issues`.
    """
    shape = Shape(body)
    for name, value in body.items():
        if name not in _TYPES:
            shape.wrong(name, "Unknown setting")
        elif json_type(value) not in _TYPES[name]:
            shape.wrong(name, f"Expected {_TYPES[name]}, received {json_type(value)}")
        elif name in {"times", "status"} and isinstance(value, float):
            shape.wrong(name, "Expected integer, received float")
    if "kind" not in body:
        shape.wrong("kind", "Required")
    shape.refuse()
    try:
        return Fault(**body)
    except ValueError as error:
        message = str(error)
    shape.wrong("", message)
    shape.refuse()
    raise AssertionError("issues were noted")


def _as_json(fault: Fault) -> dict[str, object]:
    return {name: getattr(fault, name) for name in _TYPES} | {"id": fault.id}
