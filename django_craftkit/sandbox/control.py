"""The sandbox's own desk, `/_sandbox/`: a page for people, and JSON for faults and reset.

No part of Craftkit. There is no key: it answers this machine alone, unless the sandbox was made
with `remote_control=True`; and a page from elsewhere that a browser shows can't use it.

- `GET /_sandbox/` what is there, as a page
- `POST /_sandbox/faults` one fault, or a list (the settings of `Fault`): 201 with the same and ids
- `GET /_sandbox/faults` those that wait; `DELETE` clears them all, `DELETE …/faults/{id}` one
- `GET /_sandbox/mails` the e-mails that were sent, as a page
- `PATCH /_sandbox/projects/{name}` let it send e-mails and signature requests or not:
  `{"email_configured": false, "signatures_configured": false}`
- `GET /_sandbox/projects/{name}/webhooks` where the webhooks of a project go; `POST` one more
  (`{"url": …, "secret": …, "events": ["render.succeeded"]}`, without events all): 201;
  `DELETE …/webhooks/{id}` one. No answer shows a secret
- `PATCH /_sandbox/signatures` `{"credits": 3, "archive_delay": 5, "certificate_delay": 9}`
- `POST /_sandbox/signatures/{id}/{view,sign,decline,expire,fail}` in the place of a recipient
  (`{"email": …}`, and the `reason` to decline), or of the provider (the `message` to fail)
- `POST /_sandbox/reset` back to how it was at the start
"""

from __future__ import annotations

import ipaddress
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from .envelopes import SignatureMail
from .faults import Fault
from .http import ApiError, Issues, json_response, json_type, parse_json
from .ids import iso, iso_or_none
from .mailbox import letter, signature_letter
from .pages import page
from .routing import Routes
from .shapes import Shape
from .signatures import as_json
from .urls import is_web_url
from .webhooks import EVENTS, Subscription, known_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .http import Call
    from .records import Mail, Project

PREFIX = "/_sandbox"
_SHOWN = 50
MOST_SECONDS = 86_400.0

_DESK = f"""<div class="card">
<h1>Sandbox</h1>
<p class="faint">Everything here lives in memory and ends with the process.</p>
<div class="actions">
<a class="button" href="{PREFIX}/mails">Mails</a>
<form method="post" action="{PREFIX}/reset"><button class="button">Reset</button></form>
</div>
</div>"""

