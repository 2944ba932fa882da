"""Real workers, really killed: one document in Craftkit, one row here, the right final status."""

from __future__ import annotations

import hashlib

import pytest

from django_craftkit.clock import database_now
from django_craftkit.models import (
    ArchivedFile,
    EngagementEvent,
    Job,
    Render,
    Share,
    SignatureRequest,
)
from django_craftkit.models.problems import NO_PROBLEM
from django_craftkit.signing import AnchorTag, Recipient
from tests.shop.models import Order

from .apps import BUILDER, KILLER, SLOW

pytestmark = pytest.mark.timeout(400)

#: What a worker has left, or has noted in the moment before it was killed.
NOT_KNOWN = ("pending", "unknown")


def test_a_worker_killed_between_a_renders_post_and_its_answer(sandbox, workers):
    sandbox.faults.add("delay", method="POST", seconds=60)
    render = Render.objects.request("invoice", {"number": 1})
    first = workers.start()
    workers.until(lambda: sandbox.renders)
    workers.kill(first)
    render.refresh_from_db()
    assert (render.status, render.remote_id) == ("pending", None)

    workers.start()
    workers.until(lambda: _status(render) == "succeeded")
    assert [document.id for document in sandbox.renders] == [str(render.remote_id)]
    workers.until(lambda: not Job.objects.exists())


def test_a_worker_killed_between_a_shares_post_and_its_answer(sandbox, workers):
    render = Render.objects.request("invoice", {"number": 1})
    first = workers.start()
    workers.until(lambda: _status(render) == "succeeded")
    sandbox.faults.add("delay", method="POST", path="*/shares", seconds=60)
    share = render.share(message="Here you are.")
    workers.until(lambda: sandbox.shares)
    workers.kill(first)
    share.refresh_from_db()
    assert share.status in NOT_KNOWN
    assert not Share.objects.open().exists()

    assert share.revoke(), "asked for while nobody knows whether the link exists"
    workers.start()
    workers.until(lambda: _status(share) == "revoked")
    assert [link.revoked_at is not None for link in sandbox.shares] == [True]


def test_a_worker_killed_between_a_mails_post_and_its_answer(sandbox, workers):
    render = Render.objects.request("invoice", {"number": 1})
    first = workers.start()
    workers.until(lambda: _status(render) == "succeeded")
    sandbox.faults.add("delay", method="POST", path="*/email", seconds=60)
    share = render.email("ada@example.com", message="Here you are.")
    workers.until(lambda: sandbox.mails)
    workers.kill(first)
    share.refresh_from_db()
    assert share.status in NOT_KNOWN

    workers.start()
    workers.until(lambda: _status(share) == "active")
    workers.until(lambda: not Job.objects.exists())
    assert [mail.share.id for mail in sandbox.mails] == [str(share.remote_id)]
    assert share.mailed_at is not None


def test_a_worker_killed_before_a_mails_post_has_reached_craftkit(sandbox, workers):
    render = Render.objects.request("invoice", {"number": 1})
    first = workers.start()
    workers.until(lambda: _status(render) == "succeeded")
    workers.kill(first)
    # As it left the row: the call was announced, and never made.
    share = render.email("ada@example.com")
    Share.objects.update(sending_since=database_now())

    workers.start()
    workers.until(lambda: _status(share) == "active")
    assert [mail.share.id for mail in sandbox.mails] == [str(share.remote_id)]


def test_a_worker_killed_while_it_tells_what_this_site_has_seen(sandbox, workers):
    render = Render.objects.request("invoice", {"number": 1})
    first = workers.start()
    workers.until(lambda: _status(render) == "succeeded")
    sandbox.faults.add("delay", method="POST", path="*/events", seconds=60)
    render.record("viewed", {"page": 3})
    workers.until(lambda: sandbox.renders[0].events)
    workers.kill(first)
    workers.start()
    workers.until(lambda: EngagementEvent.objects.filter(event_id__isnull=False).exists())
    workers.until(lambda: not Job.objects.exists())
    assert len(sandbox.renders[0].events) == EngagementEvent.objects.count() == 1


def test_a_worker_killed_between_a_signature_requests_post_and_its_answer(sandbox, workers):
    render = Render.objects.request("invoice", {"number": 1})
    first = workers.start()
    workers.until(lambda: _status(render) == "succeeded")
    sandbox.faults.add("delay", method="POST", path="*/signatures", seconds=60)
    request = _send(render)
    workers.until(lambda: sandbox.signatures)
    workers.kill(first)
    request.refresh_from_db()
    assert (request.status, request.remote_id) == ("pending", None)

    workers.start()
    workers.until(lambda: _status(request) == "sent")
    assert [envelope.id for envelope in sandbox.signatures] == [str(request.remote_id)]
    assert (sandbox.billed_signatures, len(sandbox.signature_mails)) == (1, 1)


