"""The desk over HTTP: people and the provider act, credits and delays are set."""

from __future__ import annotations

from django_craftkit.sandbox import Sandbox, SandboxAdapter
from tests.sandbox.api.signatures.conftest import (
    ADA,
    ANCHOR,
    BEN,
    CAT,
    NOBODY,
    PATH,
    person,
    refusal,
    status,
)
from tests.sandbox.conftest import DATA, Api


def test_recipients_act_over_http(api, guest, crew):
    def act(action, **said):
        return guest.post(f"/_sandbox/signatures/{crew}/{action}", said or None)

    assert act("view", email=ADA).json()["status"] == "viewed"
    assert act("sign", email=ADA).json()["recipients"][0]["signedAt"]
    assert refusal(act("sign", email=ADA)) == (409, "conflict")
    assert refusal(act("sign")) == (400, "invalid_request")
    assert refusal(act("sign", email=CAT)) == (409, "conflict")
    assert act("decline", email=BEN, reason="No").json()["status"] == "declined"
    assert refusal(act("expire")) == (409, "conflict")
    unknown = guest.post(f"/_sandbox/signatures/{NOBODY}/sign", {"email": ADA})
    assert refusal(unknown) == (404, "not_found")


def test_the_provider_acts_over_http(api, guest, ask):
    expired, failed = ask()["id"], ask()["id"]

    guest.post(f"/_sandbox/signatures/{expired}/expire")
    answer = guest.post(f"/_sandbox/signatures/{failed}/fail", {"message": "Lost"})

    assert status(api, expired) == "expired"
    assert (answer.json()["status"], answer.json()["errorMessage"]) == ("failed", "Lost")


def test_credits_and_delays_are_set_over_http(guest, ask, sandbox):
    ask()

    def patch(**settings):
        return guest("PATCH", "/_sandbox/signatures", json=settings)

    assert patch(credits=2, archive_delay=5, certificate_delay=9).json() == {
        "credits": 2,
        "billed": 1,
        "archive_delay": 5,
        "certificate_delay": 9,
        "strict_anchors": False,
    }
    assert patch(credits=None, certificate_delay=None).json() == {
        "credits": None,
        "billed": 1,
        "archive_delay": 5,
        "certificate_delay": None,
        "strict_anchors": False,
    }
    assert (sandbox.signature_credits, sandbox.archive_delay) == (None, 5)
    for wrong in ({"credits": -1}, {"credits": "x"}, {"archive_delay": -1}):
        assert refusal(patch(**wrong)) == (400, "invalid_request")


def test_other_machines_and_sites_can_not_use_it(sandbox, crew, guest):
    far = Api(SandboxAdapter(sandbox, remote_addr="203.0.113.7").session(), guest.base, key=None)
    path = f"/_sandbox/signatures/{crew}/sign"
    evil = {"Origin": "https://evil.example"}

    assert far.post(path, {"email": ADA}).status_code == 403
    assert far("PATCH", "/_sandbox/signatures", json={}).status_code == 403
    assert guest.post(path, {"email": ADA}, headers=evil).status_code == 403
    assert [request.status for request in sandbox.signatures] == ["sent"]


def test_reset_forgets_requests_and_comes_back_to_the_credits_it_was_given(clock):
    sandbox = Sandbox(clock=clock, lenient=True, signature_credits=2, archive_delay=7)
    api = Api(sandbox.session(), "https://api.craftkit.test")
    body = {
        "renderId": api.render(DATA).json()["id"],
        "recipients": [person(ADA)],
        "anchorTags": [ANCHOR],
    }
    answer = api.post(PATH, body, headers={"Idempotency-Key": "k"})
    (mail,) = sandbox.signature_mails
    sandbox.project().signatures_configured = False

    sandbox.reset()

    assert (sandbox.signatures, sandbox.signature_mails) == ([], [])
    assert (sandbox.signature_credits, sandbox.billed_signatures) == (2, 0)
    assert sandbox.archive_delay == 7
    for path in (mail.url, mail.signing_url, f"{PATH}/{answer.json()['id']}"):
        assert api.get(path).status_code == 404
    body["renderId"] = api.render(DATA).json()["id"]
    assert api.post(PATH, body, headers={"Idempotency-Key": "k"}).status_code == 201
