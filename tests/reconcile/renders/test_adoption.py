"""ADOPT: a document that was made elsewhere gets a row when a webhook tells of it, once."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.db import connection

from django_craftkit.clock import database_now
from django_craftkit.models import (
    DataUnknown,
    EmbedSession,
    FormSubmission,
    Job,
    ProjectState,
    Render,
    Template,
    WebhookDelivery,
)
from django_craftkit.reconcile.renders import adopt
from django_craftkit.signals import render_succeeded
from django_craftkit.signing import AnchorTag, Recipient
from tests.forms.helpers import form_event, noted, store
from tests.helpers import (
    LEASE_OVER,
    Elsewhere,
    at_once,
    connected,
    pass_time,
    settle,
    until,
    work,
)
from tests.seams import (
    after_sending,
    before_committing,
    process_webhooks,
    statements,
    waits_for_lock,
)
from tests.shop.models import Order
from tests.webhooks.conftest import render_event

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _adopting(settings) -> None:
    settings.CRAFTKIT = {"ADOPT": True}


@pytest.fixture
def made(dashboard, craftkit) -> Any:
    """A document that somebody has made with the key, whose webhook is on its way."""
    craftkit.put_template("handover", {"variables": [], "loops": []})
    return dashboard.renders.render("handover", {}, idempotency_key=uuid.uuid4().hex)


def wait_for(craftkit) -> None:
    """Let the time pass after which it is no answer to a call of this site's own."""
    for _ in range(10):
        craftkit.run()
        craftkit.pass_time(60)
    craftkit.run()


def test_a_document_that_was_made_elsewhere_is_taken_in(craftkit, made):
    heard = []
    with connected(lambda instance, **kwargs: heard.append(instance.pk), render_succeeded):
        wait_for(craftkit)
    row = Render.objects.get()
    assert (row.remote_id, row.status, row.template) == (made.id, "succeeded", "handover")
    assert (row.key, row.data, row.version, row.source) == ("", None, None, None)
    assert row.adopted_at is not None
    assert row.requested_at == made.created_at
    assert heard == [row.pk]
    assert WebhookDelivery.objects.get().status == "processed"
    assert not Job.objects.exists()


def test_without_the_setting_it_is_not(craftkit, settings, made):
    settings.CRAFTKIT = {}
    wait_for(craftkit)
    assert not Render.objects.exists()
    assert WebhookDelivery.objects.get().error_code == "unknown_object"


def test_once_the_setting_is_on_an_old_webhook_can_be_replayed(craftkit, settings, made):
    settings.CRAFTKIT = {}
    wait_for(craftkit)
    settings.CRAFTKIT = {"ADOPT": True}
    assert WebhookDelivery.objects.get().replay()
    wait_for(craftkit)
    assert Render.objects.get().remote_id == made.id


def test_many_webhooks_about_one_are_one_row_and_all_of_them_are_applied(craftkit, dashboard, made):
    craftkit.pass_time(5)
    link = dashboard.shares.create(made.id)
    for _ in range(2):
        store(render_event(made.id))
    craftkit.open(craftkit.shares[0])
    wait_for(craftkit)
    row = Render.objects.get()
    assert row.shares.get().remote_id == link.id
    assert set(row.events.values_list("type", flat=True)) == {"share_created", "viewed"}
    assert set(WebhookDelivery.objects.values_list("status")) == {("processed",)}


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_write_one_row(craftkit, made):
    store(render_event(made.id))
    craftkit.run()
    craftkit.pass_time(LEASE_OVER)
    craftkit.run()
    assert Job.objects.filter(kind="adopt").count() == 2
    craftkit.pass_time(600)
    assert at_once(work, work) == [None, None]
    settle(craftkit)
    assert Render.objects.get().remote_id == made.id


def test_one_that_craftkit_does_not_know_is_left_alone(craftkit):
    store(render_event(uuid.uuid4()))
    wait_for(craftkit)
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.error_code) == ("ignored", "unknown_object")
    assert not Render.objects.exists()
    assert not Job.objects.exists()


def test_while_craftkit_is_down_it_is_waited_for(craftkit, made):
    Template.objects.refresh("default")
    craftkit.run()
    craftkit.sandbox.faults.add("status", status=500, times=None)
    wait_for(craftkit)
    assert Job.objects.get(kind="adopt").failures
    craftkit.sandbox.faults.clear()
    settle(craftkit)
    assert Render.objects.get().status == "succeeded"


@pytest.mark.parametrize("minutes", [1, 30])
def test_a_document_of_ones_own_whose_answer_is_late_stays_the_only_one(craftkit, minutes):
    craftkit.sandbox.faults.add("cut_after", method="POST")
    craftkit.sandbox.faults.add("status", method="POST", status=503, times=None)
    render = Render.objects.request("invoice", {}, key="i-1")
    craftkit.run()
    for _ in range(minutes * 2):
        craftkit.pass_time(30)
        craftkit.run()
    assert Render.objects.get().status == "pending"
    craftkit.sandbox.faults.clear()
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, render.adopted_at) == ("succeeded", None)
    assert Render.objects.count() == len(craftkit.renders) == 1
    assert WebhookDelivery.objects.get().status == "processed"


