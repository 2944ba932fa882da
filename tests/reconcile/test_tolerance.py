"""Answers and webhooks of which something can't be read: the rest of them is used as ever.

What is missing in a list that holds something unreadable is not known to be missing.
"""

from __future__ import annotations

import json
import re
import uuid
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_craftkit.models import (
    Change,
    EngagementEvent,
    Job,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.problems import ErrorCode
from django_craftkit.sandbox import SandboxAdapter
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import settle, work

POST = {"method": "POST"}
RENDERING = r"/v1/templates/[^/]+/render|/v1/renders/[^/]+"
SHARES = r"/v1/renders/[^/]+/shares"
EMAIL = r"/v1/renders/[^/]+/email"
READ = r"/v1/renders/[^/]+/engagement"
SIGNATURES = r"/v1/signatures(/[^/]+)?(/cancel)?"
ADA, JANE = Recipient("Ada", "", "ada@example.com"), Recipient("Jane", "", "jane@example.com")
TAGS = [AnchorTag("{{sign}}", "signature")]

#: What nobody needs of each answer in order to go on.
SPARE = {
    RENDERING: ["errorMessage", "createdAt", "completedAt", "durationMs", "new"],
    SHARES: [
        *["channel", "recipientEmail", "message", "expiresAt", "revokedReason", "clickCount"],
        *["createdAt", "new"],
    ],
    EMAIL: ["shareUrl", "emailMessageId", "sentAt", "new"],
    READ: ["counts", "linkOpens", "total", "recent", "new"],
    SIGNATURES: [
        *["renderId", "name", "recipients", "expirationHours", "errorMessage", "createdAt"],
        *["completedAt", "signedDownloadUrl", "certificateUrl", "new"],
    ],
}
#: Any JSON, which has no number that isn't finite.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
DEEP: list[Any] = []
for _ in range(40):
    DEEP = [DEEP]
#: What some column, or some database, does not take, wherever it comes.
EXTREMES = {
    "negative": -100,
    "huge": 10**30,
    "of many digits": 10**4_000,
    "half": 1.5,
    "flag": True,
    "digits": "168",
    "NUL": "a\0b",
    "surrogate": "a\ud800b",
    "long": "x" * 70_000,
    "the last moment": "9999-12-31T23:59:59.999999Z",
    "the first moment": "0001-01-01T00:00:00Z",
    "no moment": "0001-01-01T00:00:00+23:00",
    "list": ["a\0b", 10**30, {"a": None}],
    "object": {"a\0b": "\ud800", "b": 1e300, "url": "javascript:alert(1)"},
    "deep": DEEP,
    "empty": "",
    "null": None,
}


@contextmanager
def rewriting(monkeypatch, path: str, change, method: str = ""):
    """Have Craftkit say something else in its good answers to some calls."""
    send = SandboxAdapter.send

    def odd(self, request, *args, **kwargs):
        response = send(self, request, *args, **kwargs)
        is_meant = re.fullmatch(path, request.path_url.partition("?")[0])
        if is_meant and method in ("", request.method) and response.ok:
            said = change(json.loads(response.content))
            response._content = said if isinstance(said, bytes) else json.dumps(said).encode()
            response.headers.pop("Content-Length", None)
        return response

    with monkeypatch.context() as patch:
        patch.setattr(SandboxAdapter, "send", odd)
        yield


def with_all(**odd: object):
    """Change an answer, or all the rows of a list."""

    def change(said: dict[str, Any]) -> dict[str, Any]:
        for name in ("shares", "signatures"):
            if name in said:
                return said | {name: [row | odd for row in said[name]]}
        return said | odd

    return change


def document(number: str) -> Render:
    return Render.objects.request("invoice", {"number": number}, key=number)


def send(render: Render, *people: Recipient, **options: Any) -> SignatureRequest:
    return render.send_for_signature(
        [*(people or (ADA,))], anchor_tags=TAGS, name="Charter", **options
    )


def go_through(craftkit, render: Render) -> dict[str, str]:
    """Have one document rendered, shared, mailed, signed; return how each ended."""
    render.share(message="Hi.")
    render.email("ada@example.com")
    request = send(render)
    for _ in range(60):
        craftkit.run()
        craftkit.pass_time(10)
        request.refresh_from_db()
        if request.remote_id:
            there = next(
                one for one in craftkit.sandbox.signatures if one.id == str(request.remote_id)
            )
            if there.status == "sent":
                craftkit.sandbox.sign_all(there.id)
        if not Job.objects.exclude(kind="engagement").exists() and request.is_final:
            break
    render.refresh_from_db()
    return {
        "render": render.status,
        **{f"by mail {one.by_mail}": one.status for one in render.shares.all()},
        "signature": request.status,
    }


DONE = {
    "render": "succeeded",
    "by mail False": "active",
    "by mail True": "active",
    "signature": "completed",
}


# One odd field


@given(
    st.sampled_from([(path, name) for path, names in SPARE.items() for name in names]),
    JSON,
    st.uuids(),
)
@settings(max_examples=25)
def test_a_document_ends_as_it_would_whatever_one_field_says(
    craftkit, monkeypatch, where, value, key
):
    path, name = where
    with rewriting(monkeypatch, path, with_all(**{name: value})):
        assert go_through(craftkit, document(str(key))) == DONE


@pytest.mark.parametrize("value", EXTREMES.values(), ids=EXTREMES)
def test_a_document_ends_as_it_would_whatever_all_fields_say(craftkit, monkeypatch, value):
    """On every database: what its columns don't take reaches none of them."""
    send = SandboxAdapter.send

    def odd(self, request, *args, **kwargs):
        response = send(self, request, *args, **kwargs)
        path = request.path_url.partition("?")[0]
        for pattern, names in SPARE.items():
            if response.ok and re.fullmatch(pattern, path):
                said = json.loads(response.content)
                response._content = json.dumps(
                    with_all(**dict.fromkeys(names, value))(said)
                ).encode()
        return response

    monkeypatch.setattr(SandboxAdapter, "send", odd)
    assert go_through(craftkit, document("1")) == DONE


def test_what_cant_be_read_is_kept_where_staff_see_it(craftkit, monkeypatch):
    with rewriting(monkeypatch, RENDERING, with_all(durationMs=-100, createdAt="yesterday")):
        render = document("1")
        craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert render.answer["unreadable"] == {"durationMs": -100, "createdAt": "yesterday"}

    with rewriting(monkeypatch, SHARES, with_all(clickCount="3")):
        share = render.share()
        craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.answer["unreadable"]) == ("active", {"clickCount": "3"})

    odd = with_all(expirationHours=1.5, recipients=["Jane", {"email": ADA.email, "order": "1"}])
    with rewriting(monkeypatch, SIGNATURES, odd):
        request = send(render)
        craftkit.run()
    request.refresh_from_db()
    assert request.status == "sent"
    kept = {"expirationHours": 1.5, "recipients": ["Jane", {"order": "1"}]}
    assert request.answer["unreadable"] == kept


