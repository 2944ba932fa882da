"""What a signed webhook says is read by the worker, and nothing that it says can stop it."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_craftkit.clock import database_now
from django_craftkit.models import Job, Render, WebhookDelivery
from django_craftkit.privacy import kept_body
from tests.seams import process_webhooks

from .conftest import render_event

pytestmark = pytest.mark.django_db

KNOWN = uuid.UUID("7d3c2f1e-0000-4000-8000-000000000001")


def keep(*bodies: bytes) -> None:
    for body in bodies:
        WebhookDelivery.objects.store("default", str(uuid.uuid4()), body)


def work_off() -> list[WebhookDelivery]:
    while process_webhooks(database_now()):
        pass
    return list(WebhookDelivery.objects.order_by("pk"))


@pytest.fixture
def known(craftkit):
    """A document that is under way and whose end Craftkit may announce."""
    return Render.objects.create(
        template="invoice", key="known", key_hash="x" * 64, status="queued", remote_id=KNOWN
    )


def test_a_webhook_of_craftkits_moves_its_document(known, craftkit):
    keep(render_event(KNOWN))
    (delivery,) = work_off()
    known.refresh_from_db()
    assert (delivery.status, delivery.event, delivery.about, delivery.error) == (
        "processed",
        "render.succeeded",
        KNOWN,
        "",
    )
    assert delivery.processed_at is not None
    assert delivery.due_at is None
    assert known.status == "succeeded"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", "body_no_json", id="nothing"),
        pytest.param(b"not JSON", "body_no_json", id="words"),
        pytest.param(b'{"event": "render.succeeded"', "body_no_json", id="half"),
        pytest.param(b'{"event": "\xff\xfe"}', "body_no_json", id="no UTF-8"),
        pytest.param(b"[" * 200_000, "body_no_json", id="deep list"),
        pytest.param(b'{"a":' * 200_000, "body_no_json", id="deep object"),
        pytest.param(b"[]", "body_without_event", id="list"),
        pytest.param(b"null", "body_without_event", id="null"),
        pytest.param(b'"render.succeeded"', "body_without_event", id="text"),
        pytest.param(b"{}", "body_without_event", id="no event"),
        pytest.param(b'{"event": 7}', "body_without_event", id="event is a number"),
        pytest.param(
            b'{"event": {"render": "succeeded"}}', "body_without_event", id="event is an object"
        ),
        pytest.param(b'{"event": "render.succeeded"}', "body_unreadable", id="no render"),
        pytest.param(
            b'{"event": "render.succeeded", "renderId": "x"}', "body_unreadable", id="id is no UUID"
        ),
        pytest.param(render_event(KNOWN, status=None), "body_unreadable", id="no status"),
    ],
)
def test_what_cannot_be_used_is_kept_with_the_reason(known, body, code):
    keep(body)
    (delivery,) = work_off()
    assert (delivery.status, delivery.processed_at) == ("failed", None)
    assert delivery.due_at is not None
    assert bytes(delivery.body) == kept_body(body)
    assert delivery.error_code == code
    assert "Error:" not in delivery.error
    known.refresh_from_db()
    assert known.status == "queued"


@pytest.mark.parametrize("event", ["render.paused", "", "x" * 5_000, "é", "form.opened"])
def test_an_unknown_event_is_ignored(known, event):
    keep(json.dumps({"event": event}).encode())
    (delivery,) = work_off()
    assert (delivery.status, delivery.event) == ("ignored", event[:64])
    assert delivery.processed_at is not None
    assert delivery.due_at is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"event": "a\\u0000b"}', id="NUL in the event"),
        pytest.param(b'{"event": "a\\ud800b"}', id="half a character in the event"),
        pytest.param(render_event(KNOWN, errorMessage="a\0b"), id="NUL in a text"),
        pytest.param(render_event(KNOWN, errorMessage="a\ud800b"), id="half a character"),
        pytest.param(render_event(KNOWN, more={"a\0": "\0"}), id="NUL in what is new to us"),
        pytest.param(render_event(KNOWN, more="\ud800"), id="half a character in what is new"),
        pytest.param(render_event(KNOWN, more=float("nan")), id="NaN"),
        pytest.param(render_event(KNOWN, more=float("inf")), id="infinite"),
        pytest.param(render_event(KNOWN, durationMs=10**30), id="a long time"),
        pytest.param(render_event(KNOWN, status="a" * 200), id="a long status"),
        pytest.param(render_event(KNOWN, createdAt="0001-01-01T00:00:00+14:00"), id="year 0"),
        pytest.param(render_event(KNOWN, createdAt="9999-12-31T23:59:59-14:00"), id="year 10000"),
        pytest.param(render_event(KNOWN, templateId="7"), id="a template that is none"),
    ],
)
def test_what_no_database_can_store_stops_nothing(known, body):
    keep(render_event(uuid.uuid4()), body, b'{"event": "other"}')
    before, odd, after = work_off()
    # For the first one its document may yet come.
    assert (before.status, after.status) == ("received", "ignored")
    assert odd.status in ("failed", "ignored", "processed")
    assert bool(odd.problem) == (odd.status == "failed")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from([str(KNOWN), "succeeded", "failed", "2026-05-01T10:00:00Z", "é" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
NAMES = ["event", "renderId", "templateId", "status", "errorMessage", "createdAt", "completedAt"]


@given(
    changes=st.dictionaries(
        st.sampled_from(NAMES) | st.text(max_size=9).filter(lambda name: name != "remote_id"),
        JSON,
        max_size=4,
    )
)
@example(changes={"errorMessage": "\x00", "status": "failed"})
@example(changes={"event": "\ud800"})
def test_whatever_craftkit_may_come_to_send_is_noted(known, changes):
    WebhookDelivery.objects.all().delete()
    keep(render_event(KNOWN, **changes))
    (delivery,) = work_off()
    assert delivery.status in ("processed", "ignored", "failed")
    assert bool(delivery.problem) == (delivery.status == "failed")


@given(body=st.binary(max_size=300))
def test_whatever_bytes_are_signed_are_noted(craftkit, body):
    WebhookDelivery.objects.all().delete()
    keep(body)
    (delivery,) = work_off()
    assert delivery.status in ("ignored", "failed")


def test_an_answer_that_is_lost_is_told_by_the_webhook(craftkit):
    """The whole way: Craftkit says nothing else, the document ends all the same."""
    render = Render.objects.request("invoice", {"total": 1})
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert not Job.objects.exists()
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"processed"}


def test_a_delivery_that_was_heard_of_twice_counts_once(known, craftkit):
    delivery_id = str(uuid.uuid4())
    for _ in range(2):
        WebhookDelivery.objects.store("default", delivery_id, render_event(KNOWN))
        work_off()
    assert WebhookDelivery.objects.get().status == "processed"


def test_a_delivery_is_stored_with_one_query_that_answers_nothing(django_assert_num_queries):
    for _ in range(2):
        with django_assert_num_queries(1) as queries:
            WebhookDelivery.objects.store("default", "1", b"{}")
        assert "RETURNING" not in queries[0]["sql"]
    assert WebhookDelivery.objects.count() == 1
