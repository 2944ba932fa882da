"""One call to Craftkit: who it goes to, what a failure proves, whether it is retried."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from django_craftkit.client import retry
from django_craftkit.client.connections import pool_of, watched
from django_craftkit.client.deadline import Deadline, of_call
from django_craftkit.client.encoding import checked_key, dumps
from django_craftkit.client.errors import (
    AuthenticationError,
    CraftkitConnectionError,
    CraftkitError,
    CraftkitTimeout,
    InvalidResponse,
    from_answer,
    parse,
    presentable,
)
from django_craftkit.client.failures import NETWORK_ERRORS, of_preparing, of_reading, of_sending
from django_craftkit.client.pooling import Adapter, Sessions, as_called
from django_craftkit.client.secret import Door, Secret
from django_craftkit.log import get_logger
from django_craftkit.untrusted import JsonObject

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
Timeout = float | tuple[float, float]
Also = Callable[[int, JsonObject], bool]

JSON_LIMIT: Final = 20 * 1024 * 1024
"""Bytes of a JSON answer, decompressed; a longer one is refused."""
ERROR_LIMIT: Final = 256 * 1024
"""Bytes of an error's answer that are read at all."""
CHUNK: Final = 64 * 1024
"""Bytes read at once."""

logger = get_logger("django_craftkit.client")


