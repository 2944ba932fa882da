"""The routes of Craftkit's REST API, one file a resource."""

from __future__ import annotations

from . import emails, embed, engagement, health, renders, shares, signatures, templates

ROUTES = [
    *(each.routes for each in (health, templates, renders, shares, emails, engagement, signatures)),
    *embed.ROUTES,
]
