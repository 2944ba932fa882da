"""What ends badly and is for a person to look at has one line in the log, without personal data."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

import pytest

from django_craftkit.log import FIELDS
from django_craftkit.models import Render, WebhookDelivery
from django_craftkit.reconcile import deliveries
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db

NAME, ADDRESS, MESSAGE = "Ada Lovelace", "ada@example.com", "Your secret invoice"


def refuse(craftkit: Kit, path: str, code: str = "invalid_request", status: int = 400) -> None:
    craftkit.sandbox.faults.add("status", method="POST", path=path, status=status, code=code)


def refused_document(craftkit: Kit) -> tuple[str, str]:
    refuse(craftkit, "/v1/templates/*/render")
    render = Render.objects.request("invoice", {"name": NAME})
    return f"Document {render.pk} (invoice) of project 'default' is rejected", "invalid_request"


def failed_document(craftkit: Kit) -> tuple[str, str]:
    craftkit.sandbox.faults.add("render_failed", message=f"No such font for {NAME}.")
    render = Render.objects.request("invoice", {"name": NAME})
    return f"Document {render.pk} (invoice) of project 'default' is failed", "no code"


def ready(craftkit: Kit) -> Render:
    render = Render.objects.request("invoice", {"name": NAME})
    craftkit.run()
    render.refresh_from_db()
    return render


def refused_link(craftkit: Kit) -> tuple[str, str]:
    refuse(craftkit, "*/shares")
    share = ready(craftkit).share(message=MESSAGE)
    return f"Link {share.pk} to document {share.render_id} of project 'default'", "invalid_request"


def refused_mail(craftkit: Kit) -> tuple[str, str]:
    refuse(craftkit, "*/email", "email_send_failed", 502)
    share = ready(craftkit).email(ADDRESS, recipient_name=NAME, message=MESSAGE)
    start = f"E-mail {share.pk} to document {share.render_id} of project 'default' is rejected"
    return start, "email_send_failed"


def request(craftkit: Kit):
    return ready(craftkit).send_for_signature(
        [Recipient("Ada", "Lovelace", ADDRESS)], anchor_tags=[AnchorTag("{{sign}}", "signature")]
    )


def refused_signature_request(craftkit: Kit) -> tuple[str, str]:
    refuse(craftkit, "*/signatures")
    row = request(craftkit)
    start = f"Signature request {row.pk} for document {row.render_id} of project 'default'"
    return f"{start} is rejected", "invalid_request"


def declined_signature_request(craftkit: Kit) -> tuple[str, str]:
    row = request(craftkit)
    craftkit.run()
    craftkit.sandbox.decline(craftkit.signatures[0].id, ADDRESS, MESSAGE)
    start = f"Signature request {row.pk} for document {row.render_id} of project 'default'"
    return f"{start} is declined", "no code"


def abandoned_webhook(craftkit: Kit) -> tuple[str, str]:
    delivery = WebhookDelivery.objects.create(
        project="default",
        delivery_id=uuid.uuid4(),
        body=f"{NAME} has no JSON".encode(),
        body_hash="0" * 64,
        due_at=craftkit._now(),
        attempts=deliveries.MAX_ATTEMPTS - 1,
    )
    return f"The webhook {delivery.delivery_id} of project 'default' is abandoned", "8 tries"


@pytest.mark.parametrize(
    "make",
    [
        refused_document,
        failed_document,
        refused_link,
        refused_mail,
        refused_signature_request,
        declined_signature_request,
        abandoned_webhook,
    ],
)
def test_there_is_one_line(
    craftkit: Kit, caplog: pytest.LogCaptureFixture, make: Callable[[Kit], tuple[str, str]]
):
    start, why = make(craftkit)
    settle(craftkit)
    craftkit.run()
    records = [one for one in caplog.records if one.levelno >= logging.WARNING]
    lines = [one.getMessage() for one in records]
    assert [line for line in lines if line.startswith(start)] == lines
    assert len(lines) == 1
    assert why in lines[0]
    assert not any(word in lines[0] for word in (NAME, ADDRESS, MESSAGE, "Ada"))
    # Machines find it by its fields; the first number of the line is the row's.
    (fields,) = [{name: getattr(one, name) for name in FIELDS} for one in records]
    kind = make.__name__.rpartition("_")[2]
    kinds = {"document": "render", "link": "share", "mail": "share", "request": "signature"}
    assert (fields["project"], fields["kind"]) == ("default", kinds.get(kind, "webhookdelivery"))
    if kind == "webhook":
        assert fields["object"] == WebhookDelivery.objects.latest("pk").pk
        assert fields["attempt"] == deliveries.MAX_ATTEMPTS
    else:
        assert f" {fields['object']} " in start
        assert fields["attempt"] == (None if kinds[kind] == "share" else 1)


def test_it_names_the_fields_that_are_wrong_and_not_what_is_in_them(craftkit: Kit, caplog):
    variable = {"key": "total", "label": "Total", "dataType": "number", "required": True}
    craftkit.put_template("receipt", {"variables": [variable], "loops": []})
    Render.objects.request("receipt", {"total": NAME})
    settle(craftkit)
    (line,) = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert "total" in line
    assert NAME not in line


@pytest.mark.parametrize(
    ("path", "act"),
    [
        ("*/email", lambda render: render.email(ADDRESS, recipient_name=NAME, message=MESSAGE)),
        ("*/shares", lambda render: render.share(recipient_email=ADDRESS, message=MESSAGE)),
    ],
    ids=["e-mail", "link"],
)
def test_what_may_have_been_sent_is_told_without_the_words_of_the_answer(
    craftkit: Kit, caplog: pytest.LogCaptureFixture, path: str, act: Callable[[Render], object]
):
    words = f"{NAME} <{ADDRESS}>: {MESSAGE}"
    craftkit.sandbox.faults.add(
        "status", method="POST", path=path, status=500, code="internal_error", message=words
    )
    act(ready(craftkit))
    craftkit.run()
    lines = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    (line,) = [one for one in lines if "may have been" in one]
    assert "500 internal_error" in line
    assert not any(word in text for word in (NAME, ADDRESS, MESSAGE) for text in lines)
