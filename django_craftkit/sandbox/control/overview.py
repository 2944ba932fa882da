"""The first page of the control, for people: all that the sandbox holds."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from django_craftkit.sandbox.core.moments import iso, iso_or_none
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes
from django_craftkit.sandbox.pages.frame import Html, link, newest, page, table

from .access import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django_craftkit.sandbox.core.state import State
    from django_craftkit.sandbox.http.call import Call

_HEAD = f"""<div class="card">
<h1>Sandbox</h1>
<p class="faint">Everything here lives in memory and ends with the process.</p>
<div class="actions">
<a class="button" href="{PREFIX}/mails">Mails</a>
<form method="post" action="{PREFIX}/reset"><button class="button">Reset</button></form>
</div>
</div>"""

routes = Routes(door="control")


@routes("GET", PREFIX + "/")
def show(call: Call) -> Response:
    """All that there is: of what comes with calls, the newest 50 of each."""
    return page("Craftkit sandbox", "".join([_HEAD, *_sections(call.state)]), wide=True)


@routes("POST", PREFIX + "/reset")
def reset(call: Call) -> Response:
    """Back to the start; a browser is led back to the page."""
    call.state.reset_hook()
    if call.request.mimetype == "application/x-www-form-urlencoded":
        return Response(status=303, headers={"Location": f"{PREFIX}/"})
    return json_response({"reset": True})


def _sections(state: State) -> Iterator[str]:
    yield _section(
        "Renders",
        ("Created", "Template", "Status", "Id", "Idempotency key"),
        [
            (
                iso(each.created_at),
                each.template,
                f"{each.status} {each.error_message or ''}",
                link(state.download_url(each), each.id),
                each.idempotency_key or "",
            )
            for each in newest(state.renders())
        ],
    )
    yield _section(
        "Share links",
        ("Created", "Template", "Link", "Views", "Expires", "Withdrawn"),
        [
            (
                iso(each.created_at),
                each.render.template,
                link(each.url, each.token),
                each.click_count,
                iso_or_none(each.expires_at) or "",
                iso_or_none(each.revoked_at) or "",
            )
            for each in newest(share for render in state.renders() for share in render.shares)
        ],
    )
    yield _section(
        "Signature requests",
        ("Created", "Name", "Status", "Id", "Recipients"),
        [
            (
                iso(each.created_at),
                each.name,
                f"{each.status} {each.error_message or ''}",
                each.id,
                Html(", ".join(link(who.url, who.name) for who in each.recipients)),
            )
            for each in newest(state.signatures())
        ],
    )
    yield _section(
        "Embed sessions",
        ("Created", "Project", "Mode", "Id", "For", "Until"),
        [
            (
                iso(each.created_at),
                each.project.slug,
                each.mode,
                each.id,
                f"{each.new.actor.external_id} of {each.new.tenant.external_id}",
                iso(each.expires_at) if each.active else "revoked",
            )
            for each in newest(state.sessions)
        ],
    )
    yield _section(
        "Webhooks",
        ("Due", "Event", "To", "Status", "Attempts", "Last answer"),
        [
            (
                iso(each.due_at),
                each.event,
                each.url,
                each.status,
                len(each.attempts),
                (each.attempts[-1].status or each.attempts[-1].error) if each.attempts else "",
            )
            for each in newest(state.outbox)
        ],
    )
    yield _section(
        "Projects",
        ("Name", "Slug", "Account", "E-mails from"),
        [
            (each.name, each.slug, each.account or "none: provisioned", each.email_from or "")
            for each in state.projects.values()
        ],
    )
    yield _section(
        "Inbound hooks",
        ("Project", "Template", "URL", "Secret", "Signature"),
        [
            (
                project.slug,
                each.slug,
                state.hook_url(each),
                each.hook.secret,
                "required" if each.hook.requires_signature else "optional",
            )
            for project in state.projects.values()
            for each in project.templates.values()
        ],
    )
    yield _section(
        "Where webhooks go",
        ("Project", "URL", "Events"),
        [
            (
                project.slug,
                each.url,
                "all" if each.events is None else ", ".join(sorted(each.events)),
            )
            for project in state.projects.values()
            for each in project.subscriptions
        ],
    )
    yield _section(
        "Faults that wait",
        ("Id", "Kind", "Calls", "Webhooks", "Times"),
        [
            (each.id, each.kind, f"{each.method} {each.path}", each.event, each.times or "always")
            for each in state.faults
        ],
    )
    yield _section(
        "Calls",
        ("Method", "Path", "Status"),
        [(each.method, each.path, each.status or "no answer") for each in newest(state.requests)],
    )


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    content = table(columns, rows) or '<p class="faint">None yet.</p>'
    return f'<div class="card"><h2>{escape(title)}</h2>{content}</div>'
