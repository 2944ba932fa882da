"""The body of a webhook as servers pass it on: all of it, or the true reason why not.

Django reads as many bytes as ``Content-Length`` says, and none without it. A webhook that comes in
chunks has none. An ASGI server passes it on whole. A WSGI server does so in one of three ways:

- it counts the bytes and sets ``CONTENT_LENGTH`` (Waitress; nginx before any server);
- it ends ``wsgi.input`` where the body ends, and says so with ``wsgi.input_terminated``
  (Gunicorn, Cheroot);
- not at all (uWSGI by itself, runserver).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.handlers.wsgi import WSGIRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIEnvironment

    from django.http import HttpRequest


class UnusableBody(Exception):
    """A body that can't be verified: how it is answered, and what the log says of it."""

    def __init__(self, status: int, answer: str, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.answer = answer
        self.why = why


def read_body(request: HttpRequest, most: int) -> bytes:
    """Return the body, of up to ``most`` bytes; raise ``UnusableBody`` where it is not whole."""
    if not isinstance(request, WSGIRequest):
        return _read(request.read, most)
    environ = request.environ
    if _is_chunked(environ) and environ.get("wsgi.input_terminated"):
        # Django stops at Content-Length, which may say less, or is missing.
        body = _read(request.read, most)
        return body + _read(environ["wsgi.input"].read, most, len(body))
    declared = _declared_length(environ)
    body = _read(request.read, most)
    if declared is not None and len(body) < declared:
        why = "its body ended before its Content-Length"
        raise UnusableBody(400, "The body ended early", why)
    return body


def is_length_unknown(request: HttpRequest) -> bool:
    """Whether the server does not say where the body ends, so that it may not have been read.

    With ``CONTENT_LENGTH`` beside, all of it was read behind nginx with ``uwsgi_pass``, and none of
    it in uWSGI by itself: only the signature tells.
    """
    return (
        isinstance(request, WSGIRequest)
        and _is_chunked(request.environ)
        and not request.environ.get("wsgi.input_terminated")
    )


def _is_chunked(environ: WSGIEnvironment) -> bool:
    return environ.get("HTTP_TRANSFER_ENCODING", "").strip().lower() not in ("", "identity")


def _declared_length(environ: WSGIEnvironment) -> int | None:
    text = (environ.get("CONTENT_LENGTH") or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        why = "its Content-Length is no number of bytes"
        raise UnusableBody(400, "The Content-Length is wrong", why)
    # Python refuses to read more than 4,300 digits.
    return int(text[:1_000])


def _read(read: Callable[[int], bytes], most: int, done: int = 0) -> bytes:
    """Read up to the end, or one byte more than ``most``, of which ``done`` were read before."""
    parts: list[bytes] = []
    try:
        # A single read may give less than there is.
        while done <= most and (part := read(most + 1 - done)):
            parts.append(part)
            done += len(part)
    except Exception as error:
        # Whatever the server raises is about these bytes: Gunicorn's errors and Cheroot's are
        # no OSErrors where a chunk is garbled.
        why = f"its body could not be read ({type(error).__name__})"
        raise UnusableBody(400, "The body could not be read", why) from error
    if done > most:
        raise UnusableBody(413, "The body is too large", f"the body is over {most} bytes")
    return b"".join(parts)
