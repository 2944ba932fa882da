"""One link in Craftkit for one request, and none that somebody wanted back."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import Change, Render, Share
from tests.helpers import connected, settle
from tests.reconcile.resources import LINK, each_share
from tests.seams import apply_to_share

if TYPE_CHECKING:
    from collections.abc import Iterator


def add_siblings(render: Render, number: int) -> None:
    """Write open links of a document that Craftkit doesn't know of."""
    Share.objects.bulk_create(
        Share(
            render=render,
            project=render.project,
            key=str(n),
            key_hash=uuid.uuid4().hex,
            remote_id=uuid.uuid4(),
            status="active",
        )
        for n in range(number)
    )


@contextmanager
def costs() -> Iterator[dict[str, int]]:
    """Count queries, and rows of links that are read."""
    found: dict[str, int] = {"rows": 0}

    def count(sender: Any, **kwargs: Any) -> None:
        found["rows"] += 1

    with (
        connected(count, post_init, sender=Share),
        CaptureQueriesContext(connection) as queries,
    ):
        yield found
    found["queries"] = len(queries)


@each_share
def test_a_link_costs_the_same_however_many_its_document_has(craftkit, ready, resource):
    # What a process reads once: the namespace of its project, say.
    resource.ask(ready).revoke()
    figures = []
    for siblings in (10, 190):
        add_siblings(ready, siblings)
        settle(craftkit)
        before = len(craftkit.sandbox.requests)
        with costs() as found:
            share = resource.ask(ready, message=str(siblings))
            settle(craftkit)
            share.revoke()
            settle(craftkit)
        share.refresh_from_db()
        assert share.status == "revoked"
        figures.append({**found, "calls": len(craftkit.sandbox.requests) - before})
    assert figures[0] == figures[1]


def test_a_link_of_a_document_that_failed_is_made_once_a_retry_succeeds(craftkit):
    craftkit.sandbox.faults.add("render_failed", message="No.")
    render = Render.objects.request("invoice", {})
    share = render.share()
    craftkit.run()
    share.refresh_from_db()
    assert share.status == "pending"
    render.retry()
    craftkit.run()
    share.refresh_from_db()
    assert share.status == "active"


def test_a_worker_that_died_while_sending_leaves_a_share_that_is_settled(
    craftkit, ready, dashboard
):
    """Both ends of it: Craftkit had made the link, or it had not."""
    made, not_made = ready.share(message="a"), ready.share(message="b")
    now = timezone.now()
    Share.objects.update(sending_since=now)
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    dashboard.shares.create(ready.remote_id, message="a")
    craftkit.run()
    made.refresh_from_db()
    not_made.refresh_from_db()
    assert (made.status, not_made.status) == ("active", "unknown")

    craftkit.pass_time(60)
    craftkit.run()
    not_made.refresh_from_db()
    assert not_made.status == "unknown", "an answer may still be on its way"

    settle(craftkit)
    not_made.refresh_from_db()
    assert not_made.status == "active"
    assert sorted(share.message for share in craftkit.shares) == ["a", "b"]


def test_a_link_made_for_another_is_not_taken_for_the_lost_one(craftkit, ready, dashboard):
    shares = dashboard.shares
    shares.create(ready.remote_id, message="Another message")
    shares.create(ready.remote_id, channel="email", recipient_email="a@example.com")
    shares.create(ready.remote_id, expires_at=timezone.now() + timedelta(days=1))
    craftkit.sandbox.faults.add("cut_before", **LINK.post)
    share = ready.share()
    settle(craftkit)
    share.refresh_from_db()
    assert str(share.remote_id) == craftkit.shares[-1].id
    assert len(craftkit.shares) == 4


def test_the_same_key_is_the_same_link(craftkit, ready):
    assert ready.share(key="guest") == ready.share(key="guest")
    assert ready.share() != ready.share()


def test_a_link_revoked_elsewhere_is_read_back_with_its_moment(craftkit, ready, dashboard):
    share = ready.share()
    craftkit.run()
    share.refresh_from_db()
    elsewhere = dashboard.shares.revoke(ready.remote_id, share.remote_id)
    craftkit.pass_time(600)
    assert share.revoke()
    craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.revoked_at) == ("revoked", elsewhere.revoked_at)


def test_a_link_is_offered_nowhere_from_the_moment_its_end_is_asked_for(craftkit, ready):
    share = ready.share()
    craftkit.run()
    assert Share.objects.open().get() == share
    share.revoke()
    assert not share.revoke(), "asking twice is asking once"
    assert not share.is_open
    assert not Share.objects.open().exists()


def test_who_revoked_a_link_stands_in_its_history(craftkit, ready, django_user_model):
    person = django_user_model.objects.create(username="ada")
    share = ready.share(user=person)
    craftkit.run()
    share.revoke(user=person)
    craftkit.run()
    share.refresh_from_db()
    assert (share.requested_by, share.revoke_requested_by) == (person, person)
    assert Change.objects.get(kind="share", to_status="revoked").person == person


def test_a_fact_of_a_share_changes_nothing_the_second_time(craftkit, ready, dashboard):
    share = ready.share()
    craftkit.run()
    (found,) = dashboard.shares.list(ready.remote_id)
    before = Share.objects.values().get()
    apply_to_share(share, found, Change.Cause.READ_BACK)
    after = Share.objects.values().get()
    assert {**before, "updated_at": None} == {**after, "updated_at": None}


def test_an_expiry_is_the_same_moment_whoever_carries_it_out(craftkit, ready, settings):
    """Without ``USE_TZ`` a moment is of the site's zone, in the request of a far traveller too."""
    settings.USE_TZ = False
    expires_at = datetime(2130, 1, 1, 12)  # noqa: DTZ001 - as such a project writes it
    with timezone.override("Asia/Tokyo"):
        ready.share(expires_at=expires_at, wait=True)
    ready.share(expires_at=expires_at)
    craftkit.run()
    moments = {link.expires_at for link in craftkit.sandbox.shares}
    assert (len(craftkit.sandbox.shares), len(moments)) == (2, 1)
    assert set(Share.objects.values_list("expires_at", flat=True)) == {expires_at}
