"""What goes wrong in one tenant: it stays there."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import connection
from django.dispatch import Signal

from django_craftkit import tenants
from django_craftkit.models import Change, ProjectState, Render
from django_craftkit.reconcile import pulse, rounds
from django_craftkit.signals import render_succeeded
from tests.helpers import Holding
from tests.shop.models import Order
from tests.tenants.schemas.conftest import NAMES
from tests.tenants.schemas.helpers import everywhere, finish, request


def test_a_tenant_that_is_dropped_under_a_survey_holds_up_no_other(craftkit, worker, monkeypatch):
    monkeypatch.setattr(tenants, "names", lambda: [*NAMES, "dropped"])
    everywhere(lambda: request(1))
    worker.sweep()
    assert set(everywhere(lambda: Render.objects.get().remote_id is not None).values()) == {True}


def test_tables_that_are_being_changed_hold_up_no_other(craftkit, worker, caplog):
    everywhere(lambda: request(1))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE beta.craftkit_render RENAME COLUMN status TO state")
    try:
        worker.sweep()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE beta.craftkit_render RENAME COLUMN state TO status")
    sent = everywhere(lambda: Render.objects.get().remote_id is not None)
    assert sent == {"alpha": True, "beta": False, "gamma": True}
    assert "The tenant 'beta' could not be seen to" in caplog.text


@pytest.mark.parametrize("table", ["job", "render", "projectstate", "webhookdelivery", "change"])
def test_tables_that_are_locked_for_minutes_hold_up_no_other(craftkit, worker, monkeypatch, table):
    """As a migration locks them while it copies their rows."""
    monkeypatch.setattr(rounds, "LOCK_WAIT", 0.2)
    monkeypatch.setattr(pulse, "LOCK_WAIT", 0.2)
    monkeypatch.setattr(rounds, "LEFT_OUT", 0.5)
    everywhere(lambda: request(1))

    def lock() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE beta.craftkit_{table} IN ACCESS EXCLUSIVE MODE")

    def is_sent() -> bool:
        return Render.objects.get().remote_id is not None

    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            return str(cursor.fetchone()[0])

    before, holding = limit(), Holding(lock)
    holding.begin()
    try:
        began = time.monotonic()
        worker.sweep()
        assert time.monotonic() - began < 20
        for name in ("alpha", "gamma"):
            with tenants.enter(name):
                assert is_sent()
                assert ProjectState.objects.get().swept_at
    finally:
        holding.end()
    assert limit() == before, "what is limited is given back"
    finish(worker)
    with tenants.enter("beta"):
        assert is_sent()
    assert len(craftkit.renders) == len(NAMES)


def leave_it() -> None:
    connection.set_schema("beta")


def leave_all() -> None:
    connection.set_schema_to_public()


@pytest.mark.parametrize("leave", [leave_it, leave_all])
@pytest.mark.parametrize("seconds", [0.0, 0.15], ids=["quick", "slow"])
def test_a_builder_that_leaves_its_tenant_writes_in_no_other(
    craftkit, worker, declare, leave, seconds
):
    @declare(fired := Signal(), template="invoice", key=lambda order: f"o-{order.pk}")
    def build(order: Order, **kwargs: Any) -> dict[str, Any]:
        time.sleep(seconds)
        if order.number == "alpha":
            leave()
        return {"number": order.number}

    for _ in range(2):  # the second one in a thread of its own, where it is slow
        for name in NAMES:
            with tenants.enter(name):
                fired.send(Order, instance=Order.objects.create(number=name))
        finish(worker)
    known = everywhere(lambda: {(one.status, one.error_code) for one in Render.objects.all()})
    assert known == {
        "alpha": {("rejected", "builder_failed")},
        "beta": {("succeeded", "")},
        "gamma": {("succeeded", "")},
    }
    assert {one.data["number"] for one in craftkit.renders} == {"beta", "gamma"}


def test_a_receiver_that_leaves_its_tenant_is_told_of(craftkit, worker):
    def receive(instance: Render, **kwargs: Any) -> None:
        if tenants.current() == "alpha":
            leave_it()

    render_succeeded.connect(receive)
    try:
        everywhere(lambda: request(1))
        end = time.monotonic() + 10
        while set(everywhere(lambda: Render.objects.get().status).values()) != {"succeeded"}:
            assert time.monotonic() < end
            worker.sweep()
        worker.sweep()
        told = everywhere(lambda: Change.objects.get(signal="render_succeeded").announcement)
    finally:
        render_succeeded.disconnect(receive)
    assert told == {"alpha": "due", "beta": "done", "gamma": "done"}
