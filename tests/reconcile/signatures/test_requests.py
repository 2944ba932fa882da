"""One envelope for one request, whoever makes it and however often."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from django.db import transaction

from django_craftkit.models import (
    ArchivedFile,
    Job,
    KeyConflict,
    Render,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.reconcile.signatures.send import wire_key
from django_craftkit.signals import render_succeeded
from django_craftkit.signing import AnchorTag, InvalidSignatureRequest, Recipient, SignatureField
from tests.helpers import Replica, at_once, connected, settle
from tests.reconcile.signatures.helpers import (
    GUEST,
    POST,
    SKIPPER,
    TAGS,
    end_there,
    history,
    posts,
    send,
    until,
)
from tests.seams import when_waiting


def test_it_is_sent_signed_and_kept(craftkit, ready):
    request = send(ready)
    craftkit.run()
    request.refresh_from_db()
    assert request.status == "sent"
    (there,) = craftkit.sandbox.signatures
    for person in (GUEST, SKIPPER):
        craftkit.sandbox.sign(there.id, person.email)
    settle(craftkit)
    request.refresh_from_db()
    assert request.status == "completed"
    assert abs(request.completed_at.timestamp() - there.completed_at) < 0.001
    assert ArchivedFile.objects.count() == 2
    with request.open_signed() as pdf:
        assert pdf.read(5) == b"%PDF-"
    way = ["sent", "viewed", "signed", "signed", "completed", "archived"]
    assert history(request) == way


def test_what_craftkit_gets_is_what_was_asked_for(craftkit, ready, django_user_model):
    person = django_user_model.objects.create(username="ada")
    request = ready.send_for_signature(
        [
            Recipient("Ада", "", "ada@example.com", order=2),
            Recipient("王", "小明 🖋", "wang@example.com", designation="Approver", order=1),
            Recipient('  O\'Neill, "J"', "<b>&</b>", "CC@Example.com", designation="CC", order=3),
        ],
        fields=[SignatureField("date", recipient=0, page=2, x=1.5, y=99, width=10, required=True)],
        anchor_tags=[AnchorTag("{{hier}}", "initials", recipient=0, ignore_if_not_present=True)],
        name="Ναύλωση — BK-12345",
        expires_in=timedelta(hours=70, minutes=1),
        user=person,
    )
    craftkit.run()
    request.refresh_from_db()
    (there,) = craftkit.sandbox.signatures
    assert (there.name, there.expiration_hours) == ("Ναύλωση — BK-12345", 71)
    assert [(one.first_name, one.last_name or "", one.email) for one in there.recipients] == [
        ("Ада", "", "ada@example.com"),
        ("王", "小明 🖋", "wang@example.com"),
        ('  O\'Neill, "J"', "<b>&</b>", "CC@Example.com"),
    ]
    assert [(one.designation, one.order) for one in there.recipients] == [
        ("Signer", 2),
        ("Approver", 1),
        ("CC", 3),
    ]
    assert (len(there.fields), len(there.anchor_tags)) == (1, 1)
    assert there.render.id == str(ready.remote_id)
    assert request.requested_by == person
    assert [row.remote_id for row in request.recipients.order_by("position")] == [
        one.id for one in there.recipients
    ]
    assert request.recipients.count() == 3
    assert request.expires_at.timestamp() == pytest.approx(there.expires_at, abs=0.001)


def test_nothing_is_left_of_one_that_was_asked_for_in_a_transaction_rolled_back(craftkit, ready):
    with contextlib.suppress(LookupError), transaction.atomic():
        send(ready)
        raise LookupError
    craftkit.run()
    assert not SignatureRequest.objects.exists()
    assert not SignatureRecipient.objects.exists()
    assert not Job.objects.exists()
    assert posts(craftkit) == 0


def test_a_double_click_is_one_envelope(craftkit, ready):
    first = send(ready)
    assert send(ready) == first, "before it is out"
    craftkit.run()
    assert send(ready) == first, "and after that"
    loud = Recipient(GUEST.first_name, GUEST.last_name, "ELENI@example.com")
    assert send(ready, loud, SKIPPER) == first, "as typed"
    craftkit.run()
    assert SignatureRecipient.objects.count() == 2
    assert (len(craftkit.sandbox.signatures), craftkit.sandbox.billed_signatures) == (1, 1)


def test_other_people_or_another_name_are_another_envelope(craftkit, ready):
    requests = {
        send(ready).pk,
        send(ready, GUEST).pk,
        send(ready, SKIPPER, GUEST).pk,
        send(ready, name="Insurance").pk,
        send(ready, key="again").pk,
    }
    craftkit.run()
    assert len(requests) == len(craftkit.sandbox.signatures) == 5


@pytest.mark.django_db(transaction=True)
def test_several_that_ask_different_people_under_one_key_get_one_envelope_for_the_first(
    craftkit, ready
):
    people = [Recipient("A", "", f"{letter}@example.com") for letter in "abcd"]
    asks = [
        lambda one=one: send(Render.objects.get(pk=ready.pk), one, key="bk-1") for one in people
    ]
    errors = at_once(*asks)
    assert sorted(type(error).__name__ for error in errors) == ["KeyConflict"] * 3 + ["NoneType"]
    craftkit.run()
    request = SignatureRequest.objects.get()
    assert request.recipients.get().email == people[errors.index(None)].email
    assert len(craftkit.sandbox.signatures) == 1


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_is_called_again_asks_for_one_envelope(craftkit):
    asked = []

    def receiver(instance, **kwargs):
        asked.append(send(instance))
        if len(asked) < 3:
            raise LookupError("the mail server of this site is away")

    with connected(receiver, render_succeeded):
        Render.objects.request("invoice", {})
        for _ in range(6):
            craftkit.run()
            craftkit.pass_time(30)
    assert (len(asked), len(set(asked))) == (3, 1)
    assert craftkit.sandbox.billed_signatures == 1


@pytest.mark.parametrize(
    "other",
    [
        {"people": [GUEST]},
        {"people": [SKIPPER, GUEST]},
        {"name": "Insurance"},
        {"anchor_tags": [AnchorTag("{{here}}", "signature")]},
        {"fields": [SignatureField("signature", x=1, y=1)]},
    ],
    ids=["fewer people", "another order", "another name", "another tag", "one more place"],
)
def test_a_key_stands_for_one_request_only(craftkit, ready, other):
    request = send(ready, key="bk-1")
    people = other.pop("people", [])
    with transaction.atomic(), pytest.raises(KeyConflict, match="bk-1"):
        send(ready, *people, key="bk-1", **other)
    assert SignatureRequest.objects.get() == request, "and the transaction goes on"
    craftkit.run()
    with pytest.raises(KeyConflict):
        send(ready, *people, key="bk-1", **other)
    assert len(craftkit.sandbox.signatures) == 1


@pytest.mark.parametrize(
    ("field", "people", "more"),
    [
        ("recipients", [], {}),
        ("recipients", [GUEST] * 21, {}),
        ("recipients[1].first_name", [GUEST, Recipient(" ", "", "a@example.com")], {}),
        ("recipients[0].first_name", [Recipient("a\0", "", "a@example.com")], {}),
        ("recipients[0].last_name", [Recipient("A", "x" * 101, "a@example.com")], {}),
        ("recipients[0].email", [Recipient("A", "", "a at example.com")], {}),
        ("recipients[0].email", [Recipient("A", "", "A <a@example.com>")], {}),
        ("recipients[0].designation", [Recipient("A", "", "a@b.example", designation="Boss")], {}),
        ("recipients[0].order", [Recipient("A", "", "a@b.example", order=2)], {}),
        ("fields", [GUEST], {"anchor_tags": []}),
        ("fields[0].x", [GUEST], {"fields": [SignatureField("date", x=float("nan"), y=1)]}),
        (
            "anchor_tags[0].recipient",
            [GUEST],
            {"anchor_tags": [AnchorTag("a", "date", recipient=1)]},
        ),
        ("anchor_tags", [GUEST], {"anchor_tags": TAGS * 201}),
        ("name", [GUEST], {"name": "x" * 256}),
        ("name", [GUEST], {"name": "half \ud800"}),
        ("expires_in_hours", [GUEST], {"expires_in": timedelta(0)}),
        ("expires_in_hours", [GUEST], {"expires_in": timedelta(days=-1)}),
        ("expires_in_hours", [GUEST], {"expires_in": timedelta(days=366)}),
        ("expires_in_hours", [GUEST], {"expires_in": timedelta.max}),
    ],
)
def test_what_craftkit_would_refuse_is_refused_before_the_first_query(
    craftkit, ready, django_assert_num_queries, field, people, more
):
    with django_assert_num_queries(0), pytest.raises(InvalidSignatureRequest) as refused:
        ready.send_for_signature(people, **{"anchor_tags": TAGS, **more})
    assert refused.value.field == field


def test_a_time_to_sign_is_a_timedelta(craftkit, ready, django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(TypeError, match="expires_in"):
        send(ready, expires_in=5)


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "nul \0"])
def test_a_key_that_is_none_is_refused_before_the_first_query(
    craftkit, ready, django_assert_num_queries, key
):
    with django_assert_num_queries(0), pytest.raises(ValueError, match="key"):
        send(ready, key=key)


def test_no_name_is_no_name(craftkit, ready):
    """Craftkit makes one of the document's id."""
    requests = {send(ready, name=name) for name in ("", None)}
    craftkit.run()
    (request,) = requests
    request.refresh_from_db()
    assert request.status == "sent"
    assert craftkit.sandbox.signatures[0].name.startswith("Signature request ")


