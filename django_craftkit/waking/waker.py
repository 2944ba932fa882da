"""One message per process, interval and tenant, which nobody waits for, behind a breaker."""

from __future__ import annotations

import atexit
import heapq
import itertools
import math
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from django.db import connections

from django_craftkit.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = get_logger(__name__)

#: Seconds: wakes for the same interval are one message.
INTERVAL = 0.5
#: Seconds after which a message that no worker took is dropped: the sweep has come by then.
EXPIRES = 60.0
#: Seconds without another try after a message failed.
PAUSE = 15.0
#: Seconds after which who has not taken a message hangs. The first message takes longer.
HANGING = 5.0
#: Seconds after which a message that could not go out in time is left to the sweep.
STALE = 5.0
#: Seconds after which a waiting thread counts as stuck; how many may wait at most.
STUCK, SENDERS = 60.0, 3
#: Of how many tenants it is remembered that nothing is under way.
MOST_TENANTS = 1_000
#: Seconds that a process that ends waits for its last message.
LAST = 1.0


class Way(Protocol):
    """How messages get to a worker."""

    @property
    def can_defer(self) -> bool:
        """Whether messages can be sent that are to be taken later; else they are kept here."""
        raise NotImplementedError

    def is_inline(self) -> bool:
        """Whether who asks sends the message, and may find the work done when that returns."""
        raise NotImplementedError

    def send(self, arguments: Mapping[str, Any], countdown: float) -> None:
        """Have ``advance`` called with these arguments in so many seconds; may raise anything."""
        raise NotImplementedError


class Message(NamedTuple):
    """What a sender has to send; moments are by ``time.monotonic()``."""

    #: When it may be sent.
    send_at: float
    #: Of two for the same moment, the one that was asked for first.
    number: int
    way: Way
    arguments: Mapping[str, Any]
    #: When a worker is to take it.
    due_at: float


class _Intervals:
    """For which intervals a tenant has messages."""

    def __init__(self) -> None:
        self._quiet_until = 0.0
        self._slots: set[int] = set()
        self._next_wake = 0.0

    def is_under_way(self, now: float) -> bool:
        return now <= self._next_wake <= now + 2 * INTERVAL

    def is_over(self, now: float) -> bool:
        """Whether none of its messages counts any longer."""
        last = max((slot * INTERVAL for slot in self._slots), default=0.0)
        return max(last, self._quiet_until, self._next_wake) < now

    def take(self, now: float, delay: float) -> float | None:
        """Return in how many seconds to wake; ``None`` where a message for then is sent."""
        self._slots = {slot for slot in self._slots if slot * INTERVAL >= now}
        at = now + delay
        if not delay:
            if self.is_under_way(now):
                return None
            if now >= self._quiet_until:
                self._quiet_until = now + INTERVAL
                return 0.0
            at = self._quiet_until
            self._quiet_until += 2 * INTERVAL
        slot = math.ceil(at / INTERVAL)
        if slot in self._slots:
            return None
        self._slots.add(slot)
        if slot * INTERVAL <= now + 2 * INTERVAL:
            self._next_wake = max(self._next_wake, slot * INTERVAL)
        return slot * INTERVAL - now


