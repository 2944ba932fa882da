"""What guests, signers, recipients of e-mails and people in an iframe see."""

from __future__ import annotations

from . import emails, embed, shares, signatures

ROUTES = [shares.routes, signatures.routes, emails.routes, *embed.ROUTES]
