"""E-mails: send somebody the link to a render (section 10); `pages/` has the recipient's side.

Nothing leaves the sandbox: a mail that was sent is one in `Project.mails`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core import emails
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.moments import iso
from django_craftkit.sandbox.core.renders import find
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.http.call import Call

routes = Routes()


@routes("POST", "/v1/renders/<render_id>/email")
def send(call: Call, render_id: str) -> Response:
    """201 with a new link that is on its way, with each call another one."""
    render = find(call.project, render_id)
    shape = Shape(call.json())
    to = shape.email("to", required=True)
    recipient_name = shape.string("recipientName", most=200)
    message = shape.string("message", most=2000)
    expires_at = shape.moment("expiresAt")
    shape.refuse()
    mail = emails.send(
        call.state,
        render,
        call.caller,
        to=str(to),
        recipient_name=recipient_name,
        message=message,
        expires_at=expires_at,
    )
    share = mail.share
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
