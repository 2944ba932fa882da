"""What an object is known by: no two are taken for one, and one is never two."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace

import django
import pytest
from django.apps import apps
from django.contrib.contenttypes.management import RenameContentType
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db import connection, connections, transaction
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext

from django_craftkit.builders import build
from django_craftkit.models import Job, KeyConflict, Render, Share, SignatureRequest, WrongSchema
from django_craftkit.models.arguments import hash_key
from django_craftkit.models.identity import schema_of
from django_craftkit.models.problems import NO_PROBLEM
from tests.helpers import at_once, settle
from tests.shop.craftkit import shipped
from tests.shop.models import (
    Country,
    Fingerprint,
    Gift,
    Line,
    Moment,
    Order,
    Parcel,
    RushOrder,
    Seat,
    Tariff,
)

pytestmark = pytest.mark.django_db
two_databases = pytest.mark.django_db(transaction=True, databases=["default", "other"])
needs_fetch_modes = pytest.mark.skipif(django.VERSION < (6, 1), reason="new in Django 6.1")

TAGS = ("share_url", "status", "signature")


def ask(source, template: str = "invoice", **more) -> Render:
    return Render.objects.request(template, {}, source=source, **more)


def show(tag: str, about) -> str:
    text = "{% load craftkit %}{% craftkit_" + tag + " about %}"
    return Template(text).render(Context({"about": about}))


def shown(about) -> list[str]:
    return [show(tag, about) for tag in TAGS]


def hand_out(render: Render) -> Render:
    """Give a document everything that a tag shows."""
    Render.objects.filter(pk=render.pk).update(status="succeeded")
    key = str(render.pk)
    about = {"render": render, "key": key, "key_hash": key}
    Share.objects.create(**about, status="active", url=f"https://craftkit.dev/s/{key}")
    SignatureRequest.objects.create(**about, status="sent")
    return render


def make_old(source, *, template: str = "invoice", label: str = "", pk: str = "", **more) -> Render:
    """A row that version 0.1 made where no key was given."""
    pk = pk or str(source.pk)
    key = f"{template}:{label or source._meta.concrete_model._meta.label_lower}:{pk}"
    kind = ContentType.objects.get_for_model(source)
    return Render.objects.create(
        **{
            "template": template,
            "key": key,
            "key_hash": hash_key(key),
            "data": {},
            "source_type": kind,
            "source_id": pk,
            **more,
        }
    )


# Two databases


@pytest.fixture
def twins(transactional_db) -> tuple[Order, Order]:
    """Alpha's and Beta's order, of one primary key."""
    orders = []
    for alias in ("default", "other"):
        order = Order(pk=1, number=alias)
        order.save(using=alias)
        orders.append(Order.objects.using(alias).get(pk=1))
    return orders[0], orders[1]


@two_databases
class TestTwoDatabases:
    def test_objects_of_one_key_are_two_sources(self, twins):
        alpha, beta = twins
        renders = [ask(alpha), ask(beta)]
        assert renders[0] != renders[1]
        assert [ask(one) for one in twins] == renders
        assert [list(Render.objects.for_object(one)) for one in twins] == [[one] for one in renders]
        assert [render.source.number for render in Render.objects.order_by("pk")] == [
            "default",
            "other",
        ]

    def test_events_of_both_are_two_documents(self, craftkit, twins):
        for order in twins:
            shipped.send(Order, instance=order)
        settle(craftkit)
        assert {document.data["number"] for document in craftkit.renders} == {"default", "other"}

    def test_a_key_of_one_is_refused_to_the_other(self, twins):
        alpha, beta = twins
        assert ask(alpha, key="k") == ask(alpha, key="k")
        with pytest.raises(KeyConflict, match="another object"):
            ask(beta, key="k")
        ask(beta, key="l")
        with pytest.raises(KeyConflict, match=r"\(other\)"):
            ask(alpha, key="l")

    def test_a_key_of_today_that_the_other_has_is_no_conflict(self, twins):
        alpha, beta = twins
        old = make_old(alpha)
        made = ask(beta)
        assert made != old
        assert ask(alpha) == old
        assert ask(beta) == made

    def test_a_tag_shows_nothing_of_the_other(self, twins):
        alpha, beta = twins
        hand_out(ask(alpha))
        assert all(shown(alpha))
        assert shown(beta) == ["", "", ""]
        assert not SignatureRequest.objects.for_object(beta).exists()
        theirs = hand_out(ask(beta))
        assert show("share_url", beta).endswith(f"/{theirs.pk}")
        assert not show("share_url", alpha).endswith(f"/{theirs.pk}")

    def test_a_list_shows_nothing_of_the_other(self, twins):
        alpha, beta = twins
        hand_out(ask(alpha))
        Render.objects.prefetch_for(twins)
        assert all(shown(alpha))
        assert shown(beta) == ["", "", ""]

    def test_sources_of_both_are_read_together(self, twins, django_assert_num_queries):
        for order in twins:
            ask(order)
            ask(order, "receipt")
        with django_assert_num_queries(2):  # and one in the other database
            renders = list(Render.objects.order_by("pk").prefetch_related("source"))
            numbers = [render.source.number for render in renders]
        assert numbers == ["default", "default", "other", "other"]

    def test_a_queryset_of_the_callers_reads_both(self, twins):
        for order in twins:
            ask(order)
        orders = Order.objects.only("number")
        renders = Render.objects.order_by("pk").prefetch_related(
            GenericPrefetch("source", [orders])
        )
        with CaptureQueriesContext(connections["other"]) as theirs:
            renders = list(renders)
        assert len(theirs) == 1
        assert [render.source.number for render in renders] == ["default", "other"]
        assert [render.source.get_deferred_fields() for render in renders] == [
            {"total", "confirmed"}
        ] * 2

    @needs_fetch_modes
    def test_peers_are_fetched_from_both(self, twins, django_assert_num_queries):
        from django.db.models import FETCH_PEERS

        for order in twins:
            ask(order)
            ask(order, "receipt")
        renders = list(Render.objects.order_by("pk").fetch_mode(FETCH_PEERS))
        with django_assert_num_queries(1), CaptureQueriesContext(connections["other"]) as theirs:
            numbers = [render.source.number for render in renders]
        assert numbers == ["default", "default", "other", "other"]
        assert len(theirs) == 1
        assert renders[0].source._state.fetch_mode is FETCH_PEERS

    @needs_fetch_modes
    def test_a_row_that_is_made_to_be_about_another_has_that_one_among_peers(self, twins):
        from django.db.models import FETCH_PEERS

        for order in twins:
            ask(order)
        another = Order.objects.create(pk=2, number="another")
        renders = list(Render.objects.order_by("pk").fetch_mode(FETCH_PEERS))
        assert renders[0].source == twins[0]
        renders[0].source_id = str(another.pk)
        assert renders[0].source == another

    @needs_fetch_modes
    def test_a_fetch_that_is_blocked_is_blocked_for_both(self, twins):
        from django.core.exceptions import FieldFetchBlocked
        from django.db.models import FETCH_RAISE

        for order in twins:
            ask(order)
        for render in Render.objects.fetch_mode(FETCH_RAISE):
            with pytest.raises(FieldFetchBlocked):
                _ = render.source

    def test_what_is_set_is_known_as_what_is_asked_for(self, twins):
        ContentType.objects.using("other").filter(app_label="shop").delete()
        ContentType.objects.clear_cache()
        for order in twins:
            render = ask(order)
            assert Render(source=order).source_columns == render.source_columns
            assert Render(source=order).source is order

    def test_a_row_that_is_made_to_be_about_another_has_that_one(self, twins):
        render = Render.objects.get(pk=ask(twins[0]).pk)
        assert render.source == twins[0]
        another = Order.objects.create(pk=2, number="another")
        render.source_id = str(another.pk)
        assert render.source == another


# Schemas


class Tenants(SimpleNamespace):
    """What a connection of django-tenants offers."""

    def set_schema(self, name: str) -> None:
        connection.schema_name = name
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                path = f'"{name}", public' if name != "public" else "public"
                cursor.execute(f"SET search_path TO {path}")


@pytest.fixture
def tenants(settings, monkeypatch):
    """Two tenants of the shop, who share Craftkit's tables."""
    made = Tenants()
    settings.TENANT_APPS = ["tests.shop"]
    monkeypatch.setattr(connection, "schema_name", "public", raising=False)
    monkeypatch.setattr(connection, "set_schema", made.set_schema, raising=False)
    yield made
    made.set_schema("public")


