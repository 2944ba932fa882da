"""Provisioning: a project, a key and a partner for each organization, with the admin key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from django_craftkit.sandbox import DEFAULT_ACCOUNT_KEY, DEFAULT_ADMIN_KEY
from tests.sandbox.conftest import INVOICE, Api

BASE = "https://api.craftkit.test"
PATH = "/v1/admin/provision"
ACME = {"externalOrgId": "org_123", "name": "Acme Corp"}


@pytest.fixture
def admin(sandbox) -> Api:
    return Api(sandbox.session(), BASE, DEFAULT_ADMIN_KEY)


def test_a_new_organization_gets_a_project_and_a_key_that_works(admin, sandbox):
    answer = admin.post(PATH, {**ACME, "emailFrom": "bills@acme.example"})

    assert answer.status_code == 201
    made = answer.json()
    assert made.keys() == {"projectId", "apiKey", "partnerId", "externalOrgId"}
    assert made["externalOrgId"] == "org_123"
    acme = Api(sandbox.session(), BASE, made["apiKey"])
    assert acme.get("/v1/templates").json() == {"templates": []}
    project = sandbox.project("acme-corp")
    assert project.id == made["projectId"]
    assert (project.name, project.email_from) == ("Acme Corp", "bills@acme.example")


def test_the_same_organization_again_is_the_same_whatever_else_is_said(admin, sandbox):
    first = admin.post(PATH, ACME)
    again = admin.post(PATH, {**ACME, "name": "Renamed", "emailFrom": "x@acme.example"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert sandbox.project("acme-corp").name == "Acme Corp"
    other = admin.post(PATH, {**ACME, "externalOrgId": "org_456"}).json()
    assert not set(other.values()) & set(first.json().values())


def test_of_many_at_once_one_is_new(admin):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: admin.post(PATH, ACME), range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["apiKey"] for answer in answers}) == 1


def test_where_its_e_mails_come_from_can_be_changed(admin, sandbox, guest):
    made = admin.post(PATH, ACME).json()
    body = {"externalOrgId": "org_123", "emailFrom": "pay@acme.example"}

    answer = admin("PATCH", PATH, json=body)

    assert (answer.status_code, answer.json()) == (200, made)
    assert sandbox.project("acme-corp").email_from == "pay@acme.example"
    acme = Api(sandbox.session(), BASE, made["apiKey"])
    acme.put("/v1/templates/invoice", {"name": "Invoice", "manifest": INVOICE})
    acme.post(f"/v1/renders/{acme.render().json()['id']}/email", {"to": "ada@example.com"})
    assert "pay@acme.example" in guest.get("/_sandbox/mails").text


def test_an_organization_that_is_not_there_is_404(admin):
    answer = admin("PATCH", PATH, json={"externalOrgId": "org_9", "emailFrom": "x@acme.example"})

    assert (answer.status_code, answer.json()) == (404, {"error": "not_found"})


@pytest.mark.parametrize(
    ("method", "body", "wrong"),
    [
        ("POST", {}, {"externalOrgId", "name"}),
        ("POST", {"externalOrgId": "org_123"}, {"name"}),
        ("POST", {**ACME, "externalOrgId": ""}, {"externalOrgId"}),
        ("POST", {**ACME, "emailFrom": None}, {"emailFrom"}),
        ("POST", [], set()),
        ("PATCH", {"externalOrgId": "org_123"}, {"emailFrom"}),
        ("PATCH", {"emailFrom": "x@acme.example"}, {"externalOrgId"}),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_its_issues(admin, sandbox, method, body, wrong):
    answer = admin(method, PATH, json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "invalid_request")
    assert error["issues"]["fieldErrors"].keys() == wrong
    assert list(sandbox.state.projects) == ["default"]


def test_its_other_errors_are_flat(admin, guest, sandbox):
    assert admin("POST", PATH, data=b"{").json() == {"error": "invalid_json"}
    assert guest.post(PATH, ACME).json() == {"error": "unauthorized"}
    assert admin.get(PATH).json() == {"error": "method_not_allowed"}
    sandbox.faults.add("status", status=500)
    assert admin.post(PATH, ACME).json() == {"error": "internal"}


def test_what_was_provisioned_is_no_accounts_and_ends_with_a_reset(admin, sandbox):
    made = admin.post(PATH, ACME).json()
    account = Api(sandbox.session(), BASE, DEFAULT_ACCOUNT_KEY)
    assert account.get(f"/v1/projects/{made['projectId']}").status_code == 404
    assert [one["slug"] for one in account.get("/v1/projects").json()["projects"]] == ["default"]

    sandbox.reset()

    acme = Api(sandbox.session(), BASE, made["apiKey"])
    assert acme.get("/v1/templates").status_code == 401
    assert admin.post(PATH, ACME).status_code == 201


def test_its_key_is_in_no_log_and_on_no_page(admin, sandbox, guest, caplog):
    caplog.set_level("INFO", logger="django_craftkit.sandbox")
    key = admin.post(PATH, ACME).json()["apiKey"]

    assert "org_123" in repr(sandbox.state.organizations)
    seen = repr(vars(sandbox.state)) + guest.get("/_sandbox/").text + caplog.text
    assert key not in seen
    assert DEFAULT_ADMIN_KEY not in seen
