from __future__ import annotations

import io
import re
import threading
import uuid
from html import unescape

import pytest
import requests
from pypdf import PdfReader

from django_craftkit.sandbox import Sandbox, SandboxAdapter, SandboxServer, signatures

from .conftest import DATA, INVOICE, Api

PATH = "/v1/signatures"
ADA = "ada@example.com"
BEN = "ben@example.com"
EVA = "eva@example.com"
CAT = "cat@example.com"
HOOK = "https://shop.example.com/hook"
FIELD = {"recipientIndex": 0, "type": "signature", "page": 1, "x": 10, "y": 80}
ANCHOR = {"anchorString": "{{sign_here}}", "type": "signature", "recipientIndex": 0}
NOBODY = str(uuid.UUID(int=0))


def person(email, **more):
    return {"firstName": email.partition("@")[0].title(), "email": email, **more}


def refusal(answer):
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def render_id(api):
    return api.render().json()["id"]


@pytest.fixture
def body(render_id):
    return {
        "renderId": render_id,
        "name": "Charter handover",
        "recipients": [person(ADA, lastName="Lovelace")],
        "fields": [FIELD],
    }


@pytest.fixture
def ask(api, body):
    """Send a request out; the answer's JSON."""

    def ask(*recipients, key=None, **changes):
        asked = {**body, **changes}
        if recipients:
            asked["recipients"] = list(recipients)
        headers = {"Idempotency-Key": key} if key else {}
        answer = api.post(PATH, asked, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return ask


@pytest.fixture
def crew(ask):
    """The id of a request for two who sign, one who approves, one who gets a copy."""
    return ask(
        person(ADA),
        person(BEN),
        person(EVA, designation="Approver"),
        person(CAT, designation="CC"),
    )["id"]


@pytest.fixture
def heard(sandbox):
    """The bodies of the webhooks so far, but those of renders."""
    sandbox.subscribe(HOOK, "secret")

    def heard():
        bodies = [delivery.payload for delivery in sandbox.deliveries]
        return [body for body in bodies if body["event"].startswith("signature.")]

    return heard


@pytest.fixture
def names(heard):
    return lambda: [body["event"].removeprefix("signature.") for body in heard()]


def status(api, request_id):
    answer = api.get(f"{PATH}/{request_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["status"]


# POST


def test_a_request_is_sent(api, body):
    answer = api.post(PATH, {**body, "expirationHours": 24})

    assert answer.status_code == 201
    sent = answer.json()
    (recipient,) = sent.pop("recipients")
    assert uuid.UUID(sent.pop("id"))
    assert sent == {
        "renderId": body["renderId"],
        "name": "Charter handover",
        "status": "sent",
        "expirationHours": 24,
        "signedDownloadUrl": None,
        "certificateUrl": None,
        "errorMessage": None,
        "createdAt": "2026-06-05T10:00:00.000Z",
        "completedAt": None,
    }
    assert re.fullmatch(r"rcp_[0-9a-f]{4}-[0-9a-f]{12}", recipient.pop("id"))
    assert recipient == {
        "firstName": "Ada",
        "lastName": "Lovelace",
        "email": ADA,
        "designation": "Signer",
        "order": 1,
    }


def test_what_is_left_out_has_its_default(api, ask, render_id, body):
    del body["name"]

    sent = ask(person(ADA), person(BEN, designation="CC"), fields=[], anchorTags=[ANCHOR])

    assert sent["name"] == f"Signature request {render_id[:8]}"
    assert sent["expirationHours"] is None
    assert [each["order"] for each in sent["recipients"]] == [1, 2]
    assert [each["lastName"] for each in sent["recipients"]] == [None, None]
    assert api.get(f"{PATH}/{sent['id']}").json() == sent


def test_a_replay_answers_with_the_original_and_is_not_billed(api, body, sandbox, names):
    key = {"Idempotency-Key": "sign-order-1"}
    first = api.post(PATH, body, headers=key)
    sandbox.view_signature(first.json()["id"], ADA)

    again = api.post(PATH, {**body, "name": "Something else"}, headers=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "status": "viewed"}
    assert (len(sandbox.signatures), sandbox.billed_signatures) == (1, 1)
    assert len(sandbox.signature_mails) == 1
    assert names() == ["sent", "viewed"]


def test_without_a_key_each_call_is_another_request(ask, sandbox):
    assert ask()["id"] != ask()["id"]
    assert sandbox.billed_signatures == 2


def test_a_key_belongs_to_its_project(ask, api, sandbox, body):
    ask(key="k")
    sandbox.add_key("ck_test_other", "other")
    sandbox.put_template("invoice", manifest=INVOICE, project="other")
    other = Api(sandbox.session(), api.base, "ck_test_other")

    answer = other.post(
        PATH,
        {**body, "renderId": other.render().json()["id"]},
        headers={"Idempotency-Key": "k"},
    )

    assert answer.status_code == 201


def without(name):
    return lambda body: body.pop(name)


def put(**changes):
    return lambda body: body.update(changes)


def recipient(**changes):
    return lambda body: body["recipients"][0].update(changes)


def field(**changes):
    return lambda body: body.update(fields=[{**FIELD, **changes}])


def anchor(**changes):
    return lambda body: body.update(anchorTags=[{**ANCHOR, **changes}])


def orders(*numbers):
    people = [person(ADA), person(BEN), person(EVA)]
    for each, number in zip(people, numbers, strict=False):
        if number is not None:
            each["order"] = number
    return put(recipients=people[: len(numbers)])


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (without("renderId"), "renderId"),
        (put(renderId="x"), "renderId"),
        (put(name=""), "name"),
        (put(name="x" * 256), "name"),
        (without("recipients"), "recipients"),
        (put(recipients=[]), "recipients"),
        (put(recipients=[person(ADA)] * 21), "recipients"),
        (put(recipients=["ada"]), "recipients.0"),
        (recipient(firstName=""), "recipients.0.firstName"),
        (recipient(firstName="x" * 101), "recipients.0.firstName"),
        (recipient(lastName="x" * 101), "recipients.0.lastName"),
        (recipient(email="ada"), "recipients.0.email"),
        (recipient(email=f"{'a' * 250}@example.com"), "recipients.0.email"),
        (recipient(designation="Witness"), "recipients.0.designation"),
        (recipient(order=0), "recipients.0.order"),
        (recipient(order=1.5), "recipients.0.order"),
        (orders(1, 1), "recipients"),
        (orders(1, 3), "recipients"),
        (orders(2, None), "recipients"),
        (put(fields=[FIELD] * 201), "fields"),
        (put(fields={}), "fields"),
        (field(recipientIndex=1), "fields.0.recipientIndex"),
        (field(recipientIndex=-1), "fields.0.recipientIndex"),
        (field(recipientIndex=None), "fields.0.recipientIndex"),
        (field(type="initials"), "fields.0.type"),
        (field(page=0), "fields.0.page"),
        (field(x=-0.1), "fields.0.x"),
        (field(x=100.1), "fields.0.x"),
        (field(y="10"), "fields.0.y"),
        (field(y=101), "fields.0.y"),
        (field(width=0), "fields.0.width"),
        (field(width=100.5), "fields.0.width"),
        (field(height=0), "fields.0.height"),
        (field(required="yes"), "fields.0.required"),
        (put(anchorTags=[ANCHOR] * 201), "anchorTags"),
        (anchor(anchorString=""), "anchorTags.0.anchorString"),
        (anchor(anchorString="x" * 201), "anchorTags.0.anchorString"),
        (anchor(type="initial"), "anchorTags.0.type"),
        (anchor(recipientIndex=1), "anchorTags.0.recipientIndex"),
        (anchor(width=1000.5), "anchorTags.0.width"),
        (anchor(height=0), "anchorTags.0.height"),
        (anchor(required=1), "anchorTags.0.required"),
        (anchor(ignoreIfNotPresent=None), "anchorTags.0.ignoreIfNotPresent"),
        (put(expirationHours=0), "expirationHours"),
        (put(expirationHours=8761), "expirationHours"),
        (put(expirationHours=1.5), "expirationHours"),
        (put(fields=[]), "fields"),
        (without("fields"), "fields"),
    ],
)
def test_a_request_of_another_shape_is_refused(api, sandbox, body, change, path):
    change(body)

    answer = api.post(PATH, body)

    assert refusal(answer) == (400, "invalid_request")
    assert list(answer.json()["error"]["issues"]["fieldErrors"]) == [path]
    assert (sandbox.signatures, sandbox.billed_signatures) == ([], 0)


