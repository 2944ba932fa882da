"""The sandbox's own control, `/_sandbox/`: a page for people, and JSON. No part of Craftkit."""

from __future__ import annotations

from . import emails, embed, faults, hooks, overview, projects, signatures

ROUTES = [each.routes for each in (overview, emails, projects, hooks, signatures, embed, faults)]
