"""Tenants in databases of their own, by a router."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections
from django.dispatch import Signal
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from django_craftkit import clock, dispatch, tenants
from django_craftkit.api.throttling import READ, CraftkitThrottle
from django_craftkit.clock import database_now
from django_craftkit.models import ProjectState, Render
from django_craftkit.prometheus import CraftkitCollector
from django_craftkit.reconcile import connecting, retention, rounds, survey
from django_craftkit.reconcile.renders import poll
from django_craftkit.reconcile.renders.send import wire_key
from django_craftkit.reconcile.worker import Worker
from tests.helpers import Killed
from tests.shop.models import Order
from tests.tenants import turns
from tests.tenants.databases import ALIASES, Databases
from tests.tenants.workers import work_under_kills

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterator

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


everywhere = partial(turns.everywhere, ALIASES)
finish = partial(turns.finish, ALIASES)


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


def test_steps_of_all_tenants_share_the_threads_of_the_process(
    craftkit: Kit, worker, declare, settings
):
    settings.CRAFTKIT = {**settings.CRAFTKIT, "THREADS": 4}  # one of them for steps
    lock = threading.Lock()
    running: set[str] = set()
    at_once: list[int] = []

    @declare(fired := Signal(), template="invoice", key=lambda order: f"o-{order.pk}")
    def build(order: Order, **kwargs: Any) -> dict[str, Any]:
        name = f"{tenants.current()} {order.pk}"
        with lock:
            running.add(name)
            at_once.append(len(running))
        time.sleep(0.15)
        with lock:
            running.discard(name)
        return {}

    for number in range(1, 6):
        for name in ALIASES:
            with tenants.enter(name):
                fired.send(Order, instance=Order.objects.create(pk=number))
        if number == 1:
            finish(worker)
            at_once.clear()  # from now on they are known to take their time
    finish(worker)
    assert set(at_once) == {1}
    assert len(craftkit.renders) == 10


def test_a_source_in_the_tenants_own_database_is_named_by_no_alias():
    def ask() -> Render:
        return Render.objects.request("invoice", {}, source=Order.objects.create(number="1"))

    renders = everywhere(ask)
    assert {render.source_db for render in renders.values()} == {""}


@pytest.fixture
def own_clock(craftkit: Kit) -> Iterator[None]:
    """Let the databases say what time it is, not the kit."""
    before = clock.set_clock(None)
    yield
    clock.set_clock(before)


@pytest.mark.parametrize("away", ALIASES)
@pytest.mark.usefixtures("own_clock")
def test_a_database_that_is_away_holds_up_no_other(worker, monkeypatch, caplog, away):
    everywhere(lambda: Render.objects.request("invoice", {}, key="1"))

    def refuse(*args: object) -> Any:
        raise OperationalError("the server is away")

    monkeypatch.setattr(rounds, "LEFT_OUT", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(connections[ALIASES[away]], "cursor", refuse)
        worker.sweep()
    sent = everywhere(lambda: Render.objects.get().remote_id is not None)
    assert sent == {name: name != away for name in ALIASES}
    assert f"{away!r} could not be asked" in caplog.text
    worker.sweep()
    assert all(everywhere(lambda: Render.objects.get().remote_id is not None).values())


def test_who_could_not_be_asked_is_left_out_for_a_while(craftkit: Kit, worker, monkeypatch):
    everywhere(lambda: Render.objects.request("invoice", {}, key="1"))
    left_out: list[list[str]] = []

    def ask(names: list[str], without: Container[str]) -> list[survey.Survey]:
        left_out.append(list(without))
        return [one for one in survey.survey(names, without) if one.name != "north"]

    monkeypatch.setattr(rounds, "survey", ask)
    worker.sweep()
    worker.sweep()
    assert worker.advance("north") == 0
    assert (left_out[0], left_out[-1]) == ([], ["north"])
    sent = everywhere(lambda: Render.objects.get().remote_id is not None)
    assert sent == {"north": False, "south": True}


class Turns:
    """A loop that has so many turns."""

    is_waiting = False

    def __init__(self, number: int = 0, *, fails: str = "") -> None:
        self.number, self.fails = number, fails
        self.is_closed = False

    def stop(self) -> None:
        self.number = 0

    def turns(self, seconds: float) -> Generator[None, None, int]:
        try:
            while self.number > 0:
                self.number -= 1
                yield
                if self.fails == "turn":
                    raise RuntimeError("nobody has thought of this")
        except GeneratorExit:
            self.is_closed = True
            if self.fails == "close":
                raise RuntimeError("nor of this") from None
            raise
        return 1


def serve(loops: dict[str, Turns]) -> int:
    """Serve tenants that all have something due, with these loops."""
    everywhere(lambda: Render.objects.request("invoice", {}, key="1"))
    return rounds.Rounds(lambda: loops[tenants.current()], wake=None).sweep()  # type: ignore


def test_one_whose_work_raises_anything_ends_no_other(craftkit: Kit):
    loops = {"north": Turns(3, fails="turn"), "south": Turns(20)}
    assert serve(loops) == 1
    assert not loops["south"].is_closed


def test_one_that_cannot_be_entered_ends_no_other(craftkit: Kit, monkeypatch):
    enter = Databases.enter

    def refuse(self: Databases, name: str) -> Any:
        if name == "north" and loops["south"].number < 20:
            raise RuntimeError("its row is gone")
        return enter(self, name)

    loops = {"north": Turns(10**6), "south": Turns(20)}
    with monkeypatch.context() as patched:
        patched.setattr(Databases, "enter", refuse)
        everywhere(lambda: Render.objects.request("invoice", {}, key="1"))
        made = rounds.Rounds(lambda: loops[tenants.current()], wake=None)  # type: ignore
        assert made.sweep() == 1
    assert not loops["south"].is_closed


def test_a_look_that_fails_meanwhile_ends_no_loop(craftkit: Kit, monkeypatch):
    loops = {name: Turns(50) for name in ALIASES}
    monkeypatch.setattr(rounds, "LOOK_UNTOLD", 0.0)
    names = Databases.names

    def name_some(self: Databases) -> list[str]:
        if any(one.number < 45 for one in loops.values()):
            raise OperationalError("the server is away")
        return names(self)

    monkeypatch.setattr(Databases, "names", name_some)
    assert serve(loops) == 2
    assert not any(one.is_closed for one in loops.values())


def test_one_that_cannot_be_closed_keeps_no_other_from_it(craftkit: Kit):
    loops = {name: Turns(10**6, fails="close") for name in ALIASES}
    everywhere(lambda: Render.objects.request("invoice", {}, key="1"))
    served = rounds.Rounds(lambda: loops[tenants.current()], wake=None)  # type: ignore

    def end(self: rounds.Rounds) -> None:
        if all(one.number < 10**6 for one in loops.values()):
            raise Killed

    served._stop.is_set = lambda: end(served) or False  # type: ignore
    with pytest.raises(Killed):
        served.sweep()
    assert all(one.is_closed for one in loops.values())


def test_a_survey_asks_each_database(settings):
    def state() -> ProjectState:
        return ProjectState.objects.of("default")

    everywhere(state)
    with tenants.enter("south"):
        Render.objects.request("invoice", {}, key="1")
        now = database_now()
    assert [one.name for one in survey.survey(list(ALIASES)) if one.is_due] == ["south"]
    with tenants.enter("south"):
        ProjectState.objects.update(paused_at=now, probe_at=now + timedelta(seconds=60))
    assert not any(one.is_due for one in survey.survey(list(ALIASES)))


def test_all_tenants_are_told_that_somebody_sweeps(craftkit: Kit, worker):
    worker.sweep()
    assert all(everywhere(lambda: ProjectState.objects.get().swept_at).values())


# Both have the same primary keys.
@pytest.mark.django_db(transaction=True, databases=["default", "other"], reset_sequences=True)
@pytest.mark.timeout(600)
def test_nothing_crosses_over_under_load_and_kills(sandbox, workers):
    before = dispatch.set_silent(True)  # beat finds what this process tells nobody of
    try:
        work_under_kills(workers, sandbox, list(ALIASES))
    finally:
        dispatch.set_silent(before)


def test_users_of_two_tenants_are_throttled_apart():
    throttle = CraftkitThrottle()
    throttle.scope = READ
    request = SimpleNamespace(user=SimpleNamespace(is_authenticated=True, pk=1))
    keys = everywhere(lambda: throttle.get_cache_key(request, None))
    assert keys["north"] != keys["south"]


def test_a_command_goes_on_where_a_database_is_away(capsys, monkeypatch):
    def refuse(*args: object) -> Any:
        raise OperationalError("the server is away")

    with monkeypatch.context() as patched:
        patched.setattr(connections["default"], "cursor", refuse)
        with pytest.raises(CommandError, match="Failed in 1 of 2: north"):
            call_command("craftkit_prune", "--dry-run")
    said = capsys.readouterr()
    assert "north: OperationalError: the server is away" in said.err
    assert "south:" in said.out


def test_prometheus_is_told_of_each_tenant(monkeypatch):
    with tenants.enter("south"):
        Render.objects.request("invoice", {}, key="1")
    registry = CollectorRegistry()
    registry.register(CraftkitCollector())

    def scrape() -> dict[str, dict[tuple[str, ...], float]]:
        text = generate_latest(registry).decode()
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                tenant, *labels = sample.labels.pop("tenant"), *sample.labels.values()
                found.setdefault(tenant, {})[sample.name, *labels] = sample.value
        return found

    told = scrape()
    assert told.keys() == set(ALIASES)
    assert [told[name]["craftkit_jobs_due", "single"] for name in ALIASES] == [0, 1]
    with tenants.enter("south"):
        assert scrape().keys() == {"south"}

    def refuse(*args: object) -> Any:
        raise OperationalError("the server is away")

    with monkeypatch.context() as patched:
        patched.setattr(connections["default"], "cursor", refuse)
        told = scrape()
    assert told["north"] == {("craftkit_problems",): 1}
    assert told["south"]["craftkit_jobs_due", "single"] == 1


def test_a_worker_that_is_stopped_prunes_no_other_tenant(worker, monkeypatch):
    pruned: list[str] = []

    def prune() -> Iterator[tuple[str, int]]:
        pruned.append(tenants.current())
        yield "jobs", 1

    monkeypatch.setattr(retention, "prune", prune)
    prunings = worker.prunings()
    assert next(prunings) == 1
    worker.stop()
    assert not list(prunings)
    assert pruned == ["north"]


LIMITS = {
    "postgresql": "SELECT current_setting('lock_timeout')",
    "mysql": "SELECT @@SESSION.lock_wait_timeout, @@SESSION.innodb_lock_wait_timeout",
}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's limit is its timeout.")
def test_a_worker_waits_for_locks_only_so_long():
    def limits() -> dict[str, Any]:
        def ask() -> Any:
            with connections[ALIASES[tenants.current()]].cursor() as cursor:
                cursor.execute(LIMITS[connection.vendor])
                return cursor.fetchone()

        return everywhere(ask)

    before = limits()
    connections["other"].close()
    with connecting.limited_lock_waits(3.0):
        limited = limits()  # "other" has connected anew
        connections["default"].close()
        assert limits() == limited
    assert set(limited.values()) == {("3s",) if connection.vendor == "postgresql" else (3, 3)}
    assert limits() == before


def test_a_command_works_in_all_databases(capsys):
    call_command("craftkit_prune", "--dry-run")
    said = capsys.readouterr().out
    assert [f"{name}:" in said for name in ALIASES] == [True, True]