@pytest.mark.parametrize(
    "change",
    [
        put(name="x" * 255),
        put(recipients=[person(ADA)] * 20),
        recipient(firstName="x" * 100, lastName="x" * 100),
        recipient(lastName=""),
        recipient(email=f"{'a' * 243}@example.com"),
        put(fields=[FIELD] * 200),
        put(fields=[FIELD], anchorTags=[ANCHOR] * 200),
        field(x=0, y=100, width=0.5, height=100, required=False),
        *[
            field(type=kind)
            for kind in ("initial", "text", "date", "checkbox", "dropdown", "radio_buttons")
        ],
        field(type="text_area"),
        *[anchor(type=kind) for kind in ("initials", "text", "date", "checkbox")],
        anchor(anchorString="x" * 200, width=1000, height=0.5, ignoreIfNotPresent=True),
        put(expirationHours=1),
        put(expirationHours=8760),
        put(recipients=[person(ADA, designation="Approver")], fields=[]),
        orders(3, 1, 2),
        orders(None, 2),
    ],
)
def test_the_limits_themselves_are_taken(api, body, change):
    change(body)

    answer = api.post(PATH, body)

    assert answer.status_code == 201, answer.text


def test_an_order_is_kept(ask):
    people = [person(ADA, order=2), person(BEN, order=1)]

    assert [each["order"] for each in ask(*people)["recipients"]] == [2, 1]


