"""One worker for all tenants: nothing of one reaches another, and none waits for another."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext

from django_craftkit import clock, tenants, waking
from django_craftkit.clock import database_now
from django_craftkit.models import ProjectState, Render
from django_craftkit.reconcile import rounds, survey, sweeping
from django_craftkit.reconcile.renders.send import wire_key
from django_craftkit.sandbox import SandboxAdapter
from django_craftkit.signals import render_succeeded
from tests import resolvers
from tests.helpers import Elsewhere, until
from tests.shop.models import Order
from tests.tenants.schemas.conftest import NAMES
from tests.tenants.schemas.helpers import everywhere, finish, request

if TYPE_CHECKING:
    from django_craftkit.reconcile.worker import Worker
    from django_craftkit.testing import Kit

PROJECTS = ("default", "eu")


@pytest.fixture
def projects(settings: Any) -> None:
    settings.CRAFTKIT_PROJECTS = {alias: {"API_KEY": f"ck_test_{alias}"} for alias in PROJECTS}


@pytest.fixture
def slow(craftkit: Kit, monkeypatch) -> dict[str, float]:
    """In how many seconds Craftkit answers what a tenant sends; at once where it isn't said."""
    seconds: dict[str, float] = {}

    send = SandboxAdapter.send

    def slowly(self: SandboxAdapter, request: Any, *args: Any, **options: Any) -> Any:
        body = request.body or b""
        text = body if isinstance(body, str) else body.decode()
        time.sleep(max((more for name, more in seconds.items() if name in text), default=0))
        return send(self, request, *args, **options)

    monkeypatch.setattr(SandboxAdapter, "send", slowly)
    return seconds


def keep_working(worker: Worker) -> None:
    """Work as ``craftkit_work`` does, until the worker is stopped."""
    while not worker._is_stopped:
        worker.sweep()
        time.sleep(0.05)


def test_documents_of_the_same_keys_are_each_tenants_own(projects, craftkit: Kit, worker):
    told: Counter[tuple[str, str]] = Counter()

    def receive(instance: Render, **kwargs: Any) -> None:
        told[tenants.current(), instance.data["tenant"]] += 1

    render_succeeded.connect(receive)
    try:
        for project in PROJECTS:
            everywhere(lambda project=project: [request(n, project=project) for n in range(3)])
        renders = everywhere(lambda: sorted(Render.objects.values_list("pk", "project", "key")))
        assert renders["alpha"] == renders["beta"] == renders["gamma"]
        keys = everywhere(lambda: [wire_key(render) for render in Render.objects.all()])
        assert len({key for some in keys.values() for key in some}) == 3 * 2 * 3

        finish(worker)
    finally:
        render_succeeded.disconnect(receive)
    assert told == {(name, name): 6 for name in NAMES}
    made = {(one.id, one.data["tenant"], one.project) for one in craftkit.renders}
    known = everywhere(
        lambda: {
            (str(one.remote_id), tenants.current(), one.project)
            for one in Render.objects.filter(status="succeeded")
        }
    )
    assert len(made) == 18
    assert set.union(*known.values()) == made


def test_builders_and_their_threads_read_the_tenants_own_rows(craftkit: Kit, worker, declare):
    seen: list[tuple[str, str]] = []

    @declare(fired := Signal(), template="invoice", key=lambda order: f"o-{order.pk}")
    def build(order: Order, **kwargs: Any) -> dict[str, Any]:
        seen.append((tenants.current(), threading.current_thread().name))
        time.sleep(0.15)  # from now on it has a thread of its own
        return {"number": order.number}

    for round_ in range(2):
        for name in NAMES:
            with tenants.enter(name):
                order = Order.objects.create(pk=round_ + 1, number=f"{name} {round_}")
                fired.send(Order, instance=order)
        finish(worker)
    assert any(thread.startswith("craftkit-step") for _name, thread in seen)
    assert {one.data["number"] for one in craftkit.renders} == {
        f"{name} {round_}" for name in NAMES for round_ in range(2)
    }
    known = everywhere(lambda: {render.data["number"] for render in Render.objects.all()})
    assert all(number.startswith(name) for name, some in known.items() for number in some)


