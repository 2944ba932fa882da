from __future__ import annotations

import json
import subprocess
import sys

import pytest
import requests

from django_craftkit.sandbox import Sandbox, SandboxAdapter

from .conftest import INVOICE, Api

BASE = "https://api.craftkit.test"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "ck_test_sandbox"])
def test_without_a_key_nothing_opens(guest, header):
    headers = {} if header is None else {"Authorization": header}

    answer = guest.get("/v1/templates", headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"error": {"code": "unauthorized", "message": "Missing Bearer token."}}
    embed = guest.get("/v1/embed/renders/x/download", headers=headers)
    assert (embed.status_code, embed.json()) == (401, {"error": "missing_authorization"})


@pytest.mark.parametrize("key", ["ck_live_wrong", "ck_acct_account", "ck_test_sandbo"])
def test_a_wrong_key_is_unauthorized(guest, key):
    headers = {"Authorization": f"Bearer {key}"}

    assert guest.get("/v1/renders/x", headers=headers).json()["error"]["code"] == "unauthorized"
    embed = guest.get("/v1/embed/renders/x/download", headers=headers)
    assert (embed.status_code, embed.json()) == (401, {"error": "invalid_credentials"})


def test_one_key_may_be_given_as_a_string(clock):
    sandbox = Sandbox(clock=clock, api_keys="ck_test_only")

    assert Api(sandbox.session(), BASE, "ck_test_only").get("/v1/templates").status_code == 200
    assert Api(sandbox.session(), BASE, "c").get("/v1/templates").status_code == 401


def test_keys_come_and_go_while_it_runs(api, sandbox):
    sandbox.add_key("ck_test_new")
    new = Api(sandbox.session(), BASE, "ck_test_new")
    render_id = api.render().json()["id"]

    assert new.get(f"/v1/renders/{render_id}").status_code == 200
    sandbox.revoke_key("ck_test_sandbox")
    assert api.get(f"/v1/renders/{render_id}").status_code == 401
    assert new.get(f"/v1/renders/{render_id}").status_code == 200
    with pytest.raises(KeyError):
        sandbox.revoke_key("ck_test_sandbox")


def test_a_key_whose_project_is_gone_is_forbidden(api, sandbox):
    sandbox.remove_project("default")

    answer = api.get("/v1/templates")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    sandbox.reset()
    assert api.get("/v1/templates").status_code == 200


def test_no_key_of_a_project_that_is_gone_opens_another_of_its_name(api, sandbox):
    render_id = api.render().json()["id"]
    sandbox.remove_project("default")
    sandbox.add_key("ck_test_new")
    new = Api(sandbox.session(), BASE, "ck_test_new")

    assert api.get("/v1/templates").status_code == 403
    assert new.get("/v1/templates").json() == {"templates": []}
    assert new.get(f"/v1/renders/{render_id}").status_code == 404
    sandbox.reset()
    # The new one has come in the place of the old.
    assert api.get("/v1/templates").status_code == 401
    assert new.get("/v1/templates").status_code == 200


def test_an_id_may_be_written_in_capitals(api):
    render_id = api.render({"customer": {"name": "Ada"}}).json()["id"]
    assert api.get(f"/v1/renders/{render_id.upper()}").json()["id"] == render_id
    path = f"/v1/renders/{render_id}/shares"
    share_id = api.post(path, {}).json()["id"]
    assert api.delete(f"{path}/{share_id.upper()}").status_code == 200


def test_health_is_open_to_everybody(guest):
    assert guest.get("/health").json() == {"status": "ok"}
    assert guest.get("/v1/health").json() == {
        "status": "ok",
        "version": "local",
        "checks": {"database": "ok"},
    }


def test_a_health_check_that_fails_answers_in_its_own_shape(guest, sandbox):
    sandbox.faults.add("status", status=503, code="degraded", path="/v1/health")
    answer = guest.get("/v1/health")
    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "degraded", "version": "local", "checks": {"database": "error"}},
    )


