"""What the tests of templates say in the same words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django_craftkit.models import Template

if TYPE_CHECKING:
    from django_craftkit.testing import Kit

NUMBER = {"key": "number", "label": "Number", "dataType": "text", "required": True}
TOTAL = {"key": "total", "label": "Total", "dataType": "currency", "required": True}
LINES = {
    "key": "lines",
    "label": "Lines",
    "itemFields": [{"key": "text", "label": "Text", "dataType": "text", "required": False}],
}
LIST = "/v1/templates"
HOUR, MINUTE = 3600, 60


def manifest(*variables: Any, loops: Any = ()) -> dict[str, Any]:
    return {"variables": list(variables), "loops": list(loops)}


def calls(craftkit: Kit) -> list[str]:
    return [one.path for one in craftkit.sandbox.state.requests]


def slugs(**more: Any) -> set[str]:
    return set(Template.objects.known().filter(**more).values_list("slug", flat=True))


def answer(craftkit: Kit, path: str, body: Any, times: int | None = 1) -> None:
    craftkit.sandbox.faults.add("status", status=200, path=path, body=json.dumps(body), times=times)
