"""Webhooks that a test makes up: any event, twice, late, out of order, and of things unknown."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from django_craftkit.embedding import create_session
from django_craftkit.models import (
    EngagementEvent,
    FormSubmission,
    Render,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.signing import AnchorTag, Recipient
from django_craftkit.testing import factories


def statuses() -> list[str]:
    return [*WebhookDelivery.objects.order_by("pk").values_list("status", flat=True)]


@pytest.fixture
def queued(craftkit) -> Render:
    """A document that Craftkit has not got ready."""
    craftkit.sandbox.render_time = None
    render = Render.objects.request("invoice", {})
    craftkit.run()
    render.refresh_from_db()
    return render


@pytest.mark.parametrize("status", ["succeeded", "failed"])
@pytest.mark.parametrize("of", ["row", "remote"])
def test_a_document_comes_to_its_end(craftkit, queued, status, of):
    at = timezone.now().replace(microsecond=0) - timedelta(minutes=5)
    about = queued if of == "row" else craftkit.renders[0]
    assert craftkit.webhook(f"render.{status}", about, at=at).status_code == 200
    craftkit.run()
    queued.refresh_from_db()
    assert (queued.status, queued.completed_at) == (status, at)
    assert queued.error == ("Failed by the test." if status == "failed" else "")


def test_the_body_can_say_otherwise(craftkit, queued):
    craftkit.webhook("render.failed", queued, body={"errorMessage": "Out of paper"})
    craftkit.run()
    queued.refresh_from_db()
    assert queued.error == "Out of paper"


def test_out_of_order(craftkit, queued):
    craftkit.webhook("render.succeeded", queued)
    craftkit.webhook("render.rendering", queued)
    craftkit.run()
    queued.refresh_from_db()
    assert queued.status == "succeeded"


def test_twice_under_one_id_and_under_two(craftkit, ready):
    before = WebhookDelivery.objects.count()
    for number in (1, 2, 2):
        known = str(uuid.UUID(int=number))
        assert craftkit.webhook("document.viewed", ready, id=known).status_code == 200
    craftkit.run()
    assert WebhookDelivery.objects.count() == before + 2
    # Each call tells of an event of its own.
    assert EngagementEvent.objects.filter(type="viewed").count() == 2


def test_late_and_early(craftkit, settings, ready):
    settings.CRAFTKIT = {"WEBHOOK_TOLERANCE": 60}
    for seconds, status in ((30, 200), (90, 400), (-30, 200), (-90, 400)):
        sent_at = timezone.now() - timedelta(seconds=seconds)
        answer = craftkit.webhook("render.succeeded", ready, sent_at=sent_at)
        assert answer.status_code == status
    craftkit.pass_time(3600)
    assert craftkit.webhook("render.succeeded", ready).status_code == 200


def test_signed_by_somebody_else(craftkit, ready):
    before = WebhookDelivery.objects.count()
    assert craftkit.webhook("render.failed", ready, secret="guessed").status_code == 401
    assert WebhookDelivery.objects.count() == before


def test_an_event_that_is_unknown_and_one_of_what_is_unknown(craftkit, ready):
    craftkit.run()
    before = len(statuses())
    craftkit.webhook("render.exploded", ready)
    craftkit.webhook("order.paid", body={"orderId": 7})
    # A body that says too little is kept, and looked at again.
    craftkit.webhook("render.succeeded", body={"renderId": str(uuid.uuid4())})
    craftkit.webhook("render.succeeded")
    craftkit.run()
    assert statuses()[before:] == ["ignored", "ignored", "failed", "failed"]


def test_of_a_link(craftkit, ready):
    share = ready.share()
    craftkit.run()
    share.refresh_from_db()
    for about in (share, craftkit.shares[0]):
        craftkit.webhook("document.viewed", about)
    craftkit.run()
    events = EngagementEvent.objects.filter(type="viewed")
    assert [*events.values_list("share_remote_id", "actor")] == [(share.remote_id, "recipient")] * 2


def test_of_a_signature_request_is_only_a_reason_to_ask(craftkit, ready):
    request = ready.send_for_signature(
        [Recipient("Ada", "Byron", "ada@example.com")], anchor_tags=[AnchorTag("x", "signature")]
    )
    craftkit.run()
    request.refresh_from_db()
    for about in (request, craftkit.signatures[0]):
        for event in ("signed", "completed"):
            assert craftkit.webhook(f"signature.{event}", about).status_code == 200
    asked = len(craftkit.sandbox.requests)
    craftkit.run()
    assert len(craftkit.sandbox.requests) > asked
    assert SignatureRequest.objects.get().status == "sent"
    assert set(statuses()) == {"processed"}


def test_of_a_form(craftkit):
    session = create_session("handover")
    craftkit.webhook("form.submitted", session.row, body={"data": {"number": "A-1"}})
    craftkit.run()
    assert FormSubmission.objects.get().data == {"number": "A-1"}


def test_what_craftkit_does_not_know_yet_it_tells_nothing_of(craftkit):
    with pytest.raises(ValueError, match="no id at Craftkit yet"):
        craftkit.webhook("render.succeeded", Render.objects.request("invoice", {}))


def test_of_a_row_of_a_factory(craftkit):
    render = factories.render_factory(status="queued")
    craftkit.webhook("render.succeeded", render)
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"


def test_it_looks_as_craftkit_s_own(craftkit, quick_papers):
    """The sandbox, which is written from Craftkit's documentation alone, says no more."""
    session = create_session("handover")
    render = Render.objects.request("invoice", {})
    share = render.email("ada@example.com")
    request = render.send_for_signature(
        [Recipient("Ada", "Byron", "ada@example.com")], anchor_tags=[AnchorTag("x", "signature")]
    )
    craftkit.run()
    for row in (render, share, request):
        row.refresh_from_db()
    craftkit.open(craftkit.outbox[0])
    craftkit.view(request)
    craftkit.sign(request)
    craftkit.submit_form("handover", {"number": "A-1"})
    about = {"render": render, "document": share, "signature": request, "form": session.row}
    sent = {one.event: set(one.payload) for one in craftkit.sandbox.deliveries}
    assert {event.partition(".")[0] for event in sent} == set(about)
    assert len(sent) > 8
    for event, names in sent.items():
        assert craftkit.webhook(event, about[event.partition(".")[0]]).status_code == 200
        mine = set(json.loads(bytes(WebhookDelivery.objects.latest("pk").body)))
        # Whom `signature.sent` names; what this site takes out of a body before it stores it.
        left = {"name", "recipients", "downloadUrl", "sourceIp", "userAgent"}
        # Some events come from no document.
        assert names - mine <= left | ({"templateId"} if event.startswith("document.") else set())
        assert mine - names == set()


def test_the_projects_are_several(craftkit, settings):
    secret = {"WEBHOOK_SECRETS": ["of the EU"]}
    default = settings.CRAFTKIT_PROJECTS["default"]
    settings.CRAFTKIT_PROJECTS = {"default": default, "eu": {**default, **secret}}
    render = Render.objects.request("invoice", {}, project="eu")
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, craftkit.renders[0].project) == ("succeeded", "eu")
    assert craftkit.webhook("render.succeeded", render).status_code == 200
    share = render.share()
    craftkit.run()
    share.refresh_from_db()
    assert craftkit.webhook("document.viewed", craftkit.shares[0]).status_code == 200
    assert set(WebhookDelivery.objects.values_list("project", flat=True)) == {"eu"}
    assert craftkit.webhook("render.succeeded", render, project="us").status_code == 401


def test_moments_are_those_of_the_kit(craftkit, queued):
    craftkit.pass_time(86_400)
    craftkit.webhook("render.succeeded", queued)
    craftkit.run()
    queued.refresh_from_db()
    assert queued.completed_at > datetime.now(UTC) + timedelta(hours=23)
