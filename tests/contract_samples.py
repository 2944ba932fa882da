"""Requests that say all that Craftkit's contract lists."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from tests.contract import FIELDS, PERMISSIONS, paths

if TYPE_CHECKING:
    from tests.endpoints import Endpoint

RENDER: Final = "0193c2c3-1111-7aaa-8bbb-000000000001"
TEMPLATE_ID: Final = "7c9f0b2e-2b1a-4f3d-9c8e-1a2b3c4d5e6f"
RENEW_TOKEN: Final = "ert_8sR2renewal"
UNTIL: Final = "2030-12-31T23:59:59.000Z"

_VARIABLE = {"key": "a", "label": "A", "dataType": "currency", "required": True, "format": "x:EUR"}
_TEMPLATE = {
    "name": "Offer",
    "description": "What is offered.",
    "manifest": {
        "variables": [_VARIABLE],
        "loops": [
            {"key": "lines", "label": "Lines", "itemFields": [_VARIABLE], "previewData": [{"a": 1}]}
        ],
    },
    "layout": {"pages": []},
    "pageConfig": {
        "format": "A4",
        "orientation": "portrait",
        "margin": "20mm",
        "printBackground": True,
    },
}
_CATALOG_FIELD = {**_VARIABLE, "description": "What they owe.", "previewData": 42.5}
_CATALOG = {
    "allowCustom": True,
    "namespaces": [{"key": "crm", "label": "CRM", "icon": "user", "fields": [_CATALOG_FIELD]}],
    "loops": [
        {"key": "rows", "label": "Rows", "itemFields": [_CATALOG_FIELD], "previewData": [{"a": 1}]}
    ],
}
_SESSION = {
    "tenant": {"externalId": "org", "displayName": "Acme", "branding": {"locale": "de"}},
    "actor": {
        "externalId": "ada",
        "displayName": "Ada",
        "email": "ada@example.com",
        "avatarUrl": "https://example.com/ada.png",
    },
    "scope": {"mode": "fill", "templateId": TEMPLATE_ID, "templateExternalId": TEMPLATE_ID},
    "permissions": dict.fromkeys(PERMISSIONS, True),
    "permissionsPreset": "reviewer",
    "branding": {
        "primaryColor": "#225",
        "logoUrl": "https://example.com/logo.png",
        "fontUrl": "https://example.com/font.woff2",
        "locale": "de",
        "ui": {},
        "support": {},
    },
    "appearance": {
        "baseTheme": "dark",
        "variables": {},
        "rules": {},
        "layout": {},
        "stylesheetUrl": "https://example.com/a.css",
        "fontUrl": "https://example.com/font.woff2",
        "logoUrl": "https://example.com/logo.png",
    },
    "callbacks": {
        "onPublishedUrl": "https://example.com/published",
        "onCloseUrl": "https://example.com/closed",
    },
    "limits": {"maxPublishes": 3, "maxSaveDrafts": 30, "maxUploadsBytes": 300},
    "form": {
        "prefill": {"customer": {"name": "Ada"}},
        "showPreview": True,
        "showDocumentAfterSubmit": False,
        "redirectUrl": "https://example.com/thanks",
        "captureMode": "collect",
    },
}
_PLACE = {"recipientIndex": 0, "width": 20, "height": 5, "required": True}

#: Requests that say all that can be said; two where one can't.
SAMPLES: Final[dict[Endpoint, list[dict[str, Any]]]] = {
    ("POST", "/v1/templates"): [_TEMPLATE | {"slug": "offer"}],
    ("PUT", "/v1/templates/:slug"): [_TEMPLATE],
    ("POST", "/v1/templates/:slug/render"): [
        {
            "data": {"customer": {"name": "Ada"}},
            "jobId": "job",
            "options": {"sync": False, "versionNumber": 1, "filename": "offer.pdf"},
        }
    ],
    ("POST", "/v1/renders/:id/shares"): [
        {
            "channel": "email",
            "recipientEmail": "ada@example.com",
            "message": "Here.",
            "expiresAt": UNTIL,
        }
    ],
    ("POST", "/v1/renders/:id/email"): [
        {
            "to": "ada@example.com",
            "recipientName": "Ada",
            "message": "Here.",
            "expiresAt": UNTIL,
        }
    ],
    ("POST", "/v1/renders/:id/events"): [{"eventType": "printed", "metadata": {"a": 1}}],
    ("POST", "/v1/signatures"): [
        {
            "renderId": RENDER,
            "name": "Offer",
            "recipients": [
                {
                    "firstName": "Ada",
                    "lastName": "Lovelace",
                    "email": "ada@example.com",
                    "designation": "Signer",
                    "order": 1,
                }
            ],
            "fields": [{**_PLACE, "type": "initial", "page": 1, "x": 10, "y": 80}],
            "anchorTags": [
                {**_PLACE, "type": "initials", "anchorString": "[[a]]", "ignoreIfNotPresent": True}
            ],
            "expirationHours": 24,
        }
    ],
    ("GET", "/v1/signatures"): [{"limit": 7, "renderId": RENDER, "cursor": UNTIL}],
    ("POST", "/v1/signatures/:id/cancel"): [{"reason": "Too late."}],
    ("POST", "/v1/hooks/:token"): [{}],
    ("POST", "/v1/embed/sessions"): [
        _SESSION | {"catalogRef": {"name": "crm", "version": 1}},
        _SESSION | {"variableCatalog": _CATALOG},
    ],
    ("POST", "/v1/embed/sessions/refresh"): [{"renewToken": RENEW_TOKEN}],
    ("POST", "/v1/embed/catalogs"): [{"name": "crm", "catalog": _CATALOG}],
    ("POST", "/v1/embed/builder/templates"): [
        {"documentTemplate": {"name": "Offer", "layout": {"pages": []}, "presetKey": "offer"}}
    ],
    ("GET", "/v1/embed/renders"): [{"limit": 7, "offset": 3}],
    ("POST", "/v1/embed/form-submit/:sessionId"): [
        {"data": {"customer.name": "Ada"}, "datasetSelection": {"ships": "1"}}
    ],
    ("POST", "/v1/projects"): [{"name": "Shop"}],
    ("PATCH", "/v1/projects/:id"): [{"name": "Shop"}],
    ("POST", "/v1/projects/:id/keys"): [{"name": "Web"}],
    ("POST", "/v1/admin/provision"): [
        {"externalOrgId": "org", "name": "Acme", "emailFrom": "ada@example.com"}
    ],
    ("PATCH", "/v1/admin/provision"): [{"externalOrgId": "org", "emailFrom": "ada@example.com"}],
}


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A body with another value at a path: in each entry of a list, one more level below `[]`."""
    copied = copy.deepcopy(body)
    *parents, name = path.split(".")
    at: Any = copied
    for parent in parents:
        at = at[parent.removesuffix("[]")]
        at = at[0] if parent.endswith("[]") else at
    at[name] = value
    return copied


def cases() -> list[tuple[Endpoint, str, int]]:
    """Each field, and in which sample of its endpoint it is."""
    return [
        (endpoint, path, next(n for n, one in enumerate(SAMPLES[endpoint]) if path in paths(one)))
        for endpoint, fields in FIELDS.items()
        for path in fields
    ]
