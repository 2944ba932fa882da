"""Share links: make one, list them, withdraw one (section 9); `pages/` has the guest's side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core import shares
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.moments import iso, iso_or_none
from django_craftkit.sandbox.core.renders import find
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.shares import Share
    from django_craftkit.sandbox.http.call import Call

routes = Routes()


@routes("POST", "/v1/renders/<render_id>/shares")
def create(call: Call, render_id: str) -> Response:
    """201 with a new link, with each call another one; 409 `not_ready` before success."""
    render = find(call.project, render_id)
    shape = Shape(call.json())
    channel = shape.choice("channel", ("link", "email")) or "link"
    recipient = shape.email("recipientEmail", required=channel == "email")
    message = shape.string("message", most=2000)
    expires_at = shape.moment("expiresAt")
    shape.refuse()
    share = shares.create(
        call.state,
        render,
        call.caller,
        channel=channel,
        recipient=recipient,
        message=message,
        expires_at=expires_at,
    )
    return json_response(_as_json(share), 201)


@routes("GET", "/v1/renders/<render_id>/shares")
def list_all(call: Call, render_id: str) -> Response:
    """All links of a render, withdrawn ones too, the newest first."""
    render = find(call.project, render_id)
    return json_response({"shares": [_as_item(share) for share in reversed(render.shares)]})


@routes("DELETE", "/v1/renders/<render_id>/shares/<share_id>")
def revoke(call: Call, render_id: str, share_id: str) -> Response:
    """Withdraw a link, once: the second time it is 404, as for an unknown one."""
    render = find(call.project, render_id)
    share = shares.revoke(call.state, render, share_id, call.caller)
    return json_response({"id": share.id, "revokedAt": iso_or_none(share.revoked_at)})


def _as_json(share: Share) -> dict[str, object]:
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


def _as_item(share: Share) -> dict[str, object]:
    return {
        **_as_json(share),
        "revokedReason": share.revoked_reason,
        "clickCount": share.click_count,
    }
