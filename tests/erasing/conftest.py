from __future__ import annotations

import pytest

from tests.erasing.people import NAME
from tests.shop.models import Order


@pytest.fixture
def order(db: None) -> Order:
    return Order.objects.create(number=f"for {NAME}")
