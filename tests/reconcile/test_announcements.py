"""Signals: at least once, in order, each receiver on its own."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_craftkit import clock
from django_craftkit.models import Change, Job, Render, Share
from django_craftkit.models.problems import ErrorCode
from django_craftkit.projects import get_client
from django_craftkit.reconcile import announcements
from django_craftkit.reconcile.loop import Loop
from django_craftkit.sandbox import Render as SandboxRender
from django_craftkit.signals import (
    email_failed,
    email_sent,
    render_cancelled,
    render_failed,
    render_rejected,
    render_succeeded,
    render_withdrawn,
    share_created,
    share_rejected,
    share_revoked,
)
from tests.helpers import (
    LEASE_OVER,
    Elsewhere,
    Holding,
    Killed,
    connected,
    killed,
    settle,
    until,
    work,
)
from tests.reconcile.helpers import locks_rows, logged
from tests.reconcile.resources import MAIL
from tests.seams import after_claiming, after_committing, claimed, passing


@pytest.fixture
def heard():
    """Connect receivers for one test, and note what each of them hears."""
    notes: list[tuple] = []
    connected = []

    def listen(signal, name="one", fail=lambda: None):
        def receiver(sender, instance, previous_status, change, **kwargs):
            fail()
            notes.append((name, sender.__name__, previous_status, change.to_status))

        receiver.__qualname__ = name
        signal.connect(receiver, weak=False)
        connected.append((signal, receiver))
        return notes

    yield listen
    for signal, receiver in connected:
        signal.disconnect(receiver)


def raises(times: int, error: type[BaseException] = LookupError):
    left = [times]

    def fail():
        if left[0]:
            left[0] -= 1
            raise error("not now")

    return fail


def ask() -> Render:
    return Render.objects.request("invoice", {}, key="i-1")


def test_each_end_of_a_document_is_announced(craftkit, heard):
    for signal in (render_succeeded, render_failed, render_rejected):
        notes = heard(signal)
    ask()
    craftkit.run()
    craftkit.sandbox.faults.add("render_failed")
    Render.objects.request("invoice", {}, key="i-2")
    craftkit.run()
    craftkit.sandbox.put_template("receipt", manifest=None)
    Render.objects.request("receipt", {}, key="i-3")
    craftkit.run()
    assert notes == [
        ("one", "Render", "queued", "succeeded"),
        ("one", "Render", "queued", "failed"),
        ("one", "Render", "pending", "rejected"),
    ]


def test_a_links_beginning_and_end_are_announced(craftkit, heard):
    heard(share_created)
    notes = heard(share_revoked, "other")
    share = ask().share()
    craftkit.run()
    share.revoke()
    craftkit.run()
    assert notes == [("one", "Share", "pending", "active"), ("other", "Share", "active", "revoked")]


def test_a_link_that_is_refused_is_announced(craftkit, heard):
    for signal in (share_created, email_failed, email_sent):
        heard(signal)
    notes = heard(share_rejected)
    render = ask()
    craftkit.run()
    share = render.share()
    craftkit.sandbox.faults.add("status", status=400, code="invalid_request", path="*/shares")
    craftkit.run()
    assert notes == [("one", "Share", "pending", "rejected")]
    share.retry()
    settle(craftkit)
    assert notes[1:] == [("one", "Share", "pending", "active")]


def mail(craftkit) -> Share:
    render = ask()
    craftkit.run()
    return render.email("ada@example.com")


@pytest.mark.parametrize("code", ["email_send_failed", "invalid_request"])
def test_a_mail_that_is_refused_is_announced_and_that_it_was_sent_after_all(craftkit, heard, code):
    for signal in (share_created, share_rejected):
        heard(signal)
    heard(email_sent)
    notes = heard(email_failed)
    share = mail(craftkit)
    status = 502 if code == "email_send_failed" else 400
    craftkit.sandbox.faults.add("status", status=status, code=code, **MAIL.post)
    settle(craftkit)
    assert notes == [("one", "Share", "pending", "rejected")]
    share.refresh_from_db()
    share.retry()
    settle(craftkit)
    assert notes[1:] == [("one", "Share", "pending", "active")]


def test_a_mail_whose_answer_was_lost_is_announced_once_that_is_read_back(craftkit, heard):
    heard(email_failed)
    notes = heard(email_sent)
    mail(craftkit)
    craftkit.sandbox.faults.add("cut_after", **MAIL.post)
    settle(craftkit)
    assert notes == [("one", "Share", "unknown", "active")]


def test_a_mail_whose_link_is_revoked_before_it_is_read_back_was_sent_first(craftkit, heard):
    heard(share_revoked)
    notes = heard(email_sent)
    share = mail(craftkit)
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.run()
    share.refresh_from_db()
    get_client().shares.revoke(share.render.remote_id, share.remote_id)
    notes.clear()
    Share.objects.update(status="unknown", remote_id=None, mailed_at=None)
    share.refresh()
    settle(craftkit)
    assert notes == [
        ("one", "Share", "unknown", "active"),
        ("one", "Share", "active", "revoked"),
    ]


def test_a_mail_that_nobody_knows_the_fate_of_is_not_said_to_have_failed(craftkit, heard):
    for signal in (email_failed, share_created):
        heard(signal)
    notes = heard(email_sent)
    share = mail(craftkit)
    settle(craftkit)
    notes.clear()
    Share.objects.update(
        status="unknown", error_code=ErrorCode.MAIL_UNPROVEN, mailed_at=None, remote_id=None
    )
    share.refresh_from_db()
    assert share.retry()
    assert notes == []
    settle(craftkit)
    assert notes == [("one", "Share", "pending", "active")]


def test_a_document_that_is_withdrawn_before_it_was_sent_is_cancelled_too(craftkit, heard):
    heard(render_withdrawn)
    notes = heard(render_cancelled)
    render = ask()
    assert render.withdraw()
    assert not render.withdraw()
    settle(craftkit)
    assert notes == [
        ("one", "Render", "pending", "withdrawn"),
        ("one", "Render", "pending", "cancelled"),
    ]


def test_a_document_that_is_withdrawn_once_it_is_ready_stays_so(craftkit, heard, django_user_model):
    heard(render_cancelled)
    notes = heard(render_withdrawn)
    render = ask()
    craftkit.run()
    person = django_user_model.objects.create(username="ada")
    at_once_two = [Render.objects.get(), Render.objects.get()]
    assert [one.withdraw(user=person) for one in at_once_two] == [True, False]
    settle(craftkit)
    assert notes == [("one", "Render", "succeeded", "withdrawn")]
    change = Change.objects.get(to_status="withdrawn")
    assert (change.person, change.cause, change.object_id) == (person, "asked", render.pk)


def test_a_withdrawal_that_is_rolled_back_is_none(craftkit, heard):
    notes = heard(render_withdrawn)
    render = ask()
    craftkit.run()
    with transaction.atomic():
        render.withdraw()
        transaction.set_rollback(True)
    settle(craftkit)
    assert notes == []
    assert not Change.objects.filter(to_status="withdrawn").exists()


def test_another_attempt_can_be_withdrawn_again(craftkit, heard):
    notes = heard(render_withdrawn)
    render = ask()
    for attempt in (1, 2):
        assert render.withdraw()
        settle(craftkit)
        assert len(notes) == attempt
        render.refresh_from_db()
        render.retry()


def test_a_document_that_craftkit_cancels_is_announced(craftkit, heard, monkeypatch):
    notes = heard(render_cancelled)
    craftkit.sandbox.render_time = None
    ask()
    work()
    monkeypatch.setattr(SandboxRender, "status", "cancelled")
    settle(craftkit)
    assert notes == [("one", "Render", "queued", "cancelled")]


@pytest.mark.parametrize("act", ["withdraw", "confirm"])
def test_what_a_person_does_is_due_to_nobody_where_nobody_listens(craftkit, act):
    share = mail(craftkit)
    craftkit.run()
    if act == "confirm":
        Share.objects.update(status="unknown", error_code=ErrorCode.MAIL_UNPROVEN)
        assert share.confirm_mailed()
    else:
        assert share.render.withdraw()
    signals = ("render_withdrawn", "email_sent", "share_revoked")
    told = Change.objects.filter(signal__in=signals).values_list("announcement", flat=True)
    assert set(told) == {""}


def test_a_receiver_that_raises_is_called_again_alone(craftkit, heard, caplog):
    heard(render_succeeded, "good")
    notes = heard(render_succeeded, "bad", raises(2))
    ask()
    settle(craftkit)
    assert [note[0] for note in notes] == ["good", "bad"]
    assert Render.objects.get().status == "succeeded", "the mirror is not undone"
    change = Change.objects.get(to_status="succeeded")
    assert (change.announcement, change.receivers) == ("done", {})
    lines = logged(caplog, "reconcile.announcements")
    assert [level for level, _args in lines] == ["ERROR"] * 2


def test_a_receiver_that_breaks_the_database_harms_nothing(craftkit, heard):
    def fail():
        if not notes:
            with connection.cursor() as cursor:
                cursor.execute("SELECT * FROM no_such_table")

    notes = heard(render_succeeded, "good")
    heard(render_succeeded, "bad", fail)
    ask()
    settle(craftkit)
    assert sorted(note[0] for note in notes) == ["bad", "good"]


def test_a_receiver_that_is_stuck_hears_nothing_out_of_order(craftkit, heard):
    heard(share_created, "stuck", raises(3))
    notes = heard(share_revoked, "stuck")
    heard(share_revoked, "free")
    share = ask().share()
    craftkit.run()
    share.revoke()
    craftkit.run()
    assert [note[0] for note in notes] == ["free"]
    settle(craftkit)
    assert [(note[0], note[3]) for note in notes] == [
        ("free", "revoked"),
        ("stuck", "active"),
        ("stuck", "revoked"),
    ]


def test_a_receiver_that_never_succeeds_is_given_up_and_shown(craftkit, heard, caplog):
    notes = heard(render_succeeded, "bad", raises(99))
    heard(render_succeeded, "good")
    ask()
    settle(craftkit, minutes=240)
    change = Change.objects.get(to_status="succeeded")
    assert change.announcement == "abandoned"
    (entry,) = change.receivers.values()
    assert entry["attempts"] == announcements.MAX_ATTEMPTS
    assert "not now" in entry["error"]
    lines = logged(caplog, "reconcile.announcements")
    assert [level for level, _args in lines] == ["ERROR"] * (announcements.MAX_ATTEMPTS + 1)
    assert [note[0] for note in notes] == ["good"]


def test_an_announcement_that_a_crash_cut_short_is_made_again(craftkit, heard):
    notes = heard(render_succeeded)
    heard(render_succeeded, "dies", raises(1, Killed))
    ask()
    with pytest.raises(Killed):
        craftkit.run()
    craftkit.pass_time(300)
    settle(craftkit)
    assert [note[0] for note in notes] == ["one", "one", "dies"], "at least once"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("late", ["fails", "succeeds"])
def test_who_lost_the_lease_in_a_receiver_changes_nothing_that_another_has_noted(
    craftkit, heard, late
):
    """The other's receiver does what the late one's doesn't."""
    told: list[str] = []

    def receiver(change, **kwargs):
        told.append(change.to_status)
        call = len(told)
        if call == 1:
            craftkit.pass_time(LEASE_OVER)
            work()
        if call == (1 if late == "fails" else 2):
            raise LookupError("not now")

    ask()
    settle(craftkit)
    change = Change.objects.filter(to_status="succeeded")
    change.update(announcement="due", receivers=None)
    # What comes next is the other's as well.
    later = change.get()
    later.pk, later.to_status = None, "later"
    later.save()
    Job.objects.schedule("announce render", [later.object_id])
    with connected(receiver, render_succeeded):
        work()
        noted = list(Change.objects.filter(receivers__isnull=False).order_by("pk"))
        by_other = ["succeeded", "later"] if late == "fails" else ["succeeded"]
        assert told == ["succeeded", *by_other]
        assert {row.announcement for row in noted} == ({"done"} if late == "fails" else {"due"})
        assert Job.objects.exists() == (late == "succeeds")
        settle(craftkit)
    assert not Change.objects.filter(announcement="due").exists()
    assert told[-1] == "later"


