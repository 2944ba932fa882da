from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client

from django_craftkit import dispatch
from django_craftkit.webhooks import views
from django_craftkit.webhooks.signature import sign

if TYPE_CHECKING:
    from django.http import HttpResponse

SECRET = b"whsec-tests"


class Sender:
    """Sends webhooks as Craftkit does; each header can be replaced, ``None`` leaves it out."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __call__(
        self,
        body: bytes = b'{"event": "render.queued"}',
        *,
        path: str = "/craftkit/webhooks/default",
        secret: bytes = SECRET,
        signature: str | None = "",
        timestamp: object = "",
        delivery_id: str | None = "",
        **environ: Any,
    ) -> HttpResponse:
        given = {
            "HTTP_X_CRAFTKIT_SIGNATURE": sign(body, secret) if signature == "" else signature,
            "HTTP_X_CRAFTKIT_TIMESTAMP": str(int(time.time())) if timestamp == "" else timestamp,
            "HTTP_X_CRAFTKIT_DELIVERY_ID": str(uuid.uuid4()) if delivery_id == "" else delivery_id,
        }
        headers = {name: value for name, value in given.items() if value is not None}
        return self.client.post(path, body, content_type="application/json", **headers, **environ)


@pytest.fixture
def send() -> Sender:
    """Craftkit, with the strictest of clients in the middle."""
    return Sender(Client(enforce_csrf_checks=True, raise_request_exception=True))


@pytest.fixture(autouse=True)
def refusals(monkeypatch) -> views.Refusals:
    """What this process has refused so far: nothing."""
    refusals = views.Refusals()
    monkeypatch.setattr(views, "_refusals", refusals)
    return refusals


@pytest.fixture
def projects():
    """The projects of the settings, to be changed for this test alone."""
    from django.test import override_settings

    projects = {alias: dict(given) for alias, given in settings.CRAFTKIT_PROJECTS.items()}
    with override_settings(CRAFTKIT_PROJECTS=projects):
        yield projects


@pytest.fixture
def wakes(monkeypatch):
    """The calls that wake the worker; none is carried out."""
    calls: list[float] = []
    monkeypatch.setattr(dispatch, "wake", lambda delay=0.0: calls.append(delay))
    return calls


def render_event(remote_id: uuid.UUID, **more: Any) -> bytes:
    """Return the body of a webhook that says that a document is ready, or what ``more`` says."""
    body = {
        "event": "render.succeeded",
        "renderId": str(remote_id),
        "templateId": str(uuid.uuid4()),
        "status": "succeeded",
        "downloadUrl": None,
        "errorMessage": None,
        "createdAt": "2026-05-01T10:00:00.000Z",
        "completedAt": "2026-05-01T10:00:01.000Z",
    }
    return json.dumps(body | more).encode()
