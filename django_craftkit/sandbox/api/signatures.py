"""Signature requests: send a render out, look, list, cancel, download.

Section 1 of signatures-webhooks-embed.md. What a body may say is checked in
`core/checks/signatures.py`, what happens to a request afterwards is `core/signing.py`, the
recipients' side is `pages/signatures.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from werkzeug.wrappers import Response

from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.checks.signatures import (
    check_anchors,
    check_list,
    check_request,
)
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.core.moments import iso, iso_or_none
from django_craftkit.sandbox.core.pdf import signatures as files
from django_craftkit.sandbox.core.renders import find as find_render
from django_craftkit.sandbox.core.webhooks.payloads import recipient_json
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_craftkit.sandbox.core.checks.signatures import NewRequest
    from django_craftkit.sandbox.core.projects import Project
    from django_craftkit.sandbox.core.renders import Render
    from django_craftkit.sandbox.core.signatures import SignatureRequest
    from django_craftkit.sandbox.core.state import State
    from django_craftkit.sandbox.http.call import Call

routes = Routes()

LARGEST_DOCUMENT: Final = 20 * 1024 * 1024
# A PDF of less data is far from the limit: it need not be written to know that.
_SMALL_DATA: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024


@routes("POST", "/v1/signatures")
def create(call: Call) -> Response | Callable[[], Response]:
    """201 for a new request, 200 for one whose idempotency key has been seen.

    A replay answers with what the key made, whatever else the body says. A call that is
    refused doesn't use up its key, and is not billed.
    """
    new = check_request(call.json())
    key = call.request.headers.get("Idempotency-Key") or None
    replay = _replay(call, key)
    if replay is not None:
        return replay
    if not call.project.signatures_configured:
        raise Refusal("signatures_unavailable", "Signatures are not configured.")
    render = find_render(call.project, new.render_id)
    if not render.succeeded:
        raise Refusal("conflict", f"Render is not ready to be signed ({render.status}).")
    strict_tags = new.anchor_tags if call.state.signing.strict_anchors else []
    is_light = render.written is None and len(json.dumps(render.data)) <= _SMALL_DATA
    if is_light and not strict_tags:
        return _send(call, render, new, key)

    def look_at_the_document() -> Response:
        size = len(render.pdf())
        check_anchors(strict_tags, render.prints)
        with call.state.lock:
            # Twins with one key may both have waited for the document.
            replay = _replay(call, key)
            if replay is not None:
                return replay
            if size > LARGEST_DOCUMENT:
                raise Refusal("document_too_large", "The PDF is larger than 20 MB.")
            return _send(call, render, new, key)

    return look_at_the_document


@routes("GET", "/v1/signatures")
def list_some(call: Call) -> Response:
    """The newest first, or those made strictly before `cursor`.

    A full page says `hasMore`, even if nothing follows; the cursor is that of the last row,
    also where nothing follows, as in the documentation's example, and null for no rows.
    """
    limit, render_id, before_ms = check_list(call.request.args)
    requests = call.project.signatures.page(limit, render_id, before_ms)
    return json_response(
        {
            "signatures": [as_json(call.state, request) for request in requests],
            "nextCursor": iso(requests[-1].created_at) if requests else None,
            "hasMore": len(requests) == limit,
        }
    )


@routes("GET", "/v1/signatures/<request_id>")
def read(call: Call, request_id: str) -> Response:
    """The request, with what its recipients have done."""
    return json_response(as_json(call.state, find(call.project, request_id)))


@routes("POST", "/v1/signatures/<request_id>/cancel")
def cancel(call: Call, request_id: str) -> Response:
    """Take it back, once: an ended request answers 409, a cancelled one too."""
    request = find(call.project, request_id)
    body = call.json() if call.request.get_data().strip() else {}
    shape = Shape(body)
    reason = shape.string("reason", most=500)
    shape.refuse()
    call.state.signing.cancel(request, reason)
    return json_response(as_json(call.state, request))


@routes("GET", "/v1/signatures/<request_id>/download")
def download(call: Call, request_id: str) -> Callable[[], Response]:
    """The signed PDF; 409 until it has been archived."""
    request = find(call.project, request_id)
    if not request.has_signed_pdf:
        raise Refusal(
            "conflict", f"Signed document is not available yet (status: {request.status})."
        )
    return lambda: _stream(files.signed(request), f"{request.id}-signed.pdf")


@routes("GET", "/v1/signatures/<request_id>/certificate")
def certificate(call: Call, request_id: str) -> Callable[[], Response]:
    """The audit trail as a PDF; 409 until it is there."""
    request = find(call.project, request_id)
    if not request.has_certificate:
        raise Refusal(
            "conflict",
            f"Completion certificate is not available yet (status: {request.status}).",
        )
    fault = call.state.faults.for_template("certificate_failed", request.render.template)
    if fault is not None:
        raise Refusal("upstream_error", fault.message)
    return lambda: _stream(files.certificate(request), f"{request.id}-certificate.pdf")


def find(project: Project, request_id: str) -> SignatureRequest:
    """The request of an id; 404 `not_found`, also for what is no UUID."""
    request = project.signatures.get(request_id.lower())
    if request is None:
        raise Refusal("not_found", "Signature request not found.")
    return request


def as_json(state: State, request: SignatureRequest) -> dict[str, object]:
    """The SignatureRequest of section 1.1."""
    address = f"{state.public_url}/v1/signatures/{request.id}"
    return {
        "id": request.id,
        "renderId": request.render.id,
        "name": request.name,
        "status": request.status,
        "recipients": [recipient_json(each) for each in request.recipients],
        "expirationHours": request.expiration_hours,
        "signedDownloadUrl": f"{address}/download" if request.has_signed_pdf else None,
        "certificateUrl": f"{address}/certificate" if request.has_certificate else None,
        "errorMessage": request.error_message,
        "createdAt": iso(request.created_at),
        "completedAt": iso_or_none(request.completed_at),
    }


def _replay(call: Call, key: str | None) -> Response | None:
    request = None if key is None else call.project.signatures.made_by(key)
    return None if request is None else json_response(as_json(call.state, request), 200)


def _send(call: Call, render: Render, new: NewRequest, key: str | None) -> Response:
    state = call.state
    request = state.signing.send(render, new, key, state.public_url)
    # Sent, even if it fails at once: the first answer never shows more.
    answer = json_response(as_json(state, request), 201)
    state.signing.process(request)
    return answer


def _stream(content: bytes, filename: str) -> Response:
    def chunks() -> Iterator[bytes]:
        for start in range(0, len(content), _CHUNK):
            yield content[start : start + _CHUNK]

    return Response(
        chunks(),
        headers={
            "Content-Disposition": f'attachment; filename="{filename}"',
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
        },
        content_type="application/pdf",
    )