def test_where_nobody_listens_nothing_is_announced(craftkit):
    share = Render.objects.request("receipt", {}).share()
    craftkit.run()
    share.revoke()
    craftkit.run()
    assert set(Change.objects.filter(kind="share").values_list("announcement")) == {("",)}


def test_a_wrong_key_does_not_hold_signals_back(craftkit, heard):
    notes = heard(render_succeeded)
    ask()
    craftkit.run()
    Change.objects.filter(to_status="succeeded").update(announcement="due", receivers=None)
    craftkit.sandbox.revoke_key("ck_test_default")
    Render.objects.request("invoice", {}, key="i-2")
    craftkit.run()
    change = Change.objects.filter(to_status="succeeded").get()
    Job.objects.schedule("announce render", [change.object_id])
    craftkit.run()
    assert len(notes) == 2


def test_receivers_see_the_row_as_it_is_in_the_database(craftkit):
    seen = []

    def receiver(instance, **kwargs):
        seen.append((instance.status, instance.share(key="guest").status))

    with connected(receiver, render_succeeded):
        ask()
        craftkit.run()
    assert seen == [("succeeded", "pending")]
    assert Share.objects.get().status == "active"


def test_slow_receivers_do_not_outlast_the_lease_of_a_handful(
    craftkit, heard, settings, monkeypatch
):
    settings.CRAFTKIT = {"LEASE": 1}
    let_pass = passing(monkeypatch)
    notes = heard(render_succeeded, "slow", lambda: let_pass(0.3))
    for number in range(3):
        Render.objects.request("invoice", {}, key=f"i-{number}")
    settle(craftkit)
    assert len(notes) == 3, "each heard once, though all were claimed together"


