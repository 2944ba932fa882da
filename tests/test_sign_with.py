"""``sign_with=``: a declared document is sent to be signed, once for each attempt, or never."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_delete
from django.dispatch import Signal

from django_craftkit import clock
from django_craftkit.events import render_on
from django_craftkit.models import Change, Job, ProjectState, Render, SignatureRequest
from django_craftkit.signing import AnchorTag, Envelope, Recipient, SignatureField
from tests.helpers import LEASE_OVER, Killed, killed
from tests.seams import after_building, before_committing, before_marking_as_sent, carry_out
from tests.shop.models import Order

agreed = Signal()
snapped = Signal()
bare = Signal()
told = Signal()

TAGS = [AnchorTag("{{sign}}", "signature")]


def envelope_of(order: Order) -> Envelope | None:
    if order.number == "NOBODY":
        return None
    if order.number == "SIGNER RAISES":
        raise LookupError("no such signer")
    if order.number == "WRONG ADDRESS":
        return Envelope([Recipient("Jane", "Doe", "no address")], anchor_tags=TAGS)
    if order.number == "NO ENVELOPE":
        return [Recipient("Jane", "Doe", "jane@example.com")]  # type: ignore[return-value]
    people = [Recipient("Jane", f"of {order.number}", "jane@example.com")]
    return Envelope(people, anchor_tags=TAGS, name="Agreement", expires_in=timedelta(days=3))


@render_on(agreed, template="agreement", key=lambda order: f"a-{order.pk}", sign_with=envelope_of)
def agreement(order: Order, **kwargs: object) -> dict[str, object] | None:
    if order.number == "RAISES":
        raise LookupError("no such price")
    return None if order.number == "NOTHING" else {"number": order.number}


@render_on(
    snapped,
    template="agreement",
    key=lambda order: f"s-{order.pk}",
    snapshot=True,
    sign_with=envelope_of,
)
def snapshot(order: Order, **kwargs: object) -> dict[str, object]:
    return {"number": order.number}


@render_on(bare, template="agreement", key=lambda order: "", snapshot=True, sign_with=envelope_of)
def without_key(order: Order, **kwargs: object) -> dict[str, object]:
    return {"number": order.number}


@render_on(
    told,
    template="agreement",
    key=lambda day: f"t-{day}",
    sign_with=lambda day: Envelope([Recipient("Day", day, "day@example.com")], anchor_tags=TAGS),
)
def report(day: str, **kwargs: object) -> dict[str, object]:
    return {"day": day}


def agree(signal: Signal = agreed, number: str = "1") -> Order:
    order = Order.objects.create(number=number)
    signal.send(Order, instance=order)
    return order


def people() -> list[str]:
    requests = SignatureRequest.objects.order_by("pk")
    return [str(one) for request in requests for one in request.recipients.all()]


BOTH = pytest.mark.parametrize("signal", [agreed, snapped], ids=["worker", "snapshot"])


@BOTH
def test_the_document_is_sent_to_be_signed_when_it_is_ready(craftkit, signal):
    order = agree(signal)
    craftkit.run()
    request = SignatureRequest.objects.for_object(order).get()
    assert (request.status, request.name, request.key) == ("sent", "Agreement", "declared 1")
    assert request.expiration_hours == 72
    (there,) = craftkit.sandbox.signatures
    assert [one.email for one in there.recipients] == ["jane@example.com"]
    assert there.anchor_tags[0]["anchorString"] == "{{sign}}"
    assert there.render.data == {"number": "1"}


def test_the_people_are_those_that_were_really_saved(craftkit):
    agree()
    Order.objects.update(number="2")
    craftkit.run()
    assert people() == ["Jane of 2 <jane@example.com>"]


@pytest.mark.parametrize("signal", [snapped, bare], ids=["a key", "no key"])
@pytest.mark.parametrize(("first", "signers"), [("1", ["Jane of 1"]), ("NOBODY", [])])
def test_a_snapshot_that_is_declared_again_has_the_signers_it_had(
    craftkit, caplog, signal, first, signers
):
    order = agree(signal, first)
    order.number = "2"
    signal.send(Order, instance=order)
    craftkit.run()
    assert people() == [f"{name} <jane@example.com>" for name in signers]
    assert len(craftkit.sandbox.signatures) == len(signers)
    assert Render.objects.get().data == {"number": first}
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_those_of_a_snapshot_are_those_of_its_moment(craftkit):
    agree(snapped)
    Order.objects.update(number="2")
    assert SignatureRequest.objects.get().status == "pending"
    craftkit.run()
    assert people() == ["Jane of 1 <jane@example.com>"]


def test_a_signal_without_an_instance_says_who_signs_too(craftkit):
    told.send("monday")
    craftkit.run()
    assert people() == ["Day monday <day@example.com>"]


def test_those_of_a_snapshot_are_asked_where_a_database_returns_no_ids(craftkit, monkeypatch):
    """The driver tells the id of the last row then, as MySQL's does."""
    if connection.vendor == "postgresql":
        pytest.skip("It always returns them.")
    monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)
    order = agree(snapped)
    snapped.send(Order, instance=order)
    craftkit.run()
    assert Render.objects.get().status == "succeeded"
    assert people() == ["Jane of 1 <jane@example.com>"]
    assert len(craftkit.sandbox.signatures) == 1


