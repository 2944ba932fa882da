from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from django.db.models.signals import post_save

from django_craftkit import declarations
from django_craftkit.signals import SIGNALS
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.dispatch import Signal


@pytest.fixture
def order(db: None) -> Order:
    return Order.objects.create(number="A-1", total=42)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only what a snippet connects is heard, and only until its end."""
    monkeypatch.setattr(declarations, "_declared", dict(declarations._declared))
    with ExitStack() as stack:
        for signal in (post_save, *SIGNALS.values()):
            stack.callback(_restore, signal, signal.receivers)
            _restore(signal, [])
        yield


def _restore(signal: Signal, receivers: list[object]) -> None:
    signal.receivers = receivers
    signal.sender_receivers_cache.clear()
