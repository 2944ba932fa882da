"""Waking the loop, and carrying a job out at once.

A request must cost its caller next to nothing, whatever the broker does: at most one message per
process and interval, sent by a thread that nobody waits for, behind a breaker. The sweep finds what
is due if a message is lost.
"""

from __future__ import annotations

import atexit
import math
import os
import queue
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from celery import Celery, current_app
from django.db import connections, transaction

from .failures import is_in_transaction
from .log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.base.base import BaseDatabaseWrapper

logger = get_logger(__name__)

TASK = "craftkit.advance"

#: Seconds: wakes for the same interval are one message.
INTERVAL = 0.5
#: Seconds after which a message that no worker took is dropped: the sweep has come by then.
EXPIRES = 60.0
#: Seconds without another try after a broker failed.
PAUSE = 15.0
#: Seconds after which a broker that has not taken a message hangs. The first message takes longer.
HANGING = 5.0
#: Seconds after which a waiting thread counts as stuck; how many may wait at most.
STUCK, SENDERS = 60.0, 3
#: Seconds that a process that ends waits for its last message.
LAST = 1.0

_celery_app: Celery | None = None
_is_silent = False
_carry_out: Callable[..., bool] | None = None


def remember_celery_app() -> None:
    """Keep the project's Celery app: in other threads ``current_app`` is another, empty one."""
    global _celery_app
    _celery_app = current_app._get_current_object()  # type: ignore[attr-defined]


def celery_app() -> Celery | None:
    """Return the project's Celery app; ``None`` where it has none, and no broker."""
    app: Celery = current_app._get_current_object()  # type: ignore[attr-defined]
    # "default" is the app that Celery makes up where nobody has made one.
    if app.main == "default" and _celery_app is not None:
        app = _celery_app
    return None if app.main == "default" and not app.conf.broker_url else app


def set_silent(is_silent: bool) -> bool:
    """Wake nobody: a test does itself what is due. Return whether it was so before."""
    global _is_silent
    before, _is_silent = _is_silent, is_silent
    return before


def wake_on_commit(using: str) -> None:
    """Wake the loop when the transaction of the request is committed."""
    transaction.on_commit(wake, using=using, robust=True)


def wake(delay: float = 0.0) -> None:
    """Have a worker look at what is due, in ``delay`` seconds.

    Never raises but in eager mode, and waits for no broker.
    """
    if _is_silent:
        return
    # Before Celery's settings, which are slow to read.
    if not delay and _current is not None and _current.is_under_way():
        return
    app = celery_app()
    if app is None:
        return
    if not app.conf.task_always_eager:
        _waker().wake(app, delay)
    elif not delay:
        app.tasks[TASK].apply_async()