@BOTH
def test_an_event_that_fires_three_times_is_one_request(craftkit, signal):
    order = agree(signal)
    signal.send(Order, instance=order)
    craftkit.run()
    order.number = "2"  # other people, for the same document
    order.save()
    signal.send(Order, instance=order)
    craftkit.run()
    assert people() == ["Jane of 1 <jane@example.com>"]
    assert len(craftkit.sandbox.signatures) == 1


def test_a_later_event_asks_nobody_to_sign_a_snapshot_of_another_moment(craftkit):
    order = agree(snapped, "NOBODY")
    order.number = "2"
    snapped.send(Order, instance=order)
    craftkit.run()
    assert Render.objects.get().data == {"number": "NOBODY"}
    assert not SignatureRequest.objects.exists()


@BOTH
def test_an_event_that_is_rolled_back_asks_nobody(craftkit, signal):
    def fail():
        with transaction.atomic():
            agree(signal)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    craftkit.run()
    assert not SignatureRequest.objects.exists()
    assert not Job.objects.exists()
    assert craftkit.sandbox.signatures == []


@BOTH
def test_where_nobody_is_to_sign_the_document_is_made_all_the_same(craftkit, signal):
    agree(signal, "NOBODY")
    craftkit.run()
    assert Render.objects.get().status == "succeeded"
    assert not SignatureRequest.objects.exists()


def test_where_there_is_nothing_to_render_nobody_is_asked(craftkit):
    agree(number="NOTHING")
    craftkit.run()
    assert not Render.objects.exists()
    assert not SignatureRequest.objects.exists()


def test_nothing_to_render_ends_a_document_that_somebody_wants_signed(craftkit):
    agree(number="NOTHING")
    request = Render.objects.get().send_for_signature(
        [Recipient("Jane", "Doe", "jane@example.com")], anchor_tags=TAGS
    )
    craftkit.run()
    request.refresh_from_db()
    assert (Render.objects.get().status, request.status) == ("cancelled", "rejected")


@BOTH
@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("SIGNER RAISES", "LookupError: no such signer"),
        ("WRONG ADDRESS", "recipients[0].email"),
        ("NO ENVELOPE", "returned a list"),
    ],
)
def test_who_cant_be_asked_rejects_the_document_until_that_is_mended(
    craftkit, caplog, signal, number, words
):
    agree(signal, number)
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "builder_failed")
    assert words in render.error
    assert "says who signs a document" in caplog.text
    assert render.data is None
    assert craftkit.renders == []
    assert not SignatureRequest.objects.exists()

    Order.objects.update(number="MENDED")
    assert render.retry()
    craftkit.run()
    assert people() == ["Jane of MENDED <jane@example.com>"]
    assert SignatureRequest.objects.get().key == "declared 2"
    assert len(craftkit.sandbox.signatures) == 1


def test_a_builder_that_raises_asks_nobody(craftkit):
    agree(number="RAISES")
    craftkit.run()
    assert Render.objects.get().status == "rejected"
    assert not SignatureRequest.objects.exists()


