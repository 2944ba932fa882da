"""POST /v1/signatures: what is sent, billed and refused."""

from __future__ import annotations

import re
import uuid

import pytest

from django_craftkit.sandbox.api import signatures
from tests.sandbox.api.signatures.conftest import (
    ADA,
    ANCHOR,
    BEN,
    EVA,
    FIELD,
    NOBODY,
    PATH,
    person,
    refusal,
)
from tests.sandbox.conftest import INVOICE, Api


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
