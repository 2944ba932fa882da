"""The sandbox has each endpoint of the documentation, and no other."""

from __future__ import annotations

import re

import pytest

from django_craftkit.sandbox.api import ROUTES
from tests.endpoints import ENDPOINTS


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_the_sandbox_answers(guest, method, path):
    """Without a key, no route is 404 `not_found`, or 405 for a path of other methods."""
    answer = guest(method, re.sub(r":\w+", "x", path), json={})

    error = answer.json().get("error", {})
    code = error if isinstance(error, str) else error.get("code")
    assert code not in {"not_found", "method_not_allowed"}


def test_the_sandbox_has_no_other():
    def spelled(path: str) -> str:
        return re.sub(r"<[^>]*>|\{[^}]*\}|:\w+", "{}", path)

    routes = {
        f"{each.method} {spelled(each.path)}"
        for routes in ROUTES
        for each in routes
        # The buckets that `downloadUrl` and the like point into are no part of the API.
        if not each.path.startswith("/files/")
    }
    assert routes <= {f"{method} {spelled(path)}" for method, path in ENDPOINTS}
