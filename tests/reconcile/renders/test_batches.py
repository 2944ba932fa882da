"""Many documents at a time: each as if it were alone, at the cost of a few."""

from __future__ import annotations

import re
import threading
import time

import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext

from django_craftkit.models import Change, Job, ProjectState, Render
from django_craftkit.sandbox import SandboxAdapter
from tests.helpers import (
    LEASE_OVER,
    TIMEOUT,
    Elsewhere,
    Holding,
    Killed,
    killed,
    settle,
    until,
)
from tests.reconcile.helpers import locks_rows
from tests.seams import together

pytestmark = pytest.mark.django_db(transaction=True)


def ask(number: int, key: str = "") -> list[Render]:
    return [
        Render.objects.request("invoice", {"number": one}, key=f"{key}{one}")
        for one in range(number)
    ]


def writes(sql: str, params: object, *values: object) -> bool:
    """Whether a statement writes these values to documents, in whatever form it takes them."""
    is_written = sql.startswith("UPDATE") and Render._meta.db_table in sql
    said = re.sub(r"Status\.(\w+)", lambda found: found[1].lower(), str(params))
    # A key has its place, in JSON or behind the columns: other numbers may be the same.
    key = r'"k": ?{}[,}}]' if '"k"' in said else r"[\[(, ]{},?[\])]"
    return is_written and all(
        re.search(key.format(value), said) if isinstance(value, int) else str(value) in said
        for value in values
    )


def test_documents_are_sent_and_followed_together(craftkit, monkeypatch, work):
    """Whatever else the loop looks for, their rows are read and written as one would be."""
    tables = (Render._meta.db_table, Change._meta.db_table)

    def statements(number: int) -> int:
        ask(number, key=f"{number} ")
        with CaptureQueriesContext(connection) as queries:
            with together(monkeypatch, number):
                work()
            craftkit.pass_time(5)
            with together(monkeypatch, number, "GET"):
                work()
        assert set(Render.objects.values_list("status", flat=True)) == {"succeeded"}
        assert not Job.objects.exists()
        return sum(any(table in query["sql"] for table in tables) for query in queries)

    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    assert statements(8) == statements(2)


def test_each_document_of_a_batch_ends_as_craftkit_says(craftkit, monkeypatch, work):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    good, refused, lost = ask(3)
    craftkit.sandbox.put_template("withdrawn", manifest=None)
    Render.objects.filter(pk=refused.pk).update(template="withdrawn")
    send = SandboxAdapter.send

    def lose(self, request, *args, **kwargs):
        if request.method == "POST" and b'"number":2' in request.body.replace(b" ", b""):
            monkeypatch.setattr(SandboxAdapter, "send", send)
            raise ConnectionError("no way")
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", lose)
    work()
    statuses = dict(Render.objects.values_list("pk", "status"))
    assert statuses == {good.pk: "queued", refused.pk: "rejected", lost.pk: "pending"}
    job = Job.objects.get(object_id=lost.pk)
    assert (job.failures, job.attempts, job.lease_token) == (1, 0, None)
    settle(craftkit)
    lost.refresh_from_db()
    assert lost.status == "succeeded"
    assert len(craftkit.renders) == 2


def test_what_all_calls_under_way_are_refused_for_pauses_their_project_once(
    craftkit, monkeypatch, work
):
    craftkit.sandbox.revoke_key("ck_test_default")
    ask(6)
    with together(monkeypatch, 6):
        work(6)
    state = ProjectState.objects.get(capability="")
    assert state.paused_at is not None
    assert state.probes == 1
    assert Change.objects.filter(signal="project_paused").count() == 1
    assert set(Job.objects.values_list("attempts", "lease_token")) == {(0, None)}


def test_a_document_that_breaks_its_group_breaks_it_for_itself_alone(craftkit, monkeypatch, work):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    renders = ask(4)
    with together(monkeypatch, 4):
        work()
    bad = renders[2]

    def refuse(execute, sql, params, many, context):
        if writes(sql, params, "succeeded", bad.pk):
            raise DataError("no such value")
        return execute(sql, params, many, context)

    craftkit.pass_time(5)
    with together(monkeypatch, 4, "GET"), connection.execute_wrapper(refuse):
        work()
    bad.refresh_from_db()
    assert bad.status == "queued"
    assert Render.objects.filter(status="succeeded").count() == 3
    job = Job.objects.get(kind="render")
    assert (job.object_id, job.failures, job.lease_token) == (bad.pk, 1, None)
    settle(craftkit)
    bad.refresh_from_db()
    assert bad.status == "succeeded"


@locks_rows
@pytest.mark.parametrize("model", [Render, Job])
def test_a_row_that_somebody_has_locked_holds_up_no_other(craftkit, monkeypatch, work, model):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    renders = ask(4)
    with together(monkeypatch, 4):
        work()
    mine = {"pk": renders[1].pk} if model is Render else {"object_id": renders[1].pk}
    someone = Holding(lambda: model.objects.select_for_update().get(**mine))

    craftkit.pass_time(5)
    with together(monkeypatch, 4, "GET", someone.begin):
        worker = Elsewhere(work)
        try:
            until(lambda: Render.objects.filter(status="succeeded").count() >= 3)
        finally:
            someone.end()
        worker.wait()
    assert set(Render.objects.values_list("status", flat=True)) == {"succeeded"}
    assert not Job.objects.filter(kind="render").exists()


@locks_rows
def test_who_asks_for_many_in_an_order_of_their_own_is_in_nobodys_way(craftkit, monkeypatch, work):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    renders = ask(8)
    with together(monkeypatch, 8):
        work()
    craftkit.pass_time(5)
    first = threading.Event()

    def person():
        with transaction.atomic():
            Job.objects.schedule("render", [renders[-1].pk])
            first.set()
            time.sleep(0.2)
            for render in reversed(renders):
                Job.objects.schedule("render", [render.pk])

    someone = Elsewhere(person)
    assert first.wait(TIMEOUT)
    worker = Elsewhere(work)
    someone.wait()
    worker.wait()
    settle(craftkit)
    assert set(Render.objects.values_list("status", flat=True)) == {"succeeded"}


def test_a_worker_killed_when_its_batch_is_answered_loses_and_doubles_nothing(
    craftkit, monkeypatch, work
):
    ask(6)

    def die(execute, sql, params, many, context):
        if writes(sql, params, "queued"):
            killed()
        return execute(sql, params, many, context)

    with together(monkeypatch, 6), connection.execute_wrapper(die), pytest.raises(Killed):
        work()
    assert set(Render.objects.values_list("status", flat=True)) == {"pending"}
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert list(Render.objects.values_list("status", flat=True)) == ["succeeded"] * 6
    assert len(craftkit.renders) == 6