def test_what_is_read_later_goes_on_beside_what_could_not_be(craftkit, monkeypatch):
    """Values that can't be read don't stand in the way of the right ones, and come in any order."""
    craftkit.sandbox.render_time = 30.0
    with rewriting(monkeypatch, RENDERING, with_all(durationMs="long", createdAt=[])):
        render = document("1")
        craftkit.run()
    settle(craftkit)
    render.refresh_from_db()
    assert isinstance(render.answer["durationMs"], int)
    assert render.accepted_at is not None
    assert render.answer["unreadable"] == {"durationMs": "long", "createdAt": []}


def test_a_status_of_odd_characters_is_kept_and_ends_nothing(craftkit, monkeypatch):
    with rewriting(monkeypatch, RENDERING, with_all(status="succeeded\0")):
        craftkit.sandbox.faults.add("webhook_dropped", times=None)
        render = document("1")
        craftkit.run()
        render.refresh_from_db()
        assert (render.status, render.answer["status"]) == ("pending", "succeeded")
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"


def test_a_count_that_is_none_leaves_the_others_and_the_stored_one(craftkit, ready, monkeypatch):
    def odd(said):
        return said | {"counts": {**said["counts"], "viewed": "many", "shredded": 3}}

    Render.objects.update(counts={"viewed": 2})
    share = ready.share()
    with rewriting(monkeypatch, READ, odd):
        ready.refresh()
        settle(craftkit)
    ready.refresh_from_db()
    assert ready.counts["viewed"] == 2
    assert ready.counts["shredded"] == 3
    assert ready.counts["share_created"] == 1
    share.refresh_from_db()
    assert share.status == "active"


