"""Inbound hooks, from the documentation's tables: a render for whoever knows the token."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from tests.sandbox.conftest import DATA, INVOICE


@pytest.fixture
def hook(sandbox):
    return sandbox.project().templates["invoice"].hook


@pytest.fixture
def trigger(guest, hook):
    """Post a body, or the bytes of one, to the hook of the invoice, without a key."""

    def trigger(body=DATA, *, token=hook.token, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return guest("POST", f"/v1/hooks/{token}", data=raw, headers=headers)

    return trigger


def signed(secret: str, raw: bytes) -> dict[str, str]:
    digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return {"x-craftkit-signature": digest}


def refusal(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_it_answers_202_and_the_render_is_polled_with_the_key_of_the_project(trigger, api):
    answer = trigger()

    assert answer.status_code == 202
    assert answer.json().keys() == {"id", "status", "pollUrl"}
    assert answer.json()["status"] == "queued"
    render = api.get(answer.json()["pollUrl"]).json()
    assert (render["id"], render["status"]) == (answer.json()["id"], "succeeded")


def test_its_render_is_one_like_all_others(trigger, sandbox):
    """Data without a wrapper, scalars nested by dot-path, unknown keys stripped, webhooks sent."""
    sandbox.subscribe("https://shop.example/webhooks", "secret")

    answer = trigger({**DATA, "lines": [{"what": "Bolt", "count": 5}], "unknown": 1})

    (render,) = sandbox.renders
    assert render.data["customer"]["name"] == "Ada Lovelace"
    assert render.data["lines"] == [{"what": "Bolt", "count": 5}]
    assert "unknown" not in render.data
    (delivery,) = sandbox.deliveries
    assert delivery.event == "render.succeeded"
    assert delivery.payload["renderId"] == answer.json()["id"]


def test_a_wrapper_is_one_more_unknown_key(trigger, sandbox):
    answer = trigger({"data": DATA})

    assert refusal(answer) == (400, "invalid_input_data")
    assert answer.json()["error"]["issues"]["fieldErrors"] == {"customer.name": ["Required"]}
    assert sandbox.renders == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b"[]", "invalid_input_data"),
        (b"null", "invalid_input_data"),
    ],
)
def test_a_body_that_is_no_object_is_refused(trigger, body, code):
    assert refusal(trigger(body)) == (400, code)


def test_a_template_with_nothing_published_is_a_conflict(trigger, sandbox):
    draft = sandbox.put_template("draft", manifest=None)

    assert refusal(trigger(token=draft.hook.token)) == (409, "no_published_version")


def test_the_same_call_again_is_another_render(trigger, sandbox):
    """The documentation names no idempotency key for hooks."""
    headers = {"Idempotency-Key": "one"}

    assert trigger(**headers).json()["id"] != trigger(**headers).json()["id"]
    assert len(sandbox.renders) == 2


def test_a_signature_that_is_there_has_to_be_right(trigger, hook):
    raw = json.dumps(DATA).encode()
    right = signed(hook.secret, raw)

    assert trigger(raw, **right).status_code == 202
    assert refusal(trigger(raw + b" ", **right)) == (401, "invalid_signature")
    assert refusal(trigger(raw, **signed("another", raw))) == (401, "invalid_signature")
    for wrong in ("", "sha256=" + right["x-craftkit-signature"], "\xe9"):
        answer = trigger(raw, **{"x-craftkit-signature": wrong})
        assert refusal(answer) == (401, "invalid_signature")
    # Before the body is read.
    assert refusal(trigger(b"{", **signed("another", b"{"))) == (401, "invalid_signature")


def test_a_signature_can_be_required(trigger, hook, sandbox):
    hook.requires_signature = True
    raw = json.dumps(DATA).encode()

    assert refusal(trigger(raw)) == (401, "invalid_signature")
    assert sandbox.renders == []
    assert trigger(raw, **signed(hook.secret, raw)).status_code == 202


def test_a_token_is_that_of_one_template_as_long_as_it_is_there(trigger, api, sandbox, hook):
    other = sandbox.put_template("offer", manifest=INVOICE)
    assert other.hook.token != hook.token
    assert other.hook.secret != hook.secret
    api.put("/v1/templates/invoice", {"name": "Invoice", "manifest": INVOICE})

    assert trigger().status_code == 202
    assert [render.version.number for render in sandbox.renders] == [2]
    assert refusal(trigger(token="wrong")) == (404, "invalid_token")
    api.delete("/v1/templates/invoice")
    assert refusal(trigger()) == (404, "invalid_token")


def test_its_project_is_that_of_the_template(trigger, sandbox):
    sandbox.add_key("ck_test_other", "other")
    theirs = sandbox.put_template("invoice", manifest=INVOICE, project="other")

    trigger(token=theirs.hook.token)

    assert [render.project.slug for render in sandbox.renders] == ["other"]


def test_no_log_has_the_token(trigger, guest, hook, sandbox, caplog, monkeypatch):
    caplog.set_level("INFO", logger="django_craftkit.sandbox")
    trigger()
    guest.get(f"/v1/hooks/{hook.token}")
    guest.post(f"//v1/hooks/{hook.token}/more")
    monkeypatch.setattr(sandbox.state.outbox, "announce", None)
    assert trigger().status_code == 500

    assert [request.path for request in sandbox.requests] == ["/v1/hooks/[token]"] * 4
    assert hook.token not in caplog.text + repr(sandbox.requests) + repr(hook)
    assert hook.secret not in repr(hook)


def test_the_queue_can_be_told_to_be_down(trigger, sandbox):
    sandbox.faults.add("status", status=503, code="queue_unavailable", path="/v1/hooks/*")

    assert refusal(trigger()) == (503, "queue_unavailable")
    assert trigger().status_code == 202


def test_the_control_shows_where_a_hook_is_and_switches_its_signature(guest, trigger, hook):
    hooks = "/_sandbox/projects/default/hooks"
    (listed,) = guest.get(hooks).json()["hooks"]

    assert listed == {
        "template": "invoice",
        "url": f"http://127.0.0.1:9100/v1/hooks/{hook.token}",
        "token": hook.token,
        "secret": hook.secret,
        "requires_signature": False,
    }
    switched = guest("PATCH", f"{hooks}/invoice", json={"requires_signature": True}).json()
    assert switched == {**listed, "requires_signature": True}
    assert refusal(trigger()) == (401, "invalid_signature")
    page = guest.get("/_sandbox/").text
    assert listed["url"] in page
    assert listed["secret"] in page


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("default/hooks/invoice", {}, (400, "invalid_request")),
        ("default/hooks/invoice", {"requires_signature": None}, (400, "invalid_request")),
        ("default/hooks/nothing", {"requires_signature": True}, (404, "template_not_found")),
        ("nothing/hooks/invoice", {"requires_signature": True}, (404, "not_found")),
    ],
)
def test_the_control_refuses_what_it_does_not_know(guest, path, body, expected):
    assert refusal(guest("PATCH", f"/_sandbox/projects/{path}", json=body)) == expected
