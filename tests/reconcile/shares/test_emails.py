"""One e-mail for one request, whatever goes wrong, and none that may have gone out sent again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone

from django_craftkit.models import (
    Change,
    EngagementEvent,
    Job,
    KeyConflict,
    ProjectState,
    Render,
    Share,
)
from django_craftkit.signals import email_sent
from tests.helpers import LEASE_OVER, Killed, connected, settle, work
from tests.reconcile.resources import LIST_SHARES, MAIL, TO, mail, open_there
from tests.seams import (
    after_sending,
    before_writing,
    carry_out,
    when_waiting,
)

POST = MAIL.post
ENGAGEMENT = {"method": "GET", "path": "/v1/renders/*/engagement"}


@pytest.fixture
def unproven(craftkit, ready, silent) -> Share:
    """A mail whose link is there, and nothing that says whether it was sent."""
    craftkit.sandbox.faults.add("email_send_failed")
    # Craftkit made the link and fell over: its refusal is lost too.
    craftkit.sandbox.faults.add("cut_after", **POST)
    share = mail(ready)
    settle(craftkit)
    craftkit.sandbox.faults.clear()
    share.refresh_from_db()
    return share


def test_a_mail_holds_what_was_asked_for(craftkit, ready, django_user_model):
    person = django_user_model.objects.create(username="bob")
    expires_at = timezone.now() + timedelta(days=7)
    share = mail(ready, recipient_name="Ada", expires_at=expires_at, user=person)
    craftkit.run()
    share.refresh_from_db()
    (sent,) = craftkit.outbox
    assert (sent.to, sent.recipient_name, sent.message) == (TO, "Ada", "Here you are.")
    assert abs(sent.share.expires_at - expires_at) < timedelta(milliseconds=1)
    assert (share.status, share.url, share.error) == ("active", sent.share.url, "")
    assert (str(share.remote_id), share.requested_by) == (sent.share.id, person)
    assert share.mailed_at is not None
    assert share.answer["emailMessageId"] == sent.id
    assert not Job.objects.exists()


def test_a_mail_whose_answer_was_lost_is_proven_by_its_link_and_its_event(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_after", **POST)
    share = mail(ready)
    work()
    share.refresh_from_db()
    (sent,) = craftkit.outbox
    assert (share.status, str(share.remote_id)) == ("active", sent.share.id)
    assert abs(share.mailed_at - sent.sent_at) < timedelta(milliseconds=1)
    assert not Job.objects.exists()


def test_a_mail_that_was_lost_on_its_way_is_sent_again_once_after_a_lease(craftkit, ready):
    craftkit.sandbox.faults.add("cut_before", **POST)
    share = mail(ready)
    craftkit.run()
    craftkit.pass_time(60)
    craftkit.run()
    share.refresh_from_db()
    assert (share.status, craftkit.outbox) == ("unknown", [])
    settle(craftkit)
    share.refresh_from_db()
    assert share.status == "active"
    assert (MAIL.posts(craftkit), len(craftkit.outbox)) == (2, 1)


def test_a_link_without_a_word_of_its_mail_waits_for_a_person(craftkit, unproven):
    assert (unproven.status, unproven.error_code) == ("unknown", "mail_unproven")
    assert unproven.is_unsettled
    assert unproven.error == "mail_not_recorded"
    assert list(Share.objects.unsettled()) == [unproven]
    assert str(unproven.remote_id) == craftkit.shares[0].id
    assert not unproven.is_open
    asked = MAIL.posts(craftkit)
    for _ in range(10):
        craftkit.pass_time(3600)
        craftkit.run()
    assert MAIL.posts(craftkit) == asked, "it is never sent again by itself"
    assert not Job.objects.exists()


def test_what_waits_for_a_person_stays_so_when_the_document_is_refreshed(craftkit, unproven):
    unproven.render.refresh()
    settle(craftkit)
    assert Share.objects.get().is_unsettled


def test_a_person_says_that_it_has_come(craftkit, unproven, django_user_model):
    person = django_user_model.objects.create(username="bob")
    heard = []

    def listen(instance, previous_status, **kwargs):
        heard.append((previous_status, instance.status))

    with connected(listen, email_sent):
        assert unproven.confirm_mailed(user=person)
        assert not unproven.confirm_mailed()
        settle(craftkit)
    assert (unproven.status, unproven.error, unproven.error_code) == ("active", "", "")
    assert unproven.mailed_at == unproven.sending_since
    assert (unproven.is_open, craftkit.outbox) == (True, [])
    change = Change.objects.filter(kind="share").last()
    assert (change.to_status, change.person, change.cause) == ("active", person, "asked")
    assert heard == [("unknown", "active")]


def test_a_person_has_it_sent_again_and_the_link_that_may_have_gone_out_is_revoked(
    craftkit, unproven, django_user_model
):
    person = django_user_model.objects.create(username="bob")
    before = unproven.remote_id
    assert unproven.retry(user=person)
    assert not unproven.retry(), "a double click sends it once"
    settle(craftkit)
    unproven.refresh_from_db()
    (sent,) = craftkit.outbox
    assert (unproven.status, str(unproven.remote_id)) == ("active", sent.share.id)
    left = Share.objects.get(remote_id=before)
    assert left != unproven
    assert (left.status, left.is_found, left.revoke_requested_by) == ("revoked", True, person)
    assert open_there(craftkit) == [sent.share.id]


def test_a_retry_whose_answer_is_lost_takes_its_own_link_and_not_the_old_one(craftkit, unproven):
    craftkit.sandbox.faults.add("cut_after", **POST)
    unproven.retry()
    settle(craftkit)
    unproven.refresh_from_db()
    (sent,) = craftkit.outbox
    assert str(unproven.remote_id) == sent.share.id
    assert open_there(craftkit) == [sent.share.id]


def test_what_a_person_would_decide_can_be_told_by_a_late_webhook(craftkit, ready):
    """The mail had gone out; its event was slow to reach the engagement that was read."""
    craftkit.sandbox.faults.add("webhook_delayed", seconds=1800, event="document.*", times=None)
    craftkit.sandbox.faults.add("cut_after", **POST)
    body = {"counts": {}, "linkOpens": 0, "total": 0, "recent": []}
    craftkit.sandbox.faults.add(
        "status", status=200, body=json.dumps(body), times=None, **ENGAGEMENT
    )
    share = mail(ready)
    settle(craftkit, minutes=10)
    share.refresh_from_db()
    assert share.is_unsettled
    craftkit.pass_time(1800)
    craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.error, share.error_code) == ("active", "", "")
    assert share.mailed_at is not None
    assert MAIL.posts(craftkit) == 1


def test_a_webhook_of_the_mail_settles_it_before_the_lease_is_over(craftkit, ready):
    craftkit.sandbox.faults.add("cut_after", **POST)
    craftkit.sandbox.faults.add("status", status=500, times=1, **LIST_SHARES)
    share = mail(ready)
    craftkit.run()
    share.refresh_from_db()
    assert share.status == "active"
    assert MAIL.posts(craftkit) == 1


def test_an_unproven_mail_that_is_revoked(craftkit, unproven):
    assert unproven.revoke()
    assert not unproven.retry(), "nobody wants it any more"
    settle(craftkit)
    unproven.refresh_from_db()
    assert unproven.status == "revoked"
    assert open_there(craftkit) == []


def test_a_document_that_craftkit_does_not_know_rejects_its_mail(craftkit, ready):
    craftkit.sandbox.faults.add("status", status=404, code="not_found", **POST)
    share = mail(ready)
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, share.error_code) == ("rejected", "not_found")


@pytest.mark.parametrize("remains", [True, False], ids=["with a link", "without"])
def test_a_mail_that_the_provider_did_not_take_is_rejected_and_its_link_revoked(
    craftkit, ready, remains
):
    if remains:
        craftkit.sandbox.faults.add("email_send_failed", message="Mailbox unknown.")
    else:
        craftkit.sandbox.faults.add(
            "status", status=502, code="email_send_failed", message="Mailbox unknown.", **POST
        )
    share = mail(ready)
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, share.error_code) == ("rejected", "email_send_failed")
    assert share.error == "Mailbox unknown."
    assert (craftkit.outbox, open_there(craftkit)) == ([], [])
    assert Share.objects.exclude(pk=share.pk).count() == len(craftkit.shares) == int(remains)

    assert share.retry()
    settle(craftkit)
    share.refresh_from_db()
    (sent,) = craftkit.outbox
    assert (share.status, share.error, str(share.remote_id)) == ("active", "", sent.share.id)
    assert open_there(craftkit) == [sent.share.id]


def test_what_a_colleague_mails_from_the_dashboard_instead_stays_open(craftkit, ready, dashboard):
    """The same words to the same person, after ours was not taken."""
    craftkit.sandbox.faults.add("email_send_failed")
    mail(ready)
    settle(craftkit)
    theirs = dashboard.emails.send(ready.remote_id, TO, message="Here you are.")
    settle(craftkit)
    ready.refresh()
    settle(craftkit)
    assert open_there(craftkit) == [str(theirs.id)]
    assert Share.objects.get(remote_id=theirs.id).is_open


def test_while_no_mail_can_be_sent_all_else_goes_on(craftkit, ready):
    craftkit.sandbox.project("default").email_configured = False
    mails = [mail(ready, key=str(number)) for number in range(3)]
    craftkit.run()
    state = ProjectState.objects.paused().get()
    assert (state.capability, state.pause_code) == ("email", "email_not_configured")
    assert MAIL.posts(craftkit) == 1, "one says it for all"

    link = ready.share()
    other = Render.objects.request("invoice", {}, key="i-2")
    craftkit.run()
    for row, status in ((link, "active"), (other, "succeeded")):
        row.refresh_from_db()
        assert row.status == status
    assert list(Render.objects.waiting()) == []
    assert ProjectState.objects.paused().get() == state, "others' success says nothing of mails"

    craftkit.sandbox.project("default").email_configured = True
    craftkit.pass_time(120)
    settle(craftkit)
    assert not ProjectState.objects.paused().exists()
    assert len(craftkit.outbox) == 3
    for share in mails:
        share.refresh_from_db()
        assert (share.status, share.error) == ("active", "")


def test_waiting_for_a_document_does_not_speak_of_mails_that_cannot_be_sent(craftkit, ready):
    craftkit.sandbox.project("default").email_configured = False
    mail(ready)
    craftkit.run()
    craftkit.sandbox.render_time = None
    render = Render.objects.request("invoice", {}, key="i-2")
    with pytest.raises(TimeoutError) as raised:
        render.wait(timeout=0.1)
    assert "paused" not in str(raised.value)


def test_the_job_of_a_mail_that_is_run_again_sends_nothing(craftkit, ready):
    share = mail(ready)
    craftkit.run()
    for kind in ("email", "share"):
        Job.objects.request(kind, [share.pk], "default")
    settle(craftkit)
    assert MAIL.posts(craftkit) == 1


@pytest.mark.parametrize("nth", range(1, 13))
def test_a_worker_that_dies_at_any_write_leaves_no_mail_that_nobody_looks_after(
    craftkit, ready, silent, monkeypatch, nth
):
    """Between the lost answer and the job that settles it, too."""
    craftkit.sandbox.faults.add("cut_after", **POST)
    share = mail(ready)
    writes = []

    def write():
        writes.append(True)
        if len(writes) == nth:
            raise Killed

    for model in (Share, Job):
        before_writing(monkeypatch, model, write, times=None)
    for _ in range(3):
        try:
            work()
        except Killed:
            craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, len(craftkit.outbox)) == ("active", 1)


def test_the_same_words_to_the_same_person_are_one_mail(craftkit, ready):
    first = mail(ready)
    assert mail(ready) == first
    assert ready.email("ADA@example.com", message="Here you are.") == first
    assert ready.email(TO, message="Here you are.", recipient_name="A. Lovelace") == first
    craftkit.run()
    assert mail(ready) == first
    others = [
        ready.email("bob@example.com", message="Here you are."),
        ready.email(TO, message="Something else."),
        mail(ready, key="once more"),
    ]
    assert len({share.pk for share in [first, *others]}) == 4
    settle(craftkit)
    assert len(craftkit.outbox) == 4


def test_a_mail_to_a_person_is_handed_out_to_nobody_else(craftkit, ready):
    mail(ready)
    craftkit.run()
    assert Share.objects.get().is_open
    assert not Share.objects.to_hand_out().exists()
    page = Template("{% load craftkit %}{% craftkit_share_url about %}")
    for about in (ready, Share.objects.get()):
        assert page.render(Context({"about": about})) == ""


def test_whoever_waits_for_a_mail_waits_no_longer_than_it_takes(craftkit, ready, monkeypatch):
    """Neither for one that is being settled, nor for the end of one that is out."""
    slept = []
    when_waiting(monkeypatch, slept.append)
    craftkit.sandbox.faults.add("cut_after", **POST)
    share = mail(ready, wait=30)
    assert share.status == "active"
    share.revoke(wait=30)
    assert share.status == "revoked"
    assert sum(slept) < 2


def test_asking_for_a_mail_or_a_link_costs_few_queries_however_many_there_are(
    ready, django_assert_max_num_queries, django_assert_num_queries
):
    for number in range(10):
        ready.share()
        mail(ready, key=str(number))
    for ask in (ready.share, lambda: mail(ready)):
        with django_assert_max_num_queries(5):
            ask()
    with django_assert_num_queries(1):
        mail(ready)


def test_a_key_that_stands_for_another_mail_or_for_a_link_is_refused(craftkit, ready):
    """Whoever asks would think that it was sent."""
    ready.email(TO, key="k")
    ready.share(key="handed out")
    for said, differences in (
        ({"to": "bob@example.com"}, ("recipient_email",)),
        ({"key": "handed out"}, ("by_mail", "recipient_email")),
        ({"message": "Other words."}, ("message",)),
        ({"recipient_name": "Ada"}, ("recipient_name",)),
    ):
        with pytest.raises(KeyConflict) as refused:
            ready.email(**{"to": TO, "key": "k", **said})
        assert refused.value.differences == differences
    assert ready.email(TO, key="k", expires_at=timezone.now() + timedelta(days=7)).key == "k"
    settle(craftkit)
    assert [mail.to for mail in craftkit.outbox] == [TO]


def test_a_stored_event_proves_a_mail_that_newer_ones_hide(craftkit, ready):
    craftkit.sandbox.faults.add("cut_after", **POST)
    craftkit.sandbox.faults.add("status", status=500, times=4, **LIST_SHARES)
    share = ready.email(TO)
    craftkit.run()
    assert EngagementEvent.objects.filter(type="email_sent").count() == 1
    for number in range(30):
        craftkit.open(craftkit.outbox[0], ip=f"203.0.113.{number}")
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, share.error_code, len(craftkit.outbox)) == ("active", "", 1)


def test_a_link_from_before_the_sending_is_no_proof_of_a_mail(craftkit, ready, silent):
    """An older one of the same words, whose row was lost with a restored database."""
    ready.email(TO, message="Hi.")
    craftkit.run()
    old = craftkit.outbox[0].share.id
    Share.objects.all().delete()
    craftkit.pass_time(3600)
    craftkit.sandbox.faults.add("cut_before", **POST)
    share = ready.email(TO, message="Hi.")
    settle(craftkit)
    share.refresh_from_db()
    assert len(craftkit.outbox) == 2, "the first one was not this one"
    assert (share.status, str(share.remote_id) != old) == ("active", True)


def test_a_mail_whose_document_craftkit_has_forgotten_is_for_a_person(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_after", **POST)
    craftkit.sandbox.faults.add(
        "status", status=404, code="not_found", times=None, method="GET", path="/v1/renders/*"
    )
    share = ready.email(TO)
    craftkit.run()
    share.refresh_from_db()
    assert not share.is_unsettled, "it may be another project's key, for a moment"
    craftkit.pass_time(3600)
    craftkit.run()
    share.refresh_from_db()
    assert share.is_unsettled
    assert share.error == "document_unknown"


def test_a_mail_that_failed_and_is_sent_again_at_once_leaves_no_open_link(craftkit, ready, silent):
    craftkit.sandbox.faults.add("email_send_failed")
    share = ready.email(TO)
    carry_out("email", share.pk)
    share.refresh_from_db()
    assert (share.status, share.retry()) == ("rejected", True)
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, len(craftkit.outbox)) == ("active", 1)
    assert open_there(craftkit) == [str(share.remote_id)]


def test_a_late_mail_to_a_document_that_was_withdrawn_is_no_open_link(craftkit, ready, monkeypatch):
    share = ready.email(TO)

    def meanwhile():
        Share.objects.filter(pk=share.pk).update(status="revoked", sending_since=None)
        ready.withdraw()

    after_sending(monkeypatch, "/email", meanwhile)
    settle(craftkit)
    assert open_there(craftkit) == []
