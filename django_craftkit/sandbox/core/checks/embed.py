"""What the calls of the embed API may say (signatures-webhooks-embed.md, sections 4.1 and 4.4).

The documentation does not say what a permission is that isn't sent: here it isn't given.
`branding`, `appearance`, `callbacks`, `permissionsPreset`, `allowCustom` and the limits of saving
and publishing are taken and do nothing; so are the permissions that docs/sandbox.md lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .shape import Shape, json_type
from .templates import DATA_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

MODES: Final = ("edit", "create", "view", "fill")
#: The permissions of a request, each with its name in a token.
PERMISSIONS: Final = {
    "publish": "publish",
    "saveDraft": "save_draft",
    "delete": "delete",
    "rename": "rename",
    "rollback": "rollback_version",
    "createCustomVariables": "create_custom_variables",
    "changePageSettings": "change_page_settings",
    "viewVersionHistory": "view_version_history",
    "submitForm": "submit_form",
    "saveFormDraft": "save_form_draft",
    "shareDocument": "share_document",
    "emailDocument": "email_document",
    "viewEngagement": "view_engagement",
}
THEMES: Final = ("light", "dark", "auto", "shadcn")
MOST_PREVIEW_ROWS: Final = 10
#: Bytes of a session's uploads together, unless its limits say otherwise.
MOST_UPLOADED: Final = 5 * 1024 * 1024
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_KEY: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.]*")


@dataclass(frozen=True)
class Party:
    """A tenant or an actor."""

    external_id: str
    display_name: str | None
    email: str | None = None
    avatar_url: str | None = None


@dataclass(frozen=True)
class Scope:
    """What a session is for."""

    mode: str = "edit"
    template_id: str | None = None
    template_external_id: str | None = None


@dataclass(frozen=True)
class FormOptions:
    """How a fill session behaves."""

    prefill: Mapping[str, object] = field(default_factory=dict)
    shows_document: bool = True
    redirect_url: str | None = None
    collects: bool = False


@dataclass(frozen=True)
class NewSession:
    """A body of POST /v1/embed/sessions that has been checked."""

    tenant: Party
    actor: Party
    scope: Scope
    permissions: frozenset[str]
    form: FormOptions
    catalog: Mapping[str, Any] | None
    catalog_name: str | None
    catalog_version: int | None
    most_upload_bytes: int


def check_session(body: Mapping[str, object]) -> NewSession:
    """The body of POST /v1/embed/sessions; raises `Refusal` with what is wrong."""
    shape = Shape(body)
    tenant = _part(shape, "tenant", required=True)
    tenant.object("branding")
    actor = _part(shape, "actor", required=True)
    scope = _part(shape, "scope")
    limits = _part(shape, "limits")
    limits.integer("maxPublishes", least=None)
    limits.integer("maxSaveDrafts", least=None)
    most_uploaded = limits.integer("maxUploadsBytes", least=None)
    shape.string("permissionsPreset", most=60)
    shape.object("branding")
    _part(shape, "appearance").choice("baseTheme", THEMES)
    callbacks = _part(shape, "callbacks")
    callbacks.url("onPublishedUrl")
    callbacks.url("onCloseUrl")
    permissions = _part(shape, "permissions")
    reference = _part(shape, "catalogRef")
    named = "catalogRef" in body
    new = NewSession(
        tenant=Party(
            tenant.string("externalId", required=True, least=1, most=160) or "",
            tenant.string("displayName", required=True, least=1, most=200),
        ),
        actor=Party(
            actor.string("externalId", required=True, least=1, most=160) or "",
            actor.string("displayName", most=200),
            actor.email("email"),
            actor.url("avatarUrl"),
        ),
        scope=Scope(
            scope.choice("mode", MODES) or "edit",
            scope.uuid("templateId"),
            scope.string("templateExternalId"),
        ),
        permissions=frozenset(name for name in PERMISSIONS if permissions.boolean(name)),
        form=_form(_part(shape, "form")),
        catalog=_inline_catalog(shape),
        catalog_name=reference.string("name", required=named, least=1, most=120),
        catalog_version=reference.integer("version", least=None),
        most_upload_bytes=MOST_UPLOADED if most_uploaded is None else most_uploaded,
    )
    if named and "variableCatalog" in body:
        shape.wrong("catalogRef", "Only one of catalogRef and variableCatalog may be given")
    if "form" in body and new.scope.mode != "fill":
        shape.wrong("form", "Only for the mode 'fill'")
    shape.refuse()
    return new


def check_catalog(body: Mapping[str, object]) -> tuple[str, Mapping[str, Any]]:
    """Name and content of POST /v1/embed/catalogs; raises `Refusal` with what is wrong."""
    shape = Shape(body)
    name = shape.string("name", required=True, least=1, most=120)
    if name and not _NAME.fullmatch(name):
        shape.wrong("name", "Invalid")
    content = shape.object("catalog", required=True) or {}
    _check_catalog(Shape(content, shape.issues, "catalog"))
    shape.refuse()
    return name or "", content


def _part(shape: Shape, name: str, *, required: bool = False) -> Shape:
    """An object within, as a shape of its own; one that is absent or wrong is empty."""
    content = shape.object(name, required=required)
    if content is None:  # what is wrong with it has been noted; its fields are not missed
        return _Absent({}, shape.issues, shape.path(name))
    return Shape(content, shape.issues, shape.path(name))


class _Absent(Shape):
    """Misses nothing."""

    def _typed(self, name: str, kind: str, required: bool) -> Any:
        return None


def _form(shape: Shape) -> FormOptions:
    shape.boolean("showPreview")
    shows_document = shape.boolean("showDocumentAfterSubmit")
    return FormOptions(
        prefill=shape.object("prefill") or {},
        shows_document=shows_document is not False,
        redirect_url=shape.url("redirectUrl"),
        collects=shape.choice("captureMode", ("render", "collect")) == "collect",
    )


def _inline_catalog(shape: Shape) -> Mapping[str, Any] | None:
    content = shape.object("variableCatalog")
    if content is not None:
        _check_catalog(Shape(content, shape.issues, "variableCatalog"))
    return content


def _check_catalog(catalog: Shape) -> None:
    catalog.boolean("allowCustom")
    for namespace in catalog.objects("namespaces"):
        namespace.string("key", required=True)
        namespace.string("label", required=True)
        namespace.string("icon")
        _check_fields(namespace.objects("fields", required=True, least=1))
    for loop in catalog.objects("loops"):
        loop.string("key", required=True)
        loop.string("label", required=True)
        _check_fields(loop.objects("itemFields", required=True, least=1))
        loop.objects("previewData", most=MOST_PREVIEW_ROWS)


def _check_fields(fields: list[Shape]) -> None:
    for each in fields:
        key = each.string("key", required=True, most=160)
        if key is not None and not _KEY.fullmatch(key):
            each.wrong("key", "Invalid")
        each.string("label", required=True, least=1, most=160)
        each.choice("dataType", DATA_TYPES, required=True)
        each.boolean("required")
        each.string("format", most=60)
        each.string("description", most=280)
        if json_type(each.body.get("previewData")) in {"array", "object"}:
            each.wrong("previewData", "Expected a scalar")
