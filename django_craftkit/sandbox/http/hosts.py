"""Which hosts a sandbox answers for over a socket.

A web page can have its own name lead to 127.0.0.1 (DNS rebinding); to the browser the sandbox is
that page's own site then, and the page may read everything in it. The Host header tells.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from django_craftkit.sandbox.core.errors import Refusal

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

LOCAL_ADDRESS: Final = "craftkit.local_address"
"""Where `SandboxServer` puts the address that the connection came in by."""

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/@\[\]]+))(?::\d{0,5})?", re.ASCII | re.IGNORECASE)


def check(environ: WSGIEnvironment, public_url: str) -> None:
    """Refuse a call whose Host is not loopback, the address it came to, or that of `public_url`.

    Raises:
        Refusal: `forbidden`; the message says what to do.
    """
    host = _name(environ.get("HTTP_HOST", ""))
    # No browser leaves it out.
    if not host or host in _own(environ, public_url) or _is_loopback(host):
        return
    raise Refusal(
        "forbidden",
        "The sandbox does not answer for this Host, so that no web page can get at it by DNS "
        "rebinding. Call it by 127.0.0.1, or start it with --public-url http://<this host>.",
    )


def _name(host: str) -> str:
    """The host without its port, in small letters; `?` for what is none."""
    if not host:
        return ""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower().rstrip(".") or "?" if found else "?"


def _own(environ: WSGIEnvironment, public_url: str) -> set[str]:
    # An address of IPv6 may name its interface (%eth0), which no Host does.
    address = str(environ.get(LOCAL_ADDRESS, "")).partition("%")[0]
    return {address.lower().removeprefix("::ffff:"), (urlsplit(public_url).hostname or "")} - {""}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
