"""Whether the service is up (section 3): two routes, both without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from .http import json_response
from .routing import Routes

if TYPE_CHECKING:
    from .http import Call

routes = Routes(door="open")


@routes("GET", "/health")
def short(call: Call) -> Response:
    """The form of the quickstart."""
    return json_response({"status": "ok"})


@routes("GET", "/v1/health")
def full(call: Call) -> Response:
    """The form of the reference. For a degraded one ask for a fault with status 503."""
    return json_response({"status": "ok", "version": "local", "checks": {"database": "ok"}})


@routes("GET", "/")
def home(call: Call) -> Response:
    """Craftkit sends what is no API call to its web site; here that is the page for people."""
    return Response(status=302, headers={"Location": "/_sandbox/"})
