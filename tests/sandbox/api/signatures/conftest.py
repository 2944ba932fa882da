"""Requests for the signatures of some people, as a client asks for them."""

from __future__ import annotations

import uuid

import pytest

PATH = "/v1/signatures"
ADA = "ada@example.com"
BEN = "ben@example.com"
EVA = "eva@example.com"
CAT = "cat@example.com"
HOOK = "https://shop.example.com/hook"
FIELD = {"recipientIndex": 0, "type": "signature", "page": 1, "x": 10, "y": 80}
ANCHOR = {"anchorString": "{{sign_here}}", "type": "signature", "recipientIndex": 0}
NOBODY = str(uuid.UUID(int=0))


def person(email, **more):
    return {"firstName": email.partition("@")[0].title(), "email": email, **more}


def refusal(answer):
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def render_id(api):
    return api.render().json()["id"]


@pytest.fixture
def body(render_id):
    return {
        "renderId": render_id,
        "name": "Charter handover",
        "recipients": [person(ADA, lastName="Lovelace")],
        "fields": [FIELD],
    }


@pytest.fixture
def ask(api, body):
    """Send a request out; the answer's JSON."""

    def ask(*recipients, key=None, **changes):
        asked = {**body, **changes}
        if recipients:
            asked["recipients"] = list(recipients)
        headers = {"Idempotency-Key": key} if key else {}
        answer = api.post(PATH, asked, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return ask


@pytest.fixture
def crew(ask):
    """The id of a request for two who sign, one who approves, one who gets a copy."""
    return ask(
        person(ADA),
        person(BEN),
        person(EVA, designation="Approver"),
        person(CAT, designation="CC"),
    )["id"]


@pytest.fixture
def heard(sandbox):
    """The bodies of the webhooks so far, but those of renders."""
    sandbox.subscribe(HOOK, "secret")

    def heard():
        bodies = [delivery.payload for delivery in sandbox.deliveries]
        return [body for body in bodies if body["event"].startswith("signature.")]

    return heard


@pytest.fixture
def names(heard):
    return lambda: [body["event"].removeprefix("signature.") for body in heard()]


def status(api, request_id):
    answer = api.get(f"{PATH}/{request_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["status"]
