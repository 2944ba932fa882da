"""Real workers, really killed: one document in Craftkit, one row here, the right final status."""

from __future__ import annotations

import pytest

from django_craftkit.models import Job, Render, Share

pytestmark = pytest.mark.timeout(180)


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
    assert (share.status, share.sending_since is None) == ("pending", False)
    assert not Share.objects.open().exists()

    assert share.revoke(), "asked for while nobody knows whether the link exists"
    workers.start()
    workers.until(lambda: _status(share) == "revoked")
    assert [link.revoked_at is not None for link in sandbox.shares] == [True]


def test_two_sweeps_at_once_send_each_document_once(sandbox, workers):
    for number in range(40):
        Render.objects.request("invoice", {"number": number})
    workers.start()
    workers.start(celery=False)
    workers.until(lambda: Render.objects.filter(status="succeeded").count() == 40)
    posts = [request for request in sandbox.requests if request.method == "POST"]
    assert len(posts) == 40
    assert len(sandbox.renders) == 40


def _status(row: Render | Share) -> str:
    row.refresh_from_db()
    return row.status
