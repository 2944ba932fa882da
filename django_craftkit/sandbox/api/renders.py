"""Renders: ask for one, look at it, download it (sections 5 to 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core import renders
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.core.moments import iso, iso_or_none
from django_craftkit.sandbox.http.answers import json_response, pdf_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.renders import Render
    from django_craftkit.sandbox.core.state import State
    from django_craftkit.sandbox.http.call import Call

routes = Routes()


@routes("POST", "/v1/templates/<slug>/render")
def create(call: Call, slug: str) -> Response:
    """202 for a new render, 200 for one whose idempotency key has been seen.

    A replay is looked up first: it answers with what the key made, whatever has become of the
    template, and whatever else the body says. A call that is refused doesn't use up its key.
    """
    body = call.json()
    shape = Shape(body)
    data = shape.object("data", required=True)
    job_id = shape.string("jobId", least=1, most=200)
    options = Shape(shape.object("options") or {}, shape.issues, "options")
    options.boolean("sync")
    version_number = options.integer("versionNumber")
    filename = options.string("filename")
    shape.refuse()

    key = call.request.headers.get("Idempotency-Key") or job_id
    if key is not None and key in call.project.by_key:
        return json_response(_receipt(call.state, call.project.by_key[key]), 200)

    render = renders.create(
        call.state,
        call.project,
        slug,
        data or {},
        version_number=version_number,
        filename=filename,
        key=key,
    )
    return json_response(queued(call.state, render), 202)


@routes("GET", "/v1/renders/<render_id>", door="poll")
def read(call: Call, render_id: str) -> Response:
    """The status, and what came of it; a session sees the renders of its own form."""
    render = renders.find(call.project, render_id)
    session = call.session_or_none
    if session is not None and render.session_id != session.id:
        raise renders.not_found()
    render.progress.poll()
    return json_response(as_json(call.state, render))


@routes("GET", "/v1/renders/<render_id>/download")
def download(call: Call, render_id: str) -> Callable[[], Response]:
    """The PDF as an attachment; 409 `not_ready` before there is one."""
    render = renders.find(call.project, render_id)
    if not render.succeeded:
        raise Refusal("not_ready", "Render has not succeeded yet.")
    return lambda: pdf_response(render, "attachment")


@routes("GET", "/v1/embed/renders/<render_id>/download", door="embed")
def private_download(call: Call, render_id: str) -> Callable[[], Response]:
    """The PDF inline; 404 before there is one."""
    render = renders.find(call.project, render_id)
    if not render.succeeded:
        raise renders.not_found()
    return lambda: pdf_response(render, "inline", "private, max-age=3600")


@routes("GET", "/files/renders/<project_id>/<render_id>.pdf", door="open")
def public_file(call: Call, project_id: str, render_id: str) -> Callable[[], Response]:
    """The public bucket that `downloadUrl` points into: no key, no end."""
    for project in call.state.projects.values():
        render = project.renders.get(render_id)
        if project.id == project_id and render is not None and call.state.download_url(render):
            found = render
            return lambda: pdf_response(found, "inline", "public, max-age=31536000, immutable")
    raise renders.not_found()


_JUST_QUEUED = {"status": "queued", "downloadUrl": None, "errorMessage": None}


def queued(state: State, render: Render) -> dict[str, object]:
    """The first answer about a render: queued, even if it takes no time."""
    return {**_receipt(state, render), **_JUST_QUEUED}


def as_json(state: State, render: Render) -> dict[str, object]:
    """The answer of GET /v1/renders/:id."""
    ended = render.progress.completed_at
    body = _receipt(state, render)
    body["completedAt"] = iso_or_none(ended)
    body["durationMs"] = None if ended is None else round((ended - render.created_at) * 1000)
    return body


def _receipt(state: State, render: Render) -> dict[str, object]:
    return {
        "id": render.id,
        "status": render.status,
        "pollUrl": f"{state.public_url}/v1/renders/{render.id}",
        "downloadUrl": state.download_url(render),
        "errorMessage": render.error_message,
        "createdAt": iso(render.created_at),
    }
