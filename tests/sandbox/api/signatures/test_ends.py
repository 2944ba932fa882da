"""From sent to the end: signed, declined, expired, failed or cancelled."""

from __future__ import annotations

import pytest

from tests.sandbox.api.signatures.conftest import (
    ADA,
    BEN,
    CAT,
    EVA,
    NOBODY,
    PATH,
    person,
    refusal,
    status,
)


def test_all_who_sign_or_approve_complete_it(api, sandbox, crew, clock):
    seen = []
    for email in (BEN, ADA, EVA):
        clock.advance(60)
        sandbox.sign(crew, email)
        shown = api.get(f"{PATH}/{crew}").json()
        signed = [each.get("signedAt") for each in shown["recipients"]]
        seen.append((shown["status"], shown["completedAt"], signed))

    one, two, three = (f"2026-06-05T10:0{minute}:00.000Z" for minute in (1, 2, 3))
    assert seen == [
        ("viewed", None, [None, one, None, None]),
        ("viewed", None, [two, one, None, None]),
        ("completed", three, [two, one, three, None]),
    ]
    assert not any("declinedAt" in each for each in api.get(f"{PATH}/{crew}").json()["recipients"])


def test_sign_all_completes_it(api, sandbox, crew):
    sandbox.sign(crew, BEN)

    assert sandbox.sign_all(crew).status == "completed"

    assert status(api, crew) == "completed"
    with pytest.raises(ValueError, match="nobody is left"):
        sandbox.sign_all(crew)


def test_a_signature_alone_does_not_move_the_status_but_the_look_before_it(
    api, ask, sandbox, names
):
    request_id = ask(person(ADA), person(BEN))["id"]
    sandbox.view_signature(request_id, ADA)
    assert status(api, request_id) == "viewed"

    sandbox.sign(request_id, ADA)

    assert status(api, request_id) == "viewed"
    assert names() == ["sent", "viewed", "signed"]


def test_one_who_declines_ends_it(api, sandbox, crew, clock):
    sandbox.sign(crew, ADA)
    clock.advance(60)

    sandbox.decline(crew, EVA, reason="Wrong date")

    shown = api.get(f"{PATH}/{crew}").json()
    assert (shown["status"], shown["completedAt"], shown["errorMessage"]) == (
        "declined",
        None,
        None,
    )
    assert [each.get("declinedAt") for each in shown["recipients"]] == [
        None,
        None,
        "2026-06-05T10:01:00.000Z",
        None,
    ]
    assert sandbox.signatures[0].decline_reason == "Wrong date"
    with pytest.raises(ValueError, match="declined"):
        sandbox.sign(crew, BEN)


@pytest.mark.parametrize(("asked", "hours"), [(None, 168), (1, 1), (8760, 8760)])
def test_it_expires_by_the_clock(api, ask, sandbox, clock, names, asked, hours):
    request_id = ask(**({} if asked is None else {"expirationHours": asked}))["id"]
    (request,) = sandbox.signatures
    clock.advance(hours * 3600 - 1)
    assert status(api, request_id) == "sent"

    clock.advance(1)

    assert request.status == "expired"
    assert status(api, request_id) == "expired"
    assert api.get(f"{PATH}/{request_id}").json()["completedAt"] is None
    with pytest.raises(ValueError, match="expired"):
        sandbox.sign(request_id, ADA)
    assert refusal(api.post(f"{PATH}/{request_id}/cancel")) == (409, "conflict")
    assert names() == ["sent", "expired"]


def test_what_has_ended_does_not_expire(api, ask, sandbox, clock, heard):
    signed, declined, cancelled, failed = (ask()["id"] for _ in range(4))
    sandbox.sign(signed, ADA)
    sandbox.decline(declined, ADA)
    api.post(f"{PATH}/{cancelled}/cancel")
    sandbox.fail_signature(failed)
    clock.advance(10_000 * 3600)

    ids = (signed, declined, cancelled, failed)
    assert [status(api, each) for each in ids] == ["completed", "declined", "cancelled", "failed"]
    assert "signature.expired" not in [body["event"] for body in heard()]


