from __future__ import annotations

import re
import uuid

import pytest
import requests

from django_craftkit.sandbox import Sandbox
from tests.sandbox.conftest import INVOICE, Api

BODY = {
    "to": "client@acme.com",
    "recipientName": "Jane Doe",
    "message": "Here is your signed agreement.",
    "expiresAt": "2026-12-31T23:59:59Z",
}
PIXEL = "/pixel.png"


@pytest.fixture
def path(api):
    return f"/v1/renders/{api.render().json()['id']}"


def events(api, path):
    return [
        (event["eventType"], event["actorKind"], event["shareId"])
        for event in api.get(f"{path}/engagement").json()["recent"]
    ]


def refusal(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_an_email_is_a_link_on_its_way(api, sandbox, path):
    answer = api.post(f"{path}/email", BODY)

    assert answer.status_code == 201
    sent = answer.json()
    (share,) = sandbox.shares
    (mail,) = sandbox.mails
    assert sent == {
        "id": share.id,
        "shareToken": share.token,
        "shareUrl": f"http://127.0.0.1:9100/share/{share.token}",
        "emailMessageId": mail.id,
        "sentAt": "2026-06-05T10:00:00.000Z",
    }
    assert uuid.UUID(sent["id"])
    assert sent["shareToken"].startswith("cks_")
    assert sent["emailMessageId"].startswith("re_")
    assert sandbox.project().mails == [mail]
    assert (mail.to, mail.recipient_name) == ("client@acme.com", "Jane Doe")
    assert (mail.message, mail.share) == ("Here is your signed agreement.", share)
    assert mail.sent_at == 1_780_653_600
    assert share.token not in repr(mail)


def test_its_share_is_listed_with_the_recipient(api, path):
    sent = api.post(f"{path}/email", BODY).json()

    (share,) = api.get(f"{path}/shares").json()["shares"]

    assert share == {
        "id": sent["id"],
        "shareToken": sent["shareToken"],
        "shareUrl": sent["shareUrl"],
        "channel": "email",
        "recipientEmail": "client@acme.com",
        "message": "Here is your signed agreement.",
        "expiresAt": "2026-12-31T23:59:59.000Z",
        "revokedAt": None,
        "revokedReason": None,
        "createdAt": "2026-06-05T10:00:00.000Z",
        "clickCount": 0,
    }


def test_a_recipient_is_all_it_takes(api, sandbox, path):
    assert api.post(f"{path}/email", {"to": "client@acme.com"}).status_code == 201

    (mail,) = sandbox.mails
    assert (mail.recipient_name, mail.message, mail.share.expires_at) == (None, None, None)


def test_every_call_sends_another_mail(api, sandbox, path):
    sent = [
        api.post(f"{path}/email", BODY, headers={"Idempotency-Key": "k"}).json() for _ in range(2)
    ]

    assert [mail.id for mail in sandbox.mails] == [mail["emailMessageId"] for mail in sent]
    for name in ("id", "shareToken", "emailMessageId"):
        assert len({mail[name] for mail in sent}) == 2


def test_link_and_mail_are_recorded_in_this_order_and_announced(api, sandbox, path):
    sandbox.subscribe(
        "https://shop.example.com/hook",
        "secret",
        ["document.share_created", "document.email_sent", "document.email_opened"],
    )
    sent = api.post(f"{path}/email", BODY).json()
    api.get(sandbox.mails[0].url + PIXEL)

    recorded = [
        ("share_created", "partner", sent["id"]),
        ("email_sent", "partner", sent["id"]),
        ("email_opened", "recipient", sent["id"]),
    ]
    assert events(api, path) == recorded[::-1]
    bodies = [delivery.payload for delivery in sandbox.deliveries]
    assert [(b["eventType"], b["actorKind"], b["shareId"]) for b in bodies] == recorded
    assert [body["event"] for body in bodies] == [f"document.{kind}" for kind, *_ in recorded]


def test_a_share_of_the_channel_email_sends_nothing(api, sandbox):
    api.share(channel="email", recipientEmail="client@acme.com")

    assert sandbox.mails == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "to"),
        ({"to": None}, "to"),
        ({"to": "ada"}, "to"),
        ({"to": "Ada <ada@example.com>"}, "to"),
        ({"to": "ada@example.com\nBcc: eve@example.com"}, "to"),
        ({"to": ["ada@example.com"]}, "to"),
        ({**BODY, "recipientName": "x" * 201}, "recipientName"),
        ({**BODY, "recipientName": None}, "recipientName"),
        ({**BODY, "message": "x" * 2001}, "message"),
        ({**BODY, "expiresAt": "tomorrow"}, "expiresAt"),
        ({**BODY, "expiresAt": "2026-12-31T23:59:59"}, "expiresAt"),
        ({**BODY, "expiresAt": 1780653600}, "expiresAt"),
    ],
)
def test_an_email_of_another_shape_is_refused(api, sandbox, path, body, field):
    answer = api.post(f"{path}/email", body)

    assert refusal(answer) == (400, "invalid_request")
    assert list(answer.json()["error"]["issues"]["fieldErrors"]) == [field]
    assert (sandbox.mails, sandbox.shares) == ([], [])


