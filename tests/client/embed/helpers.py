"""What the tests of embed sessions say in the same words."""

from __future__ import annotations

from typing import Any

from django_craftkit.client import Actor, Craftkit, EmbedSession, Tenant
from tests.client.conftest import BASE, TEMPLATE

SESSIONS_URL = f"{BASE}/v1/embed/sessions"
REFRESH_URL = f"{SESSIONS_URL}/refresh"
SESSION = "0193c2c3-5555-7aaa-8bbb-000000000005"
TOKEN = "eyJhbGciOiJFZERTQSJ9.session"
RENEW_TOKEN = "ert_8sR2renewal"
MINTED: dict[str, Any] = {
    "session_id": SESSION,
    "session_token": TOKEN,
    "iframe_url": f"https://embed.craftkit.dev/embed/form?session_token={TOKEN}",
    "expires_at": "2026-06-05T14:00:00.000Z",
    "renew_token": RENEW_TOKEN,
}
SUBMITTED: dict[str, Any] = {
    "event": "form.submitted",
    "sessionId": SESSION,
    "templateSlug": "e-charterparty",
    "templateVersion": 6,
    "renderId": None,
    "data": {"customer": {"name": "Acme Corp"}, "amount": 42},
    "submittedAt": "2026-06-05T11:00:00.000Z",
}
CATALOG = {"id": "c1a2b3c4-d5e6-f708-9a0b-1c2d3e4f5061", "name": "crm-fields", "version": 2}
BUILT: dict[str, Any] = {
    "_id": TEMPLATE,
    "organizationId": "proj_01j",
    "name": "Charter Handover",
    "sD": False,
    "cAt": "2026-06-05T10:00:00.000Z",
    "presetKey": "charter-handover",
    "isCustomTemplate": True,
    "layout": {"sections": []},
    "design": None,
}
BUILDER_LISTED: dict[str, Any] = {
    "id": TEMPLATE,
    "name": "Charter Handover",
    "slug": "charter-handover-x1",
    "category": None,
    "createdAt": "2026-05-01T09:00:00.000Z",
    "updatedAt": "2026-06-01T12:00:00.000Z",
}
IMAGE = {"url": "https://cdn.craftkit.dev/embed-uploads/proj/sess/abc.png"}
ACME = Tenant("org_123", "Acme Corp")
ADA = Actor("usr_456", "Ada Lovelace", email="ada@example.com")


def mint(craftkit: Craftkit, **options: Any) -> EmbedSession:
    return craftkit.embed.create_session(ACME, ADA, **options)
