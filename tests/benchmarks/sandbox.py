"""``python -m tests.benchmarks.sandbox``: a Craftkit that counts the calls to its API.

PDFs are written when somebody downloads them, which nobody does here: a render costs it nothing
but its calls.
"""

from __future__ import annotations

import argparse
import itertools
import json
from typing import TYPE_CHECKING, Any

from django_craftkit.sandbox import Sandbox, serve

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Where it says how many calls there were.
COUNT = "/_benchmark/calls"


class CountingSandbox(Sandbox):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._numbers = itertools.count(1)
        self._calls = 0

    def wsgi_app(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == COUNT:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._calls).encode()]
        if path.startswith("/v1/"):
            self._calls = next(self._numbers)
        return super().wsgi_app(environ, start_response)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", required=True)
    parser.add_argument("--render-seconds", type=float, required=True)
    parser.add_argument("--webhook-url")
    parser.add_argument("--webhook-secret")
    options = parser.parse_args()
    sandbox = CountingSandbox(api_keys=[options.key], render_time=options.render_seconds)
    sandbox.put_any_template("booking")
    if options.webhook_url:
        sandbox.subscribe(options.webhook_url, options.webhook_secret)
    serve(sandbox, port=0, ready=lambda url: print(url, flush=True))  # noqa: T201


if __name__ == "__main__":
    main()
