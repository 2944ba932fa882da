"""One exact HTTP exchange for every call."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from responses.matchers import header_matcher, json_params_matcher

from django_craftkit.client import (
    Conflict,
    Craftkit,
    CraftkitAccount,
    CraftkitError,
    CraftkitSession,
    InvalidData,
    InvalidResponse,
    Loop,
    Manifest,
    NotFound,
    ServerError,
    Variable,
)

from .conftest import (
    BASE,
    KEY,
    LISTED,
    MANIFEST,
    QUEUED,
    RENDER,
    SHARE,
    SHARED,
    TEMPLATE,
    Api,
    Serve,
    answers,
    client,
    refusal,
)
from .signatures.helpers import create

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED = {"id": TEMPLATE, "slug": "invoice", "currentVersionNumber": 4, "manifest": MANIFEST}
RENDER_URL = f"{BASE}/v1/templates/invoice/render"
SHARES_URL = f"{BASE}/v1/renders/{RENDER}/shares"


def test_templates_are_listed(api: Api, craftkit: Craftkit) -> None:
    api.get(f"{BASE}/v1/templates", json={"templates": [LISTED, LISTED | {"new": 1}]})
    first, second = craftkit.templates.list()
    assert first.id == UUID(TEMPLATE)
    assert (first.slug, first.name, first.template_type) == (
        "charter-handover",
        "Charter Handover",
        "document",
    )
    assert (first.current_version_number, first.published) == (2, True)
    assert first.updated_at == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert second.extra == {"new": 1}


def test_a_template_is_read_with_its_manifest(api: Api, craftkit: Craftkit) -> None:
    more = {"description": None, "manifest": MANIFEST, "jsonSchema": {"type": "object"}}
    api.get(f"{BASE}/v1/templates/charter-handover", json=LISTED | more)
    template = craftkit.templates.get("charter-handover")
    assert template.manifest is not None
    assert template.manifest.variables[0].key == "customer.name"
    assert template.manifest.variables[0].required is True
    assert template.manifest.loops[0].item_fields[0].data_type == "text"
    assert template.json_schema == {"type": "object"}
    assert template.extra == {}


def test_an_unpublished_template_has_no_manifest(api: Api, craftkit: Craftkit) -> None:
    more = {"published": False, "currentVersionNumber": None, "manifest": None, "jsonSchema": None}
    api.get(f"{BASE}/v1/templates/x", json=LISTED | more)
    template = craftkit.templates.get("x")
    assert (template.published, template.manifest, template.json_schema) == (False, None, None)


@pytest.mark.parametrize("manifest", [MANIFEST, Manifest.from_json(MANIFEST)])
def test_a_template_is_made(api: Api, craftkit: Craftkit, manifest: Any) -> None:
    api.post(f"{BASE}/v1/templates", json=PUBLISHED, status=201)
    made = craftkit.templates.create(
        "Invoice", manifest, slug="invoice", description="d", page_config={"format": "A4"}
    )
    sent = json.loads(api.calls[0].request.body or "")
    assert sent["manifest"]["variables"][0]["dataType"] == "text"
    assert sent["manifest"]["loops"][0]["itemFields"][0]["key"] == "areaKey"
    assert {name: sent[name] for name in sent if name != "manifest"} == {
        "name": "Invoice",
        "slug": "invoice",
        "description": "d",
        "pageConfig": {"format": "A4"},
    }
    assert (made.created, made.current_version_number) == (True, 4)
    assert made.manifest == Manifest.from_json(MANIFEST)


@pytest.mark.parametrize(("status", "created"), [(201, True), (200, False)])
def test_a_put_tells_whether_the_template_is_new(
    api: Api, craftkit: Craftkit, status: int, created: bool
) -> None:
    body = {"name": "Invoice", "manifest": {"variables": [], "loops": []}, "layout": {"pages": []}}
    api.put(
        f"{BASE}/v1/templates/invoice",
        json=PUBLISHED,
        status=status,
        match=[json_params_matcher(body)],
    )
    made = craftkit.templates.put("invoice", "Invoice", Manifest(), layout={"pages": []})
    assert made.created is created


NAME = Variable("name", "Name", "text")


@pytest.mark.parametrize(
    ("where", "manifest"),
    [
        ("manifest", [NAME]),
        (r"manifest\.variables", Manifest(NAME)),  # type: ignore[arg-type]
        (r"manifest\.variables\[1\]", Manifest((NAME, {"key": "a"}))),  # type: ignore[arg-type]
        (r"manifest\.loops\[0\]", Manifest((), (NAME,))),  # type: ignore[arg-type]
        (r"manifest\.loops\[0\]\.item_fields", Manifest((), (Loop("a", "A", ()),))),
        (
            r"manifest\.loops\[0\]\.item_fields\[0\]",
            Manifest((), (Loop("a", "A", ({"key": "a"},)),)),  # type: ignore[arg-type]
        ),
    ],
)
def test_a_manifest_of_something_else_is_named_and_not_sent(
    craftkit: Craftkit, where: str, manifest: Any
) -> None:
    with pytest.raises(InvalidData, match=f"^'{where}'"):
        craftkit.templates.create("Invoice", manifest)
    with pytest.raises(InvalidData, match=f"^'{where}'"):
        craftkit.templates.put("invoice", "Invoice", manifest)


def test_a_template_is_deleted(api: Api, craftkit: Craftkit) -> None:
    answer = {"id": TEMPLATE, "slug": "x", "deletedAt": "2026-06-06T00:00:00.000Z"}
    api.delete(f"{BASE}/v1/templates/x", json=answer)
    assert craftkit.templates.delete("x").deleted_at == datetime(2026, 6, 6, tzinfo=UTC)


@pytest.mark.parametrize(("status", "replayed"), [(202, False), (200, True)])
def test_a_render_is_asked_for(api: Api, craftkit: Craftkit, status: int, replayed: bool) -> None:
    sent = {
        "data": {"total": "42.10"},
        "options": {"versionNumber": 3, "filename": "invoice.pdf"},
    }
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Idempotency-Key": "a" * 300,
        "Content-Type": "application/json",
        "User-Agent": "django-craftkit/0.1.0",
    }
    match = [json_params_matcher(sent), header_matcher(headers)]
    api.post(RENDER_URL, json=QUEUED, status=status, match=match)
    render = craftkit.renders.render(
        "invoice",
        {"total": Decimal("42.10")},
        idempotency_key="a" * 300,
        version=3,
        filename="invoice.pdf",
    )
    assert (render.id, render.status, render.replayed) == (UUID(RENDER), "queued", replayed)
    assert render.extra == {}


def test_a_plain_render_sends_data_and_nothing_else(api: Api, craftkit: Craftkit) -> None:
    api.post(RENDER_URL, json=QUEUED, status=202, match=[json_params_matcher({"data": {}})])
    craftkit.renders.render("invoice", {})
    assert "Idempotency-Key" not in api.calls[0].request.headers


@pytest.mark.parametrize("key", ["", " ", "a\nb", "ü", " a", 7])
def test_a_key_that_is_no_header_is_refused(craftkit: Craftkit, key: Any) -> None:
    with pytest.raises(InvalidData, match="key"):
        craftkit.renders.render("invoice", {}, idempotency_key=key)
    for no_key in (key, None):
        with pytest.raises(InvalidData, match="key"):
            create(craftkit, idempotency_key=no_key)


def test_data_that_are_no_json_are_refused_before_anything_is_sent(craftkit: Craftkit) -> None:
    with pytest.raises(InvalidData, match="not finite"):
        craftkit.renders.render("invoice", {"total": float("nan")})
    with pytest.raises(InvalidData, match="not finite"):
        craftkit.engagement.track(RENDER, "viewed", metadata={"ratio": float("nan")})


def test_a_render_is_read(api: Api, craftkit: Craftkit) -> None:
    answer = QUEUED | {
        "status": "a-new-status",
        "downloadUrl": "https://cdn.craftkit.dev/x.pdf",
        "completedAt": "2026-06-05T10:00:03.120Z",
        "durationMs": 3120,
        "pages": 2,
    }
    api.get(f"{BASE}/v1/renders/{RENDER}", json=answer)
    render = craftkit.renders.get(UUID(RENDER))
    assert render.status == "a-new-status"
    assert render.completed_at == datetime(2026, 6, 5, 10, 0, 3, 120_000, tzinfo=UTC)
    assert render.duration_ms == 3120
    assert render.extra == {"pages": 2}
    assert "cdn.craftkit.dev" not in repr(render)


def test_a_share_is_made(api: Api, craftkit: Craftkit) -> None:
    sent = {
        "channel": "email",
        "recipientEmail": "a@example.com",
        "message": "Here.",
        "expiresAt": "2026-12-31T23:59:59.000Z",
    }
    api.post(SHARES_URL, json=SHARED, status=201, match=[json_params_matcher(sent)])
    share = craftkit.shares.create(
        RENDER,
        channel="email",
        recipient_email="a@example.com",
        message="Here.",
        expires_at=datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
    )
    assert share.id == UUID(SHARE)
    assert share.url == "https://www.craftkit.dev/share/cks_secret"
    assert (share.click_count, share.revoked_reason, share.extra) == (None, None, {})
    assert "cks_secret" not in repr(share)


def test_a_share_by_mail_needs_its_recipient(craftkit: Craftkit) -> None:
    with pytest.raises(ValueError, match="recipient"):
        craftkit.shares.create(RENDER, channel="email")


@pytest.mark.parametrize("moment", [datetime(2026, 12, 31), date(2026, 12, 31), "2026-12-31"])  # noqa: DTZ001
def test_a_share_is_not_made_with_a_date_of_no_zone(craftkit: Craftkit, moment: Any) -> None:
    with pytest.raises(InvalidData, match=r"^'expires_at'"):
        craftkit.shares.create(RENDER, expires_at=moment)


def test_shares_are_listed(api: Api, craftkit: Craftkit) -> None:
    revoked = SHARED | {
        "revokedAt": "2026-06-06T09:00:00.000Z",
        "revokedReason": "revoked_by_partner",
        "clickCount": 3,
    }
    api.get(SHARES_URL, json={"shares": [revoked, SHARED]})
    first, second = craftkit.shares.list(RENDER)
    assert (first.revoked_reason, first.click_count) == ("revoked_by_partner", 3)
    assert first.revoked_at == datetime(2026, 6, 6, 9, tzinfo=UTC)
    assert second.revoked_at is None


def test_a_share_is_revoked_once(api: Api, craftkit: Craftkit) -> None:
    url = f"{SHARES_URL}/{SHARE}"
    api.delete(url, json={"id": SHARE, "revokedAt": "2026-06-06T09:00:00.000Z"})
    api.delete(url, json=refusal("not_found"), status=404)
    revocation = craftkit.shares.revoke(RENDER, SHARE)
    assert revocation.revoked_at == datetime(2026, 6, 6, 9, tzinfo=UTC)
    with pytest.raises(NotFound) as caught:
        craftkit.shares.revoke(RENDER, SHARE)
    assert caught.value.maybe_handled is False


@pytest.mark.parametrize(("status", "word", "ok"), [(200, "ok", True), (503, "degraded", False)])
def test_health_is_told_without_the_key(
    api: Api,
    craftkit: Craftkit,
    pauses: list[float],
    status: int,
    word: str,
    ok: bool,
) -> None:
    checks = {"database": "ok" if ok else "error"}
    body = {"status": word, "version": "a1b2c3d", "checks": checks}
    api.get(f"{BASE}/v1/health", json=body, status=status)
    health = craftkit.health()
    assert (health.ok, health.status, health.version) == (ok, word, "a1b2c3d")
    assert health.checks == checks
    assert "Authorization" not in api.calls[0].request.headers
    assert pauses == []


@pytest.mark.parametrize("body", ["<html>", '{"message": "down"}', '{"error": "x", "status": "y"}'])
def test_a_proxys_503_is_not_craftkits_health(api: Api, once: Craftkit, body: str) -> None:
    api.get(f"{BASE}/v1/health", body=body, status=503, headers={"Retry-After": "5"})
    with pytest.raises(ServerError) as caught:
        once.health()
    assert caught.value.retry_after == 5


def guest(craftkit: Craftkit) -> CraftkitSession:
    return CraftkitSession("token", base_url=craftkit.base_url)


def account(craftkit: Craftkit) -> CraftkitAccount:
    return CraftkitAccount("ck_acct_1", base_url=craftkit.base_url)


CALLS: list[tuple[str, Callable[[Craftkit, str], Any]]] = [
    ("/v1/templates/{}", lambda craftkit, part: craftkit.templates.get(part)),
    ("/v1/templates/{}/render", lambda craftkit, part: craftkit.renders.render(part, {})),
    ("/v1/renders/{}", lambda craftkit, part: craftkit.renders.get(part)),
    ("/v1/renders/{}/shares", lambda craftkit, part: craftkit.shares.list(part)),
    ("/v1/renders/r/shares/{}", lambda craftkit, part: craftkit.shares.revoke("r", part)),
    ("/v1/renders/{}/email", lambda craftkit, part: craftkit.emails.send(part, "a@example.com")),
    ("/v1/renders/{}/engagement", lambda craftkit, part: craftkit.engagement.read(part)),
    ("/v1/renders/{}/events", lambda craftkit, part: craftkit.engagement.track(part, "viewed")),
    ("/v1/signatures/{}", lambda craftkit, part: craftkit.signatures.get(part)),
    ("/v1/signatures/{}/cancel", lambda craftkit, part: craftkit.signatures.cancel(part)),
    ("/v1/signatures/{}/download", lambda craftkit, part: craftkit.signatures.signed_pdf(part)),
    ("/v1/signatures/{}/certificate", lambda craftkit, part: craftkit.signatures.certificate(part)),
    ("/v1/embed/form-submit/{}", lambda craftkit, part: guest(craftkit).submit_form(part, {})),
    (
        "/v1/embed/form-submit/{}/upload-image",
        lambda craftkit, part: guest(craftkit).upload_image(part, b"GIF89a"),
    ),
    ("/v1/embed/renders/{}", lambda craftkit, part: guest(craftkit).render(part)),
    ("/v1/projects/{}", lambda craftkit, part: account(craftkit).projects.get(part)),
    ("/v1/projects/{}/keys", lambda craftkit, part: account(craftkit).projects.create_key(part)),
]


@pytest.mark.parametrize(("place", "call"), CALLS, ids=[place for place, _ in CALLS])
@pytest.mark.parametrize(
    ("part", "quoted"),
    [
        ("../admin", "..%2Fadmin"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("a b", "a%20b"),
        ("ü", "%C3%BC"),
        ("%2e%2e", "%252e%252e"),
        ("a\\b\r\nX: y", "a%5Cb%0D%0AX%3A%20y"),
    ],
)
def test_no_id_or_slug_leaves_its_place_in_the_path(
    serve: Serve, place: str, call: Callable[[Craftkit, str], Any], part: str, quoted: str
) -> None:
    server = serve(answers(404, b"{}"))
    with pytest.raises(NotFound) as caught:
        call(client(server), part)
    assert server.requests[0].split(b" ")[1].decode() == place.format(quoted)
    assert caught.value.path == place.format(quoted)


@pytest.mark.parametrize("part", ["", ".", ".."])
@pytest.mark.parametrize("call", [call for _, call in CALLS])
def test_no_id_or_slug_climbs(craftkit: Craftkit, call: Any, part: str) -> None:
    with pytest.raises(InvalidData):
        call(craftkit, part)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ""),
        (204, ""),
        (202, "<html>"),
        (200, "[]"),
        (200, "null"),
        (201, "{}"),
        (202, '{"id": 1}'),
        (202, '{"id": NaN}'),
        (202, '{"id": 1e999}'),
        (202, "[" * 9_999),
    ],
)
def test_a_strange_answer_is_an_invalid_response(
    api: Api, once: Craftkit, status: int, body: str
) -> None:
    api.post(RENDER_URL, body=body, status=status)
    with pytest.raises(InvalidResponse) as caught:
        once.renders.render("invoice", {}, idempotency_key="k")
    assert caught.value.maybe_handled is True
    assert caught.value.status == status
    assert (caught.value.method, caught.value.path) == ("POST", "/v1/templates/invoice/render")


def test_errors_of_a_call_carry_where_and_what(api: Api, once: Craftkit) -> None:
    error = {"error": {"code": "not_ready", "message": "Render has not succeeded yet."}}
    api.post(SHARES_URL, json=error, status=409)
    with pytest.raises(Conflict) as caught:
        once.shares.create(RENDER, message="for Ada")
    assert str(caught.value) == (
        f"Render has not succeeded yet. (409 not_ready, POST /v1/renders/{RENDER}/shares)"
    )
    assert caught.value.body == error
    assert isinstance(caught.value, CraftkitError)
