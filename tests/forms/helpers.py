"""What Craftkit tells of a form, and of the session that it was filled in by."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from django_craftkit.models import EmbedSession, WebhookDelivery

UNTIL = datetime(2026, 6, 5, 15, tzinfo=UTC)
TOKEN = "ert_8sR2Xq"
DATA = {"customer": {"name": "Ada"}, "amount": 42}


def minted(**values: Any) -> Any:
    """What the client returns of a session."""
    default = {"id": uuid.uuid4(), "expires_at": UNTIL, "renew_token": TOKEN}
    return SimpleNamespace(**{**default, **values})


def noted(**values: Any) -> EmbedSession:
    return EmbedSession.objects.note("default", minted(), mode="fill", collect=True, **values)


def form_event(session_id: uuid.UUID | None = None, **more: Any) -> bytes:
    """Return the body of a webhook that says that a form was submitted."""
    body = {
        "event": "form.submitted",
        "sessionId": str(session_id or uuid.uuid4()),
        "templateSlug": "handover",
        "templateVersion": 6,
        "renderId": None,
        "data": DATA,
        "submittedAt": "2026-06-05T11:00:00.000Z",
    }
    return json.dumps(body | more).encode()


def store(body: bytes, delivery_id: str = "", project: str = "default") -> None:
    """Take a webhook in, as the view does once its signature was right."""
    WebhookDelivery.objects.store(project, delivery_id or str(uuid.uuid4()), body)
