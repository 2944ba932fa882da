"""Work that ends its workers: nothing that was claimed or ran beside it pays for it."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from django_craftkit.models import Change, Job, Render, WebhookDelivery
from django_craftkit.reconcile import exclusion
from django_craftkit.reconcile.exclusion import Exclusion
from django_craftkit.reconcile.loop import Loop
from django_craftkit.sandbox import SandboxAdapter
from django_craftkit.signals import render_succeeded
from tests.helpers import (
    LEASE_OVER,
    TIMEOUT,
    Elsewhere,
    Killed,
    at_once,
    settle,
    until,
    work,
)
from tests.seams import at_webhook, before_sending, solitudes

KILLER = "the killer"


@pytest.fixture
def deadly(craftkit):
    """Have documents announced to a receiver that ends its worker for one of them."""
    told: list[str] = []

    def receiver(instance, **kwargs):
        if instance.key == KILLER:
            raise Killed
        told.append(instance.key)

    def announce(keys: list[str]) -> list[str]:
        renders = [Render.objects.request("invoice", {}, key=key) for key in keys]
        settle(craftkit)
        render_succeeded.connect(receiver)
        Change.objects.filter(to_status="succeeded").update(announcement="due", receivers=None)
        for render in renders:
            Job.objects.schedule("announce render", [render.pk])
        return told

    yield announce
    render_succeeded.disconnect(receiver)


def run(craftkit) -> None:
    with contextlib.suppress(Killed):
        craftkit.run()


@pytest.mark.django_db
@pytest.mark.parametrize("lock", [0, 1, 3, 5])
def test_bystanders_of_a_handful_are_not_counted(craftkit, deadly, lock):
    keys = [f"i-{number}" for number in range(5)]
    keys.insert(lock, KILLER)
    told = deadly(keys)
    killer = Render.objects.get(key=KILLER).pk
    run(craftkit)
    counted = Job.objects.filter(kind="announce render").exclude(object_id=killer)
    assert set(counted.values_list("attempts", flat=True)) <= {0}
    assert sorted(told) == sorted(keys[:lock])

    craftkit.pass_time(LEASE_OVER)
    for _ in range(2):
        run(craftkit)
    assert sorted(told) == sorted(set(keys) - {KILLER}), "each once, though the killer is due"
    for _ in range(4):
        run(craftkit)
        aside = Job.objects.quarantined()
        assert set(aside.values_list("object_id", flat=True)) <= {killer}
        craftkit.pass_time(LEASE_OVER)
    run(craftkit)
    assert [job.object_id for job in Job.objects.quarantined()] == [killer]


def left_by_a_dead_worker(kind: str = "render", **fields: object) -> None:
    """Have a job look as if its worker had ended in its step."""
    long_ago = timezone.now() - timedelta(minutes=5)
    Job.objects.filter(kind=kind, **fields).update(
        attempts=1, lease_token=uuid.uuid4(), leased_until=long_ago, due_at=long_ago
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("shared", [False, True], ids=["its own threads", "its process's loops"])
def test_what_has_ended_a_worker_is_carried_out_alone(craftkit, monkeypatch, shared):
    suspect = Render.objects.request("invoice", {"number": -1})
    for number in range(8):
        Render.objects.request("invoice", {"number": number})
    left_by_a_dead_worker(object_id=suspect.pk)
    leased, beside = threading.Event(), threading.Event()
    send, seen = SandboxAdapter.send, []

    def watch(self, request, *args, **kwargs):
        if request.method == "POST" and json.loads(request.body)["data"]["number"] == -1:
            leased.set()
            seen.append(beside.wait(0.3))
            leased.clear()
        elif leased.is_set():
            beside.set()
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", watch)
    lock = Exclusion()
    loops = [Loop(threads=1 if shared else 3, wake=None, exclusion=lock) for _ in range(1 + shared)]
    threads = [Elsewhere(loop.run) for loop in loops]
    for thread in threads:
        thread.wait()
    assert seen == [False]
    assert Render.objects.filter(remote_id__isnull=False).count() == 9


@pytest.mark.django_db(transaction=True)
def test_what_waits_for_a_thread_keeps_nobody_from_being_alone(craftkit):
    """Of many suspects few have a thread: the others are not beside them yet."""
    for number in range(4):
        Render.objects.request("invoice", {"number": number})
    left_by_a_dead_worker()
    Loop(threads=8, wake=None).run()
    assert Render.objects.filter(remote_id__isnull=False).count() == 4


@pytest.mark.django_db(transaction=True)
def test_of_many_suspects_only_the_one_that_ends_its_worker_again_is_counted(craftkit, monkeypatch):
    """The others wait to be alone, or for a thread; else four crashes would quarantine them all."""
    for number in range(6):
        Render.objects.request("invoice", {"number": number})
    left_by_a_dead_worker()
    counts: list[int] = []

    def die():
        # The whole process would: what its other threads have done since does not count.
        leased = Job.objects.exclude(lease_token=None)
        counts.extend(leased.order_by("attempts").values_list("attempts", flat=True))
        raise Killed

    before_sending(monkeypatch, "/render", die)
    with pytest.raises(Killed):
        Loop(threads=16, wake=None).run()
    assert counts == [1, 1, 1, 1, 1, 2]


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_alone_waits_uncounted(craftkit, monkeypatch):
    monkeypatch.setattr(exclusion, "WAIT", 0.05)
    Render.objects.request("invoice", {})
    left_by_a_dead_worker()
    lock, busy, over = Exclusion(), threading.Event(), threading.Event()

    def never_end():
        with lock.shared():
            busy.set()
            over.wait(TIMEOUT)

    stuck = Elsewhere(never_end)
    assert busy.wait(TIMEOUT)
    Loop(threads=1, wake=None, exclusion=lock).run()
    job = Job.objects.get()
    assert (job.attempts, job.lease_token) == (1, None)
    assert job.due_at > timezone.now()
    assert craftkit.sandbox.requests == []
    over.set()
    stuck.wait()
    settle(craftkit)
    assert Render.objects.get().status == "succeeded"


@pytest.mark.django_db
def test_what_was_innocent_is_forgotten_to_have_been_a_suspect(craftkit):
    craftkit.sandbox.render_time = None
    Render.objects.request("invoice", {})
    left_by_a_dead_worker()
    work()
    assert Job.objects.get().attempts == 0


def succeeded(render_id: object) -> bytes:
    payload = {
        "event": "render.succeeded",
        "renderId": str(render_id),
        "templateId": str(uuid.uuid4()),
        "status": "succeeded",
        "createdAt": "2026-06-05T10:00:00.000Z",
    }
    return json.dumps(payload).encode()


def store(body: bytes) -> None:
    WebhookDelivery.objects.store("default", str(uuid.uuid4()), body)


@pytest.mark.django_db
def test_webhooks_of_a_batch_whose_worker_died_are_processed_one_by_one(craftkit, monkeypatch):
    craftkit.sandbox.render_time = None
    for number in range(5):
        Render.objects.request("invoice", {"number": number})
    craftkit.run()
    store(b'{"event": "kill"}')
    for render in Render.objects.all():
        store(succeeded(render.remote_id))

    def die(content):
        if b"kill" in content:
            raise Killed

    at_webhook(monkeypatch, die)
    run(craftkit)
    assert set(WebhookDelivery.objects.values_list("attempts", flat=True)) == {1}
    craftkit.pass_time(LEASE_OVER)
    for _ in range(2):
        run(craftkit)
    ended = WebhookDelivery.objects.filter(status="processed")
    assert list(ended.values_list("attempts", flat=True)) == [2] * 5


@pytest.mark.django_db
def test_the_webhooks_of_a_dead_worker_do_not_stop_the_others_for_each_of_them(
    craftkit, monkeypatch
):
    for _ in range(40):
        store(b'{"event": "form.opened"}')
    long_ago = timezone.now() - timedelta(minutes=5)
    WebhookDelivery.objects.update(attempts=1, lease_token=uuid.uuid4(), leased_until=long_ago)
    stops = solitudes(monkeypatch)
    craftkit.run()
    assert set(WebhookDelivery.objects.values_list("status", "attempts")) == {("ignored", 2)}
    assert len(stops) < 20


@pytest.mark.django_db
def test_a_webhook_whose_worker_died_still_waits_for_its_answer(craftkit):
    store(succeeded(uuid.uuid4()))
    long_ago = timezone.now() - timedelta(minutes=5)
    WebhookDelivery.objects.update(attempts=1, lease_token=uuid.uuid4(), leased_until=long_ago)
    craftkit.run()
    assert WebhookDelivery.objects.get().status == "received"
    craftkit.pass_time(LEASE_OVER)
    craftkit.run()
    assert WebhookDelivery.objects.get().status == "ignored"
    assert not Change.objects.exists()


def test_those_who_want_to_be_alone_take_turns():
    lock, inside, seen = Exclusion(), [], []

    def act():
        for _ in range(3):
            with lock.shared(), lock.exclusive() as is_alone:
                inside.append(is_alone)
                seen.append(len(inside))
                inside.pop()

    assert at_once(*[act] * 4) == [None] * 4
    assert seen == [1] * 12


def test_who_missed_a_turn_waits_for_the_next_one():
    lock, taken, over = Exclusion(), threading.Event(), threading.Event()
    missed = []

    def want():
        with lock.shared(), lock.exclusive(0.3) as is_alone:
            missed.append(not is_alone)

    with lock.shared():
        late = Elsewhere(want)
        until(lambda: lock._wanted)
        with lock.exclusive() as is_alone:
            assert is_alone
            until(lambda: missed)
    late.wait()
    assert missed == [True]

    def stay():
        with lock.shared():
            taken.set()
            over.wait(TIMEOUT)

    busy = Elsewhere(stay)
    assert taken.wait(TIMEOUT)
    threading.Timer(0.05, over.set).start()
    with lock.shared(), lock.exclusive(5.0) as is_alone:
        assert is_alone, "it waits for the one that is busy"
    busy.wait()