class TestSchemas:
    def test_objects_of_one_key_are_two_sources(self, tenants):
        order = Order.objects.create(number="1")
        renders = {}
        for schema in ("alpha", "beta", "public"):
            tenants.set_schema(schema)
            assert shown(order) == ["", "", ""]
            renders[schema] = hand_out(ask(order))
            assert ask(order) == renders[schema]
            assert Render.objects.for_object(order).get() == renders[schema]
            assert SignatureRequest.objects.for_object(order).get().render == renders[schema]
            Render.objects.prefetch_for([order])
            assert show("share_url", order).endswith(f"/{renders[schema].pk}")
            del order._craftkit_renders
        assert len({render.pk for render in renders.values()}) == 3

    def test_a_key_of_one_is_refused_to_the_other(self, tenants):
        order = Order.objects.create(number="1")
        tenants.set_schema("alpha")
        ask(order, key="k")
        tenants.set_schema("beta")
        with pytest.raises(KeyConflict, match="alpha"):
            ask(order, key="k")

    def test_what_was_made_before_schemas_were_known_is_handed_to_no_tenant(self, tenants):
        order = Order.objects.create(number="1")
        old = hand_out(make_old(order))
        assert ask(order) == old
        tenants.set_schema("alpha")
        assert shown(order) == ["", "", ""]
        assert ask(order) != old

    def test_what_all_tenants_share_is_one_source(self, tenants, django_user_model):
        person = django_user_model.objects.create(username="jane")
        tenants.set_schema("alpha")
        render = ask(person)
        tenants.set_schema("beta")
        assert ask(person) == render
        assert render.source_schema is None

    @pytest.mark.parametrize(
        "kinds",
        [
            {"TENANT_APPS": ["tests.shop", "django_craftkit"]},
            {"TENANT_APPS": ["tests.shop.apps.ShopConfig", "django_craftkit.apps.CraftkitConfig"]},
            {
                "HAS_MULTI_TYPE_TENANTS": True,
                "TENANT_TYPES": {
                    "public": {"APPS": []},
                    "shop": {"APPS": ["tests.shop", "django_craftkit"]},
                    "club": {"APPS": ["django_craftkit"]},
                },
            },
        ],
        ids=["by name", "by class", "of several kinds"],
    )
    def test_where_each_tenant_has_craftkits_tables_nothing_changes(self, tenants, settings, kinds):
        for name, value in kinds.items():
            setattr(settings, name, value)
        order = Order.objects.create(number="1")
        old = make_old(order)
        tenants.set_schema("alpha")
        assert schema_of(Order, "default") is None
        assert ask(order) == old

    def test_where_only_some_tenants_have_craftkits_tables_objects_are_told_apart(
        self, tenants, settings
    ):
        settings.HAS_MULTI_TYPE_TENANTS = True
        settings.TENANT_TYPES = {
            "public": {"APPS": ["django_craftkit"]},
            "shop": {"APPS": ["tests.shop"]},
            "club": {"APPS": ["django_craftkit"]},
        }
        tenants.set_schema("alpha")
        assert schema_of(Order, "default") == "alpha"

    def test_without_such_settings_a_schema_counts(self, tenants, settings):
        del settings.TENANT_APPS
        tenants.set_schema("alpha")
        assert schema_of(Order, "default") == "alpha"

    @pytest.mark.parametrize("elsewhere", ["public", "beta"])
    def test_the_source_is_read_in_its_own_schema_or_not_at_all(self, tenants, elsewhere):
        tenants.set_schema("alpha")
        order = Order.objects.create(number="1")
        ask(order)
        tenants.set_schema(elsewhere)
        render = Render.objects.get()
        assert not render.is_in_schema
        with pytest.raises(WrongSchema, match="alpha"):
            _ = render.source
        with pytest.raises(WrongSchema):
            list(Render.objects.prefetch_related("source"))
        with render.in_schema():
            assert render.source == order
        assert connection.schema_name == elsewhere
        tenants.set_schema("alpha")
        assert Render.objects.get().source == order

    @needs_fetch_modes
    def test_peers_of_another_schema_are_left_alone(self, tenants):
        from django.db.models import FETCH_PEERS

        orders = [Order.objects.create(number="1"), Order.objects.create(number="2")]
        for schema, order in zip(("alpha", "beta"), orders, strict=True):
            tenants.set_schema(schema)
            ask(order)
        renders = list(Render.objects.order_by("pk").fetch_mode(FETCH_PEERS))
        assert renders[1].source == orders[1]
        with pytest.raises(WrongSchema):
            _ = renders[0].source

    def test_nothing_is_built_in_the_wrong_schema(self, craftkit, tenants, monkeypatch):
        tenants.set_schema("alpha")
        order = Order.objects.create(number="1", confirmed=True)
        tenants.set_schema("public")
        monkeypatch.delattr(connection, "set_schema")
        craftkit.run()
        render = Render.objects.get()
        assert (render.status, render.data, craftkit.renders) == ("pending", None, [])
        assert "alpha" in Job.objects.get(kind="render").error
        connection.schema_name = "alpha"
        settle(craftkit)
        assert Render.objects.get().status == "succeeded"
        assert Render.objects.get().source == order

    def test_a_row_of_no_schema_is_built_in_none(self, tenants):
        order = Order.objects.create(number="1")
        render = make_old(order, data=None, builder="tests.shop.craftkit.invoice")
        tenants.set_schema("alpha")
        with pytest.raises(WrongSchema):
            build(render)
        tenants.set_schema("public")
        assert build(render).data["number"] == "1"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL has schemas")
