"""The kit in Django's test cases: ``class OrderTests(CraftkitTestMixin, TestCase)``."""

from __future__ import annotations

import unittest
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.test import TransactionTestCase

from .kit import Kit

if TYPE_CHECKING:
    from collections.abc import Callable


class CraftkitTestMixin:
    """Has a Craftkit for each test, from before ``setUp`` until after the last clean-up.

    For ``TestCase``, ``TransactionTestCase``, ``LiveServerTestCase`` and what derives from them,
    before or after them among the bases. ``setUp`` need not call ``super()``.

    Attributes:
        craftkit: the kit; what the fixture of pytest is.
    """

    craftkit: Kit

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        bases: tuple[type, ...] = cls.__mro__
        if unittest.TestCase not in bases:
            return  # a mixin of the project's own
        if TransactionTestCase not in bases:
            raise TypeError(
                f"{cls.__qualname__}: CraftkitTestMixin needs a test case with a database. Derive "
                "it from django.test.TestCase, TransactionTestCase or LiveServerTestCase, or leave "
                "the mixin out."
            )
        # Not by super(): unittest's own methods call none, so the mixin would have to come first.
        # Here, not in setUp(), which many forget to pass on.
        for name in ("run", "debug"):
            setattr(cls, name, _with_kit(getattr(cls, name)))


def _with_kit(run: Callable[..., Any]) -> Callable[..., Any]:
    if hasattr(run, "_craftkit"):
        return run

    @wraps(run)
    def run_with_kit(self: CraftkitTestMixin, *args: Any, **options: Any) -> Any:
        if "craftkit" in vars(self):
            return run(self, *args, **options)  # a subclass has overridden it, and calls this one
        with Kit() as self.craftkit:
            try:
                return run(self, *args, **options)
            finally:
                # What a result remembers of a test is sent from process to process.
                del self.craftkit

    run_with_kit._craftkit = True  # type: ignore[attr-defined]
    return run_with_kit
