"""``on_change=``: only a save that changes one of the fields asks for a document."""

from __future__ import annotations

import copy
import pickle
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal

from django_craftkit import events, tracking
from django_craftkit.models import Render
from tests.shop.models import Gift, Line, Order, RushOrder

if TYPE_CHECKING:
    from collections.abc import Iterator

REALLY = pytest.mark.django_db(transaction=True)
EITHER = pytest.mark.parametrize(
    "case",
    [
        pytest.param("autocommit", marks=REALLY),
        pytest.param("test case", marks=pytest.mark.django_db),
    ],
)


@pytest.fixture
def fired(declare, db) -> list[str]:
    """What was fired, by the number of the order."""
    calls: list[str] = []

    def key(order: Order) -> str:
        calls.append(order.number)
        return f"{order.pk}-{order.number}-{order.total}"

    @declare(
        post_save, sender=Order, template="t", key=key, on_change=("number", "total"), snapshot=True
    )
    def change(order: Order, **kwargs: Any) -> dict[str, Any]:
        return {"number": order.number}

    return calls


@pytest.fixture
def order(fired) -> Order:
    Order.objects.create(number="1", total=5)
    order = Order.objects.get()
    fired.clear()
    return order


@EITHER
def test_a_created_row_has_changed_and_then_what_differs(fired, case):
    order = Order.objects.create(number="1")
    order.save()
    order.confirmed = True
    order.save()
    assert fired == ["1"]
    order.number = "2"
    order.save()
    order.save()
    order.number = "1"
    order.save()
    assert fired == ["1", "2", "1"]


@EITHER
def test_what_was_loaded_is_compared(fired, order, case):
    order.save()
    assert fired == []
    order.number = "2"
    order.save()
    assert fired == ["2"]


@pytest.mark.parametrize("total", [5, "5", "5.00", Decimal("5.000"), 5.0])
def test_another_way_to_write_the_same_is_no_change(fired, order, total):
    order.total = total
    order.save()
    assert fired == []


def test_no_query_is_made_for_it(order, django_assert_num_queries):
    with django_assert_num_queries(1):
        order.save()


def test_a_field_that_is_not_saved_has_not_changed_yet(fired, order):
    order.number = "2"
    order.save(update_fields=["confirmed"])
    assert fired == []
    order.save()
    assert fired == ["2"]


def test_saved_by_update_fields_it_has(fired, order):
    order.number = order.total = "2"
    order.save(update_fields=["number"])
    assert fired == ["2"]
    order.save(update_fields=["total"])
    assert fired == ["2", "2"]
    order.save()
    assert fired == ["2", "2"]


@pytest.mark.parametrize("how", ["defer", "only"])
def test_a_deferred_field_that_nobody_touched_has_not_changed(
    fired, order, how, django_assert_num_queries
):
    rows = (
        Order.objects.defer("number", "total")
        if how == "defer"
        else Order.objects.only("confirmed")
    )
    deferred = rows.get()
    with django_assert_num_queries(1):
        deferred.save()
    assert fired == []


def test_a_deferred_field_that_was_read_is_known_from_then_on(fired, order):
    deferred = Order.objects.defer("number").get()
    assert deferred.number == "1"
    deferred.save()
    assert fired == []
    deferred.number = "2"
    deferred.save()
    assert fired == ["2"]


def test_a_deferred_field_that_was_set_unread_counts_as_changed(fired, order):
    deferred = Order.objects.defer("number").get()
    deferred.number = "1"
    deferred.save()
    assert fired == ["1"]


@pytest.mark.parametrize("fields", [None, ["number"]])
def test_what_is_read_anew_is_known(fired, order, fields):
    Order.objects.update(number="2")
    order.refresh_from_db(fields=fields)
    order.save()
    assert fired == []
    order.number = "1"
    order.save()
    assert fired == ["1"], "it is what was loaded at first, and not what the row holds"


