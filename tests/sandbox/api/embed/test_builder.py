"""Templates that are made of a layout, by a project or within a session."""

from __future__ import annotations

import pytest

from tests.sandbox.api.embed.conftest import SHOP, TEMPLATES, bearer, refusal

LAYOUT = {"sections": [{"text": "For {{customer.name}}", "rows": ["{{ total }} of {{total}}"]}]}


def document(**fields):
    return {"documentTemplate": {"name": "Charter Handover", "layout": LAYOUT, **fields}}


def test_a_template_is_made_of_its_layout_and_published(api, sandbox):
    answer = api.post(TEMPLATES, document(presetKey="charter-handover", colour="blue"))

    assert answer.status_code == 200
    made = answer.json()["documentTemplate"]
    template_id = made.pop("_id")
    assert made == {
        "organizationId": sandbox.project().id,
        "name": "Charter Handover",
        "sD": False,
        "cAt": "2026-06-05T10:00:00.000Z",
        "presetKey": "charter-handover",
        "isCustomTemplate": True,
        "layout": LAYOUT,
        "design": None,
        "colour": "blue",
    }
    (listed, _) = api.get("/v1/templates").json()["templates"]
    assert listed["id"] == template_id
    assert listed["slug"].startswith("charter-handover-")
    assert listed["currentVersionNumber"] == 1
    manifest = api.get(f"/v1/templates/{listed['slug']}").json()["manifest"]
    assert [each["key"] for each in manifest["variables"]] == ["customer.name", "total"]


@pytest.mark.parametrize("fields", [{}, {"name": ""}])
def test_what_is_left_out_has_a_default(api, fields):
    made = api.post(TEMPLATES, {"documentTemplate": fields}).json()["documentTemplate"]

    assert (made["name"], made["layout"], made["presetKey"]) == ("Untitled template", None, None)


def test_a_name_has_no_limit(api, guest, mint):
    name = "Handover " * 50

    made = api.post(TEMPLATES, document(name=name)).json()["documentTemplate"]

    (listed, _) = api.get("/v1/templates").json()["templates"]
    assert (made["name"], listed["name"], listed["published"]) == (name, name, True)
    # And it can be edited.
    token = mint(
        "edit",
        scope={"mode": "edit", "templateExternalId": made["_id"]},
        permissions={"publish": True},
    )["session_token"]
    manifest = {"variables": [], "loops": []}
    saved = guest.post(
        "/embed/builder/publish", {"name": name, "manifest": manifest}, headers=bearer(token)
    )
    assert saved.json()["version"] == 2


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"layout": None},
        {"layout": []},
        {"layout": "sections"},
        {"layout": {"blocks": []}},
        {"layout": {"sections": {}}},
        {"layout": {"sections": ["{{#if a}}"]}},
        {"layout": {"sections": ["{{a}}{{a.b}}"]}},
    ],
)
def test_a_layout_that_can_not_be_read_is_kept_unpublished(api, fields):
    answer = api.post(TEMPLATES, {"documentTemplate": {"name": "Charter Handover", **fields}})

    assert answer.status_code == 200
    assert answer.json()["documentTemplate"]["layout"] == fields.get("layout")
    (made, _) = api.get("/v1/templates").json()["templates"]
    assert (made["name"], made["published"]) == ("Charter Handover", False)


def test_templates_are_listed_with_the_newest_first_and_without_the_deleted(api, clock, other):
    clock.advance(60)
    api.post(TEMPLATES, document())
    clock.advance(60)
    api.post(TEMPLATES, document(name="Gone"))
    gone = api.get(TEMPLATES).json()["templates"][0]
    api.delete(f"/v1/templates/{gone['slug']}")

    first, second = api.get(TEMPLATES).json()["templates"]

    assert (second["name"], second["slug"]) == ("Invoice", "invoice")
    assert first == {
        "id": first["id"],
        "name": "Charter Handover",
        "slug": first["slug"],
        "createdAt": "2026-06-05T10:01:00.000Z",
        "updatedAt": "2026-06-05T10:01:00.000Z",
        "category": None,
    }
    assert other.get(TEMPLATES).json() == {"templates": []}


def test_a_body_that_is_wrong_is_refused(api):
    assert refusal(api.post(TEMPLATES, data="{")) == (400, "invalid_json")
    for body in ({}, {"documentTemplate": []}, document(name=1), document(presetKey=1)):
        assert refusal(api.post(TEMPLATES, body)) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("permissions", "published"),
    [({"saveDraft": True, "publish": True}, True), ({"saveDraft": True}, False)],
)
def test_a_session_publishes_if_it_may(api, guest, mint, permissions, published):
    token = mint("create", permissions=permissions)["session_token"]

    assert guest.post(TEMPLATES, document(), headers=bearer(token)).status_code == 200

    (made, _) = api.get("/v1/templates").json()["templates"]
    assert made["published"] is published


def test_a_session_needs_the_permission_to_save(guest, mint):
    token = mint("create", permissions={"publish": True})["session_token"]

    answer = guest.post(TEMPLATES, document(), headers=bearer(token))

    assert refusal(answer) == (403, "permission_denied")


def test_who_is_neither_project_nor_session_makes_none(guest, mint, sandbox):
    token = mint("create")["session_token"]
    code = "missing_or_invalid_authorization"
    sandbox.project().embed_origins = [SHOP]

    for headers in (
        {},
        bearer("ck_test_wrong"),
        bearer(token),
        bearer(token, Origin="https://evil.example.com"),
    ):
        assert refusal(guest.post(TEMPLATES, document(), headers=headers)) == (401, code)
    for origin in (SHOP, sandbox.public_url):
        allowed = guest.post(TEMPLATES, document(), headers=bearer(token, Origin=origin))
        assert allowed.status_code == 200


def test_a_template_can_be_lost_by_a_fault(api, sandbox):
    sandbox.faults.add("status", path=TEMPLATES, status=500, code="insert_failed")

    assert refusal(api.post(TEMPLATES, document())) == (500, "insert_failed")
    assert len(api.get(TEMPLATES).json()["templates"]) == 1
