"""E-mails: send somebody the link to a render (section 10). The recipient's side is `mailbox.py`.

Nothing leaves the sandbox: a mail that was sent is one in `Project.mails`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import engagement, shares
from .http import ApiError, Issues, json_response
from .ids import iso, message_id
from .records import Mail
from .renders import find
from .routing import Routes
from .shapes import Shape

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from .http import Call

routes = Routes()


@routes("POST", "/v1/renders/<render_id>/email")
def send(call: Call, render_id: str) -> Response:
    """201 with a new link that is on its way, with each call another one."""
    render = find(call.project, render_id)
    issues = Issues()
    shape = Shape(call.json(), issues)
    to = shape.email("to", required=True)
    recipient_name = shape.string("recipientName", most=200)
    message = shape.string("message", most=2000)
    expires_at = shape.moment("expiresAt")
    issues.refuse()
    if not call.project.email_configured:
        raise ApiError(503, "email_not_configured", "E-mail is not configured.")
    share = shares.mint(
        call, render, channel="email", recipient=to, message=message, expires_at=expires_at
    )
    fault = call.state.faults.for_email(render.template)
    if fault is not None:
        raise ApiError(502, "email_send_failed", fault.message)
    sent_as = message_id()
    mail = Mail(
        id=sent_as,
        url=f"{call.state.public_url}/mail/{sent_as}",
        to=str(to),
        recipient_name=recipient_name,
        message=message,
        share=share,
        sent_at=call.state.clock(),
    )
    call.project.mails.append(mail)
    at = mail.sent_at
    engagement.record(call, render, "email_sent", actor="partner", share=share, at=at)
    return json_response(
        {
            "id": share.id,
            "shareToken": share.token,
            "shareUrl": share.url,
            "emailMessageId": mail.id,
            "sentAt": iso(mail.sent_at),
        },
        201,
    )
