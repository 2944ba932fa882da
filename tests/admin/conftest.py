from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_craftkit.models import (
    Batch,
    Change,
    EmbedSession,
    EngagementEvent,
    FormSubmission,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
    Template,
    WebhookDelivery,
)
from django_craftkit.models.arguments import hash_key
from tests.helpers import grant
from tests.seams import looks
from tests.shop.models import Order

MODELS = (
    Render,
    Share,
    SignatureRequest,
    EngagementEvent,
    EmbedSession,
    FormSubmission,
    Template,
    Batch,
    WebhookDelivery,
    Job,
    Change,
    ProjectState,
)
NAMES = [model._meta.model_name for model in MODELS]


def address(model: Any, page: str = "", pk: object = None) -> str:
    """Return an address of the admin: a list, or a page of one object."""
    base = f"/admin/craftkit/{model._meta.model_name}/"
    return f"{base}{pk}/{page}/" if pk is not None else f"{base}{page}"


class Desk(Client):
    """The browser of a member of staff."""

    def __init__(self, user: User) -> None:
        super().__init__(enforce_csrf_checks=False)
        self.user = user
        self.force_login(user)

    def shows(self, path: str) -> str:
        """Return a page; fail if there is none."""
        response = self.get(path)
        assert response.status_code == 200, (path, response.status_code)
        return response.content.decode()

    def act(self, action: str, *rows: Any, query: str = "") -> Any:
        """Carry out an action of the list for some rows."""
        return self.post(
            address(type(rows[0])) + query,
            {"action": action, "_selected_action": [row.pk for row in rows], "index": "0"},
            follow=True,
        )


def told(response: Any) -> list[tuple[str, str]]:
    return [(message.level_tag, str(message)) for message in response.context["messages"]]


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Look twice at what Craftkit makes of it, however long that takes, and no third time."""
    monkeypatch.setattr("django_craftkit.admin.common.buttons.SECONDS", 60.0)
    looks(monkeypatch, 0.25, 3600.0)


@pytest.fixture
def staff(db):
    """Make a member of staff with nothing but these permissions."""

    def make(*codenames: str) -> Desk:
        user = User.objects.create_user(f"staff-{uuid.uuid4()}", is_staff=True)
        grant(user, *codenames)
        return Desk(user)

    return make


@pytest.fixture
def boss(db):
    return Desk(User.objects.create_superuser("boss"))


def make_render(status: str = "succeeded", **more: Any) -> Render:
    key = more.pop("key", None) or str(uuid.uuid4())
    source = more.pop("source", None)
    render = Render(
        **{"template": "invoice", "key": key, "key_hash": hash_key(key), "status": status, **more}
    )
    if source is not None:
        render.set_source(source)
    render.save()
    return render


def make_batch(name: str = "", **more: Any) -> Batch:
    now = timezone.now()
    return Batch.objects.create(
        **{
            "template": "invoice",
            "name": name or str(uuid.uuid4()),
            "key_hash": hash_key(str(uuid.uuid4())),
            "requested_at": now,
            "filled_at": now,
            **more,
        }
    )


def make_share(render: Render, status: str = "active", **more: Any) -> Share:
    key = str(uuid.uuid4())
    url = f"https://craftkit.dev/s/{key}"
    return Share.objects.create(
        **{"render": render, "key": key, "key_hash": key, "status": status, "url": url, **more}
    )


def make_request(
    render: Render, status: str = "sent", *people: dict[str, Any], **more: Any
) -> SignatureRequest:
    """Make a signature request; a person is what is not as usual of them."""
    key = more.pop("key", None) or str(uuid.uuid4())
    request = SignatureRequest.objects.create(
        **{
            "render": render,
            "project": render.project,
            "key": key,
            "key_hash": hash_key(key),
            "status": status,
            "anchor_tags": [
                {"anchorString": "{{sign_here}}", "type": "signature", "recipientIndex": 0}
            ],
            **more,
        }
    )
    for position, person in enumerate(people or ({},)):
        SignatureRecipient.objects.create(
            **{
                "request": request,
                "position": position,
                "first_name": "Jane",
                "last_name": f"Doe {position}",
                "email": f"jane-{position}@example.com",
                **person,
            }
        )
    return request


def make_event(render: Render, kind: str = "viewed", **more: Any) -> EngagementEvent:
    return EngagementEvent.objects.create(
        **{
            "project": render.project,
            "event_id": uuid.uuid4(),
            "render": render,
            "type": kind,
            "actor": "recipient",
            "occurred_at": timezone.now(),
            **more,
        }
    )


def make_delivery(body: bytes = b'{"event": "render.queued"}', **more: Any) -> WebhookDelivery:
    return WebhookDelivery.objects.create(
        **{
            "project": "default",
            "delivery_id": uuid.uuid4(),
            "body": body,
            "body_hash": "0" * 64,
            **more,
        }
    )


def make_session(**more: Any) -> EmbedSession:
    return EmbedSession.objects.create(
        **{"remote_id": uuid.uuid4(), "mode": "fill", "template": "handover", **more}
    )


def make_submission(**more: Any) -> FormSubmission:
    return FormSubmission.objects.create(
        **{
            "session_id": uuid.uuid4(),
            "template": "handover",
            "version": 6,
            "data": {"customer": {"name": "Ada"}},
            "body_hash": hash_key(str(uuid.uuid4())),
            **more,
        }
    )


def make_template(slug: str = "invoice", **more: Any) -> Template:
    variable = {"key": "total", "label": "Total", "dataType": "currency", "required": True}
    field = {"key": "text", "label": "What", "dataType": "text", "required": False}
    loop = {"key": "lines", "label": "Lines", "itemFields": [field]}
    return Template.objects.create(
        **{
            "project": "default",
            "slug": slug,
            "remote_id": uuid.uuid4(),
            "name": "Invoice",
            "template_type": "document",
            "published": True,
            "version": 1,
            "manifest": {"variables": [variable], "loops": [loop]},
            "json_schema": {"type": "object"},
            **more,
        }
    )


def make_rows(number: int) -> None:
    """Make so many rows of everything, each about something and somebody else."""
    now = timezone.now()
    for n in range(number):
        name = f"{n}-{uuid.uuid4()}"
        person = User.objects.create_user(name)
        order = Order.objects.create(number=name)
        render = make_render(
            Render.Status.values[n % len(Render.Status.values)],
            source=order,
            requested_by=person,
            batch=make_batch(name, requested_by=person, requested_at=now - timedelta(minutes=n)),
            data={"number": n},
            requested_at=now - timedelta(minutes=n),
        )
        make_share(
            render,
            Share.Status.values[n % len(Share.Status.values)],
            requested_by=person,
            revoke_requested_by=person,
        )
        make_request(
            render,
            SignatureRequest.Status.values[n % len(SignatureRequest.Status.values)],
            {},
            {"signed_at": now, "designation": "Approver"},
            {"designation": "CC"},
            requested_by=person,
            cancel_requested_by=person,
        )
        make_event(render)
        session = make_session(source=order, created_by=person)
        make_submission(source=order, session_id=session.remote_id, render=render)
        make_template(name, published=n % 2, gone_at=now if n % 3 else None)
        make_delivery(json.dumps({"event": name}).encode())
        Job.objects.create(
            kind=("render", "share")[n % 2], object_id=render.pk, project="default", error="later"
        )
        Change.objects.create(
            kind="render",
            object_id=render.pk,
            to_status="queued",
            cause="answer",
            person=person,
            receivers={"shop.hear": {"attempts": 1, "error": "ValueError"}},
        )
        ProjectState.objects.create(project=name[:60])