def test_a_person_who_cant_be_told_from_others_is_not_added(craftkit, ready, monkeypatch):
    people = [{"id": 7, "email": ["ada"]}, {"id": None, "email": JANE.email, "order": "two"}]
    request = send(ready, ADA, JANE)
    with rewriting(monkeypatch, SIGNATURES, with_all(recipients=people)):
        craftkit.run()
    request.refresh_from_db()
    assert request.status == "sent"
    assert SignatureRecipient.objects.count() == 2


# Webhooks


def tell(event: str, **said: object) -> WebhookDelivery:
    body = json.dumps({"event": event, **said}).encode()
    WebhookDelivery.objects.store("default", str(uuid.uuid4()), body)
    return WebhookDelivery.objects.order_by("-pk")[0]


# A webhook with more lists in one another than any database takes is refused as a whole.
@pytest.mark.parametrize("kind", [kind for kind in EXTREMES if kind != "deep"])
def test_an_event_is_recorded_whatever_its_spare_fields_say(craftkit, ready, kind):
    value = EXTREMES[kind]
    spare = ["actorKind", "shareId", "sourceIp", "userAgent", "metadata", "createdAt", "durationMs"]
    event_id = uuid.uuid4()
    delivery = tell(
        "document.viewed",
        eventId=str(event_id),
        renderId=str(ready.remote_id),
        eventType="viewed",
        **dict.fromkeys(spare, value),
    )
    work()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error) == ("processed", "")
    event = EngagementEvent.objects.get(event_id=event_id)
    assert (event.type, event.share_remote_id, event.user_agent) == (
        "viewed",
        None,
        event.user_agent,
    )
    ready.refresh_from_db()
    assert ready.counts["viewed"] == 1


def test_what_cant_be_read_of_an_event_is_kept_but_for_where_somebody_was(
    craftkit, ready, settings
):
    settings.CRAFTKIT = {"ENGAGEMENT_STORE_IP": "full", "ENGAGEMENT_STORE_USER_AGENT": True}
    tell(
        "document.viewed",
        eventId=str(uuid.uuid4()),
        renderId=str(ready.remote_id),
        eventType="viewed",
        actorKind=7,
        shareId="cks",
        sourceIp=["203.0.113.7"],
        userAgent={"name": "Mozilla"},
        metadata={"source": "list"},
        createdAt="yesterday",
    )
    work()
    event = EngagementEvent.objects.get(type="viewed")
    odd = {"actorKind": 7, "shareId": "cks", "createdAt": "yesterday"}
    assert event.metadata == {"source": "list", "unreadable": odd}
    assert (event.ip_address, event.user_agent) == (None, "")


def test_a_document_is_ready_by_a_webhook_whatever_else_that_says(craftkit, silent):
    craftkit.sandbox.render_time = 600.0
    render = document("1")
    craftkit.run()
    render.refresh_from_db()
    body = f'{{"event": "render.succeeded", "renderId": "{render.remote_id}",'
    body += '"status": "succeeded", "createdAt": [], "durationMs": ' + "9" * 5_000 + "}"
    WebhookDelivery.objects.store("default", str(uuid.uuid4()), body.encode())
    work()
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert render.answer["unreadable"] == {"createdAt": [], "durationMs": "9" * 5_000}


