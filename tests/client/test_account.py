"""Projects and keys of an account, and the projects of organizations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import requests
from responses.matchers import header_matcher, json_params_matcher

from django_craftkit.client import (
    AuthenticationError,
    CraftkitAccount,
    CraftkitAdmin,
    CraftkitError,
    InvalidData,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    ProjectKey,
    ProvisionedProject,
)

from .conftest import BASE, Api, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT_KEY = "ck_acct_0123456789"
ADMIN_KEY = "the-admin-key"
NEW_KEY = "ck_live_new_0123456789"
ID = "0193c2c3-6666-7aaa-8bbb-000000000006"
PROJECT: dict[str, Any] = {"id": ID, "slug": "acme", "name": "Acme"}
WHOLE = PROJECT | {
    "createdAt": "2026-06-05T10:00:00.000Z",
    "updatedAt": "2026-06-06T10:00:00.000Z",
}
KEYED: dict[str, Any] = {
    "id": "0193c2c3-7777-7aaa-8bbb-000000000007",
    "projectId": ID,
    "name": "API key",
    "prefix": "ck_live_new",
    "key": NEW_KEY,
    "createdAt": "2026-06-05T10:00:00.000Z",
}
PROVISIONED: dict[str, Any] = {
    "projectId": ID,
    "apiKey": NEW_KEY,
    "partnerId": "partner_1",
    "externalOrgId": "org_1",
}
PROJECTS_URL = f"{BASE}/v1/projects"
PROVISION_URL = f"{BASE}/v1/admin/provision"


@pytest.fixture
def account() -> CraftkitAccount:
    return CraftkitAccount(ACCOUNT_KEY)


@pytest.fixture
def admin() -> CraftkitAdmin:
    return CraftkitAdmin(ADMIN_KEY)


# Projects


def test_a_project_is_made(api: Api, account: CraftkitAccount) -> None:
    match = [
        json_params_matcher({"name": "Acme"}),
        header_matcher({"Authorization": f"Bearer {ACCOUNT_KEY}"}),
    ]
    api.post(PROJECTS_URL, json=PROJECT, status=201, match=match)
    project = account.projects.create("Acme")
    assert (project.id, project.slug, project.created_at) == (UUID(ID), "acme", None)


@pytest.mark.parametrize("wrapped", [True, False], ids=["in an object", "bare"])
def test_projects_are_listed_whatever_the_list_stands_in(
    api: Api, account: CraftkitAccount, wrapped: bool
) -> None:
    rows = [WHOLE, WHOLE | {"id": "7"}]
    api.get(PROJECTS_URL, json={"projects": rows} if wrapped else rows)
    listed = account.projects.list()
    assert [project.slug for project in listed] == ["acme"]
    assert listed.unreadable == {"projects": [WHOLE | {"id": "7"}]}


def test_a_bare_list_is_an_answer_nowhere_else(api: Api, account: CraftkitAccount) -> None:
    api.get(f"{PROJECTS_URL}/{ID}", json=[WHOLE])
    with pytest.raises(InvalidResponse):
        account.projects.get(ID)


def test_a_project_is_read(api: Api, account: CraftkitAccount) -> None:
    api.get(f"{PROJECTS_URL}/{ID}", json=WHOLE)
    project = account.projects.get(UUID(ID))
    assert project.updated_at == datetime(2026, 6, 6, 10, tzinfo=UTC)


def test_a_project_is_renamed(api: Api, account: CraftkitAccount) -> None:
    match = [json_params_matcher({"name": "Acme & Co"})]
    api.patch(f"{PROJECTS_URL}/{ID}", json=WHOLE | {"name": "Acme & Co"}, match=match)
    assert account.projects.rename(ID, "Acme & Co").name == "Acme & Co"


def test_a_project_is_deleted(api: Api, account: CraftkitAccount) -> None:
    api.delete(f"{PROJECTS_URL}/{ID}", json={"id": ID, "deleted": True})
    deleted = account.projects.delete(ID)
    assert (deleted.id, deleted.deleted) == (UUID(ID), True)


def test_a_project_that_is_gone_after_a_lost_answer_may_be_gone_by_us(
    api: Api, account: CraftkitAccount
) -> None:
    api.delete(f"{PROJECTS_URL}/{ID}", body=requests.exceptions.ReadTimeout())
    api.delete(f"{PROJECTS_URL}/{ID}", json=refusal("not_found"), status=404)
    with pytest.raises(NotFound) as caught:
        account.projects.delete(ID)
    assert caught.value.maybe_handled is True


@pytest.mark.parametrize(("name", "sent"), [(None, {}), ("CI", {"name": "CI"})])
def test_a_key_is_made_and_shown_to_nobody(
    api: Api, account: CraftkitAccount, name: str | None, sent: dict[str, str]
) -> None:
    api.post(f"{PROJECTS_URL}/{ID}/keys", json=KEYED, status=201, match=[json_params_matcher(sent)])
    made = account.projects.create_key(ID, name)
    assert made.key.reveal() == NEW_KEY
    assert (made.project_id, made.prefix) == (UUID(ID), "ck_live_new")
    assert NEW_KEY not in repr(made)


def test_a_key_is_kept_whatever_else_cant_be_read() -> None:
    assert ProjectKey.from_json({"key": NEW_KEY, "id": 7, "createdAt": "x"}).key.reveal() == NEW_KEY
    assert ProvisionedProject.from_json({"apiKey": NEW_KEY}).api_key.reveal() == NEW_KEY


@pytest.mark.parametrize(
    ("call", "most"),
    [
        (lambda projects, name: projects.create(name), 120),
        (lambda projects, name: projects.rename(ID, name), 200),
        (lambda projects, name: projects.create_key(ID, name), 200),
    ],
    ids=["create", "rename", "key"],
)
def test_a_name_beyond_the_limit_is_not_sent(
    account: CraftkitAccount, call: Callable[[Any, Any], Any], most: int
) -> None:
    for name in ("", "x" * (most + 1), 7):
        with pytest.raises(InvalidData, match="'name'"):
            call(account.projects, name)


# Organizations


def test_an_organization_gets_its_project(api: Api, admin: CraftkitAdmin) -> None:
    sent = {"externalOrgId": "org_1", "name": "Acme", "emailFrom": "acme@example.com"}
    match = [
        json_params_matcher(sent),
        header_matcher({"Authorization": f"Bearer {ADMIN_KEY}"}),
    ]
    api.post(PROVISION_URL, json=PROVISIONED | {"new": 1}, status=201, match=match)
    project = admin.provision("org_1", "Acme", email_from="acme@example.com")
    assert project.api_key.reveal() == NEW_KEY
    assert (project.project_id, project.partner_id) == (ID, "partner_1")
    assert (project.external_org_id, project.extra) == ("org_1", {"new": 1})
    assert NEW_KEY not in repr(project)


def test_the_settings_of_an_organization_are_changed(api: Api, admin: CraftkitAdmin) -> None:
    sent = {"externalOrgId": "org_1", "emailFrom": "new@example.com"}
    api.patch(PROVISION_URL, json=sent | {"new": 1}, match=[json_params_matcher(sent)])
    settings = admin.update("org_1", email_from="new@example.com")
    assert (settings.external_org_id, settings.email_from) == ("org_1", "new@example.com")
    assert settings.extra == {"new": 1}


@pytest.mark.parametrize(
    ("named", "call"),
    [
        ("external_org_id", lambda admin: admin.provision("", "Acme")),
        ("name", lambda admin: admin.provision("org_1", "")),
        ("email_from", lambda admin: admin.provision("org_1", "Acme", email_from="")),
        ("external_org_id", lambda admin: admin.update(None, email_from="a")),
        ("email_from", lambda admin: admin.update("org_1", email_from=None)),
    ],
)
def test_an_organization_without_a_name_is_not_sent(
    admin: CraftkitAdmin, named: str, call: Callable[[Any], Any]
) -> None:
    with pytest.raises(InvalidData, match=f"'{named}'"):
        call(admin)


# All of them

#: By what is done: method, address, an answer, who does it, and whether twice is once.
CALLS: dict[str, tuple[str, str, Any, Callable[[], Any], bool]] = {
    "create": (
        "POST",
        PROJECTS_URL,
        PROJECT,
        lambda: CraftkitAccount(ACCOUNT_KEY).projects.create("Acme"),
        False,
    ),
    "list": (
        "GET",
        PROJECTS_URL,
        {"projects": []},
        lambda: CraftkitAccount(ACCOUNT_KEY).projects.list(),
        True,
    ),
    "rename": (
        "PATCH",
        f"{PROJECTS_URL}/{ID}",
        WHOLE,
        lambda: CraftkitAccount(ACCOUNT_KEY).projects.rename(ID, "Acme"),
        True,
    ),
    "key": (
        "POST",
        f"{PROJECTS_URL}/{ID}/keys",
        KEYED,
        lambda: CraftkitAccount(ACCOUNT_KEY).projects.create_key(ID),
        False,
    ),
    "provision": (
        "POST",
        PROVISION_URL,
        PROVISIONED,
        lambda: CraftkitAdmin(ADMIN_KEY).provision("org_1", "Acme"),
        True,
    ),
    "update": (
        "PATCH",
        PROVISION_URL,
        {},
        lambda: CraftkitAdmin(ADMIN_KEY).update("org_1", email_from="a"),
        True,
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_once_if_done_twice_is_retried_and_nothing_else(api: Api, name: str) -> None:
    method, url, answer, call, is_once = CALLS[name]
    api.add(method, url, body=requests.exceptions.ReadTimeout())
    if is_once:
        api.add(method, url, json=answer)
        call()
    else:
        with pytest.raises(CraftkitError) as caught:
            call()
        assert caught.value.maybe_handled is True
    assert len(api.calls) == 1 + is_once


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, {"error": "invalid_credentials"}, AuthenticationError, "invalid_credentials"),
        (401, refusal("unauthorized"), AuthenticationError, "unauthorized"),
        (404, refusal("not_found"), NotFound, "not_found"),
        (422, refusal("invalid_request"), InvalidRequest, "invalid_request"),
    ],
)
def test_refusals_are_told_apart(
    api: Api, name: str, status: int, body: Any, kind: type[CraftkitError], code: str
) -> None:
    method, url, _answer, call, _is_once = CALLS[name]
    api.add(method, url, json=body, status=status)
    with pytest.raises(kind) as caught:
        call()
    assert (caught.value.code, caught.value.proves_inaction) == (code, True)
    assert len(api.calls) == 1