def test_one_document_does_not_wait_for_anothers_many(craftkit: Kit, worker, slow, monkeypatch):
    monkeypatch.setattr(rounds, "LOOK_UNTOLD", 0.2)
    with tenants.enter("alpha"):
        orders = Order.objects.bulk_create(Order(number=str(n)) for n in range(400))
        Render.objects.request_many("invoice", orders, data=lambda order: {"tenant": "alpha"})
    slow["alpha"] = 0.05
    thread = Elsewhere(partial(keep_working, worker))
    try:
        until(lambda: len(craftkit.renders) > 20)
        with tenants.enter("beta"):
            one = request(1)

            def is_sent() -> bool:
                one.refresh_from_db()
                return one.remote_id is not None

            until(is_sent)
        made = [one.data for one in craftkit.renders]
        assert made.index({"tenant": "beta", "number": 1}) < 300
    finally:
        worker.stop()
        thread.wait()


def test_a_tenant_whose_craftkit_hangs_holds_up_no_other(craftkit: Kit, worker, slow):
    slow["alpha"] = 5.0
    with tenants.enter("alpha"):
        request(1)
    with tenants.enter("beta"):
        other = request(2)
    thread = Elsewhere(partial(keep_working, worker))
    with tenants.enter("beta"):
        until(lambda: Render.objects.filter(pk=other.pk, status="succeeded").exists())
    assert [one.data["tenant"] for one in craftkit.renders] == ["beta"]
    worker.stop()
    thread.wait()


def test_who_has_thousands_leaves_its_place_to_who_waits(craftkit, worker, slow, monkeypatch):
    monkeypatch.setattr(rounds, "CLAIMING", 1)
    monkeypatch.setattr(rounds, "SLICE", 0.2)
    slow["lph"] = slow["bet"] = slow["amm"] = 0.05

    def ask() -> None:
        orders = Order.objects.bulk_create(Order(number=str(n)) for n in range(120))
        data = {"tenant": tenants.current()}
        Render.objects.request_many("invoice", orders, data=lambda order: data)

    everywhere(ask)
    worker.sweep()
    made = [one.data["tenant"] for one in craftkit.renders]
    assert len(made) == 360
    firsts = sorted(made.index(name) for name in NAMES)
    assert firsts[-1] < 240, "the last began before two others were through"


# Messages


@pytest.fixture
def messages(monkeypatch) -> list[tuple[dict[str, Any], float]]:
    """What is sent to wake workers."""
    sent: list[tuple[dict[str, Any], float]] = []

    class Way:
        can_defer = True

        def is_inline(self) -> bool:
            return False

        def send(self, arguments: dict[str, Any], countdown: float) -> None:
            sent.append((dict(arguments), countdown))

    monkeypatch.setattr(waking, "_way", Way)
    waker = waking.waker.Waker()
    monkeypatch.setattr(waking, "current_waker", lambda: waker)
    return sent


def test_each_tenants_message_says_whose_it_is(messages):
    for _ in range(3):
        everywhere(lambda: request(1))
        everywhere(lambda: request(2))
    waking.current_waker().flush(5)
    first = [arguments["tenant"] for arguments, countdown in messages if not countdown]
    assert first == list(NAMES)
    assert max(Counter(one["tenant"] for one, _countdown in messages).values()) <= 2


def test_a_commit_after_the_tenant_was_left_wakes_that_tenant(messages):
    with transaction.atomic():
        with tenants.enter("beta"):
            request(1)
        assert tenants.current() == "public"
    waking.current_waker().flush(5)
    assert [one["tenant"] for one, _countdown in messages] == ["beta"]


def test_a_message_for_a_tenant_that_is_gone_does_nothing_and_says_so(worker, caplog):
    everywhere(lambda: request(1))
    assert worker.advance("dropped") == 0
    assert "no tenant 'dropped' any more" in caplog.text
    assert set(everywhere(lambda: Render.objects.get().status).values()) == {"pending"}


# What it costs


