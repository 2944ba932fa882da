"""One taken back after a lost answer is looked for, and none but that is cancelled."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from django_craftkit import clock
from django_craftkit.models import (
    Job,
    Render,
    SignatureRequest,
)
from django_craftkit.reconcile.signatures.send import wire_key
from django_craftkit.sandbox.api.signatures import as_json
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import LEASE_OVER, work
from tests.reconcile.signatures.helpers import (
    GUEST,
    LIST,
    POST,
    SKIPPER,
    TAGS,
    end_there,
    history,
    send,
    until,
)
from tests.seams import (
    before_sending,
    take_step,
)


def test_the_envelope_of_another_is_not_taken_for_the_lost_one(craftkit, ready, silent, dashboard):
    other = send(ready, key="other")
    craftkit.run()
    dashboard.signatures.create(
        ready.remote_id, [GUEST], anchor_tags=TAGS, name="Charter", idempotency_key="a"
    )
    dashboard.signatures.create(
        ready.remote_id, [GUEST, SKIPPER], anchor_tags=TAGS, name="Other", idempotency_key="b"
    )
    craftkit.sandbox.faults.add("cut_before", **POST)
    lost = send(ready, key="lost")
    work()
    lost.cancel()
    until(craftkit, lost, "cancelled")
    assert lost.remote_id is None
    assert end_there(craftkit) == ["sent"] * 3
    other.refresh_from_db()
    assert other.status == "sent"


@pytest.mark.parametrize("trouble", ["cut_after", "cut_before"])
def test_those_listed_without_people_are_told_apart_by_asking_for_each(
    craftkit, ready, silent, dashboard, trouble
):
    craftkit.sandbox.faults.add(trouble, **POST)
    lost = send(ready, name="")
    work()
    stranger = Recipient("Other", "", "other@example.com")
    dashboard.signatures.create(
        ready.remote_id, [stranger], anchor_tags=TAGS, idempotency_key="theirs"
    )
    state = craftkit.sandbox.state
    listed = [as_json(state, one) | {"recipients": []} for one in craftkit.sandbox.signatures]
    page = {"signatures": listed, "nextCursor": None, "hasMore": False}
    craftkit.sandbox.faults.add("status", status=200, body=json.dumps(page), times=None, **LIST)
    lost.cancel()
    until(craftkit, lost, "cancelled")
    ours = {wire_key(lost): "cancelled"} if trouble == "cut_after" else {}
    there = {one.idempotency_key: one.status for one in craftkit.sandbox.signatures}
    assert there == {"theirs": "sent", **ours}


def test_a_lost_one_is_found_by_its_name_however_craftkit_writes_it(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_after", **POST)
    lost = send(ready, name=" Cafe\u0301 ")
    work()
    (there,) = craftkit.sandbox.signatures
    there.name = "Caf\u00e9"
    lost.cancel()
    until(craftkit, lost, "cancelled")
    assert (there.status, history(lost)) == ("cancelled", ["sent", "cancelled"])


def test_of_two_lost_ones_that_are_alike_the_wanted_one_goes_on(craftkit, ready, silent):
    """Only the key tells them apart, which no list shows."""
    craftkit.sandbox.faults.add("cut_after", times=2, **POST)
    wanted = send(ready, key="wanted")
    work()
    unwanted = send(ready, key="unwanted")
    work()
    Job.objects.filter(kind="send signature").update(due_at=clock.now() + timedelta(minutes=5))
    unwanted.cancel()
    until(craftkit, unwanted, "cancelled")
    until(craftkit, wanted, "sent")
    there = {one.idempotency_key: one.status for one in craftkit.sandbox.signatures}
    assert there == {wire_key(wanted): "sent", wire_key(unwanted): "cancelled"}


def test_a_lost_one_is_found_behind_many_others_of_its_document(craftkit, ready, silent, dashboard):
    craftkit.sandbox.faults.add("cut_after", **POST)
    request = send(ready)
    work()
    for number in range(120):
        craftkit.pass_time(0.01)
        dashboard.signatures.create(
            ready.remote_id, [GUEST], anchor_tags=TAGS, idempotency_key=str(number)
        )
    request.cancel()
    until(craftkit, request, "cancelled")
    assert end_there(craftkit) == ["cancelled"] + ["sent"] * 120


def corrected(craftkit, ready: Render) -> tuple[SignatureRequest, SignatureRequest]:
    """One whose call never got there, taken back, and one in its place whose answer was lost."""
    craftkit.sandbox.faults.add("cut_before", **POST)
    mistaken = send(ready, anchor_tags=[AnchorTag("{{sing_here}}", "signature")], key="a")
    work()
    mistaken.cancel(reason="A misspelt anchor.")
    craftkit.pass_time(60)
    craftkit.sandbox.faults.add("cut_after", **POST)
    wanted = send(ready, key="b")
    return mistaken, wanted


def test_one_that_is_taken_back_takes_none_with_it_that_corrects_it(craftkit, ready, silent):
    mistaken, wanted = corrected(craftkit, ready)
    work()
    # The lost one is looked for first.
    Job.objects.filter(kind=Job.Kind.SEND_SIGNATURE, object_id=wanted.pk).update(
        due_at=clock.now() + timedelta(minutes=5)
    )
    until(craftkit, wanted, "sent")
    until(craftkit, mistaken, "cancelled")
    assert (mistaken.status, mistaken.remote_id) == ("cancelled", None)
    assert wanted.status == "sent"
    assert [one.id for one in craftkit.sandbox.signatures] == [str(wanted.remote_id)]


@pytest.mark.parametrize("is_answered", [False, True])
def test_nor_one_that_is_sent_while_it_is_looked_for(
    craftkit, ready, silent, monkeypatch, is_answered
):
    mistaken, wanted = corrected(craftkit, ready)
    if is_answered:
        craftkit.sandbox.faults.clear()
    craftkit.pass_time(LEASE_OVER)
    take_back = Job.objects.get(kind=Job.Kind.POLL_OR_CANCEL, object_id=mistaken.pk)
    Job.objects.exclude(kind=Job.Kind.SEND_SIGNATURE, object_id=wanted.pk).update(
        due_at=clock.now() + timedelta(hours=1)
    )
    before_sending(monkeypatch, str(ready.remote_id), work, method="GET")
    take_step(take_back)
    assert len(craftkit.sandbox.signatures) == 1
    mistaken.refresh_from_db()
    assert mistaken.remote_id is None
    until(craftkit, wanted, "sent", minutes=90)
    until(craftkit, mistaken, "cancelled", minutes=90)
    assert mistaken.remote_id is None
