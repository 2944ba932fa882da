"""One link in Craftkit for one wish, and none that somebody wanted back."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import Change, Job, ProjectState, Render, Share
from django_craftkit.sandbox import SandboxAdapter
from tests.helpers import settle
from tests.reconcile.test_renders import TROUBLE
from tests.seams import apply_to_share

if TYPE_CHECKING:
    from collections.abc import Iterator

POST = {"method": "POST", "path": "/v1/renders/*/shares"}
LIST = {"method": "GET", "path": "/v1/renders/*/shares"}
DELETE = {"method": "DELETE", "path": "/v1/renders/*/shares/*"}


@pytest.fixture
def render(craftkit) -> Render:
    render = Render.objects.request("invoice", {"number": "1"}, key="i-1")
    craftkit.run()
    render.refresh_from_db()
    return render


def statuses(craftkit) -> list[bool]:
    """Whether each link that Craftkit has is open."""
    return [share.revoked_at is None for share in craftkit.shares]


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

    post_init.connect(count, sender=Share)
    try:
        with CaptureQueriesContext(connection) as queries:
            yield found
    finally:
        post_init.disconnect(count, sender=Share)
    found["queries"] = len(queries)


def email(render: Render) -> Share:
    return render.email("jane@example.com")


@pytest.mark.parametrize("ask", [Render.share, email], ids=["a link", "an e-mail"])
def test_a_link_costs_the_same_however_many_its_document_has(craftkit, render, ask):
    figures = []
    for siblings in (10, 190):
        add_siblings(render, siblings)
        # What a process reads once: the namespace of its project, say.
        ask(render).revoke() if not figures else None
        settle(craftkit)
        before = len(craftkit.sandbox.requests)
        with costs() as found:
            share = ask(render) if ask is Render.share else render.email(f"{siblings}@example.com")
            settle(craftkit)
            share.revoke()
            settle(craftkit)
        share.refresh_from_db()
        assert share.status == "revoked"
        figures.append({**found, "calls": len(craftkit.sandbox.requests) - before})
    assert figures[0] == figures[1]


@pytest.mark.parametrize("call", [POST, DELETE], ids=["POST", "DELETE"])
@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_one_link_and_its_end_whatever_goes_wrong(craftkit, render, call, trouble):
    craftkit.sandbox.faults.add(**{"times": 2, **trouble, **call})
    share = render.share(message="Here you are.", expires_at=timezone.now() + timedelta(days=9))
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, share.error) == ("active", "")
    assert statuses(craftkit) == [True]

    assert share.revoke()
    settle(craftkit)
    share.refresh_from_db()
    assert share.status == "revoked"
    assert share.revoked_at is not None
    assert statuses(craftkit) == [False]
    assert not ProjectState.objects.paused().exists()


def test_a_link_waits_for_its_document_and_is_made_when_it_is_there(craftkit):
    craftkit.sandbox.render_time = 60.0
    render = Render.objects.request("invoice", {})
    share = render.share()
    craftkit.run()
    assert statuses(craftkit) == []
    craftkit.pass_time(61)
    craftkit.run()
    share.refresh_from_db()
    assert share.status == "active"


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


def test_a_worker_that_died_while_sending_leaves_a_share_that_is_settled(craftkit, render):
    """Both ends of it: Craftkit had made the link, or it had not."""
    made, not_made = render.share(message="a"), render.share(message="b")
    now = timezone.now()
    Share.objects.update(sending_since=now)
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    from django_craftkit.projects import get_client

    get_client().shares.create(render.remote_id, message="a")
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


def test_two_equal_shares_that_got_lost_take_a_link_each(craftkit, render):
    craftkit.sandbox.faults.add("cut_after", times=2, **POST)
    render.share()
    render.share()
    settle(craftkit)
    assert Share.objects.filter(status="active").count() == 2
    assert Share.objects.values("remote_id").distinct().count() == 2
    assert statuses(craftkit) == [True, True]


def test_a_link_made_for_another_is_not_taken_for_the_lost_one(craftkit, render):
    from django_craftkit.projects import get_client

    shares = get_client().shares
    shares.create(render.remote_id, message="Another message")
    shares.create(render.remote_id, channel="email", recipient_email="a@example.com")
    shares.create(render.remote_id, expires_at=timezone.now() + timedelta(days=1))
    craftkit.sandbox.faults.add("cut_before", **POST)
    share = render.share()
    settle(craftkit)
    share.refresh_from_db()
    assert str(share.remote_id) == craftkit.shares[-1].id
    assert len(craftkit.shares) == 4


def test_the_same_key_is_the_same_link(craftkit, render):
    assert render.share(key="guest") == render.share(key="guest")
    assert render.share() != render.share()


def test_a_wish_taken_back_before_it_was_sent_ends_without_a_call(craftkit):
    craftkit.sandbox.render_time = 60.0
    render = Render.objects.request("invoice", {})
    share = render.share()
    craftkit.run()
    assert share.revoke()
    craftkit.run()
    share.refresh_from_db()
    assert share.status == "revoked"
    settle(craftkit)
    assert statuses(craftkit) == []


def during(monkeypatch, method: str, act) -> None:
    """Let something happen while a call is under way: Craftkit has acted, the answer is coming."""
    send = SandboxAdapter.send

    def interfere(self, request, *args, **kwargs):
        answer = send(self, request, *args, **kwargs)
        if request.method == method and "/shares" in request.path_url:
            monkeypatch.setattr(SandboxAdapter, "send", send)
            act()
        return answer

    monkeypatch.setattr(SandboxAdapter, "send", interfere)


def test_a_revocation_asked_for_while_the_link_is_being_made(craftkit, render, monkeypatch):
    share = render.share()
    during(monkeypatch, "POST", lambda: Share.objects.get().revoke())
    craftkit.run()
    share.refresh_from_db()
    assert share.status == "revoked"
    assert statuses(craftkit) == [False]


def test_a_revocation_asked_for_while_the_links_fate_is_unknown(craftkit, render):
    craftkit.sandbox.faults.add("cut_after", **POST)
    lost = render.share(message="made")
    craftkit.sandbox.faults.add("status", status=503, code="queue_unavailable", times=9, **LIST)
    craftkit.run()
    assert lost.revoke()
    settle(craftkit)
    lost.refresh_from_db()
    assert lost.status == "revoked"
    assert statuses(craftkit) == [False]


def test_a_revocation_of_a_link_that_was_never_made(craftkit, render):
    craftkit.sandbox.faults.add("cut_before", **POST)
    share = render.share()
    craftkit.run()
    share.revoke()
    settle(craftkit)
    share.refresh_from_db()
    assert share.status == "revoked"
    assert statuses(craftkit) == []


def test_a_link_revoked_elsewhere_is_read_back_with_its_moment(craftkit, render):
    from django_craftkit.projects import get_client

    share = render.share()
    craftkit.run()
    share.refresh_from_db()
    elsewhere = get_client().shares.revoke(render.remote_id, share.remote_id)
    craftkit.pass_time(600)
    assert share.revoke()
    craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.revoked_at) == ("revoked", elsewhere.revoked_at)


def test_a_link_is_offered_nowhere_from_the_moment_its_end_is_asked_for(craftkit, render):
    share = render.share()
    craftkit.run()
    assert Share.objects.open().get() == share
    share.revoke()
    assert not share.revoke(), "asking twice is asking once"
    assert not share.is_open
    assert not Share.objects.open().exists()


def test_a_link_that_has_expired_before_it_was_made_is_rejected(craftkit, render):
    share = render.share(expires_at=timezone.now() + timedelta(minutes=1))
    Share.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.error_code) == ("rejected", "expired")
    assert statuses(craftkit) == []


def test_a_link_that_craftkit_refuses_is_rejected_in_its_words(craftkit, render):
    craftkit.sandbox.faults.add(
        "status", status=400, code="invalid_request", message="No such moment.", **POST
    )
    share = render.share()
    craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.error_code) == ("rejected", "invalid_request")
    assert "No such moment." in share.error
    assert not Job.objects.exists()


def test_a_document_that_is_not_ready_at_craftkit_is_tried_again(craftkit, render):
    craftkit.sandbox.faults.add("status", status=409, code="not_ready", times=2, **POST)
    share = render.share()
    settle(craftkit)
    share.refresh_from_db()
    assert share.status == "active"


def test_a_share_is_checked_before_it_is_written(craftkit, render):
    with pytest.raises(ValueError, match="2000 characters"):
        render.share(message="x" * 2001)
    with pytest.raises(ValueError, match="aware"):
        render.share(expires_at=timezone.now().replace(tzinfo=None))
    with pytest.raises(ValidationError):
        render.share(channel="email")
    with pytest.raises(ValueError, match="fax"):
        render.share(channel="fax")
    assert not Share.objects.exists()


def test_who_revoked_a_link_stands_in_its_history(craftkit, render, django_user_model):
    person = django_user_model.objects.create(username="ada")
    share = render.share(user=person)
    craftkit.run()
    share.revoke(user=person)
    craftkit.run()
    share.refresh_from_db()
    assert (share.requested_by, share.revoke_requested_by) == (person, person)
    assert Change.objects.get(kind="share", to_status="revoked").person == person


def test_a_share_carried_out_at_once_is_open_when_it_returns(craftkit, render):
    share = render.share(wait=True)
    assert share.is_open
    share.revoke(wait=True)
    assert share.status == "revoked"


def test_a_fact_of_a_share_changes_nothing_the_second_time(craftkit, render):
    share = render.share()
    craftkit.run()
    from django_craftkit.projects import get_client

    (found,) = get_client().shares.list(render.remote_id)
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