def test_what_is_read_anew_is_known_of_that_field_alone(fired, order):
    order.number = "2"
    order.refresh_from_db(fields=["total"])
    order.save()
    assert fired == ["2"]


@EITHER
def test_an_expression_counts_as_changed(fired, order, case):
    order.total = F("total") + 1
    order.save(update_fields=["total"])
    assert fired == ["1"]
    order.refresh_from_db()
    order.save()
    assert fired == ["1"]
    assert order.total == 6


def test_bulk_paths_send_no_signal(fired, order):
    Order.objects.update(number="2")
    Order.objects.bulk_create([Order(number="3")])
    order.number = "4"
    Order.objects.bulk_update([order], ["number"])
    assert fired == []


@EITHER
def test_two_saves_in_one_transaction_ask_for_one_document(fired, order, case):
    before = Render.objects.count()
    with transaction.atomic():
        order.number = "2"
        order.save()
        order.save()
    assert fired == ["2"]
    assert Render.objects.count() == before + 1
    order.save()
    assert fired == ["2"]


@contextmanager
def rolled_back() -> Iterator[None]:
    with suppress(LookupError), transaction.atomic():
        yield
        raise LookupError


def roll_back(order: Order, number: str, *, saves: int = 1) -> None:
    with rolled_back():
        order.number = number
        for _ in range(saves):
            order.save()


@EITHER
@pytest.mark.parametrize("saves", [1, 2])
def test_a_change_that_was_rolled_back_is_one_again_when_it_is_retried(fired, order, case, saves):
    before = Render.objects.count()
    roll_back(order, "2", saves=saves)
    assert Render.objects.count() == before
    order.save()
    assert fired == ["2", "2"]
    assert Render.objects.count() == before + 1
    order.save()
    assert fired == ["2", "2"]


@EITHER
def test_what_was_rolled_back_and_is_as_before_has_not_changed(fired, order, case):
    roll_back(order, "2")
    order.number = "1"
    order.save()
    assert fired == ["2"]


@EITHER
def test_a_savepoint_that_is_rolled_back_takes_back_its_own_changes_alone(fired, order, case):
    with transaction.atomic():
        order.number = "2"
        order.save()
        roll_back(order, "3")
        order.number = "2"
        order.save()
        assert fired == ["2", "3"]
        order.number = "3"
        order.save()
    order.save()
    assert fired == ["2", "3", "3"]


@REALLY
def test_an_outer_transaction_that_is_rolled_back_takes_back_all(fired, order):
    with rolled_back():
        order.number = "2"
        order.save()
        with transaction.atomic():
            order.number = "3"
            order.save()
    order.number = "2"
    order.save()
    assert fired == ["2", "3", "2"]
    order.number = "1"
    order.save()
    assert fired == ["2", "3", "2", "1"]


@REALLY
def test_what_was_read_in_a_transaction_that_is_rolled_back_is_not_there(fired, order):
    with rolled_back():
        Order.objects.update(number="2")
        order.refresh_from_db()
    order.save()
    assert fired == ["2"]


@EITHER
def test_a_creation_that_was_rolled_back_is_one_again(fired, case):
    order = Order(number="1")
    roll_back(order, "1")
    order.save()
    assert fired == ["1", "1"]


@EITHER
def test_a_save_that_failed_has_changed_nothing(fired, order, case, monkeypatch):
    def fail(sender: Any, **kwargs: Any) -> None:
        raise IntegrityError

    order.number = "2"
    pre_save.connect(fail, sender=Order)
    try:
        with pytest.raises(IntegrityError):
            order.save()
    finally:
        pre_save.disconnect(fail, sender=Order)
    order.save()
    assert fired == ["2"]


def test_an_object_that_was_made_by_hand_knows_nothing_of_its_row(fired, order):
    Order(pk=order.pk, number="1", total=5).save()
    assert fired == ["1"]


