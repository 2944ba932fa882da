"""What the test kit costs a project's test suite: each test has a Craftkit of its own."""

from __future__ import annotations

import time
import unittest
from typing import TYPE_CHECKING, Any
from unittest import mock

from django.test import TestCase

from django_craftkit.models import Render
from django_craftkit.reconcile.loop import Loop
from django_craftkit.testing import CraftkitTestMixin, Kit

from .measure import Figure, prepared, say

if TYPE_CHECKING:
    from collections.abc import Callable

#: Milliseconds of a test.
MOST = 10


def suite(rounds: int, tests: int = 100) -> list[Figure]:
    """A suite of tests, each of which has a document rendered, mailed and opened."""
    say(f"A suite of {tests} tests with the kit:")
    alone, whole = [], []
    for number in range(rounds + 1):
        spent, worker = _round(tests)
        if number:  # the first one imports and compiles
            alone.append(1000 * (spent - worker) / tests)
            whole.append(1000 * spent / tests)
            say(f"  round {number} of {rounds}: {alone[-1]:.1f} ms a test, {whole[-1]:.1f} in all")
    return [
        Figure("CPU ms of a test in the kit", alone, at_most=MOST),
        Figure("ms of it, with what its worker does", whole, note="2 jobs, 4 to 6 webhooks"),
    ]


def _round(tests: int) -> tuple[float, float]:
    """Return the seconds of CPU that tests spend in the kit, and those in its worker."""
    kit, worker = _Watch(), _Watch()
    with prepared(), mock.patch.object(Loop, "run", worker.timed(Loop.run)):
        timed = {
            name: kit.timed(getattr(Kit, name))
            for name in ("__init__", "__enter__", "__exit__", "run", "open", "assert_rendered")
        }
        with mock.patch.multiple(Kit, **timed):
            result = unittest.TestResult()
            unittest.TestSuite(_InvoiceTests("test_it") for _ in range(tests)).run(result)
    for _test, error in (*result.errors, *result.failures):
        raise AssertionError(error)
    return kit.seconds, worker.seconds


class _InvoiceTests(CraftkitTestMixin, TestCase):
    def test_it(self) -> None:
        render = Render.objects.request("invoice", {"total": 42})
        share = render.email("ada@example.com")
        self.craftkit.run()
        self.craftkit.open(share)
        self.craftkit.run()
        self.craftkit.assert_rendered("invoice", data={"total": 42})


class _Watch:
    """Adds up what functions take, and nothing twice where one calls another."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._is_running = False

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            if self._is_running:
                return function(*args, **options)
            began, self._is_running = time.process_time(), True
            try:
                return function(*args, **options)
            finally:
                self.seconds += time.process_time() - began
                self._is_running = False

        return run