class Waker:
    """Sends at most one message per process and interval, and nobody waits for it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._slots: set[int] = set()
        self._next_wake = 0.0
        self._senders: list[_Sender] = []
        self._next_try = 0.0
        self._is_down = False

    def wake(self, app: Celery, delay: float) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._next_try:
                return
            sender = self._free_sender(now)
            countdown = self._slot(now, delay)
            if sender is not None and countdown is not None:
                sender.send(app, countdown)
        if sender is None:
            self._note(f"no answer in {HANGING:.0f} s")

    def is_under_way(self) -> bool:
        """Whether a message that comes after this moment, and soon, is sent already."""
        now = time.monotonic()
        return now <= self._next_wake <= now + 2 * INTERVAL and self.pid == os.getpid()

    def flush(self, seconds: float) -> bool:
        """Wait until all messages have gone out, or failed; return whether they have."""
        until = time.monotonic() + seconds
        return all(one.wait(until - time.monotonic()) for one in self._senders)

    def _free_sender(self, now: float) -> _Sender | None:
        """Return who sends the next message; ``None`` where the broker hangs."""
        if self._senders and not self._senders[-1].waits(now, HANGING):
            return self._senders[-1]
        # A connection may be lost without a word: its sender is left waiting, but not too many are.
        self._senders = [one for one in self._senders if one.waits(now, 0.0)]
        if len(self._senders) >= SENDERS or any(not one.waits(now, STUCK) for one in self._senders):
            return None
        self._senders.append(_Sender(self._note))
        return self._senders[-1]

    def _slot(self, now: float, delay: float) -> float | None:
        """Return in how many seconds to wake; ``None`` where a message for then is sent."""
        self._slots = {slot for slot in self._slots if slot * INTERVAL >= now}
        at = now + delay
        if not delay:
            if self.is_under_way():
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

    def _note(self, problem: str) -> None:
        """Trust the broker, or after a problem leave it alone for a while."""
        with self._lock:
            was_down, self._is_down = self._is_down, bool(problem)
            if not problem:
                self._next_try = 0.0
                return
            self._next_try = time.monotonic() + PAUSE
            self._slots.clear()
            self._quiet_until = self._next_wake = 0.0
        log = logger.info if was_down else logger.warning
        log(
            "The broker took no message to wake Craftkit's worker (%s). The sweep carries on; "
            "the next message is tried in %d seconds.",
            problem,
            PAUSE,
        )


class _Sender:
    """A thread that waits for a hanging broker, so that no caller does."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._messages: queue.SimpleQueue[tuple[Celery, float]] = queue.SimpleQueue()
        self._lock = threading.Condition()
        self._waiting = 0
        self._waiting_since = 0.0
        threading.Thread(target=self._run, name="craftkit-wake", daemon=True).start()

    def waits(self, now: float, seconds: float) -> bool:
        """Whether it has waited for the broker for so many seconds."""
        return bool(self._waiting) and now - self._waiting_since >= seconds

    def send(self, app: Celery, countdown: float) -> None:
        with self._lock:
            if not self._waiting:
                self._waiting_since = time.monotonic()
            self._waiting += 1
        self._messages.put((app, countdown))

    def wait(self, seconds: float) -> bool:
        """Wait until all messages have gone out, or failed; return whether they have."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._waiting, max(seconds, 0.0))

    def _run(self) -> None:
        while True:
            app, countdown = self._messages.get()
            problem = ""
            try:
                app.tasks[TASK].apply_async(
                    countdown=countdown,
                    expires=countdown + EXPIRES,
                    retry=False,
                    ignore_result=True,
                )
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            self._note(problem)
            with self._lock:
                self._waiting -= 1
                self._waiting_since = time.monotonic()
                self._lock.notify_all()


_current: Waker | None = None
_current_lock = threading.Lock()


@atexit.register
def _send_the_last() -> None:
    """Let a script that ends right after its request wake the worker all the same."""
    if _current is not None and _current.pid == os.getpid():
        _current.flush(LAST)


def _waker() -> Waker:
    global _current
    # A fork takes the object along, but not its thread.
    if _current is None or _current.pid != os.getpid():
        with _current_lock:
            if _current is None or _current.pid != os.getpid():
                _current = Waker()
    return _current


def register(carry_out: Callable[..., bool]) -> None:
    """Set the function that carries a job out: the loop is above the models, not below."""
    global _carry_out
    _carry_out = carry_out


def carry_out(
    kind: str, object_id: int, *, timeout: float, until: Callable[[], bool] | None = None
) -> bool:
    """Do what is due for one object now, until ``until`` is true or ``timeout`` seconds are over.

    Without ``until`` once. Returns whether it is true, or Craftkit has answered.
    """
    refuse_transaction()
    if _carry_out is None:
        raise RuntimeError("django_craftkit is not in INSTALLED_APPS, or the apps aren't ready.")
    return _carry_out(kind, object_id, timeout=timeout, until=until)


def refuse_transaction() -> None:
    """Raise ``RuntimeError`` inside a transaction: nothing is sent that could be rolled back."""
    for connection in connections.all(initialized_only=True):
        if is_in_transaction(connection) and not _is_of_test_case(connection):
            raise RuntimeError(
                "wait(), wait=True and create_session() call Craftkit at once, which must not be "
                f"inside a transaction (one is open in {connection.alias!r}): it could be rolled "
                "back. Leave the transaction first; a view under ATOMIC_REQUESTS is "
                "non_atomic_requests."
            )


def _is_of_test_case(connection: BaseDatabaseWrapper) -> bool:
    """Whether the transaction that is open is a test case's alone, as Django's own check knows."""
    if not connection.in_atomic_block:
        return False
    try:
        with transaction.atomic(using=connection.alias, durable=True):
            return True
    except RuntimeError:
        return False


def isolated(using: str) -> AbstractContextManager[object]:
    """Return a savepoint inside a transaction, and nothing outside: foreign code may fail."""
    connection = connections[using]
    return transaction.atomic(using=using) if is_in_transaction(connection) else nullcontext()
