"""What Craftkit answers about a request and its people, however odd: none is held up by it."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest

from django_craftkit.models import (
    Change,
    Job,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.reconcile.signatures import states as signatures
from django_craftkit.sandbox.api.signatures import as_json
from django_craftkit.signals import signature_signed
from django_craftkit.signing import Recipient
from tests.helpers import connected
from tests.reconcile.signatures.helpers import (
    GET,
    GUEST,
    LIST,
    ORDER,
    answer,
    history,
    send,
    tell,
    until,
)


@pytest.mark.parametrize("by", ["webhook", "poll"])
def test_one_whose_time_is_up_has_expired(craftkit, ready, by):
    if by == "poll":
        craftkit.sandbox.faults.add("webhook_dropped", times=None)
    request = send(ready, expires_in=timedelta(hours=2))
    craftkit.run()
    craftkit.pass_time(2 * 3600)
    until(craftkit, request, "expired")
    assert history(request) == ["sent", "expired"]
    assert not Job.objects.exists()


def test_one_that_fails_is_found_by_asking_alone(craftkit, sent, there, heard):
    craftkit.sandbox.fail_signature(there.id, "The provider lost it.")
    until(craftkit, sent, "failed", minutes=16)
    assert sent.error == "The provider lost it."
    assert heard == [("failed", "failed", "sent")]
    assert Change.objects.get(to_status="failed").cause == "poll"


def test_one_that_fails_at_once_was_sent_before(craftkit, ready, heard):
    craftkit.sandbox.faults.add("signature_failed", message="The provider lost it.")
    request = send(ready)
    until(craftkit, request, "failed")
    assert [name for name, *_ in heard] == ["sent", "failed"]
    assert not request.is_retriable, "it was billed"


def test_a_status_that_is_new_to_us_ends_nothing(craftkit, sent, there):
    for status in ("signed", "x" * 200, "nul \0", "pending"):
        tell("viewed", sent)
        odd = answer(craftkit, there, status=status)
        craftkit.sandbox.faults.add("status", **odd, **GET)
        craftkit.run()
        sent.refresh_from_db()
        assert sent.status == "sent"
    assert sent.answer["status"]
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, sent, "completed")


def test_a_person_whom_nobody_here_has_named_is_shown_and_told_of(craftkit, sent, there, heard):
    people = as_json(craftkit.sandbox.state, there)["recipients"]
    stranger = {
        "id": "rcp-notary",
        "firstName": "Nota\0ry",
        "lastName": None,
        "email": "notary@example.com",
        "designation": "Notary of the provider",
        "order": 3,
        "signedAt": "2026-06-05T10:00:00.000Z",
    }
    for _ in range(3):
        tell("signed", sent)
        odd = answer(craftkit, there, recipients=[*people, stranger])
        craftkit.sandbox.faults.add("status", **odd, **GET)
        craftkit.run()
    row = sent.recipients.get(position=2)
    assert (row.first_name, row.last_name, row.email) == ("Notary", "", "notary@example.com")
    assert row.designation == "Notary of the pr"
    assert row.signed_at is not None
    assert sent.recipients.count() == 3
    assert [event for event in heard if event[0] == "signed"] == [("signed", row.email, "")]


def test_who_listens_to_people_alone_hears_of_one_whom_nobody_here_has_named(craftkit, sent, there):
    said = []

    def listen(instance, **kwargs):
        said.append(instance.email)

    people = as_json(craftkit.sandbox.state, there)["recipients"]
    notary = {**people[0], "id": "rcp-notary", "email": "notary@example.com", "order": 3}
    notary["signedAt"] = "2026-06-05T10:00:00.000Z"
    odd = answer(craftkit, there, recipients=[*people, notary])
    craftkit.sandbox.faults.add("status", **odd, **GET)
    with connected(listen, signature_signed, sender=SignatureRecipient):
        sent.refresh()
        craftkit.run()
    assert said == ["notary@example.com"]


@pytest.mark.parametrize(
    "odd",
    [
        {"email": "no\0tary@example.com"},
        {"email": "x" * 300},
        {"email": None},
        {"email": "", "firstName": None, "lastName": None, "order": None, "designation": None},
        {"email": "half \ud800"},
        {"email": "n@example.com", "order": 10**9, "designation": "\0" * 300},
        {"email": "n@example.com", "order": 0},
        {"email": "x" * 300, "id": "x" * 300},
        {"email": "n@example.com", "id": "rcp \0"},
    ],
    ids=["NUL", "long", "null", "empty", "half", "huge", "0", "long id", "odd id"],
)
def test_a_person_of_odd_values_is_one_person_however_often_craftkit_tells(
    craftkit, sent, there, odd
):
    people = as_json(craftkit.sandbox.state, there)["recipients"]
    stranger = {"id": None, "firstName": "x" * 300, "signedAt": "2026-06-05T10:00:00.000Z", **odd}
    for _ in range(3):
        tell("signed", sent)
        told = answer(craftkit, there, recipients=[*people, stranger])
        craftkit.sandbox.faults.add("status", **told, **GET)
        craftkit.run()
    assert sent.recipients.count() == 3
    assert history(sent) == ["sent", "signed"]
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, sent, "completed")


def test_no_people_and_nulls_take_nothing_away(craftkit, sent, there):
    craftkit.sandbox.sign(there.id, GUEST.email)
    craftkit.run()
    nobody = {"firstName": None, "lastName": None, "designation": None, "order": None}
    people = [
        {**one, **nobody, "signedAt": None, "declinedAt": None}
        for one in as_json(craftkit.sandbox.state, there)["recipients"]
    ]
    before = list(SignatureRecipient.objects.values())
    for told in ([], people):
        tell("signed", sent)
        odd = answer(
            craftkit, there, recipients=told, status="sent", expirationHours=None, completedAt=None
        )
        craftkit.sandbox.faults.add("status", **odd, **GET)
        craftkit.run()
    assert list(SignatureRecipient.objects.values()) == before
    sent.refresh_from_db()
    assert (sent.status, sent.error) == ("viewed", "")


def test_two_people_with_one_address_are_two(craftkit, ready, heard):
    crew = [Recipient(name, "", "boat@example.com") for name in ("Ada", "Bob")]
    request = send(ready, *crew)
    craftkit.run()
    (there,) = craftkit.sandbox.signatures
    craftkit.sandbox.sign(there.id, "boat@example.com")
    craftkit.run()
    first, second = request.recipients.order_by("position")
    assert (first.signed_at is None, second.signed_at) == (False, None)
    assert first.remote_id != second.remote_id
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, request, "completed")
    assert request.recipients.count() == 2
    assert [name for name, *_ in heard] == ORDER


@pytest.mark.parametrize(
    "odd",
    [
        {"createdAt": "0001-01-01T00:00:00.000Z"},
        {"createdAt": "9999-12-31T23:59:59.999Z"},
        {"errorMessage": "no \0 ink \ud800"},
        {"errorMessage": "x" * 100_000},
        {"more\0": ["\0", {"\ud800": 1e308}]},
        {"name": "\0" * 1000},
    ],
    ids=["first year", "last year", "odd error", "long error", "odd extra", "odd name"],
)
def test_odd_values_hold_up_neither_the_request_nor_others(craftkit, ready, odd, silent):
    other = send(ready, key="other")
    craftkit.pass_time(1)
    request = send(ready, key="odd")
    craftkit.run()
    request.refresh_from_db()
    other.refresh_from_db()
    there = {one.id: one for one in craftkit.sandbox.signatures}
    path = f"/v1/signatures/{request.remote_id}"
    told = answer(craftkit, there[str(request.remote_id)], **odd)
    craftkit.sandbox.faults.add("status", method="GET", path=path, times=3, **told)
    page = {"signatures": [json.loads(told["body"])], "nextCursor": None, "hasMore": False}
    craftkit.sandbox.faults.add("status", status=200, body=json.dumps(page), times=2, **LIST)
    for one in there:
        craftkit.sandbox.sign_all(one)
    until(craftkit, other, "completed", minutes=120)
    until(craftkit, request, "completed", minutes=120)


@pytest.mark.parametrize(
    "broken",
    ["{}", "[]", "null", '{"id": 5}', "<html>"],
    ids=["empty", "list", "null", "5", "html"],
)
def test_an_answer_that_is_none_changes_nothing_and_is_asked_for_again(
    craftkit, sent, there, broken
):
    craftkit.sandbox.faults.add("status", status=200, body=broken, times=2, **GET)
    craftkit.sandbox.sign_all(there.id)
    craftkit.run()
    sent.refresh_from_db()
    assert (sent.status, sent.error) == ("sent", "")
    until(craftkit, sent, "completed", minutes=40)


def test_an_answer_about_another_request_is_not_taken_for_this_one(craftkit, sent, there):
    odd = answer(craftkit, there, id=str(uuid.uuid4()), status="completed")
    craftkit.sandbox.faults.add("status", **odd, **GET)
    tell("completed", sent)
    craftkit.run()
    sent.refresh_from_db()
    assert sent.status == "sent"


def test_no_final_status_is_left_again(craftkit, sent, there):
    craftkit.sandbox.decline(there.id, GUEST.email, "No.")
    craftkit.run()
    before = SignatureRequest.objects.values().get()
    for event in signatures.TOLD:
        tell(event, sent, status=event)
    sent.refresh()
    craftkit.run()
    after = SignatureRequest.objects.values().get()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}
