"""What Craftkit held when a database was left, as plain JSON, and a sandbox that holds it again."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from django_craftkit.sandbox import SandboxAdapter

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from django_craftkit.sandbox import Project, Sandbox

#: The calls that make or change something.
METHODS = ("POST", "DELETE", "PUT")


def ids(sandbox: Sandbox) -> dict[str, Any]:
    """Return the names of all that Craftkit has made, by project, oldest first."""
    return {
        name: {
            "renders": [
                {
                    "id": render.id,
                    "events": [event.id for event in render.events],
                    "shares": [[share.id, share.token, share.url] for share in render.shares],
                }
                for render in project.renders.values()
            ],
            "mails": [[mail.id, mail.url] for mail in project.mails],
            "signatures": [
                [request.id, [person.id for person in request.recipients]]
                for request in project.signatures
            ],
        }
        for name, project in sandbox.state.projects.items()
    }


def totals(sandbox: Sandbox) -> dict[str, int]:
    """Return how much Craftkit has made, sent and billed."""
    return {
        "renders": len(sandbox.renders),
        "shares": len(sandbox.shares),
        "mails": len(sandbox.mails),
        "signatures": len(sandbox.signatures),
    }


class Recorder(SandboxAdapter):
    """Notes each call that changes something."""

    calls: list[dict[str, Any]]

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        try:
            return super().send(request, *args, **kwargs)
        finally:
            if request.method in METHODS:
                body = request.body or b""
                self.calls.append(
                    {
                        "at": self.sandbox.state.clock(),
                        "method": request.method,
                        "url": request.url,
                        "headers": {
                            name: request.headers[name]
                            for name in ("Authorization", "Content-Type", "Idempotency-Key")
                            if name in request.headers
                        },
                        "body": base64.b64encode(
                            body.encode() if isinstance(body, str) else body
                        ).decode(),
                    }
                )


def restore(sandbox: Sandbox, calls: list[dict[str, Any]], known: dict[str, Any]) -> None:
    """Have a new sandbox hold what the recorded calls made, under the same names."""
    clock = sandbox.state.clock
    session = SandboxAdapter(sandbox).session()
    try:
        for call in calls:
            at = call["at"]
            sandbox.state.clock = lambda at=at: at
            session.request(
                call["method"],
                call["url"],
                headers=call["headers"],
                data=base64.b64decode(call["body"]),
            )
            # At once: the next call may be about it.
            for name, project in sandbox.state.projects.items():
                _rename(sandbox, project, known[name])
    finally:
        sandbox.state.clock = clock
    assert ids(sandbox) == known


def _rename(sandbox: Sandbox, project: Project, known: dict[str, Any]) -> None:
    """Give what there is by now the names that it had."""
    for render, names in zip(list(project.renders.values()), known["renders"], strict=False):
        if render.id != names["id"]:
            del project.renders[render.id]
            sandbox.state._unannounced.pop(render.id, None)
            render.id = names["id"]
            project.renders[render.id] = render
        for event, event_id in zip(render.events, names["events"], strict=False):
            event.id = event_id
        for share, (share_id, token, url) in zip(render.shares, names["shares"], strict=False):
            share.id, share.token, share.url = share_id, token, url
    for mail, (mail_id, url) in zip(project.mails, known["mails"], strict=False):
        mail.id, mail.url = mail_id, url
    requests = list(project.signatures)
    project.signatures.clear()
    for request, (request_id, people) in zip(requests, known["signatures"], strict=False):
        request.id = request_id
        for person, person_id in zip(request.recipients, people, strict=True):
            person.id = person_id
        project.signatures.add(request)