class Bearer:
    """Sends the key, to one scheme, host and port only."""

    def __init__(self, key: Secret, base_url: str) -> None:
        self._key = key
        self._origin = _origin(as_called(base_url))

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if _origin(request.url) == self._origin:
            self.put(request, self._key.reveal())
        return request

    def put(self, request: requests.PreparedRequest, key: str) -> None:
        """Put the key where Craftkit looks for it."""
        request.headers["Authorization"] = f"Bearer {key}"


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent that is no JSON."""

    content: bytes = field(repr=False)
    content_type: str


class Transport:
    """Makes the calls of one client. Threads and processes may share it.

    Each call has one deadline, for its tries, their pauses and its answer. Calls that begin in
    `deadline.within` share that one.
    """

    def __init__(
        self,
        key: Secret,
        bearer: Bearer,
        *,
        base_url: str,
        timeout: Timeout,
        max_retries: int,
        max_download_bytes: int,
        adapter: Adapter | None,
        sessions: Sessions | None,
    ) -> None:
        self.connect_timeout, self.timeout = (
            timeout if isinstance(timeout, tuple) else (timeout, timeout)
        )
        self.max_retries = max_retries
        self.max_download_bytes = max_download_bytes
        self._key = key
        self._adapter = adapter
        self._called = as_called(base_url)
        self._bearer = bearer
        self.door = Door(key)
        self._sessions = Sessions() if sessions is None else sessions

    def get(self, path: str, read: Callable[[JsonObject], T], *, query: str = "") -> T:
        """GET a JSON object and hand it to `read`; see `call`."""
        return self.call("GET", path, lambda body, _: read(body), query=query)

    def delete(self, path: str, read: Callable[[JsonObject], T]) -> T:
        """DELETE, and hand the JSON object of the answer to `read`; see `call`."""
        return self.call("DELETE", path, lambda body, _: read(body))

    def call(
        self,
        method: str,
        path: str,
        read: Callable[[JsonObject, int], T],
        *,
        json: object = None,
        body: Body | None = None,
        idempotency_key: str | None = None,
        repeatable: bool | None = None,
        anonymous: bool = False,
        also: Also | None = None,
        query: str = "",
        hidden: Sequence[Secret] = (),
        confidential: bool = False,
        bare: str = "",
    ) -> T:
        """Call, and hand the JSON object of the answer with its status to `read`.

        Args:
            path: from `encoding.path`.
            json: what is sent, or a function that returns it: what no frame may show is revealed
                there.
            body: what is sent instead of JSON.
            query: from `encoding.query`; no error shows it.
            idempotency_key: makes a POST repeatable, as GET and DELETE are: see
                `retry.should_retry`.
            repeatable: whether doing it twice is doing it once, where neither says so.
            anonymous: send no key.
            also: whether this status with this body is an answer too, and no error; None is never.
            hidden: secrets of this call besides the key; no error shows them.
            confidential: the answer holds a secret: no error keeps its body.
            bare: the name of the field that a list without an object around it is taken for.

        Raises:
            CraftkitError: whatever went wrong.
        """
        headers = {"Accept": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = checked_key(idempotency_key)
        if repeatable is None:
            repeatable = method in ("GET", "DELETE") or idempotency_key is not None
        door = Door(self._key, *hidden) if hidden else self.door
        reading = _Reading(door, also, confidential, bare)

        def act() -> T:
            sent = body or _encoded(json)
            if sent is not None:
                headers["Content-Type"] = sent.content_type
            content = None if sent is None else sent.content

            def once(deadline: Deadline) -> T:
                response = self._send(method, path + query, content, headers, deadline, anonymous)
                answered = self._answer(response, deadline, reading)
                try:
                    return read(answered, response.status_code)
                except InvalidResponse as error:
                    error.status = response.status_code
                    raise

            return self._repeat(once, method, path, repeatable=repeatable)

        return door(act)

    def stream(self, path: str, *, accept: str) -> tuple[requests.Response, Deadline]:
        """GET something that is not JSON. The caller reads and closes the response.

        Its body is read by the deadline, which the caller may put off.
        """
        # Uncompressed, so that Content-Length counts the bytes that arrive.
        headers = {"Accept": f"{accept}, application/json;q=0.5", "Accept-Encoding": "identity"}

        def once(deadline: Deadline) -> tuple[requests.Response, Deadline]:
            response = self._send("GET", path, None, headers, deadline)
            if not 200 <= response.status_code < 300:
                # Which raises what it means.
                self._answer(response, deadline, _Reading(self.door))
            return response, deadline

        return self.door(lambda: self._repeat(once, "GET", path, repeatable=True))

    def _repeat(
        self, once: Callable[[Deadline], T], method: str, path: str, *, repeatable: bool
    ) -> T:
        handled = False
        began, deadline = time.monotonic(), of_call(self.timeout)
        attempt = 1
        while True:
            try:
                return once(deadline)
            except CraftkitError as error:
                error.method, error.path = method, path
                if isinstance(error, AuthenticationError):
                    error.fingerprint, error.called_at = self._key.fingerprint, began
                # What an earlier try may have done stays done.
                handled = error.maybe_handled = handled or error.maybe_handled
                if not retry.should_retry(
                    error, attempt=attempt, max_retries=self.max_retries, repeatable=repeatable
                ):
                    raise
                pause = retry.delay(error, attempt=attempt)
                if pause >= deadline.left():
                    raise
                logger.info("Retrying a call to Craftkit in %.1f s: %s", pause, error)
            retry.sleep(pause)
            attempt += 1

    def _send(
        self,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline: Deadline,
        anonymous: bool = False,
    ) -> requests.Response:
        failure: CraftkitError
        left = deadline.left()
        if left <= 0:
            raise CraftkitTimeout("No time was left to call Craftkit.", maybe_handled=False)
        try:
            session = self._sessions.get(self._called, self._adapter)
            request = session.prepared(method, target, body, headers)
            if not anonymous:
                request = self._bearer(request)
            pool = pool_of(session.get_adapter(request.url or ""), request, session.settings)
        except (*NETWORK_ERRORS, ValueError) as error:
            # Nothing has been sent, whatever it is.
            failure = of_preparing(error)
        else:
            # For an adapter that is not watched, which has no other.
            timeout = (min(self.connect_timeout, left), min(self.timeout, left))
            try:
                response = watched(
                    pool,
                    deadline,
                    lambda: session.send(
                        request, timeout=timeout, allow_redirects=False, **session.settings
                    ),
                )
            except NETWORK_ERRORS as error:
                failure = of_sending(error)
            else:
                # Whoever holds the response holds no key.
                response.request = request.copy()
                response.request.headers.pop("Authorization", None)
                return response
        # Raised here, where nothing is being handled: it was raised from nothing.
        raise failure

    def _answer(
        self, response: requests.Response, deadline: Deadline, reading: _Reading
    ) -> JsonObject:
        """Read and close a response; raise what it means, unless it is an answer."""
        status = response.status_code
        good = 200 <= status < 300
        try:
            with response:
                content = _read(response, JSON_LIMIT + 1 if good else ERROR_LIMIT, deadline)
        except CraftkitConnectionError:
            if good:
                raise
            # The status has come and is the better news; half a body says nothing certain.
            content = b""
        # Before anything else sees it: a proxy's error page may quote the headers it got.
        content = self.door.redact_bytes(content)
        if good and len(content) > JSON_LIMIT:
            raise InvalidResponse("Craftkit's answer is larger than 20 MB.", status=status)
        problem = "is no JSON"
        try:
            answered = parse(content)
        except ValueError:
            answered = None
        else:
            problem = "is no JSON object"
        if reading.bare and isinstance(answered, list):
            answered = {reading.bare: answered}
        if isinstance(answered, dict) and (
            good or (reading.also and reading.also(status, answered))
        ):
            return answered
        text = reading.door.redact(content[:ERROR_LIMIT].decode(errors="replace"))
        failure: CraftkitError
        if good:
            kept = presentable(text)
            failure = InvalidResponse(f"Craftkit's answer {problem}.", status=status, body=kept)
        else:
            wait = retry.retry_after(response.headers.get("Retry-After"))
            failure = from_answer(status, text, retry_after=wait)
        if reading.confidential:
            failure.body = None
        raise failure


@dataclass(frozen=True, slots=True)
class _Reading:
    """How an answer is read; `Transport.call` tells what these are."""

    door: Door
    also: Also | None = None
    confidential: bool = False
    bare: str = ""


class Resource:
    """What one kind of thing at Craftkit is reached by."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


def _encoded(json: object) -> Body | None:
    value = json() if callable(json) else json
    return None if value is None else Body(dumps(value), "application/json")


def _read(response: requests.Response, limit: int, deadline: Deadline) -> bytes:
    """The body, or what has come of it once that is `limit` bytes or more."""
    failure: CraftkitError
    content = bytearray()
    try:
        for chunk in response.iter_content(CHUNK):
            content += chunk
            if len(content) >= limit:
                break
            # An adapter of the project's own may know no deadline.
            deadline.at_most()
        return bytes(content)
    except NETWORK_ERRORS as error:
        failure = of_reading(error)
    raise failure


def _origin(url: str | bytes | None) -> tuple[str, str, int | None]:
    parts = urlsplit(url.decode() if isinstance(url, bytes) else url or "")
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default
