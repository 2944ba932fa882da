"""Deadlines where gevent or eventlet have put greenlets in the place of threads.

Python bounds a TLS handshake, and the reading of a TLS record, as a whole. The sockets of these two
take the time anew for each piece that comes. But they have a clock that ends whatever waits.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import ModuleType

_NOTHING: Final[nullcontext[None]] = nullcontext()


def alarm(seconds: float) -> AbstractContextManager[object]:
    """Raise `TimeoutError` in what waits in here for longer than that, if it is a greenlet."""
    runtime = _runtime()
    if runtime is None:
        return _NOTHING
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
