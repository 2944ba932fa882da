"""Many signature requests at a time: what is said of no other resource."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
import requests

from django_craftkit import clock
from django_craftkit.models import (
    Change,
    Job,
    ProjectState,
    Render,
    SignatureRequest,
)
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.signatures.send import wire_key
from django_craftkit.sandbox import SandboxAdapter
from tests.helpers import LEASE_OVER, Elsewhere, Killed, elsewhere, held, killed, until
from tests.reconcile.helpers import locks_rows
from tests.reconcile.resources import SIGNATURE, settle
from tests.reconcile.signatures.helpers import (
    GUEST,
    LIST,
    POST,
    SKIPPER,
    TAGS,
    calls,
    history,
    posts,
    send,
)
from tests.seams import (
    after_sending,
    before_marking_as_sent,
    before_writing,
    process_webhooks,
    statements,
    together,
)

pytestmark = pytest.mark.django_db(transaction=True)


def work(threads: int = 8) -> int:
    return Loop(threads=threads, wake=None).run()


@pytest.fixture
def sent(craftkit, documents):
    """Make so many requests, each for a document of its own, that are out."""

    def sent(number: int) -> list[SignatureRequest]:
        made = [send(render) for render in documents(number)]
        work()
        for request in made:
            request.refresh_from_db()
            assert request.status == "sent"
        return made

    return sent


def there(craftkit) -> dict[str, str]:
    """Return Craftkit's ids by the keys that they were made with."""
    return {one.idempotency_key: one.id for one in craftkit.sandbox.signatures}


def ours() -> dict[str, str]:
    """Return the same as the rows here have it."""
    return {wire_key(row): str(row.remote_id) for row in SignatureRequest.objects.all()}


def lose(monkeypatch, *names: str) -> None:
    """The answers about the requests of these names are lost, once each."""
    deliver, left = SandboxAdapter.send, {f'"{name}"'.encode() for name in names}

    def lossy(self, request, *args, **kwargs):
        answer = deliver(self, request, *args, **kwargs)
        for name in list(left):
            if request.method == "POST" and name in (request.body or b""):
                left.discard(name)
                raise requests.ConnectionError("no way")
        return answer

    monkeypatch.setattr(SandboxAdapter, "send", lossy)


def test_each_request_of_a_batch_ends_as_craftkit_says(craftkit, monkeypatch, documents, dashboard):
    """And where the calls are made nobody looks into the database."""
    renders = documents(4)
    strange, refused, lost, good = (send(render, name=f"N{render.pk}") for render in renders)
    dashboard.signatures.create(
        renders[0].remote_id, [GUEST], anchor_tags=TAGS, idempotency_key=wire_key(strange)
    )
    craftkit.pass_time(3600)
    Render.objects.filter(pk=renders[1].pk).update(remote_id=uuid4())
    lose(monkeypatch, lost.name)
    with monkeypatch.context() as patch:
        made = statements(patch)
        work()
    assert {thread for thread, _sql in made} == {threading.get_ident()}
    assert SIGNATURE.statuses() == ["rejected", "rejected", "pending", "sent"]
    strange.refresh_from_db()
    assert (strange.error_code, strange.remote_id) == ("key_used_elsewhere", None)
    refused.refresh_from_db()
    assert (refused.error_code, history(refused)) == ("not_found", ["rejected"])
    job = Job.objects.get(kind=Job.Kind.SEND_SIGNATURE)
    assert (job.object_id, job.failures, job.attempts, job.lease_token) == (lost.pk, 1, 0, None)
    craftkit.pass_time(30)
    work()
    assert SIGNATURE.statuses() == ["rejected", "rejected", "sent", "sent"]
    for row in (lost, good):
        row.refresh_from_db()
        assert there(craftkit)[wire_key(row)] == str(row.remote_id)
    assert craftkit.sandbox.billed_signatures == 3


def test_what_is_refused_when_it_is_sent_again_is_looked_for(craftkit, monkeypatch, documents):
    """Where the calls are made, that is; what is found there is written with the rest."""
    asked = [send(render, name=f"N{render.pk}") for render in documents(4)]
    lose(monkeypatch, *[one.name for one in asked[:3]])
    work()
    assert SIGNATURE.statuses() == ["pending", "pending", "pending", "sent"]
    craftkit.pass_time(30)
    craftkit.sandbox.faults.add("status", status=409, code="conflict", times=3, **POST)
    with monkeypatch.context() as patch:
        made = statements(patch)
        work()
    assert {thread for thread, _sql in made} == {threading.get_ident()}
    assert SIGNATURE.statuses() == ["sent"] * 4
    assert ours() == there(craftkit)
    assert (posts(craftkit), craftkit.sandbox.billed_signatures) == (7, 4)
    causes = Change.objects.filter(to_status="sent").values_list("cause", flat=True)
    assert sorted(causes) == ["answer", *["read back"] * 3]


