from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.helpers import grant

PREFIX = "/api/craftkit/"
GUARDIAN = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]


class Caller(Client):
    """Somebody who is logged in, and speaks JSON."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self.user = user
        self.force_login(user, "django.contrib.auth.backends.ModelBackend")

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        """Return the answer to a request; ``path`` is relative to the API's prefix."""
        headers = {"Idempotency-Key": key} if key else {}
        url = path if path.startswith(("/", "http")) else PREFIX + path
        data = b"" if body is None else json.dumps(body).encode()
        return self.generic(
            method.upper(), url, data, content_type="application/json", headers=headers
        )

    def got(self, path: str, status: int = 200) -> Any:
        response = self.ask("get", path)
        assert response.status_code == status, (path, response.content)
        return response.json()

    def sent(self, path: str, body: Any = None, key: str = "", *, status: int = 201) -> Any:
        response = self.ask("post", path, body, key)
        assert response.status_code == status, (path, response.content)
        return response.json() if response.content else None


@pytest.fixture
def person(db):
    """Make somebody, not of the staff, with nothing but these permissions."""

    def make(*codenames: str) -> Caller:
        user = User.objects.create_user(f"person-{uuid.uuid4()}")
        grant(user, *codenames)
        return Caller(user)

    return make


@pytest.fixture
def boss(db):
    return Caller(User.objects.create_superuser("boss"))


@pytest.fixture
def guardian(settings):
    """Have django-guardian say who may do what, beside Django."""
    settings.AUTHENTICATION_BACKENDS = GUARDIAN


def fields_of(response: Any) -> list[str]:
    """Return what an error is about."""
    body = response.json()
    assert set(body) == {"code", "message", "errors"}
    assert all(set(one) == {"field", "code", "message"} for one in body["errors"])
    return [one["field"] for one in body["errors"]]
