"""Many links and e-mails at a time: what is said of no other resource."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from django_craftkit.database import lock
from django_craftkit.models import Job, Render, Share
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.updates import lock_free
from tests.helpers import Elsewhere, Holding, Killed, elsewhere, killed, settle, until
from tests.helpers import work as work_elsewhere
from tests.reconcile.helpers import locks_rows
from tests.reconcile.resources import MAIL, check_made, each_share, open_there
from tests.seams import after_sending, together

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_revocation_of_a_batch_ends_as_craftkit_says(
    craftkit, ready, silent, monkeypatch, work, dashboard
):
    names = ("good", "done before", "busy")
    shares = [ready.share(key=key) for key in names]
    craftkit.run()
    for share in shares:
        share.refresh_from_db()
    good, before, busy = shares
    revoked = dashboard.shares.revoke(ready.remote_id, before.remote_id)
    craftkit.pass_time(600)
    craftkit.sandbox.faults.add("status", status=500, method="DELETE", path=f"*/{busy.remote_id}")
    Share.objects.revoke_chosen([share.pk for share in shares], user=None)
    with together(monkeypatch, 3, "DELETE"):
        work()
    for share in shares:
        share.refresh_from_db()
    assert [share.status for share in shares] == ["revoked", "revoked", "active"]
    assert before.revoked_at == revoked.revoked_at
    assert good.revoked_at > before.revoked_at
    job = Job.objects.get()
    assert (job.object_id, job.failures, job.lease_token) == (busy.pk, 1, None)
    settle(craftkit)
    busy.refresh_from_db()
    assert (busy.status, open_there(craftkit)) == ("revoked", [])


def test_mails_of_a_dead_worker_that_nothing_tells_of_are_for_staff(
    craftkit, ready, silent, monkeypatch
):
    craftkit.sandbox.faults.add("email_send_failed", times=4)
    shares = [MAIL.named(ready, str(number)) for number in range(4)]
    with monkeypatch.context() as patch:
        after_sending(patch, "/email", killed, times=None)
        with pytest.raises(Killed):
            Loop(threads=8, wake=None).run()
    settle(craftkit)
    assert set(Share.objects.unsettled()) == set(shares)
    for _ in range(5):
        craftkit.pass_time(3600)
        craftkit.run()
    assert (MAIL.posts(craftkit), craftkit.outbox) == (4, [])


@locks_rows
def test_mails_that_were_not_taken_wait_for_nobody_who_withdraws_a_document(
    craftkit, documents, monkeypatch, work
):
    """Who withdraws one has the job locked that reads its links, and comes to its links last."""
    craftkit.sandbox.faults.add("email_send_failed", times=4)
    renders = documents(4)
    shares = [MAIL.named(render, str(number)) for number, render in enumerate(renders)]
    document = renders[1]
    someone = Holding(
        lambda: lock(Render.objects.filter(pk=document.pk)).get(),
        lambda: Job.objects.schedule("engagement", [document.pk], document.project),
        last=lambda: list(lock(Share.objects.filter(render=document))),
    )

    with together(monkeypatch, 4, "POST", someone.begin):
        worker = Elsewhere(work)
        try:
            until(lambda: Share.objects.filter(status="rejected").count() == 3)
        finally:
            someone.end()
        worker.wait()
    assert {Share.objects.get(pk=share.pk).status for share in shares} == {"rejected"}
    settle(craftkit)
    assert (open_there(craftkit), craftkit.outbox) == ([], [])


@each_share
def test_a_link_that_another_row_has_taken_meanwhile_is_not_taken_twice(
    craftkit, ready, silent, monkeypatch, resource
):
    """One of the same words was lost before, and is looked for while these are under way."""
    craftkit.sandbox.faults.add("cut_before", **resource.post)
    lost = resource.ask(ready, key="lost")
    work_elsewhere()
    others = [resource.ask(ready, key=key) for key in "ab"]

    def look_for_the_lost_one():
        craftkit.pass_time(6)
        elsewhere(work_elsewhere)

    with together(monkeypatch, 2, "POST", look_for_the_lost_one):
        Loop(threads=8, wake=None).run(10.0)
    lost.refresh_from_db()
    assert lost.status == "active"
    ids = list(Share.objects.exclude(remote_id=None).values_list("remote_id", flat=True))
    assert len(ids) == len(set(ids))
    settle(craftkit)
    check_made(craftkit, resource, lost, *others)


@pytest.mark.parametrize("model", [Render, Share])
def test_where_nobody_can_tell_which_rows_are_free_none_is(ready, monkeypatch, model):
    ready.share()
    features = connection.features
    monkeypatch.setattr(features, "has_select_for_update_skip_locked", False)
    with transaction.atomic():
        found = list(lock_free(model.objects.all()))
    # SQLite's one writer has them all.
    assert len(found) == (0 if features.has_select_for_update else 1)
