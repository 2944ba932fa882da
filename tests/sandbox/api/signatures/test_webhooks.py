"""Which steps are announced, once and with thin bodies."""

from __future__ import annotations

import threading

import pytest

from django_craftkit.sandbox import SandboxServer
from tests.sandbox.api.signatures.conftest import (
    ADA,
    BEN,
    HOOK,
    PATH,
    person,
)


def test_each_step_is_announced_with_a_thin_body(api, ask, sandbox, heard):
    sent = ask(person(ADA), person(BEN))
    for email in (ADA, BEN):
        sandbox.view_signature(sent["id"], email)
        sandbox.sign(sent["id"], email)

    ids = {"signatureRequestId": sent["id"], "renderId": sent["renderId"]}
    signed = {"event": "signature.signed", **ids}
    assert heard() == [
        {
            "event": "signature.sent",
            **ids,
            "status": "sent",
            "name": "Charter handover",
            "recipients": sent["recipients"],
        },
        {"event": "signature.viewed", **ids, "status": "viewed"},
        signed,
        signed,
        {"event": "signature.completed", **ids, "status": "completed"},
    ]


@pytest.mark.parametrize("reason", [None, "Wrong date"])
@pytest.mark.parametrize("end", ["declined", "cancelled"])
def test_a_reason_is_announced_when_one_was_given(api, ask, sandbox, heard, end, reason):
    sent = ask()
    if end == "declined":
        sandbox.decline(sent["id"], ADA, reason=reason)
    else:
        given = {} if reason is None else {"reason": reason}
        api.post(f"{PATH}/{sent['id']}/cancel", given)

    assert heard()[-1] == {
        "event": f"signature.{end}",
        "signatureRequestId": sent["id"],
        "renderId": sent["renderId"],
        "status": end,
        **({} if reason is None else {"reason": reason}),
    }


def test_the_expiry_is_announced_when_it_comes_and_once(api, ask, sandbox, clock, heard):
    sent = ask(expirationHours=1)
    sandbox.expire_signature(ask(expirationHours=1)["id"])
    assert len(heard()) == 3
    clock.advance(3600)
    calls = []
    sandbox.deliver_due(lambda url, body, headers: calls.append(headers) or 200)

    assert heard()[3:] == [
        {
            "event": "signature.expired",
            "signatureRequestId": sent["id"],
            "renderId": sent["renderId"],
            "status": "expired",
        }
    ]
    assert calls[-1]["X-Craftkit-Event"] == "signature.expired"


def test_a_failure_is_announced_to_nobody(api, ask, sandbox, names):
    sandbox.subscribe(HOOK, "secret", ["signature.sent"])
    sandbox.fail_signature(ask()["id"])
    sandbox.faults.add("signature_failed")
    ask()

    assert set(names()) == {"sent"}


def test_subscribers_hear_of_what_they_asked_for(ask, sandbox):
    sandbox.subscribe(HOOK, "secret", ["signature.completed"])

    sandbox.sign(ask()["id"], ADA)

    assert [delivery.event for delivery in sandbox.deliveries] == ["signature.completed"]


def test_a_server_announces_an_expiry_by_itself(ask, sandbox, clock):
    ask(expirationHours=1)
    heard = threading.Event()
    sandbox.subscribe("http://127.0.0.1:1/", "secret", ["signature.expired"])
    state = sandbox.state
    announce = state.outbox.announce

    def listen(project, payload):
        announce(project, payload)
        heard.set()

    state.outbox.announce = listen
    with SandboxServer(sandbox):
        clock.advance(3600)
        assert heard.wait(30)
