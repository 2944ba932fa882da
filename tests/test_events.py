"""A business event becomes a wish, and never pays for what comes of it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.db import transaction
from django.dispatch import Signal

from django_craftkit import events
from django_craftkit.models import Job, Render
from tests.helpers import settle
from tests.shop import craftkit as declarations
from tests.shop.craftkit import closed, shipped
from tests.shop.models import Line, Order


def confirm(number: str = "1", **fields: object) -> Order:
    return Order.objects.create(number=number, confirmed=True, **fields)


def test_the_data_are_what_was_really_saved(craftkit):
    order = confirm(total=Decimal("12.50"))
    order.lines.create(text="An inline, saved after its parent")
    Order.objects.filter(pk=order.pk).update(total=Decimal(20))
    craftkit.run()
    (document,) = craftkit.renders
    assert document.data == {
        "number": "1",
        "total": "20.00",
        "lines": [{"text": "An inline, saved after its parent"}],
    }
    assert Render.objects.get().source == order


def test_an_event_without_its_condition_asks_for_nothing(craftkit):
    Order.objects.create(number="1")
    assert not Render.objects.exists()


def test_the_event_fired_three_times_is_one_document(craftkit):
    order = confirm()
    order.save()
    craftkit.run()
    order.save()
    craftkit.run()
    assert Render.objects.count() == 1
    assert len(craftkit.renders) == 1


def test_fixtures_ask_for_nothing(craftkit):
    order = Order(pk=1, number="1", confirmed=True)
    for entry in serializers.deserialize("json", serializers.serialize("json", [order])):
        entry.save()
    assert Order.objects.exists()
    assert not Render.objects.exists()


def test_an_event_that_is_rolled_back_never_was(craftkit):
    def fail():
        with transaction.atomic():
            confirm()
            assert Render.objects.exists()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert not Render.objects.exists()
    assert not Job.objects.exists()
    craftkit.run()
    assert craftkit.renders == []


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_an_event_in_another_database_is_asked_for_when_it_is_committed(craftkit):
    confirm("here")  # takes the primary key in this database
    ContentType.objects.using("other").filter(app_label="shop").delete()
    ContentType.objects.clear_cache()
    ContentType.objects.db_manager("other").get_for_model(Line)  # takes the order's id in that one
    with transaction.atomic(using="other"):
        order = Order(number="there", confirmed=True)
        order.save(using="other")
        assert Render.objects.count() == 1
    assert Render.objects.count() == 2
    craftkit.run()
    render = Render.objects.get(key="invoice-there")
    assert render.source == order
    assert Render.objects.for_object(order).filter(key="invoice-there").exists()
    assert {document.data["number"] for document in craftkit.renders} == {"here", "there"}


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_an_event_that_another_database_rolls_back_never_was(craftkit):
    def fail():
        with transaction.atomic(using="other"):
            Order(number="there", confirmed=True).save(using="other")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert not Render.objects.exists()


@pytest.mark.parametrize(
    ("number", "words"), [("RAISES", "LookupError: no such price"), ("BREAKS", "no_such_table")]
)
def test_a_builder_that_raises_rejects_the_document_until_it_is_mended(
    craftkit, number, words, monkeypatch
):
    order = confirm(number)
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "builder_failed")
    assert words in render.error
    order.refresh_from_db()

    Order.objects.update(number="MENDED")
    assert render.retry()
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, render.error) == ("succeeded", "")
    assert craftkit.renders[0].data["number"] == "MENDED"


def test_where_there_is_nothing_to_render_it_is_as_if_it_was_never_asked_for(craftkit):
    order = confirm("NOTHING")
    craftkit.run()
    assert not Render.objects.exists()
    assert not Job.objects.exists()
    Order.objects.update(number="SOMETHING")
    order.refresh_from_db()
    order.save()
    craftkit.run()
    assert Render.objects.get().status == "succeeded"


def test_nothing_to_render_ends_a_document_that_somebody_has_a_wish_for(craftkit):
    confirm("NOTHING")
    share = Render.objects.get().share()
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("cancelled", "nothing_to_render")
    share.refresh_from_db()
    assert share.status == "pending"


def test_a_source_that_is_gone_rejects_the_document_in_words(craftkit):
    confirm().delete()
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "source_gone")
    assert f"{render.source_type} {render.source_id}" in str(render.problem)


def test_a_worker_that_is_older_than_the_code_leaves_the_document_to_another(craftkit):
    confirm()
    Render.objects.update(builder="tests.shop.craftkit.moved")
    craftkit.run()
    assert Render.objects.get().status == "pending"
    job = Job.objects.get()
    assert (job.error_code, job.error) == ("unknown_builder", "tests.shop.craftkit.moved")
    assert job.error in str(job.problem)

    Render.objects.update(builder="tests.shop.craftkit.invoice")
    settle(craftkit)
    assert Render.objects.get().status == "succeeded"


def test_where_a_function_raised_is_logged(craftkit, caplog):
    confirm("RAISES")
    craftkit.run()
    assert "no such price" in caplog.text
    assert "tests/shop/craftkit.py" in caplog.text


def test_a_snapshot_is_built_on_the_spot(craftkit):
    order = Order.objects.create(number="1", total=5)
    shipped.send(Order, instance=order, parcels=2)
    Order.objects.update(total=9)
    craftkit.run()
    (document,) = craftkit.renders
    assert document.data == {"number": "1", "total": 5, "parcels": 2}
    assert Render.objects.get().builder == ""


def test_a_snapshot_that_raises_rejects_the_document_and_the_event_goes_on(craftkit):
    order = Order.objects.create(number="RAISES")
    shipped.send(Order, instance=order)
    craftkit.run()
    render = Render.objects.get()
    assert render.status == "rejected"
    assert "no such parcel" in render.error
    Order.objects.update(number="MENDED")
    render.retry()
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"


def test_a_signal_without_an_instance_is_built_from_what_it_says(craftkit):
    closed.send("2026-06-05", turnover=3)
    craftkit.run()
    assert craftkit.renders[0].data == {"day": "2026-06-05", "turnover": 3}
    assert Render.objects.get().key == "report-2026-06-05"


def test_a_mistake_in_a_declaration_is_logged_and_the_event_goes_on(craftkit, caplog):
    Order.objects.create(number="1" * 40, confirmed=True)
    shipped.send(Order, instance=Order(number="unsaved"))
    assert "asked for no document" in caplog.text
    assert "save it before asking" in caplog.text


def test_the_same_key_for_another_object_is_logged_and_the_event_goes_on(craftkit, caplog):
    confirm()
    confirm()
    assert Order.objects.count() == 2
    assert Render.objects.count() == 1
    assert "new document wants a new key" in caplog.text


def test_a_signal_of_the_project_may_mean_anything_by_using(craftkit, declare):
    paid = Signal()

    @declare(paid, template="receipt", key=lambda order: f"r-{order.pk}")
    def receipt(order, **kwargs):
        return {}

    for using in ("card", ["card", "cash"]):
        order = Order.objects.create(number="1")
        paid.send(Order, instance=order, using=using)
        assert Render.objects.for_object(order).exists()


def test_a_nameless_function_is_refused():
    with pytest.raises(ValueError, match="name"):
        events.render_on(shipped, template="x", key=str)(lambda order: {})


def test_the_decorated_function_stays_itself(db):
    assert declarations.invoice(Order(pk=1, number="NOTHING")) is None


def test_a_wish_costs_three_queries_and_its_repeat_one(db, django_assert_num_queries):
    ContentType.objects.get_for_model(Order)
    order = Order.objects.create(number="1")
    order.confirmed = True
    with transaction.atomic():
        with django_assert_num_queries(4):
            order.save()
        with django_assert_num_queries(2):
            order.save()
    Render.objects.update(data={})
    with transaction.atomic(), django_assert_num_queries(2):
        order.save()


def test_sources_are_prefetched_as_any_generic_key(craftkit, django_assert_num_queries):
    for number in "abc":
        confirm(number)
    with django_assert_num_queries(2):
        renders = list(Render.objects.prefetch_related("source"))
        assert {render.source.number for render in renders} == {"a", "b", "c"}
    assert renders[0].source is renders[0].source
    renders[0].source = None
    assert renders[0].source_type is None