def test_a_worker_reads_each_tenants_object_and_what_belongs_to_it(craftkit, tenants):
    with connection.cursor() as cursor:
        for schema in ("alpha", "beta"):
            cursor.execute(f"CREATE SCHEMA {schema}")
            for table in ("shop_order", "shop_line"):
                cursor.execute(f"CREATE TABLE {schema}.{table} (LIKE {table} INCLUDING ALL)")
    try:
        for schema in ("alpha", "beta"):
            tenants.set_schema(schema)
            order = Order(pk=1, number=schema, confirmed=True)
            Line.objects.create(order_id=1, text=f"a line of {schema}")
            order.save()
        tenants.set_schema("public")
        settle(craftkit)
        assert {(one.data["number"], one.data["lines"][0]["text"]) for one in craftkit.renders} == {
            ("alpha", "a line of alpha"),
            ("beta", "a line of beta"),
        }
        assert connection.schema_name == "public"
    finally:
        tenants.set_schema("public")
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA alpha CASCADE; DROP SCHEMA beta CASCADE")


# Keys


ID = uuid.UUID("a3f1c2d4-0b5e-4f60-8a7b-9c0d1e2f3a4b")
AT = datetime(2026, 3, 1, 10, tzinfo=UTC)


class Plain(str, enum.Enum):  # noqa: UP042 - as it is written for Python 3.10
    FRANCE = "fr"