def test_a_reason_that_cant_be_read_hides_none_that_can(craftkit, ready):
    request = send(ready)
    craftkit.run()
    request.refresh_from_db()
    about = {"signatureRequestId": str(request.remote_id), "renderId": 7}
    tell("signature.declined", **about, reason={"text": "no"})
    work()
    tell("signature.declined", **about, reason="Other terms.")
    work()
    request.refresh_from_db()
    assert request.answer["reason"] == "Other terms."
    assert request.answer["unreadable"] == {"renderId": 7, "reason": {"text": "no"}}
    assert not WebhookDelivery.objects.filter(status="failed").exists()


# Nothing is missing in a list that can't be read


ODD_LINK = {
    "no id": {"id": 7},
    "no address": {"shareUrl": None},
    "no channel": {"channel": ["link"]},
    "to whom": {"recipientEmail": 7},
    "what for": {"message": {"text": "Hi."}},
    "until when": {"expiresAt": "soon"},
    "since when": {"createdAt": "yesterday"},
    "since when, not said": {"createdAt": None},
}


@pytest.mark.parametrize("odd", ODD_LINK.values(), ids=ODD_LINK)
def test_a_lost_link_that_may_be_listed_is_not_made_again(
    craftkit, ready, silent, monkeypatch, caplog, odd
):
    craftkit.sandbox.faults.add("cut_after", path="/v1/renders/*/shares", **POST)
    share = ready.share(message="Hi.")
    with rewriting(monkeypatch, SHARES, with_all(**odd), "GET"):
        for _ in range(30):
            craftkit.run()
            craftkit.pass_time(60)
    share.refresh_from_db()
    assert (share.status, len(craftkit.shares)) == ("unknown", 1)
    assert Share.objects.count() == 1, "nor is it taken for somebody else's"
    job = Job.objects.get(kind="share")
    assert job.error_code == ErrorCode.LINKS_UNREADABLE
    reads = [call for call in craftkit.sandbox.requests if call.path.endswith("/shares")]
    assert len(reads) < 40, "asked ever less often"
    assert "Hi." not in caplog.text
    craftkit.pass_time(900)
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, str(share.remote_id)) == ("active", craftkit.shares[0].id)
    assert len(craftkit.shares) == 1


def test_a_link_that_was_never_made_is_made_beside_those_that_surely_are_others(
    craftkit, ready, silent, monkeypatch, dashboard
):
    dashboard.shares.create(ready.remote_id, message="Theirs.")
    craftkit.sandbox.faults.add("cut_before", path="/v1/renders/*/shares", **POST)
    share = ready.share(message="Hi.")
    with rewriting(monkeypatch, SHARES, with_all(expiresAt="soon"), "GET"):
        settle(craftkit)
    share.refresh_from_db()
    assert (share.status, len(craftkit.shares)) == ("active", 2)


@pytest.mark.parametrize("odd", ODD_LINK.values(), ids=ODD_LINK)
def test_a_lost_mail_that_may_be_listed_is_left_to_a_person(
    craftkit, ready, silent, monkeypatch, odd
):
    craftkit.sandbox.faults.add("cut_after", path="/v1/renders/*/email", **POST)
    share = ready.email("ada@example.com", message="Hi.")
    with rewriting(monkeypatch, SHARES, with_all(**odd), "GET"):
        for _ in range(30):
            craftkit.run()
            craftkit.pass_time(60)
    share.refresh_from_db()
    assert len(craftkit.outbox) == 1
    assert (share.status, share.is_unsettled) == ("unknown", True)


def test_a_mail_that_goes_out_without_an_address_of_its_link_is_sent_once(
    craftkit, ready, monkeypatch
):
    with rewriting(monkeypatch, EMAIL, with_all(shareUrl="javascript:alert(1)")):
        share = ready.email("ada@example.com")
        craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.url, len(craftkit.outbox)) == ("active", "", 1)
    ready.refresh()
    settle(craftkit)
    share.refresh_from_db()
    assert share.url.startswith("http"), "the list tells it"


