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
from django_craftkit.models import Change, EngagementEvent, Render, WebhookDelivery
from django_craftkit.reconcile import retention
from django_craftkit.signing import AnchorTag, Recipient
from django_craftkit.tasks import prune
from tests.seams import process_webhooks, webhooks_read

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
    process_webhooks(database_now())
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


@pytest.mark.parametrize("event", ["form.opened", "RENDER.SUCCEEDED", "render.paused", ""])
def test_the_body_of_an_event_that_this_version_does_not_know_stays(event, capsys):
    row = applied({"event": event, "renderId": str(uuid.uuid4()), "fields": {"name": "Ada"}})
    assert (row.status, row.event) == ("ignored", event)
    age(row, days=9999)
    call_command("craftkit_prune", "--dry-run")
    assert "0 bodies" in capsys.readouterr().out
    assert prune() == 0
    row.refresh_from_db()
    assert json.loads(bytes(row.body))["fields"] == {"name": "Ada"}


def test_a_later_version_applies_what_an_earlier_one_ignored(monkeypatch):
    """Also after its retention ran, which knows the event by then."""
    row = applied({"event": "form.opened", "submissionId": str(uuid.uuid4())})
    age(row, days=9999)
    heard = []

    def read_submission(facts, project, payload):
        heard.append(payload)
        return uuid.UUID(payload["submissionId"])

    webhooks_read(monkeypatch, "form.opened", read_submission)
    assert prune() == 0
    assert row.replay()
    apply(row)
    assert [payload["event"] for payload in heard] == ["form.opened"]
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


# Repeats: a webhook that somebody has seen, and sends again and again.

READY = {
    "event": "render.succeeded",
    "renderId": "5f0c4bd0-8c3b-4f0a-9a1f-6f7d1c2b3a4e",
    "templateId": "0d9b8a76-5c4d-4e3f-8a2b-1c0d9e8f7a6b",
    "status": "succeeded",
    "createdAt": "2026-05-01T10:00:00.000Z",
    "completedAt": "2026-05-01T10:00:01.000Z",
}


@pytest.fixture
def document() -> Render:
    """The document that the webhook is about."""
    render = Render.objects.request("t", {}, key="k")
    Render.objects.update(remote_id=READY["renderId"], status="queued", sent_at=timezone.now())
    return render


def copies(row: WebhookDelivery, number: int, **values) -> list[WebhookDelivery]:
    """The same webhook, as often, under fresh ids."""
    row.refresh_from_db()
    names = {field.attname for field in row._meta.concrete_fields} - {"id", "delivery_id"}
    same = {name: getattr(row, name) for name in names} | values
    rows = [WebhookDelivery(delivery_id=uuid.uuid4(), **same) for _ in range(number)]
    return WebhookDelivery.objects.bulk_create(rows, batch_size=1_000)


def left() -> set[int]:
    return set(WebhookDelivery.objects.values_list("pk", flat=True))


def test_a_repeat_is_applied_changes_nothing_and_goes_after_a_day(document):
    first, again = applied(READY), applied(READY)
    assert (first.status, again.status) == ("processed", "processed")
    assert first.body_hash == again.body_hash
    assert Change.objects.get(to_status="succeeded").object_id == document.pk
    age(first, days=1.5)
    age(again, days=0.9)
    assert prune() == 0
    age(again, days=1.1)
    assert prune() == 1
    assert left() == {first.pk}
    first.refresh_from_db()
    assert json.loads(bytes(first.body)) == READY
    assert first.replay()


def test_ten_thousand_repeats_go_first_and_in_few_queries(
    document, django_assert_max_num_queries, settings
):
    first = applied(READY)
    age(first, days=31)
    other = delivery("processed", days=31)
    copies(first, 10_000)
    with django_assert_max_num_queries(60):
        dropped = list(retention.prune())
    assert dropped == [*[("repeated webhooks", 1_000)] * 10, ("bodies of webhooks", 2)]
    assert left() == {first.pk, other.pk}


def test_only_what_was_applied_as_the_first_was_is_a_repeat(document):
    first = applied(READY)
    age(first, days=100)
    kept = {first.pk, delivery("processed", days=100).pk}
    for status in ("received", "failed", "abandoned", "ignored"):
        rows = copies(first, 2, status=status)
        # Of two that were ignored, the second is a repeat: what they are about is known.
        kept |= {row.pk for row in rows[: 1 if status == "ignored" else 2]}
    kept |= {row.pk for row in copies(first, 1, project="eu")}
    kept |= {row.pk for row in copies(first, 1, body_hash="0" * 64)}
    with override_settings(CRAFTKIT={"DELIVERY_KEEP_DAYS": 1_000}):
        assert prune() == 1
    assert left() == kept


def test_no_event_that_this_version_does_not_know_is_a_repeat():
    rows = [applied({"event": "form.opened", "fields": {"name": "Ada"}}) for _ in range(3)]
    for row in rows:
        age(row, days=9999)
    assert prune() == 0
    assert left() == {row.pk for row in rows}


def test_where_the_first_has_no_body_any_more_the_next_one_keeps_it(document):
    first = applied(READY)
    age(first, days=31)
    assert prune() == 1
    late = applied(READY)
    age(late, days=2)
    copies(late, 3)
    assert prune() == 3
    assert left() == {first.pk, late.pk}


