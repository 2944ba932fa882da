"""The account API, from the documentation's table: projects and their keys."""

from __future__ import annotations

import pytest

from django_craftkit.sandbox import DEFAULT_ACCOUNT_KEY, Sandbox
from tests.sandbox.conftest import INVOICE, Api

BASE = "https://api.craftkit.test"
FULL = {"id", "slug", "name", "createdAt", "updatedAt"}


@pytest.fixture
def account(sandbox) -> Api:
    return Api(sandbox.session(), BASE, DEFAULT_ACCOUNT_KEY)


@pytest.fixture
def project(account):
    return account.post("/v1/projects", {"name": "Shop"}).json()


def refusal(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_a_new_project_has_a_slug_of_its_name(account):
    answer = account.post("/v1/projects", {"name": "Café & Bar"})

    assert answer.status_code == 201
    assert answer.json().keys() == {"id", "slug", "name"}
    assert (answer.json()["slug"], answer.json()["name"]) == ("cafe-bar", "Café & Bar")


def test_a_slug_that_was_ever_taken_gets_a_number(account):
    def slug(name):
        return account.post("/v1/projects", {"name": name}).json()["slug"]

    assert [slug("Shop"), slug("shop"), slug("SHOP!")] == ["shop", "shop-1", "shop-2"]
    (second,) = [
        one for one in account.get("/v1/projects").json()["projects"] if one["slug"] == "shop-1"
    ]
    account.delete(f"/v1/projects/{second['id']}")
    assert slug("Shop") == "shop-3"
    assert [slug("Παράδοση"), slug("…")] == ["project", "project-1"]
    assert slug("Default") == "default-1"


@pytest.mark.parametrize("name", ["", "x" * 121, None, 1])
def test_a_new_name_that_is_wrong_is_422(account, name):
    answer = account.post("/v1/projects", {"name": name})

    assert refusal(answer) == (422, "invalid_request")
    assert answer.json()["error"]["issues"]["fieldErrors"].keys() == {"name"}


def test_a_new_project_needs_a_body_with_a_name(account):
    assert refusal(account.post("/v1/projects", {})) == (422, "invalid_request")
    assert refusal(account.post("/v1/projects", [])) == (422, "invalid_request")
    assert refusal(account("POST", "/v1/projects", data=b"{")) == (400, "invalid_json")
    assert account.post("/v1/projects", {"name": "x" * 120}).status_code == 201


def test_the_list_has_the_newest_first_and_the_configured_ones_too(account, clock):
    clock.advance(1)
    account.post("/v1/projects", {"name": "First"})
    account.post("/v1/projects", {"name": "Second"})

    (listed,) = account.get("/v1/projects").json().values()

    assert [one["slug"] for one in listed] == ["second", "first", "default"]
    assert all(one.keys() == FULL for one in listed)


def test_one_project_is_read_with_its_moments(account, project):
    answer = account.get(f"/v1/projects/{project['id'].upper()}")

    assert answer.status_code == 200
    moment = "2026-06-05T10:00:00.000Z"
    assert answer.json() == {**project, "createdAt": moment, "updatedAt": moment}


def test_a_project_gets_another_name_and_keeps_its_slug(account, project, clock):
    path = f"/v1/projects/{project['id']}"
    clock.advance(60)

    answer = account("PATCH", path, json={"name": "x" * 200})

    assert answer.status_code == 200
    assert (answer.json()["slug"], answer.json()["name"]) == ("shop", "x" * 200)
    assert answer.json()["updatedAt"] == "2026-06-05T10:01:00.000Z"
    assert account.get(path).json() == answer.json()
    for body in ({}, {"name": ""}, {"name": "x" * 201}, []):
        assert refusal(account("PATCH", path, json=body)) == (400, "invalid_request")


def test_a_new_project_is_empty_and_its_key_works_at_once(account, project, sandbox, clock):
    answer = account.post(f"/v1/projects/{project['id']}/keys", {"name": "Server"})

    assert answer.status_code == 201
    made = answer.json()
    assert made.keys() == {"id", "projectId", "name", "prefix", "key", "createdAt"}
    assert (made["projectId"], made["name"]) == (project["id"], "Server")
    assert made["key"].startswith("ck_live_")
    assert made["key"].startswith(made["prefix"])
    assert made["prefix"] != made["key"]
    shop = Api(sandbox.session(), BASE, made["key"])
    assert shop.get("/v1/templates").json() == {"templates": []}
    shop.put("/v1/templates/invoice", {"name": "Invoice", "manifest": INVOICE})
    assert shop.render().status_code == 202
    assert [render.project.slug for render in sandbox.renders] == ["shop"]


def test_a_key_is_shown_once(account, project, sandbox, guest):
    path = f"/v1/projects/{project['id']}"
    first, second = (account.post(f"{path}/keys", {}).json() for _ in range(2))

    assert first["key"] != second["key"]
    assert first["name"] == "API key"
    shown = account.get("/v1/projects").text + guest.get("/_sandbox/").text
    assert first["key"] not in shown + repr(vars(sandbox.state)) + repr(sandbox.requests)


@pytest.mark.parametrize("name", ["", "x" * 201, None])
def test_the_name_of_a_key_that_is_wrong_is_400(account, project, name):
    path = f"/v1/projects/{project['id']}/keys"

    assert refusal(account.post(path, {"name": name})) == (400, "invalid_request")
    assert refusal(account("POST", path, data=b"")) == (400, "invalid_json")


def test_a_deleted_project_is_gone_and_its_keys_are_refused(account, project, sandbox):
    path = f"/v1/projects/{project['id']}"
    key = account.post(f"{path}/keys", {}).json()["key"]
    shop = Api(sandbox.session(), BASE, key)
    shop.put("/v1/templates/invoice", {"name": "Invoice", "manifest": INVOICE})
    token = sandbox.project("shop").templates["invoice"].hook.token

    answer = account.delete(path)

    assert (answer.status_code, answer.json()) == (200, {"id": project["id"], "deleted": True})
    assert refusal(shop.get("/v1/templates")) == (403, "forbidden")
    assert refusal(shop.post(f"/v1/hooks/{token}", {})) == (404, "invalid_token")
    for method, place in (
        ("GET", path),
        ("DELETE", path),
        ("PATCH", path),
        ("POST", path + "/keys"),
    ):
        assert refusal(account(method, place, json={"name": "x"})) == (404, "not_found")
    assert [one["slug"] for one in account.get("/v1/projects").json()["projects"]] == ["default"]


def test_what_is_another_accounts_is_404_whatever_the_body(clock):
    sandbox = Sandbox(clock=clock, account_keys={"ck_acct_a": "a", "ck_acct_b": "b"})
    ours, theirs = (Api(sandbox.session(), BASE, key) for key in ("ck_acct_a", "ck_acct_b"))
    path = f"/v1/projects/{ours.post('/v1/projects', {'name': 'Shop'}).json()['id']}"

    for method, place in (
        ("GET", path),
        ("DELETE", path),
        ("PATCH", path),
        ("POST", path + "/keys"),
    ):
        assert refusal(theirs(method, place, data=b"{")) == (404, "not_found")
    assert theirs.get("/v1/projects").json() == {"projects": []}
    # Slugs are everybody's.
    assert theirs.post("/v1/projects", {"name": "Shop"}).json()["slug"] == "shop-1"
    assert ours.get(path).status_code == 200
    # The projects that were configured are those of the default account.
    assert [one["slug"] for one in ours.get("/v1/projects").json()["projects"]] == ["shop"]


def test_a_reset_brings_back_the_projects_of_the_start(account, project, sandbox, api):
    sandbox.put_template("invoice", manifest=INVOICE)
    default = account.get("/v1/projects").json()["projects"][-1]
    made = account.post(f"/v1/projects/{project['id']}/keys", {}).json()["key"]
    more = account.post(f"/v1/projects/{default['id']}/keys", {}).json()["key"]
    account("PATCH", f"/v1/projects/{default['id']}", json={"name": "Renamed"})
    account.delete(f"/v1/projects/{default['id']}")

    sandbox.reset()

    assert account.get("/v1/projects").json()["projects"] == [default]
    assert api.get("/v1/templates").json() == {"templates": []}
    assert Api(sandbox.session(), BASE, more).get("/v1/templates").status_code == 200
    gone = Api(sandbox.session(), BASE, made)
    assert refusal(gone.get("/v1/templates")) == (401, "unauthorized")
    # The slug is free again, and the old key does not open the new project.
    assert account.post("/v1/projects", {"name": "Shop"}).json()["slug"] == "shop"
    assert gone.get("/v1/templates").status_code == 401


def test_python_finds_a_new_project_by_its_slug(account, project, sandbox):
    account("PATCH", f"/v1/projects/{project['id']}", json={"name": "Another"})

    assert sandbox.project("shop").name == "Another"
    sandbox.put_template("offer", manifest=INVOICE, project="shop")
    sandbox.add_key("ck_test_more", "shop")
    more = Api(sandbox.session(), BASE, "ck_test_more")
    assert [one["slug"] for one in more.get("/v1/templates").json()["templates"]] == ["offer"]
