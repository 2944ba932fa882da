"""Forms: what is submitted becomes a render, or a webhook; pictures are uploaded for it."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid

import pytest

from django_craftkit.sandbox.core.forms import expand
from tests.sandbox.api.embed.conftest import SAMPLE, SESSIONS, SHOP, bearer, refusal
from tests.sandbox.conftest import INVOICE

PNG = b"\x89PNG\r\n\x1a\n"


def path_of(session):
    return f"/v1/embed/form-submit/{session['session_id']}"


def test_a_form_is_rendered_and_followed_with_the_token(api, guest, mint, submit, sandbox):
    sandbox.subscribe("https://shop.example.com/hook", "secret")
    session = mint()

    answer = submit(
        session,
        {"customer.name": "Ada", "total": "42", "unknown": 1, "lines": [{"what": "Rope"}]},
        datasetSelection={"customers": "17"},
    )

    assert answer.status_code == 202
    receipt = answer.json()
    assert receipt == {
        "id": receipt["id"],
        "status": "queued",
        "pollUrl": f"{sandbox.public_url}/v1/renders/{receipt['id']}",
        "downloadUrl": None,
        "errorMessage": None,
        "createdAt": "2026-06-05T10:00:00.000Z",
    }
    (render,) = sandbox.renders
    assert render.data == {
        "customer": {"name": "Ada"},
        "total": 42,
        "lines": [{"what": "Rope"}],
    }
    assert (render.source, render.datasets) == ("form", {"customers": "17"})
    polled = guest.get(receipt["pollUrl"], headers=bearer(session["session_token"]))
    assert polled.json()["status"] == "succeeded"
    assert api.get(f"/v1/renders/{receipt['id']}").json() == polled.json()
    assert [each.event for each in sandbox.deliveries] == ["render.succeeded"]


def test_a_form_that_can_not_be_rendered_is_told_by_webhook(mint, submit, sandbox):
    sandbox.subscribe("https://shop.example.com/hook", "secret")
    sandbox.faults.add("render_failed", template="invoice")

    submit(mint())

    assert [each.event for each in sandbox.deliveries] == ["render.failed"]


def test_what_is_filled_in_goes_over_the_prefill(mint, submit, sandbox):
    prefill = {
        "customer": {"name": "Ada", "email": "ada@example.com"},
        "total": 1,
        "lines": [{"what": "Rope", "count": 2}, {"what": "Sail"}],
    }
    session = mint(form={"prefill": prefill})

    submit(session, {"customer.name": "Eva", "total": "", "lines": [{"what": "Mast", "count": ""}]})
    submit(session, {})

    first, second = sandbox.renders
    assert first.data == {
        "customer": {"name": "Eva", "email": "ada@example.com"},
        "lines": [{"what": "Mast"}],
    }
    assert second.data == prefill


def test_keys_that_reach_into_javascript_are_dropped(mint, submit, sandbox):
    session = mint(form={"prefill": {"customer.constructor": "x"}})
    data = {
        "__proto__": {"total": 1},
        "customer": {"name": "Ada", "prototype": 1},
        "constructor.prototype.total": 2,
        "lines": [{"what": "Rope", "__proto__.count": 3}],
    }
    sandbox.put_any_template("invoice")  # nothing else strips what it doesn't know

    submit(session, data)

    assert sandbox.renders[0].data == {"customer": {"name": "Ada"}, "lines": [{"what": "Rope"}]}


def test_a_key_of_many_dots_is_no_way_to_the_depths(mint, submit, sandbox):
    session = mint()
    sandbox.put_any_template("invoice")
    deepest, deeper = ".".join("a" * 200), ".".join("b" * 201)

    submit(session, {deepest: 1, deeper: 1, "c": {deepest: 1, "d": 1}})

    (render,) = sandbox.renders
    assert list(render.data) == ["a", "c"]
    assert render.data["c"] == {"d": 1}
    assert render.pdf().startswith(b"%PDF-")


def test_many_fields_take_no_more_time_than_as_many_forms():
    """Twice as many take about twice as long, and not four times."""

    def seconds(count: int) -> float:
        data = {f"field{number}.name": number for number in range(count)}
        began = time.process_time()
        assert len(expand(data, ())) == count
        return time.process_time() - began

    few, many = (min(seconds(count) for _ in range(3)) for count in (1_000, 16_000))
    assert many < 64 * few


def test_a_dotted_loop_binds_as_it_is_written(api, guest, mint, submit, sandbox):
    manifest = {**INVOICE, "loops": [{**INVOICE["loops"][0], "key": "handover.areas"}]}
    sandbox.put_template("invoice", manifest=manifest)

    submit(mint(), {"customer.name": "Ada", "handover.areas": [{"what": "Hull"}]})

    assert sandbox.renders[0].data["handover.areas"] == [{"what": "Hull"}]


def test_collected_data_are_sent_and_not_rendered(mint, submit, sandbox, clock):
    subscription = sandbox.subscribe("https://shop.example.com/hook", "secret")
    session = mint(
        form={"captureMode": "collect", "prefill": {"customer": {"email": "a@example.com"}}}
    )
    sandbox.put_template("invoice", manifest=INVOICE)  # version 2

    answer = submit(session, {"customer.name": "Ada", "total": "42", "unknown": 1})

    assert (answer.status_code, answer.json()["id"]) == (202, None)
    assert sandbox.renders == []
    (delivery,) = sandbox.deliveries
    assert delivery.payload == {
        "event": "form.submitted",
        "sessionId": session["session_id"],
        "templateSlug": "invoice",
        "templateVersion": 2,
        "renderId": None,
        "data": {
            "customer": {"name": "Ada", "email": "a@example.com"},
            "total": 42,
            "lines": [],
        },
        "submittedAt": "2026-06-05T10:00:00.000Z",
    }
    attempts = []

    def send(url, body, headers):
        attempts.append((url, body, headers))
        return 500 if len(attempts) == 1 else 204

    sandbox.deliver_due(send)
    clock.advance(60)
    sandbox.deliver_due(send)
    (url, body, headers), (_, body_again, headers_again) = attempts
    assert url == subscription.url
    assert body_again == body
    assert headers["X-Craftkit-Event"] == "form.submitted"
    assert headers["X-Craftkit-Delivery-Id"] == headers_again["X-Craftkit-Delivery-Id"]
    signature = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    assert headers["X-Craftkit-Signature"] == signature
    assert delivery.status == "delivered"


def test_each_submission_is_another_one(mint, submit, sandbox):
    sandbox.subscribe("https://shop.example.com/hook", "secret", ["form.submitted"])
    render, collect = mint(), mint(form={"captureMode": "collect"})

    for session in (render, render, collect, collect):
        assert submit(session).status_code == 202

    assert len({each.id for each in sandbox.renders}) == 2
    assert len({each.id for each in sandbox.deliveries}) == 2


@pytest.mark.parametrize("form", [{}, {"captureMode": "collect"}])
def test_data_that_the_template_does_not_take_are_refused(mint, submit, sandbox, form):
    sandbox.subscribe("https://shop.example.com/hook", "secret")

    answer = submit(mint(form=form), {"customer.name": "", "total": "x", "lines": [{"count": 1}]})

    assert refusal(answer) == (400, "invalid_input_data")
    issues = answer.json()["error"]["issues"]["fieldErrors"]
    assert issues.keys() == {"customer.name", "total", "lines.0.what"}
    assert (sandbox.renders, sandbox.deliveries) == ([], [])


@pytest.mark.parametrize(
    "body",
    [[], {}, {"data": []}, {"data": {}, "datasetSelection": {"a": 1}}],
)
def test_a_submission_of_another_shape_is_refused(guest, mint, body):
    session = mint()
    headers = bearer(session["session_token"])

    answer = guest.post(path_of(session), body, headers=headers)

    assert refusal(answer) == (400, "invalid_request")
    broken = guest.post(path_of(session), data="{", headers=headers)
    assert refusal(broken) == (400, "invalid_json")


def test_only_the_token_of_the_session_submits(api, guest, mint, submit, other):
    session, another = mint(), mint()
    body = {"data": {"customer.name": "Ada"}}

    assert refusal(guest.post(path_of(session), body)) == (401, "unauthorized")
    assert refusal(api.post(path_of(session), body)) == (401, "unauthorized")
    wrong = guest.post(path_of(session), body, headers=bearer(another["session_token"]))
    assert refusal(wrong) == (404, "session_not_found")
    unknown = {**session, "session_id": str(uuid.UUID(int=0))}
    assert refusal(submit(unknown)) == (404, "session_not_found")


def test_only_a_session_to_fill_in_submits_and_uploads(guest, mint, submit):
    session = mint("edit", permissions={"submitForm": True})

    assert refusal(submit(session)) == (403, "wrong_mode")
    assert refusal(_upload(guest, session)) == (403, "wrong_mode")


def test_submitting_is_a_permission_and_uploading_is_none(guest, mint, submit):
    session = mint(permissions={})

    assert refusal(submit(session)) == (403, "permission_denied")
    assert _upload(guest, session).status_code == 200


def test_the_origin_has_to_be_on_the_list_if_there_is_one(guest, mint, sandbox):
    session = mint()
    sandbox.project().embed_origins = [SHOP]

    def submit(**headers):
        headers = bearer(session["session_token"], **headers)
        return guest.post(path_of(session), {"data": {"customer.name": "Ada"}}, headers=headers)

    assert refusal(submit()) == (400, "bad_request")
    assert refusal(submit(Origin="https://evil.example.com")) == (400, "bad_request")
    assert submit(Origin=SHOP).status_code == 202
    assert submit(Origin=sandbox.public_url).status_code == 202
    assert refusal(_upload(guest, session)) == (400, "bad_request")
    assert _upload(guest, session, Origin=SHOP).status_code == 200


def test_a_template_has_to_be_known_by_its_id(api, submit, template_id, other):
    def mint(by=api, **scope):
        body = {**SAMPLE, "scope": {"mode": "fill", **scope}, "permissions": {"submitForm": True}}
        return by.post(SESSIONS, body).json()

    by_slug, by_nothing = mint(templateExternalId="invoice"), mint()
    elsewhere = mint(other, templateId=template_id)
    known = [mint(templateId=template_id), mint(templateExternalId=template_id.upper())]

    for session in (by_slug, by_nothing):
        assert refusal(submit(session)) == (404, "template_not_resolved")
    assert refusal(submit(elsewhere)) == (404, "template_not_found")
    assert [submit(each).status_code for each in known] == [202, 202]
    api.delete("/v1/templates/invoice")
    assert refusal(submit(known[0])) == (404, "template_not_found")


def test_a_template_without_a_version_has_no_form(mint, submit, sandbox):
    template = sandbox.put_template("letter", manifest=None)
    session = mint(scope={"mode": "fill", "templateId": template.id})

    assert refusal(submit(session)) == (409, "no_published_version")


def _upload(guest, session, file=("boat.png", PNG, "image/png"), **headers):
    headers = bearer(session["session_token"], **headers)
    return guest.post(f"{path_of(session)}/upload-image", files={"file": file}, headers=headers)


def test_a_picture_is_uploaded_and_public(guest, mint, sandbox):
    session = mint()

    answer = _upload(guest, session)

    assert answer.status_code == 200
    assert answer.json().keys() == {"url"}
    url = answer.json()["url"]
    place, _, name = url.rpartition("/")
    project = sandbox.project().id
    assert place.endswith(f"/embed-uploads/{project}/{session['session_id']}")
    assert uuid.UUID(name.removesuffix(".png"))
    seen = guest.get(url)
    assert (seen.content, seen.headers["Content-Type"]) == (PNG, "image/png")
    # A picture may be SVG, which can hold scripts.
    assert "sandbox" in seen.headers["Content-Security-Policy"]
    assert _upload(guest, session).json()["url"] != url
    assert guest.get(url.replace(project, str(uuid.UUID(int=0)))).status_code == 404


def test_what_is_no_upload_is_refused(guest, mint):
    session = mint()
    path = f"{path_of(session)}/upload-image"
    headers = bearer(session["session_token"])

    assert refusal(guest.post(path, {}, headers=headers)) == (400, "invalid_multipart")
    parted = {**headers, "Content-Type": "multipart/form-data; boundary=b"}
    assert refusal(guest.post(path, data="x", headers=parted)) == (400, "invalid_multipart")
    elsewhere = guest.post(path, files={"image": ("a.png", PNG, "image/png")}, headers=headers)
    assert refusal(elsewhere) == (400, "missing_file")
    for kind in ("text/plain", "image/", "image/\N{SNOWMAN}"):
        text = _upload(guest, session, ("a.txt", b"text", kind))
        assert refusal(text) == (415, "invalid_type")
    assert refusal(guest.post(path)) == (401, "unauthorized")
    another = _upload(guest, {**session, "session_id": str(uuid.UUID(int=0))})
    assert refusal(another) == (404, "session_not_found")


@pytest.mark.parametrize(
    ("fields", "files"),
    [
        # More text than fits in memory, and more parts than anybody reads.
        ({"file": "0" * 600_000}, {"other": b""}),
        ({f"field{number}": "x" for number in range(1_001)}, {"file": ("a.png", PNG, "image/png")}),
    ],
    ids=["text", "parts"],
)
def test_a_form_that_is_too_large_is_refused_as_the_api_refuses(guest, mint, fields, files):
    session = mint()

    answer = guest.post(
        f"{path_of(session)}/upload-image",
        data=fields,
        files=files,
        headers=bearer(session["session_token"]),
    )

    assert refusal(answer) == (413, "file_too_large")


def test_a_picture_has_10_megabytes_at_most(guest, mint):
    session = mint(limits={"maxUploadsBytes": 10**9})
    most = 10 * 1024 * 1024

    assert _upload(guest, session, ("a.png", b"0" * most, "image/png")).status_code == 200
    larger = _upload(guest, session, ("a.png", b"0" * (most + 1), "image/png"))
    assert refusal(larger) == (413, "file_too_large")


def test_all_pictures_of_a_session_have_5_mebibytes_together(guest, mint):
    session = mint()
    half = b"0" * (5 * 1024 * 1024 // 2)

    sizes = [half, half, b"0"]
    statuses = [_upload(guest, session, ("a.png", one, "image/png")).status_code for one in sizes]

    assert statuses == [200, 200, 413]


def test_a_session_may_have_a_limit_of_its_own_for_all_pictures(guest, mint):
    session = mint(limits={"maxUploadsBytes": 2 * len(PNG)})

    statuses = [_upload(guest, session).status_code for _ in range(3)]

    assert statuses == [200, 200, 413]