def test_the_longest_name_and_message_are_taken(api, path):
    body = {**BODY, "recipientName": "x" * 200, "message": "x" * 2000}

    assert api.post(f"{path}/email", body).status_code == 201


def test_what_is_no_json_is_refused(api, path):
    assert refusal(api("POST", f"{path}/email", data="{")) == (400, "invalid_json")
    assert refusal(api.post(f"{path}/email", [BODY])) == (400, "invalid_request")


def test_a_render_that_is_not_there_or_of_another_project_is_not_found(api, sandbox, path):
    sandbox.add_key("ck_test_other", "other")
    other = Api(sandbox.session(), api.base, "ck_test_other")

    for answer in (api.post("/v1/renders/x/email", BODY), other.post(f"{path}/email", BODY)):
        assert refusal(answer) == (404, "not_found")


def test_without_a_key_nothing_is_sent(guest, sandbox, path):
    assert refusal(guest.post(f"{path}/email", BODY)) == (401, "unauthorized")
    assert sandbox.mails == []


@pytest.mark.parametrize("end", ["queued", "failed"])
def test_a_render_without_a_document_is_not_sent(api, sandbox, end):
    sandbox.render_time = None
    render_id = api.render().json()["id"]
    if end == "failed":
        sandbox.renders[0].fail("Out of paper")

    answer = api.post(f"/v1/renders/{render_id}/email", BODY)

    assert refusal(answer) == (409, "not_ready")
    assert (sandbox.mails, sandbox.shares) == ([], [])
    assert events(api, f"/v1/renders/{render_id}") == []


# What goes wrong.


def test_where_email_is_not_configured_nothing_is_made_until_it_is(api, sandbox, path):
    sandbox.project().email_configured = False

    for _ in range(2):
        assert refusal(api.post(f"{path}/email", BODY)) == (503, "email_not_configured")

    assert (sandbox.mails, sandbox.shares, events(api, path)) == ([], [], [])
    assert api.post(f"{path}/shares", {}).status_code == 201
    assert "not configured in default" in api.get("/_sandbox/mails").text
    sandbox.project().email_configured = True
    assert api.post(f"{path}/email", BODY).status_code == 201
    assert "not configured" not in api.get("/_sandbox/mails").text


def test_email_is_switched_off_over_http_and_for_one_project(api, guest, sandbox):
    sandbox.add_key("ck_test_other", "other")
    sandbox.put_template("invoice", manifest=INVOICE, project="other")
    other = Api(sandbox.session(), api.base, "ck_test_other")

    def status(somebody):
        render_id = somebody.render().json()["id"]
        return somebody.post(f"/v1/renders/{render_id}/email", BODY).status_code

    def switch(to):
        return guest("PATCH", "/_sandbox/projects/default", json={"email_configured": to})

    switched = switch(False).json()
    assert (switched["name"], switched["email_configured"]) == ("default", False)
    assert (status(api), status(other)) == (503, 201)
    assert switch(True).status_code == 200
    assert status(api) == 201


def test_an_address_is_judged_alike_wherever_it_is_sent(api):
    """Signers' have 255 characters at most, the documentation has no limit for the others."""
    path = f"/v1/renders/{api.render().json()['id']}"
    for address, taken in (
        (f"{'a' * 400}@example.com", True),
        ("Client@ACME.com", True),
        ("Client <client@acme.com>", False),
        ("client@acme.com,boss@acme.com", False),
        ("client@mün.chen", False),
    ):
        share = {"channel": "email", "recipientEmail": address}
        statuses = {
            api.post(f"{path}/email", {"to": address}).status_code,
            api.post(f"{path}/shares", share).status_code,
        }
        assert statuses == {201 if taken else 400}, address