@pytest.mark.parametrize("odd", [{"id": 7}, {"shareUrl": 7}])
def test_a_link_that_may_be_listed_as_open_is_not_shown_as_revoked(
    craftkit, ready, silent, monkeypatch, odd
):
    share = ready.share()
    craftkit.run()
    craftkit.sandbox.faults.add(
        "status", status=404, code="not_found", message="No.", method="DELETE", times=None
    )
    share.revoke()
    with rewriting(monkeypatch, SHARES, with_all(**odd), "GET"):
        for _ in range(5):
            craftkit.run()
            craftkit.pass_time(600)
    share.refresh_from_db()
    assert (share.status, craftkit.shares[0].revoked_at) == ("active", None)
    assert Job.objects.get(kind="share").error_code == ErrorCode.LINKS_UNREADABLE
    craftkit.sandbox.faults.clear()
    craftkit.pass_time(900)
    settle(craftkit)
    share.refresh_from_db()
    assert share.status == "revoked"
    assert craftkit.shares[0].revoked_at is not None


def test_a_revocation_that_does_not_say_when_is_one(craftkit, ready, silent, monkeypatch):
    share = ready.share()
    craftkit.run()
    share.revoke()
    with rewriting(monkeypatch, SHARES + "/[^/]+", with_all(revokedAt=True)):
        settle(craftkit)
    share.refresh_from_db()
    assert share.status == "revoked"
    assert share.revoked_at is not None


@pytest.mark.parametrize(
    "odd",
    [
        lambda said: said | {"recent": [7]},
        lambda said: said | {"recent": "all"},
        lambda said: said | {"recent": [{**one, "shareId": 7} for one in said["recent"]]},
    ],
)
def test_the_link_of_a_mail_that_may_have_gone_out_is_not_revoked(
    craftkit, ready, silent, monkeypatch, dashboard, odd
):
    """A mail of ours failed; somebody sent the same one from the dashboard since."""
    craftkit.sandbox.faults.add(
        "status", status=502, code="email_send_failed", path="/v1/renders/*/email", **POST
    )
    ready.email("ada@example.com", message="Hi.")
    with rewriting(monkeypatch, READ, odd):
        work()
        dashboard.emails.send(ready.remote_id, "ada@example.com", message="Hi.")
        ready.refresh()
        for _ in range(5):
            work()
            craftkit.pass_time(60)
    found = Share.objects.get(adopted=True)
    assert (found.status, found.revoke_requested_at) == ("active", None)
    assert craftkit.shares[0].revoked_at is None


def test_a_link_that_cant_be_read_keeps_no_other_from_being_adopted(
    craftkit, ready, silent, monkeypatch, dashboard
):
    made = [dashboard.shares.create(ready.remote_id, message=text) for text in "ab"]

    def odd(said):
        rows = [row | ({"id": None} if row["message"] == "a" else {}) for row in said["shares"]]
        return said | {"shares": rows}

    with rewriting(monkeypatch, SHARES, odd, "GET"):
        ready.refresh()
        craftkit.run()
        assert [str(one.remote_id) for one in Share.objects.all()] == [str(made[1].id)]
        assert Job.objects.filter(kind="engagement").exists(), "it is looked for again"
    settle(craftkit)
    assert Share.objects.count() == 2


ODD_REQUEST = {
    "no id": {"id": 7},
    "no status": {"status": None},
    "no name": {"name": ["Charter"]},
    "no people": {"recipients": "all"},
    "half its people": {"recipients": [{"email": 7}]},
    "since when": {"createdAt": "yesterday"},
}


@pytest.mark.parametrize("odd", ODD_REQUEST.values(), ids=ODD_REQUEST)
@pytest.mark.parametrize("by", ["taken back", "refused"])
def test_a_lost_request_that_may_be_listed_is_neither_ended_nor_given_up(
    craftkit, ready, silent, monkeypatch, odd, by
):
    craftkit.sandbox.faults.add("cut_after", path="/v1/signatures", **POST)
    request = send(ready)
    work()
    if by == "taken back":
        request.cancel()
    else:
        craftkit.sandbox.faults.add(
            "status", status=409, code="conflict", path="/v1/signatures", times=None, **POST
        )
    with rewriting(monkeypatch, r"/v1/signatures(/[^/]+)?", with_all(**odd), "GET"):
        for _ in range(20):
            work()
            craftkit.pass_time(60)
    request.refresh_from_db()
    assert (request.status, request.remote_id) == ("pending", None)
    assert Job.objects.filter(error_code=ErrorCode.REQUESTS_UNREADABLE).count() == 1
    (there,) = craftkit.sandbox.signatures
    assert there.status == "sent"
    craftkit.pass_time(900)
    for _ in range(5):
        work()
        craftkit.pass_time(30)
    request.refresh_from_db()
    assert str(request.remote_id) == there.id
    assert request.status == there.status == ("cancelled" if by == "taken back" else "sent")


