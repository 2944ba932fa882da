"""The guest's side of a share link: look at the document, download it, print it (section 9.4).

No key: whoever has the token is the guest. Each page records what happened, tied to the share.
A link that was withdrawn or has expired answers 410 and says so, an unknown one 404.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from django_craftkit.sandbox.core.engagement import record
from django_craftkit.sandbox.http.answers import pdf_response
from django_craftkit.sandbox.http.routing import Routes

from .frame import day, notice, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.sandbox.core.shares import Share
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="open")

# The button works without the script too: the form records the print and shows the document.
_PRINT = """
const form = document.getElementById("print"), viewer = document.querySelector(".viewer");
form.addEventListener("submit", (event) => {
  if (!viewer || getComputedStyle(viewer).display === "none") return;
  event.preventDefault();
  fetch(form.action, { method: "POST", redirect: "manual" });
  try { viewer.contentWindow.focus(); viewer.contentWindow.print(); }
  catch { window.open(viewer.src, "_blank", "noopener"); }
});
"""


@routes("GET", "/share/<token>")
def show(call: Call, token: str) -> Callable[[], Response]:
    """The page with the document in it; records `viewed`."""
    share = _find(call, token)
    _record(call, share, "viewed")
    return lambda: _page(share)


@routes("GET", "/share/<token>/document")
def document(call: Call, token: str) -> Callable[[], Response]:
    """The PDF for the page's own viewer; records nothing, the page has."""
    share = _find(call, token)
    return lambda: pdf_response(share.render, "inline")


@routes("GET", "/share/<token>/download")
def download(call: Call, token: str) -> Callable[[], Response]:
    """The PDF as a file; records `downloaded`."""
    share = _find(call, token)
    _record(call, share, "downloaded")
    return lambda: pdf_response(share.render, "attachment")


@routes("POST", "/share/<token>/printed")
def printed(call: Call, token: str) -> Response:
    """Records `printed`, and leads on to the document."""
    _record(call, _find(call, token), "printed")
    return Response(status=303, headers={"Location": f"/share/{token}/document"})


def _record(call: Call, share: Share, kind: str) -> None:
    # HEAD comes from link previews and checkers; nobody has looked at anything.
    if call.request.method != "HEAD":
        record(call.state, share.render, kind, call.caller, actor="recipient", share=share)


def _find(call: Call, token: str) -> Share:
    """The link of a token; one that is unknown, withdrawn or expired is answered here."""
    share = call.state.share(token)
    if share is None:
        abort(notice("No such link", "This link is not known. Please check the address.", 404))
    if share.revoked:
        title = "This link has been withdrawn"
        text = "The sender no longer shares this document here. Please ask them for a new link."
        abort(notice(title, text, 410))
    if share.expires_at is not None and call.state.clock() >= share.expires_at:
        until = day(share.expires_at)
        text = f"It could be used until {until}. Please ask the sender for a new link."
        abort(notice("This link has expired", text, 410))
    return share


def _page(share: Share) -> Response:
    render = share.render
    facts = [f"Shared on {day(share.created_at)}", "PDF"]
    # Not to be written for its size: a guest of a test never looks at it.
    if render.written is not None:
        facts[-1] += f", {max(1, round(len(render.written) / 1024))} kB"
    if share.expires_at is not None:
        facts.append(f"available until {day(share.expires_at)}")
    message = f"<blockquote>{escape(share.message)}</blockquote>" if share.message else ""
    address = f"/share/{share.token}"
    body = f"""<div class="card">
<h1>{escape(render.title)}</h1>
<p class="faint">{escape(" · ".join(facts))}</p>
{message}
<div class="actions">
<a class="button main" href="{address}/download" download>Download</a>
<a class="button" href="{address}/document" target="_blank" rel="noopener">Open</a>
<form id="print" method="post" action="{address}/printed">
<button class="button">Print</button></form>
</div>
</div>
<iframe class="viewer" src="{address}/document" title="{escape(render.title)}"></iframe>"""
    return page(render.title, body, script=_PRINT)
