"""Where one document took the place of another, the history of neither names what is erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_craftkit.models import Change, Render, RenderWithdrawn
from tests.erasing.people import NAME, erase, places, request
from tests.helpers import settle

if TYPE_CHECKING:
    from django_craftkit.testing import Kit
    from tests.shop.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def corrected(craftkit: Kit, order: Order) -> tuple[Render, Render]:
    """Two documents about her: the second has taken the place of the first."""
    old = request(order, key=f"invoice for {NAME}")
    settle(craftkit)
    new = old.supersede({"number": 2}, key=f"corrected for {NAME}")
    settle(craftkit)
    old.refresh_from_db()
    assert old.superseded_at is not None
    return old, new


@pytest.mark.parametrize("number", [0, 1], ids=["the old one", "the new one"])
def test_the_history_of_the_other_does_not_name_it(corrected: tuple[Render, Render], number: int):
    erased, other = corrected[number], corrected[1 - number]
    assert any(NAME in line.note for line in Change.objects.filter(object_id=other.pk))
    Render.objects.filter(pk=erased.pk).erase()
    assert not any(NAME in line.note for line in Change.objects.all())


def test_nothing_names_her_where_both_are_erased(corrected: tuple[Render, Render], order: Order):
    erase(order)
    assert places() == []


def test_an_erased_document_is_superseded_by_none(craftkit: Kit, order: Order):
    old = request(order)
    settle(craftkit)
    erase(order)
    with pytest.raises(RenderWithdrawn):
        old.supersede({"number": 2}, key="other")
    assert Render.objects.count() == 1
