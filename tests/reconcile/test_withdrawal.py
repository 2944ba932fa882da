"""A document that was taken back has no open link, whoever asks for one meanwhile."""

from __future__ import annotations

import contextlib

import pytest
from django.db import connection, transaction
from django.utils import timezone

from django_craftkit.models import Job, Render, RenderWithdrawn, Share
from tests.helpers import at_once, elsewhere, settle, work
from tests.seams import after_sending, before_marking_as_sent, before_sending

POST = {"method": "POST", "path": "/v1/renders/*/shares"}


def open_there(craftkit) -> list[str]:
    return [link.id for link in craftkit.shares if not link.revoked]


def test_all_links_are_revoked_and_no_new_one_can_be_asked_for(craftkit, ready, django_user_model):
    person = django_user_model.objects.create(username="ada")
    shares = [ready.share(), ready.share(), ready.email("ada@example.com")]
    craftkit.run()
    assert ready.withdraw(user=person)
    assert not ready.withdraw(), "a double click is one"
    assert not Share.objects.open().exists(), "from this moment on"
    assert (ready.withdrawn_by, ready.withdrawn_at is None) == (person, False)
    settle(craftkit)
    for share in shares:
        share.refresh_from_db()
        assert (share.status, share.revoke_requested_by) == ("revoked", person)
    assert open_there(craftkit) == []
    asked = (ready.share, lambda: ready.email("bob@example.com"))
    for ask in asked:
        with pytest.raises(RenderWithdrawn, match="withdrawn"):
            ask()
    assert Share.objects.count() == 3


def test_who_asks_for_a_link_in_vain_can_go_on_with_the_transaction(craftkit, ready):
    ready.withdraw()
    with transaction.atomic():
        with pytest.raises(RenderWithdrawn):
            ready.share()
        assert Render.objects.exists()


def test_links_that_wait_end_without_a_call(craftkit):
    craftkit.sandbox.render_time = 60.0
    render = Render.objects.request("invoice", {})
    shares = [render.share(), render.email("ada@example.com")]
    craftkit.run()
    render.withdraw()
    settle(craftkit)
    for share in shares:
        share.refresh_from_db()
        assert share.status == "revoked"
    assert [request.method for request in craftkit.sandbox.requests].count("POST") == 1
    render.refresh_from_db()
    assert render.status == "succeeded", "what was sent goes on"
    assert craftkit.shares == []


def test_a_document_that_was_not_sent_is_cancelled_and_a_retry_lifts_it(craftkit):
    render = Render.objects.request("invoice", {})
    share = render.share()
    render.withdraw()
    settle(craftkit)
    render.refresh_from_db()
    share.refresh_from_db()
    assert (render.status, share.status) == ("cancelled", "revoked")
    assert "withdrawn" in render.error
    assert craftkit.sandbox.requests == []

    assert render.retry()
    assert (render.withdrawn_at, render.withdrawn_by) == (None, None)
    again = render.share()
    settle(craftkit)
    render.refresh_from_db()
    again.refresh_from_db()
    assert (render.status, again.status) == ("succeeded", "active")
    assert open_there(craftkit) == [str(again.remote_id)]


def test_a_link_that_is_being_settled_is_revoked_when_it_is_found(craftkit, ready):
    craftkit.sandbox.faults.add("cut_after", **POST)
    share = ready.share()
    work()
    ready.withdraw()
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, open_there(craftkit)) == ("revoked", [])


def test_a_link_that_was_refused_is_not_sent_again_once_the_document_is_withdrawn(craftkit, ready):
    craftkit.sandbox.faults.add("status", status=400, code="invalid_request", **POST)
    share = ready.share()
    craftkit.run()
    ready.withdraw()
    with pytest.raises(RenderWithdrawn):
        share.retry()
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, craftkit.shares) == ("rejected", [])


