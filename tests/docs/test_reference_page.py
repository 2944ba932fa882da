"""The reference, as it is built, has every public name with a description.

Sphinx leaves out a member without a docstring, and says nothing.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib import import_module
from typing import Any

import pytest
from django.core.management import get_commands

import django_craftkit
from django_craftkit import client, models, projects, sandbox, signing, testing
from django_craftkit.api.base import CraftkitViewSet
from django_craftkit.api.urls import router
from django_craftkit.events import render_on
from django_craftkit.testing import Kit
from tests.asgi.twins import original_of
from tests.docs import pages
from tests.docs.pages import PAGES, name_of
from tests.docs.reference_page import Entry, entries

CLIENTS = (
    client.Craftkit,
    client.CraftkitSession,
    client.CraftkitHook,
    client.CraftkitAccount,
    client.CraftkitAdmin,
)
RESOURCES = {
    name: type(resource)
    for made in CLIENTS
    for name, resource in vars(made("ck_test_x")).items()
    if not name.startswith("_") and type(resource).__module__.startswith("django_craftkit")
}
MODELS = [model for name in models.__all__ if hasattr(model := getattr(models, name), "_meta")]


@cache
def shown() -> dict[int, Entry]:
    """Return the entries of the page by the objects that they are about."""
    return {id(_resolve(name)): entry for name, entry in entries().items()}


def _resolve(name: str) -> Any:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            # An instance's attribute, which only the docstring of its class knows.
            found = getattr(found, part, name)
        return found
    raise AssertionError(f"there is no {name}")


def public(cls: type) -> set[str]:
    """Return the names of a class's own functions and properties, and of those it is made of."""
    return {
        name
        for base in cls.__mro__
        if base.__module__.startswith("django_craftkit")
        for name, value in vars(base).items()
        if not name.startswith("_")
        and (inspect.isroutine(value) or isinstance(value, property))
        and getattr(inspect.unwrap(getattr(value, "fget", value)), "__module__", "").startswith(
            "django_craftkit"
        )
    }


def described(*classes: type) -> set[str]:
    """Return the names of the members of classes that the page describes."""
    prefixes = tuple(f"{cls.__qualname__}." for cls in classes)
    return {
        entry.name.rpartition(".")[2]
        for entry in entries().values()
        if entry.is_described and ".".join(entry.name.split(".")[-2:]).startswith(prefixes)
    }


def test_everything_on_the_page_is_described():
    assert entries(), "nothing is on the page"
    assert [name for name, entry in entries().items() if not entry.is_described] == []


def test_everything_that_it_is_told_to_list_is_there():
    """What has no docstring is left out without a warning."""
    listed = set()
    for name, options in re.findall(
        r"auto(?:class|exception):: (\S+)\n((?:   :.+\n)*)", pages.read("docs/reference.md")
    ):
        listed.add(name)
        for members in re.findall(r":members: (.+)", options):
            listed |= {f"{name}.{member.strip()}" for member in members.split(",")}
    assert listed - set(entries()) == set()


@pytest.mark.parametrize("room", [client, models, sandbox, signing, testing])
def test_every_public_name_of_a_room_is_there(room: Any):
    constants = {name for name in room.__all__ if isinstance(getattr(room, name), str | tuple)}
    assert {f"{room.__name__}.{name}" for name in constants} <= set(entries())
    others = set(room.__all__) - constants
    assert others
    assert {name for name in others if id(getattr(room, name)) not in shown()} == set()


@pytest.mark.parametrize(
    "function",
    [render_on, django_craftkit.beat_schedule, projects.get_client, projects.forget],
)
def test_every_public_function_is_there(function: Any):
    assert shown()[id(function)].is_described


def test_every_view_of_the_api_is_there():
    views = {view for _, view, _ in router.registry}
    assert {view for view in views if id(view) not in shown()} == set()
    assert described(CraftkitViewSet) >= {"permissions", "serializer_classes", "may"}


def test_every_method_of_the_client_is_there():
    for made in CLIENTS:
        assert described(made) >= public(made)
    resources = {*client.Craftkit.__annotations__, *client.CraftkitAccount.__annotations__}
    assert set(RESOURCES) == resources
    for resource in RESOURCES.values():
        assert described(resource) == public(resource)


@pytest.mark.parametrize("cls", [Kit, sandbox.Sandbox])
def test_every_method_to_test_with_is_there(cls: type):
    assert described(cls) >= public(cls)


@pytest.mark.parametrize("model", MODELS)
def test_every_method_of_a_model_that_a_page_uses_is_there(model: Any):
    """Rows have methods for other rooms, too, which are nobody else's business."""
    told = "\n".join(page.read_text() for page in PAGES if name_of(page) != "docs/reference.md")
    manager = type(model._default_manager)
    queryset = type(model._default_manager.all())
    instances = rf"\b(?:{model.__name__.lower()}|{model.__name__.split('Request')[-2:][0].lower()})"
    of_rows = set(re.findall(rf"\b{model.__name__}\.(\w+)\(|{instances}\.(\w+)\(", told))
    of_tables = set(re.findall(rf"\b{model.__name__}\.objects(?:\.\w+\(\))*\.(\w+)\(", told))
    used = {name for names in of_rows for name in names if name} & public(model)
    used |= of_tables & (public(queryset) | public(manager))
    there = described(model, queryset, manager)
    # A twin is what its original is, which the page says of all.
    assert {name for name in used if not {name, original_of(f".{name}")[1:]} & there} == set()
    if model is models.Render:
        assert used >= {"request", "for_object", "share", "email", "send_for_signature", "wait"}


OURS = (
    *RESOURCES.values(),
    *CLIENTS,
    *MODELS,
    *(type(one._default_manager.all()) for one in MODELS),
    *(type(one._default_manager) for one in MODELS),
    Kit,
)


@pytest.mark.parametrize("cls", OURS)
def test_every_argument_is_explained(cls: type):
    unexplained = {
        name: entry.unexplained
        for name, entry in entries().items()
        if entry.kind == "method" and name.startswith(f"{cls.__module__}.{cls.__qualname__}.")
    }
    assert {name: missing for name, missing in unexplained.items() if missing} == {}


@pytest.mark.parametrize("resource", [*RESOURCES.values(), *CLIENTS])
def test_every_call_names_craftkit_s_page_and_what_it_raises(resource: type):
    for name in public(resource):
        description = shown()[id(getattr(resource, name))].description
        assert "https://docs.craftkit.dev/" in description, name
        assert "Raises" in description, name


def test_every_command_is_there():
    ours = {name for name, app in get_commands().items() if app == "django_craftkit"}
    rows = pages.table("docs/reference.md", "command", "does")
    assert set(rows) == ours
    assert all(row["does"] for row in rows.values())