@pytest.mark.parametrize("body", [{}, {"email_configured": 0}, {"email_configured": None}, []])
def test_a_switch_that_is_none_is_refused(api, sandbox, body):
    answer = api("PATCH", "/_sandbox/projects/default", json=body)

    assert refusal(answer) == (400, "invalid_request")
    assert sandbox.project().email_configured
    unknown = api("PATCH", "/_sandbox/projects/x", json={"email_configured": False})
    assert refusal(unknown) == (404, "not_found")


def test_a_mail_that_is_not_sent_leaves_its_link(api, sandbox, path):
    sandbox.faults.add("email_send_failed", message="The domain is not verified.")

    answer = api.post(f"{path}/email", BODY)

    assert refusal(answer) == (502, "email_send_failed")
    assert answer.json()["error"]["message"] == "The domain is not verified."
    (share,) = sandbox.shares
    assert (share.channel, share.recipient_email) == ("email", "client@acme.com")
    assert events(api, path) == [("share_created", "partner", share.id)]
    assert sandbox.mails == []
    assert api.post(f"{path}/email", BODY).status_code == 201


def test_a_mail_that_is_not_sent_can_leave_no_link_either(api, sandbox, path):
    sandbox.faults.add("status", path="*/email", status=502, code="email_send_failed")

    assert refusal(api.post(f"{path}/email", BODY)) == (502, "email_send_failed")

    assert (sandbox.mails, sandbox.shares, events(api, path)) == ([], [], [])


def test_mails_of_one_template_fail(api, sandbox, path):
    sandbox.put_any_template("letter")
    letter = f"/v1/renders/{api.render(slug='letter').json()['id']}"
    api.post("/_sandbox/faults", {"kind": "email_send_failed", "template": "letter"})

    assert api.post(f"{path}/email", BODY).status_code == 201
    assert api.post(f"{letter}/email", BODY).status_code == 502


def test_a_call_that_is_refused_uses_up_no_fault(api, sandbox, path):
    sandbox.faults.add("email_send_failed")

    assert api.post(f"{path}/email", {}).status_code == 400
    assert len(sandbox.faults) == 1


@pytest.mark.parametrize(
    ("kind", "mails"), [("cut_before", 0), ("refused", 0), ("connect_timeout", 0), ("cut_after", 1)]
)
def test_a_lost_answer_says_nothing_of_the_mail(api, sandbox, path, kind, mails):
    sandbox.faults.add(kind, path="*/email")

    with pytest.raises(requests.ConnectionError):
        api.post(f"{path}/email", BODY)

    assert len(sandbox.mails) == len(sandbox.shares) == mails
    assert api.get(f"{path}/engagement").json()["counts"]["email_sent"] == mails


def test_an_answer_that_comes_too_late_has_sent_the_mail(api, sandbox, path):
    sandbox.faults.add("delay", path="*/email", seconds=60)

    with pytest.raises(requests.ReadTimeout):
        api.post(f"{path}/email", BODY, timeout=30)

    assert len(sandbox.mails) == 1


def test_an_answer_can_be_lost_of_a_mail_that_was_not_sent(api, sandbox, path):
    sandbox.faults.add("email_send_failed")
    sandbox.faults.add("cut_after", path="*/email")

    with pytest.raises(requests.ConnectionError):
        api.post(f"{path}/email", BODY)

    assert (len(sandbox.shares), sandbox.mails) == (1, [])


# The mailbox.


def test_the_recipient_reads_the_mail_and_follows_its_link(api, guest, sandbox, path):
    sent = api.post(f"{path}/email", BODY).json()
    (mail,) = sandbox.mails

    page = guest.get(mail.url)

    assert page.status_code == 200
    for wanted in ("Invoice", "Hello Jane Doe,", BODY["message"], "31 December 2026"):
        assert wanted in page.text
    assert f'href="{sent["shareUrl"]}"' in page.text
    assert guest.get(sent["shareUrl"]).status_code == 200
    assert [kind for kind, *_ in events(api, path)][:1] == ["viewed"]