def test_a_withdrawal_that_is_waited_for_is_over_when_it_returns(craftkit, ready):
    shares = [ready.share(wait=True), ready.email("ada@example.com", wait=True)]
    assert ready.withdraw(wait=5)
    assert open_there(craftkit) == []
    for share in shares:
        share.refresh_from_db()
        assert share.status == "revoked"
    craftkit.sandbox.render_time = 60.0
    other = Render.objects.request("invoice", {}, key="i-2")
    assert other.withdraw(wait=5)
    assert other.status == "cancelled"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ask", ["share", "email"])
def test_a_withdrawal_while_the_call_is_under_way(craftkit, ready, monkeypatch, ask):
    share = ready.share() if ask == "share" else ready.email("ada@example.com")
    ending = "/shares" if ask == "share" else "/email"
    after_sending(monkeypatch, ending, lambda: elsewhere(Render.objects.get().withdraw))
    work()
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, open_there(craftkit)) == ("revoked", [])


@pytest.mark.django_db(transaction=True)
def test_a_link_that_is_asked_for_while_the_document_is_withdrawn_is_never_made(craftkit, ready):
    """Neither sees the other: both are committed after both have looked."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time.")
    with transaction.atomic():
        share = ready.share()
        mail = ready.email("ada@example.com")
        withdrawal = at_once(lambda: Render.objects.get().withdraw()) if can_overtake() else None
    if withdrawal is None:
        ready.withdraw()
    settle(craftkit)
    for row in (share, mail):
        row.refresh_from_db()
        assert row.status == "revoked"
    assert (craftkit.shares, craftkit.mails) == ([], [])


def can_overtake() -> bool:
    """Whether a row can be written that an open transaction refers to."""
    return connection.features.has_select_for_no_key_update


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", range(8))
def test_links_and_a_withdrawal_at_the_same_time_leave_none_open(craftkit, ready, key):
    def ask(act):
        def run():
            with contextlib.suppress(RenderWithdrawn):
                act(Render.objects.get())
            work()

        return run

    errors = at_once(
        ask(lambda render: render.share()),
        ask(lambda render: render.email("ada@example.com")),
        ask(lambda render: render.withdraw()),
        ask(lambda render: render.share(wait=2)),
    )
    assert errors == [None] * 4
    settle(craftkit)
    assert open_there(craftkit) == []
    assert set(Share.objects.values_list("status", flat=True)) <= {"revoked"}
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_withdrawal_between_the_look_at_a_link_and_its_call(craftkit, ready, monkeypatch):
    """The last moment at which it can be stopped."""
    share = ready.share()
    before_marking_as_sent(monkeypatch, Share, lambda: elsewhere(Render.objects.get().withdraw))
    work()
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, craftkit.shares) == ("revoked", [])


def test_before_sending_is_not_after(craftkit, ready, monkeypatch):
    """A document is withdrawn when its link is on its way: it is made, and revoked."""
    share = ready.share()
    before_sending(monkeypatch, "/shares", lambda: Render.objects.get().withdraw())
    work()
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, len(craftkit.shares), open_there(craftkit)) == ("revoked", 1, [])


def test_a_link_that_nobody_here_knows_of_is_revoked_too(craftkit, ready, dashboard):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    dashboard.shares.create(ready.remote_id)
    ready.withdraw()
    settle(craftkit)
    assert [link for link in craftkit.shares if not link.revoked] == []


@pytest.mark.parametrize("ask", ["share", "email"])
def test_a_withdrawal_in_the_last_moment_before_sending(craftkit, ready, monkeypatch, ask):
    """It saw no row to revoke: the row was written beside it."""
    share = ready.share() if ask == "share" else ready.email("ada@example.com")

    def withdraw():
        Render.objects.filter(pk=ready.pk).update(withdrawn_at=timezone.now())

    before_marking_as_sent(monkeypatch, Share, withdraw)
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, craftkit.shares, craftkit.mails) == ("revoked", [], [])
