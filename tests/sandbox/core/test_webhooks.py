from __future__ import annotations

import hashlib
import hmac
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
import requests

from django_craftkit.sandbox import EVENTS, Sandbox, SandboxServer
from django_craftkit.sandbox.core.webhooks import sender
from tests.helpers import until
from tests.sandbox.conftest import INVOICE, Api

URL = "https://shop.example.com/craftkit/webhooks/default/"
SECRET = "whsec-1"


class Receiver:
    """Takes webhooks: answers with the statuses it was given, then with 200."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, bytes, dict[str, str]]] = []

    def __call__(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        self.calls.append((url, body, headers))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def payloads(self):
        return [json.loads(body) for _, body, _ in self.calls]

    @property
    def events(self):
        return [payload["event"] for payload in self.payloads]

    @property
    def ids(self):
        return [headers["X-Craftkit-Delivery-Id"] for *_, headers in self.calls]


@pytest.fixture
def receiver(sandbox):
    sandbox.subscribe(URL, SECRET)
    return Receiver()


def test_a_delivery_is_signed_over_its_raw_body(api, sandbox, receiver, clock):
    api.render({"customer": {"name": "Ελένη"}})
    clock.advance(0.7)

    assert sandbox.deliver_due(receiver) == 1

    ((url, body, headers),) = receiver.calls
    assert url == URL
    assert headers == {
        "Content-Type": "application/json",
        "User-Agent": "Craftkit-Webhook/1.0",
        "X-Craftkit-Event": "render.succeeded",
        "X-Craftkit-Signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
        "X-Craftkit-Timestamp": "1780653600",
        "X-Craftkit-Delivery-Id": headers["X-Craftkit-Delivery-Id"],
    }
    assert uuid.UUID(headers["X-Craftkit-Delivery-Id"])
    assert SECRET not in repr(sandbox.deliveries)


def test_the_end_of_a_render_is_announced_when_it_comes(api, sandbox, receiver, clock):
    sandbox.render_time = 2.0
    receipt = api.render().json()
    assert sandbox.deliver_due(receiver) == 0
    clock.advance(2)

    assert sandbox.deliver_due(receiver) == 1

    render = api.get(f"/v1/renders/{receipt['id']}").json()
    assert receiver.payloads == [
        {
            "event": "render.succeeded",
            "renderId": receipt["id"],
            "templateId": api.get("/v1/templates/invoice").json()["id"],
            "status": "succeeded",
            "downloadUrl": render["downloadUrl"],
            "errorMessage": None,
            "createdAt": "2026-06-05T10:00:00.000Z",
            "completedAt": "2026-06-05T10:00:02.000Z",
        }
    ]
    assert sandbox.deliver_due(receiver) == 0


def test_a_failure_is_announced_with_its_message(api, sandbox, receiver):
    sandbox.faults.add("render_failed", message="Font not found")
    api.render()

    sandbox.deliver_due(receiver)

    (payload,) = receiver.payloads
    assert payload["event"] == "render.failed"
    assert (payload["status"], payload["errorMessage"]) == ("failed", "Font not found")
    assert payload["downloadUrl"] is None


def test_what_happens_to_a_document_is_announced(api, guest, sandbox, receiver):
    share = api.share()
    guest.get(share["shareUrl"])
    guest.get(share["shareUrl"])  # within the window: nothing new
    guest.get(share["shareUrl"] + "/download")
    guest.post(share["shareUrl"] + "/printed")
    api.delete(f"/v1/renders/{share['renderId']}/shares/{share['id']}")

    sandbox.deliver_due(receiver)

    assert receiver.events == [
        "render.succeeded",
        "document.share_created",
        "document.viewed",
        "document.downloaded",
        "document.printed",
        "document.share_revoked",
    ]
    recent = api.get(f"/v1/renders/{share['renderId']}/engagement").json()["recent"]
    viewed = receiver.payloads[2]
    assert viewed.pop("templateId")
    assert viewed.pop("userAgent")
    assert viewed == {
        "event": "document.viewed",
        "renderId": share["renderId"],
        "shareId": share["id"],
        "eventId": recent[3]["id"],
        "eventType": "viewed",
        "actorKind": "recipient",
        "sourceIp": "127.0.0.1",
        "metadata": None,
        "createdAt": "2026-06-05T10:00:00.000Z",
    }


def test_each_subscription_gets_its_own_events_under_its_own_secret(clock):
    sandbox = Sandbox(clock=clock, api_keys={"ck_a": "north", "ck_b": "south"})
    for project in ("north", "south"):
        sandbox.put_template("invoice", manifest=INVOICE, project=project)
    everything = sandbox.subscribe("https://a.example", "one", project="north")
    sandbox.subscribe("https://b.example", "two", ["document.share_created"], project="north")
    receiver = Receiver()
    south = Api(sandbox.session(), "https://api.craftkit.test", "ck_b")
    south.share()
    assert sandbox.deliver_due(receiver) == 0

    Api(sandbox.session(), "https://api.craftkit.test", "ck_a").share()
    sandbox.deliver_due(receiver)

    assert [(url, h["X-Craftkit-Event"]) for url, _, h in receiver.calls] == [
        ("https://a.example", "render.succeeded"),
        ("https://a.example", "document.share_created"),
        ("https://b.example", "document.share_created"),
    ]
    assert len(set(receiver.ids)) == 3
    signatures = {headers["X-Craftkit-Signature"] for *_, headers in receiver.calls[1:]}
    assert len(signatures) == 2
    sandbox.unsubscribe(everything)
    Api(sandbox.session(), "https://api.craftkit.test", "ck_a").render()
    assert sandbox.deliver_due(receiver) == 0


@pytest.fixture
def two_projects(clock):
    sandbox = Sandbox(clock=clock, api_keys={"ck_a": "north", "ck_b": "south"}, lenient=True)
    sandbox.subscribe("https://north.example", "one", project="north")
    return sandbox


def of(sandbox: Sandbox, key: str) -> Api:
    return Api(sandbox.session(), "https://api.craftkit.test", key)


def test_the_desk_subscribes_one_project_and_no_other(two_projects):
    desk = of(two_projects, "ck_a")
    south = "/_sandbox/projects/south/webhooks"
    wanted = {"url": "https://south.example", "secret": "two", "events": ["render.succeeded"]}

    made = desk.post(south, wanted)

    assert made.status_code == 201
    shown = {"id": made.json()["id"], "url": wanted["url"], "events": wanted["events"]}
    assert made.json() == shown
    assert desk.get(south).json() == {"webhooks": [shown]}
    (first,) = desk.get("/_sandbox/projects/north/webhooks").json()["webhooks"]
    assert (first["url"], first["events"]) == ("https://north.example", list(EVENTS))
    receiver = Receiver()
    for key in ("ck_a", "ck_b"):
        of(two_projects, key).render()
    two_projects.deliver_due(receiver)
    assert [url for url, *_ in receiver.calls] == ["https://north.example", "https://south.example"]
    for (_, body, headers), secret in zip(receiver.calls, ("one", "two"), strict=True):
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Craftkit-Signature"] == signature
    page = desk.get("/_sandbox/").text
    assert "https://south.example" in page
    assert desk.delete(f"{south}/{shown['id']}").json() == {"id": shown["id"], "deleted": True}
    assert desk.delete(f"{south}/{shown['id']}").status_code == 404
    of(two_projects, "ck_b").render()
    assert two_projects.deliver_due(receiver) == 0


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"url": None}, "url"),
        ({"url": "/hook"}, "url"),
        ({"secret": ""}, "secret"),
        ({"events": "render.failed"}, "events"),
        ({"events": ["render.failed", "signature.failed"]}, "events.1"),
        ({"events": [["render.failed"]]}, "events.0"),
    ],
)
def test_the_desk_refuses_what_is_no_subscription(two_projects, changes, path):
    desk, webhooks = of(two_projects, "ck_a"), "/_sandbox/projects/south/webhooks"

    answer = desk.post(webhooks, {"url": "https://a.example", "secret": "s", **changes})

    assert answer.status_code == 400
    assert list(answer.json()["error"]["issues"]["fieldErrors"]) == [path]
    assert desk.get(webhooks).json() == {"webhooks": []}
    assert desk.get("/_sandbox/projects/west/webhooks").status_code == 404


def test_no_page_and_no_answer_shows_a_secret(two_projects):
    desk, webhooks = of(two_projects, "ck_a"), "/_sandbox/projects/south/webhooks"
    made = desk.post(webhooks, {"url": "https://a.example", "secret": "whsec-hidden"})
    shown = [made.text, desk.get(webhooks).text, desk.get("/_sandbox/").text]
    assert "whsec-hidden" not in "".join(shown) + repr(two_projects.project("south").subscriptions)


def test_an_event_that_craftkit_does_not_have_cannot_be_subscribed_to(sandbox):
    assert len(EVENTS) == 17
    with pytest.raises(ValueError, match=r"signature\.failed"):
        sandbox.subscribe(URL, SECRET, ["signature.failed"])


def test_a_delivery_is_tried_six_times_with_growing_delays_and_then_abandoned(
    api, sandbox, receiver, clock
):
    receiver.answers = [500, 302, 404, OSError("refused"), 500, 500, 200]
    api.render()
    moments = []
    for _ in range(4000):
        if sandbox.deliver_due(receiver):
            moments.append(clock())
        clock.advance(1)

    (delivery,) = sandbox.deliveries
    assert delivery.status == "abandoned"
    assert [attempt.status for attempt in delivery.attempts] == [500, 302, 404, None, 500, 500]
    assert "refused" in delivery.attempts[3].error
    waits = [after - before for before, after in pairwise(moments)]
    assert waits == [5, 30, 120, 600, 1800]
    # The same delivery each time, said to be sent now.
    assert len(set(receiver.ids)) == 1
    assert len({body for _, body, _ in receiver.calls}) == 1
    stamps = [int(headers["X-Craftkit-Timestamp"]) for *_, headers in receiver.calls]
    assert stamps == [int(moment) for moment in moments]


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_ends_it(api, sandbox, receiver, clock, status):
    receiver.answers = [503, status]
    api.render()
    sandbox.deliver_due(receiver)
    clock.advance(10_000)

    assert sandbox.deliver_due(receiver) == 1

    clock.advance(10_000)
    assert sandbox.deliver_due(receiver) == 0
    assert sandbox.deliveries[0].status == "delivered"


def test_the_delays_can_be_others(clock):
    sandbox = Sandbox(clock=clock, retry_delays=[0, 0])
    sandbox.put_any_template("invoice")
    sandbox.subscribe(URL, SECRET)
    Api(sandbox.session(), "https://api.craftkit.test").render()

    assert sandbox.deliver_due(Receiver(500, 500, 500)) == 3
    assert sandbox.deliveries[0].status == "abandoned"


def test_a_receiver_may_use_the_sandbox_while_it_is_called(api, sandbox):
    sandbox.subscribe(URL, SECRET)
    asked = []

    def receive(url, body, headers):
        payload = json.loads(body)
        if payload["event"] == "render.succeeded":
            api.post(f"/v1/renders/{payload['renderId']}/shares", {})
        asked.append(payload["event"])
        return 200

    api.render()
    sandbox.deliver_due(receive)

    assert asked == ["render.succeeded", "document.share_created"]


def test_a_webhook_can_be_dropped(api, sandbox, receiver):
    sandbox.faults.add("webhook_dropped", event="render.*")
    api.share()

    sandbox.deliver_due(receiver)

    assert receiver.events == ["document.share_created"]
    assert [delivery.status for delivery in sandbox.deliveries] == ["dropped", "delivered"]


def test_a_webhook_can_be_doubled(api, sandbox, receiver):
    sandbox.faults.add("webhook_doubled")
    api.render()

    sandbox.deliver_due(receiver)

    assert receiver.events == ["render.succeeded"] * 2
    assert len(set(receiver.ids)) == 1


def test_a_webhook_can_be_overtaken_by_the_next(api, sandbox, receiver):
    sandbox.faults.add("webhook_reordered")
    share = api.share()
    api.delete(f"/v1/renders/{share['renderId']}/shares/{share['id']}")

    sandbox.deliver_due(receiver)

    assert receiver.events == [
        "document.share_created",
        "render.succeeded",
        "document.share_revoked",
    ]


def test_a_webhook_that_waits_to_be_overtaken_does_not_wait_for_ever(api, sandbox, receiver, clock):
    sandbox.faults.add("webhook_reordered", seconds=30)
    api.render()
    assert sandbox.deliver_due(receiver) == 0
    clock.advance(30)

    assert sandbox.deliver_due(receiver) == 1


def test_a_webhook_can_be_late(api, sandbox, receiver, clock):
    sandbox.faults.add("webhook_delayed", seconds=60)
    api.share()
    sandbox.deliver_due(receiver)
    clock.advance(60)
    sandbox.deliver_due(receiver)

    assert receiver.events == ["document.share_created", "render.succeeded"]


class HttpReceiver:
    """A real web server for webhooks; `hold` keeps its answers back."""

    def __init__(self) -> None:
        self.bodies: list[tuple[bytes, str]] = []
        self.arrived = threading.Semaphore(0)
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.bodies.append((body, self.headers["x-craftkit-signature"]))
                outer.arrived.release()
                outer.hold.wait(120)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def http_receiver():
    receiver = HttpReceiver()
    yield receiver
    receiver.close()


def test_the_server_posts_webhooks_by_itself(sandbox, http_receiver):
    sandbox.subscribe(http_receiver.url, SECRET)
    with SandboxServer(sandbox) as server:
        Api(requests.Session(), server.url).render()
        assert http_receiver.arrived.acquire(timeout=30)
        until(lambda: sandbox.deliveries[0].status == "delivered")

    ((body, signature),) = http_receiver.bodies
    assert signature == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert sandbox.deliveries[0].attempts[0].status == 204


def test_over_sockets_each_project_s_webhooks_go_to_its_own_receiver(two_projects, http_receiver):
    other = HttpReceiver()
    webhooks = "/_sandbox/projects/{}/webhooks"
    two_projects.unsubscribe(two_projects.project("north").subscriptions[0])
    try:
        with SandboxServer(two_projects) as server:
            for name, to in (("north", http_receiver), ("south", other)):
                body = {"url": to.url, "secret": f"of {name}"}
                answer = Api(requests.Session(), server.url).post(webhooks.format(name), body)
                assert answer.status_code == 201
            renders = {
                name: Api(requests.Session(), server.url, key).render().json()["id"]
                for name, key in (("north", "ck_a"), ("south", "ck_b"))
            }
            until(lambda: [one.status for one in two_projects.deliveries] == ["delivered"] * 2)
    finally:
        other.close()
    for name, receiver in (("north", http_receiver), ("south", other)):
        ((body, signature),) = receiver.bodies
        assert json.loads(body)["renderId"] == renders[name]
        assert signature == hmac.new(f"of {name}".encode(), body, hashlib.sha256).hexdigest()


def test_a_slow_receiver_holds_up_neither_the_api_nor_other_receivers(
    sandbox, http_receiver, monkeypatch
):
    monkeypatch.setattr(sender, "TIMEOUT", 120.0)
    quick = HttpReceiver()
    try:
        http_receiver.hold.clear()
        sandbox.subscribe(http_receiver.url, SECRET)
        sandbox.subscribe(quick.url, SECRET)
        with SandboxServer(sandbox) as server:
            api = Api(requests.Session(), server.url)
            for _ in range(8):
                assert api.render().status_code == 202
            for _ in range(8):
                assert quick.arrived.acquire(timeout=30)
            assert len(http_receiver.bodies) <= 2
            http_receiver.hold.set()
            for _ in range(8):
                assert http_receiver.arrived.acquire(timeout=30)
    finally:
        quick.close()
