"""The sandbox's own desk, `/_sandbox/`: a page for people, and JSON for faults and reset.

No part of Craftkit. There is no key: it answers this machine alone, unless the sandbox was made
with `remote_control=True`; and a page from elsewhere that a browser shows can't use it.

- `GET /_sandbox/` what is there, as a page
- `POST /_sandbox/faults` one fault, or a list (the settings of `Fault`): 201 with the same and ids
- `GET /_sandbox/faults` those that wait; `DELETE` clears them all, `DELETE …/faults/{id}` one
- `POST /_sandbox/reset` back to how it was at the start
"""

from __future__ import annotations

import ipaddress
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from .faults import Fault
from .http import ApiError, Issues, json_response, json_type, parse_json
from .ids import iso, iso_or_none
from .pages import page
from .routing import Routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .http import Call

PREFIX = "/_sandbox"
_SHOWN = 50

_DESK = f"""<div class="card">
<h1>Sandbox</h1>
<p class="faint">Everything here lives in memory and ends with the process.</p>
<div class="actions">
<form method="post" action="{PREFIX}/reset"><button class="button">Reset</button></form>
</div>
</div>"""

routes = Routes(door="open")


@routes("GET", PREFIX + "/")
def overview(call: Call) -> Response:
    """Renders, share links, webhooks, faults and calls, the newest 50 of each."""
    _admit(call)
    state = call.state
    renders = list(state.renders())
    shares = [share for render in renders for share in render.shares]
    body = "".join(
        [
            _DESK,
            _section(
                "Renders",
                ("Created", "Template", "Status", "Id", "Idempotency key"),
                (
                    (
                        iso(r.created_at),
                        escape(r.template),
                        escape(f"{r.status} {r.error_message or ''}"),
                        _link(state.download_url(r), r.id),
                        escape(r.idempotency_key or ""),
                    )
                    for r in reversed(renders[-_SHOWN:])
                ),
            ),
            _section(
                "Share links",
                ("Created", "Template", "Link", "Views", "Expires", "Withdrawn"),
                (
                    (
                        iso(s.created_at),
                        escape(s.render.template),
                        _link(s.url, s.token),
                        str(s.click_count),
                        iso_or_none(s.expires_at) or "",
                        iso_or_none(s.revoked_at) or "",
                    )
                    for s in reversed(shares[-_SHOWN:])
                ),
            ),
            _section(
                "Webhooks",
                ("Due", "Event", "To", "Status", "Attempts", "Last answer"),
                (
                    (
                        iso(d.due_at),
                        escape(d.event),
                        escape(d.url),
                        escape(d.status),
                        str(len(d.attempts)),
                        escape(str(d.attempts[-1].status or d.attempts[-1].error))
                        if d.attempts
                        else "",
                    )
                    for d in list(reversed(list(state.outbox)))[:_SHOWN]
                ),
            ),
            _section(
                "Faults that wait",
                ("Id", "Kind", "Calls", "Webhooks", "Times"),
                (
                    (
                        str(f.id),
                        escape(f.kind),
                        escape(f"{f.method} {f.path}"),
                        escape(f.event),
                        str(f.times or "always"),
                    )
                    for f in state.faults
                ),
            ),
            _section(
                "Calls",
                ("Method", "Path", "Status"),
                (
                    (escape(method), escape(path), str(status or "no answer"))
                    for method, path, status in list(reversed(state.requests))[:_SHOWN]
                ),
            ),
        ]
    )
    return page("Craftkit sandbox", body, wide=True)


@routes("POST", PREFIX + "/faults")
def add_faults(call: Call) -> Response:
    """Ask for one fault or several; 400 `invalid_request` adds none of them."""
    _admit(call)
    body = parse_json(call.request.get_data())
    asked = body if isinstance(body, list) else [body]
    issues = Issues()
    for item in asked:
        if not isinstance(item, dict):
            issues.add("", f"Expected object, received {json_type(item)}")
    issues.refuse()
    faults = [call.state.faults.add(fault) for fault in [Fault.from_json(item) for item in asked]]
    return json_response({"faults": [fault.as_json() for fault in faults]}, 201)


@routes("GET", PREFIX + "/faults")
def list_faults(call: Call) -> Response:
    """The faults that wait for their call."""
    _admit(call)
    return json_response({"faults": [fault.as_json() for fault in call.state.faults]})


@routes("DELETE", PREFIX + "/faults")
def clear_faults(call: Call) -> Response:
    """Ask for no fault any more."""
    _admit(call)
    call.state.faults.clear()
    return json_response({"faults": []})


@routes("DELETE", PREFIX + "/faults/<int:fault_id>")
def remove_fault(call: Call, fault_id: int) -> Response:
    """Take one fault back."""
    _admit(call)
    if not call.state.faults.remove(fault_id):
        raise ApiError(404, "not_found", "Fault not found.")
    return json_response({"id": fault_id, "deleted": True})


@routes("POST", PREFIX + "/reset")
def reset(call: Call) -> Response:
    """Back to the start; a browser is led back to the page."""
    _admit(call)
    call.state.reset_hook()
    if call.request.mimetype == "application/x-www-form-urlencoded":
        return Response(status=303, headers={"Location": f"{PREFIX}/"})
    return json_response({"reset": True})


def _admit(call: Call) -> None:
    try:
        near = ipaddress.ip_address(call.source_ip).is_loopback
    except ValueError:
        near = False
    if not near and not call.state.remote_control:
        raise ApiError(403, "forbidden", "The sandbox's desk answers this machine only.")
    # A browser names the page that a request comes from; any other page has no business here.
    origin = call.request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != call.request.host:
        raise ApiError(403, "forbidden", "Not from another site.")


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are HTML."""
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    content = (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody>'
        "</table></div>"
        if lines
        else '<p class="faint">None yet.</p>'
    )
    return f'<div class="card"><h2>{escape(title)}</h2>{content}</div>'


def _link(url: str | None, text: str) -> str:
    return f'<a href="{escape(url)}">{escape(text)}</a>' if url else escape(text)