def test_a_list_that_does_not_come_refuses_nothing(craftkit, documents):
    """Only what Craftkit says of the call itself does; the one before may have got through."""
    asked = [send(render) for render in documents(2)]
    craftkit.sandbox.faults.add("cut_after", times=2, **POST)
    work()
    craftkit.pass_time(30)
    craftkit.sandbox.faults.add("status", status=409, code="conflict", times=2, **POST)
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=2, **LIST)
    work()
    assert SIGNATURE.statuses() == ["pending", "pending"]
    assert set(Job.objects.values_list("object_id", "failures")) == {(one.pk, 2) for one in asked}
    settle(craftkit)
    assert SIGNATURE.statuses() == ["sent", "sent"]
    assert ours() == there(craftkit)
    assert craftkit.sandbox.billed_signatures == 2


def test_of_several_alike_in_one_batch_each_gets_its_own(craftkit, documents):
    """Only their keys tell them apart, which no list shows."""
    (render,) = documents(1)
    asked = [send(render, key=str(one)) for one in range(4)]
    craftkit.sandbox.faults.add("cut_after", times=4, **POST)
    work()
    # Now the one that was made last comes first.
    craftkit.pass_time(30)
    for ago, one in enumerate(asked):
        due_at = clock.now() - timedelta(seconds=ago)
        Job.objects.filter(kind=Job.Kind.SEND_SIGNATURE, object_id=one.pk).update(due_at=due_at)
    craftkit.sandbox.faults.add("status", status=409, code="conflict", times=4, **POST)
    work()
    assert SIGNATURE.statuses() == ["pending"] * 4
    settle(craftkit)
    assert SIGNATURE.statuses() == ["sent"] * 4
    assert ours() == there(craftkit)


def test_open_ones_end_as_craftkit_says(craftkit, monkeypatch, sent):
    """Cancelled, ended before, unknown there, and those that are only asked about."""
    cancelled, declined, unknown, viewed, gone = sent(5)
    craftkit.sandbox.decline(str(declined.remote_id), SKIPPER.email)
    craftkit.sandbox.view_signature(str(viewed.remote_id), GUEST.email)
    SignatureRequest.objects.filter(pk__in=[unknown.pk, gone.pk]).update(remote_id=uuid4())
    for request in (cancelled, declined, unknown):
        request.cancel(reason="No need.")
    for request in (viewed, gone):
        request.refresh()
    with monkeypatch.context() as patch:
        made = statements(patch)
        work()
    threads = {thread for thread, sql in made if SignatureRequest._meta.db_table in sql}
    assert threads == {threading.get_ident()}
    assert SIGNATURE.statuses() == ["cancelled", "declined", "sent", "viewed", "sent"]
    for request in (unknown, gone):
        request.refresh_from_db()
        assert request.error_code == "unknown_at_craftkit"
    assert Job.objects.get(kind=Job.Kind.POLL_OR_CANCEL).object_id == unknown.pk, (
        "its cancellation is tried again"
    )
    assert calls(craftkit, "POST", "/cancel") == 3


# Refused for what is nobody's own.


def test_a_lack_of_credits_pauses_once_what_is_to_be_sent_and_nothing_else(
    craftkit, monkeypatch, documents
):
    old, other = (send(render) for render in documents(2))
    work()
    craftkit.sandbox.signature_credits = 0
    waiting = [send(render) for render in documents(6)]
    old.cancel()
    craftkit.sandbox.view_signature(there(craftkit)[wire_key(other)], GUEST.email)
    other.refresh()
    before = posts(craftkit)
    work()
    assert 1 <= posts(craftkit) - before <= 6
    (state,) = ProjectState.objects.paused()
    assert (state.capability, state.probes) == ("signatures", 1)
    assert Change.objects.filter(signal="project_paused").count() == 1
    assert SIGNATURE.statuses() == ["cancelled", "viewed", *["pending"] * 6]
    jobs = Job.objects.filter(kind=Job.Kind.SEND_SIGNATURE)
    assert set(jobs.values_list("attempts", "lease_token")) == {(0, None)}
    unsent = SignatureRequest.objects.filter(sent_at=None, sending_since=None)
    assert set(unsent) == set(waiting), "Craftkit has proved that it has none of them"
    craftkit.sandbox.signature_credits = None
    assert state.try_again()
    settle(craftkit)
    assert SIGNATURE.statuses() == ["cancelled", "viewed", *["sent"] * 6]
    assert craftkit.sandbox.billed_signatures == 8


