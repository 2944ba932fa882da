"""A queryset asks nothing before it is evaluated, and a row's name nothing at all."""

from __future__ import annotations

import inspect
import uuid
from typing import TYPE_CHECKING, Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import models

from django_craftkit import clock
from django_craftkit.models import (
    ArchivedFile,
    Batch,
    Change,
    EmbedSession,
    EngagementEvent,
    FormSubmission,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
    Template,
    WebhookDelivery,
)
from django_craftkit.models.archive import ArchiveWrite
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

MODELS: list[Any] = list(apps.get_app_config("craftkit").get_models())
#: What each method that makes a queryset is called with here.
ARGUMENTS: dict[str, Callable[[Order], tuple[Any, ...]]] = {
    "alive": lambda order: (),
    "cancellable": lambda order: (),
    "complete": lambda order: (),
    "declared": lambda order: (),
    "due": lambda order: (clock.now(),),
    "excused": lambda order: (),
    "expired": lambda order: (),
    "failed": lambda order: (),
    "failed_since": lambda order: (clock.now(),),
    "for_object": lambda order: (order,),
    "for_objects": lambda order: ([order],),
    "gone": lambda order: (),
    "known": lambda order: (),
    "mine": lambda order: (Job(pk=1),),
    "needing_action": lambda order: (),
    "on_course": lambda order: (),
    "open": lambda order: (),
    "overdue": lambda order: (),
    "paused": lambda order: (),
    "quarantined": lambda order: (),
    "revocable": lambda order: (),
    "still_leased": lambda order: ([Job(pk=1)],),
    "to_be_told": lambda order: (),
    "to_hand_out": lambda order: (),
    "under_way": lambda order: (),
    "unknown": lambda order: (),
    "unsettled": lambda order: (),
    "waiting": lambda order: (),
    "with_signers": lambda order: (),
    "writer": lambda order: (),
}


def methods_of(model: Any) -> dict[str, Any]:
    """Return the public methods of a model's querysets that are no queryset's of Django's."""
    return {
        name: method
        for name, method in inspect.getmembers(type(model._default_manager.all()))
        if inspect.isfunction(method)
        and not name.startswith("_")
        and method.__module__.startswith("django_craftkit")
    }


def makes_queryset(method: Any) -> bool:
    return inspect.signature(method).return_annotation == "Self"


MAKERS = [
    pytest.param(model, name, id=f"{model.__name__}.{name}")
    for model in MODELS
    for name, method in methods_of(model).items()
    if makes_queryset(method)
]


@pytest.fixture
def order() -> Order:
    """An object with a document that waits for its paused project, of a kind nobody has seen."""
    order = Order.objects.create(number="1")
    Render.objects.request("invoice", {}, source=order, key="i-1")
    now = clock.now()
    ProjectState.objects.pause("default", "", code="c", reason="r", now=now, probe_at=now)
    ContentType.objects.clear_cache()
    return order


def make(model: Any, name: str, order: Order) -> Any:
    return getattr(model._default_manager.all(), name)(*ARGUMENTS[name](order))


def test_the_methods_are_found():
    names = {param.id for param in MAKERS}
    assert {"Render.for_object", "SignatureRequest.waiting", "Job.due", "Share.open"} <= names
    assert ARGUMENTS.keys() == {param.values[1] for param in MAKERS}


@pytest.mark.parametrize(("model", "name"), MAKERS)
def test_a_queryset_is_made_without_a_query(order, model, name, django_assert_num_queries):
    with django_assert_num_queries(0):
        rows = make(model, name, order)
    assert isinstance(rows, models.QuerySet)


@pytest.mark.parametrize(("model", "name"), MAKERS)
def test_a_queryset_is_made_and_read_in_a_coroutine(order, model, name):
    async def read() -> list[Any]:
        return [row async for row in make(model, name, order)]

    found = async_to_sync(read)()
    ContentType.objects.clear_cache()
    assert found == list(make(model, name, order))


@pytest.mark.parametrize("is_paused", [True, False], ids=["PAUSED", "a paused project"])
def test_what_is_held_is_read_with_one_query(order, settings, is_paused, django_assert_num_queries):
    settings.CRAFTKIT = {"PAUSED": is_paused}
    for model in (Render, SignatureRequest):
        with django_assert_num_queries(1):
            list(model.objects.waiting())
    assert [render.key for render in Render.objects.waiting()] == ["i-1"]