def test_what_is_no_json_is_refused(api):
    assert refusal(api("POST", PATH, data="{")) == (400, "invalid_json")
    assert refusal(api.post(PATH, [])) == (400, "invalid_request")


def test_without_a_key_nothing_is_shown_or_done(guest, ask, sandbox, body):
    path = f"{PATH}/{ask()['id']}"

    for method, address in (
        ("POST", PATH),
        ("GET", PATH),
        ("GET", path),
        ("POST", f"{path}/cancel"),
        ("GET", f"{path}/download"),
        ("GET", f"{path}/certificate"),
    ):
        assert refusal(guest(method, address, json=body)) == (401, "unauthorized")
    assert [request.status for request in sandbox.signatures] == ["sent"]


def test_requests_of_another_project_are_not_found(api, ask, sandbox, body):
    path = f"{PATH}/{ask()['id']}"
    sandbox.add_key("ck_test_other", "other")
    other = Api(sandbox.session(), api.base, "ck_test_other")

    assert refusal(other.post(PATH, body)) == (404, "not_found")
    for address in (path, f"{PATH}/x", f"{PATH}/{NOBODY}"):
        assert refusal(other.get(address)) == (404, "not_found")
        assert refusal(other.post(f"{address}/cancel")) == (404, "not_found")
        for paper in ("download", "certificate"):
            assert refusal(other.get(f"{address}/{paper}")) == (404, "not_found")
    assert other.get(PATH).json() == {"signatures": [], "nextCursor": None, "hasMore": False}


def test_an_unknown_render_is_not_found(api, body):
    assert refusal(api.post(PATH, {**body, "renderId": NOBODY})) == (404, "not_found")


@pytest.mark.parametrize("end", ["queued", "failed"])
def test_a_render_without_a_document_conflicts(api, sandbox, body, end):
    sandbox.render_time = None
    body["renderId"] = api.render().json()["id"]
    if end == "failed":
        sandbox.renders[-1].fail("Out of paper")

    assert refusal(api.post(PATH, body)) == (409, "conflict")
    assert sandbox.billed_signatures == 0


def test_a_document_over_20_mb_is_too_large(api, sandbox, body, monkeypatch):
    assert signatures.LARGEST_DOCUMENT == 20 * 1024 * 1024
    size = len(sandbox.renders[0].pdf())
    monkeypatch.setattr(signatures, "LARGEST_DOCUMENT", size)
    assert api.post(PATH, body, headers={"Idempotency-Key": "a"}).status_code == 201
    monkeypatch.setattr(signatures, "LARGEST_DOCUMENT", size - 1)

    key = {"Idempotency-Key": "k"}
    assert refusal(api.post(PATH, body, headers=key)) == (413, "document_too_large")

    assert sandbox.billed_signatures == 1
    assert api.post(PATH, body, headers={"Idempotency-Key": "a"}).status_code == 200
    monkeypatch.setattr(signatures, "LARGEST_DOCUMENT", size)
    assert api.post(PATH, body, headers=key).status_code == 201


