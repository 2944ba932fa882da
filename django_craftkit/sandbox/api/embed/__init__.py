"""The embed API (signatures-webhooks-embed.md, section 4), one file a resource."""

from __future__ import annotations

from . import builder, catalogs, forms, renders, sessions

ROUTES = [each.routes for each in (sessions, catalogs, builder, forms, renders)]
