"""Until when a call may take: one moment for all that it does, its further tries included."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from contextvars import ContextVar, Token
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import ModuleType


class Deadline:
    """The moment by which a call is over, by a clock that nobody sets."""

    __slots__ = ("_end", "seconds")

    def __init__(self, seconds: float) -> None:
        """`seconds`: from now on; they stay what it was given, also when it is restarted."""
        self.seconds = seconds
        self.restart(seconds)

    def restart(self, seconds: float) -> None:
        """Let it be so many seconds from now."""
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Seconds until then, 0 or less once it is over."""
        return self._end - monotonic()

    def at_most(self, seconds: float | None = None) -> float:
        """How long the next step may wait: up to the deadline, and no longer than `seconds`.

        Raises:
            TimeoutError: it is over.
        """
        left = self.left()
        if left <= 0:
            raise TimeoutError("the time for this call is over")
        return left if seconds is None else min(left, seconds)


_waiting: ContextVar[Deadline | None] = ContextVar("craftkit_waiting", default=None)


class _Within:
    # Not `contextmanager`, which writes to whatever is raised: an exception may forbid it.
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token: Token[Deadline | None] = _waiting.set(of_call(self._seconds))

    def __exit__(self, *raised: object) -> None:
        _waiting.reset(self._token)


def within(seconds: float) -> AbstractContextManager[None]:
    """Let the calls in here be over together in `seconds`, however long each might take alone."""
    return _Within(seconds)


def of_call(seconds: float) -> Deadline:
    """The deadline of a call that begins now and may take `seconds`, or as long as is left."""
    waiting = _waiting.get()
    deadline = Deadline(seconds if waiting is None else min(seconds, waiting.seconds))
    if waiting is not None:
        deadline.restart(min(deadline.seconds, waiting.left()))
    return deadline


# Python bounds a TLS handshake, and the reading of a TLS record, as a whole. The sockets of gevent
# and eventlet, which put greenlets in the place of threads, take the time anew for each piece that
# comes. But they have a clock that ends whatever waits.


def alarm(seconds: float) -> AbstractContextManager[object]:
    """Raise `TimeoutError` in what waits in here for longer than that, if it is a greenlet."""
    runtime = _runtime()
    if runtime is None:
        return nullcontext()
    made: AbstractContextManager[object] = runtime.Timeout(seconds, TimeoutError("timed out"))
    return made


def _runtime() -> ModuleType | None:
    """The module that has replaced Python's sockets; none is imported here."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("socket"):
        return sys.modules["gevent"]
    if eventlet is not None and eventlet.is_monkey_patched("socket"):
        return sys.modules["eventlet"]
    return None