def test_a_document_of_much_data_is_weighed_before_anybody_looked_at_it(
    api, sandbox, body, monkeypatch
):
    sandbox.put_any_template("any")
    body["renderId"] = api.render({"x": "y" * 1_100_000}, slug="any").json()["id"]
    monkeypatch.setattr(signatures, "LARGEST_DOCUMENT", 1000)

    assert refusal(api.post(PATH, body)) == (413, "document_too_large")


def test_credits_are_counted_down_until_they_are_used_up(api, body, sandbox):
    sandbox.signature_credits = 1
    key = {"Idempotency-Key": "k"}
    assert api.post(PATH, body).status_code == 201

    refused = api.post(PATH, body, headers=key)

    assert refusal(refused) == (402, "signature_credits_exhausted")
    assert (sandbox.signature_credits, sandbox.billed_signatures) == (0, 1)
    assert len(sandbox.signature_mails) == 1
    sandbox.signature_credits = None
    assert api.post(PATH, body, headers=key).status_code == 201
    assert (sandbox.signature_credits, sandbox.billed_signatures) == (None, 2)


def test_a_replay_needs_no_credit(api, body, sandbox):
    sandbox.signature_credits = 1
    key = {"Idempotency-Key": "k"}

    assert [api.post(PATH, body, headers=key).status_code for _ in range(2)] == [201, 200]


def test_where_signatures_are_not_configured_nothing_is_sent(api, body, sandbox, guest):
    sandbox.project().signatures_configured = False
    assert refusal(api.post(PATH, body)) == (503, "signatures_unavailable")
    assert sandbox.billed_signatures == 0
    assert api.get(PATH).status_code == 200

    def switch(to):
        path = "/_sandbox/projects/default"
        return guest("PATCH", path, json={"signatures_configured": to}).json()

    assert switch(True)["signatures_configured"] is True
    assert api.post(PATH, body).status_code == 201
    assert switch(False)["email_configured"] is True
    assert refusal(api.post(PATH, body)) == (503, "signatures_unavailable")


# The list


def test_the_list_is_newest_first_and_goes_on_at_its_cursor(api, ask, clock):
    ids = []
    for _ in range(5):
        ids.append(ask()["id"])
        clock.advance(1)
    got, cursors, query = [], [], ""

    for _ in range(3):
        page = api.get(f"{PATH}?limit=2{query}").json()
        got.append([row["id"] for row in page["signatures"]])
        cursors.append((page["nextCursor"], page["hasMore"]))
        query = f"&cursor={page['nextCursor']}"

    assert got == [ids[:2:-1], ids[2:0:-1], ids[:1]]
    assert cursors == [
        ("2026-06-05T10:00:03.000Z", True),
        ("2026-06-05T10:00:01.000Z", True),
        ("2026-06-05T10:00:00.000Z", False),
    ]


def test_a_full_page_says_that_more_may_follow(api, ask, clock):
    ask()
    clock.advance(1)
    ask()

    page = api.get(f"{PATH}?limit=2").json()
    rest = api.get(f"{PATH}?cursor=2026-06-05T10:00:00.000Z").json()

    assert page["hasMore"] is True
    assert rest == {"signatures": [], "nextCursor": None, "hasMore": False}


def test_the_strict_cursor_skips_rows_of_one_moment(api, ask):
    ids = sorted((ask()["id"] for _ in range(4)), reverse=True)

    whole = api.get(PATH).json()["signatures"]
    page = api.get(f"{PATH}?limit=2").json()
    after = api.get(f"{PATH}?cursor={page['nextCursor']}").json()

    assert [row["id"] for row in whole] == ids
    assert [row["id"] for row in page["signatures"]] == ids[:2]
    assert after["signatures"] == []


@pytest.mark.parametrize(
    ("cursor", "rows"),
    [
        ("2026-06-05T10:00:00.000Z", 0),
        ("2026-06-05T10:00:00.0005Z", 1),
        ("2026-06-05T12:00:00.001%2B02:00", 1),
        ("2026-06-05T09:59:59.999Z", 0),
    ],
)
def test_a_cursor_is_compared_to_the_millisecond(api, ask, cursor, rows):
    ask()

    assert len(api.get(f"{PATH}?cursor={cursor}").json()["signatures"]) == rows