def test_a_survey_takes_one_statement_for_all_tenants():
    everywhere(lambda: ProjectState.objects.of("default"))
    with tenants.enter("beta"):
        request(1)
    with CaptureQueriesContext(connection) as queries:
        found = survey.survey(NAMES)
    asked = [one["sql"] for one in queries if not one["sql"].startswith("SET search_path")]
    assert len(asked) == 2, "the time, and what is due"
    assert {one.name for one in found if one.is_due} == {"beta"}


def test_what_waits_for_a_pause_is_not_due(settings):
    with tenants.enter("beta"):
        request(1)
        state = ProjectState.objects.of("default")
        now = database_now()
        rows = ProjectState.objects.filter(pk=state.pk)
        rows.update(paused_at=now, probe_at=now + timedelta(seconds=60))
    due = [one.name for one in survey.survey(NAMES) if one.is_due]
    assert due == []
    with tenants.enter("beta"):
        rows.update(probe_at=now)
    due = [one.name for one in survey.survey(NAMES) if one.is_due]
    assert due == ["beta"]
    settings.CRAFTKIT = {**settings.CRAFTKIT, "PAUSED": True}
    due = [one.name for one in survey.survey(NAMES) if one.is_due]
    assert due == []


def test_every_tenant_is_told_that_somebody_sweeps(worker):
    worker.sweep()
    at_first = everywhere(lambda: ProjectState.objects.get().swept_at)
    assert all(at_first.values())
    everywhere(lambda: ProjectState.objects.update(swept_at=database_now() - timedelta(hours=1)))
    worker.sweep()
    again = everywhere(lambda: ProjectState.objects.get().swept_at)
    assert all(again[name] >= at_first[name] for name in NAMES)


def test_upkeep_comes_once_a_turn(monkeypatch):
    kept: list[str] = []
    monkeypatch.setattr(sweeping, "look_after", lambda now, part: kept.append(tenants.current()))
    upkeeps = [survey.Upkeep(), survey.Upkeep()]
    for _ in range(4):
        for upkeep in upkeeps:
            upkeep.keep_up(survey.survey(NAMES))
    assert sorted(kept) == sorted(NAMES), "two processes, and four looks within a turn"


def test_tenants_whose_upkeep_is_still_to_come_are_told_that_somebody_sweeps(monkeypatch):
    monkeypatch.setattr(survey, "MOST_UPKEEP", 1)
    kept: list[str] = []
    monkeypatch.setattr(sweeping, "look_after", lambda now, part: kept.append(tenants.current()))
    long_ago = database_now() - timedelta(hours=1)
    everywhere(lambda: ProjectState.objects.of("default"))
    everywhere(lambda: ProjectState.objects.update(swept_at=long_ago))
    upkeep = survey.Upkeep()
    upkeep.keep_up(survey.survey(NAMES))
    assert all(everywhere(lambda: ProjectState.objects.get().has_sweep(database_now())).values())
    for _ in NAMES:
        upkeep.keep_up(survey.survey(NAMES))
    assert sorted(kept) == sorted(NAMES)


def test_projects_of_the_resolver_are_given_time_while_all_is_paused(settings):
    settings.CRAFTKIT = {
        **settings.CRAFTKIT,
        "PAUSED": True,
        "PROJECT_RESOLVER": resolvers.PATH,
    }
    everywhere(lambda: [ProjectState.objects.of(alias) for alias in ("default", "acme")])
    upkeep = survey.Upkeep()
    upkeep.keep_up(survey.survey(NAMES))
    long_ago = database_now() - timedelta(hours=1)
    everywhere(lambda: ProjectState.objects.update(swept_at=long_ago, catching_up_until=long_ago))
    upkeep.keep_up(survey.survey(NAMES))
    now = database_now()
    until_when = everywhere(
        lambda: [one.catching_up_until > now for one in ProjectState.objects.all()]
    )
    assert set(map(all, until_when.values())) == {True}


def test_turns_are_spread_and_none_is_left_out():
    moment = clock.now()
    turns = [survey._turn(place, 60, moment) for place in range(60)]
    ages = sorted((moment - turn).total_seconds() for turn in turns)
    assert ages[-1] < 300
    assert all(abs(b - a - 5) < 0.001 for a, b in pairwise(ages))