def test_a_request_can_be_made_to_expire_or_to_fail_at_once(api, ask, sandbox):
    expired, failed = ask()["id"], ask()["id"]

    sandbox.expire_signature(expired)
    sandbox.fail_signature(failed, "The provider lost it")

    assert status(api, expired) == "expired"
    shown = api.get(f"{PATH}/{failed}").json()
    assert (shown["status"], shown["errorMessage"]) == ("failed", "The provider lost it")
    for end in (sandbox.expire_signature, sandbox.fail_signature):
        with pytest.raises(ValueError, match="expired"):
            end(expired)


def test_who_can_not_act_does_not(sandbox, crew, ask):
    sandbox.sign(crew, ADA)

    for act, message in (
        (lambda: sandbox.sign(crew, CAT), "only gets a copy"),
        (lambda: sandbox.decline(crew, CAT), "only gets a copy"),
        (lambda: sandbox.sign(crew, ADA), "has acted already"),
        (lambda: sandbox.sign(crew, "x@example.com"), "no such recipient"),
        (lambda: sandbox.sign(NOBODY, ADA), "no such signature request"),
    ):
        with pytest.raises(ValueError, match=message):
            act()
    assert [request.status for request in sandbox.signatures] == ["viewed"]


def test_a_request_for_copies_alone_waits_for_nobody_and_runs_out(api, ask, sandbox, clock):
    request_id = ask(person(CAT, designation="CC"), fields=[])["id"]
    assert status(api, request_id) == "sent"

    clock.advance(168 * 3600)

    assert status(api, request_id) == "expired"


def test_two_recipients_may_share_an_address(api, ask, sandbox):
    request_id = ask(person(ADA), person(ADA))["id"]

    sandbox.sign(request_id, ADA)
    assert status(api, request_id) == "viewed"
    sandbox.sign(request_id, ADA.upper())

    assert status(api, request_id) == "completed"


def test_a_request_is_cancelled_once(api, ask, sandbox):
    path = f"{PATH}/{ask()['id']}"

    answer = api.post(f"{path}/cancel", {"reason": "Terms changed"})

    assert answer.status_code == 200
    assert answer.json() == api.get(path).json()
    shown = answer.json()
    assert (shown["status"], shown["errorMessage"]) == ("cancelled", "Terms changed")
    assert shown["completedAt"] is None
    assert refusal(api.post(f"{path}/cancel")) == (409, "conflict")
    assert api.get(path).json()["errorMessage"] == "Terms changed"


@pytest.mark.parametrize("options", [{}, {"data": ""}, {"data": b"  "}, {"json": {}}])
def test_a_reason_need_not_be_given(api, ask, options):
    path = f"{PATH}/{ask()['id']}"

    answer = api("POST", f"{path}/cancel", **options)

    assert answer.status_code == 200
    assert answer.json()["errorMessage"] is None


def test_a_cancel_of_another_shape_is_refused(api, ask):
    path = f"{PATH}/{ask()['id']}"

    assert refusal(api("POST", f"{path}/cancel", data="{")) == (400, "invalid_json")
    for reason in ("x" * 501, 5, None):
        answer = api.post(f"{path}/cancel", {"reason": reason})
        assert refusal(answer) == (400, "invalid_request")
        assert list(answer.json()["error"]["issues"]["fieldErrors"]) == ["reason"]
    assert api.get(path).json()["status"] == "sent"
    assert api.post(f"{path}/cancel", {"reason": "x" * 500}).status_code == 200


@pytest.mark.parametrize("end", ["completed", "declined", "expired", "failed"])
def test_what_has_ended_can_not_be_cancelled(api, ask, sandbox, end):
    request_id = ask()["id"]
    match end:
        case "completed":
            sandbox.sign(request_id, ADA)
        case "declined":
            sandbox.decline(request_id, ADA)
        case "expired":
            sandbox.expire_signature(request_id)
        case "failed":
            sandbox.fail_signature(request_id)

    assert refusal(api.post(f"{PATH}/{request_id}/cancel")) == (409, "conflict")

    assert status(api, request_id) == end
