"""A project under Uvicorn: every twin, cold processes, badges, files, webhooks, many at once."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from django_craftkit.models import ArchivedFile, Change, ProjectState, Render, WebhookDelivery
from django_craftkit.webhooks.signature import sign
from tests.admin.conftest import (
    make_delivery,
    make_render,
    make_request,
    make_session,
    make_share,
    make_submission,
)
from tests.asgi.twins import TWINS
from tests.helpers import TIMEOUT, until
from tests.shop.models import Order

if TYPE_CHECKING:
    from pathlib import Path

    from django_craftkit.sandbox import Sandbox
    from tests.asgi.conftest import Site

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order() -> Order:
    return Order.objects.create(number="A-1")


@pytest.fixture
def agreement(order: Order, archive: Path) -> None:
    """A document about the order that was signed; its files are in the archive."""
    render = make_render(source=order, key="agreement")
    request = make_request(render, "completed", remote_id=uuid.uuid4())
    make_share(render)
    for kind in ("signed", "certificate"):
        (archive / f"{kind}.pdf").write_bytes(b"%PDF-1.7")
        ArchivedFile.objects.create(
            kind=kind, object_id=request.pk, name=f"{kind}.pdf", size=8, sha256="0" * 64
        )


def test_a_view_awaits_every_twin(site: Site, agreement: None, order: Order):
    session = make_session()
    session.set_source(order)
    session.save()
    submission = make_submission(session_id=session.remote_id)
    submission.set_source(order)
    submission.save()
    make_delivery()
    ProjectState.objects.of("default")
    Change.objects.create(kind="render", object_id=1, to_status="failed")
    answer = site.get(f"/everything/{order.pk}/").json()
    assert answer["awaited"] == sorted(TWINS)
    assert answer["said"] == {
        "ready": "succeeded",
        "refreshed": True,
        "overdue": False,
        "superseded by": True,
        "source": "A-1",
        "withdrawn": True,
        "retried": True,
        "of a batch": [1, 1, False, 0],
        "batches": ["note May"],
        "share": "active",
        "mail": ["active", False, False],
        "revoked": True,
        "sent": ["sent", True, False],
        "cancelled": [True, "cancelled"],
        "links": ["active", "revoked", "active"],
        "known": None,
        "form": "/craftkit/",
        "session": ["http", True],
        "submission": [True, True],
        "replayed": [False, True, False],
        "files": ["%PDF-"] * 4,
        "erased": True,
    }


def test_a_cold_process_reads_rows(cold_site: Site, agreement: None, order: Order):
    """Nothing is in the process's caches: content types, lookups, routers."""
    Render.objects.request("invoice", {}, source=order, key="i-1")
    make_delivery()
    answer = cold_site.get("/rows/").json()
    assert answer["sources"] == ["A-1", "A-1"]
    assert len(answer["names"]) >= 8


def test_a_cold_process_shows_badges(cold_site: Site, agreement: None, order: Order):
    html = cold_site.get(f"/badges/{order.pk}/").text
    assert html.count("craftkit-badge") >= 2
    assert "/craftkit/documents/" in html
    assert "https://craftkit.dev/s/" in html


def test_badges_refresh(site: Site, order: Order):
    render = make_render("queued", source=order)
    html = site.get(f"/badges/{order.pk}/").text
    (token,) = [part.split('"')[0] for part in html.split('data-craftkit-token="')[1:]]
    Render.objects.filter(pk=render.pk).update(status="succeeded")
    answer = site.request("POST", "/craftkit/statuses/", data={"token": token}).json()
    assert answer[token]["status"] == "succeeded"


def test_a_file_is_handed_out(site: Site, sandbox: Sandbox):
    site.get("/documents/i-1/")
    render = Render.objects.get(key="i-1")
    (there,) = sandbox.renders
    answer = site.get(f"/file/{render.pk}/")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.content == there.pdf()
    guests = render.get_download_url(guest=True, expires=60)
    assert site.get(guests).content == there.pdf()


