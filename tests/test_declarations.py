"""Declarations: each its own, refused when it is made if it can't be right, and found again."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.db.models.signals import m2m_changed, post_save
from django.dispatch import Signal

from django_craftkit import declarations, events
from django_craftkit.models import Render
from django_craftkit.models.problems import NO_PROBLEM
from tests.helpers import settle
from tests.shop.models import Line, Order, RushOrder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from django.db.models import Model

pytestmark = pytest.mark.django_db


def fire(event: Signal, source: Model) -> None:
    event.send(type(source), instance=source)


def by_template() -> list[tuple[str, str, str]]:
    return sorted(Render.objects.values_list("template", "key", "status"))


def number_of(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {"number": order.number}


# Several of one function


def test_two_keys_of_one_function_and_template_are_two_documents(craftkit, declare, event):
    declare(event, template="invoice", key=lambda order: f"a-{order.number}")(number_of)
    declare(event, template="invoice", key=lambda order: f"b-{order.number}")(number_of)
    fire(event, Order.objects.create(number="1"))
    settle(craftkit)
    assert by_template() == [("invoice", "a-1", "succeeded"), ("invoice", "b-1", "succeeded")]


def test_two_conditions_of_one_function_and_template_are_both_asked(craftkit, declare, event):
    """One key for both, where the same event may fulfil either of them, or both."""
    for when in (lambda order: order.number == "1", lambda order: order.total):
        declare(event, template="invoice", key=lambda order: order.number, when=when)(number_of)
    fire(event, Order.objects.create(number="1"))
    fire(event, Order.objects.create(number="2", total=1))
    fire(event, Order.objects.create(number="3"))
    settle(craftkit)
    assert sorted(Render.objects.values_list("key", flat=True)) == ["1", "2"]


def test_one_function_for_a_model_and_its_proxy_gets_what_was_saved(craftkit, declare):
    def who(order, **kwargs):
        return {"who": type(order).__name__}

    for sender in (Order, RushOrder):
        declare(post_save, sender=sender, template="who", key=lambda order: f"w-{order.number}")(
            who
        )
    Order.objects.create(number="1")
    RushOrder.objects.create(number="2")
    settle(craftkit)
    told = {document.data["who"] for document in craftkit.renders}
    assert told == {"Order", "RushOrder"}


@pytest.mark.parametrize("sender", [RushOrder, "shop.RushOrder"], ids=["class", "name"])
def test_a_proxy_may_be_named_by_a_string(craftkit, declare, sender):
    @declare(post_save, sender=sender, template="rush", key=lambda order: f"r-{order.number}")
    def rush(order, **kwargs):
        return {"deadline": order.deadline()}

    RushOrder.objects.create(number="1")
    settle(craftkit)
    assert [document.data for document in craftkit.renders] == [{"deadline": "1 today"}]


def test_one_function_for_two_models_projects_and_signals_is_a_document_of_each(
    craftkit, declare, event, settings
):
    settings.CRAFTKIT_PROJECTS = {
        **settings.CRAFTKIT_PROJECTS,
        "eu": settings.CRAFTKIT_PROJECTS["default"],
    }

    def any_of(source, **kwargs):
        return {"model": type(source).__name__}

    def key(source):
        return f"{type(source).__name__}-{source.pk}"

    other = Signal()
    declare(event, sender=Order, template="any", key=key)(any_of)
    declare(event, sender=Line, template="any", key=key)(any_of)
    declare(event, sender=Line, template="any", key=key, project="eu")(any_of)
    declare(other, template="any", key=lambda order: f"other-{order.pk}")(any_of)
    order = Order.objects.create(number="1")
    line = order.lines.create(text="1")
    for signal, source in ((event, order), (event, line), (other, order)):
        fire(signal, source)
    settle(craftkit)
    documents = Render.objects.order_by("project", "key").values_list("project", "key", "data")
    assert list(documents) == [
        ("default", f"Line-{line.pk}", {"model": "Line"}),
        ("default", f"Order-{order.pk}", {"model": "Order"}),
        ("default", f"other-{order.pk}", {"model": "Order"}),
        ("eu", f"Line-{line.pk}", {"model": "Line"}),
    ]


@pytest.mark.parametrize(
    "differing",
    [
        {"sign_with": bool},
        {"email_to": bool},
        {"recheck": bool},
        {"version": 2},
        {"filename": "a.pdf"},
        {"language": "de"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_a_document_could_not_tell_apart_is_refused_unless_it_is_named(
    declare, event, differing
):
    declare(event, template="invoice", key=str)(number_of)
    options: dict[str, Any] = differing
    with pytest.raises(ValueError, match="declared twice"):
        declare(Signal(), template="invoice", key=str, **options)(number_of)
    declare(Signal(), template="invoice", key=str, name="shop.another", **options)(number_of)
    declare(Signal(), template="letter", key=str, **options)(number_of)


# Several functions of one name


def make(declare: Callable[..., Any], event: Signal, slug: str, **options: Any) -> Any:
    @declare(event, template=slug, key=lambda order: f"{slug}-{order.number}", **options)
    def made(order, **kwargs):
        return {"slug": slug}

    return made


def test_two_functions_of_one_name_are_refused_and_both_places_named(declare, event):
    make(declare, event, "invoice")
    with pytest.raises(ValueError, match="Two functions") as refused:
        make(declare, event, "receipt")
    place = f"{__file__}:{make.__code__.co_firstlineno + 1}"
    assert str(refused.value).count(place) == 2


def test_functions_that_another_one_makes_are_told_apart_by_name(craftkit, declare, event):
    for slug in ("invoice", "receipt"):
        make(declare, event, slug, name=f"shop.{slug}")
    fire(event, Order.objects.create(number="1"))
    settle(craftkit)
    told = {document.template: document.data["slug"] for document in craftkit.renders}
    assert told == {"invoice": "invoice", "receipt": "receipt"}
    assert set(Render.objects.values_list("builder", flat=True)) == {"shop.invoice", "shop.receipt"}


def test_functions_of_one_name_that_do_the_same_are_one(craftkit, declare, event):
    def declare_for(slug):
        @declare(event, template=slug, key=lambda order: f"{slug}-{order.number}")
        def same(order, **kwargs):
            return {"number": order.number}

    for slug in ("invoice", "receipt", "receipt"):
        declare_for(slug)
    assert len(event.receivers) == 2
    fire(event, Order.objects.create(number="1"))
    settle(craftkit)
    assert [template for template, _, status in by_template() if status == "succeeded"] == [
        "invoice",
        "receipt",
    ]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declare) -> Callable[[str], ModuleType]:
    """Write a module of declarations, and import it again and again."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "declaring", raising=False)

    def write(text: str) -> ModuleType:
        (tmp_path / "declaring.py").write_text(
            "from django_craftkit.events import render_on\n"
            "from tests.test_declarations import told\n" + text
        )
        if "declaring" in sys.modules:
            return importlib.reload(sys.modules["declaring"])
        return importlib.import_module("declaring")

    return write


