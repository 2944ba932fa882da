"""What many tests say in the same words."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Permission
from django.db import connection, connections, transaction

from django_craftkit import clock, declarations
from django_craftkit.models import Job, ProjectState, WebhookDelivery
from django_craftkit.models.archive import archive_storage
from django_craftkit.reconcile.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import pytest
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model
    from django.dispatch import Signal

    from django_craftkit.testing import Kit

#: Seconds that one thread waits for another at most: only a failing test does.
TIMEOUT = 45
#: What no link can expire after.
NEVER: list[Any] = [
    *(0, -1, -1e300, float("nan"), float("inf"), True, "60", None),
    *(1e300, 10**400, 9e11, timedelta.max, timedelta.min, timedelta(0)),
]
#: Seconds after which a lease is over, by any clock.
LEASE_OVER = 130


def grant(user: Any, *codenames: str, app: str = "craftkit") -> None:
    """Give somebody these permissions of an app, each of which there is."""
    found = Permission.objects.filter(content_type__app_label=app, codename__in=codenames)
    assert found.count() == len(set(codenames))
    user.user_permissions.add(*found)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for another thread or process."""
    # Not the monotonic clock, which some tests make stand still.
    end = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < end, "it did not come in time"
        time.sleep(0.01)


class Replica:
    """Route so that these apps are read from a copy, ``other``, which lags behind."""

    def __init__(self, *apps: str) -> None:
        self._apps = apps

    def db_for_read(self, model: type[Model], **hints: object) -> str:
        return "other" if model._meta.app_label in self._apps else "default"

    def db_for_write(self, model: type[Model], **hints: object) -> str:
        return "default"

    def allow_relation(self, *rows: Model, **hints: object) -> bool:
        return True


class Killed(BaseException):
    """The worker ends in the middle of it."""


class Elsewhere(threading.Thread):
    """Another process, by a connection of its own; what it raises is raised where it is awaited."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._act = act
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._act()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()

    def wait(self) -> None:
        self.join(TIMEOUT)
        assert not self.is_alive(), "it waits for something that never comes"
        if self.error and not isinstance(self.error, Killed):
            raise self.error


class Holding:
    """Somebody who does something in a transaction that stays open until it is told to end."""

    def __init__(self, *acts: Callable[[], object], last: Callable[[], object] = bool) -> None:
        self._acts, self._last = acts, last
        self._begun, self._over = threading.Event(), threading.Event()
        self._somebody: Elsewhere | None = None

    def _hold(self) -> None:
        with transaction.atomic():
            for act in self._acts:
                act()
            self._begun.set()
            assert self._over.wait(TIMEOUT)
            self._last()

    def begin(self) -> None:
        self._somebody = Elsewhere(self._hold)
        assert self._begun.wait(TIMEOUT)

    def end(self) -> None:
        self._over.set()
        if self._somebody:
            self._somebody.wait()


@contextmanager
def held(*acts: Callable[[], object]) -> Iterator[None]:
    """Have somebody do this in a transaction that stays open until this is over."""
    someone = Holding(*acts)
    someone.begin()
    try:
        yield
    finally:
        someone.end()


@contextmanager
def connected(receiver: Callable[..., object], *signals: Signal, **options: Any) -> Iterator[None]:
    """Have a receiver listen to signals meanwhile; ``options`` say to whose, say."""
    for signal in signals:
        signal.connect(receiver, weak=False, **options)
    try:
        yield
    finally:
        for signal in signals:
            signal.disconnect(receiver, **options)


def elsewhere(act: Callable[[], object]) -> None:
    Elsewhere(act).wait()


def at_once(*acts: Callable[[], object]) -> list[BaseException | None]:
    """Do several things at the same time, as well as threads can; return what each raised."""
    start = threading.Barrier(len(acts), timeout=TIMEOUT)

    def begin(act: Callable[[], object]) -> Callable[[], object]:
        return lambda: (start.wait(), act())

    threads = [Elsewhere(begin(act)) for act in acts]
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive(), "it waits for something that never comes"
    return [thread.error for thread in threads]


def work() -> int:
    return Loop(threads=1, wake=None).run()


def killed() -> None:
    raise Killed


def cut_connections() -> None:
    """End every connection to this database, as its server does when it restarts.

    SQLite has no server.
    """
    elsewhere(_cut_the_others)


def _cut_the_others() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return
        cursor.execute(
            "SELECT id FROM information_schema.processlist "
            "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")


def pass_time(craftkit: Kit) -> float:
    """Let time pass until something more is due; return how many seconds."""
    now = clock.now()
    waiting = [
        *Job.objects.values_list("due_at", flat=True),
        *Job.objects.values_list("leased_until", flat=True),
        *WebhookDelivery.objects.values_list("due_at", flat=True),
        *ProjectState.objects.values_list("probe_at", flat=True),
    ]
    seconds = [(moment - now).total_seconds() for moment in waiting if moment]
    told = craftkit.sandbox.state.outbox.next_due()
    seconds += [] if told is None else [told - craftkit._timestamp()]
    delay = min((left for left in seconds if left > 0), default=60.0) + 0.1
    craftkit.pass_time(delay)
    return delay


def settle(craftkit: Kit, *, minutes: float = 30, but: Collection[str] = ()) -> None:
    """Let time pass until nothing is left to do, ``but`` for such jobs; fail if something still is.

    It passes from one due moment to the next.
    """
    left, jobs = minutes * 60, Job.objects.exclude(kind__in=but)
    while True:
        craftkit.run()
        if not jobs.exists():
            return
        assert left > 0, list(jobs.values("kind", "error", "failures", "due_at"))
        left -= pass_time(craftkit)


def kill_connection(connection: BaseDatabaseWrapper) -> None:
    """Have the server end a connection, as a failover or an administrator does."""
    is_postgresql = connection.vendor == "postgresql"
    own, end = (
        ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%s)")
        if is_postgresql
        else ("SELECT CONNECTION_ID()", "KILL %s")
    )
    with connection.cursor() as cursor:
        cursor.execute(own)
        (number,) = cursor.fetchone()
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(end, [number])
    finally:
        other.close()


def with_function(monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[..., Any]) -> None:
    """Have the data of declared documents made by another function, for one test."""
    others = tuple(
        replace(one, function=function, name=name) for one in declarations._declared[name]
    )
    monkeypatch.setitem(declarations._declared, name, others)


def archived_files(folder: str = "") -> list[str]:
    """Return the names of the files in the archive's storage."""
    storage = archive_storage()
    try:
        folders, names = storage.listdir(folder)
    except FileNotFoundError:
        return []
    path = f"{folder}/" if folder else ""
    found = [f"{path}{name}" for name in names]
    return found + [name for one in folders for name in archived_files(f"{path}{one}")]
