"""A document takes the place of another: the links of that end when, and only when, it is ready."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_save

from django_craftkit.models import (
    Change,
    Job,
    KeyConflict,
    NothingToRender,
    Render,
    RenderSuperseded,
    Share,
    SignatureRequest,
)
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.sweeping import restore_jobs
from django_craftkit.signals import render_succeeded, render_withdrawn
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import Killed, at_once, connected, settle
from tests.shop.models import Order


@pytest.fixture
def sent(ready) -> Render:
    """A document that has a link, and waits to be signed."""
    ready.share(key="customer")
    ready.send_for_signature(
        [Recipient("Jane", "Doe", "jane@example.com")],
        anchor_tags=[AnchorTag("{{sign}}", "signature")],
        check=False,
    )
    return ready


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create(username="ada")


def states(render: Render) -> tuple[str, list[str], list[str]]:
    """Return the status of a document, of its links and of its signature requests."""
    render.refresh_from_db()
    links = [share.status for share in render.shares.order_by("pk")]
    return render.status, links, [one.status for one in render.signature_requests.order_by("pk")]


def test_the_old_one_ends_when_the_new_one_is_ready(craftkit, sent, ada):
    settle(craftkit, but=["signature", "poll signatures"])
    assert states(sent) == ("succeeded", ["active"], ["sent"])
    new = sent.supersede({"number": "1a"}, key="i-1-corrected", user=ada)
    assert (new.supersedes, new.status, sent.superseded_by) == (sent, "pending", new)
    assert states(sent) == ("succeeded", ["active"], ["sent"]), "not before the new one is ready"
    assert sent.superseded_at is None
    settle(craftkit)
    new.refresh_from_db()
    assert new.status == "succeeded"
    assert states(sent) == ("succeeded", ["revoked"], ["cancelled"])
    assert (sent.superseded_by, sent.withdrawn_by) == (new, ada)
    assert sent.superseded_at is not None
    assert sent.withdrawn_at is not None
    assert not Share.objects.open().exists()
    assert new.withdrawn_at is None
    assert new.share(wait=True).status == "active"


def test_it_is_about_the_same_object_in_the_same_project_unless_said_otherwise(db):
    order = Order.objects.create(number="7")
    old = Render.objects.request(
        "invoice", {"total": 1}, source=order, key="i", version=3, filename="invoice-7.pdf"
    )
    new = old.supersede({"total": 2})
    same = ("template", "source", "project", "version", "filename")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert (new.data, new.priority) == ({"total": 2}, 1)
    other = new.supersede(
        {"total": 3}, key="n", template="credit-note", filename="credit-7.pdf", priority="bulk"
    )
    assert (other.template, other.version, other.filename) == ("credit-note", None, "credit-7.pdf")
    assert (other.source, other.key, other.priority) == (order, "n", 2)


def test_a_double_click_is_one_document_also_when_it_is_ready(craftkit, ready):
    first = ready.supersede({"number": "1a"})
    assert ready.supersede({"number": "1a"}) == first
    assert first.key.startswith("i-1~")
    settle(craftkit)
    assert ready.supersede({"number": "1a"}) == first
    named = first.supersede({"number": "1b"}, key="n")
    assert first.supersede({"number": "anything"}, key="n") == named, "as with every key"
    assert Render.objects.count() == 3


def test_other_data_are_refused_while_one_takes_its_place(craftkit, ready):
    new = ready.supersede({"number": "1a"})
    for _moment in range(2):
        for key in (None, "other"):
            with pytest.raises(RenderSuperseded):
                ready.supersede({"number": "1b"}, key=key)
        settle(craftkit)
    assert list(Render.objects.exclude(pk__in=[ready.pk, new.pk])) == []


def test_a_chain_is_corrected_at_its_end(craftkit, ready):
    second = ready.supersede({"number": "1a"}, wait=True)
    third = second.supersede({"number": "1b"}, wait=True)
    for row in (ready, second, third):
        row.refresh_from_db()
    assert [row.superseded_by for row in (ready, second, third)] == [second, third, None]
    assert [row.withdrawn_at is None for row in (ready, second, third)] == [False, False, True]


def test_one_that_supersedes_another_before_that_is_ready_takes_the_place_of_both(craftkit, ready):
    second = ready.supersede({"number": "1a"})
    third = second.supersede({"number": "1b"})
    settle(craftkit)
    for row in (ready, second, third):
        row.refresh_from_db()
    assert third.withdrawn_at is None
    assert (second.superseded_at is None, second.withdrawn_at is None) == (False, False)
    assert (ready.superseded_at is None, ready.withdrawn_at is None) == (False, False)


@pytest.mark.parametrize("key", ["i-1", "other"])
def test_the_key_of_another_document_is_refused(ready, key):
    Render.objects.request("invoice", {}, key="other")
    with pytest.raises(KeyConflict):
        ready.supersede({}, key=key)
    assert Render.objects.count() == 2
    ready.supersede({"number": "2"}, key="mine")
    with pytest.raises(KeyConflict):
        ready.supersede({}, key="mine", template="reminder")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"data": [1]}, TypeError),
        ({"data": {}, "key": ""}, ValueError),
        ({"data": {}, "template": ""}, ValueError),
        ({"data": {}, "version": 0}, ValueError),
        ({"data": {}, "filename": "."}, ValueError),
        ({"data": {}, "priority": "urgent"}, ValueError),
        ({"data": {}, "user": "ada"}, TypeError),
    ],
)
def test_what_can_not_be_sent_is_refused_before_the_first_query(
    ready, arguments, error, django_assert_num_queries
):
    with django_assert_num_queries(0), pytest.raises(error):
        ready.supersede(**arguments)


@pytest.mark.parametrize("data", [{"number": "1a"}, {"number": "1b"}])
def test_while_the_new_one_is_refused_the_old_one_stays_and_a_retry_supersedes_it(
    craftkit, sent, data
):
    code = "invalid_input_data"
    craftkit.sandbox.faults.add("status", method="POST", path="*/render", status=422, code=code)
    new = sent.supersede({"number": "1a"})
    craftkit.run()
    new.refresh_from_db()
    assert new.status == "rejected"
    sent.refresh_from_db()
    assert (sent.withdrawn_at, sent.superseded_at) == (None, None)
    assert new.retry(data)
    settle(craftkit)
    assert states(sent) == ("succeeded", ["revoked"], ["cancelled"])
    assert sent.superseded_by == new


@pytest.mark.parametrize("is_sent", [False, True])
def test_while_the_new_one_is_withdrawn_the_old_one_stays_and_another_may_supersede_it(
    craftkit, sent, is_sent
):
    craftkit.sandbox.render_time = 60.0
    new = sent.supersede({"number": "1a"})
    if is_sent:
        craftkit.run()
    new.withdraw()
    settle(craftkit, but=["signature", "poll signatures"])
    assert states(sent) == ("succeeded", ["active"], ["sent"])
    new.refresh_from_db()
    assert new.status == ("succeeded" if is_sent else "cancelled")
    other = sent.supersede({"number": "1b"})
    new.refresh_from_db()
    assert (new.supersedes, other.supersedes) == (None, sent)
    settle(craftkit)
    assert states(sent) == ("succeeded", ["revoked"], ["cancelled"])
    assert sent.superseded_by == other


def test_a_withdrawal_that_a_retry_lifts_takes_its_place_after_all(craftkit, ready):
    new = ready.supersede({"number": "1a"})
    new.withdraw()
    settle(craftkit)
    new.refresh_from_db()
    assert new.retry()
    settle(craftkit)
    ready.refresh_from_db()
    assert ready.superseded_at is not None


def test_one_that_came_to_nothing_and_was_replaced_is_a_document_of_its_own(craftkit, ready):
    new = ready.supersede({"number": "1a"})
    new.withdraw()
    settle(craftkit)
    other = ready.supersede({"number": "1b"})
    new.refresh_from_db()
    assert new.retry()
    settle(craftkit)
    for row in (new, other, ready):
        row.refresh_from_db()
    assert (new.status, new.withdrawn_at, new.supersedes) == ("succeeded", None, None)
    assert ready.superseded_by == other
    with pytest.raises(KeyConflict):
        ready.supersede({"number": "1a"}, key=new.key)


def test_one_that_was_withdrawn_before_or_meanwhile_is_superseded_without_another_word(
    craftkit, ready, ada
):
    told: list[tuple[str, str]] = []

    def tell(instance, change, **kwargs):
        told.append((instance.key, change.to_status))

    with connected(tell, render_withdrawn):
        ready.withdraw()
        settle(craftkit)
        new = ready.supersede({"number": "1a"}, user=ada)
        settle(craftkit)
    ready.refresh_from_db()
    assert told == [("i-1", "withdrawn")]
    assert (ready.withdrawn_by, ready.superseded_by) == (None, new)
    assert ready.superseded_at is not None


def test_one_that_was_not_sent_yet_goes_on_and_is_cancelled_if_the_new_one_is_ready_first(
    craftkit, ready
):
    old = Render.objects.request("invoice", {"number": "2"}, key="i-2")
    Job.objects.filter(object_id=old.pk).update(due_at="2999-01-01T00:00Z")
    new = old.supersede({"number": "2a"})
    craftkit.run()
    craftkit.pass_time(5)
    craftkit.run()
    for row in (old, new):
        row.refresh_from_db()
    assert (new.status, old.status, old.error_code) == ("succeeded", "cancelled", "withdrawn")
    assert not old.is_retriable, "what was superseded does not come back"
    assert not old.retry()
    assert Render.objects.retry_all([old.pk], user=None) == set()


def test_a_failed_one_is_superseded_and_is_not_retried_any_more(craftkit, ready):
    Render.objects.filter(pk=ready.pk).update(status="failed")
    ready.supersede({"number": "1a"}, wait=True)
    assert ready.superseded_at is not None
    assert not ready.retry()
    assert states(ready)[0] == "failed"
    assert list(Render.objects.needing_action()) == []


def test_an_event_under_the_old_key_does_not_bring_the_old_one_back(craftkit, declare):
    order = Order.objects.create(number="8")

    @declare(post_save, sender=Order, template="invoice", key=lambda order: f"i-{order.number}")
    def invoice(order, **kwargs):
        return {"number": order.number}

    order.save()
    craftkit.run()
    old = Render.objects.get()
    new = old.supersede({"number": "8a"})
    order.save()
    settle(craftkit)
    order.save()
    settle(craftkit)
    old.refresh_from_db()
    assert set(Render.objects.all()) == {old, new}
    assert old.withdrawn_at is not None
    # One whose event was never confirmed begins anew with each event.
    Render.objects.filter(pk=old.pk).update(status="rejected", error_code="not_confirmed")
    order.save()
    old.refresh_from_db()
    assert (old.attempt, old.status) == (1, "rejected")


def test_waiting_for_it_is_waiting_for_both(craftkit, sent, ada):
    craftkit.run()
    new = sent.supersede({"number": "1a"}, user=ada, wait=10)
    assert new.status == "succeeded"
    assert sent.superseded_at is not None
    assert (sent.withdrawn_by, Share.objects.open().exists()) == (ada, False)


def test_both_histories_name_the_other(craftkit, ready, ada):
    new = ready.supersede({"number": "1a"}, key="n", user=ada)
    settle(craftkit)
    lines = Change.objects.filter(kind="render", person=ada).order_by("pk")
    told = list(lines.values_list("object_id", "to_status", "note"))
    assert told == [
        (ready.pk, "corrected", "n"),
        (ready.pk, "superseded", "n"),
        (new.pk, "supersedes", "i-1"),
        (ready.pk, "withdrawn", ""),
    ]


def test_receivers_are_told_of_the_new_one_and_of_the_withdrawal(craftkit, ready):
    told = []

    def tell(instance, change, **kwargs):
        told.append((change.signal, instance.key, instance.superseded_at is not None))

    with connected(tell, render_succeeded, render_withdrawn):
        ready.supersede({"number": "1a"}, key="n")
        settle(craftkit)
    assert sorted(told) == [("render_succeeded", "n", False), ("render_withdrawn", "i-1", True)]


def test_it_goes_on_in_a_project_that_is_paused(craftkit, sent, settings):
    craftkit.run()
    new = sent.supersede({"number": "1a"})
    Render.objects.filter(pk=new.pk).update(status="succeeded")
    assert restore_jobs(0)
    settings.CRAFTKIT = {"PAUSED": True}
    craftkit.run()
    sent.refresh_from_db()
    assert sent.superseded_at is not None
    assert not Share.objects.open().exists(), "it is handed out to nobody from here on"


def test_a_worker_that_dies_in_between_leaves_it_to_another(craftkit, sent, monkeypatch):
    from django_craftkit.reconcile.renders import supersede

    craftkit.run()
    sent.supersede({"number": "1a"})

    def die(pk):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(supersede, "take_place", die)
        with pytest.raises(Killed):
            settle(craftkit)
    assert states(sent)[1:] == (["active"], ["sent"])
    settle(craftkit)
    assert states(sent)[1:] == (["revoked"], ["cancelled"])


def test_a_job_that_was_lost_is_found_by_the_sweep(craftkit, sent):
    craftkit.run()
    new = sent.supersede({"number": "1a"})
    Render.objects.filter(pk=new.pk).update(status="succeeded")
    Job.objects.filter(object_id=new.pk).delete()
    restore_jobs(0)
    assert Job.objects.filter(kind="supersede", object_id=new.pk, project="").exists()
    settle(craftkit)
    assert states(sent)[1:] == (["revoked"], ["cancelled"])
    restore_jobs(0)
    assert not Job.objects.filter(kind="supersede").exists()


def test_one_that_there_is_nothing_to_render_of_stays_for_its_successor(craftkit, declare):
    order = Order.objects.create(number="9")

    @declare(post_save, sender=Order, template="invoice", key=lambda order: "i")
    def invoice(order, **kwargs):
        return None

    order.save()
    old = Render.objects.get()
    new = old.supersede({"number": "9"})
    settle(craftkit)
    for row in (old, new):
        row.refresh_from_db()
    assert (old.status, old.error_code) == ("cancelled", "nothing_to_render")
    assert (new.status, new.supersedes) == ("succeeded", old)


def test_one_that_is_gone_is_superseded_by_nothing(craftkit, declare):
    order = Order.objects.create(number="9")

    @declare(post_save, sender=Order, template="invoice", key=lambda order: "i")
    def invoice(order, **kwargs):
        return None

    order.save()
    old = Render.objects.get()
    settle(craftkit)
    with pytest.raises(NothingToRender):
        old.supersede({"number": "9"})


def test_it_is_requested_in_a_bounded_number_of_queries(ready, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        ready.supersede({"number": "1a"})
    with django_assert_max_num_queries(6):
        ready.supersede({"number": "1a"})


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def test_of_two_corrections_one_wins(self, craftkit, ready):
        errors = at_once(
            *(lambda n=n: Render.objects.get(pk=ready.pk).supersede({"n": n}) for n in range(2))
        )
        assert sorted(map(type, errors), key=str) == sorted([type(None), RenderSuperseded], key=str)
        assert Render.objects.filter(supersedes=ready).count() == 1

    def test_a_double_click_is_one(self, craftkit, ready):
        errors = at_once(*[lambda: Render.objects.get(pk=ready.pk).supersede({"n": 1})] * 3)
        assert errors == [None, None, None]
        assert Render.objects.filter(supersedes=ready).count() == 1

    def test_the_second_of_two_that_see_an_older_moment_is_refused(self, craftkit, ready):
        """In REPEATABLE READ nobody sees the other's document, and yet there is one."""
        if connection.vendor == "sqlite":
            pytest.skip("SQLite has one writer at a time.")

        def overtaken() -> None:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                assert Render.objects.filter(supersedes=ready).count() == 0
                at_once(lambda: Render.objects.get(pk=ready.pk).supersede({"n": 1}))
                Render.objects.get(pk=ready.pk).supersede({"n": 2})

        if connection.vendor != "postgresql":
            pytest.skip("MariaDB sets the level before the transaction.")
        (error,) = at_once(overtaken)
        assert error is not None
        assert Render.objects.filter(supersedes=ready).count() == 1

    def test_the_new_one_is_withdrawn_while_it_takes_the_place(self, craftkit, ready):
        """Either it was ready before, or the old one stays: never neither of them."""
        new = ready.supersede({"n": 1})
        Render.objects.filter(pk=new.pk).update(status="succeeded", remote_id=uuid4())
        Job.objects.all().delete()
        restore_jobs(0)
        withdraw = Render.objects.get(pk=new.pk).withdraw
        errors = at_once(withdraw, lambda: Loop(threads=1, wake=None).run(2.0))
        assert errors == [None, None]
        ready.refresh_from_db()
        assert (ready.superseded_at is None) == (ready.withdrawn_at is None)


def test_requests_that_were_signed_stay_signed(craftkit, sent, quick_papers):
    craftkit.run()
    request = SignatureRequest.objects.get()
    craftkit.sign(request)
    settle(craftkit)
    sent.supersede({"number": "1a"})
    settle(craftkit)
    assert states(sent) == ("succeeded", ["revoked"], ["completed"])