FORMS = {
    "a number": (Order, 7, [7, "7", 7.0]),
    "a UUID": (Parcel, ID, [ID, str(ID), ID.hex, str(ID).upper(), ID.hex.upper(), f"{{{ID}}}"]),
    "a decimal": (
        Tariff,
        Decimal("7.00"),
        [Decimal(7), "7", "7.0", Decimal("7.000"), 7.0, Decimal("0.7E1")],
    ),
    "a zero": (Tariff, Decimal("0.00"), [0, -0.0, "-0", Decimal("-0.00")]),
    "a parent's": (Gift, 7, [7, "7"]),
    "a moment": (
        Moment,
        AT,
        [AT, "2026-03-01T10:00:00Z", AT.astimezone(timezone(timedelta(hours=5)))],
    ),
    "a text": (Country, "fr", ["fr", Plain.FRANCE]),
}


def saved(model, pk, value):
    """An instance of one row whose primary key was written in this form."""
    if not model.objects.filter(pk=pk).exists():
        model(pk=pk).save()
    return model(pk=value)


@pytest.mark.parametrize(("model", "pk", "values"), FORMS.values(), ids=FORMS)
class TestForms:
    def test_make_one_document(self, model, pk, values):
        sources = [saved(model, pk, value) for value in values]
        loaded = model.objects.get(pk=pk)
        assert len({ask(one).pk for one in [*sources, loaded]}) == 1
        assert Render.objects.get().source_id == str(loaded.pk)

    def test_find_one_document(self, model, pk, values):
        sources = [saved(model, pk, value) for value in values]
        hand_out(ask(model.objects.get(pk=pk)))
        assert all(all(shown(one)) for one in sources)
        assert all(Render.objects.for_object(one).count() == 1 for one in sources)
        Render.objects.prefetch_for(sources)
        assert all(all(shown(one)) for one in sources)

    def test_are_one_object_under_a_key(self, model, pk, values):
        sources = [saved(model, pk, value) for value in values]
        assert len({ask(one, key="k").pk for one in sources}) == 1

    def test_are_read_back(self, model, pk, values):
        for value in values:
            Render.objects.all().delete()
            ask(saved(model, pk, value))
            assert Render.objects.get().source.pk == pk
            assert Render.objects.prefetch_related("source").get().source.pk == pk

    def test_that_an_earlier_version_wrote_are_found(self, model, pk, values):
        for value in values:
            old = make_old(saved(model, pk, value))
            assert ask(saved(model, pk, value)) == old
            assert list(Render.objects.for_object(saved(model, pk, value))) == [old]
            old.delete()


