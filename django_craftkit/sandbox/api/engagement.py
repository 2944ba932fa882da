"""Who has seen a document: counts, and what the project itself records (section 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.engagement import TRACKED, TYPES, record
from django_craftkit.sandbox.core.moments import iso
from django_craftkit.sandbox.core.renders import find
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.engagement import Event
    from django_craftkit.sandbox.http.call import Call

routes = Routes()

MOST_RECENT: Final = 25


@routes("GET", "/v1/renders/<render_id>/engagement")
def read(call: Call, render_id: str) -> Response:
    """All counts, and the newest 25 events."""
    events = find(call.project, render_id).events
    counts = {kind: sum(event.type == kind for event in events) for kind in TYPES}
    return json_response(
        {
            "counts": counts,
            "linkOpens": sum(
                event.type == "viewed" and event.share is not None for event in events
            ),
            "total": sum(counts.values()),
            "recent": [_as_json(event) for event in reversed(events[-MOST_RECENT:])],
        }
    )


@routes("POST", "/v1/renders/<render_id>/events")
def track(call: Call, render_id: str) -> Response:
    """Record a view, download or print that the project itself has seen."""
    render = find(call.project, render_id)
    shape = Shape(call.json())
    kind = shape.choice("eventType", TRACKED, required=True)
    metadata = shape.object("metadata")
    shape.refuse()
    event = record(call.state, render, str(kind), call.caller, actor="partner", metadata=metadata)
    return json_response({"recorded": event is not None})


def _as_json(event: Event) -> dict[str, object]:
    return {
        "id": event.id,
        "eventType": event.type,
        "actorKind": event.actor,
        "shareId": event.share.id if event.share else None,
        "sourceIp": event.source_ip,
        "userAgent": event.user_agent,
        "metadata": event.metadata,
        "createdAt": iso(event.created_at),
    }