def test_a_content_type_comes_from_its_cache(order, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert Render.objects.for_object(order).exists()
    for rows in (Render.objects.for_object(order), SignatureRequest.objects.for_object(order)):
        with django_assert_num_queries(1):
            list(rows)


def test_an_object_of_a_kind_that_no_row_knows_has_no_documents(django_assert_num_queries):
    order = Order.objects.create(number="1")
    ContentType.objects.get_for_model(Order).delete()
    ContentType.objects.clear_cache()
    with django_assert_num_queries(1):
        assert not Render.objects.for_object(order).exists()
    assert not SignatureRequest.objects.for_object(order).exists()
    assert not ContentType.objects.filter(app_label="shop", model="order").exists()


def test_a_source_is_found_as_by_the_number_of_its_content_type(order):
    rows = Render.objects.filter(
        source_type_id=ContentType.objects.get_for_model(Order).pk,
        source_id__in=[str(order.pk)],
        source_db="",
        source_schema=None,
    )
    about = Render.objects.for_object(order)
    assert about.explain() == rows.order_by("-requested_at", "-pk").explain()
    assert list(about) == list(rows)


# Names


@pytest.fixture
def rows() -> dict[Any, Any]:
    """A row of each model."""
    render = Render.objects.create(template="invoice", key="i-1", key_hash="1")
    share = Share.objects.create(render=render, key="a", key_hash="a")
    request = SignatureRequest.objects.create(render=render, key="a", key_hash="a")
    person = SignatureRecipient.objects.create(request=request, position=0, email="a@example.com")
    made = [
        render,
        share,
        request,
        person,
        Change.objects.create(kind="signature", object_id=1, to_status="sent", recipient=person),
        EngagementEvent.objects.create(render=render, type="viewed", actor="recipient"),
        Job.objects.create(kind="render", object_id=1),
        ProjectState.objects.create(project="default", capability="email"),
        WebhookDelivery.objects.create(
            delivery_id="5b0f9ad2-6a3c-4e0e-9f52-6f2ad4c8f6a4", body=b"1"
        ),
        Template.objects.create(project="default", slug="invoice"),
        ArchivedFile.objects.create(kind="render", object_id=1, name="a.pdf", size=1),
        ArchiveWrite.objects.create(kind="render", object_id=1, name="b.pdf"),
        Batch.objects.create(template="invoice", name="May"),
        EmbedSession.objects.create(remote_id=uuid.uuid4(), mode="fill"),
        FormSubmission.objects.create(
            session_id=uuid.uuid4(), template="invoice", body_hash="1", data={}
        ),
    ]
    return {type(row): row for row in made}


@pytest.mark.parametrize("model", MODELS)
def test_a_row_is_named_without_a_query(rows, model, django_assert_num_queries):
    row = model._base_manager.get(pk=rows[model].pk)
    with django_assert_num_queries(0):
        assert str(row) in repr(row)
    assert str(model._base_manager.only("pk").get(pk=row.pk)) == str(row)


@pytest.mark.skipif(django.VERSION < (6, 1), reason="new in Django 6.1")
@pytest.mark.parametrize("model", MODELS)
def test_a_row_is_named_where_nothing_may_be_fetched(rows, model):
    from django.db.models import FETCH_RAISE

    row = model._base_manager.fetch_mode(FETCH_RAISE).get(pk=rows[model].pk)
    assert str(row) in repr(row)


@pytest.mark.parametrize("model", MODELS)
def test_a_row_is_named_in_a_coroutine(rows, model):
    async def name() -> str:
        return str(await model._base_manager.aget(pk=rows[model].pk))

    assert async_to_sync(name)() == str(rows[model])


def test_names_tell_rows_apart(rows):
    more = Share.objects.create(render=rows[Render], key="b", key_hash="b")
    other = SignatureRequest.objects.create(render=rows[Render], key="b", key_hash="b")
    assert len({str(row) for row in (rows[Share], more, rows[SignatureRequest], other)}) == 4
    other.name = "Charter agreement"
    assert str(other) == "Charter agreement"
