"""What the clients have in common: their options, and how these are checked."""

from __future__ import annotations

import math
from typing import ClassVar, TypedDict
from urllib.parse import urlsplit

from requests.exceptions import RequestException

from django_craftkit.client.download import DOWNLOAD_LIMIT
from django_craftkit.client.pooling import Adapter, Sessions  # noqa: TC001 - of a TypedDict
from django_craftkit.client.secret import Secret
from django_craftkit.client.transport import Bearer, Timeout, Transport

BASE_URL = "https://api.craftkit.dev"


class Options(TypedDict, total=False):
    """The options of each client, as `Craftkit` describes them."""

    base_url: str
    timeout: Timeout
    max_retries: int
    max_download_bytes: int
    adapter: Adapter | None
    sessions: Sessions | None


class Client:
    """Craftkit, for who has one kind of credential. `Craftkit` describes the arguments.

    Raises:
        ValueError: one of them can't be used.
    """

    base_url: str = ""
    #: What messages call the credential.
    _credential: ClassVar[str] = "Craftkit API key"

    def __init__(
        self,
        api_key: str | Secret,
        *,
        base_url: str = BASE_URL,
        timeout: Timeout = (3.05, 30.0),
        max_retries: int = 2,
        max_download_bytes: int = DOWNLOAD_LIMIT,
        adapter: Adapter | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        # First of all, since error pages show the locals of every frame.
        key, api_key = Secret.of(api_key), ""
        check_credential(key, self._credential)
        _check_timeout(timeout)
        _check_number("max_retries", max_retries, least=0)
        _check_number("max_download_bytes", max_download_bytes, least=1)
        self.base_url = _base_url(base_url)
        try:
            self._transport = Transport(
                key,
                self._bearer(key),
                base_url=self.base_url,
                timeout=timeout,
                max_retries=max_retries,
                max_download_bytes=max_download_bytes,
                adapter=adapter,
                sessions=sessions,
            )
        except RequestException:
            raise ValueError("base_url is not an address that can be called.") from None
        self._open(self._transport)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.base_url}>"

    def _open(self, transport: Transport) -> None:
        """Make what calls are made by, if there is more than the client itself."""

    def _bearer(self, key: Secret) -> Bearer:
        """Return what puts the credential into a call."""
        return Bearer(key, self.base_url)


def check_credential(credential: Secret, name: str) -> None:
    """Refuse what can't stand in a header.

    Raises:
        ValueError: it names the credential, and does not quote it.
    """
    if not credential.reveal():
        raise ValueError(f"The {name} is empty.")
    if not all("!" <= character <= "~" for character in credential.reveal()):
        raise ValueError(f"The {name} holds characters that none has.")


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
