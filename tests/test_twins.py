"""What async code calls: each documented method has a twin, which is run as Django's own are."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from contextvars import ContextVar
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.template import Context, Template
from django.test import TestCase
from django.utils import timezone, translation

from django_craftkit.models import Render
from django_craftkit.testing import Kit
from django_craftkit.twins import async_twin, in_thread
from tests.asgi.twins import OWNERS, TWINS, find, original_of
from tests.docs import pages
from tests.helpers import TIMEOUT
from tests.shop.models import Order
from tests.test_querysets import rows  # noqa: F401 - a fixture

#: What the reference lists and needs no twin, and why.
WITHOUT = {
    "Sendable.get_download_url": "it queries nothing",
    "Render.open_file": "the file of aopen tells its size",
    "embedding.embedding_view": "it decorates async views as well",
}


def documented() -> set[str]:
    """Return what the reference lists of rows, managers and querysets, and of ``embedding``."""
    listed = set()
    for path, options in re.findall(
        r"auto(?:class|function):: django_craftkit\.(\S+)\n((?:   :.+\n)*)",
        pages.read("docs/reference.md"),
    ):
        room, _, last = path.rpartition(".")
        if room == "embedding":
            listed.add(f"embedding.{last}")
        elif room.startswith("models") and last in OWNERS:
            for members in re.findall(r":members: (.+)", options):
                listed |= {_defined(OWNERS[last], name) for name in members.split(", ")}
    return {name for name in listed if name.rpartition(".")[2] in vars(OWNERS[_owner(name)])}


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _defined(cls: type, name: str) -> str:
    """Return the name by the class that has it, of a class that inherits it."""
    base = next(base for base in cls.__mro__ if name in vars(base))
    return f"{base.__qualname__}.{name}"


DOCUMENTED = documented()
PAIRS = [pytest.param(name, original_of(name), id=name) for name in TWINS]


def queries_nothing(name: str) -> bool:
    """Whether it is a queryset's method that makes another, or an attribute."""
    method = find(name)
    makes_queryset = name != "Render.wait" and "QuerySet." in name
    is_method = inspect.isfunction(method)
    return not is_method or (
        makes_queryset and inspect.signature(method).return_annotation == "Self"
    )


def test_each_documented_method_has_a_twin_or_a_reason():
    methods = {
        name
        for name in DOCUMENTED
        if not queries_nothing(name) and not inspect.iscoroutinefunction(find(name))
    }
    assert {"Render.wait", "Sendable.share", "RenderQuerySet.erase"} < methods
    assert methods - {original_of(name) for name in TWINS} == set(WITHOUT)


@pytest.mark.parametrize(("twin", "original"), PAIRS)
def test_a_twin_is_called_as_its_original(twin, original):
    its, there = inspect.signature(find(twin)), find(original)
    if not inspect.isfunction(there):  # an attribute that queries
        assert list(its.parameters) == ["self"]
        return
    expected = inspect.signature(there)
    assert its.parameters == expected.parameters
    returned = {"BinaryIO": "AsyncFile"}.get(expected.return_annotation, expected.return_annotation)
    assert its.return_annotation == returned


@pytest.mark.parametrize(("twin", "original"), PAIRS)
def test_a_twin_says_what_it_is(twin, original):
    function, name = find(twin), original.rpartition(".")[2]
    assert function.__qualname__.endswith(twin.rpartition(".")[2])
    assert function.__name__ == twin.rpartition(".")[2]
    assert function.__doc__.startswith(f"Async version of ``{name}``")


#: Methods that a template may call: they read, and request nothing.
READS = {
    "ArchivedFile.open",
    "ArchivedFileManager.of",
    "Render.open",
    "RenderQuerySet.prefetch_for",
    "SignatureRequest.open_certificate",
    "SignatureRequest.open_signed",
    "TemplateManager.get_known",
    "embedding.create_session",
    "embedding.get_form_url",
}


@pytest.mark.parametrize(("twin", "original"), PAIRS)
def test_a_template_calls_nothing_that_writes(twin, original):
    writes = inspect.isfunction(find(original)) and original not in READS
    for name in (twin, original):
        assert getattr(find(name), "alters_data", False) is writes


@pytest.mark.django_db
def test_a_template_withdraws_no_document(ready):
    shown = Template("{{ render.withdraw }}{{ render.retry }}{{ render.key }}")
    assert shown.render(Context({"render": ready})) == ready.key
    ready.refresh_from_db()
    assert ready.withdrawn_at is None