class Waker:
    """Sends at most one message per process, interval and tenant, and nobody waits for it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._intervals: dict[str, _Intervals] = {}
        self._senders: list[_Sender] = []
        self._next_try = 0.0
        self._is_down = False

    def wake(self, way: Way, arguments: Mapping[str, Any], delay: float, tenant: str = "") -> None:
        now = time.monotonic()
        if delay > 2 * INTERVAL and not way.can_defer:
            return  # the sweep has it
        with self._lock:
            if self.is_resting():
                return
            sender = self._free_sender(now)
            countdown = self._intervals_of(tenant, now).take(now, delay)
            if sender is not None and countdown is not None:
                sender.send(way, arguments, now + countdown)
        if sender is None:
            self.note(f"no answer in {HANGING:.0f} s")

    def is_resting(self) -> bool:
        """Whether no message is tried for a while, since one failed."""
        return time.monotonic() < self._next_try

    def is_under_way(self, tenant: str = "") -> bool:
        """Whether a tenant's message that comes after this moment, and soon, is sent already."""
        known = self._intervals.get(tenant)
        is_sent = known is not None and known.is_under_way(time.monotonic())
        return is_sent and self.pid == os.getpid()

    def flush(self, seconds: float) -> bool:
        """Wait until all messages have gone out, or failed; return whether they have."""
        until = time.monotonic() + seconds
        return all(one.wait(until - time.monotonic()) for one in self._senders)

    def _free_sender(self, now: float) -> _Sender | None:
        """Return who sends the next message; ``None`` where all of them hang."""
        if self._senders and not self._senders[-1].waits(now, HANGING):
            return self._senders[-1]
        # A connection may be lost without a word: its sender is left waiting, but not too many are.
        self._senders = [one for one in self._senders if one.waits(now, 0.0)]
        if len(self._senders) >= SENDERS or any(not one.waits(now, STUCK) for one in self._senders):
            return None
        self._senders.append(_Sender(self.note))
        return self._senders[-1]

    def _intervals_of(self, tenant: str, now: float) -> _Intervals:
        if len(self._intervals) >= MOST_TENANTS and tenant not in self._intervals:
            self._intervals = {
                name: one for name, one in self._intervals.items() if not one.is_over(now)
            }
        return self._intervals.setdefault(tenant, _Intervals())

    def note(self, problem: str) -> None:
        """Trust the way that messages take, or after a problem leave it alone for a while."""
        with self._lock:
            was_down, self._is_down = self._is_down, bool(problem)
            if not problem:
                self._next_try = 0.0
                return
            self._next_try = time.monotonic() + PAUSE
            self._intervals.clear()
        log = logger.info if was_down else logger.warning
        log(
            "No message got through to wake Craftkit's worker (%s). The sweep carries on; the next "
            "message is tried in %d seconds.",
            problem,
            PAUSE,
        )


class _Sender:
    """A thread that waits for a broker that hangs, so that no caller does.

    It keeps what a way can't defer until then, and drops what it could not send in time: where
    more is asked for than a broker takes, the rest is the sweep's, and no tenant waits for others.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._changed = threading.Condition()
        self._messages: list[Message] = []
        self._numbers = itertools.count()
        #: Since when it waits for the broker; ``None``: it does not.
        self._sending_since: float | None = None
        threading.Thread(target=self._run, name="craftkit-wake", daemon=True).start()

    def waits(self, now: float, seconds: float) -> bool:
        """Whether it has waited for the broker for so many seconds."""
        since = self._sending_since
        return since is not None and now - since >= seconds

    def send(self, way: Way, arguments: Mapping[str, Any], due_at: float) -> None:
        now = time.monotonic()
        with self._changed:
            send_at = now if way.can_defer else max(due_at, now)
            one = Message(send_at, next(self._numbers), way, arguments, due_at)
            heapq.heappush(self._messages, one)
            if self._sending_since is None and send_at <= now:
                # From here on, whether its thread gets to it or not.
                self._sending_since = now
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until all messages have gone out, or failed; return whether they have."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, max(seconds, 0.0))

    def _is_idle(self) -> bool:
        return not self._messages and self._sending_since is None

    def _next(self) -> Message:
        """Wait for a message that may be sent, and return it."""
        with self._changed:
            while True:
                now = time.monotonic()
                # But for the last: it is behind no other.
                while len(self._messages) > 1 and now - self._messages[0].send_at > STALE:
                    heapq.heappop(self._messages)
                if self._messages and self._messages[0].send_at <= now:
                    self._sending_since = now
                    return heapq.heappop(self._messages)
                self._sending_since = None
                self._changed.notify_all()
                self._changed.wait(self._messages[0].send_at - now if self._messages else None)

    def _run(self) -> None:
        while True:
            one = self._next()
            problem = ""
            try:
                try:
                    one.way.send(one.arguments, max(one.due_at - time.monotonic(), 0.0))
                finally:
                    # Those of a backend that keeps its tasks in a database: nobody needs them until
                    # the next message.
                    connections.close_all()
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            self._note(problem)


_current: Waker | None = None
_current_lock = threading.Lock()


@atexit.register
def flush() -> None:
    """Wait for messages, but not for long: a script that ends now is to wake the worker, too."""
    if _current is not None and _current.pid == os.getpid():
        _current.flush(LAST)


def current_waker() -> Waker:
    """Return the one of this process."""
    global _current
    # A fork takes the object along, but not its thread.
    if _current is None or _current.pid != os.getpid():
        with _current_lock:
            if _current is None or _current.pid != os.getpid():
                _current = Waker()
    return _current
