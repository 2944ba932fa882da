"""What can be made to go wrong with a request, its cancellation and its files."""

from __future__ import annotations

import pytest
import requests

from django_craftkit.sandbox import SandboxServer
from tests.sandbox.api.signatures.conftest import (
    ADA,
    NOBODY,
    PATH,
    refusal,
    status,
)
from tests.sandbox.conftest import Api


def test_a_request_can_fail_after_it_was_sent(api, ask, sandbox, names):
    sandbox.faults.add("signature_failed", message="The provider lost it")

    sent = ask()

    shown = api.get(f"{PATH}/{sent['id']}").json()
    assert sent["status"] == "sent"
    assert shown == {**sent, "status": "failed", "errorMessage": "The provider lost it"}
    assert sandbox.billed_signatures == 1
    assert names() == ["sent"]
    assert status(api, ask()["id"]) == "sent"


def test_the_provider_can_refuse_to_send(api, body, sandbox):
    sandbox.faults.add("signature_send_failed", message="No such page")
    key = {"Idempotency-Key": "k"}

    answer = api.post(PATH, body, headers=key)

    assert refusal(answer) == (502, "signature_provider_error")
    assert answer.json()["error"]["message"] == "No such page"
    assert (sandbox.signatures, sandbox.billed_signatures) == ([], 0)
    assert sandbox.signature_mails == []
    assert api.post(PATH, body, headers=key).status_code == 201


def test_the_provider_can_refuse_to_cancel(api, ask, sandbox, names):
    sandbox.faults.add("signature_cancel_failed")
    path = f"{PATH}/{ask()['id']}"

    assert refusal(api.post(f"{path}/cancel")) == (502, "signature_provider_error")

    assert api.get(path).json()["status"] == "sent"
    assert names() == ["sent"]
    assert api.post(f"{path}/cancel").status_code == 200


def test_the_certificate_can_be_out_of_reach(api, ask, sandbox):
    request_id = ask()["id"]
    path = f"{PATH}/{request_id}/certificate"
    sandbox.faults.add("certificate_failed")
    assert refusal(api.get(path)) == (409, "conflict")
    sandbox.sign(request_id, ADA)

    assert refusal(api.get(path)) == (502, "upstream_error")

    assert api.get(path).status_code == 200


@pytest.mark.parametrize(
    "kind", ["signature_failed", "signature_send_failed", "signature_cancel_failed"]
)
def test_a_call_that_is_refused_uses_up_no_fault(api, ask, sandbox, body, kind):
    request_id = ask()["id"]
    sandbox.sign(request_id, ADA)
    sandbox.faults.add(kind)

    assert api.post(PATH, {}).status_code == 400
    assert api.post(PATH, {**body, "renderId": NOBODY}).status_code == 404
    assert api.post(f"{PATH}/{request_id}/cancel").status_code == 409
    assert len(sandbox.faults) == 1


def test_faults_can_meet_one_template(api, ask, sandbox, body):
    sandbox.faults.add("signature_send_failed", template="letter")
    sandbox.put_any_template("letter")
    ask()

    answer = api.post(PATH, {**body, "renderId": api.render(slug="letter").json()["id"]})

    assert answer.status_code == 502


def test_a_lost_answer_of_a_post_is_found_again_by_its_key(api, body, sandbox):
    key = {"Idempotency-Key": "k"}
    sandbox.faults.add("cut_before", path=PATH)
    sandbox.faults.add("cut_after", path=PATH)

    for sent in (0, 1):
        with pytest.raises(requests.ConnectionError):
            api.post(PATH, body, headers=key)
        assert len(sandbox.signatures) == sent

    answer = api.post(PATH, body, headers=key)
    assert (answer.status_code, answer.json()["id"]) == (200, sandbox.signatures[0].id)
    assert sandbox.billed_signatures == 1


def test_a_lost_answer_of_a_cancel_has_cancelled(api, ask, sandbox):
    path = f"{PATH}/{ask()['id']}"
    sandbox.faults.add("cut_after", method="POST", path="/v1/signatures/*/cancel")

    with pytest.raises(requests.ConnectionError):
        api.post(f"{path}/cancel")

    assert refusal(api.post(f"{path}/cancel")) == (409, "conflict")


@pytest.mark.parametrize("transport", ["in-process", "socket"])
def test_a_paper_can_end_in_the_middle(api, ask, sandbox, transport):
    request_id = ask()["id"]
    sandbox.sign(request_id, ADA)
    sandbox.faults.add("truncated", path="/v1/signatures/*/download")
    path = f"{PATH}/{request_id}/download"

    if transport == "in-process":
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            api.get(path)
    else:
        with (
            SandboxServer(sandbox) as server,
            requests.Session() as session,
            pytest.raises(requests.exceptions.ChunkedEncodingError),
        ):
            Api(session, server.url).get(path)
    assert api.get(path).content.startswith(b"%PDF-")


def test_calls_can_be_answered_with_any_status(api, body, ask, sandbox):
    sandbox.faults.add("status", path="/v1/signatures*", status=429, retry_after=3, times=2)
    assert api.post(PATH, body).headers["Retry-After"] == "3"
    assert api.get(PATH).status_code == 429
    sandbox.faults.add("status", path=PATH, status=500, handled=True)

    assert api.post(PATH, body).status_code == 500

    assert sandbox.billed_signatures == 1
