"""Who has seen a document: recording, the 5-minute window (section 11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .ids import uuid4
from .webhooks.payloads import document_payload

if TYPE_CHECKING:
    from .renders import Render
    from .shares import Share
    from .state import State

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


class Caller(NamedTuple):
    """Where a call comes from, as events record it."""

    source_ip: str
    user_agent: str


@dataclass(eq=False)
class Event:
    """One engagement event (section 11)."""

    type: str
    actor: str
    share: Share | None
    source_ip: str
    user_agent: str
    metadata: dict[str, Any] | None
    created_at: float
    id: str = field(default_factory=uuid4)

    def __repr__(self) -> str:
        return f"<Event {self.type} by {self.actor}>"


def record(
    state: State,
    render: Render,
    kind: str,
    caller: Caller,
    *,
    actor: str,
    share: Share | None = None,
    metadata: dict[str, object] | None = None,
    at: float | None = None,
) -> Event | None:
    """Record an event and announce it; None if the window of 5 minutes swallows it.

    ``at`` is when what it tells of was done, where that is noted elsewhere, too.
    """
    now = state.clock() if at is None else at
    if kind in TRACKED and any(
        event.type == kind
        and event.share is share
        and event.source_ip == caller.source_ip
        and now - event.created_at < DEDUPE_SECONDS
        for event in reversed(render.events)
    ):
        return None
    event = Event(kind, actor, share, caller.source_ip, caller.user_agent, metadata, now)
    render.events.append(event)
    state.outbox.announce(render.project, document_payload(render, event))
    return event