@pytest.mark.parametrize(
    ("model", "pk", "forms"),
    [(Parcel, ID, [ID.hex, str(ID).upper()]), (Tariff, Decimal("7.00"), ["7", "7.0"])],
    ids=["a UUID", "a decimal"],
)
def test_rows_in_an_odd_form_are_found_by_the_stored_one(model, pk, forms):
    loaded = saved(model, pk, pk)
    for form in forms:
        old = hand_out(make_old(loaded, pk=form, template=f"of-{form}"))
        assert ask(loaded, old.template) == old
        assert ask(loaded, old.template, key=old.key) == old
        assert all(shown(loaded))
        Render.objects.prefetch_for([loaded])
        assert all(shown(loaded))
        assert loaded._craftkit_renders[0] == old
        del loaded._craftkit_renders
        assert Render.objects.get(pk=old.pk).source == loaded
    assert [one.source for one in Render.objects.prefetch_related("source")] == [loaded] * 2


def test_of_two_documents_of_today_the_one_of_the_stored_form_is_found():
    loaded = saved(Parcel, ID, ID)
    odd, plain = make_old(loaded, pk=ID.hex), make_old(loaded)
    assert {ask(one) for one in (loaded, Parcel(pk=ID.hex))} == {plain}
    assert set(Render.objects.for_object(loaded)) == {odd, plain}


def test_each_instance_in_a_list_is_shown_what_its_object_has():
    hand_out(ask(Order.objects.create(number="1")))
    twice = [Order.objects.get(), Order.objects.get(), RushOrder.objects.get()]
    Render.objects.prefetch_for(twice)
    assert all(all(shown(one)) for one in twice)


UNREADABLE = {
    "binary": (lambda: Fingerprint(digest=b"\x00\xff"), TypeError),
    "binary as PostgreSQL reads it": (lambda: Fingerprint(digest=memoryview(b"\xff")), TypeError),
    "composite": (lambda: Seat(row=1, number=2), TypeError),
    "not yet saved": (lambda: Order(number="1"), ValueError),
    "no number": (lambda: Order(pk="seven"), ValueError),
    "too many places": (lambda: Tariff(pk=Decimal(10) ** 9), ValueError),
    "with NUL": (lambda: Country(pk="a\0"), ValueError),
}


@pytest.mark.parametrize(("make", "error"), UNREADABLE.values(), ids=UNREADABLE)
class TestAKeyThatCantBeReadBack:
    def test_is_refused_before_the_first_query(self, make, error, django_assert_num_queries):
        with django_assert_num_queries(0), pytest.raises(error):
            ask(make())
        with django_assert_num_queries(0), pytest.raises(error):
            ask(make(), key="k")

    def test_leaves_the_event_and_its_transaction_alone(self, make, error):
        with transaction.atomic():
            shipped.send(Order, instance=make())
            Order.objects.create(number="2")
        assert not Render.objects.exists()

    def test_shows_nothing(self, make, error):
        hand_out(ask(Order.objects.create(number="1")))
        source = make()
        assert shown(source) == ["", "", ""]
        assert not Render.objects.for_object(source).exists()
        assert not SignatureRequest.objects.for_object(source).exists()
        Render.objects.prefetch_for([source])
        assert shown(source) == ["", "", ""]


@pytest.mark.parametrize("pk", ["seven", "", "<memory at 0x7f>"])
def test_a_row_whose_key_is_none_any_more_has_no_source_and_spoils_no_list(pk):
    order = Order.objects.create(number="1")
    ask(order)
    row = make_old(order, pk="8")
    Render.objects.filter(pk=row.pk).update(source_id=pk)
    sources = [one.source for one in Render.objects.order_by("pk").prefetch_related("source")]
    assert sources == [order, None]
    assert Render.objects.get(pk=row.pk).source is None
    assert Render.objects.get(pk=row.pk).read_source() is None


