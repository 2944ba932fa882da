"""Several events for one document, and events of every kind of sender."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.dispatch import Signal

from django_craftkit import declarations, relations
from django_craftkit.models import Render
from tests.helpers import settle
from tests.shop.models import Gift, Order, RushOrder

pytestmark = pytest.mark.django_db

HOW = pytest.mark.parametrize("how", ["stacked", "a list"])


def number_of(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {"number": order.number}


@pytest.fixture
def twice(declare, how) -> tuple[Signal, Signal]:
    paid, shipped = Signal(), Signal()
    options: dict[str, Any] = {"template": "t", "key": lambda order: f"k-{order.number}"}
    if how == "a list":
        declare([paid, shipped, paid], **options)(number_of)
    else:
        declare(paid, **options)(declare(shipped, **options)(number_of))
    return paid, shipped


@HOW
@pytest.mark.parametrize("first", [0, 1])
def test_whichever_comes_first_makes_the_document(craftkit, twice, first):
    order = Order.objects.create(number="1")
    for event in (twice[first], twice[1 - first], twice[first]):
        event.send(Order, instance=order)
        settle(craftkit)
    assert len(craftkit.renders) == 1
    assert Render.objects.get().builder == "tests.test_several_events.number_of"


@HOW
def test_both_in_one_transaction_are_one_document(craftkit, twice):
    with transaction.atomic():
        order = Order.objects.create(number="1")
        for event in twice:
            event.send(Order, instance=order)
    settle(craftkit)
    assert len(craftkit.renders) == 1


@HOW
def test_a_list_is_connected_once_for_each_event(twice, how):
    assert [len(event.receivers) for event in twice] == [1, 1]


def test_a_list_that_cant_be_right_connects_none_of_it(declare, event):
    before = set(declarations.declared())
    with pytest.raises(TypeError):
        declare([event, "post_save"], template="t", key=str)(number_of)
    assert event.receivers == []
    assert set(declarations.declared()) == before


def test_signals_of_models_and_of_the_project_go_together(craftkit, declare, event):
    declare([post_save, event], sender=Order, template="t", key=lambda order: order.number)(
        number_of
    )
    order = Order.objects.create(number="1")
    event.send(Order, instance=order)
    settle(craftkit)
    assert [document.data for document in craftkit.renders] == [{"number": "1"}]


# Whose event it is


def test_a_sender_that_is_an_object_is_what_the_document_is_about(craftkit, declare, event):
    declare(event, template="t", key=lambda order: order.number)(number_of)
    order = Order.objects.create(number="1")
    event.send(order)
    Order.objects.update(number="2")
    settle(craftkit)
    assert Render.objects.for_object(order).get().data == {"number": "2"}


def test_an_instance_goes_before_a_sender(declare, event):
    declare(event, template="t", key=lambda order: order.number)(number_of)
    first, second = (Order.objects.create(number=number) for number in "12")
    event.send(first, instance=second)
    assert Render.objects.get().key == "2"


@pytest.mark.parametrize("sender", [Order, Gift, RushOrder], ids=lambda model: model.__name__)
def test_a_model_is_not_its_proxy_nor_its_parent_as_in_django(declare, sender):
    declare(post_save, sender=sender, template="t", key=lambda order: order.number)(number_of)
    Order.objects.create(number="Order")
    Gift.objects.create(number="Gift")
    RushOrder.objects.create(number="RushOrder")
    assert [render.key for render in Render.objects.all()] == [sender.__name__]


def test_a_child_of_several_tables_is_known_as_itself(craftkit, declare):
    @declare(post_save, sender=Gift, template="t", key=lambda gift: "k")
    def card(gift: Gift, **kwargs: Any) -> dict[str, Any]:
        return {"wish": gift.wish}

    gift = Gift.objects.create(number="1", wish="peace")
    settle(craftkit)
    assert Render.objects.for_object(gift).get().data == {"wish": "peace"}
    assert not Render.objects.for_object(gift.order_ptr).exists()


# Many-to-many fields


@pytest.fixture
def badges(declare) -> list[tuple[str, str]]:
    """Which events there were, by action and user."""
    calls: list[tuple[str, str]] = []

    @declare(
        m2m_changed,
        sender=User.groups.through,
        template="badge",
        key=lambda user: f"badge-{user.username}-{len(calls)}",
        snapshot=True,
    )
    def badge(user: User, action: str, **kwargs: Any) -> dict[str, Any]:
        calls.append((action, user.username))
        return {"groups": sorted(user.groups.values_list("name", flat=True))}

    return calls


@pytest.fixture
def jane(db) -> User:
    return User.objects.create(username="jane")


@pytest.fixture
def staff(db) -> Group:
    return Group.objects.create(name="staff")


def test_what_is_added_removed_and_cleared_is_an_event_of_the_object(badges, jane, staff):
    jane.groups.add(staff)
    jane.groups.remove(staff)
    jane.groups.set([staff])
    jane.groups.clear()
    actions = ["post_add", "post_remove", "post_add", "post_clear"]
    assert badges == [(action, "jane") for action in actions]
    data = [render.data["groups"] for render in Render.objects.order_by("pk")]
    assert data == [["staff"], [], ["staff"], []]
    assert Render.objects.for_object(jane).count() == 4


def test_what_was_there_already_is_no_event(badges, jane, staff):
    jane.groups.add(staff)
    badges.clear()
    jane.groups.add(staff)
    jane.groups.set([staff])
    assert badges == []


def test_from_the_other_side_it_is_an_event_of_each_object(
    badges, jane, staff, django_assert_max_num_queries
):
    joe = User.objects.create(username="joe")
    staff.user_set.add(jane, joe)
    staff.user_set.remove(joe)
    staff.user_set.add(joe)
    staff.user_set.clear()
    assert badges == [
        ("post_add", "jane"),
        ("post_add", "joe"),
        ("post_remove", "joe"),
        ("post_add", "joe"),
        ("post_clear", "jane"),
        ("post_clear", "joe"),
    ]
    assert Render.objects.for_object(staff).count() == 0


def test_what_is_built_later_is_built_from_what_is_there_then(craftkit, declare, jane, staff):
    @declare(
        m2m_changed,
        sender="auth.User_groups",
        template="badge",
        key=lambda user: f"badge-{user.username}",
    )
    def badge(user: User, **kwargs: Any) -> dict[str, Any]:
        return {"groups": [group.name for group in user.groups.all()]}

    with transaction.atomic():
        jane.groups.add(staff)
        jane.groups.add(Group.objects.create(name="sales"))
    settle(craftkit)
    assert craftkit.renders[0].data == {"groups": ["staff", "sales"]}


def test_a_change_that_is_rolled_back_asks_for_nothing(badges, jane, staff):
    def fail() -> None:
        with transaction.atomic():
            jane.groups.add(staff)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert not Render.objects.exists()


def test_what_goes_wrong_with_one_object_leaves_the_others_theirs(declare, jane, staff, caplog):
    def key(user: User) -> str:
        if user.username == "jane":
            raise LookupError("no such badge")
        return user.username

    @declare(m2m_changed, sender=User.groups.through, template="badge", key=key)
    def badge(user: User, **kwargs: Any) -> dict[str, Any]:
        return {}

    staff.user_set.add(jane, User.objects.create(username="joe"))
    assert [render.key for render in Render.objects.all()] == ["joe"]
    assert "no such badge" in caplog.text


def test_only_tables_between_are_senders_of_it():
    assert relations.is_table_between(User.groups.through)
    assert not relations.is_table_between(User)


def test_a_signal_that_comes_before_the_save_is_one_of_several_too(declare):
    declare([pre_save, post_save], sender=Order, template="t", key=lambda order: order.number)(
        number_of
    )
    order = Order.objects.create(number="1")
    order.save()
    assert Render.objects.get().source == order
