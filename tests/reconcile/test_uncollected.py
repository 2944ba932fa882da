"""Garbage is not searched for in the midst of a batch, and is afterwards."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from django_craftkit.reconcile.uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    was_enabled = gc.isenabled()
    yield
    (gc.enable if was_enabled else gc.disable)()


@pytest.mark.parametrize("was_enabled", [True, False], ids=["enabled", "disabled"])
@pytest.mark.parametrize("error", [None, ZeroDivisionError], ids=["", "raises"])
def test_it_is_off_for_a_batch_and_then_as_the_process_had_it(was_enabled, error):
    (gc.enable if was_enabled else gc.disable)()
    try:
        with uncollected():
            assert not gc.isenabled()
            if error is not None:
                raise error
    except ZeroDivisionError:
        pass
    assert gc.isenabled() == was_enabled


def test_the_end_of_an_inner_one_is_not_the_end_of_the_outer_one():
    gc.enable()
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
