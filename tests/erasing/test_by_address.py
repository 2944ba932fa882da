"""What went to an address is erased, and nothing else."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit.clock import database_now
from django_craftkit.conf import UnknownProject
from django_craftkit.models import (
    EngagementEvent,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRecipient,
    WebhookDelivery,
)
from tests.erasing.people import (
    ADA,
    ADDRESS,
    ADDRESS_OF_NET,
    BOB,
    NAME,
    TAGS,
    places,
)
from tests.helpers import settle, work
from tests.seams import before_sending

if TYPE_CHECKING:
    from django_craftkit.testing import Kit
    from tests.shop.models import Order

pytestmark = pytest.mark.django_db


def others(craftkit: Kit) -> Render:
    """A document about something else, of which something went to her, and to others."""
    render = Render.objects.request("invoice", {"number": "1"}, key="other")
    craftkit.run()
    render.email(ADDRESS.upper(), recipient_name=NAME)
    render.email("bob@example.com", message="Dear Bob")
    share = render.share(channel="email", recipient_email=ADDRESS)
    render.send_for_signature([ADA, BOB], anchor_tags=TAGS)
    render.send_for_signature([BOB], anchor_tags=TAGS)
    craftkit.run()
    craftkit.open(share, ip=ADDRESS_OF_NET)
    craftkit.run()
    return render


def test_by_address_what_went_to_her_is_erased_and_nothing_else(craftkit: Kit, settings):
    settings.CRAFTKIT = {
        **settings.CRAFTKIT,
        "ENGAGEMENT_STORE_IP": "full",
        "DELIVERY_KEEP_DAYS": None,
    }
    render = others(craftkit)
    erasure = Render.objects.none().erase(addresses=[f" {ADDRESS} "])
    assert {name: len(pks) for name, pks in erasure.erased.items() if pks} == {
        "Share": 2,
        "SignatureRequest": 1,
    }
    assert erasure.mentioned_in == [render.pk]
    settle(craftkit, but=(Job.Kind.POLL_SIGNATURES,))
    assert places() == []
    render.refresh_from_db()
    assert (render.erased_at, render.withdrawn_at, render.key) == (None, None, "other")
    assert render.shares.get(erased_at=None).recipient_email == "bob@example.com"
    assert sorted(share.revoked for share in craftkit.shares) == [False, True, True]
    kept = SignatureRecipient.objects.exclude(email="").values_list("email", flat=True)
    assert list(kept) == ["bob@example.com"] * 2
    assert sorted(one.status for one in craftkit.signatures) == ["cancelled", "sent"]


@pytest.mark.parametrize("is_repeated", [False, True], ids=["once", "twice"])
def test_what_is_on_its_way_meanwhile_brings_nothing_back(
    craftkit: Kit, ready: Render, settings, is_repeated: bool
):
    settings.CRAFTKIT = {
        **settings.CRAFTKIT,
        "ENGAGEMENT_STORE_IP": "full",
        "DELIVERY_KEEP_DAYS": None,
    }
    share = ready.share(channel="email", recipient_email=ADDRESS)
    asked = ready.send_for_signature([ADA, BOB], anchor_tags=TAGS)
    craftkit.run()
    craftkit.open(share, ip=ADDRESS_OF_NET)
    craftkit.decline(asked, ADDRESS, f"I am not {NAME}.")
    erasure = Render.objects.none().erase(addresses=[ADDRESS])
    assert erasure.is_complete
    settle(craftkit)
    if is_repeated:
        WebhookDelivery.objects.create(
            project=ready.project,
            delivery_id=uuid.uuid4(),
            body=_viewed(ready, share, EngagementEvent.objects.get(type="viewed")),
            body_hash="1",
            due_at=database_now(),
        )
        settle(craftkit)
    assert ready.events.filter(type="viewed").count() == 1
    assert places() == []
    ready.refresh()
    asked.refresh()
    settle(craftkit)
    assert places() == []
    assert WebhookDelivery.objects.exclude(body=b"").exists(), "what is not about her stays"


def _viewed(render: Render, share: Share, event: EngagementEvent) -> bytes:
    share.refresh_from_db()
    said = {
        "event": "document.viewed",
        "renderId": str(render.remote_id),
        "shareId": str(share.remote_id),
        "eventId": str(event.event_id),
        "eventType": "viewed",
        "actorKind": "recipient",
        "sourceIp": ADDRESS_OF_NET,
        "createdAt": "2026-06-05T11:03:00.000Z",
    }
    return json.dumps(said).encode()


def test_the_same_mail_is_not_sent_again(craftkit: Kit):
    render = others(craftkit)
    mails = len(craftkit.outbox)
    Render.objects.none().erase(addresses=[ADDRESS])
    assert render.email(ADDRESS, recipient_name=NAME).erased_at is not None
    asked = render.send_for_signature([ADA, BOB], anchor_tags=TAGS)
    assert asked.erased_at is not None
    assert not asked.retry()
    craftkit.run()
    assert (len(craftkit.outbox), len(craftkit.signatures)) == (mails, 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("ending", "ask"),
    [
        ("/shares", lambda render: render.share(channel="email", recipient_email=ADDRESS)),
        ("/email", lambda render: render.email(ADDRESS)),
        ("/signatures", lambda render: render.send_for_signature([ADA], anchor_tags=TAGS)),
    ],
)
def test_what_is_just_being_sent_to_her_is_closed_and_erased_by_the_next_call(
    craftkit: Kit, ready: Render, monkeypatch: pytest.MonkeyPatch, ending: str, ask: Any
):
    row, found = ask(ready), []
    act = lambda: found.append(Render.objects.none().erase(addresses=[ADDRESS]))  # noqa: E731
    before_sending(monkeypatch, ending, act)
    work()
    assert found[0].under_way == {type(row).__name__: [row.pk]}
    assert not found[0].is_complete
    settle(craftkit)
    row.refresh_from_db()
    assert row.status in ("revoked", "cancelled")
    assert Render.objects.none().erase(addresses=[ADDRESS]).is_complete
    settle(craftkit)
    assert places() == []


def test_only_of_one_project(craftkit: Kit, ready: Render):
    ready.email(ADDRESS)
    other = Render.objects.none().erase(addresses=[ADDRESS], project="default", dry_run=True)
    assert other.counts["Share"] == 1
    Share.objects.update(project="eu")
    assert not Render.objects.none().erase(addresses=[ADDRESS], project="default").counts


def test_of_a_project_that_nobody_knows_any_more(craftkit: Kit, ready: Render):
    ready.email(ADDRESS)
    Render.objects.update(project="left")
    Share.objects.update(project="left")
    with pytest.raises(UnknownProject):
        Render.objects.none().erase(addresses=[ADDRESS], project="left")
    ProjectState.objects.of("left")
    erased = Render.objects.none().erase(addresses=[ADDRESS], project="left", dry_run=True)
    assert erased.counts["Share"] == 1


@pytest.mark.parametrize(
    ("addresses", "error"),
    [(ADDRESS, TypeError), ([None], TypeError), ([""], ValueError), ([NAME], ValueError)],
)
def test_what_is_no_address_erases_nothing(addresses: Any, error: type[Exception]):
    with pytest.raises(error):
        Render.objects.all().erase(addresses=addresses)


def test_webhooks_that_are_linked_to_nothing_are_read(craftkit: Kit, order: Order):
    rows = []
    for status in ("ignored", "abandoned", "received"):
        body = f'{{"event": "form.opened", "email": "{ADDRESS.upper()}"}}'.encode()
        rows.append(
            WebhookDelivery.objects.create(
                project="default", delivery_id=uuid.uuid4(), body=body, body_hash="0", status=status
            )
        )
    erasure = Render.objects.none().erase(addresses=[ADDRESS])
    assert erasure.counts["WebhookDelivery"] == 2
    kept = WebhookDelivery.objects.exclude(body=b"").values_list("status", flat=True)
    assert list(kept) == ["received"]