def test_a_lost_request_is_found_behind_a_page_of_which_nothing_can_be_read(
    craftkit, ready, silent, monkeypatch
):
    craftkit.sandbox.faults.add("cut_after", path="/v1/signatures", **POST)
    request = send(ready)
    work()
    request.cancel()
    asked = []

    def odd(said):
        asked.append(said)
        if len(asked) % 2:
            return {"signatures": [7], "nextCursor": "2099-01-01T00:00:00.000Z", "hasMore": "yes"}
        return said

    with rewriting(monkeypatch, "/v1/signatures", odd, "GET"):
        for _ in range(20):
            work()
            craftkit.pass_time(30)
    request.refresh_from_db()
    assert request.status == "cancelled"
    assert Change.objects.get(to_status="sent").cause == "read back"


@pytest.mark.parametrize("which", [0, 1])
def test_a_replay_that_does_not_say_since_when_is_neither_taken_nor_refused(
    craftkit, ready, silent, monkeypatch, which
):
    path = ["/v1/templates/[^/]+/render", "/v1/signatures"][which]
    craftkit.sandbox.faults.add("cut_after", path=["/v1/templates/*/render", path][which], **POST)
    row = document("2") if which == 0 else send(ready)
    with rewriting(monkeypatch, path, with_all(createdAt=[]), "POST"):
        for _ in range(5):
            work()
            craftkit.pass_time(60)
        row.refresh_from_db()
        assert (row.status, row.remote_id, row.error_code) == ("pending", None, "")
    for _ in range(10):
        work()
        craftkit.pass_time(120)
    row.refresh_from_db()
    assert row.remote_id is not None
    assert len(craftkit.sandbox.signatures) + len(craftkit.renders) == 2


def test_a_row_of_a_page_that_cant_be_read_holds_up_no_other(
    craftkit, ready, silent, monkeypatch, caplog
):
    requests = [send(ready, key=key) for key in "abc"]
    craftkit.run()
    for there in craftkit.sandbox.signatures:
        craftkit.sandbox.sign_all(there.id)
    ids = [there.id for there in craftkit.sandbox.signatures]
    SignatureRequest.objects.update(poll_at=None)
    Job.objects.all().delete()
    for request in requests:
        request.refresh_from_db()
    craftkit.pass_time(60)

    def odd(said):
        rows = [
            {**row, "status": ["Ada"]} if row["id"] == ids[0] else row for row in said["signatures"]
        ]
        return said | {"signatures": rows}

    with rewriting(monkeypatch, "/v1/signatures", odd, "GET"):
        for request in requests:
            request.refresh()
        for _ in range(3):
            work()
            craftkit.pass_time(60)
    assert set(SignatureRequest.objects.values_list("status", flat=True)) == {"completed"}
    assert "Ada" not in caplog.text


def test_a_request_that_does_not_say_since_when_is_followed_by_its_id(
    craftkit, ready, silent, monkeypatch
):
    with rewriting(monkeypatch, r"/v1/signatures(/[^/]+)?", with_all(createdAt=7)):
        requests = [send(ready, key=key) for key in "ab"]
        craftkit.run()
        assert not SignatureRequest.objects.exclude(accepted_at=None).exists()
        for there in craftkit.sandbox.signatures:
            craftkit.sandbox.sign_all(there.id)
        for _ in range(30):
            work()
            craftkit.pass_time(60)
    for request in requests:
        request.refresh_from_db()
        assert request.status == "completed"
