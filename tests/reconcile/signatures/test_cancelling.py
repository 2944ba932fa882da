"""A cancellation: told to Craftkit once, and of one that was not sent without a call."""

from __future__ import annotations

import contextlib
import uuid

import pytest
from django.db import transaction

from django_craftkit.models import (
    Change,
    Render,
    SignatureRequest,
)
from django_craftkit.reconcile.signatures.send import wire_key
from tests.helpers import settle
from tests.reconcile.signatures.helpers import (
    CANCEL,
    GET,
    GUEST,
    answer,
    calls,
    calls_within,
    end_there,
    send,
    until,
)


def test_a_cancellation_is_told_to_craftkit_with_its_reason(
    craftkit, sent, there, heard, django_user_model
):
    person = django_user_model.objects.create(username="ada")
    assert sent.is_cancellable
    assert sent.cancel(reason="Other terms — νέα.", user=person)
    assert not sent.is_cancellable
    assert not sent.cancel(reason="Twice."), "a double click is one"
    craftkit.run()
    sent.refresh_from_db()
    assert (sent.status, sent.error) == ("cancelled", "Other terms — νέα.")
    assert (there.status, there.error_message) == ("cancelled", "Other terms — νέα.")
    assert calls(craftkit, "POST", "/cancel") == 1
    assert (sent.cancel_requested_by, sent.cancel_reason) == (person, "Other terms — νέα.")
    change = Change.objects.get(to_status="cancelled")
    assert (change.person, change.note) == (person, "Other terms — νέα.")
    assert heard == [("cancelled", "cancelled", "sent")]
    settle(craftkit)
    assert not sent.cancel(), "it has ended"


@pytest.mark.parametrize("reason", ["x" * 501, "nul \0", "half \ud800"])
def test_a_reason_that_craftkit_does_not_take_is_refused_here(craftkit, sent, reason):
    with pytest.raises(ValueError, match="reason"):
        sent.cancel(reason=reason)
    assert SignatureRequest.objects.get().is_cancellable


def test_a_cancellation_that_is_rolled_back_cancels_nothing(craftkit, sent, there):
    with contextlib.suppress(LookupError), transaction.atomic():
        sent.cancel()
        raise LookupError
    craftkit.run()
    assert there.status == "sent"
    assert SignatureRequest.objects.get().is_cancellable


def test_one_taken_back_before_it_was_sent_is_announced_as_cancelled(craftkit, heard):
    craftkit.sandbox.render_time = 60.0
    request = send(Render.objects.request("invoice", {}))
    assert request.cancel()
    settle(craftkit)
    assert heard == [("cancelled", "cancelled", "pending")]


ENDS = {
    "completed": lambda sandbox, name: sandbox.sign_all(name),
    "declined": lambda sandbox, name: sandbox.decline(name, GUEST.email),
    "expired": lambda sandbox, name: sandbox.expire_signature(name),
    "failed": lambda sandbox, name: sandbox.fail_signature(name),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_has_come_to_its_end_meanwhile_is_read_back(craftkit, sent, there, silent, end):
    ENDS[end](craftkit.sandbox, there.id)
    assert sent.cancel(reason="Too late.")
    settle(craftkit)
    sent.refresh_from_db()
    assert (sent.status, end_there(craftkit)) == (end, [end])
    assert calls(craftkit, "POST", "/cancel") == 1
    assert "Too late." not in sent.error


def test_a_conflict_about_one_that_is_open_is_tried_again(craftkit, sent, there):
    craftkit.sandbox.faults.add("status", status=409, code="conflict", times=3, **CANCEL)
    sent.cancel()
    until(craftkit, sent, "cancelled")
    assert there.status == "cancelled"


def test_the_cancellation_of_one_in_a_status_new_to_us_is_tried_ever_less(
    craftkit, sent, there, silent
):
    craftkit.sandbox.faults.add("status", status=409, code="conflict", times=None, **CANCEL)
    odd = answer(craftkit, there, status="voided")
    craftkit.sandbox.faults.add("status", times=None, **odd, **GET)
    sent.cancel()
    assert 20 < calls_within(craftkit, 1) < 100
    craftkit.sandbox.faults.clear()
    until(craftkit, sent, "cancelled")


def test_an_answer_about_another_request_does_not_settle_a_cancellation(craftkit, sent, there):
    odd = answer(craftkit, there, id=str(uuid.uuid4()), status="cancelled")
    craftkit.sandbox.faults.add("status", times=2, **odd, **CANCEL)
    sent.cancel()
    until(craftkit, sent, "cancelled")
    assert there.status == "cancelled"


def test_a_document_that_is_withdrawn_takes_its_requests_along(craftkit, ready, django_user_model):
    person = django_user_model.objects.create(username="ada")
    out, done = send(ready, key="out"), send(ready, key="done")
    craftkit.run()
    there = {one.idempotency_key: one for one in craftkit.sandbox.signatures}
    craftkit.sandbox.sign_all(there[wire_key(done)].id)
    craftkit.run()
    craftkit.sandbox.signature_credits = 0
    waits = send(ready, key="waits")
    ready.withdraw(user=person)
    craftkit.sandbox.signature_credits = None
    settle(craftkit)
    for request, status in ((out, "cancelled"), (done, "completed"), (waits, "cancelled")):
        request.refresh_from_db()
        assert request.status == status
    assert (out.cancel_requested_by, done.cancel_requested_by) == (person, None)
    assert end_there(craftkit) == ["cancelled", "completed"]
