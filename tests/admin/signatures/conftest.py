"""A document to be signed, a request for it that is out, and how staff send one."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_craftkit.models import (
    ProjectState,
    Render,
    SignatureRequest,
)
from django_craftkit.signing import AnchorTag, Recipient
from tests.admin.conftest import address

JANE = {"first_name": "Jane", "last_name": "Doe", "email": "jane@example.com"}
MAX = {"first_name": "Max", "email": "max@example.com"}


@pytest.fixture
def render(craftkit) -> Render:
    render = Render.objects.request("charter", {"total": 1}, key="charter-1")
    craftkit.run()
    return Render.objects.get(pk=render.pk)


@pytest.fixture
def sent(render, craftkit) -> SignatureRequest:
    """Out to two who sign and one who gets a copy."""
    request = render.send_for_signature(
        [
            Recipient("Jane", "Doe", "jane@example.com"),
            Recipient("Ελένη", "Δημητρίου", "eleni@example.com", designation="Approver"),
            Recipient("Ed", "", "ed@example.com", designation="CC"),
        ],
        anchor_tags=[AnchorTag("{{sign_here}}", "signature")],
        name="Charter",
    )
    craftkit.run()
    request.refresh_from_db()
    assert request.status == "sent"
    return request


def fill(*people, **more) -> dict[str, object]:
    """Return what the form sends for people, each with a text to look for."""
    data: dict[str, object] = {"name": "Charter", "days": "7", "people-INITIAL_FORMS": 0}
    data["people-TOTAL_FORMS"] = max(4, len(people))
    for n, person in enumerate(people):
        row = {"last_name": "", "designation": "Signer", "anchor": f"sign {n}", **person}
        data |= {f"people-{n}-{name}": value for name, value in row.items()}
    for n in range(len(people), 4):
        # What a browser sends of a row that nobody touched.
        data |= {f"people-{n}-designation": "Signer"}
        data[f"people-{n}-anchor"] = f"{{{{sign_here_{n + 1}}}}}" if n else "{{sign_here}}"
    return data | more


def send(desk, render, *people, **more):
    return desk.post(address(Render, "sign", render.pk), fill(*people, **more), follow=True)


def press(desk, request, name: str, **data):
    return desk.post(address(SignatureRequest, name, request.pk), data, follow=True)


def press_render(desk, render, name: str, **data):
    return desk.post(address(Render, name, render.pk), data, follow=True)


def page(desk, row) -> str:
    return unescape(desk.shows(address(type(row), "change", row.pk)))


def story(html: str) -> list[str]:
    steps = html.partition('<ol class="craftkit-timeline">')[2].partition("</ol>")[0]
    found = steps.split('<li class="craftkit-step')[1:]
    return [" ".join(re.sub(r"<time.*?</time>|<[^>]+>", "", f"<{step}").split()) for step in found]


def logged(row) -> int:
    model = row._meta.model_name
    return LogEntry.objects.filter(content_type__model=model, object_id=str(row.pk)).count()


def pause(capability: str = "signatures") -> None:
    ProjectState.objects.update_or_create(
        project="default",
        capability=capability,
        defaults={
            "paused_at": timezone.now() - timedelta(hours=2, minutes=1),
            "pause_reason": "The credits are used up.",
            "probe_at": timezone.now() + timedelta(days=1),
        },
    )
