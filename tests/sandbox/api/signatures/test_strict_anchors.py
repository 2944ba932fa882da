"""A sandbox that refuses anchor tags whose text isn't in the document; Craftkit takes them."""

from __future__ import annotations

import pytest

from django_craftkit.sandbox import Sandbox
from tests.sandbox.api.signatures.conftest import ADA, ANCHOR, PATH, person, refusal
from tests.sandbox.conftest import DATA, INVOICE, Api

HERE, NOT_HERE = "[[sign_here]]", "[[sign_there]]"


def tag(text: str, **more):
    return {**ANCHOR, "anchorString": text, **more}


@pytest.fixture
def strict(sandbox):
    sandbox.strict_anchors = True
    texts = [{"page": 1, "x": 10, "y": 80, "text": HERE}]
    sandbox.put_template("invoice", manifest=INVOICE, layout_texts=texts)
    return sandbox


def places_of(answer) -> list[str]:
    assert refusal(answer) == (400, "invalid_request")
    return list(answer.json()["error"]["issues"]["fieldErrors"])


def test_unless_it_is_told_to_it_takes_any_text(api, body):
    assert api.post(PATH, {**body, "anchorTags": [tag(NOT_HERE)]}).status_code == 201


@pytest.mark.parametrize("text", [HERE, "sign_here", "Ada Lovelace", "Customer", "Rendered by"])
def test_a_text_of_the_document_is_taken(strict, api, body, text):
    assert api.post(PATH, {**body, "anchorTags": [tag(text)]}).status_code == 201


@pytest.mark.parametrize(
    "text", [NOT_HERE, "[[SIGN_HERE]]", f"{HERE}.", "Customer Ada", "Customer\nAda"]
)
def test_another_is_refused_and_nothing_is_billed(strict, api, body, text):
    tags = [tag(HERE), tag(text), tag("[[nor this]]")]
    key = {"Idempotency-Key": "k"}
    strict.signature_credits = 1

    answer = api.post(PATH, {**body, "anchorTags": tags}, headers=key)

    assert places_of(answer) == ["anchorTags.1.anchorString", "anchorTags.2.anchorString"]
    assert (strict.signatures, strict.billed_signatures, strict.signature_credits) == ([], 0, 1)
    mended = api.post(PATH, {**body, "anchorTags": tags[:1]}, headers=key)
    assert mended.status_code == 201


def test_one_that_may_be_missing_is_taken(strict, api, body):
    tags = [tag(HERE), tag(NOT_HERE, ignoreIfNotPresent=True)]
    assert api.post(PATH, {**body, "anchorTags": tags}).status_code == 201
    tags[1]["ignoreIfNotPresent"] = False
    assert places_of(api.post(PATH, {**body, "anchorTags": tags})) == ["anchorTags.1.anchorString"]


def test_one_that_is_broken_over_two_lines_is_not_there(strict, api, body):
    text = "a place to sign " * 8
    body["renderId"] = api.render({"customer": {"name": text}}).json()["id"]
    assert api.post(PATH, {**body, "anchorTags": [tag(text.strip())]}).status_code == 400
    assert api.post(PATH, {**body, "anchorTags": [tag("a place to sign")]}).status_code == 201


def test_a_replay_is_not_looked_at(strict, api, body):
    body["anchorTags"] = [tag(NOT_HERE)]
    strict.strict_anchors = False
    key = {"Idempotency-Key": "k"}
    first = api.post(PATH, body, headers=key)
    strict.strict_anchors = True
    again = api.post(PATH, body, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert refusal(api.post(PATH, body)) == (400, "invalid_request")


def test_it_is_switched_over_http(strict, api, guest, body):
    def switch(to):
        return guest("PATCH", "/_sandbox/signatures", json={"strict_anchors": to})

    body["anchorTags"] = [tag(NOT_HERE)]
    assert switch(False).json()["strict_anchors"] is False
    assert api.post(PATH, body).status_code == 201
    assert switch(True).json()["strict_anchors"] is True
    assert api.post(PATH, body).status_code == 400
    assert refusal(switch("yes")) == (400, "invalid_request")
    assert guest("PATCH", "/_sandbox/signatures", json={}).json()["strict_anchors"] is True


@pytest.mark.parametrize("given", [True, False])
def test_a_reset_comes_back_to_what_was_given(clock, given):
    sandbox = Sandbox(clock=clock, lenient=True, strict_anchors=given)
    sandbox.strict_anchors = not given
    sandbox.reset()
    assert sandbox.strict_anchors is given
    api = Api(sandbox.session(), "https://api.craftkit.test")
    body = {
        "renderId": api.render(DATA).json()["id"],
        "recipients": [person(ADA)],
        "anchorTags": [tag(NOT_HERE)],
    }
    assert api.post(PATH, body).status_code == (400 if given else 201)
