"""The doctor builds data of objects that are there, and says whether they fit their templates."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.signals import post_save
from django.dispatch import Signal

from django_craftkit.models import Job, Render
from tests.shop.models import Order

pytestmark = pytest.mark.django_db

NUMBER = {"key": "number", "label": "Number", "dataType": "number", "required": True}


def doctor(*options: str) -> tuple[str, bool]:
    out = StringIO()
    try:
        call_command("craftkit_doctor", "--deploy", *options, stdout=out, no_color=True)
    except CommandError:
        return out.getvalue(), False
    return out.getvalue(), True


def lines(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if f"{name}: the data of" in line]


@pytest.fixture
def labels(craftkit, declare):
    """A declaration of labels for orders, and their template."""
    craftkit.put_template("label", {"variables": [NUMBER], "loops": []})

    def label(order, **kwargs):
        # What a function writes is no part of trying it.
        Order.objects.filter(pk=order.pk).update(number="written")
        return {"number": order.number, "colour": "red"}

    options = {"sender": Order, "template": "label", "key": lambda order: f"label-{order.pk}"}
    declare(post_save, name="labels", when=lambda order: order.number != "no", **options)(label)
    return label


def test_those_that_fit_are_told_with_what_craftkit_drops(labels):
    Order.objects.bulk_create([Order(number=number) for number in ("1", "2", "3", "4", "no")])
    text, _is_well = doctor()
    told = lines(text, "labels")
    assert len(told) == 3
    assert all(line.startswith("ok") and "colour" in line for line in told)
    assert not Order.objects.filter(number="written").exists()
    assert not Render.objects.exists()
    assert not Job.objects.exists()


def test_those_that_do_not_fit_are_told_by_their_places(labels):
    Order.objects.bulk_create([Order(number="many")])
    text, is_well = doctor()
    (told,) = lines(text, "labels")
    assert not is_well
    assert told.startswith("mend")
    assert "number" in told


def test_keys_that_are_dropped_are_errors_where_the_site_is_strict(labels, settings):
    settings.CRAFTKIT = {"STRICT_DATA": True}
    Order.objects.bulk_create([Order(number="1")])
    (told,) = lines(doctor()[0], "labels")
    assert told.startswith("mend")


def test_a_function_that_raises_is_told(craftkit, declare):
    craftkit.put_template("label", {"variables": [], "loops": []})

    def label(order, **kwargs):
        raise LookupError("no such colour")

    options = {"sender": Order, "template": "label", "key": str, "name": "labels"}
    declare(post_save, **options)(label)
    Order.objects.bulk_create([Order(number="1")])
    (told,) = lines(doctor()[0], "labels")
    assert told.startswith("mend")
    assert "no such colour" in told


def test_what_is_not_to_be_tried_is_left_out(craftkit, declare):
    craftkit.put_template("label", {"variables": [], "loops": []})

    def label(order, **kwargs):
        raise AssertionError

    options = {"template": "label", "key": str}
    declare(post_save, sender=Order, snapshot=True, name="snapshots", **options)(label)
    declare(Signal(), name="no model", **options)(label)
    declare(post_save, sender=Order, project="eu", name="other project", **options)(label)
    declare(post_save, sender=Order, version=7, name="other version", **options)(label)
    Order.objects.bulk_create([Order(number="1")])
    text, _is_well = doctor("--project", "default")
    for name in ("snapshots", "no model", "other project", "other version"):
        assert not lines(text, name)


def test_a_condition_that_raises_is_told(craftkit, declare):
    craftkit.put_template("label", {"variables": [], "loops": []})
    options = {"sender": Order, "template": "label", "key": str, "name": "labels"}
    declare(post_save, when=lambda order: 1 / 0, **options)(lambda order, **kwargs: {})
    Order.objects.bulk_create([Order(number="1")])
    (told,) = lines(doctor()[0], "labels")
    assert told.startswith("mend")
    assert "ZeroDivisionError" in told


def test_what_is_no_queryset_is_told(craftkit, declare):
    craftkit.put_template("label", {"variables": [], "loops": []})
    options = {"sender": Order, "template": "label", "key": str, "name": "labels"}
    declare(post_save, queryset=lambda: [Order()], **options)(lambda order, **kwargs: {})
    (told,) = lines(doctor()[0], "labels")
    assert told.startswith("mend")
    assert "TypeError: queryset= of labels returned a list" in told
