"""What settings say is not kept any longer goes; nothing else does."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from django_craftkit.clock import database_now
from django_craftkit.models import EngagementEvent, Render, WebhookDelivery
from django_craftkit.reconcile import deliveries, retention
from django_craftkit.tasks import prune

pytestmark = pytest.mark.django_db


def days_ago(days: float):
    return timezone.now() - timedelta(days=days)


def event(*, days: float, **values) -> EngagementEvent:
    render = Render.objects.filter(key="k").first() or Render.objects.request("t", {}, key="k")
    values = {"ip_address": "203.0.113.0", "user_agent": "Firefox", **values}
    return EngagementEvent.objects.create(
        project="default",
        event_id=uuid.uuid4(),
        render=render,
        type="viewed",
        actor="recipient",
        occurred_at=days_ago(days),
        **values,
    )


def delivery(status: str, *, days: float) -> WebhookDelivery:
    body = json.dumps({"event": "x", "n": uuid.uuid4().hex}).encode()
    WebhookDelivery.objects.store("default", str(uuid.uuid4()), body)
    row = WebhookDelivery.objects.get(body_hash=hashlib.sha256(body).hexdigest())
    WebhookDelivery.objects.filter(pk=row.pk).update(
        status=status, processed_at=days_ago(days), about=uuid.uuid4()
    )
    return row


def applied(payload: dict[str, object]) -> WebhookDelivery:
    """A webhook that has come, and what a worker made of it."""
    WebhookDelivery.objects.store("default", str(uuid.uuid4()), json.dumps(payload).encode())
    row = WebhookDelivery.objects.latest("pk")
    apply(row)
    return row


def apply(row: WebhookDelivery) -> None:
    WebhookDelivery.objects.filter(pk=row.pk).update(due_at=days_ago(1))
    deliveries.process(database_now())
    row.refresh_from_db()


def age(row: WebhookDelivery, days: float) -> None:
    WebhookDelivery.objects.filter(pk=row.pk).update(processed_at=days_ago(days))


def test_people_are_forgotten_after_a_while_and_what_happened_is_not():
    old, young = event(days=366), event(days=364)
    retention_total = prune()
    old.refresh_from_db()
    young.refresh_from_db()
    assert retention_total == 1
    assert (old.ip_address, old.user_agent, old.type) == (None, "", "viewed")
    assert (young.ip_address, young.user_agent) == ("203.0.113.0", "Firefox")


@pytest.mark.parametrize("kept", [{"ip_address": None}, {"user_agent": ""}])
def test_either_is_forgotten_where_only_one_was_kept(kept):
    old = event(days=400, **kept)
    prune()
    old.refresh_from_db()
    assert (old.ip_address, old.user_agent) == (None, "")


def test_a_body_goes_once_the_webhook_was_worked_off_and_its_hash_stays():
    gone = [delivery(status, days=31) for status in ("processed", "ignored")]
    kept = [delivery("processed", days=29)]
    kept += [delivery(status, days=31) for status in ("received", "failed", "abandoned")]
    assert prune() == 2
    for row in gone:
        row.refresh_from_db()
        assert (row.is_body_kept, len(row.body_hash)) == (False, 64)
        assert not row.replay()
    for row in kept:
        row.refresh_from_db()
        assert row.is_body_kept


@pytest.mark.parametrize("event", ["form.submitted", "RENDER.SUCCEEDED", "render.paused", ""])
def test_the_body_of_an_event_that_this_version_does_not_know_stays(event, capsys):
    row = applied({"event": event, "renderId": str(uuid.uuid4()), "fields": {"name": "Ada"}})
    assert (row.status, row.event) == ("ignored", event)
    age(row, days=9999)
    call_command("craftkit_prune", "--dry-run")
    assert "0 bodies of webhooks would go." in capsys.readouterr().out
    assert prune() == 0
    row.refresh_from_db()
    assert json.loads(bytes(row.body))["fields"] == {"name": "Ada"}


def test_a_later_version_applies_what_an_earlier_one_ignored(monkeypatch):
    """Also after its retention ran, which knows the event by then."""
    row = applied({"event": "form.submitted", "submissionId": str(uuid.uuid4())})
    age(row, days=9999)
    heard = []

    def read_submission(facts, project, payload):
        heard.append(payload)
        return uuid.UUID(payload["submissionId"])

    monkeypatch.setitem(deliveries._READERS, "form.submitted", read_submission)
    assert prune() == 0
    assert row.replay()
    apply(row)
    assert [payload["event"] for payload in heard] == ["form.submitted"]
    assert row.about == uuid.UUID(heard[0]["submissionId"])


def test_the_body_of_an_event_that_is_known_goes_though_its_object_is_not():
    row = applied(
        {
            "event": "render.succeeded",
            "renderId": str(uuid.uuid4()),
            "templateId": str(uuid.uuid4()),
            "status": "succeeded",
            "createdAt": "2026-05-01T10:00:00.000Z",
            "completedAt": "2026-05-01T10:00:01.000Z",
        }
    )
    apply(row)
    assert row.status == "ignored"
    age(row, days=31)
    assert prune() == 1
    row.refresh_from_db()
    assert not row.is_body_kept


@override_settings(CRAFTKIT={"ENGAGEMENT_KEEP_DAYS": None, "DELIVERY_KEEP_DAYS": None})
def test_none_keeps_for_ever():
    event(days=9999)
    delivery("processed", days=9999)
    assert prune() == 0


def test_it_goes_batch_by_batch_and_ends(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        event(days=400)
    assert [number for _name, number in retention.prune()] == [2, 2, 1]
    assert list(retention.prune()) == []


def test_the_command_says_what_it_did_and_what_it_would_do(capsys):
    event(days=400)
    delivery("ignored", days=40)
    call_command("craftkit_prune", "--dry-run")
    assert "1 addresses and browsers would go." in capsys.readouterr().out
    call_command("craftkit_prune")
    assert "Dropped: 1 addresses and browsers, 1 bodies of webhooks." in capsys.readouterr().out
    call_command("craftkit_prune")
    assert "nothing was due" in capsys.readouterr().out
