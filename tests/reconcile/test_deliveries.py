"""Webhooks: early, twice, late, out of order, replayed, or useless."""

from __future__ import annotations

import contextlib
import itertools
import json
import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from django_craftkit.models import Change, Job, ProjectState, Render, WebhookDelivery
from django_craftkit.privacy import kept_body
from django_craftkit.reconcile import deliveries
from tests.helpers import LEASE_OVER, Killed, settle
from tests.seams import (
    after_claiming,
    after_sending,
    after_writing,
    at_webhook,
    before_writing,
    claim,
    process_webhooks,
)


def ask(number: int = 1) -> Render:
    return Render.objects.request("invoice", {}, key=f"i-{number}")


def body(render_id: object, status: str = "succeeded", **more: object) -> bytes:
    payload = {
        "event": f"render.{status}",
        "renderId": str(render_id),
        "templateId": str(uuid.uuid4()),
        "status": status,
        "createdAt": "2026-06-05T10:00:00.000Z",
        "completedAt": "2026-06-05T10:00:01.000Z",
        "downloadUrl": "https://cdn.example.com/secret.pdf",
        "errorMessage": None,
        **more,
    }
    return json.dumps(payload).encode()


def store(content: bytes, delivery_id: str = "", project: str = "default") -> None:
    WebhookDelivery.objects.store(project, delivery_id or str(uuid.uuid4()), content)


def test_a_webhook_that_comes_before_the_posts_answer_is_applied(craftkit, monkeypatch):
    """It is stored and processed while the POST is under way, and waits for the answer."""
    meanwhile = []

    def be_faster():
        craftkit.deliver()
        meanwhile.append(process_webhooks(timezone.now()))
        assert WebhookDelivery.objects.get().status == "received"

    after_sending(monkeypatch, "", be_faster)
    render = ask()
    craftkit.run()
    assert meanwhile == [1]
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert Change.objects.get(to_status="succeeded").cause == "webhook"
    assert WebhookDelivery.objects.get().status == "processed"


def test_a_webhook_whose_posts_answer_was_lost_is_applied_after_the_retry(craftkit):
    craftkit.sandbox.faults.add("cut_after", method="POST")
    render = ask()
    craftkit.run()
    assert WebhookDelivery.objects.get().status == "received"
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert WebhookDelivery.objects.get().status == "processed"
    assert len(craftkit.renders) == 1


def test_a_webhook_about_nothing_of_ours_is_ignored_after_a_while(craftkit):
    store(body(uuid.uuid4()))
    craftkit.run()
    assert WebhookDelivery.objects.get().status == "received"
    craftkit.pass_time(121)
    craftkit.run()
    assert WebhookDelivery.objects.get().status == "ignored"


@pytest.mark.parametrize("kind", ["webhook_doubled", "webhook_reordered", "webhook_delayed"])
def test_the_way_of_the_webhooks_makes_no_difference(craftkit, kind):
    craftkit.sandbox.faults.add(kind, times=None, seconds=120)
    for number in range(4):
        ask(number)
    settle(craftkit)
    craftkit.pass_time(600)
    craftkit.run()
    assert {render.status for render in Render.objects.all()} == {"succeeded"}
    assert Change.objects.filter(to_status="succeeded").count() == 4
    assert set(WebhookDelivery.objects.values_list("status")) == {("processed",)}


def test_a_replay_under_a_fresh_id_changes_nothing(craftkit):
    ask()
    craftkit.run()
    before = Render.objects.values().get()
    old = bytes(WebhookDelivery.objects.get().body)
    store(old)
    said = json.loads(old)
    store(json.dumps({**said, "status": "failed", "errorMessage": "Too late."}).encode())
    craftkit.run()
    assert {**Render.objects.values().get(), "updated_at": 0} == {**before, "updated_at": 0}
    assert WebhookDelivery.objects.filter(status="processed").count() == 3
    assert Change.objects.filter(kind="render").count() == 2


def test_every_order_of_contradicting_webhooks_ends_in_the_same_row(craftkit):
    craftkit.sandbox.render_time = None
    ends = []
    for number, order in enumerate(itertools.permutations(["succeeded", "failed", "cancelled"])):
        render = ask(number)
        craftkit.run()
        render.refresh_from_db()
        for status in order:
            store(body(render.remote_id, status, event="render.succeeded", errorMessage=status))
            craftkit.run()
        render.refresh_from_db()
        ends.append((render.status, render.error, render.completed_at))
    assert len(set(ends)) == 1


def test_a_batch_is_applied_with_few_queries(craftkit, django_assert_max_num_queries):
    craftkit.sandbox.render_time = None
    for number in range(40):
        ask(number)
    craftkit.run()
    for render in Render.objects.all():
        store(body(render.remote_id))
    with django_assert_max_num_queries(25):
        assert process_webhooks(timezone.now()) == 40
    assert set(Render.objects.values_list("status")) == {("succeeded",)}
    assert not Job.objects.filter(kind="render").exists(), "nothing is left to poll for"


def test_one_that_breaks_its_batch_is_found_and_the_others_are_applied(
    craftkit, monkeypatch, caplog
):
    craftkit.sandbox.render_time = None
    for number in range(3):
        ask(number)
    craftkit.run()
    bad = Render.objects.first()
    for render in Render.objects.all():
        store(body(render.remote_id, durationMs=987_654 if render == bad else 100))

    def refuse():
        raise ArithmeticError("no")

    with monkeypatch.context() as patch:
        before_writing(patch, Render, refuse, saying="987654", times=None)
        craftkit.run()
    assert sorted(Render.objects.values_list("status", flat=True)) == [
        "queued",
        "succeeded",
        "succeeded",
    ]
    failed = WebhookDelivery.objects.get(status="failed")
    assert "ArithmeticError" in failed.error

    craftkit.pass_time(300)
    craftkit.run()
    assert set(Render.objects.values_list("status")) == {("succeeded",)}
    assert WebhookDelivery.objects.filter(status="failed").count() == 0


