"""What webhooks say (signatures-webhooks-embed.md, section 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core.moments import iso, iso_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_craftkit.sandbox.core.engagement import Event
    from django_craftkit.sandbox.core.renders import Render
    from django_craftkit.sandbox.core.signatures import Recipient, SignatureRequest


def render_payload(render: Render, download_url: str | None) -> dict[str, object]:
    """The body of `render.succeeded` and `render.failed`."""
    return {
        "event": f"render.{render.status}",
        "renderId": render.id,
        "templateId": render.template_id,
        "status": render.status,
        "downloadUrl": download_url,
        "errorMessage": render.error_message,
        "createdAt": iso(render.created_at),
        "completedAt": iso_or_none(render.progress.completed_at),
    }


def document_payload(render: Render, event: Event) -> dict[str, object]:
    """The body of the `document.*` events."""
    return {
        "event": f"document.{event.type}",
        "renderId": render.id,
        "templateId": render.template_id,
        "shareId": event.share.id if event.share else None,
        "eventId": event.id,
        "eventType": event.type,
        "actorKind": event.actor,
        "sourceIp": event.source_ip,
        "userAgent": event.user_agent,
        "metadata": event.metadata,
        "createdAt": iso(event.created_at),
    }


def signature_payload(
    request: SignatureRequest, what: str, reason: str | None = None
) -> dict[str, object]:
    """The body of the `signature.*` events: as thin as the documentation allows.

    `signature.signed` says neither who nor which status; a reason is there when one was given.
    """
    body: dict[str, object] = {
        "event": f"signature.{what}",
        "signatureRequestId": request.id,
        "renderId": request.render.id,
    }
    if what != "signed":
        body["status"] = request.status
    if what == "sent":
        body["name"] = request.name
        body["recipients"] = [recipient_json(each) for each in request.recipients]
    if reason is not None:
        body["reason"] = reason
    return body


def form_payload(
    session_id: str, slug: str, version: int, data: Mapping[str, object], submitted_at: float
) -> dict[str, object]:
    """The body of `form.submitted`."""
    return {
        "event": "form.submitted",
        "sessionId": session_id,
        "templateSlug": slug,
        "templateVersion": version,
        "renderId": None,
        "data": data,
        "submittedAt": iso(submitted_at),
    }


def recipient_json(recipient: Recipient) -> dict[str, object]:
    """A recipient, as in answers and webhooks; what has not happened has no key."""
    body: dict[str, object] = {
        "id": recipient.id,
        "firstName": recipient.first_name,
        "lastName": recipient.last_name,
        "email": recipient.email,
        "designation": recipient.designation,
        "order": recipient.order,
    }
    if recipient.signed_at is not None:
        body["signedAt"] = iso(recipient.signed_at)
    if recipient.declined_at is not None:
        body["declinedAt"] = iso(recipient.declined_at)
    return body
