"""Minting and renewing sessions, and what their tokens say."""

from __future__ import annotations

import base64
import copy
import json
import re
import uuid
from pathlib import Path

import pytest

from django_craftkit import sandbox as package
from django_craftkit.sandbox.core.checks.embed import PERMISSIONS
from tests.docs import pages
from tests.sandbox.api.embed.conftest import REFRESH, SAMPLE, SESSIONS, refusal

HOURS = 3600


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_session_is_minted_for_four_hours(api, sandbox):
    answer = api.post(SESSIONS, SAMPLE)

    assert answer.status_code == 200
    session = answer.json()
    token, renewal = session.pop("session_token"), session.pop("renew_token")
    assert session == {
        "session_id": str(uuid.UUID(session["session_id"])),
        "iframe_url": f"{sandbox.public_url}/embed/builder?session_token={token}",
        "expires_at": "2026-06-05T14:00:00.000Z",
    }
    assert renewal.startswith("ert_")
    assert token not in repr(sandbox.embed_sessions) + repr(sandbox.requests)


def test_a_token_has_the_claims_of_the_documentation(mint, clock, sandbox, template_id):
    session = mint("edit", permissions={"publish": True, "rollback": True})

    claims = claims_of(session["session_token"])

    jti, issuer = claims.pop("jti"), claims.pop("iss")
    assert uuid.UUID(jti)
    assert issuer.startswith("ck_pk_")
    ours = claims.pop("ck")
    now = int(clock.now)
    assert claims == {
        "aud": "embed.craftkit.dev",
        "sub": session["session_id"],
        "iat": now,
        "nbf": now,
        "exp": now + 4 * HOURS,
    }
    given = {name for name, value in ours.pop("permissions").items() if value}
    assert given == {"publish", "rollback_version"}
    assert ours == {
        "v": 1,
        "partner": {"id": sandbox.project().id, "project_id": sandbox.project().id},
        "tenant": {"external_id": "org_123", "display_name": "Acme Corp"},
        "actor": {
            "external_id": "usr_456",
            "display_name": "Jane Smith",
            "email": "jane@acme.com",
        },
        "scope": {
            "mode": "edit",
            "template_id": template_id,
            "template_external_id": "invoice",
        },
    }


def test_the_page_of_a_session_is_that_of_its_mode(mint):
    pages = [mint(mode)["iframe_url"].split("?")[0] for mode in ("edit", "create", "view", "fill")]

    assert [page.rpartition("/")[2] for page in pages] == ["builder", "builder", "builder", "form"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tenant": None}, "tenant"),
        ({"tenant": {"externalId": "", "displayName": "Acme"}}, "tenant.externalId"),
        ({"tenant": {"externalId": "a" * 161, "displayName": "Acme"}}, "tenant.externalId"),
        ({"tenant": {"externalId": "a", "displayName": "b" * 201}}, "tenant.displayName"),
        ({"tenant": {"externalId": "a"}}, "tenant.displayName"),
        ({"actor": {}}, "actor.externalId"),
        ({"actor": {"externalId": "a", "displayName": "b" * 201}}, "actor.displayName"),
        ({"actor": {"externalId": "a", "email": "jane"}}, "actor.email"),
        ({"actor": {"externalId": "a", "avatarUrl": "jane.png"}}, "actor.avatarUrl"),
        ({"scope": {"mode": "sign"}}, "scope.mode"),
        ({"scope": {"templateId": "invoice"}}, "scope.templateId"),
        ({"permissions": {"publish": "yes"}}, "permissions.publish"),
        ({"permissionsPreset": "a" * 61}, "permissionsPreset"),
        ({"appearance": {"baseTheme": "blue"}}, "appearance.baseTheme"),
        ({"callbacks": {"onCloseUrl": "/closed"}}, "callbacks.onCloseUrl"),
        ({"limits": {"maxUploadsBytes": "5 MB"}}, "limits.maxUploadsBytes"),
        ({"form": {}}, "form"),  # the sample's mode is `edit`
        ({"scope": {"mode": "fill"}, "form": {"redirectUrl": "thanks"}}, "form.redirectUrl"),
        ({"scope": {"mode": "fill"}, "form": {"captureMode": "keep"}}, "form.captureMode"),
        ({"catalogRef": {"name": "crm"}, "variableCatalog": {}}, "catalogRef"),
        ({"catalogRef": {}}, "catalogRef.name"),
        (
            {"variableCatalog": {"loops": [{"key": "a", "label": "A", "itemFields": []}]}},
            "variableCatalog.loops.0.itemFields",
        ),
    ],
)
def test_a_session_that_is_wrong_is_refused(api, sandbox, change, field):
    answer = api.post(SESSIONS, {**SAMPLE, **change})

    assert refusal(answer) == (422, "invalid_request")
    assert list(answer.json()["error"]["issues"]["fieldErrors"]) == [field]
    assert sandbox.embed_sessions == []


def test_a_body_that_is_no_json_is_refused(api):
    for path in (SESSIONS, REFRESH):
        assert refusal(api.post(path, data="{")) == (400, "invalid_json")


