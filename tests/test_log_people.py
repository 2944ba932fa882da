"""No record of the package's loggers holds anybody's name or address, whatever Craftkit says.

A refusal may quote what was sent. The row has its words, for whoever may see it; the log has codes.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from django_craftkit.client import CraftkitError
from django_craftkit.models import Job, ProjectState, Render, Share
from django_craftkit.projects import get_client
from tests.erasing.people import ADA, ADDRESS, BOB, NAME, TAGS
from tests.helpers import settle
from tests.shop.models import Order
from tests.webhooks.conftest import Sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db

WORDS = (NAME.casefold(), ADDRESS.casefold(), ADDRESS.partition("@")[0])
SAID = f"{NAME} <{ADDRESS}> is not welcome."


class _Records(logging.Handler):
    """Keeps what is logged, with all that a handler could write of it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = logging.Formatter().format(record)
        self.texts.append(f"{text}\n{record.__dict__!r}")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that the loggers of the package log, down to the least of it."""
    package, records = logging.getLogger("django_craftkit"), _Records()
    level = package.level
    package.addHandler(records)
    package.setLevel(logging.DEBUG)
    yield records.texts
    package.removeHandler(records)
    package.setLevel(level)


def quoting(logged: list[str]) -> list[str]:
    return [text for text in logged if any(word in text.casefold() for word in WORDS)]


def document(order: Order) -> Render:
    data = {"name": NAME, "email": ADDRESS}
    return Render.objects.request(
        "invoice", data, source=order, key=f"for {ADDRESS}", filename=f"{NAME}.pdf"
    )


@pytest.fixture
def order(db: None) -> Order:
    return Order.objects.create(number=f"for {NAME}")


@pytest.fixture
def shared(craftkit: Kit, order: Order) -> Render:
    """A document about her, with a link, a mail and a signature request of hers."""
    render = document(order)
    craftkit.run()
    _request_all(render)
    craftkit.run()
    render.refresh_from_db()
    return render


def _request_all(render: Render, more: str = "") -> None:
    message = f"Dear {NAME}, {more}"
    render.share(channel="email", recipient_email=ADDRESS, message=message)
    render.email(ADDRESS, recipient_name=NAME, message=message)
    render.send_for_signature([ADA, BOB], anchor_tags=TAGS, name=f"Of {NAME} {more}")


REFUSALS = [
    (400, "invalid_request"),
    (400, "invalid_input_data"),
    (401, "unauthorized"),
    (402, "insufficient_credits"),
    (403, "forbidden"),
    (404, "not_found"),
    (409, "conflict"),
    (413, "payload_too_large"),
    (422, "invalid_request"),
    (429, "rate_limited"),
    (400, ""),
    (500, "internal_error"),
    (502, "email_send_failed"),
    (503, "signatures_unavailable"),
    (503, "email_not_configured"),
]


@pytest.mark.parametrize(("status", "code"), REFUSALS)
def test_a_refusal_that_quotes_her_is_logged_by_its_code(
    craftkit: Kit, shared: Render, order: Order, logged: list[str], status: int, code: str
):
    craftkit.sandbox.faults.add("status", status=status, code=code, message=SAID, times=None)
    Render.objects.request("invoice", {"name": NAME}, key=f"also for {ADDRESS}")
    _request_all(shared, "once more")
    shared.record("printed", {"by": ADDRESS})
    shared.refresh()
    for row in (*shared.shares.all(), *shared.signature_requests.all()):
        row.refresh()
    craftkit.run()
    for _kind in set(Job.objects.values_list("kind", flat=True)):
        # One pauses the project: the others have their turn as well.
        ProjectState.objects.all().delete()
        craftkit.run()
    for share in shared.shares.all():
        share.revoke()
    for asked in shared.signature_requests.all():
        asked.cancel(reason=f"{NAME} is ill.")
    craftkit.run()
    assert logged, "something went wrong, and is logged"
    assert quoting(logged) == []


@pytest.mark.parametrize(("status", "code"), [(400, "invalid_request"), (500, "internal_error")])
def test_nor_is_what_was_asked_for_at_a_screen(
    craftkit: Kit, shared: Render, admin_client: Client, logged: list[str], status: int, code: str
):
    share, asked = shared.shares.filter(by_mail=False).get(), shared.signature_requests.get()
    craftkit.sandbox.faults.add("status", status=status, code=code, message=SAID, times=None)
    admin_client.raise_request_exception = False
    api, site = "/api/craftkit/", f"/admin/craftkit/render/{shared.pk}"
    forms: dict[str, dict[str, Any]] = {
        f"{site}/share/": {"channel": "email", "recipient_email": ADDRESS, "message": NAME},
        f"{site}/email/": {"to": ADDRESS, "recipient_name": NAME, "message": NAME},
        f"{site}/email/?": {"to": f"{NAME} at home", "recipient_name": NAME, "message": NAME},
        f"{site}/sign/": {"recipients-0-email": ADDRESS, "recipients-0-last_name": NAME},
        f"{site}/retry/": {},
        f"{site}/withdraw/": {},
        f"/admin/craftkit/share/{share.pk}/revoke/": {},
        f"/admin/craftkit/signaturerequest/{asked.pk}/cancel/": {"reason": NAME},
    }
    bodies: dict[str, dict[str, Any]] = {
        f"{api}renders/?wait=1": {"template": "invoice", "data": {NAME: ADDRESS}, "key": ADDRESS},
        f"{api}renders/": {"template": NAME * 99, "data": ADDRESS, "key": ADDRESS * 99},
        f"{api}renders/{shared.pk}/share/?wait=1": {"recipient_email": ADDRESS, "message": NAME},
        f"{api}renders/{shared.pk}/email/?wait=1": {"recipient_email": ADDRESS, "message": NAME},
        f"{api}renders/{shared.pk}/email/": {"recipient_email": NAME, "message": ADDRESS},
        f"{api}renders/{shared.pk}/sign/": {"recipients": [{"last_name": NAME, "email": NAME}]},
        f"{api}renders/{shared.pk}/record/": {"type": NAME, "metadata": {"by": ADDRESS}},
    }
    for url in (
        f"{site}/pdf/",
        f"{site}/sign/",
        shared.get_download_url(),
        f"{api}shares/?x={NAME}",
    ):
        admin_client.get(url)
    for url, body in bodies.items():
        admin_client.post(url, json.dumps(body), content_type="application/json")
    for url, form in forms.items():
        admin_client.post(url, {**form, "confirmed": "1"})
    with suppress(CraftkitError):
        get_client().emails.send(shared.remote_id, ADDRESS, recipient_name=NAME)
    craftkit.run()
    assert logged
    assert quoting(logged) == []


def test_nor_is_what_webhooks_say(
    craftkit: Kit, shared: Render, client: Client, settings: Any, logged: list[str]
):
    share, asked = shared.shares.filter(by_mail=False).get(), shared.signature_requests.get()
    send = Sender(client)
    secret = settings.CRAFTKIT_PROJECTS["default"]["WEBHOOK_SECRETS"][0].encode()
    about = {"renderId": str(shared.remote_id), "sourceIp": ADDRESS, "userAgent": NAME}
    for body in (
        {"event": "document.viewed", **about, "eventId": NAME, "eventType": ADDRESS},
        {"event": "render.failed", "renderId": ADDRESS, "errorMessage": SAID},
        {"event": "signature.declined", "signatureRequestId": NAME, "reason": SAID},
        {"event": f"form.{ADDRESS}", "data": {NAME: ADDRESS}},
        {"event": {"by": ADDRESS}},
        [ADDRESS],
    ):
        assert send(json.dumps(body).encode(), secret=secret).status_code == 200
    send(f"{{{ADDRESS}".encode(), secret=secret)
    send(ADDRESS.encode(), signature=NAME, timestamp=ADDRESS, delivery_id=ADDRESS)
    craftkit.open(share)
    craftkit.decline(asked, ADDRESS, SAID)
    settle(craftkit)
    craftkit.sandbox.faults.add("render_failed", message=SAID)
    Render.objects.request("invoice", {}, key=ADDRESS)
    for _try in range(10):
        settle(craftkit)
        craftkit.pass_time(3600)
    assert any("is declined" in text for text in logged)
    assert any("is failed" in text for text in logged)
    assert any("was refused" in text for text in logged)
    assert any("is abandoned" in text for text in logged)
    assert quoting(logged) == []


@pytest.mark.parametrize("status", [None, 403, 500])
def test_nor_is_what_commands_are_told(
    craftkit: Kit, shared: Render, order: Order, logged: list[str], status: int | None
):
    if status:
        craftkit.sandbox.faults.add("status", status=status, message=SAID, times=None)
    for name, *args in (
        ("craftkit_doctor",),
        ("craftkit_sync",),
        ("craftkit_replay", "--dry-run"),
        ("craftkit_prune",),
        ("craftkit_erase", "--address", f"{NAME} at home", "--no-input"),
        ("craftkit_erase", "--object", f"shop.Order:{ADDRESS}", "--no-input"),
        (
            "craftkit_erase",
            "--address",
            ADDRESS,
            "--object",
            f"shop.Order:{order.pk}",
            "--no-input",
        ),
    ):
        with suppress(CommandError, SystemExit):
            call_command(name, *args, stdout=StringIO(), stderr=StringIO())
        craftkit.run()
    assert Share.objects.exclude(erased_at=None).exists()
    assert quoting(logged) == []
