"""``version=`` and ``filename=``: the template's version, and the name of the PDF."""

from __future__ import annotations

from typing import Any

import pytest

from django_craftkit.models import Render
from tests.helpers import settle
from tests.shop.models import Order

pytestmark = pytest.mark.django_db

BOTH = pytest.mark.parametrize("snapshot", [False, True], ids=["worker", "snapshot"])


def data_of(order: Order, **kwargs: Any) -> dict[str, Any]:
    if order.number == "RAISES":
        raise LookupError("no such price")
    return {"number": order.number}


def filename_of(order: Order) -> str:
    if order.number == "UNNAMED":
        raise LookupError("no such name")
    return f"invoice/{order.number}.pdf"


def key_of(order: Order) -> str:
    return f"k-{order.pk}"


def sent(craftkit) -> list[tuple[int, str | None]]:
    return [(one.version.number, one.filename) for one in craftkit.sandbox.renders]


def test_a_request_pins_a_version_and_names_the_pdf(craftkit):
    render = Render.objects.request(
        "invoice", {"number": "1"}, key="k", version=1, filename="invoice-1.pdf"
    )
    assert (render.version, render.filename) == (1, "invoice-1.pdf")
    craftkit.run()
    assert sent(craftkit) == [(1, "invoice-1.pdf")]


def test_without_them_craftkit_takes_its_own(craftkit):
    Render.objects.request("invoice", {"number": "1"}, key="k")
    craftkit.run()
    assert sent(craftkit) == [(1, None)]


def test_the_same_key_is_the_same_document_whatever_they_are(craftkit):
    """As with other data: what was sent first counts."""
    first = Render.objects.request("invoice", {}, key="k", version=1, filename="a.pdf")
    again = Render.objects.request("invoice", {}, key="k", version=2, filename="b.pdf")
    assert again.pk == first.pk
    assert (again.version, again.filename) == (1, "a.pdf")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "-..-etc-passwd"),
        ("C:\\invoice.pdf", "C:-invoice.pdf"),
        ("a\r\nSet-Cookie: b\0\x7f.pdf", "a--Set-Cookie: b-.pdf"),
        ("Rechnung für Müller.pdf ", "Rechnung für Müller.pdf"),
        ("請求書.pdf", "請求書.pdf"),
        ("\u202egnp.pdf", "-gnp.pdf"),
        (".htaccess", "htaccess"),
    ],
)
def test_a_file_name_leads_nowhere(given, kept):
    assert Render.objects.request("invoice", {}, filename=given).filename == kept


@pytest.mark.parametrize("wrong", ["f" * 256, "..", "\0", " . "])
def test_what_names_no_file_is_refused(wrong, django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(ValueError, match="filename"):
        Render.objects.request("invoice", {}, filename=wrong)


def test_a_file_name_of_another_type_is_refused():
    with pytest.raises(TypeError, match="filename"):
        Render.objects.request("invoice", {}, filename=7)  # type: ignore[arg-type]


@BOTH
@pytest.mark.parametrize("others", [0, 2], ids=["alone", "in a batch"])
def test_a_declaration_pins_and_names_too(craftkit, declare, event, snapshot, others):
    declare(
        event,
        template="invoice",
        key=key_of,
        snapshot=snapshot,
        version=1,
        filename=filename_of,
    )(data_of)
    for number in range(1 + others):
        event.send(Order, instance=Order.objects.create(number=str(number)))
    craftkit.run()
    names = [f"invoice-{number}.pdf" for number in range(1 + others)]
    assert sorted(sent(craftkit)) == [(1, name) for name in names]
    assert list(Render.objects.order_by("pk").values_list("filename", flat=True)) == names


def test_a_name_is_of_what_was_really_saved(craftkit, declare, event):
    declare(event, template="invoice", key=key_of, filename=filename_of)(data_of)
    event.send(Order, instance=Order.objects.create(number="1"))
    Order.objects.update(number="2")
    craftkit.run()
    assert sent(craftkit) == [(1, "invoice-2.pdf")]


@BOTH
def test_a_function_that_names_nothing_rejects_the_document_until_it_is_mended(
    craftkit, declare, event, snapshot
):
    declare(event, template="invoice", key=key_of, snapshot=snapshot, filename=filename_of)(data_of)
    event.send(Order, instance=Order.objects.create(number="UNNAMED"))
    craftkit.run()
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "builder_failed")
    assert "no such name" in render.error
    Order.objects.update(number="MENDED")
    render.retry()
    craftkit.run()
    assert sent(craftkit) == [(1, "invoice-MENDED.pdf")]


def test_a_retry_takes_the_version_that_is_declared_by_then(craftkit, declare, event):
    declare(event, template="invoice", key=key_of, version=1)(data_of)
    event.send(Order, instance=Order.objects.create(number="1"))
    # Declared by code that has been mended since.
    Render.objects.update(version=99)
    settle(craftkit)
    assert sent(craftkit) == [(1, None)]
    assert Render.objects.get().version == 1


def test_a_version_that_craftkit_has_not_rejects_the_document(craftkit, declare, event):
    declare(event, template="invoice", key=key_of, version=99)(data_of)
    event.send(Order, instance=Order.objects.create(number="1"))
    assert Render.objects.get().version == 99
    craftkit.run()
    assert Render.objects.get().error_code == "version_not_found"


def test_a_version_is_of_its_own_template(craftkit, declare, event):
    """A document that waits keeps its template, and the version that it was requested with."""
    declare(event, template="letter", key=key_of, version=9)(data_of)
    source = Order.objects.create(number="1")
    event.send(Order, instance=source)
    Render.objects.update(template="invoice", version=None)
    craftkit.run()
    assert sent(craftkit) == [(1, None)]


@BOTH
def test_a_signal_without_an_instance_names_its_pdf_too(craftkit, declare, event, snapshot):
    @declare(
        event,
        template="report",
        key=str,
        snapshot=snapshot,
        filename=lambda day: f"{day}.pdf",
    )
    def report(day: str, **kwargs: Any) -> dict[str, Any]:
        return {"day": day}

    event.send("monday")
    craftkit.run()
    assert sent(craftkit) == [(1, "monday.pdf")]
