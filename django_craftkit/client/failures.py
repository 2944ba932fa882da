"""What a call that failed below HTTP proves: whether Craftkit may have acted on it.

An exception's type proves nothing: `InvalidHeader` is raised for a header that can't be sent, and
for an answer's. Only where no connection came about has no byte left, and that is watched.
"""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING, Final

import requests
import urllib3.exceptions
from urllib3.util.ssl_match_hostname import CertificateError

from django_craftkit.client.connections import has_connected
from django_craftkit.client.errors import CraftkitConnectionError, CraftkitError, CraftkitTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

# What requests and what lies below it raise for a call that went wrong. RequestException is an
# OSError; the others are what it forgets to wrap.
NETWORK_ERRORS: Final = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)


def of_preparing(error: Exception) -> CraftkitError:
    """What a failure means before anybody has tried to connect: nothing was sent."""
    message = "The call to Craftkit could not be made"
    if "TLS CA certificate bundle" in str(error):
        message = "The certificates to check Craftkit's with were not found here"
    name = _name(list(_causes(error)))
    return CraftkitConnectionError(f"{message} ({name}).", maybe_handled=False)


def of_sending(error: Exception) -> CraftkitError:
    """What a failure means between the adapter's start and Craftkit's answer."""
    connected = has_connected()
    if connected is None:
        # Nobody has watched this adapter.
        connected = not _is_about_connecting(error)
    if connected:
        return of_reading(error)
    causes = list(_causes(error))
    kind, message = _why_unconnected(causes)
    return kind(f"{message} ({_name(causes)}).", maybe_handled=False)


def of_reading(error: Exception) -> CraftkitError:
    """What a failure means once Craftkit may have the call."""
    causes = list(_causes(error))
    kind: type[CraftkitError] = CraftkitConnectionError
    message = "The connection to Craftkit was cut"
    if _any(causes, *_LATE):
        kind, message = CraftkitTimeout, "Craftkit did not answer in time"
    elif _any(causes, *_UNREADABLE):
        message = "Craftkit's answer can't be read"
    return kind(f"{message} ({_name(causes)}).", maybe_handled=True)


# Of whatever has begun. The last one is a socket's own, and a deadline's.
_LATE: Final[tuple[type[Exception], ...]] = (
    requests.exceptions.ReadTimeout,
    urllib3.exceptions.ReadTimeoutError,
    TimeoutError,
)
# Of an answer, once one has begun.
_UNREADABLE: Final[tuple[type[Exception], ...]] = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.ContentDecodingError,
    urllib3.exceptions.InvalidHeader,
    urllib3.exceptions.DecodeError,
)


def _why_unconnected(causes: list[BaseException]) -> tuple[type[CraftkitError], str]:
    if _any(causes, requests.exceptions.ConnectTimeout, *_LATE) or (
        _any(causes, urllib3.exceptions.ConnectTimeoutError)
        and not _any(causes, urllib3.exceptions.NewConnectionError)
    ):
        return CraftkitTimeout, "Craftkit could not be reached in time"
    message = "Craftkit could not be reached"
    if any(type(cause).__name__ == "NameResolutionError" for cause in causes):
        message = "Craftkit's host name could not be resolved"
    elif any(_is_refused_tunnel(cause) for cause in causes):
        message = "The proxy before Craftkit refused the connection"
    elif _any(causes, ssl.SSLCertVerificationError, CertificateError):
        message = "Craftkit's certificate is not trusted"
    elif _any(causes, ssl.SSLError):
        message = "The connection to Craftkit could not be secured"
    return CraftkitConnectionError, message


def _is_about_connecting(error: object) -> bool:
    """Whether an exception has the very form in which requests raises that it can't connect.

    Only along the way that urllib3 wraps it: what else is in an exception proves nothing.
    """
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True  # "safe to retry", says requests
    if isinstance(error, urllib3.exceptions.MaxRetryError):
        return _is_about_connecting(error.reason)
    if isinstance(error, urllib3.exceptions.ProxyError):
        return _is_about_connecting(error.original_error)
    wraps = (requests.exceptions.ConnectionError, urllib3.exceptions.SSLError)
    if isinstance(error, wraps) and error.args:
        return _is_about_connecting(error.args[0])
    connecting = (
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.ConnectTimeoutError,
        ssl.SSLCertVerificationError,
        CertificateError,
    )
    return isinstance(error, connecting) or _is_refused_tunnel(error)


def _is_refused_tunnel(error: object) -> bool:
    # http.client has no type of its own for it. A subclass may quote what a server said.
    return type(error) is OSError and str(error).startswith("Tunnel connection failed")


def _any(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _name(causes: list[BaseException]) -> str:
    # The kind only: texts of requests and urllib3 hold addresses, and some hold headers.
    return type(causes[-1]).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what is behind it, outermost first; urllib3 keeps causes in three places."""
    seen: list[BaseException] = []
    todo: list[object] = [error]
    while todo and len(seen) < 20:
        cause = todo.pop(0)
        if not isinstance(cause, BaseException) or any(cause is one for one in seen):
            continue
        seen.append(cause)
        yield cause
        # Not __context__: what an error happened to follow is not its reason.
        behind = (getattr(cause, "reason", None), getattr(cause, "original_error", None))
        todo += [*cause.args, *behind, cause.__cause__]