def test_a_repeat_that_is_to_be_applied_once_more_stays(document, monkeypatch):
    """Staff ask for it between the query that finds the repeats and the one that deletes them."""
    first = applied(READY)
    age(first, days=2)
    again, replayed = copies(first, 2)
    monkeypatch.setattr(retention, "BATCH", 1)
    batches = retention.prune()
    assert next(batches) == ("repeated webhooks", 1)
    assert replayed.replay()
    assert sum(number for _name, number in batches) == 0
    assert left() == {first.pk, replayed.pk}
    assert again.pk not in left()


@override_settings(CRAFTKIT={"DELIVERY_ROWS_KEEP_DAYS": 90})
def test_webhooks_go_altogether_where_settings_say_so_and_no_copy_that_is_the_only_one():
    gone = [delivery(status, days=91) for status in ("processed", "ignored")]
    kept = [delivery("processed", days=89)]
    kept += [delivery(status, days=91) for status in ("received", "failed", "abandoned")]
    unknown = delivery("ignored", days=91)
    WebhookDelivery.objects.filter(pk=unknown.pk).update(about=None)
    prune()
    assert left() == {row.pk for row in [*kept, unknown]}
    assert not left() & {row.pk for row in gone}


@pytest.fixture
def made():
    """A document that was ready long ago."""
    render = Render.objects.request("invoice", {"customer": "Ada"}, key="i-1")
    Render.objects.filter(pk=render.pk).update(
        status="succeeded", remote_id=uuid.UUID(int=1), completed_at=days_ago(400)
    )
    return render


def data_of(render: Render) -> object:
    render.refresh_from_db()
    return render.data


class TestTheDataOfADocument:
    @pytest.fixture(autouse=True)
    def _kept_for_a_year(self, settings):
        settings.CRAFTKIT = {"DATA_KEEP_DAYS": 365}

    def test_go_and_the_document_stays(self, made):
        prune()
        assert data_of(made) is None
        assert made.key == "i-1"
        again = Render.objects.request("invoice", {"customer": "Ada"}, key="i-1")
        assert (again.pk, data_of(again)) == (made.pk, None)

    @pytest.mark.parametrize("status", ["failed", "rejected", "cancelled", "pending"])
    def test_stay_where_it_may_be_retried(self, made, status):
        Render.objects.update(status=status)
        prune()
        assert data_of(made) == {"customer": "Ada"}

    def test_stay_where_it_is_younger(self, made):
        Render.objects.update(completed_at=days_ago(364))
        prune()
        assert data_of(made) == {"customer": "Ada"}

    @pytest.mark.parametrize(
        ("link", "is_kept"),
        [
            ({"status": "active"}, True),
            ({"status": "pending"}, True),
            ({"status": "unknown"}, True),
            ({"status": "active", "expires_at": days_ago(1)}, False),
            ({"status": "revoked"}, False),
            ({"status": "rejected"}, False),
        ],
        ids=range(6),
    )
    def test_stay_with_an_open_link(self, made, link, is_kept):
        share = made.share()
        type(share).objects.filter(pk=share.pk).update(**link)
        prune()
        assert (data_of(made) is not None) == is_kept

    @pytest.mark.parametrize(
        ("status", "is_kept"), [("pending", True), ("viewed", True), ("completed", False)]
    )
    def test_stay_with_a_signature_request_that_has_not_ended(self, made, status, is_kept):
        request = made.send_for_signature(
            [Recipient("Ada", "", "ada@example.com")],
            anchor_tags=[AnchorTag("here", "date")],
            name="One",
        )
        type(request).objects.filter(pk=request.pk).update(status=status)
        prune()
        assert (data_of(made) is not None) == is_kept


@override_settings(CRAFTKIT={"HISTORY_KEEP_DAYS": 365})
@pytest.mark.parametrize(
    ("values", "is_kept"),
    [
        ({}, False),
        ({"announcement": "done"}, False),
        ({"announcement": "due"}, True),
        ({"announcement": "abandoned"}, True),
        ({"to_status": "overdue"}, True),
        ({"to_status": "archived"}, True),
        ({"created_at": days_ago(364)}, True),
    ],
    ids=range(7),
)
def test_lines_of_history_go_that_nobody_has_yet_to_hear_of(values, is_kept):
    line = {"kind": "render", "object_id": 1, "to_status": "succeeded", "cause": "poll"}
    row = Change.objects.create(**{**line, "created_at": days_ago(366), **values})
    prune()
    assert Change.objects.filter(pk=row.pk).exists() == is_kept


@override_settings(CRAFTKIT={"ENGAGEMENT_KEEP_DAYS": None, "DELIVERY_KEEP_DAYS": None})
def test_none_keeps_for_ever():
    event(days=9999)
    copies(delivery("processed", days=9999), 2)
    assert prune() == 0
    assert len(left()) == 3


def test_it_goes_batch_by_batch_and_ends(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        event(days=400)
    assert [number for _name, number in retention.prune()] == [2, 2, 1]
    assert list(retention.prune()) == []


def test_the_command_says_what_it_did_and_what_it_would_do(capsys):
    event(days=400)
    delivery("ignored", days=40)
    copies(delivery("processed", days=20), 2)
    call_command("craftkit_prune", "--dry-run")
    dropped = ["2 repeated webhooks", "1 addresses and browsers", "1 bodies of webhooks"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(retention.KINDS)
    for line, what in zip(lines, dropped, strict=False):
        assert line.startswith(what)
    call_command("craftkit_prune")
    (said,) = capsys.readouterr().out.splitlines()
    assert ", ".join(dropped) in said
    call_command("craftkit_prune")
    assert "nothing was due" in capsys.readouterr().out
