"""``queryset=``: which objects should have a document, and have none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import NotSupportedError
from django.db.models.signals import m2m_changed, post_save

from django_craftkit import declarations, events
from django_craftkit.models import Render
from tests.shop.models import Country, Gift, Moment, Order, Parcel, RushOrder, Tariff

pytestmark = pytest.mark.django_db

ELSEWHERE = pytest.mark.django_db(databases=["default", "other"])


def data_of(source: Any, **kwargs: Any) -> dict[str, Any]:
    return {}


@pytest.fixture
def declared(declare, event) -> Any:
    """Declare for a queryset and return the declaration."""

    def for_rows(queryset: Any, **options: Any) -> declarations.Declaration:
        options = {"template": "card", "key": str, **options}
        before = set(declarations.declared())
        declare(options.pop("signal", event), queryset=queryset, **options)(data_of)
        (made,) = set(declarations.declared()) - before
        return made

    return for_rows


def request(source: Any, template: str = "card", **options: Any) -> Render:
    return Render.objects.request(template, {}, source=source, **options)


MADE: dict[str, Any] = {
    "a number": lambda: [Order.objects.create(number=number) for number in "123"],
    "a text": lambda: [Country.objects.create(code=code) for code in ("de", "fr", "CI%'_")],
    "a UUID": lambda: [Parcel.objects.create() for _ in range(3)],
    "a parent's": lambda: [Gift.objects.create(number=number, wish="w") for number in "123"],
    "a proxy's": lambda: [RushOrder.objects.create(number=number) for number in "123"],
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_they_are_told_in_one_query_whatever_they_are_known_by(
    declared, made, django_assert_num_queries
):
    first, second, third = made()
    declaration = declared(type(first).objects.all())
    assert set(declaration.missing()) == {first, second, third}
    request(first)
    request(third, template="another")
    with django_assert_num_queries(1):
        assert set(declaration.missing()) == {second, third}


def test_a_queryset_is_read_anew_each_time(declared):
    rows = Order.objects.filter(total__gt=0)
    declaration = declared(rows)
    assert not list(rows)
    assert not declaration.missing()
    order = Order.objects.create(number="1", total=1)
    Order.objects.create(number="2")
    assert list(declaration.missing()) == [order]


def test_a_function_returns_the_rows_of_that_moment(declared):
    declaration = declared(lambda: Order.objects.filter(number=wanted))
    order = Order.objects.create(number="1")
    wanted = "1"
    assert list(declaration.missing()) == [order]
    wanted = "2"
    assert not declaration.missing()


def test_a_document_counts_whatever_has_become_of_it(declared):
    order = Order.objects.create(number="1")
    declaration = declared(Order.objects.all())
    request(order).withdraw()
    assert not declaration.missing()


def test_it_counts_in_its_own_project_and_in_any_where_a_function_says_it(declared, settings):
    default = settings.CRAFTKIT_PROJECTS["default"]
    settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "eu": default}
    order = Order.objects.create(number="1")
    request(order, project="eu")
    assert list(declared(Order.objects.all()).missing()) == [order]
    any_project = declared(Order.objects.all(), project=lambda order: "eu", name="shop.other")
    assert not any_project.missing()


def test_without_one_nothing_is_missing(declared):
    assert declared(None).missing() is None


@pytest.mark.parametrize("model", [Tariff, Moment])
def test_keys_that_no_query_compares_are_refused(declared, model):
    with pytest.raises(NotSupportedError, match=model._meta.label):
        declared(model.objects.all()).missing()


@ELSEWHERE
def test_another_database_is_refused(declared):
    with pytest.raises(NotSupportedError, match="'other'"):
        declared(Order.objects.using("other")).missing()


def test_an_object_of_another_database_with_the_same_key_is_another(declared):
    order = Order.objects.create(number="1")
    render = request(order)
    Render.objects.filter(pk=render.pk).update(source_db="other")
    assert list(declared(Order.objects.all()).missing()) == [order]


def test_an_object_of_a_tenants_schema_is_another(declared):
    order = Order.objects.create(number="1")
    render = request(order)
    Render.objects.filter(pk=render.pk).update(source_schema="acme")
    assert list(declared(Order.objects.all()).missing()) == [order]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"queryset": Order}, TypeError),
        ({"queryset": "shop.Order"}, TypeError),
        ({"queryset": Order.objects}, TypeError),
        ({"queryset": User.objects.all()}, ValueError),
    ],
    ids=["a model", "its name", "a manager", "another model's"],
)
def test_what_is_no_queryset_is_refused_where_it_is_declared(options, kind):
    before = set(declarations.declared())
    with pytest.raises(kind, match="queryset="):
        events.render_on(post_save, sender=Order, template="t", key=str, **options)(data_of)
    assert set(declarations.declared()) == before


def test_of_a_table_between_the_rows_are_the_fields(declared):
    jane = User.objects.create(username="jane")
    declaration = declared(
        User.objects.filter(groups__name="staff"), signal=m2m_changed, sender=User.groups.through
    )
    Group.objects.create(name="staff").user_set.add(jane)
    Render.objects.all().delete()
    assert list(declaration.missing()) == [jane]


def test_what_a_function_returns_is_checked(declared):
    with pytest.raises(TypeError, match="no queryset"):
        declared(lambda: [datetime.now(UTC)]).missing()