def test_what_is_no_endpoint_says_so(api):
    for method, path, status, code in (
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/renders", 404, "not_found"),
        ("PATCH", "/v1/templates/invoice", 405, "method_not_allowed"),
    ):
        answer = api(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert api.get("/elsewhere").headers["Content-Type"].startswith("text/html")


def test_requests_are_logged_without_the_key(api, guest, sandbox):
    api.render()
    guest.get("/v1/templates?api_key=ck_test_sandbox")
    api.get("/_sandbox/")

    assert sandbox.requests == [
        ("POST", "/v1/templates/invoice/render", 202),
        ("GET", "/v1/templates", 401),
    ]
    assert "ck_test" not in repr(sandbox.requests) + repr(sandbox) + repr(vars(sandbox.state))


def test_a_break_in_the_sandbox_is_an_internal_error(api, sandbox, monkeypatch, caplog):
    monkeypatch.setattr(sandbox.state.outbox, "announce", None)

    answer = api.render()

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "broke the sandbox" in caplog.text


def test_reset_comes_back_to_the_templates_it_was_given(clock):
    seed = {"slug": "invoice", "name": "Invoice", "manifest": INVOICE}
    sandbox = Sandbox(clock=clock, templates=[seed])
    sandbox.subscribe("https://a.example", "secret")
    api = Api(sandbox.session(), BASE)
    api.share()
    api.put("/v1/templates/other", {"name": "Other", "manifest": INVOICE})
    sandbox.faults.add("delay")

    answer = api.post("/_sandbox/reset")

    assert answer.json() == {"reset": True}
    assert (sandbox.renders, sandbox.shares, sandbox.deliveries) == ([], [], [])
    assert (list(sandbox.faults), sandbox.requests) == ([], [])
    assert [t["slug"] for t in api.get("/v1/templates").json()["templates"]] == ["invoice"]
    api.render()
    assert len(sandbox.deliveries) == 1


def test_the_desk_shows_what_there_is(api, guest, sandbox):
    sandbox.subscribe("https://shop.example.com/hook", "secret")
    share = api.share()
    api.render(key="<script>")
    sandbox.faults.add("delay", path="/v1/<b>")

    page = guest.get("/_sandbox/")

    assert page.status_code == 200
    for wanted in (share["shareToken"], "https://shop.example.com/hook", "&lt;script&gt;"):
        assert wanted in page.text
    assert "<script>" not in page.text
    assert "<b>" not in page.text
    assert guest.get("/").headers["Location"] == "/_sandbox/"


def test_the_desk_answers_this_machine_only(sandbox):
    far = Api(SandboxAdapter(sandbox, remote_addr="203.0.113.7").session(), BASE)
    assert far.get("/v1/templates").status_code == 200

    for method, path in (
        ("GET", "/_sandbox/"),
        ("GET", "/_sandbox/mails"),
        ("PATCH", "/_sandbox/projects/default"),
        ("GET", "/_sandbox/projects/default/webhooks"),
        ("POST", "/_sandbox/projects/default/webhooks"),
        ("DELETE", "/_sandbox/projects/default/webhooks/x"),
        ("GET", "/_sandbox/faults"),
        ("POST", "/_sandbox/faults"),
        ("DELETE", "/_sandbox/faults"),
        ("DELETE", "/_sandbox/faults/1"),
        ("POST", "/_sandbox/reset"),
    ):
        assert far(method, path).status_code == 403
    open_sandbox = Sandbox(remote_control=True)
    far = Api(SandboxAdapter(open_sandbox, remote_addr="203.0.113.7").session(), BASE)
    assert far.get("/_sandbox/").status_code == 200


def test_a_page_from_elsewhere_cannot_use_the_desk(api):
    evil = {"Origin": "https://evil.example"}

    assert api.post("/_sandbox/reset", headers=evil).status_code == 403
    form = {"Origin": BASE, "Content-Type": "application/x-www-form-urlencoded"}
    assert api.post("/_sandbox/reset", headers=form).status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": BASE}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({}, 200),
    ],
)
def test_a_form_of_another_page_cannot_use_the_desk(api, headers, status):
    assert api.post("/_sandbox/reset", headers=headers).status_code == status
    assert api.delete("/_sandbox/faults", headers=headers).status_code == status


def test_a_link_on_another_page_may_lead_to_the_desk(api):
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert api.get("/_sandbox/", headers=elsewhere).status_code == 200


def test_a_session_never_leaves_the_process(sandbox):
    session = sandbox.session()

    for url in ("http://127.0.0.1:1/health", "https://api.craftkit.dev/health?x=1"):
        assert session.get(url, timeout=5).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "data", [b'{"data": {}}', '{"data": {}}', iter([b'{"data"', b": {}}"]), None]
)
def test_the_adapter_sends_any_kind_of_body(api, sandbox, data):
    sandbox.put_any_template("any")

    answer = api("POST", "/v1/templates/any/render", data=data)

    assert answer.status_code == (400 if data is None else 202)


def test_an_adapter_can_be_mounted_for_one_host(sandbox):
    session = requests.Session()
    session.mount("https://api.craftkit.test/", SandboxAdapter(sandbox))

    answer = session.get("https://api.craftkit.test/health", timeout=5)

    assert answer.ok
    assert answer.request.method == "GET"
    assert answer.url == "https://api.craftkit.test/health"
    assert answer.reason == "OK"


def test_without_its_extra_it_says_what_to_install():
    program = """
import sys
from importlib.machinery import PathFinder

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in {"fpdf", "werkzeug"}:
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not PathFinder] + [Without]
try:
    import django_craftkit.sandbox
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "fpdf, werkzeug" in done.stdout
    assert "pip install 'django-craftkit[sandbox]'" in done.stdout


def test_it_imports_nothing_of_the_project_and_no_django():
    program = """
import json, sys
import django_craftkit.sandbox
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    modules = json.loads(done.stdout)

    assert not [name for name in modules if name.split(".")[0] in {"django", "celery"}]
    ours = [name for name in modules if name.startswith("django_craftkit.")]
    assert [name for name in ours if not name.startswith("django_craftkit.sandbox")] == []


def test_an_address_forges_no_line_in_the_log(guest, caplog):
    caplog.set_level("INFO", logger="django_craftkit.sandbox")
    guest.get("/v1/x%0a2026-01-01%20ERROR%20forged%1b[2K")
    guest.get("/v1/h%C3%A4user")
    assert len(caplog.messages) == 2
    assert all(message.isprintable() for message in caplog.messages)
    assert caplog.messages[1] == "GET /v1/häuser 404"
