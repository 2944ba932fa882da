"""The client can say all that Craftkit's contract takes, and nothing else."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from django_craftkit.client import (
    Actor,
    AnchorTag,
    Callbacks,
    Catalog,
    CatalogField,
    CatalogLoop,
    CatalogRef,
    FormOptions,
    Loop,
    Manifest,
    Namespace,
    NotFound,
    Recipient,
    Scope,
    SessionLimits,
    SignatureField,
    Tenant,
    Variable,
)
from django_craftkit.client import session_options as options
from tests.contract import FIELDS, NOT_SENT, limits, paths
from tests.contract_samples import SAMPLES, cases, changed

from .conftest import RENDER
from .test_endpoints import Recorder, arguments, clients, methods

if TYPE_CHECKING:
    import requests

    from tests.endpoints import Endpoint


UPLOAD: Endpoint = ("POST", "/v1/embed/form-submit/:sessionId/upload-image")
"""Takes no JSON."""
LONG = 5_000
"""Characters that no limit of the contract has."""


class Keeper(Recorder):
    """Keeps what was sent last."""

    last: requests.PreparedRequest

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        Keeper.last = request
        return super().send(request, *args, **options)


def sent(endpoint: Endpoint, body: dict[str, Any]) -> Any:
    """Have the client say this; return what it sends, numbers of a query as numbers."""
    reached: dict[str, Any] = clients([], Keeper)
    with pytest.raises(NotFound):
        say(reached, endpoint, body)
    request = Keeper.last
    assert request.method == endpoint[0]
    if request.method == "GET":
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        return {name: int(text) if text.isdigit() else text for name, text in query.items()}
    return json.loads(request.body or b"{}")


def say(reached: dict[str, Any], endpoint: Endpoint, body: dict[str, Any]) -> None:
    """Make the call of an endpoint, with arguments that say what a body does."""
    craftkit, got = reached["craftkit"], body.get
    match endpoint:
        case "POST", "/v1/templates":
            craftkit.templates.create(got("name"), manifest(got("manifest")), **template(body))
        case "PUT", "/v1/templates/:slug":
            craftkit.templates.put("a", got("name"), manifest(got("manifest")), **template(body))
        case "POST", "/v1/templates/:slug/render":
            chosen = body["options"]
            craftkit.renders.render(
                "a", got("data"), version=chosen["versionNumber"], filename=chosen["filename"]
            )
        case "POST", "/v1/renders/:id/shares":
            craftkit.shares.create(
                RENDER,
                channel=got("channel"),
                recipient_email=got("recipientEmail"),
                message=got("message"),
                expires_at=moment(got("expiresAt")),
            )
        case "POST", "/v1/renders/:id/email":
            craftkit.emails.send(
                RENDER,
                got("to"),
                recipient_name=got("recipientName"),
                message=got("message"),
                expires_at=moment(got("expiresAt")),
            )
        case "POST", "/v1/renders/:id/events":
            craftkit.engagement.track(RENDER, got("eventType"), metadata=got("metadata"))
        case "POST", "/v1/signatures":
            craftkit.signatures.create(
                got("renderId"),
                [Recipient.from_json(one) for one in body["recipients"]],
                fields=[SignatureField.from_json(one) for one in body["fields"]],
                anchor_tags=[AnchorTag.from_json(one) for one in body["anchorTags"]],
                name=got("name"),
                expires_in_hours=got("expirationHours"),
                idempotency_key="key",
            )
        case "GET", "/v1/signatures":
            craftkit.signatures.list(
                limit=got("limit"), render_id=got("renderId"), cursor=got("cursor")
            )
        case "POST", "/v1/signatures/:id/cancel":
            craftkit.signatures.cancel(RENDER, reason=got("reason"))
        case "POST", "/v1/hooks/:token":
            reached["hook"].render(body)
        case "POST", "/v1/embed/sessions":
            mint(craftkit, body)
        case "POST", "/v1/embed/sessions/refresh":
            craftkit.embed.refresh_session(got("renewToken"))
        case "POST", "/v1/embed/catalogs":
            craftkit.embed.create_catalog(got("name"), catalog(body["catalog"]))
        case "POST", "/v1/embed/builder/templates":
            craftkit.embed.create_template(got("documentTemplate"))
        case "GET", "/v1/embed/renders":
            craftkit.embed.renders(limit=got("limit"), offset=got("offset"))
        case "POST", "/v1/embed/form-submit/:sessionId":
            reached["session"].submit_form(
                RENDER, got("data"), dataset_selection=got("datasetSelection")
            )
        case "POST", "/v1/projects":
            reached["account"].projects.create(got("name"))
        case "PATCH", "/v1/projects/:id":
            reached["account"].projects.rename(RENDER, got("name"))
        case "POST", "/v1/projects/:id/keys":
            reached["account"].projects.create_key(RENDER, got("name"))
        case "POST", "/v1/admin/provision":
            reached["admin"].provision(
                got("externalOrgId"), got("name"), email_from=got("emailFrom")
            )
        case "PATCH", "/v1/admin/provision":
            reached["admin"].update(got("externalOrgId"), email_from=got("emailFrom"))
        case _:
            raise AssertionError(f"nobody says anything to {endpoint}")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def template(body: dict[str, Any]) -> dict[str, Any]:
    more = {"slug": body["slug"]} if "slug" in body else {}
    return {
        "description": body["description"],
        "layout": body["layout"],
        "page_config": body["pageConfig"],
        **more,
    }


def manifest(body: dict[str, Any]) -> Manifest:
    return Manifest(
        tuple(variable(one) for one in body["variables"]),
        tuple(
            Loop(
                one["key"],
                one["label"],
                tuple(variable(field) for field in one["itemFields"]),
                preview_data=tuple(one["previewData"]),
            )
            for one in body["loops"]
        ),
    )


def variable(body: dict[str, Any]) -> Variable:
    return Variable(
        body["key"],
        body["label"],
        body["dataType"],
        required=body["required"],
        format=body["format"],
    )


def catalog(body: dict[str, Any]) -> Catalog:
    return Catalog(
        allow_custom=body["allowCustom"],
        namespaces=[
            Namespace(one["key"], one["label"], fields(one["fields"]), icon=one["icon"])
            for one in body["namespaces"]
        ],
        loops=[
            CatalogLoop(
                one["key"],
                one["label"],
                fields(one["itemFields"]),
                preview_data=one["previewData"],
            )
            for one in body["loops"]
        ],
    )


def fields(bodies: list[dict[str, Any]]) -> list[CatalogField]:
    return [
        CatalogField(
            one["key"],
            one["label"],
            one["dataType"],
            required=one["required"],
            format=one["format"],
            description=one["description"],
            preview_data=one["previewData"],
        )
        for one in bodies
    ]


def mint(craftkit: Any, body: dict[str, Any]) -> None:
    tenant, actor, scope, form = (body[name] for name in ("tenant", "actor", "scope", "form"))
    called = {name: ours for ours, name in options.PERMISSIONS.items()}
    reference, inline = body.get("catalogRef"), body.get("variableCatalog")
    craftkit.embed.create_session(
        Tenant(tenant["externalId"], tenant["displayName"], branding=tenant["branding"]),
        Actor(
            actor["externalId"],
            actor["displayName"],
            email=actor["email"],
            avatar_url=actor["avatarUrl"],
        ),
        scope=Scope(
            scope["mode"],
            template_id=scope["templateId"],
            template_external_id=scope["templateExternalId"],
        ),
        permissions={called[name]: allowed for name, allowed in body["permissions"].items()},
        permissions_preset=body["permissionsPreset"],
        form=FormOptions(
            prefill=form["prefill"],
            show_preview=form["showPreview"],
            show_document_after_submit=form["showDocumentAfterSubmit"],
            redirect_url=form["redirectUrl"],
            collect=form["captureMode"] == "collect",
        ),
        catalog=CatalogRef(reference["name"], reference["version"]) if reference else None,
        variable_catalog=catalog(inline) if inline else None,
        branding=body["branding"],
        appearance=body["appearance"],
        callbacks=Callbacks(
            on_published_url=body["callbacks"]["onPublishedUrl"],
            on_close_url=body["callbacks"]["onCloseUrl"],
        ),
        limits=SessionLimits(
            max_publishes=body["limits"]["maxPublishes"],
            max_save_drafts=body["limits"]["maxSaveDrafts"],
            max_upload_bytes=body["limits"]["maxUploadsBytes"],
        ),
    )


@pytest.mark.parametrize("endpoint", FIELDS, ids=" ".join)
def test_the_samples_say_all_that_the_contract_lists(endpoint: Endpoint) -> None:
    said = {path for sample in SAMPLES[endpoint] for path in paths(sample)}
    assert said == FIELDS[endpoint].keys()


@pytest.mark.parametrize("endpoint", FIELDS, ids=" ".join)
def test_the_client_says_all_that_the_contract_lists(endpoint: Endpoint) -> None:
    for sample in SAMPLES[endpoint]:
        said = sent(endpoint, sample)
        assert paths(said) == paths(sample) - NOT_SENT
        for path in paths(sample) & NOT_SENT:
            *parents, name = path.split(".")
            owner = sample[parents[0]] if parents else sample
            said_of = said[parents[0]] if parents else said
            said_of[name] = owner[name]
        assert said == sample


def test_nothing_is_said_to_an_endpoint_that_takes_nothing() -> None:
    for client, reached in clients([], Keeper).items():
        for name, method in methods(reached, client):
            with pytest.raises(NotFound):
                # Lists are asked for when they are read.
                list(method(**arguments(name, method)))
            request = Keeper.last
            url = urlsplit(unquote(str(request.url)))
            if (request.method, url.path) not in {*FIELDS, UPLOAD}:
                assert (request.body, url.query) == (None, ""), name


@pytest.mark.parametrize(("endpoint", "path", "sample"), cases(), ids=str)
def test_the_client_has_no_limit_that_the_contract_has_not(
    endpoint: Endpoint, path: str, sample: int
) -> None:
    body = SAMPLES[endpoint][sample]
    for value in extremes(FIELDS[endpoint][path], path):
        said = changed(body, path, value)
        assert paths(sent(endpoint, said)) == paths(body) - NOT_SENT


#: Texts of which the contract has a list, or another rule for how they are written.
WRITTEN = {"channel", "eventType", "designation", "type", "dataType", "mode", "baseTheme"}


def extremes(field: str, path: str) -> list[Any]:
    """What the contract just takes."""
    kind, least, most = limits(field)
    if path.rpartition(".")[2] in WRITTEN | {"captureMode"}:
        return []
    match kind:
        case "text":
            return ["x" * (least or 1), "x" * (most or LONG)]
        case "email":
            return ["x" * ((most or LONG) - 12) + "@example.com"]
        case "url":
            return ["https://example.com/" + "x" * LONG]
        case "whole":
            return [1 if least is None else least, 10**9 if most is None else most]
        case "number":
            return [0.01 if least is None else least, most]
    return []
