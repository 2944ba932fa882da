"""Many links and e-mails at a time: each is sent once, as if it were alone."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.db import DataError, connection, transaction

from django_craftkit import clock
from django_craftkit.database import lock
from django_craftkit.models import Change, Job, ProjectState, Render, Share
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.updates import lock_free
from django_craftkit.sandbox import SandboxAdapter
from tests.helpers import (
    LEASE_OVER,
    TIMEOUT,
    Elsewhere,
    Holding,
    Killed,
    elsewhere,
    killed,
    settle,
    until,
)
from tests.helpers import work as work_elsewhere
from tests.reconcile.helpers import locks_rows
from tests.seams import (
    after_marking_as_sent,
    after_sending,
    before_committing,
    before_marking_as_sent,
    before_sending,
    before_writing,
    statements,
    together,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db(transaction=True)

TO = "ada@example.com"


class Kind(NamedTuple):
    ask: Callable[..., Share]
    #: What the path of the call ends in that makes it.
    ending: str

    def many(self, renders: list[Render]) -> list[Share]:
        return [self.ask(render, f"n{number}") for number, render in enumerate(renders)]


LINK = Kind(lambda render, words, **more: render.share(message=words, **more), "/shares")
MAIL = Kind(lambda render, words, **more: render.email(TO, message=words, **more), "/email")


@pytest.fixture(params=[LINK, MAIL], ids=["links", "mails"])
def kind(request) -> Kind:
    return request.param


@pytest.fixture
def quiet(craftkit) -> None:
    """From here on nothing is told of by webhooks."""
    craftkit.sandbox.faults.add("webhook_dropped", times=None)


@pytest.fixture
def renders(craftkit) -> list[Render]:
    """Documents that links can be made to, one for each of a batch."""
    for number in range(4):
        Render.objects.request("invoice", {"number": number}, key=f"i-{number}")
    craftkit.run()
    found = list(Render.objects.order_by("pk"))
    assert {render.status for render in found} == {"succeeded"}
    return found


def posts(craftkit, kind: Kind) -> int:
    return sum(
        call.method == "POST" and call.path.endswith(kind.ending)
        for call in craftkit.sandbox.requests
    )


def open_there(craftkit) -> list[str]:
    return sorted(link.id for link in craftkit.shares if not link.revoked)


def states(*columns: str) -> set[Any]:
    found = Share.objects.values_list(*columns, flat=len(columns) == 1)
    return set(found)


def assert_one_each(craftkit, kind: Kind, number: int) -> None:
    """Every wish has a link of its own at Craftkit, and was mailed once if it is a mail."""
    assert states("status", "error", "error_code") == {("active", "", "")}
    ids = sorted(str(remote_id) for remote_id in Share.objects.values_list("remote_id", flat=True))
    assert ids == open_there(craftkit)
    assert len(set(ids)) == len(craftkit.shares) == number
    assert len(craftkit.mails) == (number if kind is MAIL else 0)


def test_they_are_made_and_revoked_together(craftkit, ready, quiet, monkeypatch, work, kind):
    """Rows are read and written as one would be, and in the thread of the loop alone."""
    tables = [model._meta.db_table for model in (Share, Render, Change)]

    def count(number: int) -> int:
        pks = [kind.ask(ready, f"{one} of {number}").pk for one in range(number)]
        mine = Share.objects.filter(pk__in=pks)
        told = []
        with monkeypatch.context() as patch, together(monkeypatch, number):
            told += [statements(patch)]
            work()
        assert set(mine.values_list("status", flat=True)) == {"active"}
        Share.objects.revoke_chosen(pks, user=None)
        with monkeypatch.context() as patch, together(monkeypatch, number, "DELETE"):
            told += [statements(patch)]
            work()
        assert set(mine.values_list("status", flat=True)) == {"revoked"}
        assert not Job.objects.exists()
        threads = {thread for one in told for thread, _sql in one}
        assert threads == {threading.get_ident()}
        return sum(any(table in sql for table in tables) for one in told for _thread, sql in one)

    assert count(8) == count(2)


@contextmanager
def answered(
    monkeypatch, craftkit, kind: Kind, number: int, faults: dict[str, dict[str, Any]]
) -> Iterator[None]:
    """So many calls are under way at a time; what goes wrong with each is told by its words."""
    start, one = threading.Barrier(number, timeout=TIMEOUT), threading.Lock()
    send = SandboxAdapter.send

    def meet(self, request, *args, **kwargs):
        if request.method != "POST" or not request.path_url.endswith(kind.ending):
            return send(self, request, *args, **kwargs)
        start.wait()
        with one:
            fault = faults[json.loads(request.body)["message"]]
            if fault:
                craftkit.sandbox.faults.add(**fault)
            return send(self, request, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(SandboxAdapter, "send", meet)
        yield


REFUSED = {
    "kind": "status",
    "method": "POST",
    "status": 400,
    "code": "invalid_request",
    "message": "No.",
}
LOST = {"kind": "cut_after", "method": "POST"}
NO_CREDITS = {"kind": "status", "method": "POST", "status": 402, "code": "credits_exhausted"}


@pytest.mark.parametrize("threads", [8, 1], ids=["in a batch", "alone"])
def test_each_of_a_batch_ends_as_it_would_alone(
    craftkit, ready, quiet, monkeypatch, work, kind, threads
):
    faults = {"good": {}, "refused": REFUSED, "lost": LOST}
    if kind is MAIL:
        faults["failed"] = {"kind": "email_send_failed", "message": "Mailbox unknown."}
    faults["stopped"] = NO_CREDITS
    shares = {words: kind.ask(ready, words) for words in faults}
    at_once = len(faults) if threads > 1 else 1
    with answered(monkeypatch, craftkit, kind, at_once, faults):
        work(threads)

    def rows() -> dict[str, Share]:
        return {words: Share.objects.get(pk=share.pk) for words, share in shares.items()}

    found = rows()
    assert (found["good"].status, found["good"].error) == ("active", "")
    refused = found["refused"]
    assert (refused.status, refused.error, refused.error_code) == (
        "rejected",
        "No.",
        "invalid_request",
    )
    # It may have been settled by now, unless the pause was first.
    assert found["lost"].status in ("unknown", "active")
    stopped = found["stopped"]
    assert (stopped.status, stopped.sending_since, stopped.remote_id) == ("pending", None, None)
    if kind is MAIL:
        failed = found["failed"]
        assert (failed.status, failed.error_code) == ("rejected", "email_send_failed")
        assert (failed.error, failed.sending_since) == ("Mailbox unknown.", None)
    state = ProjectState.objects.get(capability="")
    assert (state.paused_at is not None, state.probes) == (True, 1)
    assert posts(craftkit, kind) == len(faults)
    assert not Job.objects.exclude(lease_token=None).exists()
    done = [shares[words].pk for words in ("good", "refused")]
    assert not Job.objects.filter(kind__in=("share", "email"), object_id__in=done).exists()

    settle(craftkit)
    found = rows()
    ends = dict.fromkeys(faults, "active") | {"refused": "rejected"}
    ends |= {"failed": "rejected"} if kind is MAIL else {}
    assert {words: share.status for words, share in found.items()} == ends
    assert posts(craftkit, kind) == len(faults) + 1, "what was stopped, and nothing else"
    mine = {str(share.remote_id) for share in found.values() if share.status == "active"}
    assert set(open_there(craftkit)) == mine
    assert sorted(mail.message for mail in craftkit.mails) == (
        ["good", "lost", "stopped"] if kind is MAIL else []
    )
    ended = Change.objects.filter(kind="share", object_id=shares["lost"].pk)
    assert list(ended.values_list("to_status", "cause")) == [
        ("unknown", "answer"),
        ("active", "read back"),
    ]


def test_each_revocation_of_a_batch_ends_as_craftkit_says(
    craftkit, ready, quiet, monkeypatch, work, dashboard
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


DEATHS = {
    "marked": lambda patch, kind: after_marking_as_sent(patch, Share, killed),
    "sending": lambda patch, kind: before_sending(patch, kind.ending, killed, times=None),
    "sent": lambda patch, kind: after_sending(patch, kind.ending, killed, times=None),
    "answered": lambda patch, kind: before_writing(
        patch, Share, killed, verb="UPDATE", saying="active"
    ),
    "written": lambda patch, kind: before_committing(
        patch, Share, killed, verb="UPDATE", saying="active"
    ),
}


@pytest.mark.parametrize("die", DEATHS.values(), ids=DEATHS)
def test_a_worker_that_dies_in_a_batch_has_nothing_sent_twice(
    craftkit, ready, quiet, monkeypatch, kind, die
):
    kind.many([ready] * 4)
    with monkeypatch.context() as patch:
        die(patch, kind)
        with pytest.raises(Killed):
            Loop(threads=8, wake=None).run()
    assert states("status") == {"pending"}
    assert None not in states("sending_since")
    settle(craftkit)
    assert_one_each(craftkit, kind, 4)
    assert posts(craftkit, kind) == 4


def test_mails_of_a_dead_worker_that_nothing_tells_of_are_for_staff(
    craftkit, ready, quiet, monkeypatch
):
    craftkit.sandbox.faults.add("email_send_failed", times=4)
    shares = MAIL.many([ready] * 4)
    with monkeypatch.context() as patch:
        after_sending(patch, "/email", killed, times=None)
        with pytest.raises(Killed):
            Loop(threads=8, wake=None).run()
    settle(craftkit)
    assert set(Share.objects.unsettled()) == set(shares)
    for _ in range(5):
        craftkit.pass_time(3600)
        craftkit.run()
    assert (posts(craftkit, MAIL), craftkit.mails) == (4, [])


ENDS = {
    "withdrawn": lambda share: share.render.withdraw(),
    "revoked": lambda share: share.revoke(),
}


@locks_rows
@pytest.mark.parametrize("moment", ["before it is marked", "when it is answered"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_somebody_is_about_to_end_holds_up_no_other(
    craftkit, renders, quiet, monkeypatch, work, kind, end, moment
):
    shares = kind.many(renders)
    mine = Share.objects.get(pk=shares[1].pk)
    someone = Holding(lambda: end(mine))

    def others() -> int:
        return Share.objects.filter(status="active").exclude(pk=mine.pk).count()

    is_answered = moment == "when it is answered"
    begin = someone.begin if is_answered else None
    with monkeypatch.context() as patch:
        if not is_answered:
            before_marking_as_sent(patch, Share, someone.begin)
        with together(patch, 4 if is_answered else 3, "POST", begin):
            worker = Elsewhere(work)
            try:
                until(lambda: others() == 3)
            finally:
                someone.end()
            worker.wait()
    settle(craftkit)
    mine.refresh_from_db()
    assert (mine.status, others()) == ("revoked", 3)
    assert len(open_there(craftkit)) == 3
    assert posts(craftkit, kind) == (4 if is_answered else 3)


def test_what_was_asked_for_while_its_document_was_withdrawn_is_not_sent(
    craftkit, renders, quiet, monkeypatch, work, kind
):
    """Whoever withdraws it has not seen this row, and whoever reads it not yet the withdrawal."""
    shares = kind.many(renders)
    mine = Render.objects.filter(pk=renders[1].pk)
    with monkeypatch.context() as patch:
        before_marking_as_sent(
            patch, Share, lambda: elsewhere(lambda: mine.update(withdrawn_at=clock.now()))
        )
        work()
    settle(craftkit)
    statuses = [Share.objects.get(pk=share.pk).status for share in shares]
    assert statuses == ["active", "revoked", "active", "active"]
    assert posts(craftkit, kind) == len(open_there(craftkit)) == 3


@locks_rows
@pytest.mark.parametrize("model", [Render, Share, Job])
def test_a_row_that_somebody_has_locked_holds_up_no_other(
    craftkit, renders, quiet, monkeypatch, work, kind, model
):
    shares = kind.many(renders)
    locked = {
        Render: {"pk": renders[2].pk},
        Share: {"pk": shares[2].pk},
        Job: {"object_id": shares[2].pk},
    }
    someone = Holding(lambda: model.objects.select_for_update().get(**locked[model]))

    with together(monkeypatch, 4, "POST", someone.begin):
        worker = Elsewhere(work)
        try:
            until(lambda: Share.objects.filter(status="active").count() >= 3)
        finally:
            someone.end()
        worker.wait()
    settle(craftkit)
    assert_one_each(craftkit, kind, 4)
    assert posts(craftkit, kind) == 4


@locks_rows
def test_mails_that_were_not_taken_wait_for_nobody_who_withdraws_a_document(
    craftkit, renders, quiet, monkeypatch, work
):
    """Who withdraws one has the job locked that reads its links, and comes to its links last."""
    craftkit.sandbox.faults.add("email_send_failed", times=4)
    shares = MAIL.many(renders)
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
    assert (open_there(craftkit), craftkit.mails) == ([], [])


def test_a_share_that_breaks_its_group_breaks_it_for_itself_alone(
    craftkit, ready, quiet, monkeypatch, work, kind
):
    shares = kind.many([ready] * 4)
    bad, broken = shares[1].pk, []

    def is_about_it(params) -> bool:
        """Whether the values of a statement are of this row: one of many, or the only one."""
        of_many = any(isinstance(one, (list, tuple)) and one[-1] == bad for one in params)
        return of_many or bad in params or bool(re.search(rf'"k":{bad}\b', f"{params}"))

    def refuse(execute, sql, params, many, context):
        is_written = sql.startswith("UPDATE") and Share._meta.db_table in sql
        if is_written and "url" in sql and is_about_it(params):
            broken.append(sql)
            raise DataError("no such value")
        return execute(sql, params, many, context)

    with together(monkeypatch, 4), connection.execute_wrapper(refuse):
        work()
    assert len(broken) == 2, "with the others, and alone"
    assert Share.objects.filter(status="active").count() == 3
    row = Share.objects.get(pk=bad)
    assert (row.status, row.sending_since is None) == ("pending", False)
    job = Job.objects.get(object_id=bad)
    assert (job.failures, job.lease_token) == (1, None)
    settle(craftkit)
    assert_one_each(craftkit, kind, 4)
    assert posts(craftkit, kind) == 4


def test_the_same_words_whose_answers_are_lost_take_a_link_each(craftkit, ready, quiet, work, kind):
    for key in "abc":
        kind.ask(ready, "Here you are.", key=key)
    craftkit.sandbox.faults.add("cut_after", times=3, method="POST", path=f"*{kind.ending}")
    work()
    assert states("status") <= {"unknown", "active"}
    settle(craftkit)
    assert_one_each(craftkit, kind, 3)
    assert posts(craftkit, kind) == 3


def test_a_link_that_another_row_has_taken_meanwhile_is_not_taken_twice(
    craftkit, ready, quiet, monkeypatch, kind
):
    """One of the same words was lost before, and is looked for while these are under way."""
    craftkit.sandbox.faults.add("cut_before", method="POST", path=f"*{kind.ending}")
    lost = kind.ask(ready, "Here you are.", key="lost")
    work_elsewhere()
    for key in "ab":
        kind.ask(ready, "Here you are.", key=key)

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
    assert_one_each(craftkit, kind, 3)


def test_mails_that_cannot_be_sent_pause_their_project_for_mails_once(
    craftkit, ready, quiet, monkeypatch, work
):
    craftkit.sandbox.project("default").email_configured = False
    for number in range(6):
        MAIL.ask(ready, f"n{number}")
    with together(monkeypatch, 6):
        work(6)
    state = ProjectState.objects.paused().get()
    assert (state.capability, state.pause_code) == ("email", "email_not_configured")
    assert state.probes == 1
    assert Change.objects.filter(signal="project_paused").count() == 1
    assert states("status", "sending_since") == {("pending", None)}
    assert set(Job.objects.values_list("attempts", "lease_token")) == {(0, None)}
    craftkit.sandbox.project("default").email_configured = True
    craftkit.pass_time(120)
    settle(craftkit)
    assert_one_each(craftkit, MAIL, 6)


def test_who_stood_still_after_marking_a_batch_makes_no_call_of_it(
    craftkit, ready, quiet, monkeypatch, kind
):
    """A suspended machine: by now another worker may settle them."""
    kind.many([ready] * 4)
    waited, marked = [], []

    def stand_still():
        marked.extend(Share.objects.values_list("sending_since", flat=True))
        craftkit.pass_time(LEASE_OVER)

    def look():
        since = Share.objects.exclude(sending_since=None).order_by("sending_since").first()
        waited.append(clock.now() - since.sending_since)

    after_marking_as_sent(monkeypatch, Share, stand_still)
    before_sending(monkeypatch, kind.ending, look, times=None)
    Loop(threads=8, wake=None).run(10.0)
    assert None not in marked
    settle(craftkit)
    assert len(waited) == 4
    assert max(waited) < timedelta(seconds=60)
    assert_one_each(craftkit, kind, 4)


@pytest.mark.parametrize("model", [Render, Share])
def test_where_nobody_can_tell_which_rows_are_free_none_is(ready, monkeypatch, model):
    ready.share()
    features = connection.features
    monkeypatch.setattr(features, "has_select_for_update_skip_locked", False)
    with transaction.atomic():
        found = list(lock_free(model.objects.all()))
    # SQLite's one writer has them all.
    assert len(found) == (0 if features.has_select_for_update else 1)
