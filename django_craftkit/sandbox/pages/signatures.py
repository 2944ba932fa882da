"""The recipient's side of a signature request: read the document, sign it or decline.

No key: whoever has the token is the recipient. Opening the page is `viewed`. A request that was
withdrawn, has expired or has failed answers 410 and says so, an unknown link 404. Only a POST
signs or declines, so no preview of a link can; a second one changes nothing.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from django_craftkit.sandbox.core.pdf import signatures as files
from django_craftkit.sandbox.http.answers import pdf_response
from django_craftkit.sandbox.http.routing import Routes

from .frame import minute, notice, page, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.sandbox.core.signatures import Recipient, SignatureRequest
    from django_craftkit.sandbox.http.call import Call

LONGEST_REASON: Final = 500

routes = Routes(door="open")


@routes("GET", "/sign/<token>")
def show(call: Call, token: str) -> Response:
    """The page with the document in it; records `viewed`."""
    found = _find(call, token)
    # HEAD comes from link previews and checkers; nobody has looked at anything.
    if call.request.method != "HEAD":
        call.state.signing.view(*found)
    _refuse_closed(found[0])
    return _page(*found)


@routes("GET", "/sign/<token>/document")
def document(call: Call, token: str) -> Callable[[], Response]:
    """The PDF for the page's own viewer: the signed one as soon as it is there."""
    found = _find(call, token)
    request, _ = found
    _refuse_closed(request)
    if not request.has_signed_pdf:
        return lambda: pdf_response(request.render, "inline")
    return lambda: Response(
        files.signed(request),
        headers={
            "Content-Disposition": f'inline; filename="{request.id}-signed.pdf"',
            "Cache-Control": "no-store",
        },
        content_type="application/pdf",
    )


@routes("POST", "/sign/<token>/sign")
def sign(call: Call, token: str) -> Response:
    """Sign or approve, and lead back to the page."""
    found = _find(call, token)
    if _may_act(*found):
        call.state.signing.sign(*found)
    return _back(token)


@routes("POST", "/sign/<token>/decline")
def decline(call: Call, token: str) -> Response:
    """Decline, with a reason or without, and lead back to the page."""
    found = _find(call, token)
    if _may_act(*found):
        reason = call.request.form.get("reason", "").strip()[:LONGEST_REASON]
        call.state.signing.decline(*found, reason or None)
    return _back(token)


def _may_act(request: SignatureRequest, recipient: Recipient) -> bool:
    return request.open and recipient.acts and not recipient.acted


def _back(token: str) -> Response:
    return Response(status=303, headers={"Location": f"/sign/{token}"})


def _find(call: Call, token: str) -> tuple[SignatureRequest, Recipient]:
    found = call.state.signing.at(token)
    if found is None:
        abort(notice("No such link", "This link is not known. Please check the address.", 404))
    return found


def _refuse_closed(request: SignatureRequest) -> None:
    match request.status:
        case "expired":
            title = "This request has expired"
            until = minute(request.expires_at)
            text = f"It could be signed until {until}. Please ask the sender for a new one."
        case "cancelled":
            title = "This request has been withdrawn"
            reason = f" They say: {request.error_message}" if request.error_message else ""
            text = f"The sender no longer asks for signatures here.{reason}"
        case "failed":
            title = "This request has failed"
            text = "The document can't be signed here. Please ask the sender for a new request."
        case _:
            return
    abort(notice(title, text, 410))


def _page(request: SignatureRequest, recipient: Recipient) -> Response:
    address = f"/sign/{recipient.token}"
    what = {"Signer": "to sign", "Approver": "to approve"}.get(recipient.designation)
    asks = f"asks you {what} this document" if what else "sends you a copy of this document"
    below = f"For {recipient.name} <{recipient.email}> · {_until(request)}"
    body = f"""<div class="card">
<h1>{escape(request.name)}</h1>
<p>{escape(f"The project {request.project.name} {asks}: {request.render.title}.")}</p>
<p class="faint">{escape(below)}</p>
<p><strong>{escape(_standing(request, recipient))}</strong></p>
<div class="actions">
{_buttons(request, recipient, address)}
<a class="button" href="{address}/document" target="_blank" rel="noopener">Open the document</a>
</div>
</div>
{_others(request)}
<iframe class="viewer" src="{address}/document" title="{escape(request.render.title)}"></iframe>"""
    return page(request.name, body)


def _until(request: SignatureRequest) -> str:
    if request.completed_at is not None:
        return f"completed on {minute(request.completed_at)}"
    if request.status == "declined":
        return "declined"
    return f"open until {minute(request.expires_at)}"


def _standing(request: SignatureRequest, recipient: Recipient) -> str:
    """Where the request stands, said to this recipient."""
    if request.status == "completed":
        return "Done: everybody has signed."
    if recipient.declined_at is not None:
        return "You have declined. The sender has been told."
    if request.status == "declined":
        who = ", ".join(each.name for each in request.recipients if each.declined_at is not None)
        return f"{who} has declined. There is nothing more to do."
    if recipient.signed_at is not None:
        verb = "signed" if recipient.designation == "Signer" else "approved"
        waiting = [each.name for each in request.recipients if each.acts and not each.acted]
        return f"Thank you, you have {verb}. Still to act: {', '.join(waiting)}."
    if not recipient.acts:
        return "There is nothing for you to do."
    return "Please read the document first."


def _buttons(request: SignatureRequest, recipient: Recipient, address: str) -> str:
    if not _may_act(request, recipient):
        return ""
    word = "Sign" if recipient.designation == "Signer" else "Approve"
    return f"""<form method="post" action="{address}/sign">
<button class="button main">{word}</button></form>
<details><summary class="button">Decline</summary>
<form method="post" action="{address}/decline">
<label for="reason">Why do you decline? The sender reads it.</label>
<textarea id="reason" name="reason" maxlength="{LONGEST_REASON}"></textarea>
<button class="button">Decline the document</button></form></details>"""


def _others(request: SignatureRequest) -> str:
    def state(each: Recipient) -> str:
        if each.declined_at is not None:
            return f"declined on {minute(each.declined_at)}"
        if each.signed_at is not None:
            verb = "signed" if each.designation == "Signer" else "approved"
            return f"{verb} on {minute(each.signed_at)}"
        return "waiting" if each.acts else "gets a copy"

    rows = [
        (each.name, each.designation, state(each))
        for each in sorted(request.recipients, key=lambda each: each.order)
    ]
    columns = ("Name", "As", "State")
    return f'<div class="card"><h2>Recipients</h2>{table(columns, rows)}</div>'
