"""A document that was taken back has no open link, whoever asks for one meanwhile."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from django_craftkit.models import Render, RenderWithdrawn, Share
from tests.helpers import at_once, settle
from tests.reconcile.resources import open_there


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
        with pytest.raises(RenderWithdrawn):
            ask()
    assert Share.objects.count() == 3


def test_a_document_that_was_not_sent_is_cancelled_and_a_retry_lifts_it(craftkit):
    render = Render.objects.request("invoice", {})
    share = render.share()
    render.withdraw()
    settle(craftkit)
    render.refresh_from_db()
    share.refresh_from_db()
    assert (render.status, share.status) == ("cancelled", "revoked")
    assert render.error_code == "withdrawn"
    assert craftkit.sandbox.requests == []

    assert render.retry()
    assert (render.withdrawn_at, render.withdrawn_by) == (None, None)
    again = render.share()
    settle(craftkit)
    render.refresh_from_db()
    again.refresh_from_db()
    assert (render.status, again.status) == ("succeeded", "active")
    assert open_there(craftkit) == [str(again.remote_id)]


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
    assert (craftkit.shares, craftkit.outbox) == ([], [])


def can_overtake() -> bool:
    """Whether a row can be written that an open transaction refers to."""
    return connection.features.has_select_for_no_key_update


def test_a_link_that_nobody_here_knows_of_is_revoked_too(craftkit, ready, dashboard, silent):
    dashboard.shares.create(ready.remote_id)
    ready.withdraw()
    settle(craftkit)
    assert open_there(craftkit) == []