def test_an_object_with_another_primary_key_is_of_another_row(fired, order):
    other = Order.objects.create(number="2")
    fired.clear()
    order.pk = other.pk
    order.save()
    assert fired == ["1"]


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_is_not_taken_for_the_object(fired, order, copied):
    """Of what it knows it may know less, and then fires."""
    other = copied(order)
    order.number = "2"
    order.save()
    assert fired == ["2"]
    fired.clear()
    other.number = "3"
    other.save()
    assert fired == ["3"]


def test_an_object_that_was_pickled_in_a_transaction_counts_as_changed(fired, order):
    with transaction.atomic():
        order.number = "2"
        order.save()
        other = pickle.loads(pickle.dumps(order))
        fired.clear()
        other.save()
        assert fired == ["2"]


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_an_object_that_is_saved_elsewhere_is_another_row(fired, order):
    Order.objects.using("other").create(pk=order.pk, number="9")
    fired.clear()
    order.save(using="other")
    assert fired == ["1"]


def test_it_is_asked_of_the_model_that_was_saved_as_django_does(fired):
    RushOrder.objects.create(number="1")
    Gift.objects.create(number="2", wish="w")
    assert fired == []


def test_a_child_may_be_asked_for_its_parents_fields(declare, db):
    fired = []

    @declare(
        post_save,
        sender="shop.Gift",
        template="t",
        key=lambda gift: fired.append(gift.number) or "k",
        on_change=["number"],
    )
    def gift(gift: Gift, **kwargs: Any) -> dict[str, Any]:
        return {}

    row = Gift.objects.create(number="1", wish="w")
    row.wish = "x"
    row.save()
    assert fired == ["1"]
    row.number = "2"
    row.save()
    assert fired == ["1", "2"]


def test_a_relation_is_named_either_way(declare, db):
    fired = []
    for name in ("order", "order_id"):

        @declare(
            post_save,
            sender=Line,
            template="t",
            key=lambda line, name=name: fired.append(name) or "k",
            on_change=(name,),
            name=f"shop.{name}",
        )
        def line(line: Line, **kwargs: Any) -> dict[str, Any]:
            return {}

    first, second = (Order.objects.create(number=number) for number in "12")
    row = first.lines.create(text="x")
    fired.clear()
    row.text = "y"
    row.save()
    assert fired == []
    row.order = second
    row.save(update_fields=["order"])
    assert sorted(fired) == ["order", "order_id"]


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ({"a": [1]}, {"a": [1]}, True),
        ({"a": [1]}, {"a": [2]}, False),
        ({"a": True}, {"a": 1}, False),
    ],
)
def test_json_is_compared_as_it_was_before_it_was_changed_in_place(before, after, same):
    field = models.JSONField()
    assert tracking._is_same(field, tracking._kept(before), after) is same
    kept = tracking._kept(before)
    before["b"] = 1
    assert not tracking._is_same(field, kept, before)


def number_of(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"on_change": "status"}, TypeError, "tuple of names"),
        ({"on_change": (1,)}, TypeError, "tuple of names"),
        ({"on_change": ("status",)}, ValueError, "no field with a column of shop.Order"),
        ({"on_change": ("lines",)}, ValueError, "no field with a column"),
        ({"on_change": ("status",), "sender": "shop.Order"}, ValueError, "no field with a column"),
        ({"on_change": ("number",), "sender": None}, ValueError, "sender="),
        ({"on_change": ("number",), "signal": pre_save}, ValueError, "post_save"),
        ({"on_change": ("number",), "signal": Signal()}, ValueError, "post_save"),
    ],
)
def test_what_cant_change_is_refused_where_it_is_declared(options, kind, words):
    options = {"sender": Order, "template": "t", "key": str, "signal": post_save, **options}
    signal = options.pop("signal")
    before = len(post_save.receivers)
    with pytest.raises(kind, match=words):
        events.render_on(signal, **options)(number_of)
    assert len(post_save.receivers) == before
