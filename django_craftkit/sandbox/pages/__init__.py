"""What guests, signers and recipients of e-mails see."""

from __future__ import annotations

from . import emails, shares, signatures

ROUTES = [shares.routes, signatures.routes, emails.routes]
