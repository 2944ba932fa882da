"""The guest's side of a share link: look at the document, download it, print it (section 9.4).

No key: whoever has the token is the guest. Each page records what happened, tied to the share.
A link that was withdrawn or has expired answers 410 and says so, an unknown one 404.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from . import engagement
from .pages import day, notice, page
from .renders import pdf_response
from .routing import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .http import Call
    from .records import Share

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
def show(call: Call, token: str) -> Response | Callable[[], Response]:
    """The page with the document in it; records `viewed`."""
    share = call.state.share(token)
    if share is None:
        return _unknown()
    closed = _closed(call, share)
    if closed is not None:
        return closed
    _record(call, share, "viewed")
    found = share
    return lambda: _page(found)


@routes("GET", "/share/<token>/document")
def document(call: Call, token: str) -> Response | Callable[[], Response]:
    """The PDF for the page's own viewer; records nothing, the page has."""
    share = call.state.share(token)
    if share is None:
        return _unknown()
    closed = _closed(call, share)
    found = share
    return closed or (lambda: pdf_response(found.render, "inline"))


@routes("GET", "/share/<token>/download")
def download(call: Call, token: str) -> Response | Callable[[], Response]:
    """The PDF as a file; records `downloaded`."""
    share = call.state.share(token)
    if share is None:
        return _unknown()
    closed = _closed(call, share)
    if closed is not None:
        return closed
    _record(call, share, "downloaded")
    found = share
    return lambda: pdf_response(found.render, "attachment")


@routes("POST", "/share/<token>/printed")
def printed(call: Call, token: str) -> Response:
    """Records `printed`, and leads on to the document."""
    share = call.state.share(token)
    if share is None:
        return _unknown()
    closed = _closed(call, share)
    if closed is not None:
        return closed
    _record(call, share, "printed")
    return Response(status=303, headers={"Location": f"/share/{token}/document"})


def _record(call: Call, share: Share, kind: str) -> None:
    # HEAD comes from link previews and checkers; nobody has looked at anything.
    if call.request.method != "HEAD":
        engagement.record(call, share.render, kind, actor="recipient", share=share)


def _unknown() -> Response:
    return notice("No such link", "This link is not known. Please check the address.", 404)


def _closed(call: Call, share: Share) -> Response | None:
    if share.revoked:
        return notice(
            "This link has been withdrawn",
            "The sender no longer shares this document here. Please ask them for a new link.",
            410,
        )
    if share.expires_at is not None and call.state.clock() >= share.expires_at:
        return notice(
            "This link has expired",
            f"It could be used until {day(share.expires_at)}. "
            "Please ask the sender for a new link.",
            410,
        )
    return None


def _page(share: Share) -> Response:
    render = share.render
    size = len(render.pdf())
    facts = [f"Shared on {day(share.created_at)}", f"PDF, {max(1, round(size / 1024))} kB"]
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
