"""The routes of Craftkit's REST API, one file a resource."""

from __future__ import annotations

from . import (
    emails,
    embed,
    engagement,
    health,
    hooks,
    projects,
    provisioning,
    renders,
    shares,
    signatures,
    templates,
)

_RESOURCES = (
    health,
    templates,
    renders,
    shares,
    emails,
    engagement,
    signatures,
    hooks,
    projects,
    provisioning,
)

ROUTES = [
    *(each.routes for each in _RESOURCES),
    *embed.ROUTES,
]
