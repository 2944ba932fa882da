"""Tenants in databases of their own, by a router."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections
from django.dispatch import Signal

from django_craftkit import tenants
from django_craftkit.api.throttling import READ, CraftkitThrottle
from django_craftkit.clock import database_now
from django_craftkit.models import Job, ProjectState, Render
from django_craftkit.reconcile import survey
from django_craftkit.reconcile.renders import poll
from django_craftkit.reconcile.renders.send import wire_key
from django_craftkit.reconcile.worker import Worker
from tests.shop.models import Order
from tests.tenants.databases import ALIASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def _tenants(settings: Any) -> None:
    settings.CRAFTKIT = {**settings.CRAFTKIT, "TENANTS": "tests.tenants.databases.Databases"}
    settings.DATABASE_ROUTERS = ["tests.tenants.databases.Router"]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(poll, "FIRST_POLL", 0.05)
    return Worker(wake=None)


def everywhere(act: Callable[[], Any]) -> dict[str, Any]:
    found = {}
    for name in ALIASES:
        with tenants.enter(name):
            found[name] = act()
    return found


def finish(worker: Worker) -> None:
    end = time.monotonic() + 30
    while any(everywhere(Job.objects.exists).values()):
        assert time.monotonic() < end
        worker.sweep()


def test_documents_of_the_same_keys_are_each_tenants_own(craftkit: Kit, worker, declare):
    fired = Signal()
    threads: set[str] = set()

    @declare(fired, template="invoice", key=lambda order: f"o-{order.pk}")
    def build(order: Order, **kwargs: Any) -> dict[str, Any]:
        threads.add(threading.current_thread().name)
        time.sleep(0.15)
        return {"order": order.number, "tenant": tenants.current()}

    for number in (1, 2):
        for name in ALIASES:
            with tenants.enter(name):
                order = Order.objects.create(pk=number, number=f"{name} {number}")
                fired.send(Order, instance=order)
                assert order._state.db == ALIASES[name]
        finish(worker)
    known = everywhere(lambda: [(r.pk, r.key, r.status) for r in Render.objects.order_by("pk")])
    assert [row[1:] for row in known["north"]] == [row[1:] for row in known["south"]]
    assert {row[2] for row in known["north"]} == {"succeeded"}
    keys = everywhere(lambda: {wire_key(render) for render in Render.objects.all()})
    assert not keys["north"] & keys["south"]
    made = sorted((one.data["tenant"], one.data["order"]) for one in craftkit.renders)
    assert made == [(name, f"{name} {number}") for name in ALIASES for number in (1, 2)]
    assert any(name.startswith("craftkit-step") for name in threads)


def test_a_source_in_the_tenants_own_database_is_named_by_no_alias():
    def ask() -> Render:
        return Render.objects.request("invoice", {}, source=Order.objects.create(number="1"))

    renders = everywhere(ask)
    assert {render.source_db for render in renders.values()} == {""}


def test_a_database_that_is_away_holds_up_no_other(craftkit: Kit, worker, monkeypatch, caplog):
    everywhere(lambda: Render.objects.request("invoice", {}, key="1"))
    execute = connections["other"].cursor

    def away(*args: object) -> Any:
        raise OperationalError("the server is away")

    monkeypatch.setattr(connections["other"], "cursor", away)
    worker.sweep()
    monkeypatch.setattr(connections["other"], "cursor", execute)
    sent = everywhere(lambda: Render.objects.get().remote_id is not None)
    assert sent == {"north": True, "south": False}
    assert "'south' could not be asked" in caplog.text
    worker.sweep()
    assert all(everywhere(lambda: Render.objects.get().remote_id is not None).values())


def test_a_survey_asks_each_database(settings):
    def state() -> ProjectState:
        return ProjectState.objects.of("default")

    everywhere(state)
    with tenants.enter("south"):
        Render.objects.request("invoice", {}, key="1")
        now = database_now()
    assert [one.name for one in survey.survey(list(ALIASES), now) if one.is_due] == ["south"]
    with tenants.enter("south"):
        ProjectState.objects.update(paused_at=now, probe_at=now + timedelta(seconds=60))
    assert not any(one.is_due for one in survey.survey(list(ALIASES), now))


def test_all_tenants_are_told_that_somebody_sweeps(craftkit: Kit, worker):
    worker.sweep()
    assert all(everywhere(lambda: ProjectState.objects.get().swept_at).values())


def test_users_of_two_tenants_are_throttled_apart():
    throttle = CraftkitThrottle()
    throttle.scope = READ
    request = SimpleNamespace(user=SimpleNamespace(is_authenticated=True, pk=1))
    keys = everywhere(lambda: throttle.get_cache_key(request, None))
    assert keys["north"] != keys["south"]


def test_a_command_works_in_all_databases(capsys):
    call_command("craftkit_prune", "--dry-run")
    said = capsys.readouterr().out
    assert [f"{name}:" in said for name in ALIASES] == [True, True]
