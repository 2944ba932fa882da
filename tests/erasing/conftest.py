from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_craftkit.models.archive import archive_storage
from tests.erasing.people import NAME, files
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _archive() -> Iterator[None]:
    yield
    for name in files():
        archive_storage().delete(name)


@pytest.fixture
def order(db: None) -> Order:
    return Order.objects.create(number=f"for {NAME}")
