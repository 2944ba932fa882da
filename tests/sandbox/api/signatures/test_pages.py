"""The mails and the page of a recipient."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.sandbox.api.signatures.conftest import (
    ADA,
    BEN,
    CAT,
    EVA,
    PATH,
    person,
    status,
)


def page_of(sandbox, email):
    (mail,) = [mail for mail in sandbox.signature_mails if mail.to == email]
    return mail.signing_url


def words(answer):
    return unescape(re.sub(r"<[^>]+>", " ", answer.text))


def test_every_recipient_gets_a_mail_with_a_link_of_their_own(guest, sandbox, crew):
    mails = sandbox.signature_mails

    assert [mail.to for mail in mails] == [ADA, BEN, EVA, CAT]
    assert len({mail.signing_url for mail in mails}) == 4
    assert sandbox.mails == []
    asks = ["asked to sign", "asked to approve", "get a copy"]
    for mail, wish in zip(mails, [asks[0], *asks], strict=True):
        assert mail.signing_url.startswith(f"{sandbox.public_url}/sign/")
        assert mail.signing_url.rpartition("/")[2] not in repr(mail) + repr(mail.recipient)
        seen = guest.get(mail.url)
        assert seen.status_code == 200
        assert f'href="{mail.signing_url}"' in seen.text
        assert wish in seen.text
        assert "12 June 2026, 10:00 UTC" in seen.text
        assert guest.get(mail.signing_url).status_code == 200


def test_the_mails_are_on_the_desk_and_open_nothing(api, guest, sandbox, crew, render_id, clock):
    clock.advance(1)
    api.post(f"/v1/renders/{render_id}/email", {"to": "late@example.com"})

    desk = guest.get("/_sandbox/mails")

    assert [desk.text.count(mail.url) for mail in sandbox.signature_mails] == [1] * 4
    assert desk.text.index("late@example.com") < desk.text.index(ADA)
    assert status(api, crew) == "sent"
    assert crew in guest.get("/_sandbox/").text


def test_opening_the_page_is_a_view_and_a_preview_is_none(api, guest, sandbox, names, crew):
    url = page_of(sandbox, ADA)
    assert guest("HEAD", url).status_code == 200
    assert status(api, crew) == "sent"

    for _ in range(2):
        guest.get(url)
    guest.get(page_of(sandbox, BEN))

    assert status(api, crew) == "viewed"
    assert names() == ["sent", "viewed"]
    assert sandbox.signatures[0].recipients[1].viewed_at is not None


def test_the_page_shows_who_asks_for_what(guest, ask, sandbox):
    ask(person(ADA, lastName="Lovelace"), name="Handover <b>now</b>")
    url = page_of(sandbox, ADA)

    seen = guest.get(url)

    for wanted in ("default asks you to sign", "Invoice", "Ada Lovelace", ADA, "12 June 2026"):
        assert wanted in words(seen)
    assert "Handover &lt;b&gt;now&lt;/b&gt;" in seen.text
    assert "<b>" not in seen.text
    path = url.removeprefix(sandbox.public_url)
    assert f'<iframe class="viewer" src="{path}/document"' in seen.text
    assert f'action="{path}/sign"' in seen.text
    assert f'action="{path}/decline"' in seen.text
    assert 'name="viewport"' in seen.text
    assert "prefers-color-scheme: dark" in seen.text
    assert guest.get(f"{url}/document").content == sandbox.renders[0].pdf()


def test_the_page_needs_no_script_and_no_style_of_elements(guest, ask, sandbox):
    ask()

    seen = guest.get(page_of(sandbox, ADA))

    assert "<script" not in seen.text
    assert not re.search(r"\s(style|on\w+)=", seen.text)
    policy = seen.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert seen.headers["Cache-Control"] == "no-store"


def test_a_person_signs_by_the_button(api, guest, ask, sandbox, clock):
    request_id = ask(person(ADA), person(BEN))["id"]
    url = page_of(sandbox, ADA)
    guest.get(url)
    clock.advance(60)

    answer = guest.post(f"{url}/sign")

    assert answer.status_code == 303
    assert sandbox.public_url + answer.headers["Location"] == url
    signed = api.get(f"{PATH}/{request_id}").json()["recipients"][0]["signedAt"]
    assert signed == "2026-06-05T10:01:00.000Z"
    seen = guest.get(url)
    assert "Thank you, you have signed. Still to act: Ben." in words(seen)
    assert "<form" not in seen.text

    guest.post(f"{page_of(sandbox, BEN)}/sign")
    assert status(api, request_id) == "completed"
    assert "everybody has signed" in guest.get(url).text


def test_a_second_click_changes_nothing(api, guest, ask, sandbox, names):
    request_id = ask(person(ADA), person(BEN))["id"]
    url = page_of(sandbox, ADA)

    for action in ("sign", "sign", "decline"):
        assert guest.post(f"{url}/{action}").status_code == 303

    assert status(api, request_id) == "viewed"
    (request,) = sandbox.signatures
    assert request.recipients[0].declined_at is None
    assert names() == ["sent", "viewed", "signed"]


def test_a_link_alone_signs_nothing(api, guest, ask, sandbox):
    request_id = ask()["id"]
    url = page_of(sandbox, ADA)

    for action in ("sign", "decline"):
        assert guest.get(f"{url}/{action}").status_code == 405

    assert status(api, request_id) == "sent"


def test_a_person_declines_with_a_reason(api, guest, crew, sandbox, heard):
    url = page_of(sandbox, BEN)

    answer = guest("POST", f"{url}/decline", data={"reason": " Wrong <date> "})

    assert answer.status_code == 303
    assert status(api, crew) == "declined"
    assert heard()[-1]["reason"] == "Wrong <date>"
    assert "You have declined" in guest.get(url).text
    other = guest.get(page_of(sandbox, ADA))
    assert "Ben has declined" in words(other)
    assert "<form" not in other.text


def test_a_reason_is_no_duty_and_no_novel(guest, ask, sandbox):
    for reason in ("", "x" * 600):
        ask()
        guest("POST", f"{sandbox.signature_mails[-1].signing_url}/decline", data={"reason": reason})

    assert [request.decline_reason for request in sandbox.signatures] == [None, "x" * 500]


def test_an_approver_approves_and_a_copy_has_no_buttons(api, guest, crew, sandbox):
    approver, copy = page_of(sandbox, EVA), page_of(sandbox, CAT)
    assert ">Approve</button>" in guest.get(approver).text
    assert ">Sign</button>" not in guest.get(approver).text

    seen = guest.get(copy)
    assert "sends you a copy" in seen.text
    assert "<form" not in seen.text
    guest.post(f"{copy}/sign")
    guest.post(f"{copy}/decline")
    guest.post(f"{approver}/sign")

    assert [bool(each.signed_at) for each in sandbox.signatures[0].recipients] == [
        False,
        False,
        True,
        False,
    ]
    assert status(api, crew) == "viewed"


@pytest.mark.parametrize(
    ("end", "said"),
    [("expired", "has expired"), ("cancelled", "withdrawn"), ("failed", "has failed")],
)
def test_what_has_ended_unsigned_says_so_and_shows_no_document(api, guest, ask, sandbox, end, said):
    request_id = ask()["id"]
    match end:
        case "expired":
            sandbox.expire_signature(request_id)
        case "cancelled":
            api.post(f"{PATH}/{request_id}/cancel", {"reason": "Terms <changed>"})
        case "failed":
            sandbox.fail_signature(request_id)
    url = page_of(sandbox, ADA)

    seen = guest.get(url)

    assert seen.status_code == 410
    assert said in seen.text
    if end == "cancelled":
        assert "Terms &lt;changed&gt;" in seen.text
    assert guest.get(f"{url}/document").status_code == 410
    for action in ("sign", "decline"):
        assert guest.post(f"{url}/{action}").status_code == 303
    assert status(api, request_id) == end


def test_the_page_expires_by_the_clock_too(guest, ask, sandbox, clock):
    ask(expirationHours=1)
    clock.advance(3600)

    seen = guest.get(page_of(sandbox, ADA))

    assert seen.status_code == 410
    assert "5 June 2026, 11:00 UTC" in seen.text


def test_the_document_of_the_page_is_the_signed_one_when_it_is_there(
    guest, api, ask, sandbox, clock
):
    sandbox.archive_delay = 10
    request_id = ask()["id"]
    sandbox.sign(request_id, ADA)
    url = page_of(sandbox, ADA)
    assert guest.get(f"{url}/document").content == sandbox.renders[0].pdf()

    clock.advance(10)

    signed = api.get(f"{PATH}/{request_id}/download").content
    assert guest.get(f"{url}/document").content == signed


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_link_is_not_found(guest, method):
    for part in {"GET": ["", "/document"], "POST": ["/sign", "/decline"]}[method]:
        answer = guest(method, f"/sign/sig_unknown{part}")
        assert answer.status_code == 404
        assert "not known" in answer.text
