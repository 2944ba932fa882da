from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User

from django_craftkit.models import Template
from tests.shop.models import Order

if TYPE_CHECKING:
    from django_craftkit.sandbox.core.sessions import EmbedSession as Remote
    from django_craftkit.testing import Kit

MANIFEST: dict[str, Any] = {
    "variables": [
        {"key": "customer.name", "label": "Customer", "dataType": "text", "required": True},
        {"key": "arrival", "label": "Arrival", "dataType": "date"},
    ],
    "loops": [],
}
SESSIONS, REFRESH = "/v1/embed/sessions", "/v1/embed/sessions/refresh"


@pytest.fixture
def form(craftkit: Kit) -> Kit:
    """A Craftkit with a form, of which the mirror knows."""
    craftkit.put_template("crew-list", MANIFEST, name="Crew list")
    Template.objects.refresh("default")
    craftkit.run()
    assert Template.objects.get_known("default", "crew-list") is not None
    return craftkit


@pytest.fixture
def order(db: None) -> Order:
    return Order.objects.create(number="2031-7")


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ada", first_name="Ada", last_name="Lovelace")


def minted(craftkit: Kit) -> Remote:
    """Return the one session that Craftkit has minted."""
    (session,) = craftkit.sandbox.embed_sessions
    return session


def calls(craftkit: Kit, path: str) -> int:
    """Return how often an address of Craftkit was called."""
    return sum(one.path == path for one in craftkit.sandbox.requests)
