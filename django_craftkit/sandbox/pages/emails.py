"""The recipient's side of an e-mail: read it, follow its link (section 10).

E-mails that ask for a signature are here too; they have no pixel.

The page of a mail loads its tracking pixel, as a mail program would, and the pixel records
`email_opened`. A mail stays where it is when its link is withdrawn or expires.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Final

from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from django_craftkit.sandbox.core.engagement import record
from django_craftkit.sandbox.core.moments import iso
from django_craftkit.sandbox.http.routing import Routes

from .frame import day, minute, notice, page

if TYPE_CHECKING:
    from django_craftkit.sandbox.core.emails import Mail
    from django_craftkit.sandbox.core.signatures import SignatureMail
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="open")

# One transparent point.
_PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR42mNgAAIAAAUAAen63NgAAAAASUVORK5CYII="
)


@routes("GET", "/mail/<message_id>")
def show(call: Call, message_id: str) -> Response:
    """The mail as its recipient sees it."""
    request = call.state.signing.mail(message_id)
    if request is not None:
        title = request.request.name
        letter_of = signature_letter(request)
        return page(title, f'<div class="card"><h1>{escape(title)}</h1>{letter_of}</div>')
    mail = _find(call, message_id)
    title = mail.share.render.title
    body = f"""<div class="card">
<h1>{escape(title)}</h1>
{letter(mail)}
<img src="/mail/{mail.id}/pixel.png" alt="" width="1" height="1">
</div>"""
    return page(title, body)


@routes("GET", "/mail/<message_id>/pixel.png")
def pixel(call: Call, message_id: str) -> Response:
    """The tracking pixel; records `email_opened`, every time."""
    mail = _find(call, message_id)
    if call.request.method != "HEAD":
        share = mail.share
        record(
            call.state, share.render, "email_opened", call.caller, actor="recipient", share=share
        )
    return Response(_PIXEL, content_type="image/png", headers={"Cache-Control": "no-store"})


def letter(mail: Mail) -> str:
    """What the mail says, as HTML."""
    share = mail.share
    greeting = f"Hello {mail.recipient_name}," if mail.recipient_name else "Hello,"
    message = f"<blockquote>{escape(mail.message)}</blockquote>" if mail.message else ""
    expiry = (
        f'<p class="faint">The link can be used until {day(share.expires_at)}.</p>'
        if share.expires_at is not None
        else ""
    )
    link = f'<a class="button main" href="{escape(share.url)}">View the document</a>'
    sender = share.render.project.email_from
    head = f"{f'From {sender} ' if sender else ''}To {mail.to} · {iso(mail.sent_at)}"
    return f"""<p class="faint">{escape(head)}</p>
<p>{escape(greeting)}</p>
<p>A document has been shared with you.</p>
{expiry}
{message}
<div class="actions">{link}</div>"""


def signature_letter(mail: SignatureMail) -> str:
    """What a mail that asks for a signature says, as HTML."""
    request, recipient = mail.request, mail.recipient
    what, button = {
        "Signer": ("You are asked to sign", "Read and sign"),
        "Approver": ("You are asked to approve", "Read and approve"),
    }.get(recipient.designation, ("You get a copy of", "Read the document"))
    return f"""<p class="faint">{escape(f"To {mail.to} · {iso(mail.sent_at)}")}</p>
<p>{escape(f"Hello {recipient.name},")}</p>
<p>{escape(f"{what} this document of {request.project.name}: {request.render.title}.")}</p>
<p class="faint">The link can be used until {minute(request.expires_at)}.</p>
<div class="actions"><a class="button main" href="{escape(recipient.url)}">{button}</a></div>"""


def _find(call: Call, message_id: str) -> Mail:
    mail = call.state.mail(message_id)
    if mail is None:
        abort(notice("No such mail", "This mail is not known. Please check the address.", 404))
    return mail
