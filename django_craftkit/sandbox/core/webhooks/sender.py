"""Sending webhooks to their receivers: one attempt, and the threads that make them over HTTP."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import requests

if TYPE_CHECKING:
    from django_craftkit.sandbox.core.state import State

    from .deliveries import Delivery

logger = logging.getLogger("django_craftkit.sandbox")

# (url, body, headers) -> the status of the answer; raises if there was none.
Send = Callable[[str, bytes, dict[str, str]], int]

TIMEOUT: Final = 15.0
_SENDERS = 6
_AT_ONCE = 2
_LONGEST_WAIT = 0.5


def attempt(state: State, delivery: Delivery, send: Send) -> None:
    """Try a delivery that was claimed, and report what came of it."""
    status, error = None, ""
    try:
        status = send(delivery.url, delivery.body, delivery.headers(state.clock()))
    except Exception as failure:  # whatever it is, the receiver has not taken it
        error = f"{type(failure).__name__}: {failure}"
    with state.lock:
        state.outbox.report(delivery, status, error)
        ended = delivery.status
    logger.info("webhook %s to %s: %s %s", delivery.event, delivery.url, status or error, ended)


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Send over HTTP: within 15 s, through no proxy, following no redirect."""
    with requests.Session() as session:
        session.trust_env = False
        with session.post(
            url,
            data=body,
            headers=headers,
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,  # the status is all that counts
        ) as response:
            return response.status_code


class Sender:
    """Sends what is due, from threads of its own; to be started and stopped once.

    One receiver gets two of the six threads at most, so a slow one holds up nobody else, and
    never the API.
    """

    def __init__(self, state: State, send: Send = post) -> None:
        self._state = state
        self._send = send
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"craftkit-webhooks-{number}", daemon=True)
            for number in range(_SENDERS)
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Send nothing more; what is under way gets `timeout` seconds, all together, to end."""
        with self._state.lock:
            self._stopping = True
            self._state.wake.notify_all()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        state = self._state
        while True:
            with state.lock:
                if self._stopping:
                    return
                state.settle()
                delivery = state.outbox.claim(at_once=_AT_ONCE)
                if delivery is None:
                    state.wake.wait(self._pause())
                    continue
            attempt(state, delivery, self._send)

    def _pause(self) -> float:
        # Never long: the clock may be one that a test moves, and it tells nobody.
        due = self._state.next_event()
        if due is None:
            return _LONGEST_WAIT
        return min(_LONGEST_WAIT, max(0.02, due - self._state.clock()))
