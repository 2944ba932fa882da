"""What pauses: new requests and nothing else."""

from __future__ import annotations

import pytest

from django_craftkit.models import (
    ProjectState,
    Render,
    SignatureRequest,
)
from django_craftkit.reconcile.signatures.send import wire_key
from tests.helpers import settle, work
from tests.reconcile.signatures.helpers import posts, send, until


@pytest.mark.parametrize("lack", ["credits", "provider"])
def test_a_lack_of_signatures_pauses_new_ones_and_nothing_else(craftkit, ready, lack):
    """What is out is followed and cancelled, documents and links are made."""
    old, other = send(ready, key="old"), send(ready, key="other")
    craftkit.run()
    if lack == "credits":
        craftkit.sandbox.signature_credits = 0
    else:
        craftkit.sandbox.project("default").signatures_configured = False
    waiting = [send(ready, key=str(number)) for number in range(4)]
    craftkit.run()
    (state,) = ProjectState.objects.paused()
    assert (state.capability, state.pause_code) == (
        "signatures",
        "signature_credits_exhausted" if lack == "credits" else "signatures_unavailable",
    )
    tried = posts(craftkit)

    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    there = {one.idempotency_key: one for one in craftkit.sandbox.signatures}
    craftkit.sandbox.sign_all(there[wire_key(old)].id)
    other.cancel()
    render = Render.objects.request("invoice", {}, key="i-2")
    share = ready.share()
    until(craftkit, old, "completed", minutes=20)
    for row, status in [(other, "cancelled"), (render, "succeeded"), (share, "active")]:
        row.refresh_from_db()
        assert row.status == status
    assert posts(craftkit) - tried < 30, "one probe a minute"
    assert {SignatureRequest.objects.get(pk=row.pk).status for row in waiting} == {"pending"}

    craftkit.sandbox.signature_credits = None
    craftkit.sandbox.project("default").signatures_configured = True
    assert state.try_again()
    craftkit.run()
    assert {SignatureRequest.objects.get(pk=row.pk).status for row in waiting} == {"sent"}
    assert craftkit.sandbox.billed_signatures == 6
    assert not ProjectState.objects.paused().exists()


@pytest.mark.parametrize(
    ("status", "code"), [(402, "signature_credits_exhausted"), (503, "signatures_unavailable")]
)
def test_a_lack_that_is_told_of_one_that_is_out_pauses_nothing(
    craftkit, sent, there, silent, status, code
):
    """Documents have nothing to do with it, and it is followed and cancelled in the end."""
    trouble = {"status": status, "code": code, "path": "/v1/signatures*", "times": 2}
    craftkit.sandbox.faults.add("status", **trouble, method="GET")
    craftkit.pass_time(1000)
    craftkit.run()
    craftkit.sandbox.faults.add("status", **trouble, method="POST")
    sent.cancel()
    craftkit.run()
    assert not ProjectState.objects.paused().exists()
    render = Render.objects.request("invoice", {}, key="i-2")
    until(craftkit, render, "succeeded")
    until(craftkit, sent, "cancelled")
    assert there.status == "cancelled"


def test_credits_that_are_enough_for_some_are_used_up_and_the_rest_waits(craftkit, ready):
    craftkit.sandbox.signature_credits = 2
    asked = [send(ready, key=str(number)) for number in range(5)]
    craftkit.run()
    assert SignatureRequest.objects.filter(status="sent").count() == 2
    craftkit.sandbox.signature_credits = 10
    craftkit.pass_time(60)
    craftkit.run()
    assert SignatureRequest.objects.filter(status="sent").count() == len(asked)
    assert craftkit.sandbox.billed_signatures == 5


def test_one_that_waits_for_credits_can_be_taken_back_meanwhile(craftkit, ready):
    craftkit.sandbox.signature_credits = 0
    request = send(ready)
    craftkit.run()
    assert request.cancel(reason="No need.")
    until(craftkit, request, "cancelled")
    craftkit.sandbox.signature_credits = None
    settle(craftkit)
    assert craftkit.sandbox.signatures == []


def test_one_that_is_taken_back_does_not_wait_for_the_credits_of_another(craftkit, ready):
    craftkit.sandbox.signature_credits = 0
    unwanted, wanted = send(ready, key="unwanted"), send(ready, key="wanted")
    for _ in range(6):
        craftkit.pass_time(60)
        work()
    unwanted.cancel()
    until(craftkit, unwanted, "cancelled", minutes=3)
    wanted.refresh_from_db()
    assert wanted.status == "pending"
    craftkit.sandbox.signature_credits = None
    until(craftkit, wanted, "sent")
    assert craftkit.sandbox.billed_signatures == 1
