"""Keys of three kinds, each of which opens what the documentation's table says, and no more."""

from __future__ import annotations

import re

import pytest

from django_craftkit.sandbox import DEFAULT_ACCOUNT_KEY, DEFAULT_ADMIN_KEY, DEFAULT_KEY, Sandbox

from .conftest import Api
from .test_endpoints import ENDPOINTS

BASE = "https://api.craftkit.test"
NOBODY = "00000000-0000-4000-8000-000000000000"
KEYS = {"project": DEFAULT_KEY, "account": DEFAULT_ACCOUNT_KEY, "admin": DEFAULT_ADMIN_KEY}

# Calls of each family, and what opens them.
FAMILIES = [
    ("GET", "/v1/templates", "project"),
    ("POST", "/v1/templates", "project"),
    ("PUT", "/v1/templates/invoice", "project"),
    ("DELETE", "/v1/templates/nothing", "project"),
    ("POST", "/v1/templates/invoice/render", "project"),
    ("GET", f"/v1/renders/{NOBODY}", "project"),
    ("GET", f"/v1/renders/{NOBODY}/download", "project"),
    ("POST", f"/v1/renders/{NOBODY}/shares", "project"),
    ("GET", f"/v1/renders/{NOBODY}/shares", "project"),
    ("POST", f"/v1/renders/{NOBODY}/email", "project"),
    ("GET", f"/v1/renders/{NOBODY}/engagement", "project"),
    ("POST", f"/v1/renders/{NOBODY}/events", "project"),
    ("GET", "/v1/signatures", "project"),
    ("POST", "/v1/signatures", "project"),
    ("POST", f"/v1/signatures/{NOBODY}/cancel", "project"),
    ("GET", f"/v1/embed/renders/{NOBODY}/download", "project"),
    ("GET", "/v1/projects", "account"),
    ("POST", "/v1/projects", "account"),
    ("GET", f"/v1/projects/{NOBODY}", "account"),
    ("PATCH", f"/v1/projects/{NOBODY}", "account"),
    ("DELETE", f"/v1/projects/{NOBODY}", "account"),
    ("POST", f"/v1/projects/{NOBODY}/keys", "account"),
    ("POST", "/v1/admin/provision", "admin"),
    ("PATCH", "/v1/admin/provision", "admin"),
]


@pytest.mark.parametrize(("method", "path", "opens"), FAMILIES)
@pytest.mark.parametrize("kind", [*KEYS, None])
def test_a_key_opens_the_doors_of_its_kind_only(sandbox, kind, method, path, opens):
    answer = Api(sandbox.session(), BASE, KEYS.get(kind))(method, path, json={})

    if kind == opens:
        # Past the door: what else is wrong is said of the call.
        assert answer.status_code not in (401, 403, 405)
        return
    assert answer.status_code == 401
    error = answer.json()["error"]
    if path.startswith("/v1/embed/"):
        assert error == ("missing_authorization" if kind is None else "invalid_credentials")
    elif path.startswith("/v1/admin/"):
        assert error == "unauthorized"
    else:
        assert error["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("method", "path"), [each for each in ENDPOINTS if each[1].startswith("/v1/embed/")]
)
@pytest.mark.parametrize("kind", ["account", "admin", None])
def test_embedding_takes_the_key_of_a_project_or_the_token_of_a_session(
    sandbox, kind, method, path
):
    place = re.sub(r":\w+", NOBODY, path)

    assert Api(sandbox.session(), BASE, KEYS.get(kind))(method, place, json={}).status_code == 401


@pytest.mark.parametrize("kind", [*KEYS, None])
def test_some_doors_are_open_to_everybody(sandbox, kind):
    api = Api(sandbox.session(), BASE, KEYS.get(kind))

    assert api.get("/health").status_code == api.get("/v1/health").status_code == 200
    token = sandbox.project().templates["invoice"].hook.token
    answer = api.post(f"/v1/hooks/{token}", {"customer": {"name": "Ada"}})
    assert answer.status_code == 202


def test_what_is_another_projects_is_not_found(sandbox, api):
    """A render, what hangs on it, a signature request, a template."""
    share = api.share()
    render = f"/v1/renders/{share['renderId']}"
    request = {
        "renderId": share["renderId"],
        "recipients": [{"firstName": "Ada", "email": "ada@example.com"}],
        "fields": [{"recipientIndex": 0, "type": "signature", "page": 1, "x": 10, "y": 80}],
    }
    signature = f"/v1/signatures/{api.post('/v1/signatures', request).json()['id']}"
    account = Api(sandbox.session(), BASE, DEFAULT_ACCOUNT_KEY)
    project_id = account.post("/v1/projects", {"name": "Other"}).json()["id"]
    key = account.post(f"/v1/projects/{project_id}/keys", {}).json()["key"]
    other = Api(sandbox.session(), BASE, key)

    for method, path in (
        ("GET", "/v1/templates/invoice"),
        ("DELETE", "/v1/templates/invoice"),
        ("POST", "/v1/templates/invoice/render"),
        ("GET", render),
        ("GET", f"{render}/download"),
        ("GET", f"/v1/embed{render.removeprefix('/v1')}/download"),
        ("POST", f"{render}/shares"),
        ("GET", f"{render}/shares"),
        ("DELETE", f"{render}/shares/{share['id']}"),
        ("POST", f"{render}/email"),
        ("GET", f"{render}/engagement"),
        ("POST", f"{render}/events"),
        ("GET", signature),
        ("GET", f"{signature}/download"),
        ("GET", f"{signature}/certificate"),
        ("POST", f"{signature}/cancel"),
    ):
        assert other(method, path, json={"data": {}}).status_code == 404, (method, path)
    assert other.get("/v1/signatures").json()["signatures"] == []
    assert other.get("/v1/templates").json() == {"templates": []}


@pytest.mark.parametrize(
    "settings",
    [
        {"api_keys": "same", "account_keys": "same"},
        {"api_keys": "same", "admin_key": "same"},
        {"account_keys": "same", "admin_key": "same"},
    ],
    ids=str,
)
def test_a_key_is_of_one_kind(settings):
    with pytest.raises(ValueError, match="kind"):
        Sandbox(**settings)


def test_a_key_that_is_refused_makes_no_project(sandbox):
    with pytest.raises(ValueError, match="kind"):
        sandbox.add_key(DEFAULT_ACCOUNT_KEY, "new")
    with pytest.raises(ValueError, match="new"):
        sandbox.project("new")


def test_account_and_admin_keys_are_those_that_were_given(clock):
    sandbox = Sandbox(clock=clock, account_keys="ck_acct_only", admin_key=None)

    def status(key, path, method="GET"):
        return Api(sandbox.session(), BASE, key)(method, path, json={}).status_code

    assert status("ck_acct_only", "/v1/projects") == 200
    assert status(DEFAULT_ACCOUNT_KEY, "/v1/projects") == status("c", "/v1/projects") == 401
    assert status(DEFAULT_ADMIN_KEY, "/v1/admin/provision", "POST") == 401
    assert status("", "/v1/admin/provision", "POST") == 401
    sandbox.revoke_key("ck_acct_only")
    assert status("ck_acct_only", "/v1/projects") == 401