def test_all_that_the_documentation_lists_is_taken(api, template_id):
    body = copy.deepcopy(SAMPLE) | {
        "scope": {"mode": "fill", "templateId": template_id},
        "permissionsPreset": "form",
        "branding": {"primaryColor": "#225", "logoUrl": "https://acme.com/l.png", "locale": "de"},
        "appearance": {"baseTheme": "shadcn", "layout": {"density": "compact"}},
        "callbacks": {"onPublishedUrl": "https://acme.com/a", "onCloseUrl": "https://acme.com/b"},
        "limits": {"maxPublishes": 10, "maxSaveDrafts": 200, "maxUploadsBytes": 5242880},
        "form": {
            "prefill": {"customer": {"name": "Ada"}},
            "showPreview": True,
            "showDocumentAfterSubmit": False,
            "redirectUrl": "https://acme.com/thanks",
            "captureMode": "collect",
        },
    }

    assert api.post(SESSIONS, body).status_code == 200


def test_the_docs_list_the_permissions_that_nobody_asks_for():
    sources = Path(str(package.__file__)).parent.rglob("*.py")
    code = "".join(path.read_text() for path in sources if path.name != "embed.py")
    asked = {name for name in PERMISSIONS if re.search(rf'(may|without)\(.*"{name}"', code)}
    told = re.search(r"does not ask for them: (.*?)\.\n", pages.read("docs/sandbox.md"), re.DOTALL)

    assert asked
    assert told is not None
    assert re.findall(r"`(\w+)`", told[1]) == [each for each in PERMISSIONS if each not in asked]


def test_a_renewal_is_for_one_use(api, mint, clock, submit):
    first = mint()
    clock.advance(HOURS)

    answer = api.post(REFRESH, {"renewToken": first["renew_token"]})

    second = answer.json()
    assert answer.status_code == 200
    assert second.keys() == first.keys()
    assert second["session_id"] == first["session_id"]
    assert second["expires_at"] == "2026-06-05T15:00:00.000Z"
    assert second["session_token"] != first["session_token"]
    assert second["session_token"] in second["iframe_url"]
    again = api.post(REFRESH, {"renewToken": first["renew_token"]})
    assert refusal(again) == (401, "refresh_failed")
    clock.advance(3 * HOURS)
    assert refusal(submit(first)) == (401, "unauthorized")
    assert submit(second).status_code == 202
    assert api.post(REFRESH, {"renewToken": second["renew_token"]}).status_code == 200


def test_a_renew_token_is_of_its_project(api, mint, other):
    token = mint()["renew_token"]

    assert refusal(other.post(REFRESH, {"renewToken": token})) == (401, "refresh_failed")
    # Who had no right to it has not used it up.
    assert api.post(REFRESH, {"renewToken": token}).status_code == 200


@pytest.mark.parametrize("body", [{}, {"renewToken": 1}, {"renewToken": "short"}])
def test_what_can_be_no_renew_token_is_refused(api, body):
    assert refusal(api.post(REFRESH, body)) == (422, "invalid_request")


def test_a_reset_forgets_sessions(api, mint, sandbox, submit):
    session = mint()

    sandbox.reset()

    assert sandbox.embed_sessions == []
    assert refusal(submit(session)) == (401, "unauthorized")
    answer = api.post(REFRESH, {"renewToken": session["renew_token"]})
    assert refusal(answer) == (401, "refresh_failed")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", SESSIONS),
        ("POST", REFRESH),
        ("POST", "/v1/embed/catalogs"),
        ("GET", "/v1/embed/builder/templates"),
        ("GET", "/v1/embed/renders"),
    ],
)
def test_a_partner_needs_a_key(api, guest, mint, sandbox, method, path):
    session = mint()

    def call(authorization=None):
        headers = {} if authorization is None else {"Authorization": authorization}
        return refusal(guest(method, path, json={}, headers=headers))

    assert call() == (401, "missing_authorization")
    assert call("Basic YTpi") == (401, "missing_authorization")
    assert call("Bearer ck_test_wrong") == (401, "invalid_credentials")
    assert call(f"Bearer {session['session_token']}") == (401, "invalid_credentials")
    sandbox.project().embed_suspended = True
    assert refusal(api(method, path, json={})) == (403, "partner_suspended")
    sandbox.project().embed_enabled = False
    assert refusal(api(method, path, json={})) == (401, "invalid_credentials")
    assert api.get("/v1/templates").status_code == 200


def test_a_partnership_that_is_suspended_stops_its_sessions(mint, sandbox, submit):
    session = mint()
    sandbox.project().embed_suspended = True

    assert refusal(submit(session)) == (403, "partner_suspended")

    sandbox.project().embed_suspended = False
    assert submit(session).status_code == 202


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_changed_opens_nothing(guest, mint, part):
    session = mint()
    parts = session["session_token"].split(".")
    parts[part] = ("A" if parts[part][0] != "A" else "B") + parts[part][1:]
    path = f"/v1/embed/form-submit/{session['session_id']}"

    for token in (".".join(parts), ".".join(parts[:2]), "é.é.é"):
        headers = {"Authorization": f"Bearer {token}".encode()}
        assert refusal(guest.post(path, {"data": {}}, headers=headers)) == (401, "unauthorized")
