"""The path of a call as it was sent: `%2F` is a character of its segment, not the end of one.

WSGI hands on a path that has been decoded, in which `/v1/templates/a%2Frender` looks like
`/v1/templates/a/render`. Servers pass the target of the request beside it; the sandbox routes by
that, so that a call means the same over a socket and in the process.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_to_bytes

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

_HOOK = re.compile(r"^(/v1/+hooks/+).+", re.ASCII | re.DOTALL | re.IGNORECASE)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.ASCII | re.IGNORECASE)


def sent_path(environ: WSGIEnvironment) -> str:
    """The path in one spelling: all that may be encoded is, `/` only ends segments.

    A server that doesn't tell the target, or a middleware that changed the path, leaves
    `PATH_INFO` alone to go by.
    """
    script, info = (environ.get(name, "") for name in ("SCRIPT_NAME", "PATH_INFO"))
    path = quote(info.encode("latin-1"), safe="/")
    for name in ("REQUEST_URI", "RAW_URI"):
        target = _path_of(environ.get(name, ""))
        if target and _decoded(target) == _decoded(quote((script + info).encode("latin-1"))):
            path = "/".join(["", *target.split("/")[1 + script.count("/") :]])
            break
    # Several slashes at the start are one, as Python's own server has it.
    segments = path.lstrip("/").split("/")
    return "/" + "/".join(quote(unquote_to_bytes(segment), safe="") for segment in segments)


def readable(path: str) -> str:
    """A path of `sent_path` for people and patterns: decoded, but for `%2F` and `%25`."""
    return "/".join(
        unquote(segment).replace("%", "%25").replace("/", "%2F") for segment in path.split("/")
    )


def without_token(path: str) -> str:
    """A path of `readable` for logs: the token of an inbound hook is as good as a key."""
    return _HOOK.sub(r"\1[token]", path)


def _path_of(target: str) -> str:
    # A target may be a whole URL.
    path = re.split("[?#]", target, maxsplit=1)[0]
    return _ORIGIN.sub("", path, count=1) if _ORIGIN.match(path) else path


def _decoded(path: str) -> str:
    # Servers replace what is no UTF-8, and not all of them at the same time.
    return unquote_to_bytes(path.encode("latin-1")).decode("utf-8", "replace")