@BOTH
def test_a_retry_asks_anew(craftkit, signal):
    craftkit.sandbox.faults.add("render_failed")
    agree(signal)
    craftkit.run()
    render, request = Render.objects.get(), SignatureRequest.objects.get()
    assert (render.status, request.status) == ("failed", "rejected")

    Order.objects.update(number="2")
    render.retry()
    craftkit.run()
    newest = SignatureRequest.objects.latest("pk")
    assert (newest.key, newest.status) == ("declared 2", "sent")
    assert (newest.name, newest.expiration_hours) == ("Agreement", 72)
    # A snapshot stays what it was, and so do its people.
    who = "Jane of 2" if signal is agreed else "Jane of 1"
    assert str(newest.recipients.get()) == f"{who} <jane@example.com>"
    request.refresh_from_db()
    assert not request.retry(), "the same people have been asked anew"
    assert len(craftkit.sandbox.signatures) == 1


@BOTH
def test_a_retry_that_comes_first_asks_nobody_twice(craftkit, signal):
    """The request of the first attempt has not heard yet that its document failed."""
    craftkit.sandbox.faults.add("render_failed")
    agree(signal)
    craftkit.run()
    SignatureRequest.objects.update(status="pending", error="", error_code="")
    render = Render.objects.get()
    render.retry()
    craftkit.run()
    assert [one.status for one in SignatureRequest.objects.order_by("pk")] == ["cancelled", "sent"]
    assert len(craftkit.sandbox.signatures) == 1


def test_a_retry_that_nobody_is_to_sign_takes_back_what_waits(craftkit):
    craftkit.sandbox.faults.add("render_failed")
    agree()
    craftkit.run()
    SignatureRequest.objects.update(status="pending", error="", error_code="")
    Order.objects.update(number="NOBODY")
    Render.objects.get().retry()
    craftkit.run()
    assert SignatureRequest.objects.get().status == "cancelled"
    assert craftkit.sandbox.signatures == []


@BOTH
def test_a_retry_does_not_ask_again_for_what_somebody_has_cancelled(craftkit, signal):
    craftkit.sandbox.faults.add("render_failed")
    craftkit.sandbox.render_time = 60.0
    agree(signal)
    craftkit.run()
    SignatureRequest.objects.get().cancel(reason="Not wanted.")
    craftkit.pass_time(300)
    craftkit.run()
    render = Render.objects.get()
    assert render.status == "failed"
    render.retry()
    craftkit.run()
    craftkit.pass_time(300)
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, SignatureRequest.objects.get().status) == ("succeeded", "cancelled")
    assert craftkit.sandbox.signatures == []


def test_the_keys_of_declared_requests_are_nobody_elses(craftkit, django_assert_num_queries):
    agree()
    render = Render.objects.get()
    jane = Recipient("Jane", "Doe", "jane@example.com")
    with django_assert_num_queries(0), pytest.raises(ValueError, match="sign_with="):
        render.send_for_signature([jane], anchor_tags=TAGS, key="declared 1")
    craftkit.run()
    assert people() == ["Jane of 1 <jane@example.com>"]


@BOTH
def test_a_retry_with_data_in_hand_asks_nobody(craftkit, signal):
    craftkit.sandbox.faults.add("render_failed", times=2)
    agree(signal)
    craftkit.run()
    render = Render.objects.get()
    for number in ("by hand", "by hand again"):
        assert render.retry({"number": number})
        craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.data) == ("succeeded", {"number": "by hand again"})
    assert SignatureRequest.objects.get().status == "rejected"
    assert craftkit.sandbox.signatures == []


def test_nor_do_those_who_could_not_be_asked_before(craftkit):
    state = ProjectState.objects.of("default", "signatures")
    ProjectState.objects.filter(pk=state.pk).update(
        paused_at=clock.now(), probe_at=clock.now() + timedelta(hours=1)
    )
    craftkit.sandbox.faults.add("render_failed")
    agree()
    craftkit.run()
    render = Render.objects.get()
    assert render.status == "failed"
    render.retry({"number": "by hand"})
    craftkit.run()
    ProjectState.objects.get(pk=state.pk).try_again()
    for _ in range(5):
        craftkit.pass_time(60)
        craftkit.run()
    render.refresh_from_db()
    assert (render.status, SignatureRequest.objects.get().status) == ("succeeded", "cancelled")
    assert craftkit.sandbox.signatures == []