_SWITCHES = ("email_configured", "signatures_configured")

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
                "Signature requests",
                ("Created", "Name", "Status", "Id", "Recipients"),
                (
                    (
                        iso(s.created_at),
                        escape(s.name),
                        escape(f"{s.status} {s.error_message or ''}"),
                        s.id,
                        ", ".join(_link(each.url, each.name) for each in s.recipients),
                    )
                    for s in reversed(list(state.signatures())[-_SHOWN:])
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
                "Where webhooks go",
                ("Project", "URL", "Events"),
                (
                    (
                        escape(project.name),
                        escape(each.url),
                        escape("all" if each.events is None else ", ".join(sorted(each.events))),
                    )
                    for project in state.projects.values()
                    for each in project.subscriptions
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


@routes("GET", PREFIX + "/mails")
def mails(call: Call) -> Response:
    """The newest 50 e-mails with their text and link; to look at them here opens none."""
    _admit(call)
    state = call.state
    sent: list[Mail | SignatureMail] = [*state.mails(), *state.signature_mails()]
    sent.sort(key=lambda mail: mail.sent_at)
    off = [project.name for project in state.projects.values() if not project.email_configured]
    notes = [f"E-mail is not configured in {name}." for name in off]
    if not sent:
        notes.append("None yet.")
    head = "".join(f'<p class="faint">{escape(note)}</p>' for note in notes)
    letters = "".join(_mail(mail) for mail in reversed(sent[-_SHOWN:]))
    body = f"""<div class="card"><h1>Mails</h1>{head}
<div class="actions"><a class="button" href="{PREFIX}/">Back to the desk</a></div></div>
{letters}"""
    return page("Mails", body)


@routes("PATCH", PREFIX + "/projects/<name>")
def set_project(call: Call, name: str) -> Response:
    """Switch the e-mails or signatures of a project off, and on again."""
    _admit(call)
    project = _project(call, name)
    issues = Issues()
    shape = Shape(call.json(), issues)
    switches = {name: shape.boolean(name) for name in _SWITCHES}
    if not shape.body.keys() & switches:
        issues.add("", f"Expected one of {', '.join(switches)}")
    issues.refuse()
    for switch, to in switches.items():
        if to is not None:
            setattr(project, switch, to)
    return json_response({"name": name} | {name: getattr(project, name) for name in switches})


@routes("GET", PREFIX + "/projects/<name>/webhooks")
def list_webhooks(call: Call, name: str) -> Response:
    """The subscriptions of a project, oldest first."""
    _admit(call)
    subscriptions = _project(call, name).subscriptions
    return json_response({"webhooks": [_subscription(each) for each in subscriptions]})


@routes("POST", PREFIX + "/projects/<name>/webhooks")
def add_webhook(call: Call, name: str) -> Response:
    """Send the events of a project, and of no other, to one URL more."""
    _admit(call)
    project = _project(call, name)
    issues = Issues()
    shape = Shape(call.json(), issues)
    url = shape.string("url", required=True)
    if url is not None and not is_web_url(url):
        shape.wrong("url", "Invalid url")
    secret = shape.string("secret", required=True, least=1)
    events = shape.choices("events", EVENTS)
    issues.refuse()
    subscription = Subscription(str(url), str(secret), known_events(events))
    project.subscriptions.append(subscription)
    return json_response(_subscription(subscription), 201)


@routes("DELETE", PREFIX + "/projects/<name>/webhooks/<subscription_id>")
def remove_webhook(call: Call, name: str, subscription_id: str) -> Response:
    """Queue no more for it; what is queued is sent."""
    _admit(call)
    subscriptions = _project(call, name).subscriptions
    kept = [each for each in subscriptions if each.id != subscription_id]
    if len(kept) == len(subscriptions):
        raise ApiError(404, "not_found", "Webhook not found.")
    subscriptions[:] = kept
    return json_response({"id": subscription_id, "deleted": True})


@routes("PATCH", PREFIX + "/signatures")
def set_signatures(call: Call) -> Response:
    """Credits (null: without end) and delays, in seconds."""
    _admit(call)
    issues = Issues()
    body = call.json()
    shape = Shape({name: value for name, value in body.items() if value is not None}, issues)
    credits_left = shape.integer("credits", least=0)
    archive_delay = shape.number("archive_delay", most=MOST_SECONDS)
    certificate_delay = shape.number("certificate_delay", most=MOST_SECONDS)
    issues.refuse()
    ceremony = call.state.ceremony
    if "credits" in body:
        ceremony.credits = credits_left
    if archive_delay is not None:
        ceremony.archive_delay = archive_delay
    if "certificate_delay" in body:
        ceremony.certificate_delay = certificate_delay
    return json_response(
        {
            "credits": ceremony.credits,
            "billed": ceremony.billed,
            "archive_delay": ceremony.archive_delay,
            "certificate_delay": ceremony.certificate_delay,
        }
    )


@routes("POST", PREFIX + "/signatures/<request_id>/<any(view,sign,decline,expire,fail):action>")
def act(call: Call, request_id: str, action: str) -> Response:
    """Do what a recipient would, or the provider; 409 `conflict` if it can't be done."""
    _admit(call)
    state, issues = call.state, Issues()
    shape = Shape(call.json() if call.request.get_data().strip() else {}, issues)
    email = shape.string("email", required=action in {"view", "sign", "decline"})
    reason = shape.string("reason", most=500)
    message = shape.string("message") or "Processing failed."
    issues.refuse()
    request = state.signature(request_id)
    if request is None:
        raise ApiError(404, "not_found", "Signature request not found.")
    try:
        match action:
            case "view":
                state.ceremony.view(request, request.recipient(str(email)))
            case "sign":
                state.ceremony.sign(request, request.recipient(str(email)))
            case "decline":
                state.ceremony.decline(request, request.recipient(str(email)), reason)
            case "expire":
                state.ceremony.expire(request)
            case _:
                state.ceremony.fail(request, message)
    except ValueError as error:
        raise ApiError(409, "conflict", str(error)) from None
    return json_response(as_json(state, request))


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
    # A browser names the page that a request comes from; any other page has no business here. A
    # link may lead to the desk, from wherever it stands.
    origin, site = (call.request.headers.get(name) for name in ("Origin", "Sec-Fetch-Site"))
    is_foreign = origin is not None and urlsplit(origin).netloc != call.request.host
    is_told = call.request.method not in ("GET", "HEAD")
    if is_foreign or (is_told and site not in (None, "same-origin", "none")):
        raise ApiError(403, "forbidden", "Not from another site.")


def _project(call: Call, name: str) -> Project:
    project = call.state.projects.get(name)
    if project is None:
        raise ApiError(404, "not_found", "Project not found.")
    return project


def _subscription(subscription: Subscription) -> dict[str, Any]:
    events = [event for event in EVENTS if subscription.wants(event)]
    return {"id": subscription.id, "url": subscription.url, "events": events}


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


def _mail(mail: Mail | SignatureMail) -> str:
    if isinstance(mail, SignatureMail):
        title = _link(mail.url, mail.request.name)
        return f'<div class="card"><h2>{title}</h2>{signature_letter(mail)}</div>'
    title = _link(mail.url, mail.share.render.title)
    opened = f'<p class="faint">Times opened: {mail.open_count}</p>'
    return f'<div class="card"><h2>{title}</h2>{opened}{letter(mail)}</div>'


def _link(url: str | None, text: str) -> str:
    return f'<a href="{escape(url)}">{escape(text)}</a>' if url else escape(text)
