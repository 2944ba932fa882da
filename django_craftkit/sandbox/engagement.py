"""Who has seen a document: recording, counting, the 5-minute window (section 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .http import Issues, json_response
from .ids import iso
from .records import Event
from .renders import find
from .routing import Routes
from .shapes import Shape
from .webhooks import document_payload

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from .http import Call
    from .records import Render, Share

routes = Routes()

TYPES: Final = (
    "viewed",
    "downloaded",
    "printed",
    "email_opened",
    "email_sent",
    "share_created",
    "share_revoked",
)
TRACKED: Final = TYPES[:3]
DEDUPE_SECONDS: Final = 300
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
    issues = Issues()
    shape = Shape(call.json(), issues)
    kind = shape.choice("eventType", TRACKED, required=True)
    metadata = shape.object("metadata")
    issues.refuse()
    event = record(call, render, str(kind), actor="partner", metadata=metadata)
    return json_response({"recorded": event is not None})


def record(
    call: Call,
    render: Render,
    kind: str,
    *,
    actor: str,
    share: Share | None = None,
    metadata: dict[str, Any] | None = None,
    at: float | None = None,
) -> Event | None:
    """Record an event and announce it; None if the window of 5 minutes swallows it.

    ``at`` is when what it tells of was done, where that is noted elsewhere, too.
    """
    now = call.state.clock() if at is None else at
    if kind in TRACKED and any(
        event.type == kind
        and event.share is share
        and event.source_ip == call.source_ip
        and now - event.created_at < DEDUPE_SECONDS
        for event in reversed(render.events)
    ):
        return None
    event = Event(kind, actor, share, call.source_ip, call.user_agent, metadata, now)
    render.events.append(event)
    call.state.outbox.announce(render.project, document_payload(render, event))
    return event


def _as_json(event: Event) -> dict[str, Any]:
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