def test_an_answer_that_comes_during_the_wait_is_the_documents_own(craftkit, monkeypatch):
    after_sending(monkeypatch, "", lambda: (craftkit.deliver(), craftkit.pass_time(1)))
    Render.objects.request("invoice", {}, key="i-1")
    wait_for(craftkit)
    assert Render.objects.get().adopted_at is None


def test_an_answer_that_comes_while_craftkit_is_asked_is_the_documents_own(
    craftkit, made, monkeypatch
):
    """The call was repeated by another worker, at the same moment."""
    render = Render.objects.request("invoice", {}, key="i-1")
    craftkit.run()
    craftkit.pass_time(600)
    own = Render.objects.filter(pk=render.pk)
    after_sending(monkeypatch, str(made.id), lambda: own.update(remote_id=made.id), method="GET")
    settle(craftkit)
    wait_for(craftkit)
    assert Render.objects.get().adopted_at is None
    assert set(WebhookDelivery.objects.filter(about=made.id).values_list("status")) == {
        ("processed",)
    }


def test_the_document_of_a_form_that_was_erased_is_not_taken_in(craftkit, made):
    order = Order.objects.create(number="1")
    session = noted(source=order)
    store(form_event(session.remote_id, renderId=str(made.id)))
    craftkit.run()
    Render.objects.none().erase(objects=[order])
    wait_for(craftkit)
    assert not Render.objects.exists()
    assert WebhookDelivery.objects.get(about=made.id).error_code == "unknown_object"


def test_what_an_earlier_attempt_has_left_is_not_taken_in(craftkit):
    craftkit.sandbox.faults.add("render_failed")
    render = Render.objects.request("invoice", {}, key="i-1")
    craftkit.run()
    craftkit.pass_time(5)
    craftkit.run()
    (said,) = WebhookDelivery.objects.all()
    assert render.retry()
    settle(craftkit)
    store(bytes(said.body))
    wait_for(craftkit)
    assert Render.objects.get().status == "succeeded"


def test_what_was_erased_on_its_way_is_not_taken_in(craftkit):
    order = Order.objects.create(number="1")
    craftkit.sandbox.faults.add("cut_after", method="POST")
    Render.objects.request("invoice", {}, source=order)
    craftkit.run()
    Render.objects.all().erase()
    wait_for(craftkit)
    wait_for(craftkit)
    assert Render.objects.count() == 1


def test_one_that_is_still_under_way_is_followed_to_its_end(craftkit, dashboard):
    craftkit.sandbox.render_time = 1200
    made = dashboard.renders.render("handover", {}, idempotency_key="1")
    event = {
        "event": "document.share_created",
        "renderId": str(made.id),
        "templateId": str(uuid.uuid4()),
        "eventId": str(uuid.uuid4()),
        "eventType": "share_created",
        "actorKind": "partner",
        "createdAt": "2026-06-05T11:03:00.000Z",
    }
    store(json.dumps(event).encode())
    wait_for(craftkit)
    row = Render.objects.get()
    assert row.status == "rendering"
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    settle(craftkit)
    row.refresh_from_db()
    assert row.status == "succeeded"


def test_it_is_shared_mailed_signed_and_withdrawn_as_any_other(craftkit, made):
    wait_for(craftkit)
    row = Render.objects.get()
    share = row.share(wait=True)
    mail = row.email("ada@example.com", wait=True)
    request = row.send_for_signature(
        [Recipient("Ada", "", "ada@example.com")], anchor_tags=[AnchorTag("here", "date")]
    )
    craftkit.run()
    with row.open() as file:
        assert file.read(5) == b"%PDF-"
    request.refresh_from_db()
    assert (share.status, mail.status, request.status) == ("active", "active", "sent")
    assert row.withdraw(wait=True)
    share.refresh_from_db()
    assert share.status == "revoked"


def test_one_that_failed_can_not_be_retried(craftkit, dashboard):
    craftkit.sandbox.faults.add("render_failed")
    dashboard.renders.render("handover", {}, idempotency_key="1")
    wait_for(craftkit)
    row = Render.objects.get()
    assert (row.status, row.is_retriable) == ("failed", False)
    with pytest.raises(DataUnknown):
        row.retry()
    with pytest.raises(DataUnknown):
        row.retry({"number": 1})
    assert Render.objects.retry_all([row.pk], user=None) == set()


