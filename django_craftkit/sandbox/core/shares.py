"""Share links: made and withdrawn (section 9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import engagement
from .errors import Refusal
from .ids import share_token, uuid4

if TYPE_CHECKING:
    from .engagement import Caller
    from .renders import Render
    from .state import State

_REVOKED_BY_KEY = "revoked_by_partner"


@dataclass(eq=False)
class Share:
    """One share link (section 9)."""

    render: Render
    token: str = field(repr=False)
    url: str
    channel: str
    recipient_email: str | None
    message: str | None
    expires_at: float | None
    created_at: float
    id: str = field(default_factory=uuid4)
    revoked_at: float | None = None
    revoked_reason: str | None = None

    @property
    def revoked(self) -> bool:
        """Whether the link has been withdrawn."""
        return self.revoked_at is not None

    @property
    def click_count(self) -> int:
        """How often a recipient has viewed the document by this link."""
        return sum(
            event.type == "viewed" and event.actor == "recipient" and event.share is self
            for event in self.render.events
        )

    def __repr__(self) -> str:
        return f"<Share {self.id} of render {self.render.id}>"


def create(
    state: State,
    render: Render,
    caller: Caller,
    *,
    channel: str,
    recipient: str | None,
    message: str | None,
    expires_at: float | None,
) -> Share:
    """A new link of a render, recorded and announced; refused before success."""
    if not render.succeeded:
        raise Refusal("not_ready", "Render has not succeeded yet — cannot create a share.")
    token = share_token()
    share = Share(
        render=render,
        token=token,
        url=f"{state.public_url}/share/{token}",
        channel=channel,
        recipient_email=recipient,
        message=message,
        expires_at=expires_at,
        created_at=state.clock(),
    )
    render.shares.append(share)
    engagement.record(
        state, render, "share_created", caller, actor="partner", share=share, at=share.created_at
    )
    return share


def revoke(state: State, render: Render, share_id: str, caller: Caller) -> Share:
    """Withdraw a link, once: the second time it is refused, as an unknown one is."""
    for share in render.shares:
        if share.id == share_id.lower() and not share.revoked:
            share.revoked_at = now = state.clock()
            share.revoked_reason = _REVOKED_BY_KEY
            engagement.record(
                state, render, "share_revoked", caller, actor="partner", share=share, at=now
            )
            return share
    raise Refusal("not_found", "Share not found.")
