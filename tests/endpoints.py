"""The endpoints of Craftkit's API, as its documentation lists them."""

from __future__ import annotations

from typing import Final

Endpoint = tuple[str, str]
"""A method and a path, with Craftkit's names of what stands in it."""

#: An address of the quickstart for one of the reference, without its version in the path.
VARIANTS: Final[dict[Endpoint, Endpoint]] = {("GET", "/health"): ("GET", "/v1/health")}

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *VARIANTS,
    ("GET", "/v1/health"),
    # Templates and renders, with the key of a project.
    ("POST", "/v1/templates"),
    ("GET", "/v1/templates"),
    ("GET", "/v1/templates/:slug"),
    ("PUT", "/v1/templates/:slug"),
    ("DELETE", "/v1/templates/:slug"),
    ("POST", "/v1/templates/:slug/render"),
    ("GET", "/v1/renders/:id"),
    ("GET", "/v1/renders/:id/download"),
    ("POST", "/v1/renders/:id/shares"),
    ("GET", "/v1/renders/:id/shares"),
    ("DELETE", "/v1/renders/:id/shares/:shareId"),
    ("POST", "/v1/renders/:id/email"),
    ("GET", "/v1/renders/:id/engagement"),
    ("POST", "/v1/renders/:id/events"),
    # Signatures, with the key of a project.
    ("POST", "/v1/signatures"),
    ("GET", "/v1/signatures"),
    ("GET", "/v1/signatures/:id"),
    ("POST", "/v1/signatures/:id/cancel"),
    ("GET", "/v1/signatures/:id/download"),
    ("GET", "/v1/signatures/:id/certificate"),
    # The inbound hook, with its token in the path.
    ("POST", "/v1/hooks/:token"),
    # Embed, with the key of a project.
    ("POST", "/v1/embed/sessions"),
    ("POST", "/v1/embed/sessions/refresh"),
    ("POST", "/v1/embed/catalogs"),
    ("POST", "/v1/embed/builder/templates"),
    ("GET", "/v1/embed/builder/templates"),
    ("GET", "/v1/embed/renders"),
    ("GET", "/v1/embed/renders/:id/download"),
    # Embed, with the token of a session.
    ("GET", "/v1/embed/renders/:id"),
    ("POST", "/v1/embed/form-submit/:sessionId"),
    ("POST", "/v1/embed/form-submit/:sessionId/upload-image"),
    # Projects, with the key of an account.
    ("POST", "/v1/projects"),
    ("GET", "/v1/projects"),
    ("GET", "/v1/projects/:id"),
    ("PATCH", "/v1/projects/:id"),
    ("DELETE", "/v1/projects/:id"),
    ("POST", "/v1/projects/:id/keys"),
    # Organizations, with Craftkit's admin key.
    ("POST", "/v1/admin/provision"),
    ("PATCH", "/v1/admin/provision"),
)
