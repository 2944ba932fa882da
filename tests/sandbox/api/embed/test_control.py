"""The desk and Python: sessions end, forms are submitted, projects embed or don't."""

from __future__ import annotations

import uuid

import pytest

from tests.sandbox.api.embed.conftest import REFRESH, SHOP, refusal

CONTROL = "/_sandbox/embed/sessions"


@pytest.fixture(params=["python", "http"])
def do(request, guest, sandbox):
    """Do something to a session, from either side."""
    actions = {
        "expire": sandbox.expire_embed_session,
        "revoke": sandbox.revoke_embed_session,
        "submit": sandbox.submit_form,
    }

    def do(action, session, **said):
        if request.param == "python":
            return actions[action](session["session_id"], **said)
        answer = guest.post(f"{CONTROL}/{session['session_id']}/{action}", said or None)
        if not answer.ok:
            raise ValueError(answer.text)
        return answer

    return do


def test_a_project_is_shown_by_its_slug(guest, mint, sandbox):
    mint()
    sandbox.project().name = "Renamed"

    (session,) = guest.get(CONTROL).json()["sessions"]

    assert session["project"] == "default"
    row = (
        guest.get("/_sandbox/")
        .text.partition("<h2>Embed sessions</h2>")[2]
        .partition("</table>")[0]
    )
    assert "default" in row
    assert "Renamed" not in row


def test_an_expired_session_can_be_renewed(api, do, mint, submit):
    session = mint()

    do("expire", session)

    assert refusal(submit(session)) == (401, "unauthorized")
    renewed = api.post(REFRESH, {"renewToken": session["renew_token"]})
    assert submit(renewed.json()).status_code == 202
    assert refusal(submit(session)) == (401, "unauthorized")


def test_a_session_can_be_told_to_expire_soon(do, mint, submit, clock):
    session = mint()

    do("expire", session, seconds=5)
    do("expire", session, seconds=50)  # never later than it would

    clock.advance(4.9)
    assert submit(session).status_code == 202
    clock.advance(0.1)
    assert refusal(submit(session)) == (401, "unauthorized")


def test_a_revoked_session_is_over(api, do, mint, submit):
    session = mint()

    do("revoke", session)

    assert refusal(submit(session)) == (401, "unauthorized")
    answer = api.post(REFRESH, {"renewToken": session["renew_token"]})
    assert refusal(answer) == (401, "refresh_failed")
    with pytest.raises(ValueError):
        do("submit", session, data={"customer.name": "Ada"})


def test_a_form_is_submitted_for_somebody(do, mint, sandbox):
    session, collecting = mint(), mint(form={"captureMode": "collect"})
    sandbox.subscribe("https://shop.example.com/hook", "secret")

    do("submit", session, data={"customer.name": "Ada"})
    do("submit", collecting, data={"customer.name": "Eva"})

    assert [each.data["customer"]["name"] for each in sandbox.renders] == ["Ada"]
    told = sorted(each.event for each in sandbox.deliveries)
    assert told == ["form.submitted", "render.succeeded"]
    for wrong in (session, mint("view")):
        with pytest.raises(ValueError):
            do("submit", wrong, data={})
    with pytest.raises(ValueError):
        do("submit", {"session_id": str(uuid.UUID(int=0))}, data={})


def test_the_desk_lists_sessions_without_their_tokens(guest, mint):
    session = mint()

    listed = guest.get(CONTROL)
    page = guest.get("/_sandbox/")

    (shown,) = listed.json()["sessions"]
    assert shown == {
        "id": session["session_id"],
        "project": "default",
        "mode": "fill",
        "template_id": shown["template_id"],
        "tenant": "org_123",
        "actor": "usr_456",
        "active": True,
        "expires_at": "2026-06-05T14:00:00.000Z",
    }
    assert session["session_id"] in page.text
    for token in (session["session_token"], session["renew_token"]):
        assert token not in listed.text + page.text


def test_a_project_is_told_who_may_embed(api, guest, mint, submit, sandbox):
    session = mint()

    def patch(**settings):
        return guest("PATCH", "/_sandbox/projects/default", json=settings)

    assert patch(embed_suspended=True).json()["embed_suspended"] is True
    assert refusal(submit(session)) == (403, "partner_suspended")
    patch(embed_suspended=False, embed_origins=[SHOP])
    assert refusal(submit(session)) == (400, "bad_request")
    assert patch(embed_origins=[]).json()["embed_origins"] == []
    assert submit(session).status_code == 202
    for origins in (SHOP, [1], ["shop.example.com"], [f"{SHOP}/"], [f"{SHOP}; script-src *"]):
        assert refusal(patch(embed_origins=origins)) == (400, "invalid_request")
    patch(embed_enabled=False)
    sandbox.reset()
    assert sandbox.project().embed_enabled