def test_many_at_once(site: Site, sandbox: Sandbox):
    keys = [f"i-{number}" for number in range(12)]
    with ThreadPoolExecutor(len(keys)) as callers:
        answers = list(callers.map(lambda key: site.get(f"/documents/{key}/").json(), keys))
    assert answers == [{"status": "succeeded", "links": ["active"] * 2}] * len(keys)
    assert len(sandbox.renders) == len(keys)
    assert len(sandbox.shares) == 2 * len(keys)


def test_the_loop_goes_on_while_somebody_waits(site: Site, sandbox: Sandbox):
    sandbox.render_time = None
    with ThreadPoolExecutor(1) as callers:
        waits = callers.submit(site.get, "/documents/i-1/")
        until(lambda: sandbox.renders)
        for _ in range(20):
            site.get("/about/")
        assert not waits.done()
        sandbox.renders[0].finish()
        assert waits.result().json()["status"] == "succeeded"


def test_somebody_who_leaves_holds_up_nobody(site: Site, sandbox: Sandbox):
    """What was requested goes on in its thread; the loop doesn't wait for that."""
    sandbox.render_time = None
    connection = http.client.HTTPConnection(site.url.removeprefix("http://"), timeout=TIMEOUT)
    connection.request("GET", "/documents/i-1/")
    until(lambda: sandbox.renders)
    connection.close()
    for _ in range(20):
        site.get("/about/")
    sandbox.renders[0].finish()
    until(lambda: Render.objects.get(key="i-1").status == "succeeded")


WEBHOOKS = "/craftkit/webhooks/default/"
BODY = b'{"event": "render.queued"}'


def signed(body: bytes) -> dict[str, str]:
    return {
        "X-Craftkit-Signature": sign(body, b"whsec-tests"),
        "X-Craftkit-Timestamp": str(int(time.time())),
        "X-Craftkit-Delivery-Id": str(uuid.uuid4()),
    }


def kept() -> list[bytes]:
    return sorted(bytes(one.body) for one in WebhookDelivery.objects.all())


def test_webhooks_are_taken_in_as_they_come(site: Site):
    bodies = sorted(json.dumps({"event": "render.queued", "n": n}).encode() for n in range(20))

    def send(body: bytes) -> None:
        site.request("POST", WEBHOOKS, data=body, headers=signed(body))

    with ThreadPoolExecutor(8) as senders:
        list(senders.map(send, bodies))
    assert kept() == bodies


def test_a_webhook_in_chunks_is_taken_in_whole(site: Site):
    chunks = iter([BODY[:5], BODY[5:]])
    site.request("POST", WEBHOOKS, data=chunks, headers=signed(BODY))
    assert kept() == [BODY]


@pytest.mark.parametrize("is_chunked", [True, False])
def test_a_webhook_that_is_too_large_is_refused(site: Site, is_chunked: bool):
    body = json.dumps({"event": "render.queued", "more": "x" * 10_000}).encode()
    data = iter([body[:9_000], body[9_000:]]) if is_chunked else body
    answer = requests.post(
        f"{site.url}{WEBHOOKS}", data=data, headers=signed(body), timeout=TIMEOUT
    )
    assert answer.status_code == 413
    assert kept() == []


def test_a_body_that_comes_slowly_holds_up_nobody(site: Site):
    connection = http.client.HTTPConnection(site.url.removeprefix("http://"), timeout=TIMEOUT)
    connection.putrequest("POST", WEBHOOKS)
    for name, value in (signed(BODY) | {"Content-Length": str(len(BODY))}).items():
        connection.putheader(name, value)
    connection.endheaders(BODY[:5])
    for _ in range(5):
        site.request("POST", WEBHOOKS, data=BODY, headers=signed(BODY))
    assert kept() == [BODY] * 5
    connection.send(BODY[5:])
    assert connection.getresponse().status == 200
    connection.close()
    assert kept() == [BODY] * 6