told = Signal()
DECLARING = """
@render_on(told, template="letter", key=lambda order: {key!r})
@render_on(told, template="invoice", key=lambda order: {key!r} + "i")
def letter(order, **kwargs):
    return {{"key": {key!r}}}
"""


def test_a_module_that_is_run_again_replaces_its_declarations(craftkit, module):
    module(DECLARING.format(key="old"))
    module(DECLARING.format(key="old"))
    module("\n\n# It has moved.\n" + DECLARING.format(key="new"))
    assert len(told.receivers) == 2
    fire(told, Order.objects.create(number="1"))
    settle(craftkit)
    assert by_template() == [("invoice", "newi", "succeeded"), ("letter", "new", "succeeded")]
    assert {document.data["key"] for document in craftkit.renders} == {"new"}


def test_a_function_that_was_copied_within_its_module_is_refused(module):
    with pytest.raises(ValueError, match=r"declaring\.py:4, another at .*declaring\.py:9"):
        module(DECLARING.format(key="one") + DECLARING.format(key="two"))


# What rows are known by


def test_what_an_older_version_wrote_is_found_by_the_name_alone(craftkit, declare, event):
    """It held the name of the function, whatever the sender."""

    @declare(event, sender=RushOrder, template="rush", key=lambda order: order.number)
    def rush(order, **kwargs):
        return {"deadline": order.deadline()}

    fire(event, RushOrder.objects.create(number="1"))
    assert Render.objects.update(builder="tests.test_declarations.rush") == 1
    settle(craftkit)
    assert [document.data for document in craftkit.renders] == [{"deadline": "1 today"}]


