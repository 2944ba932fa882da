"""What a request may say: the tables of Craftkit's contract, field by field.

A field is `text`, `email`, `url`, `uuid`, `moment`, `flag`, `number`, `whole`, `scalar`, `object`
or `objects`, or `any` where the contract does not say what it is. Limits, of characters, of a
number or of a list, stand behind it: `text 1-120`, `text -280`. What none stands behind has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.endpoints import Endpoint

Fields = dict[str, str]
"""By their paths: `recipients[].email`."""


def below(path: str, fields: Mapping[str, str]) -> Fields:
    return {
        f"{path}{name if name.startswith('[') else f'.{name}'}": f for name, f in fields.items()
    }


VARIABLE: Final[Fields] = {
    "key": "text",
    "label": "text",
    "dataType": "text",
    "required": "flag",
    "format": "text",
}
TEMPLATE: Final[Fields] = {
    "name": "text 1-120",
    "description": "text -280",
    "manifest": "object",
    "manifest.variables": "objects",
    **below("manifest.variables[]", VARIABLE),
    "manifest.loops": "objects",
    **below(
        "manifest.loops[]",
        {
            "key": "text",
            "label": "text",
            "itemFields": "objects 1-",
            **below("itemFields[]", VARIABLE),
            "previewData": "objects -10",
        },
    ),
    "layout": "object",
    "pageConfig": "object",
    "pageConfig.format": "any",
    "pageConfig.orientation": "any",
    "pageConfig.margin": "any",
    "pageConfig.printBackground": "any",
}
CATALOG_FIELD: Final[Fields] = {
    "key": "text 1-160",
    "label": "text 1-160",
    "dataType": "text",
    "required": "flag",
    "format": "text -60",
    "description": "text -280",
    "previewData": "scalar",
}
CATALOG: Final[Fields] = {
    "allowCustom": "flag",
    "namespaces": "objects",
    **below(
        "namespaces[]",
        {
            "key": "text",
            "label": "text",
            "icon": "text",
            "fields": "objects 1-",
            **below("fields[]", CATALOG_FIELD),
        },
    ),
    "loops": "objects",
    **below(
        "loops[]",
        {
            "key": "text",
            "label": "text",
            "itemFields": "objects 1-",
            **below("itemFields[]", CATALOG_FIELD),
            "previewData": "objects -10",
        },
    ),
}
PERMISSIONS: Final = (
    "publish",
    "saveDraft",
    "delete",
    "rename",
    "rollback",
    "createCustomVariables",
    "changePageSettings",
    "viewVersionHistory",
    "submitForm",
    "saveFormDraft",
    "shareDocument",
    "emailDocument",
    "viewEngagement",
)
PLACE: Final[Fields] = {"recipientIndex": "whole 0-0", "type": "text", "required": "flag"}

#: What the bodies of requests hold, or their queries. Other endpoints take neither.
FIELDS: Final[dict[Endpoint, Fields]] = {
    ("POST", "/v1/templates"): TEMPLATE | {"slug": "text -120"},
    ("PUT", "/v1/templates/:slug"): TEMPLATE,
    ("POST", "/v1/templates/:slug/render"): {
        "data": "object",
        "jobId": "text 1-200",
        "options": "object",
        "options.sync": "flag",
        "options.versionNumber": "whole",
        "options.filename": "text",
    },
    ("POST", "/v1/renders/:id/shares"): {
        "channel": "text",
        "recipientEmail": "email",
        "message": "text -2000",
        "expiresAt": "moment",
    },
    ("POST", "/v1/renders/:id/email"): {
        "to": "email",
        "recipientName": "text -200",
        "message": "text -2000",
        "expiresAt": "moment",
    },
    ("POST", "/v1/renders/:id/events"): {"eventType": "text", "metadata": "object"},
    ("POST", "/v1/signatures"): {
        "renderId": "uuid",
        "name": "text 1-255",
        "recipients": "objects 1-20",
        **below(
            "recipients[]",
            {
                "firstName": "text 1-100",
                "lastName": "text -100",
                "email": "email -255",
                "designation": "text",
                "order": "whole 1-1",
            },
        ),
        "fields": "objects -200",
        **below(
            "fields[]",
            PLACE
            | {
                "page": "whole 1-",
                "x": "number 0-100",
                "y": "number 0-100",
                "width": "number -100",
                "height": "number -100",
            },
        ),
        "anchorTags": "objects -200",
        **below(
            "anchorTags[]",
            PLACE
            | {
                "anchorString": "text 1-200",
                "width": "number -1000",
                "height": "number -1000",
                "ignoreIfNotPresent": "flag",
            },
        ),
        "expirationHours": "whole 1-8760",
    },
    ("GET", "/v1/signatures"): {"limit": "whole 1-100", "renderId": "uuid", "cursor": "moment"},
    ("POST", "/v1/signatures/:id/cancel"): {"reason": "text -500"},
    # The data themselves.
    ("POST", "/v1/hooks/:token"): {},
    ("POST", "/v1/embed/sessions"): {
        "tenant": "object",
        "tenant.externalId": "text 1-160",
        "tenant.displayName": "text 1-200",
        "tenant.branding": "object",
        "actor": "object",
        "actor.externalId": "text 1-160",
        "actor.displayName": "text -200",
        "actor.email": "email",
        "actor.avatarUrl": "url",
        "scope": "object",
        "scope.mode": "text",
        # The contract names it of tokens, and leaves open what else a scope holds.
        "scope.templateId": "uuid",
        "scope.templateExternalId": "text",
        "variableCatalog": "object",
        **below("variableCatalog", CATALOG),
        "catalogRef": "object",
        "catalogRef.name": "text 1-120",
        "catalogRef.version": "whole",
        "permissions": "object",
        **below("permissions", dict.fromkeys(PERMISSIONS, "flag")),
        "permissionsPreset": "text -60",
        "branding": "object",
        **below(
            "branding",
            dict.fromkeys(["primaryColor", "logoUrl", "fontUrl", "locale", "ui", "support"], "any"),
        ),
        "appearance": "object",
        "appearance.baseTheme": "text",
        **below(
            "appearance",
            dict.fromkeys(
                ["variables", "rules", "layout", "stylesheetUrl", "fontUrl", "logoUrl"], "any"
            ),
        ),
        "callbacks": "object",
        "callbacks.onPublishedUrl": "url",
        "callbacks.onCloseUrl": "url",
        "limits": "object",
        "limits.maxPublishes": "whole",
        "limits.maxSaveDrafts": "whole",
        "limits.maxUploadsBytes": "whole",
        "form": "object",
        "form.prefill": "object",
        "form.showPreview": "flag",
        "form.showDocumentAfterSubmit": "flag",
        "form.redirectUrl": "url",
        "form.captureMode": "text",
    },
    ("POST", "/v1/embed/sessions/refresh"): {"renewToken": "text 8-"},
    ("POST", "/v1/embed/catalogs"): {
        "name": "text 1-120",
        "catalog": "object",
        **below("catalog", CATALOG),
    },
    ("POST", "/v1/embed/builder/templates"): {
        "documentTemplate": "object",
        "documentTemplate.name": "text",
        # Not validated.
        "documentTemplate.layout": "any",
        "documentTemplate.presetKey": "text",
    },
    ("GET", "/v1/embed/renders"): {"limit": "whole 1-100", "offset": "whole 0-"},
    ("POST", "/v1/embed/form-submit/:sessionId"): {"data": "object", "datasetSelection": "object"},
    ("POST", "/v1/projects"): {"name": "text 1-120"},
    ("PATCH", "/v1/projects/:id"): {"name": "text 1-200"},
    ("POST", "/v1/projects/:id/keys"): {"name": "text 1-200"},
    ("POST", "/v1/admin/provision"): {"externalOrgId": "text", "name": "text", "emailFrom": "text"},
    ("PATCH", "/v1/admin/provision"): {"externalOrgId": "text", "emailFrom": "text"},
}
#: What the client never sends: waiting is done on this side, and the key goes in the header, which
#: Craftkit looks at first.
NOT_SENT: Final = {"jobId", "options.sync"}


def limits(field: str) -> tuple[str, int | None, int | None]:
    """The kind of a field, and its limits."""
    kind, _, bounds = field.partition(" ")
    least, _, most = bounds.partition("-")
    return kind, int(least) if least else None, int(most) if most else None


def paths(value: Any, at: str = "") -> set[str]:
    """The paths of all that is in a body; what has no names of its own is not looked into."""
    found: set[str] = set()
    if isinstance(value, dict):
        for name, one in value.items():
            path = f"{at}.{name}" if at else name
            found |= {path} if path in OPAQUE else {path, *paths(one, path)}
    elif isinstance(value, list):
        found |= {path for one in value for path in paths(one, f"{at}[]")}
    return found


#: Objects with names that are the caller's, or Craftkit's own.
OPAQUE: Final = {
    "data",
    "metadata",
    "layout",
    "datasetSelection",
    "tenant.branding",
    "form.prefill",
    "documentTemplate.layout",
    "manifest.loops[].previewData",
    "catalog.loops[].previewData",
    "variableCatalog.loops[].previewData",
    *(f"branding.{name}" for name in ("ui", "support")),
    *(f"appearance.{name}" for name in ("variables", "rules", "layout")),
}