# How it runs.


class Base:
    def name(self, ending: str) -> str:
        """Tell its name."""
        return f"base{ending}"

    aname = async_twin(name)


class Sub(Base):
    def name(self, ending: str) -> str:
        return f"sub{ending}"


def test_a_subclass_may_have_a_method_of_its_own():
    assert async_to_sync(Sub().aname)(ending="!") == "sub!"
    assert Base.aname.__doc__ == "Async version of ``name``.\n\nTell its name."


caller: ContextVar[str] = ContextVar("caller", default="nobody")


@in_thread
def surroundings() -> tuple[Any, ...]:
    return (
        translation.get_language(),
        timezone.get_current_timezone_name(),
        caller.get(),
        connection.in_atomic_block,
        threading.get_ident(),
    )


@pytest.mark.django_db
def test_what_is_active_in_the_caller_is_active_in_the_thread():
    async def view() -> tuple[Any, ...]:
        caller.set("a tenant")
        with translation.override("de"), timezone.override("Asia/Tokyo"):
            return await surroundings()

    # Under a request that is synchronous the thread is that one's, with its transaction.
    expected = ("de", "Asia/Tokyo", "a tenant", True, threading.get_ident())
    assert async_to_sync(view)() == expected


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_a_transaction(craftkit):
    render = Render.objects.request("invoice", {}, key="i-1")
    for twin, arguments in (
        (render.await_ready, {}),
        (render.arefresh, {"wait": True}),
        (render.ashare, {"wait": True}),
    ):
        with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
            async_to_sync(twin)(**arguments)
    assert craftkit.renders == []
    assert async_to_sync(render.await_ready)().status == "succeeded"


@pytest.mark.django_db(transaction=True)
def test_what_is_requested_in_a_transaction_shares_its_fate():
    class Undone(Exception): ...

    @sync_to_async
    def order() -> None:
        with transaction.atomic():
            async_to_sync(Render.objects.arequest)("invoice", {}, key="i-1")
            assert Render.objects.exists()
            raise Undone

    with pytest.raises(Undone):
        async_to_sync(order)()
    assert not Render.objects.exists()


def test_what_is_cancelled_goes_on_to_its_end():
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    @in_thread
    def slow() -> None:
        begun.set()
        assert go_on.wait(TIMEOUT)
        ended.set()

    async def leave() -> None:
        task = asyncio.create_task(slow())
        await asyncio.to_thread(begun.wait, TIMEOUT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not ended.is_set()

    asyncio.run(leave())
    go_on.set()
    assert ended.wait(TIMEOUT)


class TestAsDjangoRunsIt(TestCase):
    async def test_an_async_test_sees_what_it_has_written(self):
        with Kit() as craftkit:
            render = await Render.objects.arequest("invoice", {}, key="i-1")
            await sync_to_async(craftkit.run)()
            await render.arefresh_from_db()
            assert render.status == "succeeded"
            assert [one.key async for one in Render.objects.all()] == ["i-1"]


# Attributes.


@pytest.mark.django_db
def test_no_attribute_of_a_row_queries_but_those_that_have_twins(rows):  # noqa: F811
    """Else async code could not read it: Django raises SynchronousOnlyOperation."""
    attributes = {
        name for name in DOCUMENTED if isinstance(find(name), property) and original_of not in TWINS
    }
    with_twins = {original_of(name) for name in TWINS}

    async def read(row: Any, name: str) -> None:
        getattr(row, name)

    for model, made in rows.items():
        bases = {base.__qualname__ for base in model.__mro__}
        for name in attributes - with_twins:
            if _owner(name) in bases:
                ContentType.objects.clear_cache()
                row = model._base_manager.get(pk=made.pk)
                async_to_sync(read)(row, name.rpartition(".")[2])


@pytest.mark.django_db
def test_a_source_that_was_prefetched_is_read_without_a_query(craftkit):
    order = Order.objects.create(number="1")
    render = Render.objects.request("invoice", {}, source=order)
    ContentType.objects.clear_cache()

    async def read() -> list[Any]:
        found = [one.source async for one in Render.objects.prefetch_related("source")]
        return [*found, await (await Render.objects.aget(pk=render.pk)).asource()]

    assert async_to_sync(read)() == [order, order]
