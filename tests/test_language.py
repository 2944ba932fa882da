"""``language=``: a document is written in its own language, whoever asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext, gettext_lazy

from django_craftkit.models import Render
from tests.shop.models import Order

pytestmark = pytest.mark.django_db

BOTH = pytest.mark.parametrize("snapshot", [False, True], ids=["worker", "snapshot"])
MAY = gettext_lazy("May")


def data_of(order: Order, **kwargs: Any) -> dict[str, Any]:
    return {"now": gettext("May"), "lazy": MAY, "list": [MAY]}


def language_of(order: Order) -> Any:
    if order.number == "RAISES":
        raise LookupError("no such customer")
    return {"NONE": None, "EMPTY": "", "WRONG": "tlh", "NUMBER": 7}.get(order.number, order.number)


@pytest.fixture
def written(craftkit, declare, event) -> Any:
    """Return what makes a document as a reader of French does, and returns its words."""

    def write(number: str, **options: Any) -> Any:
        declare(event, template="t", key=lambda order: "k", **options)(data_of)
        with translation.override("fr"):
            event.send(Order, instance=Order.objects.create(number=number))
            Render.objects.get().wait()
            assert translation.get_language() == "fr"
        (document,) = craftkit.renders
        assert document.data["lazy"] == document.data["now"] == document.data["list"][0]
        return document.data["lazy"]

    return write


@BOTH
def test_a_language_is_that_of_all_documents(written, snapshot):
    assert written("1", language="de", snapshot=snapshot) == "Mai"


@BOTH
@pytest.mark.parametrize(("number", "word"), [("de", "Mai"), ("de-at", "Mai"), ("es", "mayo")])
def test_a_function_says_the_language_of_each(written, snapshot, number, word):
    assert written(number, language=language_of, snapshot=snapshot).casefold() == word.casefold()


@BOTH
@pytest.mark.parametrize("number", ["NONE", "EMPTY"])
def test_where_nobody_knows_it_it_is_the_sites_and_not_the_readers(written, snapshot, number):
    assert written(number, language=language_of, snapshot=snapshot) == "May"


def test_without_one_it_is_the_sites_also_where_a_request_carries_it_out(written):
    assert written("1") == "May"


def test_without_one_a_snapshot_is_in_the_language_of_its_moment(written):
    assert written("1", snapshot=True) == "mai"


def test_all_functions_of_a_declaration_run_in_it(written):
    def filename_of(order: Order) -> str:
        return f"{gettext('May')}.pdf"

    written("1", language="de", filename=filename_of)
    assert Render.objects.get().filename == "Mai.pdf"


@BOTH
@pytest.mark.parametrize(
    ("number", "words"),
    [("WRONG", "LANGUAGES"), ("NUMBER", "is a int"), ("RAISES", "no such customer")],
)
def test_a_language_that_the_site_has_not_rejects_the_document_until_it_is_mended(
    craftkit, declare, event, snapshot, number, words
):
    """Nothing goes out in a language that nobody has chosen."""
    options = {"language": language_of, "snapshot": snapshot}
    declare(event, template="t", key=lambda order: "k", **options)(data_of)
    event.send(Order, instance=Order.objects.create(number=number))
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "builder_failed")
    assert words in render.error
    Order.objects.update(number="de")
    render.retry()
    craftkit.run()
    assert craftkit.renders[0].data["lazy"] == "Mai"