# Others in the way.


def test_what_another_has_sent_since_it_was_read_is_left_to_them(craftkit, monkeypatch, documents):
    for render in documents(3):
        send(render)
    craftkit.sandbox.faults.add("cut_before", times=None, **POST)
    seen = []

    def sent_so_far():
        return posts(craftkit), set(SignatureRequest.objects.values_list("pk", "sending_since"))

    def be_faster():
        craftkit.pass_time(LEASE_OVER)
        elsewhere(work)
        # What has failed is not due again while the slower one is still there.
        Job.objects.update(due_at=clock.now() + timedelta(hours=1))
        seen.append(sent_so_far())

    before_marking_as_sent(monkeypatch, SignatureRequest, be_faster)
    work()
    assert [sent_so_far()] == seen
    assert posts(craftkit) >= 3


@locks_rows
def test_one_whose_document_is_about_to_be_ready_is_not_left_waiting(craftkit, silent):
    """Whoever has found it ready looked for what waits before this was asked for."""
    craftkit.sandbox.render_time = 60.0
    renders = [Render.objects.request("invoice", {}, key=str(one)) for one in range(3)]
    craftkit.run()
    for render in renders:
        send(render)
    Job.objects.exclude(kind=Job.Kind.SEND_SIGNATURE).delete()
    craftkit.pass_time(61)

    def is_ready():
        Render.objects.filter(pk=renders[1].pk).update(status="succeeded")

    with held(is_ready):
        worker = Elsewhere(work)
        parked = Job.objects.filter(
            kind=Job.Kind.SEND_SIGNATURE, due_at__gt=clock.now() + timedelta(minutes=10)
        )
        until(lambda: parked.count() == 2)
    worker.wait()
    assert SIGNATURE.statuses() == ["pending", "sent", "pending"]


@locks_rows
def test_a_page_passes_over_what_somebody_has_locked_and_hears_it_after(craftkit, sent):
    rows = sent(4)
    for row in rows:
        craftkit.sandbox.view_signature(str(row.remote_id), GUEST.email)
    craftkit.pass_time(90)
    with held(lambda: SignatureRequest.objects.select_for_update().get(pk=rows[0].pk)):
        worker = Elsewhere(work)
        until(lambda: SIGNATURE.statuses().count("viewed") == 3)
    worker.wait()
    assert SIGNATURE.statuses() == ["viewed"] * 4
    assert calls(craftkit, "GET", "/v1/signatures") == 1


def test_webhooks_that_come_before_the_answers_are_written_are_not_lost(
    craftkit, monkeypatch, documents
):
    for render in documents(4):
        send(render)
    craftkit.sandbox.faults.clear()

    def sign():
        for one in craftkit.sandbox.signatures:
            craftkit.sandbox.sign_all(one.id)
        craftkit.deliver()
        while process_webhooks(clock.now()):
            pass

    with together(monkeypatch, 4, act=sign):
        work()
    assert SIGNATURE.statuses() == ["completed"] * 4, "at once, and not when their lease is over"
    assert craftkit.sandbox.billed_signatures == 4


# Workers that end.


@pytest.mark.parametrize("moment", ["after a call", "before it is written"])
def test_a_worker_that_dies_while_it_cancels_leaves_none_open(craftkit, monkeypatch, sent, moment):
    for request in sent(6):
        request.cancel(reason="No need.")
    with together(monkeypatch, 6), monkeypatch.context() as patch:
        if moment == "after a call":
            after_sending(patch, "/cancel", killed)
        else:
            before_writing(patch, SignatureRequest, killed, verb="UPDATE", saying="cancelled")
        with pytest.raises(Killed):
            work()
    assert "cancelled" not in SIGNATURE.statuses()
    # A round of questions would find it out, too.
    Job.objects.filter(kind=Job.Kind.POLL_SIGNATURES).delete()
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert SIGNATURE.statuses() == ["cancelled"] * 6
    assert {one.status for one in craftkit.sandbox.signatures} == {"cancelled"}
    assert set(SignatureRequest.objects.values_list("error", flat=True)) == {"No need."}
