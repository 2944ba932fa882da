"""Embed sessions: what is sent for one, what comes back, and what of it shows."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from responses.matchers import header_matcher, json_params_matcher

from django_craftkit.client import (
    Actor,
    AuthenticationError,
    Callbacks,
    CatalogRef,
    Craftkit,
    CraftkitError,
    EmbedSession,
    FormOptions,
    InvalidData,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    PermissionDenied,
    Scope,
    Secret,
    SessionLimits,
    Tenant,
)
from tests.client.conftest import KEY, TEMPLATE, Api, Serve, answers, client, refusal
from tests.client.test_frames import everything

from .helpers import (
    ACME,
    ADA,
    MINTED,
    REFRESH_URL,
    RENEW_TOKEN,
    SESSION,
    SESSIONS_URL,
    TOKEN,
    mint,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PEOPLE = {
    "tenant": {"externalId": "org_123", "displayName": "Acme Corp"},
    "actor": {
        "externalId": "usr_456",
        "displayName": "Ada Lovelace",
        "email": "ada@example.com",
    },
}


def test_a_session_is_minted(api: Api, craftkit: Craftkit) -> None:
    sent = PEOPLE | {"scope": {"mode": "edit"}}
    match = [json_params_matcher(sent), header_matcher({"Authorization": f"Bearer {KEY}"})]
    api.post(SESSIONS_URL, json=MINTED | {"new": 1}, match=match)
    session = mint(craftkit)
    assert session.id == UUID(SESSION)
    assert session.token.reveal() == TOKEN
    assert session.url == MINTED["iframe_url"]
    assert session.expires_at == datetime(2026, 6, 5, 14, tzinfo=UTC)
    assert session.renew_token == Secret(RENEW_TOKEN)
    assert session.extra == {"new": 1}


def test_a_form_is_minted_with_all_that_can_be_said_of_it(api: Api, craftkit: Craftkit) -> None:
    api.post(SESSIONS_URL, json=MINTED)
    craftkit.embed.create_session(
        Tenant("org_123", "Acme Corp", branding={"primaryColor": "#123456"}),
        Actor("usr_456", avatar_url="https://example.com/ada.png"),
        scope=Scope("fill", template_id=UUID(TEMPLATE)),
        permissions={"submit_form": True, "save_form_draft": False},
        form=FormOptions(
            prefill={"customer": {"name": "Acme"}},
            show_preview=True,
            show_document_after_submit=False,
            redirect_url="https://example.com/thanks",
            collect=True,
        ),
        catalog=CatalogRef("crm-fields", 2),
        branding={"locale": "de"},
        appearance={"baseTheme": "dark"},
        callbacks=Callbacks(on_close_url="https://example.com/closed"),
        permissions_preset="reviewer",
        limits=SessionLimits(max_publishes=0, max_upload_bytes=1_000),
    )
    assert json.loads(api.calls[0].request.body or "") == {
        "tenant": {
            "externalId": "org_123",
            "displayName": "Acme Corp",
            "branding": {"primaryColor": "#123456"},
        },
        "actor": {"externalId": "usr_456", "avatarUrl": "https://example.com/ada.png"},
        "scope": {
            "mode": "fill",
            "templateId": TEMPLATE,
            "templateExternalId": TEMPLATE,
        },
        "permissions": {"submitForm": True, "saveFormDraft": False},
        "permissionsPreset": "reviewer",
        "form": {
            "prefill": {"customer": {"name": "Acme"}},
            "showPreview": True,
            "showDocumentAfterSubmit": False,
            "redirectUrl": "https://example.com/thanks",
            "captureMode": "collect",
        },
        "catalogRef": {"name": "crm-fields", "version": 2},
        "branding": {"locale": "de"},
        "appearance": {"baseTheme": "dark"},
        "callbacks": {"onCloseUrl": "https://example.com/closed"},
        "limits": {"maxPublishes": 0, "maxUploadsBytes": 1_000},
    }


@pytest.mark.parametrize("token", [RENEW_TOKEN, Secret(RENEW_TOKEN)], ids=["text", "secret"])
def test_a_session_is_refreshed(api: Api, craftkit: Craftkit, token: Any) -> None:
    match = [json_params_matcher({"renewToken": RENEW_TOKEN})]
    renewed = MINTED | {"session_token": "eyJ.new", "renew_token": "ert_the_next"}
    api.post(REFRESH_URL, json=renewed, match=match)
    session = craftkit.embed.refresh_session(token)
    assert (session.id, session.token.reveal()) == (UUID(SESSION), "eyJ.new")


def test_a_refresh_may_leave_the_renew_token_as_it_was(api: Api, craftkit: Craftkit) -> None:
    api.post(REFRESH_URL, json=MINTED)
    assert craftkit.embed.refresh_session(RENEW_TOKEN).renew_token.reveal() == RENEW_TOKEN


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("tenant.external_id", {"tenant": Tenant("", "Acme")}),
        ("tenant.external_id", {"tenant": Tenant("x" * 161, "Acme")}),
        ("tenant.display_name", {"tenant": Tenant("org", "")}),
        ("tenant.display_name", {"tenant": Tenant("org", "x" * 201)}),
        ("tenant.branding", {"tenant": Tenant("org", "Acme", branding="red")}),  # type: ignore[arg-type]
        ("actor.external_id", {"actor": Actor("x" * 161)}),
        ("actor.display_name", {"actor": Actor("ada", "x" * 201)}),
        ("actor.email", {"actor": Actor("ada", email="Ada <ada@example.com>")}),
        ("actor.avatar_url", {"actor": Actor("ada", avatar_url="javascript:alert(1)")}),
        ("scope.mode", {"scope": Scope("fly")}),
        ("scope.template_id", {"scope": Scope("fill")}),
        ("scope.template_external_id", {"scope": Scope(template_external_id=7)}),  # type: ignore[arg-type]
        ("scope.template_id", {"scope": Scope("fill", template_external_id="")}),
        ("permissions_preset", {"permissions_preset": "x" * 61}),
        ("permissions", {"permissions": {"submit_from": True}}),
        ("permissions.publish", {"permissions": {"publish": "yes"}}),
        ("form", {"form": FormOptions()}),
        (
            "form.redirect_url",
            {
                "scope": Scope("fill", template_id="t"),
                "form": FormOptions(redirect_url="javascript:alert(1)"),
            },
        ),
        ("catalog.name", {"catalog": CatalogRef("")}),
        ("catalog.version", {"catalog": CatalogRef("crm", 1.5)}),
        ("variable_catalog", {"catalog": CatalogRef("crm"), "variable_catalog": {}}),
        ("variable_catalog", {"variable_catalog": []}),
        ("branding", {"branding": "red"}),
        ("appearance", {"appearance": ["dark"]}),
        ("callbacks.on_close_url", {"callbacks": Callbacks(on_close_url="/closed")}),
        ("limits.max_publishes", {"limits": SessionLimits(max_publishes="1")}),
        ("limits.max_save_drafts", {"limits": SessionLimits(max_save_drafts=True)}),
    ],
)
def test_what_is_beyond_a_limit_is_named_and_not_sent(
    craftkit: Craftkit, argument: str, options: dict[str, Any]
) -> None:
    people: dict[str, Any] = {"tenant": ACME, "actor": ADA}
    with pytest.raises(InvalidData, match=f"'{argument}'"):
        craftkit.embed.create_session(**(people | options))


@pytest.mark.parametrize(
    "argument", ["tenant", "actor", "scope", "form", "catalog", "callbacks", "limits"]
)
@pytest.mark.parametrize("value", [{"externalId": "org_123"}, [], "x", 7])
def test_what_is_of_another_class_is_named_and_not_sent(
    craftkit: Craftkit, argument: str, value: Any
) -> None:
    options: dict[str, Any] = {
        "tenant": ACME,
        "actor": ADA,
        "scope": Scope("fill", template_id=TEMPLATE),
    }
    with pytest.raises(InvalidData, match=f"^'{argument}' is not a "):
        craftkit.embed.create_session(**(options | {argument: value}))


def test_a_renew_token_that_is_none_is_not_sent(craftkit: Craftkit) -> None:
    for token in ("", "ert_123", None):
        with pytest.raises(InvalidData, match="renew_token") as caught:
            craftkit.embed.refresh_session(token)  # type: ignore[arg-type]
        assert "ert_123" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, {"error": "invalid_credentials"}, AuthenticationError, "invalid_credentials"),
        (401, {"error": "refresh_failed"}, AuthenticationError, "refresh_failed"),
        (403, refusal("partner_suspended"), PermissionDenied, "partner_suspended"),
        (404, {"error": "catalog_not_found"}, NotFound, "catalog_not_found"),
        (422, refusal("invalid_request"), InvalidRequest, "invalid_request"),
    ],
)
@pytest.mark.parametrize("call", ["mint", "refresh"])
def test_what_craftkit_refuses_is_told_apart(
    api: Api,
    craftkit: Craftkit,
    call: str,
    status: int,
    body: dict[str, Any],
    kind: type[CraftkitError],
    code: str,
) -> None:
    api.post(SESSIONS_URL if call == "mint" else REFRESH_URL, json=body, status=status)
    with pytest.raises(kind) as caught:
        make(craftkit, call)
    assert (caught.value.code, caught.value.proves_inaction) == (code, True)
    assert len(api.calls) == 1


def make(craftkit: Craftkit, call: str) -> EmbedSession:
    return mint(craftkit) if call == "mint" else craftkit.embed.refresh_session(RENEW_TOKEN)


def test_a_session_shows_no_token() -> None:
    odd = MINTED | {"renew_token": [RENEW_TOKEN], "context_token": TOKEN, "sessionToken": TOKEN}
    for body in (MINTED, odd):
        session = EmbedSession.from_json(body)
        assert TOKEN not in repr(session)
        assert RENEW_TOKEN not in f"{session!r} {session.extra} {session.unreadable}"
    assert not session.renew_token


#: Answers after which nothing may show what was sent, or what they hold.
ODD: dict[str, Callable[[str], bytes]] = {
    "cut": lambda secret: json.dumps(MINTED).encode()[:-9],
    "page": lambda secret: f"<html>{secret}</html>".encode(),
    "echo": lambda secret: json.dumps({"error": {"message": f"No {secret}."}}).encode(),
    "list": lambda secret: json.dumps([MINTED]).encode(),
    "no id": lambda secret: json.dumps(MINTED | {"session_id": "sess"}).encode(),
    "no token": lambda secret: json.dumps(MINTED | {"session_token": [TOKEN]}).encode(),
    "no address": lambda secret: json.dumps(MINTED | {"iframe_url": f"ftp://{TOKEN}"}).encode(),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("call", ["mint", "refresh"])
def test_no_error_shows_a_token(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    call: str,
    status: int,
    odd: Callable[[str], bytes],
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(answers(status, odd(RENEW_TOKEN if call == "refresh" else KEY)))
    with pytest.raises(CraftkitError) as caught:
        make(client(server, max_retries=1), call)
    assert isinstance(caught.value, InvalidResponse) is (status == 200)
    for text in everything(caught.value):
        assert TOKEN not in text
        assert RENEW_TOKEN not in text
    assert TOKEN not in caplog.text
    assert RENEW_TOKEN not in caplog.text
