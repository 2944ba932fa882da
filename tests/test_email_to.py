"""``email_to=``: a declared document is mailed, once, to those whom its data name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from django_craftkit import clock
from django_craftkit.events import render_on
from django_craftkit.mailing import Mail
from django_craftkit.models import Change, Job, Render, Share
from tests.helpers import LEASE_OVER, Killed, killed, settle
from tests.seams import after_building, after_sending, before_committing, before_sending
from tests.shop.models import Order

pytestmark = pytest.mark.django_db

billed = Signal()
snapped = Signal()

JANE, JOE = "jane@example.com", "joe@example.com"


def mails_for(order: Order) -> Any:
    if order.number == "RAISES":
        raise LookupError("no such customer")
    return {
        "NOBODY": None,
        "NONE": [],
        "BOTH": [JANE, Mail(JOE, message="A copy.")],
        "TWICE": [JANE, "Jane@example.com", Mail(JANE)],
        "JOE": JOE,
        "NUMBER": 7,
        "NO ADDRESS": "jane",
        "EMPTY": "",
        "LONG": Mail(JANE, message="m" * 2001),
        "AT ONCE": Mail(JANE, expires_in=timedelta(seconds=1)),
        "FOR EVER": Mail(JANE, expires_in=timedelta.max),
        "DAYS": Mail(JANE, expires_in=3),  # type: ignore[arg-type]
    }.get(order.number, Mail(JANE, "Jane Doe", f"Order {order.number}", timedelta(days=3)))


@render_on(billed, template="bill", key=lambda order: f"b-{order.pk}", email_to=mails_for)
def bill(order: Order, **kwargs: object) -> dict[str, object] | None:
    return None if order.number == "NOTHING" else {"number": order.number}


@render_on(
    snapped,
    template="bill",
    key=lambda order: f"s-{order.pk}",
    snapshot=True,
    email_to=mails_for,
)
def snapshot(order: Order, **kwargs: object) -> dict[str, object]:
    return {"number": order.number}


BOTH = pytest.mark.parametrize("signal", [billed, snapped], ids=["worker", "snapshot"])


def send_bill(signal: Signal = billed, number: str = "1") -> Order:
    order = Order.objects.create(number=number)
    signal.send(Order, instance=order)
    return order


def sent(craftkit) -> list[tuple[str, str | None]]:
    return [(mail.to, mail.message) for mail in craftkit.sandbox.mails]


def mails() -> list[tuple[str, str]]:
    return list(Share.objects.order_by("pk").values_list("recipient_email", "status"))


def failed_once(craftkit, signal: Signal, number: str = "1") -> Render:
    craftkit.sandbox.faults.add("render_failed")
    send_bill(signal, number)
    craftkit.run()
    render = Render.objects.get()
    assert render.status == "failed"
    assert sent(craftkit) == []
    return render


@BOTH
def test_the_document_is_mailed_when_it_is_ready(craftkit, signal):
    send_bill(signal)
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order 1")]
    share = Share.objects.get()
    assert (share.status, share.by_mail, share.declared) == ("active", True, True)
    assert share.recipient_name == "Jane Doe"
    assert share.requested_by is None
    left = share.expires_at - clock.now()
    assert timedelta(days=2, hours=23) < left <= timedelta(days=3)


def test_those_of_a_snapshot_wait_beside_it_from_its_moment(craftkit):
    send_bill(snapped)
    Order.objects.update(number="2")
    assert mails() == [(JANE, "pending")]
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order 1")]


def test_those_of_a_worker_are_whom_the_saved_object_names(craftkit):
    send_bill()
    assert mails() == []
    Order.objects.update(number="2")
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order 2")]


@BOTH
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("NOBODY", []),
        ("NONE", []),
        ("JOE", [(JOE, None)]),
        ("BOTH", [(JANE, None), (JOE, "A copy.")]),
        ("TWICE", [(JANE, None)]),
    ],
)
def test_a_function_may_name_nobody_one_or_several(craftkit, signal, number, expected):
    send_bill(signal, number)
    settle(craftkit)
    found = [(to.lower(), message or None) for to, message in sent(craftkit)]
    assert sorted(found) == expected
    assert Render.objects.get().status == "succeeded"


@BOTH
@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("RAISES", "no such customer"),
        ("NUMBER", "returned a int"),
        ("NO ADDRESS", "valid email"),
        ("EMPTY", "valid email"),
        ("LONG", "at most 2000"),
        ("AT ONCE", "a minute or more"),
        ("FOR EVER", "no calendar"),
        ("DAYS", "no timedelta"),
    ],
)
def test_what_cant_be_mailed_rejects_the_document_until_it_is_mended(
    craftkit, signal, number, words
):
    send_bill(signal, number)
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.error_code, render.data) == ("rejected", "builder_failed", None)
    assert words in render.error
    assert mails() == []
    Order.objects.update(number="MENDED")
    assert render.retry()
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order MENDED")]


@BOTH
def test_an_event_that_fires_three_times_is_one_mail(craftkit, signal):
    order = send_bill(signal)
    signal.send(Order, instance=order)
    settle(craftkit)
    order.number = "2"
    order.save()
    signal.send(Order, instance=order)
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order 1")]


@BOTH
def test_an_event_that_is_rolled_back_mails_nobody(craftkit, signal):
    def fail():
        with transaction.atomic():
            send_bill(signal)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    craftkit.run()
    assert not Share.objects.exists()
    assert not Job.objects.exists()


def test_where_there_is_nothing_to_render_nobody_is_mailed(craftkit):
    send_bill(number="NOTHING")
    settle(craftkit)
    assert not Render.objects.exists()
    assert not Share.objects.exists()


@BOTH
def test_a_retry_mails_once(craftkit, signal):
    render = failed_once(craftkit, signal)
    Order.objects.update(number="2")
    render.retry()
    settle(craftkit)
    # A snapshot stays what it was, and so does its mail.
    assert sent(craftkit) == [(JANE, "Order 2" if signal is billed else "Order 1")]


def test_a_retry_mails_whom_the_new_data_name_and_nobody_else(craftkit):
    render = failed_once(craftkit, billed)
    Order.objects.update(number="JOE")
    render.retry()
    settle(craftkit)
    assert sent(craftkit) == [(JOE, None)]
    assert mails() == [(JANE, "revoked"), (JOE, "active")]
    left = Share.objects.get(recipient_email=JANE)
    assert left.error_code == "made_anew"
    assert "made anew" in str(left.problem)
    assert Change.objects.filter(kind="share", object_id=left.pk, to_status="revoked").exists()


@pytest.mark.parametrize("times", [1, 3])
def test_many_retries_mail_once(craftkit, times):
    render = failed_once(craftkit, billed)
    craftkit.sandbox.faults.add("render_failed", times=times)
    for _ in range(times + 1):
        render.retry()
        settle(craftkit, but=["email"])
        render.refresh_from_db()
    assert render.status == "succeeded"
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order 1")]


@BOTH
def test_a_retry_does_not_mail_what_a_user_has_revoked(craftkit, signal):
    render = failed_once(craftkit, signal)
    Share.objects.get().revoke()
    settle(craftkit)
    render.retry()
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert sent(craftkit) == []


@BOTH
def test_a_retry_of_what_was_withdrawn_mails_nobody(craftkit, signal):
    render = failed_once(craftkit, signal)
    render.withdraw()
    settle(craftkit)
    render.retry()
    settle(craftkit)
    assert Render.objects.get().status == "succeeded"
    assert sent(craftkit) == []


@BOTH
def test_a_retry_with_data_in_hand_mails_nobody(craftkit, signal):
    """Whom other data are for nobody has said."""
    render = failed_once(craftkit, signal)
    assert render.retry({"number": "by hand"})
    settle(craftkit)
    assert Render.objects.get().data == {"number": "by hand"}
    assert sent(craftkit) == []
    assert Share.objects.get().error_code == "other_data"


def test_a_retry_that_makes_the_data_anew_mails_again(craftkit):
    render = failed_once(craftkit, billed)
    craftkit.sandbox.faults.add("render_failed")
    render.retry({"number": "by hand"})
    craftkit.run()
    render.refresh_from_db()
    render.retry()
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order 1")]


def test_a_mail_of_an_attempt_before_cant_be_sent_beside_the_new_one(craftkit):
    render = failed_once(craftkit, billed)
    Share.objects.update(status="rejected", error_code="expired")
    render.retry()
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order 1")]
    assert not Share.objects.earliest("pk").retry(), "the same person has been mailed anew"
    settle(craftkit)
    assert len(sent(craftkit)) == 1


def test_a_mail_that_may_have_gone_out_is_never_repeated_by_a_retry(craftkit):
    render = failed_once(craftkit, billed)
    Share.objects.update(status="unknown", sending_since=clock.now())
    render.retry()
    craftkit.run()
    assert Share.objects.count() == 1


@BOTH
def test_a_document_that_was_withdrawn_is_mailed_to_nobody(craftkit, signal):
    send_bill(signal)
    Render.objects.get().withdraw()
    settle(craftkit)
    assert not Share.objects.exclude(status="revoked").exists()
    assert sent(craftkit) == []


def test_one_that_is_withdrawn_while_it_is_built_is_mailed_to_nobody(craftkit, monkeypatch):
    send_bill()
    after_building(monkeypatch, lambda: Render.objects.get().withdraw())
    settle(craftkit)
    assert not Share.objects.exists()
    assert Render.objects.get().status == "cancelled"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [Share, Change], ids=["writes the mail", "hears the answer"])
def test_a_worker_that_ends_in_between_leaves_both_or_neither(craftkit, monkeypatch, model):
    send_bill()
    before_committing(monkeypatch, model, killed, verb="INSERT")
    with pytest.raises(Killed):
        craftkit.run()
    has_data = Render.objects.get().data is not None
    assert has_data == Share.objects.exists() == (model is Change)
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order 1")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", [before_sending, after_sending], ids=["before", "after"])
def test_a_worker_that_ends_while_it_mails_mails_nobody_twice(craftkit, monkeypatch, moment):
    """Without a link at Craftkit nothing went out; with one a user is asked."""
    send_bill()
    moment(monkeypatch, "/email", killed)
    with pytest.raises(Killed):
        settle(craftkit)
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order 1")]


def test_the_keys_of_declared_mails_are_nobody_elses(craftkit, django_assert_num_queries):
    send_bill()
    render = Render.objects.get()
    with django_assert_num_queries(0), pytest.raises(ValueError, match="email_to="):
        render.email(JANE, key="declared 1 x")


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_an_event_in_another_database_mails_when_it_is_committed(craftkit):
    with transaction.atomic(using="other"):
        order = Order(number="there")
        order.save(using="other")
        snapped.send(Order, instance=order, using="other")
        assert not Share.objects.exists()
    settle(craftkit)
    assert sent(craftkit) == [(JANE, "Order there")]


def test_a_mail_shows_nothing_of_itself():
    assert JANE not in repr(Mail(JANE, "Jane", "Dear Jane"))
