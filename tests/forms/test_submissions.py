"""Submissions of forms: each body a row, once; what is no row yet is never dropped."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit import clock
from django_craftkit.models import (
    Change,
    EmbedSession,
    FormSubmission,
    Job,
    Render,
    WebhookDelivery,
)
from django_craftkit.privacy import kept_body
from django_craftkit.reconcile import deliveries, due, retention, sweeping
from django_craftkit.signals import form_submitted
from tests.forms.helpers import DATA, form_event, noted, store
from tests.helpers import at_once, connected
from tests.seams import process_webhooks
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


def test_a_submission_is_a_row_about_what_its_session_is_about(craftkit):
    order = Order.objects.create(number="1")
    session = noted(source=order)
    store(form_event(session.remote_id, someday="new"))
    craftkit.run()
    row = FormSubmission.objects.for_object(order).get()
    assert (row.source, row.session) == (order, session)
    assert (row.template, row.version, row.data) == ("handover", 6, DATA)
    assert row.submitted_at == datetime(2026, 6, 5, 11, tzinfo=UTC)
    assert row.answer == {"someday": "new"}
    assert (row.render, row.render_remote_id) == (None, None)
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.event) == ("processed", "form.submitted")
    assert (delivery.about, delivery.received_at) == (session.remote_id, row.received_at)


def test_one_of_a_session_that_nobody_has_noted_is_about_nothing(craftkit):
    store(form_event())
    craftkit.run()
    row = FormSubmission.objects.get()
    assert (row.source, row.session) == (None, None)
    assert row.data == DATA
    assert WebhookDelivery.objects.get().status == "processed"


def test_another_projects_session_is_another(craftkit):
    session = noted(source=Order.objects.create(number="1"))
    store(form_event(session.remote_id), project="eu")
    craftkit.run()
    assert FormSubmission.objects.get().source is None


def test_the_same_body_is_one_submission_whatever_delivery_it_comes_by(craftkit):
    body, heard = form_event(), []
    with connected(lambda instance, **kwargs: heard.append(instance.pk), form_submitted):
        for _ in range(2):
            store(body)
        craftkit.run()
        store(body)
        craftkit.run()
    assert heard == [FormSubmission.objects.get().pk]
    assert Change.objects.filter(kind="form").count() == 1
    assert set(WebhookDelivery.objects.values_list("status")) == {("processed",)}


def test_the_same_data_sent_once_more_are_another_submission(craftkit):
    session = uuid.uuid4()
    for minute in (0, 1):
        store(form_event(session, submittedAt=f"2026-06-05T11:0{minute}:00.000Z"))
    craftkit.run()
    assert FormSubmission.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_body_write_one_row(craftkit):
    body = form_event()
    for _ in range(2):
        store(body)
    one, other = WebhookDelivery.objects.order_by("pk")
    now = clock.now()
    WebhookDelivery.objects.update(
        leased_until=now + timedelta(minutes=1), lease_token=uuid.uuid4()
    )
    one.refresh_from_db()
    other.refresh_from_db()
    assert (
        at_once(
            lambda: deliveries._apply([one], now), lambda: deliveries._apply([other], now)
        ).count(None)
        >= 1
    )
    assert FormSubmission.objects.count() == 1


def test_many_take_as_many_queries_as_few(craftkit):
    def queries_for(number: int) -> int:
        for _ in range(number):
            store(form_event(noted().remote_id))
        with CaptureQueriesContext(connection) as queries:
            assert process_webhooks(timezone.now()) == number
        return len(queries)

    queries_for(1)  # what a process reads once
    assert queries_for(2) == queries_for(40)


@pytest.mark.parametrize(
    "more",
    [{"sessionId": "x"}, {"data": None}, {"data": [1]}, {"templateSlug": None}],
    ids=lambda more: next(iter(more)),
)
def test_a_body_that_can_not_be_read_is_kept_and_shown(craftkit, settings, more):
    settings.CRAFTKIT = {"DELIVERY_KEEP_DAYS": 0, "DELIVERY_ROWS_KEEP_DAYS": 0}
    body = form_event(**more)
    store(body)
    craftkit.run()
    assert WebhookDelivery.objects.get().error_code == "body_unreadable"
    for _ in range(20):
        craftkit.pass_time(3600)
        craftkit.run()
    list(retention.prune())
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, bytes(delivery.body)) == ("abandoned", body)
    assert not FormSubmission.objects.exists()


def test_what_can_not_be_stored_in_every_database_is_left_out(craftkit):
    store(form_event(data={"a\0": "b\0", "half": "\ud800"}))
    craftkit.run()
    assert FormSubmission.objects.get().data == {"a": "b", "half": "?"}


def test_the_document_that_was_made_of_it_is_linked(craftkit, ready):
    store(form_event(renderId=str(ready.remote_id)))
    craftkit.run()
    assert ready.form_submissions.get().render_remote_id == ready.remote_id
    assert Render.objects.count() == 1


# Kept until it is a row


@pytest.mark.parametrize(
    "data",
    [
        {"downloadUrl": "https://example.com/a", "b": 1},
        {"sourceIp": "203.0.113.7", "userAgent": "a ship"},
        {"name": "\\u0041"},
    ],
    ids=lambda data: next(iter(data)),
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_body_is_stored_as_it_came(data, encoding):
    body = form_event(data=data).decode().encode(encoding)
    assert kept_body(body) == body
    assert kept_body(body[:-1]) == body[:-1] or encoding == "utf-16"


def test_one_that_only_speaks_of_a_form_is_not_one():
    body = {"event": "document.viewed", "sourceIp": "203.0.113.7", "note": "form.submitted"}
    assert b"203.0.113.7" not in kept_body(json.dumps(body).encode())


@pytest.mark.parametrize("status", ["received", "ignored", "failed", "abandoned"])
def test_no_retention_drops_what_is_no_row_yet(settings, status):
    settings.CRAFTKIT = {"DELIVERY_KEEP_DAYS": 0, "DELIVERY_ROWS_KEEP_DAYS": 0}
    body = form_event()
    for _ in range(2):
        store(body)
    WebhookDelivery.objects.update(
        status=status, event="form.submitted", processed_at=clock.now() - timedelta(days=999)
    )
    list(retention.prune())
    assert [bytes(one.body) for one in WebhookDelivery.objects.all()] == [body, body]


@pytest.mark.parametrize("announcement", ["", "done", "due", "abandoned"])
def test_data_go_after_their_time_where_everybody_has_heard_of_them(
    craftkit, settings, announcement
):
    store(form_event())
    craftkit.run()
    Change.objects.update(announcement=announcement)
    craftkit.pass_time(timedelta(days=9).total_seconds())
    for days, is_kept in ((None, True), (10, True), (8, announcement in ("due", "abandoned"))):
        settings.CRAFTKIT = {"FORM_KEEP_DAYS": days}
        list(retention.prune())
        row = FormSubmission.objects.get()
        assert (row.data is not None) == is_kept
    store(form_event(row.session_id))
    craftkit.run()
    assert FormSubmission.objects.count() == 1


def test_sessions_go_after_their_time_and_what_was_submitted_stays_about_its_object(
    craftkit, settings
):
    order = Order.objects.create(number="1")
    over, erased, untold = (noted(source=order) for _ in range(3))
    EmbedSession.objects.filter(pk=erased.pk).update(erased_at=clock.now())
    EmbedSession.objects.filter(pk=untold.pk).update(expires_at=None)
    store(form_event(over.remote_id))
    craftkit.run()
    craftkit.pass_time(timedelta(days=9).total_seconds())
    recent = noted(source=order)
    EmbedSession.objects.filter(pk=recent.pk).update(expires_at=clock.now())
    for days, kept in ((None, {over, erased, untold, recent}), (8, {erased, recent})):
        settings.CRAFTKIT = {"FORM_KEEP_DAYS": days}
        list(retention.prune())
        assert set(EmbedSession.objects.all()) == kept
    row = FormSubmission.objects.get()
    assert (row.source, row.session) == (order, None)


def test_no_session_goes_while_a_form_waits_to_be_read(craftkit, settings):
    """A later version may read it, and look for its session then."""
    settings.CRAFTKIT = {"FORM_KEEP_DAYS": 0}
    noted()
    store(form_event(None, sessionId=None))
    craftkit.run()
    craftkit.pass_time(timedelta(days=9).total_seconds())
    list(retention.prune())
    assert EmbedSession.objects.exists()


def test_what_earlier_versions_kept_unread_is_taken_up(craftkit):
    store(form_event())
    store(b'{"event": "render.queued"}')
    WebhookDelivery.objects.update(status="ignored", due_at=None, processed_at=clock.now())
    for delivery in WebhookDelivery.objects.all():
        event = json.loads(bytes(delivery.body))["event"]
        WebhookDelivery.objects.filter(pk=delivery.pk).update(event=event)
    craftkit.run()
    assert not FormSubmission.objects.exists()
    sweeping.sweep()
    craftkit.run()
    assert FormSubmission.objects.get().data == DATA
    assert list(WebhookDelivery.objects.order_by("pk").values_list("status", flat=True)) == [
        "processed",
        "ignored",
    ]
    assert deliveries.take_up(0) == 0


def test_they_are_looked_for_slice_by_slice(craftkit, monkeypatch):
    """What is ignored grows for ever; a look costs as much, however much there is."""
    monkeypatch.setattr(due, "SLICE", 3)
    for _ in range(12):
        store(form_event())
    WebhookDelivery.objects.update(
        status="ignored", event="form.submitted", due_at=None, processed_at=clock.now()
    )
    assert [deliveries.take_up(part) for part in range(4)] == [6, 3, 3, 0]


def test_of_an_erased_session_nothing_is_stored(craftkit):
    session = noted(source=Order.objects.create(number="1"))
    EmbedSession.objects.update(erased_at=clock.now())
    heard = []
    with connected(lambda instance, **kwargs: heard.append(instance), form_submitted):
        store(form_event(session.remote_id))
        craftkit.run()
    row = FormSubmission.objects.get()
    assert (row.data, row.answer, row.source) == (None, {}, None)
    assert bytes(WebhookDelivery.objects.get().body) == b""
    assert not heard


# Told


def _raising(instance, **kwargs):
    raise LookupError("not yet")


@pytest.mark.parametrize("heard_of", [False, True], ids=["never told", "a receiver failed"])
def test_what_was_erased_before_it_was_told_is_not_told(craftkit, heard_of):
    heard = []
    session = noted(source=Order.objects.create(number="1"))
    store(form_event(session.remote_id))
    with connected(_raising, form_submitted, sender=FormSubmission):
        if heard_of:
            craftkit.run()
        else:
            process_webhooks(timezone.now())
        Render.objects.none().erase(objects=[session.source])
        with connected(lambda instance, **kwargs: heard.append(instance), form_submitted):
            craftkit.pass_time(3600)
            craftkit.run()
    change = Change.objects.get(kind="form")
    assert (change.announcement, change.receivers, heard) == ("", None, [])
    assert not Job.objects.exists()


def test_nor_is_it_when_staff_have_receivers_called_again(craftkit):
    heard = []
    session = noted(source=Order.objects.create(number="1"))
    store(form_event(session.remote_id))
    with connected(_raising, form_submitted, sender=FormSubmission):
        for _ in range(10):
            craftkit.run()
            craftkit.pass_time(3600)
    change = Change.objects.get(kind="form")
    assert change.announcement == "abandoned"
    Render.objects.none().erase(objects=[session.source])
    with connected(lambda instance, **kwargs: heard.append(instance), form_submitted):
        assert change.replay()
        craftkit.run()
    change.refresh_from_db()
    assert (change.announcement, heard) == ("", [])


def test_a_receiver_that_raises_is_called_again(craftkit):
    heard = []

    def hear(instance, **kwargs):
        heard.append(instance.data)
        if len(heard) == 1:
            raise LookupError("not yet")

    with connected(hear, form_submitted, sender=FormSubmission):
        store(form_event())
        craftkit.run()
        craftkit.pass_time(60)
        craftkit.run()
    assert heard == [DATA, DATA]