def test_a_worker_killed_before_a_signature_requests_post_has_reached_craftkit(sandbox, workers):
    render = Render.objects.request("invoice", {"number": 1})
    first = workers.start()
    workers.until(lambda: _status(render) == "succeeded")
    workers.kill(first)
    # As it left the rows: the call was announced, and never made.
    sent, unwanted = _send(render), _send(render, name="Unwanted")
    now = database_now()
    SignatureRequest.objects.update(sent_at=now, sending_since=now)
    unwanted.cancel()

    workers.start()
    workers.until(lambda: _status(sent) == "sent")
    workers.until(lambda: _status(unwanted) == "cancelled")
    assert [envelope.id for envelope in sandbox.signatures] == [str(sent.remote_id)]
    assert sandbox.billed_signatures == 1


def test_a_worker_killed_while_it_keeps_what_was_signed(sandbox, workers, tmp_path):
    render = Render.objects.request("invoice", {"number": 1})
    request = _send(render)
    first = workers.start()
    workers.until(lambda: _status(request) == "sent")
    sandbox.faults.add("delay", method="GET", path="*/certificate", seconds=60)
    sandbox.sign_all(str(request.remote_id))
    request.refresh()
    workers.until(lambda: ArchivedFile.objects.filter(kind="signed").exists())
    workers.kill(first)
    assert ArchivedFile.objects.count() == 1

    workers.start()
    workers.until(lambda: ArchivedFile.objects.count() == 2)
    workers.until(lambda: not Job.objects.filter(kind="archive signature").exists())
    files = [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert len(files) == 2
    assert hashes == set(ArchivedFile.objects.values_list("sha256", flat=True))


def test_two_sweeps_at_once_send_each_document_once(sandbox, workers):
    workers.environment["CRAFTKIT_PATIENCE"] = "60"
    for number in range(40):
        Render.objects.request("invoice", {"number": number})
    workers.start()
    workers.start(celery=False)
    workers.until(lambda: Render.objects.filter(status="succeeded").count() == 40)
    posts = [request for request in sandbox.requests if request.method == "POST"]
    assert len(posts) == 40
    assert len(sandbox.renders) == 40


def test_what_ran_beside_work_that_kills_its_worker_ends_well(sandbox, workers):
    """All four have begun, each in a thread of its own, when the first worker dies."""
    workers.environment["CRAFTKIT_PATIENCE"] = "1"
    orders = [Order.objects.create(number=number) for number in (SLOW, "2", "3", KILLER)]
    renders = [
        Render.objects.declare(
            "invoice",
            None,
            builder=BUILDER,
            problem=NO_PROBLEM,
            source=order,
            key=order.number,
            project="default",
        )
        for order in orders
    ]
    *innocent, killer = renders
    workers.start()

    def is_over() -> bool:
        aside = set(Job.objects.quarantined().values_list("object_id", flat=True))
        assert aside <= {killer.pk}
        return bool(aside) and {_status(render) for render in innocent} == {"succeeded"}

    workers.until(is_over)
    job = Job.objects.quarantined().get()
    assert (job.error_code, job.error) == ("workers_ended", "4")
    assert len(sandbox.renders) == 3


@pytest.mark.parametrize("celery", [False, True], ids=["craftkit_work", "celery"])
def test_a_worker_whose_database_was_away_goes_on_when_it_is_back(sandbox, workers, door, celery):
    workers.environment["DATABASE_URL"] = door.url()
    worker = workers.start(celery=celery)
    first = Render.objects.request("invoice", {"number": 1})
    workers.until(lambda: _status(first) == "succeeded")
    door.shut()
    second = Render.objects.request("invoice", {"number": 2})
    words = "OperationalError" if celery else "The database did not answer"
    workers.until(lambda: workers.said(words))
    assert _status(second) == "pending"
    door.open()
    workers.until(lambda: _status(second) == "succeeded")
    assert worker.poll() is None
    if not celery:
        assert workers.said(words) == 1


def _send(render: Render, name: str = "Charter") -> SignatureRequest:
    people = [Recipient("Ada", "", "ada@example.com")]
    return render.send_for_signature(people, anchor_tags=[AnchorTag("here", "date")], name=name)


def _status(row: Render | Share | SignatureRequest) -> str:
    row.refresh_from_db()
    return row.status
