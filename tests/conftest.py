from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.dispatch import Signal
from hypothesis import HealthCheck, settings

from django_craftkit import declarations, events
from django_craftkit.models import Render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_craftkit.testing import Kit

# What is worth more says so itself. A busy machine is no fault, and what lands is judged by the
# same examples each time: new ones are tried at the desk.
settings.register_profile(
    "suite",
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize="CI_REQUIRES_ALL" in os.environ,
)
settings.load_profile("suite")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait for a lease: beside them the others have the cores."""
    items.sort(key=lambda item: "process" not in item.path.parts)


def pytest_collection_finish() -> None:
    """Spare the collector of garbage the modules: they stay, and it would walk over them again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes ``-n auto`` means: some tests wait, for a lease or a browser."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def _rows_are_deleted_after_a_test() -> Iterator[None]:
    """Flush PostgreSQL with DELETE: a TRUNCATE writes a new file for each table and each index."""
    if connection.vendor != "postgresql":
        yield
        return
    operations = type(connection.ops)
    truncate = operations.sql_flush

    def sql_flush(self: Any, style: Any, tables: list[str], **options: bool) -> list[str]:
        if options.get("reset_sequences"):
            return truncate(self, style, tables, **options)  # type: ignore[no-any-return]
        return [f"DELETE FROM {self.quote_name(table)}" for table in tables]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "sql_flush", sql_flush)
        yield


@pytest.fixture
def ready(craftkit: Kit) -> Render:
    """A document that a link can be made to."""
    render = Render.objects.request("invoice", {"number": "1"}, key="i-1")
    craftkit.run()
    render.refresh_from_db()
    return render


@pytest.fixture
def event() -> Signal:
    return Signal()


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``render_on`` for one test; functions are called as if no other function made them."""
    before = set(declarations.declared())
    monkeypatch.setattr(declarations, "_declared", dict(declarations._declared))

    def render_on(signal: Any, **options: Any) -> Callable[[Any], Any]:
        def declaring(function: Any) -> Any:
            function.__qualname__ = function.__name__
            return events.render_on(signal, **options)(function)

        return declaring

    yield render_on
    for made in set(declarations.declared()) - before:
        made.signal.disconnect(sender=made.sender, dispatch_uid=made)
