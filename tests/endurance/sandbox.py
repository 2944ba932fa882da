"""``python -m tests.endurance.sandbox``: a Craftkit that tells what it has, by its own count.

Whoever is asked to sign there does so by themselves, a few seconds later.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from django_craftkit.sandbox import serve
from tests.benchmarks.sandbox import CountingSandbox

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Where it tells what it has: labels, repeats included.
BOOKS = "/_endurance/books"
#: Seconds that a render takes, that people take to sign, and between the tries of a webhook.
RENDER, SIGN, DELIVER = 1.0, 3.0, (1.0, 2.0, 5.0, 10.0, 20.0)


class BookkeepingSandbox(CountingSandbox):
    def wsgi_app(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != BOOKS:
            return super().wsgi_app(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(self.books()).encode()]

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
    options = parser.parse_args()
    sandbox = BookkeepingSandbox(
        api_keys=[options.key], lenient=True, render_time=RENDER, retry_delays=DELIVER
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