def test_a_row_holds_what_it_always_held(declare, event):
    declare(event, sender=Order, template="invoice", key=lambda order: "k")(number_of)
    fire(event, Order.objects.create(number="1"))
    assert Render.objects.get().builder == "tests.test_declarations.number_of"


@pytest.mark.parametrize(
    "changed", [{"template": "invoice-2"}, {"project": "eu"}, {"sender": RushOrder}], ids=str
)
def test_a_document_that_waits_while_its_declaration_is_changed_is_still_built(
    craftkit, declare, event, changed
):
    options = {"sender": Order, "template": "invoice", "key": lambda order: "k", **changed}
    declare(event, **options)(number_of)
    source = Order.objects.create(number="1")
    Render.objects.declare(
        "invoice",
        None,
        builder="tests.test_declarations.number_of",
        problem=NO_PROBLEM,
        source=source,
        key="k",
        project="default",
    )
    settle(craftkit)
    assert by_template() == [("invoice", "k", "succeeded")]


def test_a_function_that_was_moved_keeps_its_documents_by_its_old_name(craftkit, declare, event):
    declare(event, template="invoice", key=lambda order: "k", name="shop.old.place")(number_of)
    fire(event, Order.objects.create(number="1"))
    assert Render.objects.get().builder == "shop.old.place"
    settle(craftkit)
    assert Render.objects.get().status == "succeeded"


# What can't be right


class Numbering:
    def __call__(self, order, **kwargs):
        return {"number": order.number}


async def later(order, **kwargs):
    return {}


class Base(Order):
    class Meta:
        abstract = True
        app_label = "shop"


