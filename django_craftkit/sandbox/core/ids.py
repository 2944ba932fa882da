"""Identifiers and tokens as Craftkit makes them (renders-templates.md, section 0)."""

from __future__ import annotations

import secrets
import uuid


def uuid4() -> str:
    """A random UUID, for everything that is no render."""
    return str(uuid.uuid4())


def uuid7(now: float) -> str:
    """A UUIDv7, as renders have: it sorts by `now` (seconds since 1970) to the millisecond."""
    milliseconds = max(0, int(now * 1000)) & (2**48 - 1)
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def share_token() -> str:
    """A token that can't be guessed, with the prefix of real ones."""
    return "cks_" + secrets.token_urlsafe(24)


def recipient_id() -> str:
    """What the provider of signatures calls a recipient: `rcp_8e10-12ab34cd56ef`."""
    return "rcp_" + uuid4()[-17:]


def signing_token() -> str:
    """What leads a recipient, and nobody else, to their page."""
    return "sig_" + secrets.token_urlsafe(24)


def message_id() -> str:
    """What the service that sends mails calls one."""
    return "re_" + secrets.token_urlsafe(24)


def renew_token() -> str:
    """What renews an embed session, once: `ert_8sR2...Xq`."""
    return "ert_" + secrets.token_urlsafe(24)
