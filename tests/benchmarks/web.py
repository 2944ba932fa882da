"""``python -m tests.benchmarks.web``: one web process, one request at a time, as gunicorn's are."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application
from werkzeug.serving import WSGIRequestHandler, make_server


class _Handler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """A line for each would be work that no view does."""


def main() -> None:
    application = get_wsgi_application()
    server = make_server("127.0.0.1", 0, application, request_handler=_Handler)
    print(f"http://127.0.0.1:{server.port}", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()
