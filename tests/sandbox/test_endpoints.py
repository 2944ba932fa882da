"""The endpoints of the documentation, typed in by hand: the sandbox has each, and no other."""

from __future__ import annotations

import re

import pytest

from django_craftkit.sandbox.api import ROUTES

ENDPOINTS = [
    "GET /health",
    "GET /v1/health",
    "POST /v1/templates",
    "GET /v1/templates",
    "GET /v1/templates/{slug}",
    "PUT /v1/templates/{slug}",
    "DELETE /v1/templates/{slug}",
    "POST /v1/templates/{slug}/render",
    "GET /v1/renders/{id}",
    "GET /v1/renders/{id}/download",
    "POST /v1/renders/{id}/shares",
    "GET /v1/renders/{id}/shares",
    "DELETE /v1/renders/{id}/shares/{shareId}",
    "POST /v1/renders/{id}/email",
    "GET /v1/renders/{id}/engagement",
    "POST /v1/renders/{id}/events",
    "POST /v1/signatures",
    "GET /v1/signatures",
    "GET /v1/signatures/{id}",
    "POST /v1/signatures/{id}/cancel",
    "GET /v1/signatures/{id}/download",
    "GET /v1/signatures/{id}/certificate",
    "POST /v1/hooks/{token}",
    "POST /v1/embed/sessions",
    "POST /v1/embed/sessions/refresh",
    "POST /v1/embed/catalogs",
    "POST /v1/embed/builder/templates",
    "GET /v1/embed/builder/templates",
    "POST /v1/embed/form-submit/{sessionId}",
    "POST /v1/embed/form-submit/{sessionId}/upload-image",
    "GET /v1/embed/renders",
    "GET /v1/embed/renders/{id}",
    "GET /v1/embed/renders/{id}/download",
    "POST /v1/admin/provision",
    "PATCH /v1/admin/provision",
    "POST /v1/projects",
    "GET /v1/projects",
    "GET /v1/projects/{id}",
    "PATCH /v1/projects/{id}",
    "DELETE /v1/projects/{id}",
    "POST /v1/projects/{id}/keys",
]


def test_the_list_is_whole():
    assert len(set(ENDPOINTS)) == len(ENDPOINTS) == 41


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_sandbox_answers(guest, endpoint):
    """Without a key, no route is 404 `not_found`, or 405 for a path of other methods."""
    method, path = endpoint.split()
    answer = guest(method, re.sub(r"\{\w+\}", "x", path), json={})

    error = answer.json().get("error", {})
    code = error if isinstance(error, str) else error.get("code")
    assert code not in {"not_found", "method_not_allowed"}


def test_the_sandbox_has_no_other():
    def spelled(path: str) -> str:
        return re.sub(r"[{<][^}>]*[}>]", "{}", path)

    routes = {
        f"{each.method} {spelled(each.path)}"
        for routes in ROUTES
        for each in routes
        # The buckets that `downloadUrl` and the like point into are no part of the API.
        if not each.path.startswith("/files/")
    }
    assert routes <= {spelled(endpoint) for endpoint in ENDPOINTS}