def test_one_that_is_waited_for_is_rejected_where_its_document_fails(craftkit, monkeypatch):
    when_waiting(monkeypatch, craftkit.pass_time)
    craftkit.sandbox.faults.add("render_failed")
    assert send(Render.objects.request("invoice", {}), wait=5).status == "rejected"


def test_it_is_the_same_where_moments_are_naive(craftkit, settings):
    settings.USE_TZ = False
    craftkit.sandbox.faults.add("webhook_dropped", event="signature.signed", times=None)
    render = Render.objects.request("invoice", {})
    lost = send(render, key="lost")
    craftkit.sandbox.faults.add("cut_after", **POST)
    craftkit.run()
    lost.cancel()
    until(craftkit, lost, "cancelled")
    request, other = send(render, expires_in=timedelta(hours=1)), send(render, key="other")
    craftkit.run()
    there = {one.idempotency_key: one for one in craftkit.sandbox.signatures}
    craftkit.sandbox.sign_all(there[wire_key(request)].id)
    until(craftkit, request, "completed")
    settle_open = request.recipients.order_by("position")[0]
    assert settle_open.signed_at.tzinfo is None
    assert request.expires_at.tzinfo is None
    other.cancel()
    settle(craftkit)
    assert ArchivedFile.objects.count() == 2
    assert end_there(craftkit) == ["cancelled", "completed", "cancelled"]


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("end", ["completed", "cancelled"])
def test_what_a_replica_does_not_have_yet_is_sent_and_followed_all_the_same(
    craftkit, settings, end
):
    settings.DATABASE_ROUTERS = [Replica("craftkit")]
    request = send(Render.objects.request("invoice", {}, key="i-1"))
    craftkit.run()
    (there,) = craftkit.sandbox.signatures
    assert [one.email for one in there.recipients] == [GUEST.email, SKIPPER.email]
    if end == "completed":
        craftkit.sandbox.sign_all(there.id)
    else:
        SignatureRequest.objects.using("default").get(pk=request.pk).cancel()
    craftkit.run()
    request.refresh_from_db(using="default")
    assert (request.status, there.status) == (end, end)
    assert not SignatureRequest.objects.using("other").exists()


def test_lists_of_requests(craftkit, ready):
    from tests.shop.models import Order

    order = Order.objects.create(number="1")
    about = Render.objects.request("invoice", {}, source=order)
    first = send(about)
    other = send(ready)
    craftkit.run()
    second = send(about, key="second")
    craftkit.run()
    assert list(SignatureRequest.objects.for_object(order)) == [second, first]
    assert set(SignatureRequest.objects.open()) == {first, second, other}
    first.cancel()
    craftkit.run()
    assert set(SignatureRequest.objects.open()) == {second, other}
