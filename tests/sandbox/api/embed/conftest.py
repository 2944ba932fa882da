"""Sessions as a partner mints them, and the calls of the pages that have their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.conftest import Api

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.sandbox import Sandbox

SESSIONS = "/v1/embed/sessions"
REFRESH = "/v1/embed/sessions/refresh"
TEMPLATES = "/v1/embed/builder/templates"
OTHER_KEY = "ck_test_other"
SHOP = "https://shop.example.com"
#: The sample of the documentation, section 4.1, but for its catalog.
SAMPLE: dict[str, Any] = {
    "tenant": {"externalId": "org_123", "displayName": "Acme Corp"},
    "actor": {
        "externalId": "usr_456",
        "displayName": "Jane Smith",
        "email": "jane@acme.com",
    },
    "scope": {"mode": "edit", "templateExternalId": "invoice"},
    "permissions": {"publish": True, "saveDraft": True},
}


def refusal(answer) -> tuple[int, str]:
    """Status and code, in either envelope."""
    error = answer.json()["error"]
    return answer.status_code, error if isinstance(error, str) else error["code"]


def bearer(token: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **headers}


@pytest.fixture
def other(sandbox: Sandbox) -> Api:
    """Another project of the same sandbox."""
    sandbox.add_key(OTHER_KEY, "other")
    return Api(sandbox.session(), "https://api.craftkit.test", OTHER_KEY)


@pytest.fixture
def template_id(api) -> str:
    return api.get("/v1/templates/invoice").json()["id"]


@pytest.fixture
def mint(api, template_id) -> Callable[..., dict[str, Any]]:
    """Mint a session; `form` makes it one to fill in the invoice's form."""

    def mint(mode: str = "fill", by: Api = api, **changes: Any) -> dict[str, Any]:
        body = {**SAMPLE}
        if mode == "fill":
            body["scope"] = {"mode": "fill", "templateExternalId": template_id}
            body["permissions"] = {"submitForm": True}
        elif mode == "create":
            body["scope"] = {"mode": "create"}
        else:
            body["scope"] = {**SAMPLE["scope"], "mode": mode}
        answer = by.post(SESSIONS, {**body, **changes})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return mint


@pytest.fixture
def submit(guest) -> Callable[..., Any]:
    """Submit the form of a session that was minted."""

    def submit(session: dict[str, Any], data: Any = None, **more: Any):
        body = {"data": {"customer.name": "Ada"} if data is None else data, **more}
        path = f"/v1/embed/form-submit/{session['session_id']}"
        return guest.post(path, body, headers=bearer(session["session_token"]))

    return submit
