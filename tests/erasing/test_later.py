"""Whatever comes after an erasure brings nothing back, and what was sent is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit.models import (
    EngagementEvent,
    Render,
    WebhookDelivery,
)
from tests.erasing.people import (
    ADA,
    ADDRESS,
    ADDRESS_OF_NET,
    BOB,
    NAME,
    TAGS,
    erase,
    places,
    request,
)
from tests.helpers import LEASE_OVER, elsewhere, settle, work
from tests.seams import (
    after_building,
    after_sending,
    before_marking_as_sent,
    before_sending,
)
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.dispatch import Signal

    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db


def all_of_it(craftkit: Kit, order: Order) -> Render:
    render = request(order, filename=f"{NAME}.pdf")
    craftkit.run()
    share = render.share(channel="email", recipient_email=ADDRESS, message=f"Dear {NAME}")
    render.email(ADDRESS, recipient_name=NAME, message=f"Dear {NAME}")
    asked = render.send_for_signature([ADA, BOB], anchor_tags=TAGS, name=f"Of {NAME}")
    render.send_for_signature([ADA], anchor_tags=TAGS, name=f"Also of {NAME}", key=ADDRESS)
    craftkit.run()
    craftkit.open(share, ip=ADDRESS_OF_NET)
    craftkit.view(asked)
    craftkit.decline(asked, ADDRESS, f"I am not {NAME}.")
    craftkit.run()
    render.refresh_from_db()
    render.record("printed", {"by": ADDRESS})
    return render


def test_whatever_comes_later_brings_nothing_back(craftkit: Kit, order: Order, caplog, settings):
    settings.CRAFTKIT = {
        **settings.CRAFTKIT,
        "ENGAGEMENT_STORE_IP": "full",
        "DELIVERY_KEEP_DAYS": None,
    }
    caplog.set_level("DEBUG", "django_craftkit")
    render = all_of_it(craftkit, order)
    assert {"Render.data", "Share.message", "EngagementEvent.ip_address"} <= set(places())
    # On its way to this site while she is erased.
    craftkit.open(render.shares.get(by_mail=True), ip=ADDRESS_OF_NET)
    erasure = erase(order)
    assert len(erasure.erased["Render"]) == 1
    settle(craftkit)
    render.refresh()
    settle(craftkit)
    assert places() == []
    assert not EngagementEvent.objects.to_be_told().exists()
    assert all(share.revoked for share in craftkit.shares)
    assert sorted(one.status for one in craftkit.signatures) == ["cancelled", "declined"]
    assert {share.status for share in render.shares.all()} == {"revoked"}
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("django_c")]
    assert not [line for line in lines if NAME.lower() in line.lower() or ADDRESS_OF_NET in line]


def test_webhooks_about_earlier_attempts_go_and_those_about_others_stay(
    craftkit: Kit, order: Order, settings
):
    settings.CRAFTKIT = {**settings.CRAFTKIT, "DELIVERY_KEEP_DAYS": None}
    other = Render.objects.request("invoice", {}, key="other")
    craftkit.run()
    craftkit.sandbox.faults.add("render_failed", message=f"{NAME} is no number.")
    render = request(order)
    craftkit.run()
    assert render.retry()
    craftkit.run()
    assert "WebhookDelivery.body" in places()
    before = WebhookDelivery.objects.exclude(body=b"")
    assert sorted(before.values_list("event", flat=True)) == [
        "render.failed",
        "render.succeeded",
        "render.succeeded",
    ]
    erase(order)
    assert places() == []
    other.refresh_from_db()
    assert WebhookDelivery.objects.exclude(body=b"").get().about == other.remote_id


def test_before_it_was_sent_it_is_cancelled(craftkit: Kit, order: Order):
    render = request(order)
    erase(order)
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("cancelled", "erased")
    assert craftkit.renders == []
    assert places() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", [before_sending, after_sending])
def test_while_it_is_sent_its_answer_brings_nothing_back(
    craftkit: Kit, order: Order, monkeypatch: pytest.MonkeyPatch, moment: Callable[..., None]
):
    render = request(order)
    moment(monkeypatch, "/render", lambda: erase(order))
    work()
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, str(render.remote_id)) == ("succeeded", craftkit.renders[0].id)
    assert len(craftkit.renders) == 1
    assert places() == []


@pytest.mark.parametrize("trouble", ["cut_before", "cut_after"])
def test_one_that_was_not_answered_is_never_sent_again(craftkit: Kit, order: Order, trouble: str):
    craftkit.sandbox.faults.add(trouble, method="POST", path="/v1/templates/*/render")
    render = request(order)
    work()
    render.refresh_from_db()
    assert render.status == "pending"
    erase(order)
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("cancelled", "erased_unanswered")
    assert [call.method for call in craftkit.sandbox.requests].count("POST") == 1
    assert places() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_repeat", [False, True])
def test_a_worker_that_has_read_its_data_does_not_send_them(
    craftkit: Kit, order: Order, monkeypatch: pytest.MonkeyPatch, is_repeat: bool
):
    render = request(order)
    if is_repeat:
        craftkit.sandbox.faults.add("cut_before", method="POST", path="/v1/templates/*/render")
        work()
        craftkit.pass_time(LEASE_OVER)
    calls = len(craftkit.sandbox.requests)
    before_marking_as_sent(monkeypatch, Render, lambda: elsewhere(lambda: erase(order)))
    settle(craftkit)
    render.refresh_from_db()
    code = "erased_unanswered" if is_repeat else "erased"
    assert (render.status, render.error_code) == ("cancelled", code)
    assert len(craftkit.sandbox.requests) == calls
    assert places() == []


@pytest.mark.django_db(transaction=True)
def test_data_that_were_built_meanwhile_are_not_stored(
    craftkit: Kit, order: Order, event: Signal, declare: Any, monkeypatch: pytest.MonkeyPatch
):
    @declare(event, template="invoice", key=lambda order: f"invoice-{ADDRESS}")
    def invoice(order: Order, **kwargs: object) -> dict[str, str]:
        return {"email": ADDRESS}

    after_building(monkeypatch, lambda: elsewhere(lambda: erase(order)))
    event.send(Order, instance=order)
    settle(craftkit)
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("cancelled", "erased")
    assert craftkit.renders == []
    assert places() == []