def test_a_moment_between_milliseconds_is_listed_by_the_one_it_shows(api, ask, clock):
    clock.advance(0.0006)
    sent = ask()

    assert sent["createdAt"] == "2026-06-05T10:00:00.001Z"
    assert api.get(f"{PATH}?cursor={sent['createdAt']}").json()["signatures"] == []


def test_the_list_of_one_render(api, ask, render_id, clock):
    ids = []
    for _ in range(3):
        ids.append(ask()["id"])
        clock.advance(1)
        ask(renderId=api.render().json()["id"])

    page = api.get(f"{PATH}?renderId={render_id}&limit=2").json()

    assert [row["id"] for row in page["signatures"]] == ids[:0:-1]
    rest = api.get(f"{PATH}?renderId={render_id}&cursor={page['nextCursor']}").json()
    assert [row["id"] for row in rest["signatures"]] == ids[:1]
    assert api.get(f"{PATH}?renderId={NOBODY}").json()["signatures"] == []


def test_a_list_shows_50_unless_told(api, ask):
    for _ in range(51):
        ask()

    assert len(api.get(PATH).json()["signatures"]) == 50
    assert len(api.get(f"{PATH}?limit=100").json()["signatures"]) == 51


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("limit=many", "limit"),
        ("limit=99999999999999999999999999", "limit"),
        ("renderId=x", "renderId"),
        ("cursor=yesterday", "cursor"),
        ("cursor=2026-06-05T10:00:00", "cursor"),
        ("cursor=", "cursor"),
    ],
)
def test_a_query_of_another_shape_is_refused(api, query, name):
    answer = api.get(f"{PATH}?{query}")

    assert refusal(answer) == (400, "invalid_request")
    assert list(answer.json()["error"]["issues"]["fieldErrors"]) == [name]


# From sent to the end


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
    with pytest.raises(ValueError, match="has ended: declined"):
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
    with pytest.raises(ValueError, match="has ended: expired"):
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
        with pytest.raises(ValueError, match="has ended"):
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


# POST :id/cancel


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


# The papers


def text(content):
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def test_the_signed_pdf_has_the_pages_of_the_render_and_who_signed_when(api, ask, sandbox, clock):
    sent = ask(person(ADA, lastName="Lovelace"), person(CAT, designation="CC"))
    clock.advance(90)
    sandbox.sign(sent["id"], ADA)
    shown = api.get(f"{PATH}/{sent['id']}").json()

    answer = api.get(shown["signedDownloadUrl"])

    address = f"{sandbox.public_url}{PATH}/{sent['id']}"
    assert shown["signedDownloadUrl"] == f"{address}/download"
    assert shown["certificateUrl"] == f"{address}/certificate"
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/pdf"
    disposition = f'attachment; filename="{sent["id"]}-signed.pdf"'
    assert answer.headers["Content-Disposition"] == disposition
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    original = PdfReader(io.BytesIO(sandbox.renders[0].pdf()))
    signed = PdfReader(io.BytesIO(answer.content))
    assert len(signed.pages) == len(original.pages) + 1
    for before, after in zip(original.pages, signed.pages, strict=False):
        lines = before.extract_text().splitlines()
        assert lines[:-1] == after.extract_text().splitlines()[:-1]  # the last one counts pages
    stamp = signed.pages[-1].extract_text()
    for wanted in ("Ada Lovelace", ADA, "2026-06-05 10:01:30 UTC", sent["id"]):
        assert wanted in stamp
    assert CAT not in stamp


def test_the_certificate_tells_what_happened(api, sandbox, crew, clock):
    for email in (ADA, BEN, EVA):
        clock.advance(60)
        sandbox.sign(crew, email)

    answer = api.get(f"{PATH}/{crew}/certificate")

    assert answer.headers["Content-Type"] == "application/pdf"
    disposition = f'attachment; filename="{crew}-certificate.pdf"'
    assert answer.headers["Content-Disposition"] == disposition
    written = text(answer.content)
    for wanted in (crew, "Charter handover", "Certificate of completion", ADA, BEN, EVA, CAT):
        assert wanted in written
    for wanted in ("Sent", "Viewed", "Signed", "Approved", "Completed"):
        assert wanted in written
    for minute in range(4):
        assert f"2026-06-05 10:0{minute}:00 UTC" in written


