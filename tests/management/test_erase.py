"""``craftkit_erase``: it lists, asks, erases, and says what is left."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.storage import InMemoryStorage
from django.core.management import CommandError, call_command

from django_craftkit.models import Render, Share
from tests.erasing.people import ADDRESS, NAME, request
from tests.helpers import settle
from tests.shop.models import Order

if TYPE_CHECKING:
    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(db: None) -> Order:
    return Order.objects.create(number="7")


def run(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command("craftkit_erase", *args, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def answer(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    def said(question: str) -> str:
        if text is None:
            raise EOFError
        return text

    monkeypatch.setattr("builtins.input", said)


def test_a_dry_run_lists_and_changes_nothing(order: Order):
    render = request(order)
    out = run("--object", f"shop.Order:{order.pk}", "--dry-run")
    assert "To be erased: 1 documents" in out
    assert f"documents: {render.pk}" in out
    assert not Render.objects.exclude(erased_at=None).exists()


@pytest.mark.parametrize(("said", "erased"), [("yes", 1), ("no", 0), ("", 0), (None, 0)])
def test_it_asks_before_it_erases(
    order: Order, monkeypatch: pytest.MonkeyPatch, said: str | None, erased: int
):
    request(order)
    answer(monkeypatch, said)
    if erased:
        assert "Erased: 1 documents" in run("--object", f"shop.Order:{order.pk}")
    else:
        with pytest.raises(CommandError):
            run("--object", f"shop.Order:{order.pk}")
    assert Render.objects.exclude(erased_at=None).count() == erased


def test_an_object_that_is_gone_is_no_hindrance(craftkit: Kit, order: Order):
    render = request(order)
    craftkit.run()
    pk = order.pk
    order.delete()
    out = run("--object", f"shop.order:{pk}", "--no-input")
    render.refresh_from_db()
    assert render.erased_at is not None
    assert f"default: document {render.remote_id}" in out
    assert ADDRESS not in out
    assert NAME not in out


def test_several_objects_and_addresses_at_once(craftkit: Kit, ready: Render, order: Order):
    other = Order.objects.create(number="8")
    request(order, key="7")
    request(other, key="8")
    ready.email(ADDRESS)
    objects = [f"--object=shop.Order:{one.pk}" for one in (order, other)]
    out = run(*objects, "--address", ADDRESS, "--project=default", "--no-input")
    assert "Erased: 2 documents, 1 links and e-mails" in out
    assert f"were sent to an address: {ready.pk}" in out
    assert Share.objects.get().recipient_email == ""


class Stubborn(InMemoryStorage):
    """Deletes nothing."""

    def delete(self, name: str) -> None:
        raise PermissionError(name)


@pytest.mark.django_db(transaction=True)
def test_it_fails_where_something_is_left(craftkit: Kit, order: Order, settings):
    name = f"{Stubborn.__module__}.{Stubborn.__name__}"
    settings.STORAGES = {**settings.STORAGES, "craftkit": {"BACKEND": name}}
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": True}
    request(order)
    settle(craftkit)
    with pytest.raises(CommandError, match="again"):
        run("--object", f"shop.Order:{order.pk}", "--no-input")


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--project=default",),
        ("--object=shop.Order",),
        ("--object=shop.Nothing:1",),
        ("--object=nothing:1",),
        ("--object=shop.Order:x",),
        ("--object=shop.Seat:1",),
        ("--address=Jane",),
        ("--address=jane@acme.com", "--project=nowhere"),
    ],
)
def test_what_names_nobody_is_refused(args: tuple[str, ...]):
    with pytest.raises(CommandError):
        run(*args, "--no-input")
