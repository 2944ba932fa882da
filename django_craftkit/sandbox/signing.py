"""The recipient's side of a signature request: read the document, sign it or decline.

No key: whoever has the token is the recipient. Opening the page is `viewed`. A request that was
withdrawn, has expired or has failed answers 410 and says so, an unknown link 404. Only a POST
signs or declines, so no preview of a link can; a second one changes nothing.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from werkzeug.wrappers import Response

from . import certificate as papers
from .pages import minute, notice, page
from .renders import pdf_response
from .routing import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .envelopes import Recipient, SignatureRequest
    from .http import Call

LONGEST_REASON: Final = 500

routes = Routes(door="open")


@routes("GET", "/sign/<token>")
def show(call: Call, token: str) -> Response:
    """The page with the document in it; records `viewed`."""
    found = call.state.ceremony.at(token)
    if found is None:
        return _unknown()
    # HEAD comes from link previews and checkers; nobody has looked at anything.
    if call.request.method != "HEAD":
        call.state.ceremony.view(*found)
    return _closed(found[0]) or _page(*found)


@routes("GET", "/sign/<token>/document")
def document(call: Call, token: str) -> Response | Callable[[], Response]:
    """The PDF for the page's own viewer: the signed one as soon as it is there."""
    found = call.state.ceremony.at(token)
    if found is None:
        return _unknown()
    request, _ = found
    closed = _closed(request)
    if closed is not None:
        return closed
    if not request.has_signed_pdf:
        return lambda: pdf_response(request.render, "inline")
    return lambda: Response(
        papers.signed(request),
        headers={
            "Content-Disposition": f'inline; filename="{request.id}-signed.pdf"',
            "Cache-Control": "no-store",
        },
        content_type="application/pdf",
    )


@routes("POST", "/sign/<token>/sign")
def sign(call: Call, token: str) -> Response:
    """Sign or approve, and lead back to the page."""
    found = call.state.ceremony.at(token)
    if found is None:
        return _unknown()
    if _may_act(*found):
        call.state.ceremony.sign(*found)
    return _back(token)


@routes("POST", "/sign/<token>/decline")
def decline(call: Call, token: str) -> Response:
    """Decline, with a reason or without, and lead back to the page."""
    found = call.state.ceremony.at(token)
    if found is None:
        return _unknown()
    if _may_act(*found):
        reason = call.request.form.get("reason", "").strip()[:LONGEST_REASON]
        call.state.ceremony.decline(*found, reason or None)
    return _back(token)


def _may_act(request: SignatureRequest, recipient: Recipient) -> bool:
    return request.open and recipient.acts and not recipient.acted


def _back(token: str) -> Response:
    return Response(status=303, headers={"Location": f"/sign/{token}"})


def _unknown() -> Response:
    return notice("No such link", "This link is not known. Please check the address.", 404)


def _closed(request: SignatureRequest) -> Response | None:
    match request.status:
        case "expired":
            until = minute(request.expires_at)
            return notice(
                "This request has expired",
                f"It could be signed until {until}. Please ask the sender for a new one.",
                410,
            )
        case "cancelled":
            reason = f" They say: {request.error_message}" if request.error_message else ""
            return notice(
                "This request has been withdrawn",
                f"The sender no longer asks for signatures here.{reason}",
                410,
            )
        case "failed":
            return notice(
                "This request has failed",
                "The document can't be signed here. Please ask the sender for a new request.",
                410,
            )
    return None


def _page(request: SignatureRequest, recipient: Recipient) -> Response:
    address = f"/sign/{recipient.token}"
    wish = {"Signer": "to sign", "Approver": "to approve"}.get(recipient.designation)
    asks = f"asks you {wish} this document" if wish else "sends you a copy of this document"
    facts = f"For {recipient.name} <{recipient.email}> · {_until(request)}"
    body = f"""<div class="card">
<h1>{escape(request.name)}</h1>
<p>{escape(f"The project {request.project.name} {asks}: {request.render.title}.")}</p>
<p class="faint">{escape(facts)}</p>
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

    lines = "".join(
        f"<tr><td>{escape(each.name)}</td><td>{escape(each.designation)}</td>"
        f"<td>{state(each)}</td></tr>"
        for each in sorted(request.recipients, key=lambda each: each.order)
    )
    return f"""<div class="card"><h2>Recipients</h2><div class="scroll"><table>
<thead><tr><th scope="col">Name</th><th scope="col">As</th><th scope="col">State</th></tr></thead>
<tbody>{lines}</tbody></table></div></div>"""
