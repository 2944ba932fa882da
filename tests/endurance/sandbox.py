"""``python -m tests.endurance.sandbox``: a Craftkit that tells what it has, by its own count.

Whoever is asked to sign there does so by themselves, a few seconds later.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from django_craftkit.sandbox import serve
from tests.benchmarks.sandbox import CountingSandbox

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Where it tells what it has: labels, repeats included. Where it is told to fail no more.
BOOKS, CALM = "/_endurance/books", "/_endurance/calm"
#: Seconds that a render takes, that people take to sign, and between the tries of a webhook.
RENDER, SIGN, DELIVER = 1.0, 3.0, (1.0, 2.0, 5.0, 10.0, 20.0)

#: What may befall a call, or the next webhook: an answer that is lost before or after Craftkit has
#: acted, or is no answer; one that is slow (5 s are more than anybody waits for); webhooks that are
#: lost, late, doubled or out of order. None of them ends a document badly.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "cut_before"},
    {"kind": "cut_after"},
    {"kind": "refused"},
    {"kind": "truncated"},
    {"kind": "garbage"},
    {"kind": "garbage", "handled": True},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 500, "handled": True},
    {"kind": "delay", "seconds": 2.0},
    {"kind": "delay", "seconds": 5.0},
    {"kind": "webhook_dropped"},
    {"kind": "webhook_doubled"},
    {"kind": "webhook_reordered", "seconds": 3.0},
    {"kind": "webhook_delayed", "seconds": 5.0},
)
#: What may befall all calls for some seconds.
OUTAGES: tuple[dict[str, Any], ...] = (
    {"kind": "refused"},
    {"kind": "status", "status": 503, "code": "queue_unavailable"},
    {"kind": "status", "status": 429, "code": "rate_limited", "retry_after": 1},
)
OUTAGE = (1.0, 6.0)
#: Of how many calls one meets a fault; of how many one begins an outage.
FAULT_EVERY, OUTAGE_EVERY = 10, 500


class BookkeepingSandbox(CountingSandbox):
    def __init__(self, random: random.Random | None, **options: Any) -> None:
        """``random`` is what its faults come from; without it there are none."""
        super().__init__(**options)
        self._random = random
        self._outage: dict[str, Any] = {}
        self._outage_until = 0.0
        self._failed: Counter[str] = Counter()

    def wsgi_app(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in (BOOKS, CALM):
            if path.startswith("/v1/"):
                self._perhaps_fail()
            return super().wsgi_app(environ, start_response)
        if path == CALM:
            self._random = None
            self.faults.clear()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(self.books()).encode()]

    def _perhaps_fail(self) -> None:
        with self.state.lock:
            if self._random is None:
                return
            now = time.monotonic()
            if now >= self._outage_until and not self._random.randrange(OUTAGE_EVERY):
                self._outage = self._random.choice(OUTAGES)
                self._outage_until = now + self._random.uniform(*OUTAGE)
                self._failed["outage"] += 1
            if now < self._outage_until:
                self.faults.add(**self._outage)
            elif not self._random.randrange(FAULT_EVERY):
                fault = self._random.choice(FAULTS)
                self.faults.add(**fault)
                self._failed[fault["kind"]] += 1

    def books(self) -> dict[str, Any]:
        with self.state.lock:
            deliveries = self.deliveries
            under_way = [
                *(render for render in self.renders if not render.progress.finished),
                *(request for request in self.signatures if request.open),
                *(delivery for delivery in deliveries if delivery.status == "pending"),
            ]
            return {
                "documents": [render.data["event"] for render in self.renders],
                "links": [share.message for share in self.shares if share.channel == "link"],
                "mails": [mail.message for mail in self.mails],
                "signatures": [request.name for request in self.signatures],
                "signature mails": [mail.request.name for mail in self.signature_mails],
                "webhooks": len(deliveries),
                "faults": self._failed,
                "under way": len(under_way),
            }

    def sign_what_waits(self) -> None:
        """Have everybody sign what was sent to them some time ago."""
        now = self.state.clock()
        for request in self.signatures:
            if request.open and now - request.created_at > SIGN:
                self.sign_all(request.id)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", required=True)
    parser.add_argument("--webhook-url", required=True)
    parser.add_argument("--webhook-secret", required=True)
    parser.add_argument("--faults", type=int, metavar="SEED")
    options = parser.parse_args()
    sandbox = BookkeepingSandbox(
        None if options.faults is None else random.Random(options.faults),
        api_keys=[options.key],
        lenient=True,
        render_time=RENDER,
        retry_delays=DELIVER,
    )
    sandbox.subscribe(options.webhook_url, options.webhook_secret)

    def sign() -> None:
        while True:
            time.sleep(1.0)
            sandbox.sign_what_waits()

    threading.Thread(target=sign, daemon=True).start()
    serve(sandbox, port=0, ready=lambda url: print(url, flush=True))  # noqa: T201


if __name__ == "__main__":
    main()
