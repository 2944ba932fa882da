"""The sandbox's own control, `/_sandbox/`: a page for people, and JSON. No part of Craftkit."""

from __future__ import annotations

from . import emails, embed, faults, overview, projects, signatures

ROUTES = [
    overview.routes,
    emails.routes,
    projects.routes,
    signatures.routes,
    embed.routes,
    faults.routes,
]
