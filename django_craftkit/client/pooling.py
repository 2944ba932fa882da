"""Sessions of requests: one for each thread and address, shared by whoever calls there."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

import django_craftkit

if TYPE_CHECKING:
    from collections.abc import Mapping

Adapter = Callable[[], BaseAdapter]

MOST: Final = 32
"""Sessions that a thread keeps; the one that was used least lately goes, with its connections."""


class Session(requests.Session):
    """A session that calls one address, and knows no redirects: their targets are not parsed.

    What its calls have in common is made once. Of a call that requests makes, more than half is
    reading proxies and certificates in the environment, and taking addresses apart. It holds no
    key: each call brings its own.
    """

    def __init__(self, url: str, adapter: BaseAdapter | None) -> None:
        """`url` is from `as_called`; without an adapter of its own it has that of requests."""
        super().__init__()
        self.headers["User-Agent"] = f"django-craftkit/{django_craftkit.__version__}"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if adapter is not None:
            self.mount(url, adapter)
        self._url = url
        # Of the environment: proxies, unless NO_PROXY has this host, and certificates.
        self.settings = self.merge_environment_settings(url, {}, True, None, None)

    def prepared(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> requests.PreparedRequest:
        """What `prepare_request` would make of a call that is known to need no preparing.

        Args:
            target: from `encoding.path` and `encoding.query`, which quote as requests does.
        """
        request = requests.PreparedRequest()
        request.method = method
        request.url = self._url + target
        common: Mapping[str, Any] = self.headers
        request.headers = CaseInsensitiveDict({**common, **headers})
        request.body = body or None
        if body or method not in ("GET", "HEAD"):
            request.headers["Content-Length"] = str(len(body or b""))
        return request

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Sessions:
    """The sessions of each thread of this process, by address and adapter.

    Clients that share one have one connection to a host in each thread, however many keys they
    call it with.
    """

    def __init__(self) -> None:
        self._own = _Own()

    def get(self, url: str, adapter: Adapter | None) -> Session:
        """Return the session of this thread.

        Args:
            url: from `as_called`.
            adapter: makes the adapter of a new session. The same object has the same session.
        """
        own = self._own
        if own.pid != os.getpid():
            # Sockets survive a fork, and must not.
            own.pid, own.sessions = os.getpid(), OrderedDict()
        known = own.sessions.get((url, id(adapter)))
        if known is None:
            # With the adapter, so that no other gets its id.
            known = adapter, Session(url, adapter and adapter())
            own.sessions[url, id(adapter)] = known
            if len(own.sessions) > MOST:
                # Not closed: its adapter may be another's, too.
                own.sessions.popitem(last=False)
        own.sessions.move_to_end((url, id(adapter)))
        return known[1]


class _Own(threading.local):
    pid = 0
    sessions: OrderedDict[tuple[str, int], tuple[Adapter | None, Session]]


def as_called(url: str) -> str:
    """A base URL as requests calls it, without a slash at its end.

    Raises:
        RequestException: it can't be called.
    """
    return (requests.Request("GET", url).prepare().url or "").rstrip("/")
