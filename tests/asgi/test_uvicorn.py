"""A project under Uvicorn: every twin, cold processes, badges, files, webhooks, many at once."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

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
from tests.helpers import until
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
def signed(order: Order, tmp_path: Path) -> None:
    """A document about the order that was signed; its files are in the archive."""
    render = make_render(source=order, key="agreement")
    request = make_request(render, "completed", remote_id=uuid.uuid4())
    make_share(render)
    for kind in ("signed", "certificate"):
        (tmp_path / "archive").mkdir(exist_ok=True)
        (tmp_path / "archive" / f"{kind}.pdf").write_bytes(b"%PDF-1.7")
        ArchivedFile.objects.create(
            kind=kind, object_id=request.pk, name=f"{kind}.pdf", size=8, sha256="0" * 64
        )


def test_a_view_awaits_every_twin(site: Site, signed: None, order: Order):
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


def test_a_cold_process_reads_rows(site: Site, signed: None, order: Order):
    """Nothing is in the process's caches: content types, lookups, routers."""
    Render.objects.request("invoice", {}, source=order, key="i-1")
    make_delivery()
    answer = site.get("/rows/").json()
    assert answer["sources"] == ["A-1", "A-1"]
    assert len(answer["names"]) >= 8


def test_a_cold_process_shows_badges(site: Site, signed: None, order: Order):
    html = site.get(f"/badges/{order.pk}/").text
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


def webhook(body: bytes) -> dict[str, Any]:
    headers = {
        "X-Craftkit-Signature": sign(body, b"whsec-tests"),
        "X-Craftkit-Timestamp": str(int(time.time())),
        "X-Craftkit-Delivery-Id": str(uuid.uuid4()),
    }
    return {"data": body, "headers": headers}


def test_webhooks_are_taken_in_as_they_come(site: Site):
    bodies = [json.dumps({"event": "render.queued", "id": n}).encode() for n in range(20)]

    def send(body: bytes) -> int:
        return site.request("POST", "/craftkit/webhooks/default/", **webhook(body)).status_code

    with ThreadPoolExecutor(8) as senders:
        assert list(senders.map(send, bodies)) == [200] * len(bodies)
    chunked = webhook(bodies[0])
    chunked["data"] = iter([bodies[0][:5], bodies[0][5:]])
    site.request("POST", "/craftkit/webhooks/default/", **chunked)
    kept = {bytes(one.body) for one in WebhookDelivery.objects.all()}
    assert kept == set(bodies)
    assert WebhookDelivery.objects.count() == len(bodies) + 1