USELESS = {
    "no JSON": b"<html>",
    "no UTF-8": b"\xff\xfe\xfa",
    "deep": b"[" * 100_000,
    "no object": b"[]",
    "no event": b"{}",
    "event is no text": b'{"event": 3}',
    "no render id": b'{"event": "render.succeeded"}',
    "an id that is none": body("x"),
    "a status that is none": body(uuid.uuid4()).replace(b'"status": "', b'"said": "'),
    "huge number": b'{"event": "render.succeeded", "renderId": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("content", USELESS.values(), ids=USELESS)
def test_signed_bytes_that_are_of_no_use_are_kept_shown_and_given_up_in_the_end(craftkit, content):
    store(content)
    craftkit.run()
    delivery = WebhookDelivery.objects.get()
    assert delivery.status == "failed"
    assert delivery.error_code.startswith("body_")
    for _ in range(40):
        craftkit.pass_time(3600)
        craftkit.run()
    delivery = WebhookDelivery.objects.get()
    assert delivery.status == "abandoned"
    assert bytes(delivery.body) == kept_body(content)
    assert delivery.attempts == deliveries.MAX_ATTEMPTS


def test_what_went_wrong_is_noted_as_every_database_can_store_it(craftkit, monkeypatch):
    store(json.dumps({"event": "other"}).encode())

    def fail(content):
        raise ArithmeticError("a NUL: \0.")

    at_webhook(monkeypatch, fail)
    craftkit.run()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.error) == ("failed", "ArithmeticError: a NUL: .")


def test_an_outage_gives_no_webhook_up(craftkit, monkeypatch):
    store(json.dumps({"event": "other"}).encode())

    def fail(content):
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        at_webhook(patch, fail)
        # More often than a webhook is tried that is at fault itself.
        for _ in range(2 * deliveries.MAX_ATTEMPTS):
            craftkit.run()
            craftkit.pass_time(3600)
    assert WebhookDelivery.objects.get().status == "failed"
    craftkit.run()
    assert WebhookDelivery.objects.get().status == "ignored"


def test_one_that_ends_its_workers_takes_no_other_with_it(craftkit, monkeypatch):
    craftkit.sandbox.render_time = None
    for number in range(3):
        ask(number)
    craftkit.run()
    for render in Render.objects.all():
        store(body(render.remote_id))
    store(b'{"event": "kill"}')

    def die(content):
        if b"kill" in content:
            raise Killed

    at_webhook(monkeypatch, die)
    for _ in range(40):
        with contextlib.suppress(Killed):
            craftkit.run()
        craftkit.pass_time(130)
    assert set(Render.objects.values_list("status")) == {("succeeded",)}
    (given_up,) = WebhookDelivery.objects.exclude(status="processed")
    assert (given_up.status, given_up.due_at) == ("abandoned", None)
    assert given_up.error_code == "workers_ended"


def test_events_of_no_concern_yet_are_kept_as_ignored(craftkit):
    store(json.dumps({"event": "form.opened"}).encode())
    store(json.dumps({"event": "x" * 500}).encode())
    craftkit.run()
    assert set(WebhookDelivery.objects.values_list("status")) == {("ignored",)}


def test_what_postgresql_cannot_store_breaks_nothing(craftkit):
    craftkit.sandbox.render_time = None
    render = ask()
    craftkit.run()
    render.refresh_from_db()
    store(body(render.remote_id, "failed", errorMessage="No\0ink", note={"a\0": "\0"}))
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.error) == ("failed", "Noink")


def test_the_public_link_of_a_document_is_not_stored_with_it(craftkit):
    craftkit.sandbox.render_time = None
    render = ask()
    craftkit.run()
    render.refresh_from_db()
    store(body(render.remote_id))
    craftkit.run()
    assert "cdn.example.com" not in str(Render.objects.values().get())


def test_another_projects_webhook_changes_nothing_here(craftkit):
    craftkit.sandbox.render_time = None
    render = ask()
    craftkit.run()
    render.refresh_from_db()
    store(body(render.remote_id, "failed"), project="eu")
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "queued"


def test_a_delivery_whose_lease_ran_out_is_whoevers_took_it_over(craftkit, monkeypatch):
    store(body(uuid.uuid4()))
    now = timezone.now()
    tokens = []

    def take_over():
        tokens.append(WebhookDelivery.objects.get().lease_token)
        later = now + timedelta(seconds=LEASE_OVER)
        (mine,) = claim(WebhookDelivery.objects.all(), now=later)
        tokens.append(mine.lease_token)

    after_claiming(monkeypatch, WebhookDelivery, take_over)
    assert process_webhooks(now) == 1
    late, other = tokens
    assert other != late
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.lease_token) == ("received", other)
    assert delivery.attempts == 2


def test_a_batch_that_loses_a_deadlock_is_applied_all_the_same(transactional_db, monkeypatch):
    store(json.dumps({"event": "other"}).encode())
    tries = []

    def lose_once():
        tries.append(len(ended()))
        if len(tries) == 1:
            raise OperationalError(1213, "deadlock detected")

    def ended():
        return WebhookDelivery.objects.filter(status="ignored")

    after_writing(monkeypatch, WebhookDelivery, lose_once, setting="status", times=None)
    assert process_webhooks(timezone.now()) == 1
    assert tries == [1, 1]
    assert WebhookDelivery.objects.get().status == "ignored"


def test_when_a_webhook_was_last_heard_is_known(craftkit):
    ask()
    craftkit.run()
    assert ProjectState.objects.get().webhook_heard_at is not None
