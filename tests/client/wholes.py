"""An answer of each kind as Craftkit sends it whole, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_craftkit.client import (
    BuilderTemplate,
    BuilderTemplateSummary,
    DeletedProject,
    DeletedTemplate,
    EmbedRenderPage,
    EmbedSession,
    Engagement,
    EngagementEvent,
    FormSubmission,
    Health,
    Manifest,
    PartnerSettings,
    Project,
    ProjectKey,
    ProvisionedProject,
    PublishedCatalog,
    PublishedTemplate,
    Render,
    Revocation,
    SentEmail,
    Share,
    SignatureNotice,
    SignaturePage,
    SignatureRecipient,
    SignatureRequest,
    Template,
    TemplateSummary,
    UploadedImage,
    Variable,
)

from .conftest import (
    ENGAGED,
    LISTED,
    MAILED,
    MANIFEST,
    OPENED,
    QUEUED,
    RENDER,
    SHARE,
    SHARED,
    TEMPLATE,
)
from .embed.helpers import BUILDER_LISTED, BUILT, CATALOG, IMAGE, MINTED, SUBMITTED
from .signatures.helpers import COMPLETED, NOTICE, RECIPIENT, SENT, page
from .test_account import KEYED, PROVISIONED, WHOLE
from .test_engagement import DELIVERED

Reader = Callable[[Any], Any]

NOW = "2026-06-05T10:00:00.000Z"
#: What reads each answer and each webhook, one that is whole, and what nobody can go on without.
ANSWERS: dict[str, tuple[Reader, dict[str, Any], set[str]]] = {
    "health": (
        Health.from_json,
        {"status": "ok", "version": "abc1234", "checks": {"database": "ok"}},
        {"status"},
    ),
    "template in a list": (TemplateSummary.from_json, LISTED, {"id", "slug"}),
    "template": (
        Template.from_json,
        LISTED | {"description": "d", "manifest": MANIFEST, "jsonSchema": {"type": "object"}},
        {"id", "slug"},
    ),
    "published template": (
        lambda body: PublishedTemplate.from_json(body, created=True),
        {"id": TEMPLATE, "slug": "a", "currentVersionNumber": 1, "manifest": MANIFEST},
        {"id", "slug"},
    ),
    "deleted template": (
        DeletedTemplate.from_json,
        {"id": TEMPLATE, "slug": "invoice", "deletedAt": NOW},
        {"id", "slug"},
    ),
    "manifest": (Manifest.from_json, MANIFEST, {"variables", "loops"}),
    "variable": (
        Variable.from_json,
        {"key": "a", "label": "A", "dataType": "text", "required": True, "format": "x"},
        {"key", "dataType"},
    ),
    "render": (
        Render.from_json,
        QUEUED | {"errorMessage": "m", "completedAt": NOW, "durationMs": 3120},
        {"id", "status"},
    ),
    "render event": (
        Render.from_webhook,
        {
            "event": "render.succeeded",
            "renderId": RENDER,
            "status": "succeeded",
            "errorMessage": None,
            "createdAt": NOW,
            "completedAt": NOW,
        },
        {"renderId", "status", "event"},
    ),
    "share": (
        Share.from_json,
        SHARED
        | {
            "recipientEmail": "a@example.com",
            "message": "m",
            "revokedAt": NOW,
            "revokedReason": "r",
            "clickCount": 3,
        },
        {"id", "shareUrl"},
    ),
    "revocation": (Revocation.from_json, {"id": SHARE, "revokedAt": NOW}, {"id"}),
    "sent e-mail": (SentEmail.from_json, MAILED, {"id"}),
    "engagement": (Engagement.from_json, ENGAGED, set()),
    "event": (EngagementEvent.from_json, OPENED, {"id", "eventType"}),
    "document event": (
        EngagementEvent.from_webhook,
        DELIVERED,
        {"eventId", "renderId", "eventType", "event"},
    ),
    "signature request": (SignatureRequest.from_json, COMPLETED, {"id", "status"}),
    "recipient": (
        SignatureRecipient.from_json,
        RECIPIENT | {"signedAt": NOW, "declinedAt": NOW},
        set(),
    ),
    "page": (SignaturePage.from_json, page(SENT, cursor="c1", more=True), {"signatures"}),
    "signature event": (
        SignatureNotice.from_webhook,
        NOTICE | {"reason": "r"},
        {"event", "signatureRequestId"},
    ),
    "embed session": (
        EmbedSession.from_json,
        MINTED,
        {"session_id", "session_token", "iframe_url"},
    ),
    "form event": (
        FormSubmission.from_webhook,
        SUBMITTED | {"renderId": RENDER},
        {"event", "sessionId", "templateSlug", "data"},
    ),
    "catalog": (PublishedCatalog.from_json, CATALOG, {"id"}),
    "builder template": (
        lambda body: BuilderTemplate.from_json({"documentTemplate": body}),
        {name: value for name, value in BUILT.items() if name != "sD"} | {"design": {"a": 1}},
        {"_id"},
    ),
    "builder template in a list": (
        BuilderTemplateSummary.from_json,
        BUILDER_LISTED | {"category": "ships"},
        {"id", "slug"},
    ),
    "embed renders": (EmbedRenderPage.from_json, {"renders": [QUEUED], "total": 1}, {"renders"}),
    "uploaded image": (UploadedImage.from_json, IMAGE, {"url"}),
    "project": (Project.from_json, WHOLE, {"id"}),
    "deleted project": (DeletedProject.from_json, {"id": RENDER, "deleted": True}, {"id"}),
    "project key": (ProjectKey.from_json, KEYED, {"key"}),
    "provisioned project": (ProvisionedProject.from_json, PROVISIONED, {"apiKey"}),
    "partner settings": (
        PartnerSettings.from_json,
        {"externalOrgId": "org_1", "emailFrom": "a@example.com"},
        set(),
    ),
}
