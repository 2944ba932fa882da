"""What the tests of signature requests say in the same words."""

from __future__ import annotations

from typing import Any

from django_craftkit.client import (
    AnchorTag,
    Craftkit,
    Recipient,
    SignatureField,
    SignatureRequest,
)
from tests.client.conftest import BASE, RENDER

REQUEST = "0193c2c3-2222-7aaa-8bbb-000000000002"
URL = f"{BASE}/v1/signatures"
IDEMPOTENCY_KEY = "a" * 64
RECIPIENT = {
    "id": "rcp_8e10-12ab34cd56ef",
    "firstName": "Jane",
    "lastName": "Doe",
    "email": "jane@example.com",
    "designation": "Signer",
    "order": 1,
}
SENT: dict[str, Any] = {
    "id": REQUEST,
    "renderId": RENDER,
    "name": "Charter handover — BK-12345",
    "status": "sent",
    "recipients": [RECIPIENT],
    "expirationHours": 168,
    "signedDownloadUrl": None,
    "certificateUrl": None,
    "errorMessage": None,
    "createdAt": "2026-06-05T10:00:00.000Z",
    "completedAt": None,
}
COMPLETED = SENT | {
    "status": "completed",
    "recipients": [RECIPIENT | {"signedAt": "2026-06-05T11:40:00.000Z"}],
    "signedDownloadUrl": f"{URL}/{REQUEST}/download",
    "certificateUrl": f"{URL}/{REQUEST}/certificate",
    "completedAt": "2026-06-05T11:42:08.000Z",
}
NOTICE = {
    "event": "signature.completed",
    "signatureRequestId": REQUEST,
    "renderId": RENDER,
    "status": "completed",
}
JANE = Recipient("Jane", "Doe", "jane@example.com")
JOHN = Recipient("John", "", "john@example.com", designation="Approver")
SIGN_HERE = AnchorTag("{{sign_here}}", "signature")
AT_A_PLACE = SignatureField("signature", x=10, y=80)


def page(*items: dict[str, Any], cursor: str | None = None, more: bool = False) -> dict[str, Any]:
    return {"signatures": [*items], "nextCursor": cursor, "hasMore": more}


def create(craftkit: Craftkit, **options: Any) -> SignatureRequest:
    arguments = {"anchor_tags": [SIGN_HERE], "idempotency_key": IDEMPOTENCY_KEY} | options
    return craftkit.signatures.create(RENDER, [JANE], **arguments)
