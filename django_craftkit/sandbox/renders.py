"""Renders: ask for one, look at it, download it (sections 5 to 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from werkzeug.wrappers import Response

from . import templates
from .http import ApiError, Issues, json_response
from .ids import iso, iso_or_none, uuid7
from .inputs import check_data
from .lifecycle import Progress
from .records import Render
from .routing import Routes
from .shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from .http import Call
    from .records import Project, Template, Version
    from .state import State

routes = Routes()


@routes("POST", "/v1/templates/<slug>/render")
def create(call: Call, slug: str) -> Response:
    """202 for a new render, 200 for one whose idempotency key has been seen.

    A replay is looked up first: it answers with what the key made, whatever has become of the
    template, and whatever else the body says. A call that is refused doesn't use up its key.
    """
    body = call.json()
    issues = Issues()
    shape = Shape(body, issues)
    data = shape.object("data", required=True)
    job_id = shape.string("jobId", least=1, most=200)
    options = Shape(shape.object("options") or {}, issues, "options")
    options.boolean("sync")
    version_number = options.integer("versionNumber")
    filename = options.string("filename")
    issues.refuse()

    key = call.request.headers.get("Idempotency-Key") or job_id
    if key is not None and key in call.project.by_key:
        return json_response(_receipt(call.state, call.project.by_key[key]), 200)

    template = templates.find(call.state, call.project, slug)
    version = _version(template, version_number)
    kept = dict(data or {}) if version.lenient else check_data(version.manifest, data or {})
    fault = call.state.faults.for_render(slug)
    progress = Progress(call.state.clock, call.state.render_time, fault.message if fault else None)
    render = Render(
        id=uuid7(progress.started_at),
        project=call.project,
        template_id=template.id,
        template=slug,
        version=version,
        data=kept,
        filename=filename,
        idempotency_key=key,
        progress=progress,
    )
    call.project.renders[render.id] = render
    if key is not None:
        call.project.by_key[key] = render
    call.state.follow(render)
    # Queued, even if it takes no time: the first answer never shows more.
    return json_response({**_receipt(call.state, render), **_JUST_QUEUED}, 202)


@routes("GET", "/v1/renders/<render_id>")
def read(call: Call, render_id: str) -> Response:
    """The status, and what came of it."""
    render = find(call.project, render_id)
    render.progress.poll()
    ended = render.progress.completed_at
    body = _receipt(call.state, render)
    body["completedAt"] = iso_or_none(ended)
    body["durationMs"] = None if ended is None else round((ended - render.created_at) * 1000)
    return json_response(body)


@routes("GET", "/v1/renders/<render_id>/download")
def download(call: Call, render_id: str) -> Callable[[], Response]:
    """The PDF as an attachment; 409 `not_ready` before there is one."""
    render = find(call.project, render_id)
    if not render.succeeded:
        raise ApiError(409, "not_ready", "Render has not succeeded yet.")
    return lambda: pdf_response(render, "attachment")


@routes("GET", "/v1/embed/renders/<render_id>/download", door="embed")
def private_download(call: Call, render_id: str) -> Callable[[], Response]:
    """The PDF inline; 404 before there is one."""
    render = find(call.project, render_id)
    if not render.succeeded:
        raise not_found()
    return lambda: pdf_response(render, "inline", "private, max-age=3600")


@routes("GET", "/files/renders/<project_id>/<render_id>.pdf", door="open")
def public_file(call: Call, project_id: str, render_id: str) -> Callable[[], Response]:
    """The public bucket that `downloadUrl` points into: no key, no end."""
    for project in call.state.projects.values():
        render = project.renders.get(render_id)
        if project.id == project_id and render is not None and call.state.download_url(render):
            found = render
            return lambda: pdf_response(found, "inline", "public, max-age=31536000, immutable")
    raise not_found()


def find(project: Project, render_id: str) -> Render:
    """The render of an id; 404 `not_found`, also for what is no UUID."""
    render = project.renders.get(render_id.lower())
    if render is None:
        raise not_found()
    return render


def not_found() -> ApiError:
    """What Craftkit says of a render that isn't in the project."""
    return ApiError(404, "not_found", "Render not found.")


def pdf_response(render: Render, disposition: str, cache_control: str = "no-store") -> Response:
    """The whole PDF. Not to be called under the lock: the document may have to be written."""
    filename = render.filename or f"{render.id}.pdf"
    # A name from outside: nothing in it may end the header or leave the folder.
    safe = "".join(c for c in filename if c.isprintable() and c not in '/\\"')
    safe = safe.encode("utf-8", "replace").decode()[:200] or f"{render.id}.pdf"
    if safe.isascii():
        value = f'{disposition}; filename="{safe}"'
    else:
        value = f"{disposition}; filename*=UTF-8''{quote(safe)}"
    return Response(
        render.pdf(),
        headers={"Content-Disposition": value, "Cache-Control": cache_control},
        content_type="application/pdf",
    )


_JUST_QUEUED = {"status": "queued", "downloadUrl": None, "errorMessage": None}


def _receipt(state: State, render: Render) -> dict[str, Any]:
    return {
        "id": render.id,
        "status": render.status,
        "pollUrl": f"{state.public_url}/v1/renders/{render.id}",
        "downloadUrl": state.download_url(render),
        "errorMessage": render.error_message,
        "createdAt": iso(render.created_at),
    }


def _version(template: Template, number: int | None) -> Version:
    if template.current is None:
        raise ApiError(409, "no_published_version", "Template has no published version.")
    if number is None:
        return template.current
    if number > len(template.versions):
        raise ApiError(404, "version_not_found", f"Template has no version {number}.")
    return template.versions[number - 1]
