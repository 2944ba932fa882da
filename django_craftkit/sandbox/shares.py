"""Share links: make one, list them, withdraw one (section 9). The guest's side is `guest.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import engagement
from .http import ApiError, Issues, json_response
from .ids import iso, iso_or_none, share_token
from .records import Share
from .renders import find
from .routing import Routes
from .shapes import Shape

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from .http import Call
    from .records import Render

routes = Routes()

_REVOKED_BY_KEY = "revoked_by_partner"


@routes("POST", "/v1/renders/<render_id>/shares")
def create(call: Call, render_id: str) -> Response:
    """201 with a new link, with each call another one; 409 `not_ready` before success."""
    render = find(call.project, render_id)
    issues = Issues()
    shape = Shape(call.json(), issues)
    channel = shape.choice("channel", ("link", "email")) or "link"
    recipient = shape.email("recipientEmail", required=channel == "email")
    message = shape.string("message", most=2000)
    expires_at = shape.moment("expiresAt")
    issues.refuse()
    share = mint(
        call, render, channel=channel, recipient=recipient, message=message, expires_at=expires_at
    )
    return json_response(_as_json(share), 201)


@routes("GET", "/v1/renders/<render_id>/shares")
def list_all(call: Call, render_id: str) -> Response:
    """All links of a render, withdrawn ones too, the newest first."""
    shares = find(call.project, render_id).shares
    return json_response({"shares": [_as_item(share) for share in reversed(shares)]})


@routes("DELETE", "/v1/renders/<render_id>/shares/<share_id>")
def revoke(call: Call, render_id: str, share_id: str) -> Response:
    """Withdraw a link, once: the second time it is 404, as for an unknown one."""
    render = find(call.project, render_id)
    for share in render.shares:
        if share.id == share_id.lower() and not share.revoked:
            share.revoked_at = now = call.state.clock()
            share.revoked_reason = _REVOKED_BY_KEY
            engagement.record(call, render, "share_revoked", actor="partner", share=share, at=now)
            return json_response({"id": share.id, "revokedAt": iso(now)})
    raise ApiError(404, "not_found", "Share not found.")


def mint(
    call: Call,
    render: Render,
    *,
    channel: str,
    recipient: str | None,
    message: str | None,
    expires_at: float | None,
) -> Share:
    """A new link of a render, recorded and announced; 409 `not_ready` before success."""
    if not render.succeeded:
        raise ApiError(409, "not_ready", "Render has not succeeded yet — cannot create a share.")
    token = share_token()
    share = Share(
        render=render,
        token=token,
        url=f"{call.state.public_url}/share/{token}",
        channel=channel,
        recipient_email=recipient,
        message=message,
        expires_at=expires_at,
        created_at=call.state.clock(),
    )
    render.shares.append(share)
    at = share.created_at
    engagement.record(call, render, "share_created", actor="partner", share=share, at=at)
    return share


def _as_json(share: Share) -> dict[str, Any]:
    return {
        "id": share.id,
        "shareToken": share.token,
        "shareUrl": share.url,
        "channel": share.channel,
        "recipientEmail": share.recipient_email,
        "message": share.message,
        "expiresAt": iso_or_none(share.expires_at),
        "revokedAt": iso_or_none(share.revoked_at),
        "createdAt": iso(share.created_at),
    }


def _as_item(share: Share) -> dict[str, Any]:
    return {
        **_as_json(share),
        "revokedReason": share.revoked_reason,
        "clickCount": share.click_count,
    }
