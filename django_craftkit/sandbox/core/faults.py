"""Faults on request: what the sandbox is told to do wrong, how often, and to whom.

A call meets at most one fault of delay and one of any other kind, the oldest that match. What a
client sees of each kind is in docs/sandbox.md.
"""

from __future__ import annotations

import itertools
from dataclasses import KW_ONLY, dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

CALL_KINDS: Final = frozenset(
    {
        "status",
        "garbage",
        "delay",
        "cut_before",
        "cut_after",
        "refused",
        "connect_timeout",
        "truncated",
    }
)
WEBHOOK_KINDS: Final = frozenset(
    {"webhook_dropped", "webhook_doubled", "webhook_reordered", "webhook_delayed"}
)
TEMPLATE_KINDS: Final = frozenset(
    {
        "render_failed",
        "email_send_failed",
        "signature_send_failed",
        "signature_failed",
        "signature_cancel_failed",
        "certificate_failed",
    }
)
KINDS: Final = CALL_KINDS | WEBHOOK_KINDS | TEMPLATE_KINDS

_numbers = itertools.count(1)


@dataclass(eq=False)
class Fault:
    """One thing to do wrong.

    Attributes:
        kind: one of `KINDS`.
        method: of which calls; a pattern of `fnmatch`.
        path: of which calls; a pattern, too, so that `/v1/renders/*` is all below.
        event: which webhooks; a pattern too, as `render.*`.
        template: whose renders, e-mails or signatures fail; a slug, None for any.
        times: how often; None until it is cleared.
        status: the HTTP status to answer with.
        code: the error code to answer with.
        message: what to answer; also what a render, e-mail or signature fails with.
        body: what to answer, as it is, in place of `code` and `message`.
        retry_after: what to answer: seconds, or a date as text.
        seconds: how long, for delays.
        handled: whether the call is carried out before it is answered wrongly.
    """

    kind: str
    _: KW_ONLY
    method: str = "*"
    path: str = "*"
    event: str = "*"
    template: str | None = None
    times: int | None = 1
    status: int | None = None
    code: str = "internal"
    message: str = "Injected by the sandbox."
    body: str | None = None
    retry_after: int | str | None = None
    seconds: float = 5.0
    handled: bool = False
    id: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault: {self.kind!r}; known: {sorted(KINDS)}")
        if self.times is not None and self.times < 1:
            raise ValueError("times is at least 1, or None for always")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError("status is an HTTP status from 200 to 599")
        if not 0 <= self.seconds <= 86_400:
            raise ValueError("seconds are from 0 to 86400")


class Faults:
    """The faults that are waiting for their call, oldest first."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._waiting: list[Fault] = []

    def add(self, kind: str | Fault, **settings: Any) -> Fault:
        """Ask for a fault: `add("status", path="/v1/renders/*", status=503, times=2)`."""
        fault = kind if isinstance(kind, Fault) else Fault(kind, **settings)
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Ask for none any more."""
        with self._lock:
            self._waiting.clear()

    def remove(self, fault_id: int) -> bool:
        """Take one back; False if it isn't waiting."""
        with self._lock:
            kept = [fault for fault in self._waiting if fault.id != fault_id]
            found = len(kept) < len(self._waiting)
            self._waiting[:] = kept
            return found

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter(list(self._waiting))

    def __len__(self) -> int:
        return len(self._waiting)

    def for_call(self, method: str, path: str) -> tuple[Fault | None, Fault | None]:
        """The delay and the other fault that this call meets; each is used up once."""

        def meets(fault: Fault) -> bool:
            return fnmatchcase(method, fault.method.upper()) and fnmatchcase(path, fault.path)

        delay = self._take(lambda fault: fault.kind == "delay" and meets(fault))
        other = self._take(lambda fault: fault.kind in CALL_KINDS - {"delay"} and meets(fault))
        return delay, other

    def for_template(self, kind: str, template: str) -> Fault | None:
        """The fault of this kind that a render, e-mail or signature of this slug meets."""
        return self._take(lambda fault: fault.kind == kind and fault.template in {None, template})

    def for_webhook(self, event: str) -> Fault | None:
        """The fault that a new delivery meets."""
        return self._take(
            lambda fault: fault.kind in WEBHOOK_KINDS and fnmatchcase(event, fault.event)
        )

    def _take(self, wanted: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if wanted(fault):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times == 0:
                            self._waiting.remove(fault)
                    return fault
        return None