def test_a_retry_that_makes_the_data_anew_asks_again(craftkit):
    craftkit.sandbox.faults.add("render_failed", times=2)
    agree()
    craftkit.run()
    render = Render.objects.get()
    render.retry({"number": "by hand"})
    craftkit.run()
    render.refresh_from_db()
    render.retry()
    craftkit.run()
    assert [one.status for one in craftkit.sandbox.signatures] == ["sent"]
    assert craftkit.sandbox.signatures[0].render.data == {"number": "1"}


@pytest.mark.parametrize("model", [SignatureRequest, Change], ids=["asks", "hears the answer"])
def test_a_worker_that_ends_in_between_leaves_both_or_neither(craftkit, monkeypatch, model):
    agree()
    before_committing(monkeypatch, model, killed, verb="INSERT")
    with pytest.raises(Killed):
        craftkit.run()
    has_data = Render.objects.get().data is not None
    assert has_data == SignatureRequest.objects.exists() == (model is Change)
    craftkit.pass_time(LEASE_OVER)
    craftkit.run()
    assert people() == ["Jane of 1 <jane@example.com>"]
    assert len(craftkit.sandbox.signatures) == 1


@BOTH
def test_a_worker_that_is_left_behind_asks_nobody(craftkit, monkeypatch, signal):
    """Another attempt has begun while it looked at the one before."""
    craftkit.sandbox.faults.add("render_failed", times=2)
    agree(signal)
    craftkit.run()
    render = Render.objects.get()
    render.retry()
    begun = []

    def begin_another() -> None:
        begun.append(Render.objects.update(attempt=3))

    if signal is agreed:
        after_building(monkeypatch, begin_another)
    else:
        before_marking_as_sent(monkeypatch, Render, begin_another)
    carry_out("render", render.pk)
    assert begun
    assert SignatureRequest.objects.count() == 1


@BOTH
def test_a_document_that_was_withdrawn_goes_to_nobody(craftkit, signal):
    agree(signal)
    Render.objects.get().withdraw()
    craftkit.run()
    assert Render.objects.get().status == "cancelled"
    assert not SignatureRequest.objects.exclude(status="cancelled").exists()
    assert craftkit.sandbox.signatures == []


def test_one_that_is_withdrawn_while_it_is_built_goes_to_nobody(craftkit, monkeypatch):
    agree()
    after_building(monkeypatch, lambda: Render.objects.get().withdraw())
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.data) == ("cancelled", None)
    assert not SignatureRequest.objects.exists()


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_an_event_in_another_database_asks_when_it_is_committed(craftkit):
    with transaction.atomic(using="other"):
        order = Order(number="there")
        order.save(using="other")
        for signal in (agreed, snapped):
            signal.send(Order, instance=order, using="other")
        assert not Render.objects.exists()
    craftkit.run()
    assert people() == ["Jane of there <jane@example.com>"] * 2


def test_a_key_of_another_object_leaves_the_event_and_its_transaction_alone(craftkit, caplog):
    with transaction.atomic():
        order = agree(snapped)
        other = Order.objects.create(number="2")
        known = Render.objects.get()
        Render.objects.filter(pk=known.pk).update(source_id=other.pk)
        snapped.send(Order, instance=order)
        assert Order.objects.count() == 2
    assert "new document wants a new key" in caplog.text


def test_whoever_made_the_envelope_says_what_is_wrong_before_it_is_stored():
    place = SignatureField("signature", x=10, y=90)
    jane = Recipient("Jane", "Doe", "jane@example.com")
    Envelope([jane], fields=[place], expires_in=timedelta(minutes=61)).check()
    with pytest.raises(ValueError, match="expires_in_hours"):
        Envelope([jane], fields=[place], expires_in=timedelta(days=400)).check()
    with pytest.raises(TypeError, match="no timedelta"):
        Envelope([jane], fields=[place], expires_in=3).check()  # type: ignore[arg-type]
    assert "jane@example.com" not in repr(Envelope([jane]))


def test_one_document_cant_be_signed_by_event():
    with pytest.raises(ValueError, match="same sign_with"):
        render_on(post_delete, template="agreement", key=str)(agreement)


def test_the_timeline_says_that_the_attempt_took_it_back(craftkit):
    craftkit.sandbox.faults.add("render_failed")
    agree()
    craftkit.run()
    SignatureRequest.objects.update(status="pending", error="", error_code="")
    Render.objects.get().retry()
    craftkit.run()
    change = Change.objects.filter(kind="signature", to_status="cancelled").get()
    assert "made anew" in change.note