@pytest.mark.parametrize("name", ["Ελένη", "Владимир", "山田太郎", "नमस्ते", "Łukasz 🚢"])
def test_names_of_any_script_can_be_read_from_both_papers(api, ask, sandbox, name):
    request_id = ask({"firstName": name, "email": ADA}, name=f"{name} & co")["id"]
    sandbox.sign(request_id, ADA)

    for paper in ("download", "certificate"):
        written = text(api.get(f"{PATH}/{request_id}/{paper}").content)
        assert name in written
        assert f"{name} & co" in written
        assert ADA in written


@pytest.mark.parametrize("name", ["\ud800half", "\x00\x1b", "x" * 100, "<b>**--__", "שלום محمد"])
def test_no_name_keeps_the_papers_from_being_written(api, ask, sandbox, name, guest):
    request_id = ask({"firstName": name, "email": ADA}, name="\ud800" + "W" * 254)["id"]
    assert guest.get(sandbox.signature_mails[0].signing_url).status_code == 200
    sandbox.sign(request_id, ADA)

    for paper in ("download", "certificate"):
        assert ADA in text(api.get(f"{PATH}/{request_id}/{paper}").content)


@pytest.mark.parametrize("paper", ["download", "certificate"])
def test_a_paper_is_the_same_bytes_each_time(api, ask, sandbox, paper):
    request_id = ask({"firstName": "山田", "email": ADA})["id"]
    sandbox.sign(request_id, ADA)
    path = f"{PATH}/{request_id}/{paper}"

    assert api.get(path).content == api.get(path).content


def test_papers_are_streamed(api, ask, sandbox):
    request_id = ask()["id"]
    sandbox.sign(request_id, ADA)
    with SandboxServer(sandbox) as server, requests.Session() as session:
        far = Api(session, server.url)
        answer = far.get(f"{PATH}/{request_id}/download", stream=True)
        got = b"".join(answer.iter_content(1000))

    assert got.startswith(b"%PDF-")
    assert len(got) == int(answer.headers["Content-Length"])
    assert got == api.get(f"{PATH}/{request_id}/download").content


def test_before_the_end_there_are_no_papers(api, ask, sandbox):
    path = f"{PATH}/{ask()['id']}"

    def refused():
        answers = [api.get(f"{path}/{paper}") for paper in ("download", "certificate")]
        assert [refusal(answer) for answer in answers] == [(409, "conflict")] * 2
        return [answer.json()["error"]["message"] for answer in answers]

    assert refused() == [
        "Signed document is not available yet (status: sent).",
        "Completion certificate is not available yet (status: sent).",
    ]
    api.post(f"{path}/cancel")
    assert refused()[0] == "Signed document is not available yet (status: cancelled)."


def test_papers_come_a_while_after_the_completion(api, ask, sandbox, clock):
    sandbox.archive_delay = 30
    request_id = ask()["id"]
    path = f"{PATH}/{request_id}"
    clock.advance(3600)
    sandbox.sign(request_id, ADA)

    def papers():
        shown = api.get(path).json()
        assert shown["status"] == "completed"
        codes = [api.get(f"{path}/{paper}").status_code for paper in ("download", "certificate")]
        links = shown["signedDownloadUrl"], shown["certificateUrl"]
        assert [code == 200 for code in codes] == [link is not None for link in links]
        return codes

    clock.advance(29)
    assert papers() == [409, 409]
    clock.advance(1)
    assert papers() == [200, 200]


@pytest.mark.parametrize(("certificate", "codes"), [(5, [409, 200]), (60, [200, 409])])
def test_the_certificate_can_have_a_delay_of_its_own(api, ask, sandbox, clock, certificate, codes):
    sandbox.archive_delay, sandbox.certificate_delay = 30, certificate
    request_id = ask()["id"]
    sandbox.sign(request_id, ADA)
    clock.advance(5 if certificate < 30 else 30)

    shown = api.get(f"{PATH}/{request_id}").json()

    assert [
        api.get(f"{PATH}/{request_id}/{paper}").status_code for paper in ("download", "certificate")
    ] == codes
    assert (shown["signedDownloadUrl"] is None) is (codes[0] == 409)
    assert (shown["certificateUrl"] is None) is (codes[1] == 409)


# Webhooks


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


# Faults


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


# The mails and the page of a recipient


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


# The desk over HTTP


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
    }
    assert patch(credits=None, certificate_delay=None).json() == {
        "credits": None,
        "billed": 1,
        "archive_delay": 5,
        "certificate_delay": None,
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
