"""What is kept of the people who open documents: as the settings say, from the door on."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING

from . import conf, untrusted
from .database import sanitized

if TYPE_CHECKING:
    from .untrusted import Json

#: Bits of an address that are kept of a truncated one: a provider's region, no household.
PREFIX = {4: 24, 6: 48}
#: Characters of a browser's name that are kept.
MAX_USER_AGENT = 512

#: What a stored webhook must not hold as it came: people, and a link that is public for ever.
_NEEDLES = (b"sourceIp", b"userAgent", b"downloadUrl")
#: The same in any of JSON's encodings, or what may spell it in escapes.
_SUSPECT = re.compile(
    b"|".join(
        re.escape(gap.join(needle[i : i + 1] for i in range(len(needle))))
        for needle in _NEEDLES
        for gap in (b"", b"\0", b"\0\0\0")
    )
    + rb"|\\u"
)
#: A link that another field of its object follows, in JSON without escapes. A quote behind one of
#: these characters opens a text: it neither ends one nor is part of one.
_LINK = re.compile(rb'"downloadUrl"(?<=[{,\s]"downloadUrl")\s*:\s*(?:"[^"\\]*"|null)\s*,\s*(?=")')
#: The event whose body is the only copy of what somebody has submitted: nothing of it is left out.
FORM_SUBMITTED = "form.submitted"
_FORM = FORM_SUBMITTED.encode()
_IS_FORM = re.compile(rb'"event"\s*:\s*"%s"' % re.escape(_FORM))
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def kept_address(text: str | None) -> str | None:
    """Return what ``CRAFTKIT["ENGAGEMENT_STORE_IP"]`` leaves of an address; no other text."""
    how = conf.options().ENGAGEMENT_STORE_IP
    try:
        address = ipaddress.ip_address((text or "").strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if how == "full":
        return str(address)
    if how != "truncated":
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.sixtofour:
        # What would be left of it is a whole IPv4 address.
        address = address.sixtofour
    network = ipaddress.ip_network((address, PREFIX[address.version]), strict=False)
    return str(network.network_address)


def kept_user_agent(text: str | None) -> str:
    """Return what ``CRAFTKIT["ENGAGEMENT_STORE_USER_AGENT"]`` leaves of a browser's name."""
    if not text or not conf.options().ENGAGEMENT_STORE_USER_AGENT:
        return ""
    return str(sanitized(text)[:MAX_USER_AGENT])


def kept_body(body: bytes) -> bytes:
    """Return a webhook's body as it may be stored; one that holds nothing of the kind, as it is.

    What was submitted by a form is stored as it came, whatever its fields are called.
    """
    # Else a name may be spelled in escapes, or in UTF-16.
    if b"\\u" not in body and b"\0" not in body:
        # Most webhooks hold a link and nothing else of the kind: they need not be parsed for it.
        is_read = b'"metadata"' in body or _FORM in body
        kept_text = body if is_read else _LINK.sub(b"", body)
        if not any(needle in kept_text for needle in _NEEDLES):
            return kept_text
    try:
        payload = untrusted.loads(body)
        if isinstance(payload, dict) and payload.get("event") == FORM_SUBMITTED:
            return body
        kept = _kept(payload)
        if kept == payload and not any(needle in body for needle in _NEEDLES):
            return body
        text = _ENCODER.encode(kept)
    except ValueError:
        if _IS_FORM.search(body):
            return body
        # It will be shown as unusable, as far as nobody can be in it.
        return _SUSPECT.split(body, maxsplit=1)[0]
    return text.encode("utf-8", "surrogatepass")


def _kept(value: object, name: str = "") -> Json:
    if name == "metadata":
        return value  # what this site, or its application, has told of its own will
    if name in ("sourceIp", "userAgent"):
        text = value if isinstance(value, str) else None
        return kept_address(text) if name == "sourceIp" else kept_user_agent(text) or None
    if isinstance(value, list):
        return [_kept(item) for item in value]
    if isinstance(value, dict):
        return {key: _kept(item, key) for key, item in value.items() if key != "downloadUrl"}
    return value
