"""A client of Craftkit's REST API: typed, on requests, without Django.

    craftkit = Craftkit("ck_live_…")
    render = craftkit.renders.render("invoice", {"total": 42}, idempotency_key="invoice-2026-005")

Every failure is a `CraftkitError`; its `maybe_handled` tells whether Craftkit may have acted.
"""

from __future__ import annotations

import math
from urllib.parse import urlsplit

from requests.exceptions import RequestException

from django_craftkit.client.download import DOWNLOAD_LIMIT, Download
from django_craftkit.client.emails import Emails
from django_craftkit.client.encoding import path
from django_craftkit.client.engagement import Engagement, EngagementEvent, EngagementLog
from django_craftkit.client.envelope import (
    AnchorTag,
    Recipient,
    SignatureField,
    check_signature,
)
from django_craftkit.client.errors import (
    AuthenticationError,
    Conflict,
    CraftkitConnectionError,
    CraftkitError,
    CraftkitTimeout,
    CreditsExhausted,
    InvalidData,
    InvalidRequest,
    InvalidResponse,
    InvalidSignatureRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
)
from django_craftkit.client.fields import Listed
from django_craftkit.client.renders import Renders
from django_craftkit.client.secret import Secret
from django_craftkit.client.shares import Shares
from django_craftkit.client.signatures import (
    SignatureNotice,
    SignaturePage,
    SignatureRecipient,
    SignatureRequest,
    Signatures,
)
from django_craftkit.client.templates import Templates
from django_craftkit.client.transport import Adapter, Timeout, Transport
from django_craftkit.client.types import (
    DeletedTemplate,
    Health,
    Loop,
    Manifest,
    PublishedTemplate,
    Render,
    Revocation,
    SentEmail,
    Share,
    Template,
    TemplateSummary,
    Variable,
)
from django_craftkit.untrusted import JsonObject  # noqa: TC001

__all__ = [
    "AnchorTag",
    "AuthenticationError",
    "Conflict",
    "Craftkit",
    "CraftkitConnectionError",
    "CraftkitError",
    "CraftkitTimeout",
    "CreditsExhausted",
    "DeletedTemplate",
    "Download",
    "Engagement",
    "EngagementEvent",
    "Health",
    "InvalidData",
    "InvalidRequest",
    "InvalidResponse",
    "InvalidSignatureRequest",
    "Listed",
    "Loop",
    "Manifest",
    "NotFound",
    "PermissionDenied",
    "PublishedTemplate",
    "RateLimited",
    "Recipient",
    "Render",
    "Revocation",
    "SentEmail",
    "ServerError",
    "Share",
    "SignatureField",
    "SignatureNotice",
    "SignaturePage",
    "SignatureRecipient",
    "SignatureRequest",
    "Template",
    "TemplateSummary",
    "Variable",
    "check_signature",
]


class Craftkit:
    """Craftkit, as one project sees it. Threads and processes may share one.

    Sources: https://docs.craftkit.dev/guides/authentication and
    https://docs.craftkit.dev/guides/hosts-and-environments

    Args:
        api_key: a project key (`ck_live_…`, `ck_test_…`). Goes to the host of `base_url` alone.
        base_url: http or https, without the `/v1` that each call adds. A key works in its own
            environment only.
        timeout: seconds that a call may take, with all its tries, their pauses and its answer; a
            `Download` may take longer. Of a pair, the first number is for one step of connecting
            (an address of the host, a proxy, a handshake), the second one for the whole. Looking up
            a name can't be interrupted, and its time counts.
        max_retries: further tries of what may safely be retried; 0 for none.
        max_download_bytes: of one PDF; a larger one is refused.
        adapter: makes the requests adapter that each session mounts for `base_url`. One that is
            no `requests.adapters.HTTPAdapter` must keep to the `timeout` that it is given.

    Raises:
        ValueError: one of these can't be used.
    """

    base_url: str = ""
    templates: Templates
    renders: Renders
    shares: Shares
    emails: Emails
    engagement: EngagementLog
    signatures: Signatures

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = "https://api.craftkit.dev",
        timeout: Timeout = (3.05, 30.0),
        max_retries: int = 2,
        max_download_bytes: int = DOWNLOAD_LIMIT,
        adapter: Adapter | None = None,
    ) -> None:
        # First of all, since error pages show the locals of every frame.
        key, api_key = Secret(api_key.strip() if isinstance(api_key, str) else ""), ""
        _check_key(key)
        _check_timeout(timeout)
        _check_number("max_retries", max_retries, least=0)
        _check_number("max_download_bytes", max_download_bytes, least=1)
        self.base_url = _base_url(base_url)
        try:
            transport = Transport(
                key,
                base_url=self.base_url,
                timeout=timeout,
                max_retries=max_retries,
                max_download_bytes=max_download_bytes,
                adapter=adapter,
            )
        except RequestException:
            raise ValueError("base_url is not an address that can be called.") from None
        self._transport = transport
        self.templates = Templates(transport)
        self.renders = Renders(transport)
        self.shares = Shares(transport)
        self.emails = Emails(transport)
        self.engagement = EngagementLog(transport)
        self.signatures = Signatures(transport)

    def __repr__(self) -> str:
        return f"<Craftkit at {self.base_url}>"

    def health(self) -> Health:
        """How Craftkit is. Sends no key; `degraded` is an answer and raises nothing.

        Source: https://docs.craftkit.dev/api-reference/health

        Raises:
            CraftkitConnectionError: there was no answer.
            ServerError: something else than Craftkit's health answered, a proxy perhaps.
        """
        return self._transport.call(
            "GET",
            path("v1", "health"),
            lambda body, status: Health.from_json(body),
            anonymous=True,
            also=_is_degraded,
        )


def _is_degraded(status: int, body: JsonObject) -> bool:
    # Of Craftkit's shape, not a proxy's 503 with JSON of its own.
    return status == 503 and isinstance(body.get("status"), str) and "error" not in body


def _check_key(key: Secret) -> None:
    if not key.reveal():
        raise ValueError("The Craftkit API key is empty.")
    if not all("!" <= character <= "~" for character in key.reveal()):
        raise ValueError("The Craftkit API key holds characters that no key has.")


def _check_number(name: str, value: int, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is a whole number from {least} up.")


def _base_url(url: str) -> str:
    url = url.strip().rstrip("/") if isinstance(url, str) else ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        # Not quoted in the message: it may hold a password.
        if usable and (parts.username is not None or parts.password is not None):
            raise ValueError("base_url must not hold credentials.")
        usable = usable and not parts.query and not parts.fragment
        usable = usable and url.isprintable() and " " not in url and "\\" not in url
    if not usable:
        raise ValueError("base_url is not an http or https address with a host.")
    if parts.path.endswith("/v1"):
        # Under it every call would meet a 404 in Craftkit's own words: "no such template".
        raise ValueError("base_url must not end in /v1: each call adds it.")
    return url


def _check_timeout(timeout: Timeout) -> None:
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    good = len(pair) == 2 and all(
        isinstance(part, int | float)
        and not isinstance(part, bool)
        and math.isfinite(part)
        and part > 0
        for part in pair
    )
    if not good:
        raise ValueError("timeout is seconds, or (connect, whole) in seconds, each above 0.")
