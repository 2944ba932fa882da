"""Forms: submit one, and upload a picture for it (section 4.6); `pages/embed/form.py` shows them.

Both want a session token whose session is the one in the path, and an origin that may be one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from django_craftkit.sandbox.api.renders import queued
from django_craftkit.sandbox.core import forms
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.core.moments import iso
from django_craftkit.sandbox.core.renders import not_found
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.doors import is_allowed_origin
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from django_craftkit.sandbox.core.sessions import EmbedSession
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="session")


@routes("POST", "/v1/embed/form-submit/<session_id>")
def submit(call: Call, session_id: str) -> Response:
    """202 with the render that was queued, with each call another one.

    The documentation doesn't say what the answer is where data are only collected: it is 202 with
    `id` null and the status `submitted`.
    """
    session = _session(call, session_id)
    session.refuse_without("submitForm")
    shape = Shape(call.json())
    data = shape.object("data", required=True)
    datasets: dict[str, Any] = shape.object("datasetSelection") or {}
    chosen = Shape(datasets, shape.issues, "datasetSelection")
    for name in datasets:
        chosen.string(name)
    shape.refuse()
    submission = forms.submit(call.state, session, data or {}, datasets)
    if submission.render is not None:
        return json_response(queued(call.state, submission.render), 202)
    return json_response(
        {
            "id": None,
            "status": "submitted",
            "pollUrl": None,
            "downloadUrl": None,
            "errorMessage": None,
            "createdAt": iso(submission.submitted_at),
        },
        202,
    )


@routes("POST", "/v1/embed/form-submit/<session_id>/upload-image")
def upload_image(call: Call, session_id: str) -> Response:
    """200 with the public address of a picture, which a form sends as the value of its field."""
    session = _session(call, session_id)
    if call.request.mimetype != "multipart/form-data" or not _is_multipart(call):
        raise Refusal("invalid_multipart", "Request body is not multipart form data.")
    file = call.request.files.get("file")
    if file is None:
        raise Refusal("missing_file", 'There is no file in the field "file".')
    name = forms.upload(session, file.mimetype, file.read())
    place = f"{session.project.id}/{session.id}/{name}"
    return json_response({"url": f"{call.state.public_url}/files/embed-uploads/{place}"})


@routes("GET", "/files/embed-uploads/<project_id>/<session_id>/<name>", door="open")
def uploaded(call: Call, project_id: str, session_id: str, name: str) -> Response:
    """The picture, for everybody; whatever a file says it is, it runs no script here."""
    session = call.state.sessions.find(session_id)
    upload = session.uploads.get(name) if session else None
    if session is None or upload is None or session.project.id != project_id:
        raise not_found()
    return Response(
        upload.content,
        content_type=upload.content_type,
        headers={
            "Cache-Control": "public, max-age=31536000, immutable",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _session(call: Call, session_id: str) -> EmbedSession:
    session = call.session
    if session.id != session_id.lower():
        raise Refusal("session_not_found", "The token is not one of this session.")
    if not is_allowed_origin(session.project, call.request, call.state.public_url):
        raise Refusal("bad_request", "The origin is not on the project's list.")
    forms.check_mode(session)
    return session


def _is_multipart(call: Call) -> bool:
    """Whether the body has parts at all: what isn't one has neither files nor fields."""
    boundary = call.request.mimetype_params.get("boundary", "")
    return bool(boundary) and f"--{boundary}".encode() in call.request.get_data()
