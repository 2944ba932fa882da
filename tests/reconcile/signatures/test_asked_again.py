"""A document that is sent to be signed once more: when that is another envelope, and when none."""

from __future__ import annotations

import pytest
from django.db import transaction

from django_craftkit.models import (
    KeyConflict,
    Render,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.models.arguments import hash_key
from django_craftkit.reconcile.signatures.send import wire_key
from django_craftkit.signing import AnchorTag, Recipient, SignatureField
from tests.helpers import at_once
from tests.seams import after_reading

MISSPELT = Recipient("Jane", "Deo", "jane@example.com")
JANE = Recipient("Jane", "Doe", "jane@example.com")
MAX = Recipient("Max", "", "max@example.com")
TAGS = [AnchorTag("{{sign}}", "signature")]

UNDER_WAY = ["pending", "sent", "viewed"]
UNFULFILLED = ["cancelled", "declined", "expired", "failed", "rejected"]

KEYS = pytest.mark.parametrize("key", [None, "bk-1"], ids=["no key", "a key"])


def send(render: Render, *people: Recipient, **more: object) -> SignatureRequest:
    more = {"anchor_tags": TAGS, "name": "Charter", **more}
    return render.send_for_signature(people, **more)


def become(request: SignatureRequest, status: str, **more: object) -> None:
    SignatureRequest.objects.filter(pk=request.pk).update(status=status, **more)


def names(craftkit) -> list[str]:
    """Return the last names of who was asked first, envelope by envelope."""
    return [one.recipients[0].last_name or "" for one in craftkit.sandbox.signatures]


@KEYS
@pytest.mark.parametrize("status", [*UNDER_WAY, "completed"])
def test_a_corrected_name_is_refused_in_words_while_the_misspelt_one_stands(
    craftkit, ready, status, key
):
    request = send(ready, MISSPELT, MAX, key=key)
    become(request, status)
    with transaction.atomic(), pytest.raises(KeyConflict) as refused:
        send(ready, JANE, MAX, key=key)
    assert refused.value.differences == ("recipients[0].last_name",)
    assert "recipients[0].last_name" in str(refused.value)
    for name in ("Doe", "Deo", "jane@"):
        assert name not in str(refused.value), "who is to sign is in no log"
    assert SignatureRequest.objects.get() == request, "and the transaction goes on"


@KEYS
def test_a_corrected_name_is_sent_once_the_misspelt_one_is_cancelled(craftkit, ready, key):
    request = send(ready, MISSPELT, key=key)
    craftkit.run()
    request.cancel()
    with pytest.raises(KeyConflict, match="being cancelled"):
        send(ready, JANE, key=key)
    craftkit.run()
    newest = send(ready, JANE, key=key)
    assert send(ready, JANE, key=key) == newest, "a double click"
    craftkit.run()
    newest.refresh_from_db()
    assert (newest.status, newest.key) == ("sent", request.key)
    assert names(craftkit) == ["Deo", "Doe"]
    assert [one.status for one in craftkit.sandbox.signatures] == ["cancelled", "sent"]


@KEYS
@pytest.mark.parametrize("status", UNFULFILLED)
def test_a_corrected_name_is_another_request_once_the_misspelt_one_came_to_nothing(
    craftkit, ready, status, key
):
    request = send(ready, MISSPELT, key=key)
    craftkit.run()
    become(request, status)
    newest = send(ready, JANE, key=key)
    assert newest != request
    assert wire_key(newest) != wire_key(request)
    craftkit.run()
    assert names(craftkit) == ["Deo", "Doe"]


@pytest.mark.parametrize("status", UNFULFILLED)
def test_without_a_key_the_same_is_another_request_once_it_came_to_nothing(craftkit, ready, status):
    requests = [send(ready, JANE)]
    for _ in range(2):
        become(requests[-1], status)
        requests.append(send(ready, JANE))
        assert send(ready, JANE) == requests[-1], "a double click"
    craftkit.run()
    assert len(set(requests)) == 3
    assert craftkit.sandbox.billed_signatures == 1, "the others ended before they were sent"


@pytest.mark.parametrize("status", [*UNDER_WAY, *UNFULFILLED, "completed"])
def test_with_a_key_the_same_is_the_same_request_for_ever(craftkit, ready, status):
    request = send(ready, JANE, key="bk-1")
    become(request, status)
    assert send(ready, JANE, key="bk-1") == request


def test_who_says_the_first_again_under_a_key_gets_the_first(craftkit, ready):
    """A task that is tried again, late, when somebody has corrected what it said."""
    first = send(ready, MISSPELT, key="bk-1")
    become(first, "cancelled")
    second = send(ready, JANE, key="bk-1")
    for status in ("pending", "declined"):
        become(second, status)
        assert send(ready, MISSPELT, key="bk-1") == first
        assert send(ready, JANE, key="bk-1") == second
    assert SignatureRequest.objects.count() == 2


def test_what_all_have_signed_is_asked_for_once(craftkit, ready):
    request = send(ready, JANE)
    become(request, "completed")
    assert send(ready, JANE) == request


def test_the_same_is_no_answer_while_it_is_being_cancelled(craftkit, ready):
    """Whoever asks would think that it goes out."""
    request = send(ready, JANE)
    keyed = send(ready, JANE, key="bk-1")
    for one in (request, keyed):
        one.cancel()
    with pytest.raises(KeyConflict, match="being cancelled"):
        send(ready, JANE)
    assert send(ready, JANE, key="bk-1") == keyed
    craftkit.run()
    assert send(ready, JANE) != request


@pytest.mark.parametrize(
    ("people", "more", "differences"),
    [
        ([Recipient("Jana", "Doe", "JANE@example.com"), MAX], {}, {"recipients[0].first_name"}),
        ([JANE, Recipient("Max", "Roe", "max@example.com")], {}, {"recipients[1].last_name"}),
        ([JANE], {}, {"recipients"}),
        ([JANE, MAX, MISSPELT], {}, {"recipients"}),
        ([JANE, MAX], {"name": "Insurance"}, {"name"}),
        ([JANE, MAX], {"anchor_tags": [AnchorTag("{{here}}", "signature")]}, {"anchor_tags"}),
        ([JANE, MAX], {"fields": [SignatureField("date", x=1, y=1)]}, {"fields"}),
        (
            [
                Recipient("Jane", "Doe", "jane@example.com", order=2),
                Recipient("Max", "", "max@example.com", designation="CC", order=1),
            ],
            {},
            {"recipients[0].order", "recipients[1].order", "recipients[1].designation"},
        ),
    ],
)
def test_what_differs_is_named(craftkit, ready, people, more, differences):
    send(ready, JANE, MAX, key="bk-1")
    with pytest.raises(KeyConflict) as refused:
        send(ready, *people, key="bk-1", **more)
    assert set(refused.value.differences) == differences


def test_a_number_that_is_written_otherwise_is_the_same_place(craftkit, ready):
    first, again = (SignatureField("signature", x=x, y=x, width=2.5) for x in (1, 1.0))
    assert send(ready, JANE, fields=[first]) == send(ready, JANE, fields=[again])


def test_whom_craftkit_has_added_is_no_difference(craftkit, ready):
    request = send(ready, JANE)
    SignatureRecipient.objects.create(
        request=request, position=1, first_name="Vera", email="vera@example.com"
    )
    assert send(ready, JANE) == request
    with pytest.raises(KeyConflict):
        send(ready, MISSPELT)


@pytest.mark.parametrize("case", ["bk-1", "BK-1", "bk-1 "])
def test_keys_are_told_apart_letter_by_letter(craftkit, ready, case):
    """A collation may take them for one."""
    first = send(ready, MISSPELT, key="bk-1")
    become(first, "declined")
    assert send(ready, JANE, key=case) != first
    assert SignatureRequest.objects.latest("pk").key == case


@KEYS
@pytest.mark.django_db(transaction=True)
def test_several_that_correct_it_at_the_same_time_get_one_envelope(craftkit, ready, key):
    become(send(ready, MISSPELT, key=key), "declined")
    errors = at_once(*[lambda: send(Render.objects.get(pk=ready.pk), JANE, key=key)] * 4)
    assert errors == [None] * 4
    craftkit.run()
    assert names(craftkit) == ["Doe"]
    assert SignatureRecipient.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_several_that_correct_it_otherwise_the_first_is_sent(craftkit, ready):
    become(send(ready, MISSPELT), "declined")
    people = [Recipient("Jane", name, "jane@example.com") for name in ("Doe", "Roe", "Poe")]
    asks = [lambda one=one: send(Render.objects.get(pk=ready.pk), one) for one in people]
    errors = at_once(*asks)
    assert sorted(type(error).__name__ for error in errors) == ["KeyConflict"] * 2 + ["NoneType"]
    craftkit.run()
    assert names(craftkit) == [people[errors.index(None)].last_name]


def test_one_that_was_refused_is_sent_again_or_another_in_its_place_never_both(craftkit, ready):
    request = send(ready, JANE)
    become(request, "rejected")
    newest = send(ready, JANE)
    assert not request.retry(), "another has been asked for in its place"
    become(newest, "rejected")
    assert newest.retry()
    assert send(ready, JANE) == newest
    craftkit.run()
    assert craftkit.sandbox.billed_signatures == 1


def test_nor_where_somebody_retries_it_in_that_very_moment(craftkit, ready, monkeypatch):
    request = send(ready, JANE)
    become(request, "rejected")
    retried = []
    after_reading(monkeypatch, SignatureRequest, lambda: retried.append(request.retry()))
    assert send(ready, JANE) == request
    assert retried == [True]
    craftkit.run()
    assert craftkit.sandbox.billed_signatures == 1


def test_what_an_earlier_version_asked_for_is_known_and_its_names_are_compared(craftkit, ready):
    """It kept no names in what it compared; they are in its recipients."""
    request = send(ready, JANE)
    SignatureRequest.objects.update(declared=None, cancel_code=None)
    text = '["Charter", [["jane@example.com", "Signer"]]]'
    assert request.key == f"sign:{hash_key(text)}"
    assert request.key_hash == hash_key(request.key)
    assert send(ready, JANE) == request
    with pytest.raises(KeyConflict):
        send(ready, MISSPELT)
