"""Whoever waits, waits as long as they said, and what is not done by then is done later."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
import requests
from django.db import transaction

from django_craftkit.client import CraftkitConnectionError, CraftkitTimeout
from django_craftkit.models import Render, Share, SignatureRequest, WebhookDelivery
from django_craftkit.projects import get_client, time_limit
from django_craftkit.sandbox import Sandbox, SandboxAdapter, SandboxServer
from tests.helpers import settle, until, work
from tests.seams import at_webhook, when_waiting

ENGAGEMENT = {"method": "GET", "path": "/v1/renders/*/engagement"}


@pytest.fixture
def asleep(monkeypatch) -> list[float]:
    """How long those who wait sleep, without sleeping."""
    naps: list[float] = []
    when_waiting(monkeypatch, naps.append)
    return naps


def test_a_refresh_says_whether_craftkit_has_answered(craftkit, ready):
    assert ready.refresh(wait=5)
    assert not ready.refresh(), "it is asked for, and not waited for"
    craftkit.run()
    craftkit.sandbox.faults.add("status", status=500, **ENGAGEMENT)
    assert not ready.refresh(wait=5)
    settle(craftkit)
    craftkit.sandbox.revoke_key("ck_test_default")
    assert not ready.refresh(wait=5)
    assert not ready.refresh(wait=5), "it is paused by now"


def test_a_refresh_of_a_document_under_way_brings_its_status(craftkit, silent):
    craftkit.sandbox.render_time = 60.0
    render = Render.objects.request("invoice", {})
    craftkit.run()
    craftkit.pass_time(61)
    assert render.refresh(wait=5)
    assert render.status == "succeeded"


def test_a_refresh_brings_the_links_and_the_events(craftkit, ready, silent):
    get_client().shares.create(ready.remote_id)
    craftkit.open(craftkit.shares[0])
    assert ready.refresh(wait=5)
    assert ready.counts["viewed"] == 1
    assert ready.shares.get().click_count == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_waited_for_inside_a_transaction(craftkit, ready):
    render, share = Render.objects.request("invoice", {}, key="i-2"), ready.share()
    before = len(craftkit.sandbox.requests)
    acts = [
        render.wait,
        lambda: render.share(wait=True),
        lambda: Render.objects.request("invoice", {}, key="i-3", wait=True),
        lambda: ready.refresh(wait=1),
        lambda: ready.email("ada@example.com", wait=1),
        lambda: ready.withdraw(wait=1),
        lambda: ready.retry(wait=1),
        lambda: share.retry(wait=1),
        lambda: share.revoke(wait=1),
    ]
    for act in acts:
        with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
            act()
    ready.refresh_from_db()
    assert (Share.objects.count(), ready.withdrawn_at) == (1, None)
    assert Render.objects.count() == 2
    assert len(craftkit.sandbox.requests) == before


@pytest.mark.parametrize(
    ("wait", "timeout"), [(0.3, (1.0, 1.0)), (1, (1.0, 1.0)), (2.9, (2.9, 2.9)), (60, (3.05, 30.0))]
)
def test_a_time_limit_is_the_longest_that_a_call_may_take(
    craftkit, ready, monkeypatch, wait, timeout
):
    allowed = []
    send = SandboxAdapter.send

    def note(self, request, **options):
        allowed.append(options["timeout"])
        return send(self, request, **options)

    monkeypatch.setattr(SandboxAdapter, "send", note)
    # Nothing takes any time here; then what is left is all of it.
    monkeypatch.setattr("django_craftkit.client.deadline.monotonic", lambda: 0.0)
    with time_limit(wait):
        get_client().shares.list(ready.remote_id)
    get_client().shares.list(ready.remote_id)
    assert allowed == [timeout, (3.05, 30.0)]


def test_a_time_limit_is_for_all_calls_together(craftkit, ready, monkeypatch):
    now, allowed = [0.0], []
    send = SandboxAdapter.send

    def note(self, request, **options):
        allowed.append(options["timeout"])
        now[0] += 1.5
        return send(self, request, **options)

    monkeypatch.setattr(SandboxAdapter, "send", note)
    monkeypatch.setattr("django_craftkit.client.deadline.monotonic", lambda: now[0])
    with time_limit(4):
        get_client().shares.list(ready.remote_id)
        get_client().shares.list(ready.remote_id)
        now[0] += 1
        with pytest.raises(CraftkitTimeout) as raised:
            get_client().shares.create(ready.remote_id)
    assert raised.value.proves_inaction
    assert allowed == [(3.05, 4.0), (2.5, 2.5)]


@pytest.mark.parametrize("step", ["open", "open_signed", "open_certificate"])
def test_opening_a_file_takes_no_longer_than_it_is_given(craftkit, ready, monkeypatch, step):
    allowed = []

    def note(self, request, **options):
        allowed.append(options["timeout"])
        raise requests.ConnectionError("there is nothing to read")

    document = ready
    if step != "open":
        document = SignatureRequest(status="completed", remote_id=uuid4(), render=ready)
    monkeypatch.setattr(SandboxAdapter, "send", note)
    monkeypatch.setattr("django_craftkit.client.deadline.monotonic", lambda: 0.0)
    with pytest.raises(CraftkitConnectionError):
        getattr(document, step)(timeout=5)
    assert allowed == [(3.05, 5.0)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ask", ["share", "email"])
def test_a_slow_craftkit_holds_nobody_up_and_makes_no_second_link(settings, ask):
    """In real time, over a socket."""
    with SandboxServer(Sandbox(api_keys=["ck_test_sandbox"], lenient=True)) as server:
        sandbox = server.sandbox
        project = {**settings.CRAFTKIT_PROJECTS["default"], "BASE_URL": sandbox.public_url}
        settings.CRAFTKIT_PROJECTS = {"default": project}
        render = Render.objects.request("invoice", {}, wait=True)
        assert render.status == "succeeded"
        path = "*/shares" if ask == "share" else "*/email"
        sandbox.faults.add("delay", seconds=30, method="POST", path=path)
        began = time.monotonic()
        share = render.share(wait=1) if ask == "share" else render.email("ada@example.com", wait=1)
        assert time.monotonic() - began < 25
        until(lambda: sandbox.shares)
        # A mail's proof may be there at once; a link's fate is looked for by the worker.
        assert share.status in ("unknown", "active")
        assert len(sandbox.shares) == 1
        share.refresh()
        work()
        share.refresh_from_db()
        assert (share.status, len(sandbox.shares)) == ("active", 1)


def test_whoever_waits_for_a_link_waits_for_its_document_too(craftkit, asleep):
    craftkit.sandbox.render_time = 0.0
    render = Render.objects.request("invoice", {})
    assert render.share(wait=5).is_open
    assert render.email("ada@example.com", wait=5).is_open
    craftkit.sandbox.render_time = None
    share = Render.objects.request("invoice", {}, key="i-2").share(wait=0.2)
    assert share.status == "pending"


def test_a_retry_that_is_waited_for_is_over_when_it_returns(craftkit, asleep):
    craftkit.sandbox.faults.add("render_failed", message="No.")
    render = Render.objects.request("invoice", {}, wait=True)
    assert render.status == "failed"
    assert render.retry(wait=5)
    assert render.status == "succeeded"


def test_a_webhook_can_be_processed_again_as_long_as_its_body_is_kept(craftkit, ready):
    delivery = WebhookDelivery.objects.get()
    before = delivery.processed_at
    craftkit.pass_time(60)
    assert delivery.replay()
    assert WebhookDelivery.objects.get().status == "received"
    craftkit.run()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error) == ("processed", "")
    assert delivery.processed_at > before
    WebhookDelivery.objects.update(body=b"")
    assert not delivery.replay()


def test_a_webhook_that_was_given_up_can_be_processed_again(craftkit, ready, monkeypatch):
    def break_down(content):
        raise ArithmeticError("no")

    WebhookDelivery.objects.all().delete()
    craftkit.sandbox.subscribe("http://craftkit.sandbox/to/default", "webhook secret of default")
    craftkit.open(ready.share(wait=True))
    with monkeypatch.context() as patch:
        at_webhook(patch, break_down)
        for _ in range(40):
            craftkit.run()
            craftkit.pass_time(3600)
    given_up = list(WebhookDelivery.objects.filter(status="abandoned"))
    assert given_up
    assert WebhookDelivery.objects.replay([delivery.pk for delivery in given_up]) == len(given_up)
    craftkit.run()
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"processed"}
    ready.refresh_from_db()
    assert ready.counts["viewed"] == 1


def test_a_document_that_craftkit_does_not_know_is_no_news(craftkit, ready):
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None)
    assert ready.refresh(wait=5) is False
