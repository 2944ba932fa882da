"""What many tenants cost one worker beside one tenant, in queries."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from django_craftkit import tenants
from django_craftkit.models import Job, Render
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.renders import poll
from django_craftkit.reconcile.survey import MOST_UPKEEP
from django_craftkit.reconcile.worker import Worker
from tests.tenants.schemas.copying import copy_schema
from tests.tenants.schemas.customers.models import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_craftkit.testing import Kit

#: Tenants beside the three; 200 take minutes to be made.
MORE = int(os.environ.get("CRAFTKIT_TENANTS", "10"))
MANY = [f"m{number:03}" for number in range(MORE)]
DOCUMENTS = 100


@pytest.fixture(scope="module")
def _many(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        Client.objects.bulk_create(Client(schema_name=name, name=name) for name in MANY)
        for name in MANY:
            copy_schema("alpha", name, like="craftkit%")
        yield
        # Their tables go with the database: to drop one by one takes as long as to make them.
        Client.objects.filter(schema_name__in=MANY).delete()


@pytest.fixture
def worker(craftkit: Kit, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(poll, "FIRST_POLL", 0.05)
    return Worker(wake=lambda delay: None)


def count(act: Callable[[], object]) -> int:
    """Return how many queries something takes; the search path is said beside them."""
    number = 0

    def counted(execute: Any, sql: str, *given: Any) -> Any:
        nonlocal number
        number += not sql.startswith("SET search_path")
        return execute(sql, *given)

    with connection.execute_wrapper(counted):
        act()
    return number


def ask(number: int) -> None:
    Render.objects.request("invoice", {"number": number}, key=f"i-{number}")


def alone(worker: Worker, work: Callable[[Loop], int]) -> Callable[[], int]:
    """Return what works as if there were no other tenants than the first."""

    def run() -> int:
        with tenants.enter("alpha"):
            return worker._alone(work)

    return run


def finish(sweep: Callable[[], int]) -> None:
    """Sweep until nothing is left in the first tenant."""
    while True:
        sweep()
        with tenants.enter("alpha"):
            if not Job.objects.filter(kind=Job.Kind.RENDER).exists():
                return


def warm(sweep: Callable[[], int]) -> None:
    """Have what is done once an hour done, such as reading templates."""
    for _ in range(2 + len(MANY) // MOST_UPKEEP):
        sweep()


@pytest.mark.usefixtures("_many")
@pytest.mark.timeout(120 + 5 * MORE)
class TestManyTenants:
    def test_all_documents_in_one_of_them(self, worker, record_property):
        def measured(sweep: Callable[[], int], first: int) -> int:
            warm(sweep)
            with tenants.enter("alpha"):
                for number in range(DOCUMENTS):
                    ask(first + number)
            return count(lambda: finish(sweep))

        one = measured(alone(worker, Loop.sweep), 0)
        many = measured(worker.sweep, DOCUMENTS)
        record_property("queries", (one, many))
        assert many <= 2 * one

    def test_documents_one_after_another_over_all_of_them(self, worker, record_property):
        def do(number: int, name: str, advance: Callable[[], int]) -> None:
            with tenants.enter(name):
                ask(number)
            advance()
            with tenants.enter(name):
                assert not Job.objects.filter(kind=Job.Kind.RENDER).exists()

        run = alone(worker, Loop.run)
        do(0, "alpha", run)
        some = MANY[:10]
        one = count(lambda: [do(1 + number, "alpha", run) for number in range(len(some))])
        do(0, "beta", partial(worker.advance, "beta"))
        many = count(lambda: [do(1, name, partial(worker.advance, name)) for name in some])
        record_property("queries", (one, many))
        assert many <= 2 * one

    def test_nothing_to_do(self, worker, record_property):
        def measured(sweep: Callable[[], int]) -> int:
            warm(sweep)
            return count(lambda: [sweep() for _ in range(5)])

        one, many = measured(alone(worker, Loop.sweep)), measured(worker.sweep)
        record_property("queries", (one, many))
        assert many <= 2 * one
