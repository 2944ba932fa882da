"""``assert_rendered``: what it takes for rendered, and what it says otherwise."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from django_craftkit.models import Render
from django_craftkit.testing import factories
from tests.shop.models import Order

DATA = {
    "number": "A-1",
    "total": Decimal("42.00"),
    "due": date(2026, 1, 31),
    "customer": {"name": "Ada", "city": "London"},
    "lines": [{"text": "Pen", "amount": 1}, {"text": "Ink", "amount": 2}],
    "paid": False,
}


@pytest.fixture
def order(craftkit) -> Order:
    order = Order.objects.create(number="A-1")
    Render.objects.request("invoice", DATA, source=order)
    craftkit.run()
    return order


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        DATA,
        {"number": "A-1"},
        {"total": Decimal("42.00"), "due": date(2026, 1, 31)},
        {"customer": {"name": "Ada"}},
        {"lines": [{"text": "Pen"}, {"text": "Ink"}]},
        {"paid": False},
    ],
)
def test_data_may_hold_more(craftkit, order, data):
    (found,) = craftkit.assert_rendered("invoice", data=data)
    assert found == craftkit.renders[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"number": "A-2"}, ['-  "number": "A-2"', '+  "number": "A-1"']),
        ({"customer": {"name": "Mary"}}, ['-    "name": "Mary"', '+    "name": "Ada"']),
        ({"lines": [{"text": "Pen"}]}, ['+      "text": "Ink"']),
        ({"colour": "red"}, ['-  "colour": "red"']),
        ({"paid": 0}, ['-  "paid": 0', '+  "paid": false']),
        ({"total": Decimal("42.50")}, ['-  "total": "42.50"', '+  "total": "42.00"']),
    ],
)
def test_what_differs_is_shown(craftkit, order, data, said):
    with pytest.raises(AssertionError) as caught:
        craftkit.assert_rendered("invoice", data=data)
    lines = str(caught.value).splitlines()
    assert lines[0] == "1 document of 'invoice' with these data expected, 0 rendered."
    assert set(said) <= {line.rstrip(",") for line in lines}
    assert "London" not in str(caught.value), "only what was expected is compared"


def test_so_many(craftkit, order):
    Render.objects.request("invoice", {"number": "A-2"})
    craftkit.run()
    assert len(craftkit.assert_rendered("invoice", count=2)) == 2
    assert craftkit.assert_rendered("receipt", count=0) == []
    with pytest.raises(AssertionError, match="1 document of 'invoice' expected, 2 rendered"):
        craftkit.assert_rendered("invoice")
    with pytest.raises(AssertionError, match="0 documents of 'invoice' expected, 2 rendered"):
        craftkit.assert_rendered("invoice", count=0)


def test_about_an_object(craftkit, order):
    other = Order.objects.create(number="A-2")
    craftkit.assert_rendered("invoice", source=order)
    with pytest.raises(AssertionError, match="1 document of it about something else"):
        craftkit.assert_rendered("invoice", source=other)


def test_other_templates_are_named(craftkit, order):
    with pytest.raises(AssertionError, match="Rendered were: invoice"):
        craftkit.assert_rendered("receipt")


def test_what_waits_or_has_failed_is_named(craftkit, order):
    craftkit.fail_next_render("Out of paper")
    Render.objects.request("receipt", {}, key="r-1")
    craftkit.run()
    Render.objects.request("receipt", {}, key="r-2", source=order)
    with pytest.raises(AssertionError) as caught:
        craftkit.assert_rendered("receipt")
    assert "receipt r-1 is failed: Out of paper" in str(caught.value)
    assert "receipt r-2 is pending. Let the worker run()." in str(caught.value)
    with pytest.raises(AssertionError) as caught:
        craftkit.assert_rendered("receipt", source=order)
    assert "r-1" not in str(caught.value)


def test_rows_of_factories_were_rendered_by_nobody(craftkit):
    factories.render_factory("invoice")
    craftkit.assert_rendered("invoice", count=0)