def test_the_page_of_a_mail_loads_the_pixel_that_counts_it_as_opened(api, guest, sandbox, path):
    api.post(f"{path}/email", BODY)
    (mail,) = sandbox.mails
    page = guest.get(mail.url)
    (picture,) = re.findall(r'<img src="([^"]+)"', page.text)
    assert "img-src 'self'" in page.headers["Content-Security-Policy"]
    assert mail.open_count == 0

    answers = [guest.get(picture, headers={"User-Agent": "Mail/1.0"}) for _ in range(2)]

    assert mail.url + PIXEL == sandbox.public_url + picture
    for answer in answers:
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.content.startswith(b"\x89PNG")
    # There is no window of five minutes for these.
    engagement = api.get(f"{path}/engagement").json()
    assert (engagement["counts"]["email_opened"], engagement["linkOpens"]) == (2, 0)
    opened = engagement["recent"][0]
    assert (opened["actorKind"], opened["shareId"]) == ("recipient", mail.share.id)
    assert (opened["userAgent"], opened["sourceIp"]) == ("Mail/1.0", "127.0.0.1")
    assert mail.open_count == 2


def test_a_preview_opens_nothing(api, guest, sandbox, path):
    api.post(f"{path}/email", BODY)
    (mail,) = sandbox.mails

    for address in (mail.url, mail.url + PIXEL):
        assert guest("HEAD", address).status_code == 200

    assert mail.open_count == 0


def test_a_mail_outlives_its_link(api, guest, sandbox, path):
    sent = api.post(f"{path}/email", BODY).json()
    api.delete(f"{path}/shares/{sent['id']}")
    (mail,) = sandbox.mails

    assert guest.get(mail.url).status_code == 200
    assert guest.get(mail.url + PIXEL).status_code == 200
    assert mail.open_count == 1
    link = guest.get(sent["shareUrl"])
    assert (link.status_code, "withdrawn" in link.text) == (410, True)


@pytest.mark.parametrize("part", ["", PIXEL])
def test_an_unknown_mail_is_not_found(guest, part):
    answer = guest.get(f"/mail/re_unknown{part}")

    assert answer.status_code == 404
    assert "not known" in answer.text


def test_the_desk_leads_to_the_mails_newest_first_and_opens_none(api, guest, sandbox, path, clock):
    assert "None yet." in guest.get("/_sandbox/mails").text
    sent = []
    for to in ("first@example.com", "second@example.com"):
        sent.append(api.post(f"{path}/email", {"to": to, "message": f"To {to[:5]}"}).json())
        clock.advance(1)
    first, second = sandbox.mails
    guest.get(first.url + PIXEL)

    assert 'href="/_sandbox/mails"' in guest.get("/_sandbox/").text
    page = guest.get("/_sandbox/mails")

    assert page.status_code == 200
    for mail, answer in zip((first, second), sent, strict=True):
        assert f'href="{mail.url}"' in page.text
        assert f'href="{answer["shareUrl"]}"' in page.text
        assert f"<blockquote>To {mail.to[:5]}" in page.text
    assert page.text.index(second.id) < page.text.index(first.id)
    assert "<img" not in page.text
    assert (first.open_count, second.open_count) == (1, 0)


def test_nothing_of_a_mail_becomes_part_of_a_page(api, guest, sandbox):
    sandbox.put_any_template("any", name="<b>Bold</b>")
    path = f"/v1/renders/{api.render(slug='any').json()['id']}"
    evil = "<script>alert(1)</script>\ud800"
    api.post(f"{path}/email", {"to": "o'neil@example.com", "recipientName": evil, "message": evil})

    for page in (guest.get(sandbox.mails[0].url), guest.get("/_sandbox/mails")):
        assert page.status_code == 200
        assert "&lt;script&gt;" in page.text
        assert "&lt;b&gt;Bold" in page.text
        assert "<script" not in page.text
        assert "<b>" not in page.text
        assert "script-src 'nonce-" in page.headers["Content-Security-Policy"]


def test_reset_empties_the_mailbox_and_configures_email_again(api, sandbox, path):
    api.post(f"{path}/email", BODY)
    sandbox.project().email_configured = False

    sandbox.reset()

    assert sandbox.mails == []
    assert sandbox.project().email_configured


def test_mails_of_all_projects_are_listed_by_when_they_were_sent(clock):
    sandbox = Sandbox(clock=clock, lenient=True, api_keys={"ck_test_a": "a", "ck_test_b": "b"})
    for key in ("ck_test_b", "ck_test_a", "ck_test_b"):
        api = Api(sandbox.session(), "https://api.craftkit.test", key)
        render_id = api.render().json()["id"]
        api.post(f"/v1/renders/{render_id}/email", BODY)
        clock.advance(1)

    assert [mail.share.render.project.name for mail in sandbox.mails] == ["b", "a", "b"]
