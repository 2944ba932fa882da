"""Several threads and several loops: each job once, and no connection left behind."""

from __future__ import annotations

import pytest

from django_craftkit import clock
from django_craftkit.models import Job, Render
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.noting import AT_ONCE, CEILING
from tests.helpers import at_once, settle
from tests.reconcile.helpers import logged
from tests.seams import has_circled, looked_for_at_once, step_circles, together

pytestmark = pytest.mark.django_db(transaction=True)


def test_calls_are_under_way_at_the_same_time(craftkit, monkeypatch):
    for number in range(3):
        Render.objects.request("invoice", {"number": number})
    with together(monkeypatch, 3):
        Loop(threads=3, wake=None).run()
    assert len(craftkit.renders) == 3


def test_loops_at_once_do_each_job_once(craftkit):
    for number in range(30):
        Render.objects.request("invoice", {"number": number})
    assert at_once(*[lambda: Loop(threads=2, wake=None).run()] * 3) == [None] * 3
    posts = [call for call in craftkit.sandbox.requests if call.method == "POST"]
    assert len(posts) == 30
    assert Render.objects.filter(remote_id__isnull=False).count() == 30


@pytest.mark.parametrize("threads", [2, 8])
def test_what_needs_a_thread_of_its_own_does_not_wait_until_all_upkeep_is_done(
    craftkit, documents, monkeypatch, threads
):
    """A document that is retried, say, while those of a month's end are archived."""
    looked_for_at_once(monkeypatch)
    kept = [render.pk for render in documents(30)]
    craftkit.sandbox.faults.add("render_failed")
    render = Render.objects.request("invoice", {}, key="retried")
    settle(craftkit)
    Job.objects.restore("archive render", kept, "default")
    before = len(craftkit.sandbox.requests)
    render.retry()
    Loop(threads=threads, wake=None).run()
    paths = [call.path.rpartition("/")[2] for call in craftkit.sandbox.requests[before:]]
    assert paths[0] == "download"
    assert "render" in paths[:15]


@pytest.mark.parametrize("threads", [1, 4])
def test_a_job_that_goes_round_in_circles_takes_few_steps_and_holds_up_no_other(
    craftkit, caplog, threads
):
    share = Render.objects.request("invoice", {"number": 1}).share()
    Render.objects.request("invoice", {"number": 2})
    loop = Loop(threads=threads, wake=None)
    with step_circles("share") as steps:
        for _ in range(40):
            loop.run()
            craftkit.pass_time(0.1)
    # After the first ones, each waits for twice as long as the one before.
    assert AT_ONCE < len(steps) < AT_ONCE + 12
    assert len(craftkit.renders) == 2
    assert [level for level, _args in logged(caplog, "reconcile.noting")] == ["WARNING"]
    craftkit.pass_time(60)
    loop.run()
    share.refresh_from_db()
    assert share.status == "active"


def test_a_job_waits_for_a_minute_at_most_however_often_it_has_gone_round_in_circles(craftkit):
    Render.objects.request("invoice", {})
    job, loop = Job.objects.get(), Loop(threads=1, wake=None)
    has_circled(loop, job, 10**6)
    with step_circles("render") as steps:
        loop.run()
    assert len(steps) == 1
    job.refresh_from_db()
    assert CEILING - 10 < (job.due_at - clock.now()).total_seconds() <= CEILING
