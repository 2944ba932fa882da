"""Renders, as those who embed Craftkit see them (section 4.7).

The documentation leaves the list undescribed: its query, its order (the newest first) and its
items, which are those of GET /v1/renders/:id with their `source`, are assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django_craftkit.sandbox.api.renders import as_json
from django_craftkit.sandbox.core.errors import Issues
from django_craftkit.sandbox.core.renders import find, not_found
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.http.call import Call

MOST_LISTED: Final = 100

routes = Routes(door="embed", statuses={"invalid_request": 422})


@routes("GET", "/v1/embed/renders")
def list_some(call: Call) -> Response:
    """`limit` renders of the project after the first `offset`, and how many there are."""
    issues = Issues()
    limit = _number(call, "limit", 50, 1, MOST_LISTED, issues)
    offset = _number(call, "offset", 0, 0, None, issues)
    issues.refuse(message="Query did not match expected shape.")
    # Newest first; a dict keeps the order in which they came.
    renders = list(reversed(call.project.renders.values()))
    items = [
        {**as_json(call.state, render), "source": render.source}
        for render in renders[offset : offset + limit]
    ]
    return json_response({"renders": items, "total": len(renders)})


@routes("GET", "/v1/embed/renders/<render_id>", door="session")
def read(call: Call, render_id: str) -> Response:
    """A render of this very session; 404 for all others."""
    render = find(call.project, render_id)
    if render.session_id != call.session.id:
        raise not_found()
    render.progress.poll()
    return json_response(as_json(call.state, render))


def _number(
    call: Call, name: str, default: int, least: int, most: int | None, issues: Issues
) -> int:
    text = call.request.args.get(name, str(default)).strip()
    if not (text.isascii() and text.isdigit() and least <= int(text[:9])):
        issues.add(name, f"Expected a whole number from {least}")
        return default
    if most is not None and int(text[:9]) > most:
        issues.add(name, f"Number must be less than or equal to {most}")
    return int(text[:9])