def test_a_form_that_made_one_says_what_it_is_about(craftkit, made):
    order = Order.objects.create(number="1")
    session = noted(source=order)
    store(form_event(session.remote_id, renderId=str(made.id), templateVersion=3))
    wait_for(craftkit)
    row = Render.objects.for_object(order).get()
    assert (row.remote_id, row.template, row.version) == (made.id, "handover", 3)
    assert FormSubmission.objects.get().render == row


def test_a_form_that_comes_after_its_document_says_so_as_well(craftkit, made):
    order = Order.objects.create(number="1")
    session = noted(source=order)
    wait_for(craftkit)
    assert Render.objects.get().source is None
    store(form_event(session.remote_id, renderId=str(made.id), templateVersion=3))
    craftkit.run()
    row = Render.objects.for_object(order).get()
    assert (row.remote_id, row.version) == (made.id, 3)
    assert FormSubmission.objects.get().render == row


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", [FormSubmission, Render], ids=["form", "document"])
def test_a_form_that_comes_while_its_document_is_taken_in_is_linked(
    craftkit, made, monkeypatch, first
):
    if connection.vendor == "sqlite":
        pytest.skip("Whoever writes is the only one.")
    order = Order.objects.create(number="1")
    session = noted(source=order)
    wait_until_due(craftkit)
    webhook = form_event(session.remote_id, renderId=str(made.id), templateVersion=3)
    # MariaDB has whoever looks for the document wait for whoever has inserted it.
    also = [Render] if connection.vendor == "mysql" and first is Render else []
    waits, others = waits_for_lock(monkeypatch, ProjectState, *also), []

    def begin(act) -> None:
        others.append(Elsewhere(act))
        until(lambda: waits(others[0]))

    take_in = lambda: adopt.step(Job.objects.get(kind="adopt"))  # noqa: E731
    submit = lambda: (store(webhook), process_webhooks(database_now()))  # noqa: E731
    one, other = (submit, take_in) if first is FormSubmission else (take_in, submit)
    before_committing(monkeypatch, first, lambda: begin(other), verb="INSERT")
    one()
    others[0].wait()
    row = Render.objects.get()
    assert FormSubmission.objects.get().render == row
    assert (row.source, row.version) == (order, 3)


def test_a_form_locks_documents_before_all_that_goes_with_them(craftkit, monkeypatch):
    """As whoever erases them does: none of the two waits for the other for ever."""
    if connection.vendor == "sqlite":
        pytest.skip("Nobody locks rows.")
    store(form_event(noted().remote_id, renderId=str(uuid.uuid4())))
    seen = statements(monkeypatch)
    process_webhooks(database_now())
    assert FormSubmission.objects.get().render is None
    tables = [one._meta.db_table for one in (Render, ProjectState, EmbedSession)]
    locked = [
        table
        for _thread, sql in seen
        for table in tables
        if sql.endswith(("FOR UPDATE", "FOR NO KEY UPDATE")) and f"FROM {quoted(table)}" in sql
    ]
    assert locked == [tables[0], tables[1], tables[0], tables[2]]


def quoted(table: str) -> str:
    return connection.ops.quote_name(table)


def wait_until_due(craftkit) -> None:
    """Let time pass until a document is to be taken in, and do all else that is due."""
    Template.objects.refresh("default")
    craftkit.run()
    craftkit.pass_time(LEASE_OVER)
    craftkit.run()
    assert Job.objects.get().kind == "adopt"
    craftkit.pass_time(600)


def test_craftkit_is_not_called_before_anything_can_be_decided(craftkit, made):
    for _ in range(4):
        craftkit.run()
        craftkit.pass_time(60)
    assert Job.objects.get(kind="adopt").failures == 0
    assert asked(craftkit, made) == 0
    wait_for(craftkit)
    assert asked(craftkit, made) == 1


def test_for_many_of_a_template_that_is_new_templates_are_listed_once(craftkit, dashboard, made):
    for number in range(5):
        dashboard.renders.render("handover", {}, idempotency_key=str(number))
    wait_for(craftkit)
    assert set(Render.objects.values_list("template", "status")) == {("handover", "succeeded")}
    assert Render.objects.count() == 6
    assert sum(one.path == "/v1/templates" for one in craftkit.sandbox.requests) == 1


def asked(craftkit, made) -> int:
    ends = (f"/v1/renders/{made.id}", "GET")
    return sum((one.path, one.method) == ends for one in craftkit.sandbox.requests)


def test_a_template_that_nobody_knows_is_its_id(craftkit, made):
    store(render_event(made.id))
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    wait_for(craftkit)
    known = json.loads(bytes(WebhookDelivery.objects.order_by("pk")[0].body))["templateId"]
    assert Render.objects.get().template == known


def test_its_next_look_is_not_overdue_in_a_loop(craftkit, made):
    craftkit.run()
    for _ in range(5):
        pass_time(craftkit)
        craftkit.run()
    assert Job.objects.count() <= 1
