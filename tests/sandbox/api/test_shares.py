from __future__ import annotations

import re
import uuid

import pytest


def events(api, render_id):
    return [
        (event["eventType"], event["actorKind"], event["shareId"])
        for event in api.get(f"/v1/renders/{render_id}/engagement").json()["recent"]
    ]


def test_a_share_is_a_link_to_the_guests_page(api, sandbox):
    render_id = api.render().json()["id"]

    answer = api.post(
        f"/v1/renders/{render_id}/shares",
        {"channel": "link", "message": "Here it is.", "expiresAt": "2026-12-31T23:59:59Z"},
    )

    assert answer.status_code == 201
    share = answer.json()
    assert uuid.UUID(share.pop("id"))
    token = share.pop("shareToken")
    assert token.startswith("cks_")
    assert share == {
        "shareUrl": f"http://127.0.0.1:9100/share/{token}",
        "channel": "link",
        "recipientEmail": None,
        "message": "Here it is.",
        "expiresAt": "2026-12-31T23:59:59.000Z",
        "revokedAt": None,
        "createdAt": "2026-06-05T10:00:00.000Z",
    }
    assert [shared.token for shared in sandbox.renders[0].shares] == [token]
    assert token not in repr(sandbox.shares)


def test_every_call_makes_another_link(api):
    render_id = api.render().json()["id"]

    tokens = {
        api.post(f"/v1/renders/{render_id}/shares", {}).json()["shareToken"] for _ in range(3)
    }

    assert len(tokens) == 3


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"channel": "fax"}, "channel"),
        ({"channel": "email"}, "recipientEmail"),
        ({"recipientEmail": "ada"}, "recipientEmail"),
        ({"message": "x" * 2001}, "message"),
        ({"expiresAt": "tomorrow"}, "expiresAt"),
        ({"expiresAt": "2026-12-31"}, "expiresAt"),
        ({"expiresAt": "2026-12-31T23:59:59"}, "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59.9999Z"}, "expiresAt"),
        ({"expiresAt": 1780653600}, "expiresAt"),
    ],
)
def test_a_share_of_another_shape_is_refused(api, body, path):
    render_id = api.render().json()["id"]

    answer = api.post(f"/v1/renders/{render_id}/shares", body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert path in answer.json()["error"]["issues"]["fieldErrors"]


def test_an_offset_is_normalised_to_utc(api):
    share = api.share(expiresAt="2026-12-31T23:59:59.5+02:00")

    assert share["expiresAt"] == "2026-12-31T21:59:59.500Z"


def test_a_render_that_is_not_done_has_no_shares(api, sandbox):
    sandbox.render_time = None
    render_id = api.render().json()["id"]

    answer = api.post(f"/v1/renders/{render_id}/shares", {})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_ready")
    assert api.get(f"/v1/renders/{render_id}/shares").json() == {"shares": []}


def test_a_share_is_withdrawn_once_and_its_page_says_so(api, guest, clock):
    share = api.share()
    path = f"/v1/renders/{share['renderId']}/shares"
    clock.advance(60)

    answer = api.delete(f"{path}/{share['id']}")

    assert answer.status_code == 200
    assert answer.json() == {"id": share["id"], "revokedAt": "2026-06-05T10:01:00.000Z"}
    again = api.delete(f"{path}/{share['id']}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")
    (listed,) = api.get(path).json()["shares"]
    assert listed["revokedAt"] == "2026-06-05T10:01:00.000Z"
    assert listed["revokedReason"] == "revoked_by_partner"
    page = guest.get(share["shareUrl"])
    assert page.status_code == 410
    assert "withdrawn" in page.text
    for part in ("/download", "/document"):
        assert guest.get(share["shareUrl"] + part).status_code == 410
    assert guest.post(share["shareUrl"] + "/printed").status_code == 410


def test_the_list_has_the_newest_first_and_counts_views(api, guest):
    first = api.share()
    path = f"/v1/renders/{first['renderId']}/shares"
    second = api.post(path, {"channel": "email", "recipientEmail": "ada@example.com"}).json()
    guest.get(first["shareUrl"])

    listed = api.get(path).json()["shares"]

    assert [share["id"] for share in listed] == [second["id"], first["id"]]
    assert [share["clickCount"] for share in listed] == [0, 1]
    assert listed[0]["recipientEmail"] == "ada@example.com"
    assert set(listed[0]) == {
        "id",
        "shareToken",
        "shareUrl",
        "channel",
        "recipientEmail",
        "message",
        "expiresAt",
        "revokedAt",
        "revokedReason",
        "createdAt",
        "clickCount",
    }


def test_the_guest_sees_the_document_downloads_and_prints_it(api, guest, clock):
    share = api.share(message="For <you> & yours")
    url = share["shareUrl"]

    page = guest.get(url, headers={"User-Agent": "Guest/1.0"})

    assert page.status_code == 200
    assert "<title>Invoice</title>" in page.text
    assert "For &lt;you&gt; &amp; yours" in page.text
    assert f'src="/share/{share["shareToken"]}/document"' in page.text
    assert "noindex" in page.text
    # Nothing is loaded from elsewhere.
    assert not re.findall(r'(?:src|href|action)="https?:', page.text)
    shown = guest.get(url + "/document")
    assert shown.headers["Content-Disposition"].startswith("inline")
    saved = guest.get(url + "/download")
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert shown.content == saved.content
    assert guest.post(url + "/printed").status_code == 303
    assert events(api, share["renderId"]) == [
        ("printed", "recipient", share["id"]),
        ("downloaded", "recipient", share["id"]),
        ("viewed", "recipient", share["id"]),
        ("share_created", "partner", share["id"]),
    ]
    viewed = api.get(f"/v1/renders/{share['renderId']}/engagement").json()["recent"][2]
    assert viewed["userAgent"] == "Guest/1.0"
    assert viewed["sourceIp"] == "127.0.0.1"


def test_a_link_preview_is_no_view(api, guest):
    share = api.share()

    assert guest("HEAD", share["shareUrl"]).status_code == 200

    assert [kind for kind, *_ in events(api, share["renderId"])] == ["share_created"]


def test_an_expired_link_says_so(api, guest, clock):
    share = api.share(expiresAt="2026-06-05T11:00:00Z")
    clock.advance(3599)
    assert guest.get(share["shareUrl"]).status_code == 200
    clock.advance(1)

    page = guest.get(share["shareUrl"])

    assert page.status_code == 410
    assert "expired" in page.text
    assert "5 June 2026" in page.text
    assert guest.get(share["shareUrl"] + "/download").status_code == 410


@pytest.mark.parametrize("part", ["", "/document", "/download"])
def test_an_unknown_link_is_not_found(guest, part):
    answer = guest.get(f"/share/cks_unknown{part}")

    assert answer.status_code == 404
    assert "not known" in answer.text


def test_a_link_outlives_its_template(api, guest):
    share = api.share()
    api.delete("/v1/templates/invoice")

    assert guest.get(share["shareUrl"]).status_code == 200
