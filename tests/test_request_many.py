"""Many documents requested in one go, and what becomes of their batch."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_craftkit.models import Batch, Change, Job, KeyConflict, Render
from django_craftkit.models import batch_requests as requesting
from django_craftkit.reconcile import completing, sweeping
from django_craftkit.signals import batch_completed
from tests.helpers import Elsewhere, Holding, at_once, connected
from tests.shop.models import Order, Parcel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)


def orders(number: int) -> list[Order]:
    Order.objects.bulk_create(Order(number=f"{n:04}") for n in range(number))
    return list(Order.objects.order_by("pk"))


def data(order: Any) -> dict[str, Any]:
    return {"number": order.number}


def key(order: Any) -> str:
    return f"2026-11-{order.number}"


def request(objects: Any, **more: Any) -> Batch:
    options = {"data": data, "key": key, "name": "2026-11", **more}
    return Render.objects.request_many("invoice", objects, **options)


def done(batch: Batch) -> tuple[int, int, int]:
    return batch.created, batch.existing, batch.skipped


def renders_are_whole() -> bool:
    """Whether each document has a job, and each job a document."""
    jobs = Job.objects.filter(kind=Job.Kind.RENDER).values_list("object_id", flat=True)
    return sorted(jobs) == sorted(Render.objects.values_list("pk", flat=True))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requesting, "CHUNK", 3)


@pytest.fixture
def completed() -> Iterator[list[Batch]]:
    """The batches that receivers were told of."""
    told: list[Batch] = []

    def hear(instance: Batch, **kwargs: Any) -> None:
        told.append(instance)

    with connected(hear, batch_completed):
        yield told


class TestRequestMany:
    def test_makes_the_document_that_a_single_request_makes(self, craftkit: Kit):
        (order, other) = orders(2)
        user = User.objects.create_user("boss")
        options = {"version": 2, "filename": "a.pdf", "user": user}
        batch = request([order], name="", **options)
        single = Render.objects.request(
            "invoice", data(other), source=other, key=key(other), priority="bulk", **options
        )
        mine = batch.renders.get()
        own = {"id", "key", "key_hash", "source_id", "data", "batch"}
        moments = {"requested_at", "attempted_at", "updated_at"}
        for field in Render._meta.concrete_fields:
            if field.name not in own | moments:
                assert getattr(mine, field.attname) == getattr(single, field.attname), field
        assert (mine.key, mine.data, mine.source) == ("2026-11-0000", {"number": "0000"}, order)
        kept = ("kind", "project", "priority", "version", "failures")
        jobs = Job.objects.filter(kind=Job.Kind.RENDER).order_by("object_id")
        assert len(set(jobs.values_list(*kept))) == 1
        assert not Change.objects.exists()

    @committing
    @pytest.mark.parametrize(
        "objects",
        [
            lambda: Order.objects.all(),
            lambda: list(Order.objects.all()),
            lambda: (order for order in Order.objects.all()),
        ],
        ids=["queryset", "list", "generator"],
    )
    def test_takes_any_iterable(self, objects: Callable[[], Any], small_chunks):
        orders(7)
        batch = request(objects())
        assert done(batch) == (7, 0, 0)
        assert (batch.total, batch.counts["pending"]) == (7, 7)
        assert renders_are_whole()

    def test_passes_over_objects_with_nothing_to_render(self, small_chunks):
        batch = request(
            orders(7), data=lambda order: data(order) if order.number > "0001" else None
        )
        assert done(batch) == (5, 0, 2)
        assert batch.total == 5

    def test_without_a_key_template_and_object_are_the_key(self):
        order, *_others = objects = orders(3)
        single = Render.objects.request("invoice", data(order), source=order)
        batch = request(objects, key=None)
        assert done(batch) == (2, 1, 0)
        assert Render.objects.for_object(order).get() == single

    def test_finds_documents_of_default_keys_of_earlier_versions(self):
        order, *_others = objects = orders(2)
        single = Render.objects.request(
            "invoice", {}, source=order, key=f"invoice:shop.order:{order.pk}"
        )
        assert done(request(objects, key=None)) == (1, 1, 0)
        assert Render.objects.for_object(order).get() == single

    def test_names_each_pdf(self):
        request(orders(2), filename=lambda order: f"{order.number}/x.pdf")
        assert set(Render.objects.values_list("filename", flat=True)) == {
            "0000-x.pdf",
            "0001-x.pdf",
        }

    @pytest.mark.django_db(databases=["default", "other"])
    def test_takes_objects_of_another_database_and_with_uuids(self):
        Order.objects.using("other").create(number="there")
        request(Order.objects.using("other"))
        parcel = Parcel.objects.create()
        request([parcel], key=None, data=lambda parcel: {}, name="parcels")
        assert Render.objects.for_object(parcel).get().source_id == str(parcel.pk)

    def test_raises_documents_that_are_found_where_it_is_more_urgent(self):
        objects = orders(2)
        request(objects)
        batch = request(objects, priority="single")
        assert done(batch) == (0, 2, 0)
        assert set(Render.objects.values_list("priority", flat=True)) == {1}
        assert set(Job.objects.filter(kind="render").values_list("priority", flat=True)) == {1}

    def test_gives_each_job_the_priority_of_its_document(self):
        first, other = orders(2)
        request([first])
        request([other], priority="single")
        jobs = Job.objects.filter(kind="render")
        assert set(Render.objects.values_list("pk", "priority")) == set(
            jobs.values_list("object_id", "priority")
        )
        assert jobs.values("priority").distinct().count() == 2

    @pytest.mark.parametrize(
        ("more", "error"),
        [
            ({"data": {}}, TypeError),
            ({"key": "k"}, TypeError),
            ({"project": "nowhere"}, Exception),
            ({"version": 0}, ValueError),
            ({"priority": "soon"}, ValueError),
            ({"name": "x" * 256}, ValueError),
            ({"filename": ".."}, ValueError),
            ({"user": "boss"}, TypeError),
        ],
        ids=str,
    )
    def test_refuses_what_it_cannot_use_before_anything_is_written(self, more, error):
        with pytest.raises(error):
            request(orders(1), **more)
        assert not any(model.objects.exists() for model in (Batch, Render))


class TestAnErrorOfOneObject:
    @pytest.mark.parametrize(
        ("more", "error"),
        [
            ({"data": lambda order: 1 / (order.number != "0004")}, ZeroDivisionError),
            ({"data": lambda order: {"x": object()}}, ValueError),
            ({"key": lambda order: "" if order.number == "0004" else key(order)}, ValueError),
            ({"filename": lambda order: 7}, TypeError),
        ],
        ids=["data", "can't be sent", "key", "file name"],
    )
    def test_is_raised_as_it_is_and_names_the_object(self, more, error):
        *_others, last = orders(5)
        with pytest.raises(error) as raised:
            request([last], **more)
        (note,) = raised.value.__notes__
        assert f"no. 1: shop.Order {last.pk}." in note
        # What an object is called may be somebody's name.
        assert last.number not in note

    @pytest.mark.parametrize("odd", [Order(number="1"), {"id": 1}], ids=["not saved", "no object"])
    def test_is_raised_for_what_no_document_can_be_about(self, odd):
        with pytest.raises((TypeError, ValueError)) as raised:
            request([odd], key=lambda one: "k")
        assert len(raised.value.__notes__) == 1

    @committing
    def test_leaves_earlier_chunks_and_run_again_completes_the_batch(self, small_chunks):
        objects = orders(8)

        def breaking(order: Order) -> dict[str, Any]:
            if order == objects[4]:
                raise LookupError("no such price")
            return data(order)

        with pytest.raises(LookupError):
            request(objects, data=breaking)
        batch = Batch.objects.get()
        assert (batch.total, batch.filled_at, batch.is_complete) == (3, None, False)
        again = request(objects)
        assert (again, done(again)) == (batch, (5, 3, 0))
        assert (batch.total, Render.objects.count()) == (8, 8)
        assert renders_are_whole()

    @committing
    def test_in_a_transaction_nothing_is_left(self, small_chunks):
        objects = orders(8)
        with transaction.atomic():
            request(objects)
            transaction.set_rollback(True)
        assert not any(model.objects.exists() for model in (Batch, Render, Job))


class TestKeys:
    @pytest.mark.parametrize("other", ["template", "source"])
    def test_a_key_that_stands_for_another_document_refuses_its_chunk(self, small_chunks, other):
        objects = orders(6)
        source = objects[0] if other == "source" else objects[4]
        template = "report" if other == "template" else "invoice"
        Render.objects.request(template, {}, source=source, key=key(objects[4]))
        with pytest.raises(KeyConflict) as raised:
            request(objects)
        assert f"shop.Order {objects[4].pk}" in raised.value.__notes__[0]
        assert Batch.objects.get().total == 3

    def test_two_objects_with_one_key_are_refused(self):
        with pytest.raises(KeyConflict):
            request(orders(2), key=lambda order: "k")
        assert not Render.objects.exists()

    def test_one_object_twice_is_one_document(self):
        (order,) = orders(1)
        assert done(request([order, order])) == (1, 1, 0)

    def test_documents_that_are_there_keep_their_data(self):
        objects = orders(3)
        request(objects)

        def never(order: Order) -> dict[str, Any]:
            raise AssertionError("its document is there")

        assert done(request(objects, data=never)) == (0, 3, 0)


class TestWhichBatch:
    def test_one_name_is_one_batch_of_a_template_in_a_project(self, settings):
        settings.CRAFTKIT_PROJECTS = {"default": {}, "eu": {}}
        (order,) = orders(1)
        first = request([order])
        assert request([order]) == first
        others = {
            request([order], name="2026-12"),
            Render.objects.request_many("report", [order], data=data, name="2026-11"),
            request([order], project="eu"),
        }
        assert len(others - {first}) == 3

    def test_without_a_name_each_call_makes_one(self):
        objects = orders(2)
        first, second = (request(objects, name="") for _ in range(2))
        assert first != second
        # A document is of the batch that requested it first.
        assert (first.total, second.total, second.existing) == (2, 0, 2)

    def test_a_document_that_was_requested_by_itself_joins_it(self):
        order, *_others = objects = orders(3)
        single = Render.objects.request("invoice", data(order), source=order, key=key(order))
        batch = request(objects)
        single.refresh_from_db()
        assert (single.batch, batch.total) == (batch, 3)


class TestTwoAtOnce:
    @committing
    @pytest.mark.parametrize("name", ["2026-11", ""])
    def test_make_one_document_for_each_key(self, small_chunks, name):
        objects = orders(9)
        found: list[Batch] = []

        def run() -> None:
            found.append(request(objects, name=name))

        assert at_once(run, run) == [None, None]
        assert Render.objects.count() == 9
        assert renders_are_whole()
        first, second = found
        assert sum(batch.created for batch in found) == 9
        assert sum(batch.existing for batch in found) == 9
        assert (first == second) == bool(name)
        assert set(Render.objects.values_list("batch", flat=True)) <= {first.pk, second.pk}

    @committing
    def test_a_key_that_is_taken_after_it_was_looked_up_is_found(self):
        objects = orders(3)

        def late(order: Order) -> dict[str, Any]:
            if order == objects[1]:
                Render.objects.request("invoice", {"first": 1}, source=order, key=key(order))
            return data(order)

        batch = request(objects, data=late)
        assert done(batch) == (2, 1, 0)
        assert Render.objects.get(key=key(objects[1])).data == {"first": 1}
        assert batch.total == 3
        assert renders_are_whole()

    @committing
    def test_one_that_is_taken_by_another_document_refuses_its_chunk(self):
        objects = orders(3)

        def late(order: Order) -> dict[str, Any]:
            if order == objects[1]:
                Render.objects.request("report", {}, source=order, key=key(order))
            return data(order)

        with pytest.raises(KeyConflict):
            request(objects, data=late)
        assert Render.objects.count() == 1


class TestCompletion:
    @pytest.mark.parametrize("number", [0, 1, 5])
    def test_is_told_once_when_all_documents_have_ended(self, craftkit: Kit, completed, number):
        batch = request(orders(number))
        craftkit.run()
        assert completed == [batch]
        assert completed[0].counts["succeeded"] == number
        assert batch.is_complete
        request(orders(0) or Order.objects.all())
        craftkit.run()
        craftkit.pass_time(4000)
        craftkit.run()
        assert len(completed) == 1
        assert not Job.objects.exists()

    def test_waits_for_the_last_of_them(self, craftkit: Kit, completed):
        craftkit.sandbox.render_time = 60.0
        batch = request(orders(3))
        craftkit.run()
        assert (completed, batch.is_complete) == ([], False)
        craftkit.pass_time(100)
        craftkit.run()
        assert completed == [batch]

    def test_is_none_of_a_batch_that_is_not_all_requested(self, craftkit: Kit, completed):
        batch = request(orders(1))
        Batch.objects.filter(pk=batch.pk).update(filled_at=None)
        craftkit.run()
        assert (completed, batch.is_complete) == ([], False)

    @pytest.mark.parametrize("by", ["batch", "document"])
    def test_is_told_again_after_a_retry(self, craftkit: Kit, completed, by):
        batch = request(orders(3), data=lambda order: {"number": order.number})
        craftkit.run()
        render = batch.renders.first()
        Render.objects.filter(pk=render.pk).update(status="failed")
        render.refresh_from_db()
        assert batch.retry_failed() if by == "batch" else render.retry()
        batch.refresh_from_db()
        assert (batch.completed_at, batch.is_complete) == (None, False)
        craftkit.run()
        assert completed == [batch, batch]

    def test_is_told_again_when_documents_were_added(self, craftkit: Kit, completed):
        first, *others = orders(3)
        batch = request([first])
        craftkit.run()
        assert request(others) == batch
        craftkit.run()
        assert completed == [batch, batch]

    def test_is_found_by_the_sweep_where_its_job_is_lost(self, craftkit: Kit, completed):
        batch = request(orders(2))
        request(orders(0), name="open", data=lambda order: None, key=lambda order: f"x{order.pk}")
        Batch.objects.filter(name="open").update(filled_at=None)
        Job.objects.all().delete()
        Render.objects.update(status="succeeded")
        assert sweeping.lost_jobs() == {"batch": 1}
        sweeping.restore_jobs(0)
        craftkit.run()
        assert completed == [batch]

    def test_is_no_matter_of_a_pause(self, craftkit: Kit, settings, completed):
        settings.CRAFTKIT = {"PAUSED": True}
        full, empty = request(orders(2)), request([], name="empty")
        craftkit.run()
        assert completed == [empty]
        settings.CRAFTKIT = {}
        craftkit.run()
        assert completed == [empty, full]

    def test_is_a_line_of_history(self, craftkit: Kit):
        batch = request(orders(1))
        craftkit.run()
        change = Change.objects.get(kind=Change.Kind.BATCH)
        assert (change.object_id, change.to_status) == (batch.pk, "completed")


@committing
def test_a_batch_is_not_complete_while_one_of_its_documents_is_being_retried():
    batch = request(orders(1))
    batch.renders.update(status="failed")
    render = batch.renders.get()
    retrying = Holding(render.retry)
    retrying.begin()
    job = Job(kind=Job.Kind.BATCH, object_id=batch.pk)
    looking = Elsewhere(lambda: completing.step(job))
    time.sleep(0.3)
    retrying.end()
    looking.wait()
    batch.refresh_from_db()
    assert (batch.completed_at, batch.is_complete) == (None, False)


class TestABatch:
    def test_counts_its_documents_by_status_with_one_query(self, django_assert_num_queries):
        batch = request(orders(5))
        pks = list(batch.renders.values_list("pk", flat=True))
        Render.objects.filter(pk__in=pks[:2]).update(status="failed")
        with django_assert_num_queries(1):
            counts = batch.counts
        assert counts == dict.fromkeys(Render.Status.values, 0) | {"failed": 2, "pending": 3}

    def test_retries_what_failed_and_nothing_else(self, monkeypatch):
        monkeypatch.setattr("django_craftkit.models.batch.TOGETHER", 2)
        batch = request(orders(8))
        others = Render.objects.request("invoice", {}, key="other")
        statuses = ["failed", "failed", "rejected", "succeeded", "cancelled", "queued", "failed"]
        for render, status in zip(batch.renders.order_by("pk"), statuses, strict=False):
            Render.objects.filter(pk=render.pk).update(status=status)
        last = batch.renders.filter(status="failed").last()
        last.withdraw()
        Render.objects.filter(pk=others.pk).update(status="failed")
        user = User.objects.create_user("boss")
        assert batch.retry_failed(user=user) == 3
        assert batch.counts["failed"] == 1
        assert Change.objects.filter(to_status="pending", person=user).count() == 3
        assert batch.retry_failed() == 0


@committing
def test_takes_as_many_queries_for_a_chunk_as_for_one():
    """Per chunk: looked up, the batch locked, documents and jobs written."""
    objects = orders(120)
    request(objects[:1], name="warm")
    counts = []
    for some in (objects[1:3], objects[3:100]):
        with CaptureQueriesContext(connection) as queries:
            request(some, name=str(uuid.uuid4()))
        counts.append(len(queries))
    # SQLite and MySQL take some hundred values in one statement.
    assert counts[1] - counts[0] <= (0 if connection.vendor == "postgresql" else 6)
