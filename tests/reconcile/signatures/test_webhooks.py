"""Each stage is told once and in order, however webhooks come and whatever they say."""

from __future__ import annotations

import itertools
import uuid

import pytest

from django_craftkit import clock
from django_craftkit.models import (
    Change,
    Job,
    SignatureRequest,
    WebhookDelivery,
)
from tests.helpers import LEASE_OVER, Killed, settle, work
from tests.reconcile.signatures.helpers import (
    GUEST,
    ORDER,
    SKIPPER,
    history,
    send,
    send_and_sign,
    tell,
    until,
)
from tests.seams import (
    after_sending,
    process_webhooks,
)

SIGNED = [
    ("sent", "sent", "pending"),
    ("viewed", "viewed", "sent"),
    ("signed", GUEST.email, ""),
    ("signed", SKIPPER.email, ""),
    ("completed", "completed", "viewed"),
]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "webhook_dropped"},
        {"kind": "webhook_doubled"},
        {"kind": "webhook_reordered"},
        {"kind": "webhook_delayed", "seconds": 900},
        {"kind": "webhook_delayed", "seconds": 86_000},
    ],
    ids=lambda fault: " ".join(map(str, fault.values())),
)
def test_each_stage_is_told_once_and_in_order_however_webhooks_come(craftkit, ready, heard, fault):
    craftkit.sandbox.faults.add(event="signature.*", times=None, **fault)
    request = send_and_sign(craftkit, ready, GUEST, SKIPPER, every=30)
    until(craftkit, request, "completed")
    craftkit.pass_time(86_400)
    settle(craftkit)
    assert heard == SIGNED
    assert history(request) == [*ORDER, "archived"]
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"processed"}


def test_each_person_who_signs_is_told_of_when_it_happens(craftkit, sent, there, heard):
    craftkit.sandbox.sign(there.id, SKIPPER.email)
    craftkit.run()
    assert heard[1:] == [("signed", SKIPPER.email, "")]
    guest, skipper = sent.recipients.order_by("position")
    assert (guest.signed_at, guest.declined_at, skipper.declined_at) == (None, None, None)
    assert abs(skipper.signed_at.timestamp() - there.recipients[1].signed_at) < 0.001
    sent.refresh_from_db()
    assert sent.status == "viewed"
    change = Change.objects.get(to_status="signed")
    assert (change.recipient, change.from_status) == (skipper, "")


def test_people_who_signed_while_nobody_looked_are_told_of_by_when_they_did(
    craftkit, ready, heard, silent
):
    request = send_and_sign(craftkit, ready, SKIPPER, GUEST, every=10)
    until(craftkit, request, "completed")
    assert [about for name, about, _ in heard if name == "signed"] == [SKIPPER.email, GUEST.email]
    assert [name for name, *_ in heard] == ORDER


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["viewed", "signed", "completed"])), ids=" ".join
)
def test_webhooks_in_any_order_and_doubled_lead_to_the_same_end(craftkit, ready, order, silent):
    request = send(ready)
    craftkit.run()
    request.refresh_from_db()
    (there,) = craftkit.sandbox.signatures
    craftkit.sandbox.sign_all(there.id)
    for event in order:
        tell(event, request, event)
        tell(event, request, event)
        tell(event, request, f"{event} again")
        craftkit.run()
    request.refresh_from_db()
    assert request.status == "completed"
    assert history(request) == [*ORDER, "archived"]
    assert not Job.objects.exists()


@pytest.mark.parametrize("killed_then", [False, True], ids=["goes on", "is killed"])
def test_a_webhook_that_comes_before_the_posts_answer_is_not_lost(
    craftkit, ready, monkeypatch, killed_then
):
    request = send(ready)

    def sign_at_once():
        (there,) = craftkit.sandbox.signatures
        craftkit.sandbox.sign_all(there.id)
        assert craftkit.deliver() == 5
        assert process_webhooks(clock.now()) == 5
        if killed_then:
            raise Killed

    after_sending(monkeypatch, "/signatures", sign_at_once)
    if killed_then:
        with pytest.raises(Killed):
            work()
        craftkit.pass_time(LEASE_OVER)
    craftkit.run()
    request.refresh_from_db()
    assert request.status == "completed"
    assert history(request) == [*ORDER, "archived"]
    assert craftkit.sandbox.billed_signatures == 1
    settle(craftkit)
    statuses = set(WebhookDelivery.objects.values_list("status", flat=True))
    assert statuses <= {"processed", "ignored"}


def test_a_webhook_about_a_stranger_changes_nothing(craftkit, sent, there):
    stranger = SignatureRequest(remote_id=uuid.uuid4(), render=sent.render)
    tell("completed", stranger, status="completed")
    before = SignatureRequest.objects.values().get()
    for _ in range(3):
        craftkit.run()
        craftkit.pass_time(LEASE_OVER / 3)
    assert SignatureRequest.objects.values("status", "remote_id").get() == {
        name: before[name] for name in ("status", "remote_id")
    }


def test_a_webhook_that_lies_is_asked_about_and_not_believed(craftkit, sent, there):
    for event in ("completed", "declined", "cancelled", "expired"):
        tell(event, sent, status=event, reason="So they say.")
    craftkit.run()
    sent.refresh_from_db()
    assert (sent.status, history(sent)) == ("sent", ["sent"])


def test_who_declines_is_shown_with_the_reason_that_only_a_webhook_tells(
    craftkit, sent, there, heard
):
    craftkit.sandbox.decline(there.id, SKIPPER.email, "The price is wrong.")
    craftkit.run()
    sent.refresh_from_db()
    assert (sent.status, sent.answer["reason"]) == ("declined", "The price is wrong.")
    guest, skipper = sent.recipients.order_by("position")
    assert (guest.declined_at, skipper.declined_at is None) == (None, False)
    assert Change.objects.get(to_status="declined").note == "The price is wrong."
    assert [name for name, *_ in heard] == ["sent", "viewed", "declined"][1:]
    assert not Job.objects.filter(kind__contains="signature").exists()


def test_a_reason_that_craftkits_answer_tells_is_kept_too(craftkit, sent, there, silent):
    craftkit.sandbox.decline(there.id, SKIPPER.email)
    there.error_message = "The price is wrong."
    until(craftkit, sent, "declined")
    assert sent.error == "The price is wrong."
    assert Change.objects.get(to_status="declined").note == "The price is wrong."


def test_a_reason_that_comes_after_the_end_is_still_kept(craftkit, sent, there, silent):
    craftkit.sandbox.decline(there.id, SKIPPER.email, "The price is wrong.")
    until(craftkit, sent, "declined")
    tell("declined", sent, status="declined", reason="The price is wrong.")
    craftkit.run()
    sent.refresh_from_db()
    assert sent.answer["reason"] == "The price is wrong."
    assert not Job.objects.exists()


def test_facts_about_a_thousand_people_cost_no_query_each(
    craftkit, ready, django_assert_max_num_queries
):
    requests = [send(ready, key=str(number)) for number in range(20)]
    craftkit.run()
    for there in craftkit.sandbox.signatures:
        craftkit.sandbox.view_signature(there.id, GUEST.email)
    craftkit.deliver()
    with django_assert_max_num_queries(60):
        process_webhooks(clock.now())
    craftkit.run()
    assert SignatureRequest.objects.filter(status="viewed").count() == len(requests)
