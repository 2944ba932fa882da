"""A mail that was erased before anybody knew its link: that is found without the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit.models import EngagementEvent, Render, Share, WebhookDelivery
from django_craftkit.projects import get_client
from tests.erasing.people import ADDRESS, ADDRESS_OF_NET, NAME, places
from tests.helpers import settle
from tests.seams import carry_out

if TYPE_CHECKING:
    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db

MAIL = {"method": "POST", "path": "/v1/renders/*/email"}
READ = {"method": "GET", "path": "/v1/renders/*"}


@pytest.fixture
def unproven(craftkit: Kit, ready: Render, settings: Any) -> Share:
    """A mail that went out; its answer is lost, and Craftkit denies its document for a while."""
    settings.CRAFTKIT = {
        **settings.CRAFTKIT,
        "ENGAGEMENT_STORE_IP": "full",
        "DELIVERY_KEEP_DAYS": None,
    }
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.sandbox.faults.add("cut_after", **MAIL)
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None, **READ)
    share = ready.email(ADDRESS, recipient_name=NAME, message=f"Dear {NAME}")
    craftkit.run()
    craftkit.pass_time(3600)
    craftkit.run()
    share.refresh_from_db()
    assert (share.is_unsettled, share.remote_id, len(craftkit.outbox)) == (True, None, 1)
    craftkit.sandbox.faults.clear()
    return share


def test_its_link_is_found_without_the_address_and_revoked(
    craftkit: Kit, ready: Render, unproven: Share
):
    assert Render.objects.none().erase(addresses=[ADDRESS]).is_complete
    settle(craftkit)
    ready.refresh()
    settle(craftkit)
    found = ready.shares.get(adopted=True)
    assert (str(found.remote_id), found.status) == (craftkit.shares[0].id, "revoked")
    assert found.erased_at is not None
    assert places() == []
    unproven.refresh_from_db()
    assert unproven.status == "revoked"


def test_what_came_before_of_who_has_opened_it_goes_then(
    craftkit: Kit, ready: Render, unproven: Share
):
    Render.objects.none().erase(addresses=[ADDRESS])
    craftkit.open(craftkit.shares[0], ip=ADDRESS_OF_NET)
    settle(craftkit)
    assert ready.shares.get(adopted=True).erased_at is not None
    assert EngagementEvent.objects.filter(type="viewed").exists()
    assert WebhookDelivery.objects.filter(event="document.viewed").exists()
    assert places() == []


def test_the_link_of_a_mail_that_nobody_took_is_found_without_the_address(
    craftkit: Kit, ready: Render
):
    craftkit.sandbox.faults.add("email_send_failed")
    share = ready.email(ADDRESS, message=f"Dear {NAME}")
    carry_out("email", share.pk)
    share.refresh_from_db()
    assert share.status == "rejected"
    Render.objects.none().erase(addresses=[ADDRESS])
    settle(craftkit)
    assert ready.shares.get(adopted=True).status == "revoked"
    assert places() == []


def test_links_of_others_are_adopted_as_ever(craftkit: Kit, ready: Render, unproven: Share):
    Render.objects.none().erase(addresses=[ADDRESS])
    craftkit.pass_time(3600)
    get_client().shares.create(ready.remote_id, channel="email", recipient_email="bob@example.com")
    settle(craftkit)
    found = ready.shares.get(recipient_email="bob@example.com")
    assert (found.erased_at, found.status) == (None, "active")