def test_a_receiver_that_ends_its_workers_takes_no_other_document_with_it(craftkit, heard):
    notes = heard(render_succeeded)

    def deadly(instance, **kwargs):
        if instance.key == "i-1":
            raise Killed

    with connected(deadly, render_succeeded):
        for number in range(4):
            Render.objects.request("invoice", {}, key=f"i-{number}")
        for _ in range(12):
            with contextlib.suppress(Killed):
                craftkit.run()
            craftkit.pass_time(LEASE_OVER)
    told = Change.objects.filter(announcement="done").values_list("object_id", flat=True)
    keys = Render.objects.filter(pk__in=told).values_list("key", flat=True)
    assert sorted(keys) == ["i-0", "i-2", "i-3"]
    assert Job.objects.quarantined().count() == 1
    assert notes


def test_what_webhooks_tell_is_announced_by_whoever_applies_them(craftkit, heard, monkeypatch):
    """It has its job leased with the commit, and nobody claims one."""
    notes = heard(render_succeeded)
    jobs = claimed(monkeypatch, Job)
    ask()
    with CaptureQueriesContext(connection) as queries:
        craftkit.run()
    # Others can't tell which jobs were there before: what these are about is read.
    if connection.vendor == "postgresql":
        sqls = [one["sql"] for one in queries]
        assert not [sql for sql in sqls if sql.startswith('SELECT "craftkit_change".')]
    assert [note[3] for note in notes] == ["succeeded"]
    assert Change.objects.get(to_status="succeeded").cause == "webhook"
    assert jobs
    assert "announce render" not in {job.kind for job in jobs}
    assert not Job.objects.exists()


