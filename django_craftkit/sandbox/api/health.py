"""Whether the service is up (section 3): two routes, both without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="open")


@routes("GET", "/health")
def short(call: Call) -> Response:
    """The form of the quickstart."""
    return json_response({"status": "ok"})


@routes("GET", "/v1/health")
def full(call: Call) -> Response:
    """The form of the reference. A fault with the code `degraded` makes it `degraded`."""
    return json_response({"status": "ok", "version": "local", "checks": {"database": "ok"}})


def degraded() -> Response:
    """What a health check that fails answers: not the envelope of errors."""
    body = {"status": "degraded", "version": "local", "checks": {"database": "error"}}
    return json_response(body, 503)
