"""Answers that several routes give: JSON, refusals, the PDF of a render.

The envelope of a refusal is that of renders-templates.md, section 12; `/v1/embed/*` and
`/v1/admin/*` answer with the flat one, as Craftkit does, so that a client meets both. Where there
are issues to be told it is the object there, too: the flat one has no room for them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from werkzeug.wrappers import Response

from django_craftkit.sandbox.core.errors import Refusal

if TYPE_CHECKING:
    from werkzeug.exceptions import HTTPException

    from django_craftkit.sandbox.core.renders import Render

#: The HTTP status of each code.
STATUSES: Final = {
    "bad_request": 400,
    "invalid_input_data": 400,
    "invalid_json": 400,
    "invalid_loop_key": 400,
    "invalid_multipart": 400,
    "invalid_request": 400,
    "missing_file": 400,
    "invalid_credentials": 401,
    "invalid_signature": 401,
    "missing_authorization": 401,
    "missing_or_invalid_authorization": 401,
    "refresh_failed": 401,
    "unauthorized": 401,
    "signature_credits_exhausted": 402,
    "forbidden": 403,
    "partner_suspended": 403,
    "permission_denied": 403,
    "wrong_mode": 403,
    "catalog_not_found": 404,
    "invalid_token": 404,
    "not_found": 404,
    "session_not_found": 404,
    "template_not_found": 404,
    "template_not_resolved": 404,
    "version_not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "no_published_version": 409,
    "not_ready": 409,
    "slug_conflict": 409,
    "document_too_large": 413,
    "file_too_large": 413,
    "invalid_type": 415,
    "internal": 500,
    "email_send_failed": 502,
    "signature_provider_error": 502,
    "upstream_error": 502,
    "email_not_configured": 503,
    "signatures_unavailable": 503,
}


def json_response(body: object, status: int = 200) -> Response:
    """A JSON response. ASCII only, so that no lone surrogate of an input can break it."""
    return Response(
        json.dumps(body, separators=(",", ":")),
        status,
        content_type="application/json; charset=utf-8",
    )


def refused(refusal: Refusal, *, status: int | None = None, flat: bool = False) -> Response:
    """The answer to what is refused; `flat` is the envelope that has no room for issues."""
    status = STATUSES[refusal.code] if status is None else status
    if flat and refusal.issues is None:
        return json_response({"error": refusal.code}, status)
    error: dict[str, object] = {"code": refusal.code, "message": refusal.message}
    if refusal.issues is not None:
        error["issues"] = refusal.issues
    return json_response({"error": error}, status)


def unreadable(error: HTTPException) -> Refusal:
    """What is said of a body that werkzeug does not take: text of a form that is too long, say."""
    code = "file_too_large" if error.code == STATUSES["file_too_large"] else "bad_request"
    return Refusal(code, error.description or "The request can't be read.")


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
