"""``project=`` as a function: each document in the project of its object."""

from __future__ import annotations

from typing import Any

import pytest

from django_craftkit import checks, declarations
from django_craftkit.models import Render
from tests.helpers import settle
from tests.shop.models import Order

pytestmark = pytest.mark.django_db

BOTH = pytest.mark.parametrize("snapshot", [False, True], ids=["worker", "snapshot"])


@pytest.fixture(autouse=True)
def projects(craftkit, settings) -> None:
    default = settings.CRAFTKIT_PROJECTS["default"]
    settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "eu": default}


def project_of(order: Order) -> Any:
    if order.number == "RAISES":
        raise LookupError("no such country")
    return {"1": "default", "2": "eu", "3": "mars", "4": None, "5": ""}[order.number]


def data_of(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {"number": order.number}


@pytest.fixture
def invoices(declare, event) -> Any:
    declare(event, template="invoice", key=lambda order: "k", project=project_of)(data_of)
    return event


@BOTH
def test_each_document_is_in_the_project_of_its_object(craftkit, declare, event, snapshot):
    options = {"template": "invoice", "key": lambda order: f"k-{order.pk}", "snapshot": snapshot}
    declare(event, project=project_of, **options)(data_of)
    for number in "12":
        event.send(Order, instance=Order.objects.create(number=number))
    settle(craftkit)
    found = Render.objects.order_by("pk").values_list("project", "status", "data")
    assert list(found) == [
        ("default", "succeeded", {"number": "1"}),
        ("eu", "succeeded", {"number": "2"}),
    ]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("RAISES", "no such country"),
        ("3", "mars"),
        ("4", "returned a NoneType"),
        ("5", "no project"),
    ],
)
def test_what_is_no_project_is_logged_and_the_event_goes_on(invoices, caplog, number, words):
    """As where ``key`` raises: nothing waits in a project that nobody works for."""
    invoices.send(Order, instance=Order.objects.create(number=number))
    assert "asked for no document" in caplog.text
    assert words in caplog.text
    assert not Render.objects.exists()


def test_a_document_stays_in_the_project_that_it_was_requested_in(craftkit, invoices):
    order = Order.objects.create(number="1")
    invoices.send(Order, instance=order)
    Order.objects.update(number="2")
    settle(craftkit)
    assert Render.objects.values_list("project", "data").get() == ("default", {"number": "2"})


def test_a_key_is_one_document_in_each_project(craftkit, invoices):
    for number in "121":
        invoices.send(Order, instance=Order(pk=1, number=number))
    assert sorted(Render.objects.values_list("project", "key")) == [("default", "k"), ("eu", "k")]


def test_two_that_may_be_of_one_project_are_told_apart_by_name(declare, event):
    options = {"template": "invoice", "key": str}
    declare(event, project="eu", **options)(data_of)
    with pytest.raises(ValueError, match="declared twice"):
        declare(event, project=project_of, sign_with=bool, **options)(data_of)
    declare(event, project=project_of, **options)(data_of)
    declare(event, project=project_of, sign_with=bool, name="shop.other", **options)(data_of)


def test_the_checks_leave_it_to_the_event(invoices):
    assert not list(checks._check_declarations())


def test_its_templates_are_known(invoices):
    assert "invoice" in declarations.templates_of_some()
