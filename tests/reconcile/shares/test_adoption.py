"""Every link that Craftkit has, has one row here, so that it can be revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from django_craftkit.models import Change, Job, Share
from django_craftkit.models.arguments import LATEST
from tests.helpers import LEASE_OVER, at_once, elsewhere, settle, work
from tests.reconcile.resources import LINK, LIST_SHARES
from tests.seams import after_sending, before_sending, take_step


def rows() -> list[str]:
    """The links that there are rows for."""
    return sorted(str(remote_id) for remote_id in Share.objects.values_list("remote_id", flat=True))


def links(craftkit, *, open_only: bool = False) -> list[str]:
    """The links that Craftkit has."""
    return sorted(link.id for link in craftkit.shares if not (open_only and link.revoked))


def deaf(craftkit) -> None:
    craftkit.sandbox.faults.add("webhook_dropped", event="document.*", times=None)


def test_a_link_from_the_dashboard_gets_a_row_when_its_webhook_comes(craftkit, ready, dashboard):
    expires_at = timezone.now().replace(microsecond=0) + timedelta(days=1)
    made = dashboard.shares.create(
        ready.remote_id,
        channel="email",
        recipient_email="ada@example.com",
        message="Hi.",
        expires_at=expires_at,
    )
    settle(craftkit)
    share = Share.objects.get()
    assert (share.remote_id, share.url, share.render) == (made.id, made.url, ready)
    assert (share.channel, share.recipient_email) == ("email", "ada@example.com")
    assert (share.message, share.expires_at) == ("Hi.", expires_at)
    assert (share.status, share.is_found, share.by_mail) == ("active", True, False)
    assert share.requested_at == made.created_at
    change = Change.objects.get(kind="share")
    assert (change.from_status, change.to_status, change.cause) == ("", "active", "read back")


def test_a_link_from_the_dashboard_gets_a_row_when_the_document_is_refreshed(
    craftkit, ready, dashboard
):
    deaf(craftkit)
    dashboard.shares.create(ready.remote_id)
    craftkit.run()
    assert rows() == []
    ready.refresh()
    craftkit.run()
    assert rows() == links(craftkit)
    ready.refresh()
    craftkit.run()
    assert len(rows()) == 1
    assert not Job.objects.exists()


def test_a_link_that_somebody_opens_gets_a_row(craftkit, ready, dashboard):
    """Its own webhook never came."""
    deaf(craftkit)
    dashboard.shares.create(ready.remote_id)
    craftkit.run()
    craftkit.sandbox.faults.clear()
    craftkit.open(craftkit.shares[0])
    settle(craftkit)
    share = Share.objects.get()
    assert (share.is_found, share.click_count) == (True, 1)


@pytest.mark.parametrize("fault", ["cut_after", "cut_before"])
def test_a_link_from_the_dashboard_gets_a_row_when_a_lost_one_is_read_back(
    craftkit, ready, dashboard, fault
):
    deaf(craftkit)
    dashboard.shares.create(ready.remote_id, message="theirs")
    craftkit.sandbox.faults.add(fault, **LINK.post)
    ready.share(message="ours")
    settle(craftkit)
    assert rows() == links(craftkit)
    assert sorted(Share.objects.values_list("message", flat=True)) == ["ours", "theirs"]


def test_a_link_that_was_revoked_there_gets_a_row_that_says_so(craftkit, ready, dashboard):
    deaf(craftkit)
    made = dashboard.shares.create(ready.remote_id)
    ended = dashboard.shares.revoke(ready.remote_id, made.id)
    ready.refresh()
    craftkit.run()
    share = Share.objects.get()
    assert (share.status, share.revoked_at) == ("revoked", ended.revoked_at)
    assert not Job.objects.exists()


def test_a_link_that_was_found_can_be_revoked(craftkit, ready, dashboard):
    dashboard.shares.create(ready.remote_id)
    settle(craftkit)
    assert Share.objects.get().revoke()
    settle(craftkit)
    assert Share.objects.get().status == "revoked"
    assert links(craftkit, open_only=True) == []


def test_a_link_to_a_withdrawn_document_is_revoked_at_once(craftkit, ready, dashboard):
    ready.withdraw()
    settle(craftkit)
    dashboard.shares.create(ready.remote_id)
    settle(craftkit)
    share = Share.objects.get()
    assert (share.status, share.is_found) == ("revoked", True)
    assert links(craftkit, open_only=True) == []


def test_none_is_adopted_while_one_of_the_same_document_is_being_sent(
    craftkit, ready, dashboard, monkeypatch
):
    """It may be that one: its answer is on its way, or was lost."""
    deaf(craftkit)
    dashboard.shares.create(ready.remote_id, message="theirs")
    craftkit.sandbox.faults.add("cut_after", **LINK.post)
    ours = ready.share(message="ours")
    craftkit.sandbox.faults.add("status", status=500, times=1, **LIST_SHARES)
    work()
    ours.refresh_from_db()
    assert ours.status == "unknown"
    Job.objects.filter(kind="share").update(due_at=timezone.now() + timedelta(hours=1))
    ready.refresh()
    craftkit.run()
    assert Share.objects.get() == ours
    craftkit.pass_time(3600)
    settle(craftkit)
    assert rows() == links(craftkit)
    ours.refresh_from_db()
    assert (ours.status, ours.is_found) == ("active", False)


@pytest.mark.django_db(transaction=True)
def test_our_own_link_whose_webhook_is_faster_than_its_answer_has_one_row(
    craftkit, ready, monkeypatch
):
    share = ready.share()

    def be_faster():
        craftkit.deliver()
        elsewhere(work)
        craftkit.pass_time(6)
        elsewhere(work)
        assert Share.objects.count() == 1

    after_sending(monkeypatch, "/shares", be_faster)
    work()
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, share.is_found) == ("active", False)
    assert rows() == links(craftkit)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sent", ["share", "email"])
def test_our_own_link_that_is_listed_before_its_answer_comes_has_one_row(
    craftkit, ready, monkeypatch, sent
):
    """The list was read while the link was being made; it is heard when the answer has been."""
    deaf(craftkit)
    ready.refresh()
    share = ready.share() if sent == "share" else ready.email("ada@example.com")
    Job.objects.filter(kind="engagement").update(due_at=timezone.now() - timedelta(hours=1))
    Job.objects.filter(kind=sent).update(due_at=timezone.now() + timedelta(hours=1))

    def make_it():
        craftkit.pass_time(3601)
        elsewhere(work)

    before_sending(monkeypatch, "/shares", make_it, method="GET")
    work()
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, share.is_found) == ("active", False)
    assert rows() == links(craftkit)


@pytest.mark.django_db(transaction=True)
def test_several_that_find_the_same_links_at_once_adopt_each_once(craftkit, ready, dashboard):
    deaf(craftkit)
    for number in range(5):
        dashboard.shares.create(ready.remote_id, message=str(number))
    job = Job(kind="engagement", object_id=ready.pk, project="default")
    errors = at_once(*[lambda: take_step(job)] * 4)
    assert errors == [None] * 4
    assert rows() == links(craftkit)
    assert Change.objects.filter(kind="share").count() == 5


@pytest.mark.django_db(transaction=True)
def test_links_are_made_and_adopted_at_the_same_time(craftkit, ready, dashboard):
    deaf(craftkit)
    theirs = [dashboard.shares.create(ready.remote_id).id for _ in range(3)]
    ours = [ready.share(message=str(number)) for number in range(6)]
    ready.refresh()
    errors = at_once(*[work] * 3)
    assert errors == [None] * 3
    settle(craftkit)
    assert rows() == links(craftkit)
    found = {share.remote_id for share in Share.objects.all() if share.is_found}
    assert found == set(theirs)
    for share in ours:
        share.refresh_from_db()
        assert share.status == "active"


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_comes_too_late_and_a_refresh_find_one_link_once(
    craftkit, ready, monkeypatch
):
    """The request was given up; both the late answer and the list tell of the link."""
    share = ready.share()

    def give_up():
        Share.objects.get().revoke()
        for _ in range(2):
            craftkit.pass_time(LEASE_OVER)
            elsewhere(work)

    def find_it():
        ready.refresh()
        elsewhere(work)

    after_sending(monkeypatch, "/shares", find_it)
    before_sending(monkeypatch, "/shares", give_up)
    work()
    settle(craftkit)
    share.refresh_from_db()
    assert share.status == "revoked"
    assert links(craftkit, open_only=True) == []
    assert links(craftkit) == [one for one in rows() if one != "None"]


def test_what_is_odd_about_a_found_link_is_kept_or_cut(craftkit, ready, dashboard, monkeypatch):
    dashboard.shares.create(ready.remote_id)
    link = craftkit.sandbox.shares[0]
    link.channel, link.recipient_email = "telegram-channel", "a" * 300 + "@example.com"
    link.message = "no \0 ink" + "x" * 5000
    settle(craftkit)
    share = Share.objects.get()
    assert (share.channel, share.status) == ("telegram", "active")
    assert len(share.recipient_email) == 254
    assert share.message.startswith("no  ink")
    assert share.revoke()
    settle(craftkit)
    assert link.revoked


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("expires_at", [datetime(9999, 12, 31, 23, 59, tzinfo=UTC), None])
def test_a_found_link_that_never_ends_can_be_shown_everywhere(
    craftkit, ready, dashboard, zone, expires_at
):
    dashboard.shares.create(ready.remote_id, expires_at=expires_at)
    settle(craftkit)
    share = Share.objects.get()
    assert share.is_open
    with timezone.override(zone):
        assert (share.expires_at and timezone.localtime(share.expires_at)) == (
            expires_at and LATEST
        )


def test_a_found_link_is_handed_out_to_nobody_else(craftkit, ready, dashboard):
    """Whom it was made for is known to whoever made it."""
    dashboard.shares.create(ready.remote_id)
    settle(craftkit)
    assert Share.objects.get().is_open
    assert not Share.objects.to_hand_out().exists()


def test_a_colleagues_mail_is_left_open_though_newer_events_hide_that_it_was_sent(
    craftkit, ready, dashboard
):
    craftkit.sandbox.faults.add("status", path="*/email", status=502, code="email_send_failed")
    ready.email("ada@example.com", message="Hi.")
    settle(craftkit)
    dashboard.emails.send(ready.remote_id, "ada@example.com", message="Hi.")
    craftkit.deliver()
    Share.objects.filter(key__startswith="found").delete()
    for number in range(30):
        craftkit.open(craftkit.outbox[0], ip=f"203.0.113.{number}")
    ready.refresh()
    settle(craftkit)
    assert [link.revoked for link in craftkit.shares] == [False]
