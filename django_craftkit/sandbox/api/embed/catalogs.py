"""Catalogs of variables: publish the next version of one (section 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core.catalogs import publish
from django_craftkit.sandbox.core.checks.embed import check_catalog
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="embed", statuses={"invalid_request": 422})


@routes("POST", "/v1/embed/catalogs")
def create(call: Call) -> Response:
    """201 with version 1 of a new name, or the next one of a known name."""
    catalog = publish(call.project, *check_catalog(call.json()))
    return json_response({"id": catalog.id, "name": catalog.name, "version": catalog.version}, 201)