WRONG_KIND: dict[str, dict[str, Any]] = {
    "a key that is a text": {"key": "k3"},
    "a key that is async": {"key": later},
    "a key that takes nothing": {"key": lambda: "k"},
    "a key that takes two": {"key": lambda order, other: "k"},
    "a condition that is none": {"when": True},
    "a condition that is async": {"when": later},
    "a recheck that is none": {"recheck": "paid"},
    "readers that are no function": {"email_to": "jane@example.com"},
    "signers that are no function": {"sign_with": ["jane@example.com"]},
    "a project that is async": {"project": later},
    "a project that is a number": {"project": 7},
    "a project that is None": {"project": None},
    "a template that is a function": {"template": lambda order: "invoice"},
    "a template that is None": {"template": None},
    "a snapshot that is a text": {"snapshot": "yes"},
    "a signal that is a receiver": {"signal": later},
    "a signal among others that is none": {"signal": [post_save, "saved"]},
    "a signal that is its name": {"signal": "post_save"},
    "a sender that is an instance": {"signal": post_save, "sender": Order()},
    "a sender that is no model": {"signal": post_save, "sender": dict},
    "a file name that is a number": {"filename": 7},
    "a file name that is async": {"filename": later},
    "a language that is a number": {"language": 7},
    "a language that is async": {"language": later},
    "a name that is none": {"name": 7},
    "a function that is async": {"function": later},
    "a function that is none": {"function": {"number": 1}},
    "a function that takes nothing": {"function": lambda: {"number": 1}, "name": "x"},
}
CANT_BE: dict[str, dict[str, Any]] = {
    "a project that no alias can be": {"project": "e u"},
    "a project of no letters": {"project": ""},
    "a slug that is too long": {"template": "t" * 121},
    "a slug that is empty": {"template": ""},
    "a slug that holds NUL": {"template": "t\0"},
    "a model that is not there": {"signal": post_save, "sender": "shop.Ordr"},
    "a model without its app": {"signal": post_save, "sender": "Order"},
    "a model that is abstract": {"signal": post_save, "sender": Base},
    "a recheck of a snapshot": {"recheck": bool, "snapshot": True},
    "a version before the first": {"version": 0},
    "a version that is a text": {"version": "3"},
    "a model that is no table between": {"signal": m2m_changed, "sender": Order},
    "no signal at all": {"signal": []},
    "a file name that is too long": {"filename": "f" * 256},
    "a file name that names no file": {"filename": ".."},
    "a language that the site has not": {"language": "tlh"},
    "a language of no letters": {"language": ""},
    "a name that is too long": {"name": "n" * 256},
    "a name that ends in a space": {"name": "n "},
    "a name that holds a bracket": {"name": "n[shop.Order]"},
    "a name that would forge a line": {"name": "n\nERROR"},
    "a lambda": {"function": lambda order, **kwargs: {}},
    "a partial": {"function": functools.partial(number_of)},
    "an object": {"function": Numbering()},
}


def refused(wrong: dict[str, Any], event: Signal, kind: type[Exception]) -> None:
    options = {"template": "invoice", "key": lambda order: "k", **wrong}
    signal, function = options.pop("signal", event), options.pop("function", number_of)
    before = set(declarations.declared())
    with pytest.raises(kind) as error:
        events.render_on(signal, **options)(function)
    assert type(error.value) is kind
    assert set(declarations.declared()) == before
    assert event.receivers == []


@pytest.mark.parametrize("wrong", WRONG_KIND.values(), ids=WRONG_KIND)
def test_what_is_of_the_wrong_kind_is_refused_where_it_is_declared(event, wrong):
    refused(wrong, event, TypeError)


@pytest.mark.parametrize("wrong", CANT_BE.values(), ids=CANT_BE)
def test_what_cant_be_right_is_refused_where_it_is_declared(event, wrong):
    refused(wrong, event, ValueError)


RIGHT: dict[str, dict[str, Any]] = {
    "a key that is a class": {"key": str},
    "a key with defaults": {"key": lambda order, prefix="k": f"{prefix}{order.pk}"},
    "a sender that is a module": {"sender": functools},
    "a sender that is a text of the project's own": {"sender": "the shop"},
    "a model by its name": {"signal": post_save, "sender": "shop.Order"},
    "a table between": {"signal": post_save, "sender": Order.lines.rel.related_model},
    "an object with a name": {"function": Numbering(), "name": "shop.object"},
    "a project that a function says": {"project": lambda order: "eu"},
    "a partial with a name": {"function": functools.partial(number_of), "name": "shop.partial"},
    "a lambda with a name": {"function": lambda order: {}, "name": "shop.lambda"},
    "a name of the longest": {"name": "n" * 255},
    "a snapshot that asks for what the signal says": {
        "function": lambda order, parcels, **kwargs: {},
        "name": "shop.parcels",
        "snapshot": True,
    },
}


@pytest.mark.parametrize("options", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_taken(monkeypatch, event, options):
    monkeypatch.setattr(declarations, "_declared", {})
    options = {"template": "invoice", "key": lambda order: "k", **options}
    signal, function = options.pop("signal", event), options.pop("function", number_of)
    assert events.render_on(signal, **options)(function) is function
    (made,) = declarations.declared()
    signal.disconnect(sender=made.sender, dispatch_uid=made)