def test_a_worker_that_ends_with_the_commit_of_webhooks_leaves_what_they_tell_to_another(
    craftkit, heard, monkeypatch
):
    notes = heard(render_succeeded)
    after_committing(monkeypatch, Change, killed, verb="INSERT", saying="succeeded")
    ask()
    with pytest.raises(Killed):
        craftkit.run()
    assert Change.objects.get(to_status="succeeded").announcement == "due"
    craftkit.run()
    assert not notes, "leased until its lease is over"
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert [note[3] for note in notes] == ["succeeded"]


@pytest.mark.django_db(transaction=True)
def test_what_happens_before_a_webhook_is_announced_is_announced_after_it(
    craftkit, heard, monkeypatch
):
    heard(render_withdrawn)
    notes = heard(render_succeeded)

    def withdraw():
        Render.objects.get().withdraw()

    after_committing(monkeypatch, Change, withdraw, verb="INSERT", saying="succeeded")
    ask()
    settle(craftkit)
    assert [note[3] for note in notes] == ["succeeded", "withdrawn"]
    assert not Change.objects.filter(announcement="due").exists()


def test_what_is_told_of_an_object_that_waits_for_a_receiver_waits_too(craftkit, heard):
    """Its job was there before: whoever applies the webhook has not leased it."""
    notes = heard(render_succeeded)
    render = ask()
    change = Change(kind="render", object_id=render.pk, to_status="before")
    change.signal, change.announcement = render_succeeded.name, "due"
    change.save()
    Job.objects.schedule("announce render", [render.pk])
    (job,) = Job.objects.filter(kind="announce render")
    Job.objects.filter(pk=job.pk).update(
        due_at=clock.now(), leased_until=clock.now() + timedelta(seconds=60), lease_token=uuid4()
    )
    craftkit.run()
    assert Render.objects.get().status == "succeeded"
    assert not notes
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert [note[3] for note in notes] == ["before", "succeeded"]


@locks_rows
@pytest.mark.django_db(transaction=True)
def test_who_has_the_job_of_an_announcement_locked_holds_up_no_other(craftkit, heard, monkeypatch):
    notes = heard(render_succeeded)
    renders = [Render.objects.request("invoice", {}, key=f"i-{number}") for number in range(3)]
    settle(craftkit)
    del notes[:]
    Change.objects.filter(to_status="succeeded").update(announcement="due", receivers=None)
    Job.objects.schedule("announce render", [render.pk for render in renders])
    someone = Holding(lambda: Job.objects.select_for_update().get(object_id=renders[0].pk))
    after_claiming(monkeypatch, Job, someone.begin)
    worker = Elsewhere(Loop(threads=8, wake=None).run)
    until(lambda: Change.objects.filter(announcement="done").count() == 2)
    someone.end()
    worker.wait()
    settle(craftkit)
    assert len(notes) == 3, "each once"


def test_a_receiver_reads_the_data_of_a_document_when_it_asks_for_them(
    craftkit, django_assert_num_queries
):
    seen = []

    def receiver(instance, **kwargs):
        with django_assert_num_queries(0):
            assert (instance.key, instance.status) == ("i-1", "succeeded")
            assert instance.get_deferred_fields() == {"data"}
        with django_assert_num_queries(1):
            seen.append(instance.data)

    with connected(receiver, render_succeeded):
        Render.objects.request("invoice", {"number": "7"}, key="i-1")
        craftkit.run()
    assert seen == [{"number": "7"}]