# Models


def rename(old: str, new: str) -> None:
    """What ``migrate`` does with the content type of a model that is renamed."""
    ContentType.objects.filter(app_label="shop", model=new).delete()
    editor = SimpleNamespace(connection=connection)
    RenameContentType("shop", old, new).rename_forward(apps, editor)
    ContentType.objects.clear_cache()


@pytest.mark.django_db(transaction=True)
class TestARenamedModel:
    def test_makes_no_second_document_of_a_new_row(self, monkeypatch):
        order = Order.objects.create(number="1")
        made = ask(order)
        keyed = ask(order, key="k")
        rename("order", "purchase")
        monkeypatch.setattr(Order._meta, "model_name", "purchase")
        try:
            assert (ask(order), ask(order, key="k")) == (made, keyed)
            assert set(Render.objects.for_object(order)) == {made, keyed}
        finally:
            monkeypatch.undo()
            rename("purchase", "order")

    def test_makes_no_second_document_of_an_old_row(self):
        order = Order.objects.create(number="1")
        before = ContentType.objects.create(app_label="shop", model="sale")
        old = make_old(order, label="shop.sale", source_type=before)
        rename("sale", "order")
        assert ask(order) == old
        assert Render.objects.for_object(order).get() == old

    def test_leaves_its_label_to_a_new_model(self):
        order = Order.objects.create(number="1")
        renamed = ContentType.objects.create(app_label="shop", model="purchase")
        old = make_old(order, source_type=renamed)
        made = ask(order)
        assert made != old
        assert ask(order) == made


def test_a_parent_and_its_child_are_two():
    gift = Gift.objects.create(number="1", wish="a horse")
    assert ask(gift) != ask(gift.order_ptr)


# Default keys of today


def test_a_document_of_today_is_found_where_no_key_is_given(django_assert_num_queries):
    order = Order.objects.create(number="1")
    old = make_old(order)
    with django_assert_num_queries(2):
        assert ask(order) == old
    assert ask(order, "receipt") != old
    old.refresh_from_db()
    assert (old.key, old.key_hash) == (f"invoice:shop.order:{order.pk}", hash_key(old.key))


def test_a_document_that_is_not_yet_built_is_found_and_asked_for_again(django_assert_num_queries):
    order = Order.objects.create(number="1")
    old = make_old(order, data=None, builder="tests.shop.craftkit.invoice")
    made = Render.objects.declare(
        "invoice",
        None,
        builder=old.builder,
        problem=NO_PROBLEM,
        source=order,
        key="",
        project="default",
    )
    assert made == old
    assert Job.objects.get().object_id == old.pk


def test_a_document_that_has_a_key_of_its_own_is_not_one_of_a_default_key():
    order = Order.objects.create(number="1")
    for key in (f"march:{order.pk}", f"invoice:march:{order.pk}", f"invoice:{order.pk}"):
        ask(order, key=key)
    assert ask(order).key not in (f"march:{order.pk}", f"invoice:{order.pk}")
    assert Render.objects.count() == 4


def test_a_repeat_costs_one_query(django_assert_num_queries):
    order = Order.objects.create(number="1")
    ask(order)
    with django_assert_num_queries(1):
        ask(order)


@pytest.mark.parametrize("length", [1, 40])
def test_a_default_key_fits_its_column(length):
    country = Country.objects.create(pk="x" * length)
    made = ask(country, "t" * 120)
    assert ask(country, "t" * 120) == made


@two_databases
def test_a_default_key_of_long_names_fits_its_column(settings, monkeypatch):
    country = Country(pk="ä" * 40)
    country.save(using="other")
    monkeypatch.setattr(connections["other"], "schema_name", "ü" * 30, raising=False)
    made = ask(country, "t" * 120)
    assert ask(country, "t" * 120) == made
    assert len(made.key) <= 255


@pytest.mark.django_db(transaction=True)
def test_two_calls_at_once_make_one_document():
    order = Order.objects.create(number="1")
    made = []
    errors = at_once(*(lambda: made.append(ask(order).pk) for _ in range(4)))
    assert errors == [None] * 4
    assert len(set(made)) == Render.objects.count() == 1
