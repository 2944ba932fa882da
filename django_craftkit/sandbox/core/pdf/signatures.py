"""The files of a completed request: the signed PDF and the certificate of its audit trail.

Both are written when they are wanted, the same bytes each time; some 50 ms, and longer for long
documents: not to be called under the sandbox's lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core.moments import moment_in_utc

from .renders import lay_out

if TYPE_CHECKING:
    from django_craftkit.sandbox.core.signatures import SignatureRequest

    from .document import Document


def signed(request: SignatureRequest) -> bytes:
    """The pages of the render, and one more that names who signed when."""
    document = lay_out(request.render, _text(request))
    document.add_page()
    document.heading("Signatures", f"{request.name} · {request.id}")
    document.listing(
        "Signed by",
        ["Name", "E-mail", "As", "At"],
        [
            [each.name, each.email, each.designation, _moment(each.signed_at)]
            for each in request.recipients
            if each.signed_at is not None
        ],
    )
    return _finish(document, request)


def certificate(request: SignatureRequest) -> bytes:
    """The certificate of completion, with everything that happened to the request."""
    # When it is first wanted, as in `renders.py`.
    from .document import Document

    document = Document({}, _text(request))
    document.set_title("Certificate of completion")
    document.add_page()
    document.heading("Certificate of completion", request.name)
    for label, value in (
        ("Request", request.id),
        ("Document", request.render.title),
        ("Render", request.render.id),
        ("Sent", _moment(request.created_at)),
        ("Completed", _moment(request.completed_at)),
    ):
        document.labelled(label, value)
    document.listing(
        "Recipients",
        ["Name", "E-mail", "As", "Signed"],
        [
            [each.name, each.email, each.designation, _moment(each.signed_at)]
            for each in request.recipients
        ],
    )
    document.listing(
        "Audit trail",
        ["At", "What", "Who"],
        [
            [
                _moment(step.at),
                step.what,
                f"{step.who.name} <{step.who.email}>" if step.who else "–",
            ]
            for step in request.trail
        ],
    )
    return _finish(document, request)


def _text(request: SignatureRequest) -> str:
    names = [each.name + each.email for each in request.recipients]
    return "".join([request.name, request.render.title, *names])


def _moment(moment: float | None) -> str:
    return "–" if moment is None else f"{moment_in_utc(moment):%Y-%m-%d %H:%M:%S} UTC"


def _finish(document: Document, request: SignatureRequest) -> bytes:
    document.set_creation_date(moment_in_utc(request.completed_at or request.created_at))
    return bytes(document.output())
