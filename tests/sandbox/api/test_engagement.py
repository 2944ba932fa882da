from __future__ import annotations

import pytest

from tests.sandbox.conftest import Clock

ZEROS = dict.fromkeys(
    [
        "viewed",
        "downloaded",
        "printed",
        "email_opened",
        "email_sent",
        "share_created",
        "share_revoked",
    ],
    0,
)


@pytest.fixture
def path(api):
    return f"/v1/renders/{api.render().json()['id']}"


def test_a_render_that_nobody_has_seen_has_zeros(api, path):
    assert api.get(f"{path}/engagement").json() == {
        "counts": ZEROS,
        "linkOpens": 0,
        "total": 0,
        "recent": [],
    }


def test_an_event_of_the_project_is_recorded_with_its_metadata(api, path):
    metadata = {"source": "dashboard", "nested": {"any": [1, None]}}

    answer = api.post(f"{path}/events", {"eventType": "viewed", "metadata": metadata})

    assert (answer.status_code, answer.json()) == (200, {"recorded": True})
    engagement = api.get(f"{path}/engagement").json()
    assert engagement["counts"] == {**ZEROS, "viewed": 1}
    # Without a share it is no opening of a link.
    assert (engagement["linkOpens"], engagement["total"]) == (0, 1)
    (event,) = engagement["recent"]
    assert event.pop("id")
    assert event.pop("userAgent").startswith("python-requests/")
    assert event == {
        "eventType": "viewed",
        "actorKind": "partner",
        "shareId": None,
        "sourceIp": "127.0.0.1",
        "metadata": metadata,
        "createdAt": "2026-06-05T10:00:00.000Z",
    }


def test_the_same_event_within_five_minutes_is_recorded_once(api, path, clock):
    def track(kind):
        return api.post(f"{path}/events", {"eventType": kind}).json()["recorded"]

    assert [track("viewed"), track("viewed"), track("printed")] == [True, False, True]
    clock.advance(299)
    assert track("viewed") is False
    clock.advance(1)
    assert track("viewed") is True


def test_each_share_and_each_render_has_a_window_of_its_own(api, guest):
    first, second = api.share(), api.share()
    for share in (first, second, first):
        guest.get(share["shareUrl"])

    for share in (first, second):
        engagement = api.get(f"/v1/renders/{share['renderId']}/engagement").json()
        assert engagement["counts"]["viewed"] == 1
        assert engagement["linkOpens"] == 1
        assert engagement["total"] == 2


def test_shares_made_and_withdrawn_are_counted_without_a_window(api, path):
    for _ in range(3):
        share = api.post(f"{path}/shares", {}).json()
    api.delete(f"{path}/shares/{share['id']}")

    counts = api.get(f"{path}/engagement").json()["counts"]

    assert counts == {**ZEROS, "share_created": 3, "share_revoked": 1}


def test_an_event_has_the_moment_of_what_it_tells_of(api, path, monkeypatch):
    """However long it takes until it is told of."""

    def ticking(self):
        self.now += 0.001
        return self.now

    monkeypatch.setattr(Clock, "__call__", ticking)
    share = api.post(f"{path}/shares", {}).json()
    mail = api.post(f"{path}/email", {"to": "client@acme.com"}).json()
    revoked = api.delete(f"{path}/shares/{share['id']}").json()
    (listed,) = (
        one for one in api.get(f"{path}/shares").json()["shares"] if one["id"] == share["id"]
    )

    events = api.get(f"{path}/engagement").json()["recent"]

    told = {(event["eventType"], event["shareId"]): event["createdAt"] for event in events}
    assert told["share_created", share["id"]] == listed["createdAt"]
    assert told["email_sent", mail["id"]] == mail["sentAt"]
    assert told["share_revoked", share["id"]] == revoked["revokedAt"]


def test_the_newest_twenty_five_events_are_shown(api, path, clock):
    for _ in range(30):
        api.post(f"{path}/events", {"eventType": "viewed"})
        clock.advance(300)

    engagement = api.get(f"{path}/engagement").json()

    assert engagement["total"] == 30
    moments = [event["createdAt"] for event in engagement["recent"]]
    assert len(moments) == 25
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"eventType": "share_created"},
        {"eventType": "email_opened"},
        {"eventType": 1},
        {"eventType": "viewed", "metadata": []},
    ],
)
def test_other_events_are_refused(api, path, body):
    answer = api.post(f"{path}/events", body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
