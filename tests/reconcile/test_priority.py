"""Classes of priority: how a job comes by its own, and what raises it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.dispatch import Signal
from django.utils import timezone

from django_craftkit.models import Job, Render
from django_craftkit.models.priority import Priority
from django_craftkit.reconcile import single
from django_craftkit.signals import render_succeeded, share_created
from tests.helpers import connected
from tests.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

URGENT, SINGLE, BULK, UPKEEP = Priority


def classes() -> dict[str, int]:
    return dict(Job.objects.values_list("kind", "priority"))


@pytest.fixture
def listeners():
    """Whom what happens is to be told to."""

    def listen(**kwargs: object) -> None: ...

    with connected(listen, render_succeeded, share_created):
        yield


def test_a_document_is_single_unless_it_is_said_to_be_bulk(craftkit):
    single = Render.objects.request("invoice", {}, key="1")
    bulk = Render.objects.request("invoice", {}, key="2", priority="bulk")
    found = dict(Job.objects.values_list("object_id", "priority"))
    assert found == {single.pk: SINGLE, bulk.pk: BULK}


@pytest.mark.parametrize(
    ("priority", "error"),
    [("urgent", ValueError), ("", ValueError), (2, TypeError), (None, TypeError)],
)
def test_another_word_is_refused_before_the_first_query(
    craftkit, declare, django_assert_num_queries, priority, error
):
    def statement(order):
        return {}

    with django_assert_num_queries(0):
        with pytest.raises(error, match="priority"):
            Render.objects.request("invoice", {}, key="1", priority=priority)
        with pytest.raises(error, match="priority"):
            declare(Signal(), template="invoice", key=str, priority=priority)(statement)


def test_a_declaration_says_it_for_its_documents(craftkit, declare, event):
    def statement(order):
        return {}

    declare(event, template="invoice", key=lambda order: f"statement-{order.pk}", priority="bulk")(
        statement
    )
    order = Order.objects.create(number="7")
    event.send(Order, instance=order)
    assert Render.objects.get(template="invoice").priority == BULK
    assert Job.objects.get(kind="render").priority == BULK


@pytest.mark.parametrize("word", ["single", "bulk"])
def test_what_follows_from_a_document_goes_with_its_class(craftkit, settings, listeners, word):
    """By whatever way its end is heard of; nothing of a bulk document overtakes a single one."""
    settings.CRAFTKIT = {"ARCHIVE_RENDERS": True}
    render = Render.objects.request("invoice", {}, key="1", priority=word)
    render.share(key="1")
    mine = BULK if word == "bulk" else SINGLE
    assert classes() == {"render": mine, "share": mine}
    Job.objects.all().delete()
    Job.objects.schedule("share", [render.shares.get().pk], "default")
    Job.objects.restore("announce render", [render.pk], "")
    Job.objects.restore("announce share", [render.shares.get().pk], "")
    Job.objects.restore("archive render", [render.pk], "default")
    Job.objects.restore("engagement", [render.pk], "default")
    assert classes() == {
        "share": mine,
        "announce render": mine,
        "announce share": mine,
        "archive render": UPKEEP,
        "engagement": UPKEEP,
    }


def test_the_end_of_a_bulk_document_is_told_among_bulk(craftkit):
    def fail(**kwargs: object) -> None:
        raise LookupError

    render = Render.objects.request("invoice", {}, key="1", priority="bulk")
    with connected(fail, render_succeeded):
        craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert classes() == {"announce render": BULK}


def test_a_class_is_kept_when_a_job_is_rescheduled():
    now = timezone.now()
    Job.objects.start("render", 1, "default", BULK)
    for _ in range(2):
        (job,) = Job.objects.all().claim(1, now=timezone.now(), lease=timedelta(minutes=2))
        assert job.priority == BULK
        assert Job.objects.reschedule(job, now)
    Job.objects.schedule("render", [1], "default")
    assert classes() == {"render": BULK}


def test_a_more_urgent_request_raises_a_job_and_no_other_lowers_it():
    Job.objects.start("render", 1, "default", BULK)
    for priority, expected in ((UPKEEP, BULK), (SINGLE, SINGLE), (BULK, SINGLE), (URGENT, URGENT)):
        Job.objects.schedule("render", [1], "default", priority=priority)
        assert classes() == {"render": expected}


def test_a_person_goes_first(craftkit):
    render = Render.objects.request("invoice", {}, key="1", priority="bulk")
    render.refresh()
    assert classes() == {"render": URGENT}
    assert Render.objects.get().priority == BULK, "what follows from it waits for its turn"


def test_what_a_caller_waits_for_goes_first_when_they_wait_no_longer(craftkit):
    render = Render.objects.request("invoice", {}, key="1", priority="bulk")
    job = single.take("render", render.pk)
    assert job is not None
    Job.objects.leave(job, timezone.now())
    assert classes() == {"render": URGENT}


def test_a_bulk_document_that_is_asked_for_as_a_single_one_becomes_one(
    craftkit, django_assert_num_queries
):
    Render.objects.request("invoice", {}, key="1", priority="bulk")
    Render.objects.request("invoice", {}, key="1", priority="single")
    assert (Render.objects.get().priority, classes()) == (SINGLE, {"render": SINGLE})
    with django_assert_num_queries(1):
        Render.objects.request("invoice", {}, key="1", priority="bulk")
    assert (Render.objects.get().priority, classes()) == (SINGLE, {"render": SINGLE})
