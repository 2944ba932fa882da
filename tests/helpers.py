"""What many tests say in the same words."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Permission
from django.db import connection, connections

from django_craftkit import declarations
from django_craftkit.models import Job
from django_craftkit.reconcile.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from django.db.backends.base.base import BaseDatabaseWrapper

    from django_craftkit.testing import Kit

#: Seconds that one thread waits for another at most: only a failing test does.
PATIENCE = 45
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
        self.join(PATIENCE)
        assert not self.is_alive(), "it waits for something that never comes"
        if self.error and not isinstance(self.error, Killed):
            raise self.error


def elsewhere(act: Callable[[], object]) -> None:
    Elsewhere(act).wait()


def at_once(*acts: Callable[[], object]) -> list[BaseException | None]:
    """Do several things at the same time, as well as threads can; return what each raised."""
    start = threading.Barrier(len(acts), timeout=PATIENCE)

    def begin(act: Callable[[], object]) -> Callable[[], object]:
        return lambda: (start.wait(), act())

    threads = [Elsewhere(begin(act)) for act in acts]
    for thread in threads:
        thread.join(PATIENCE)
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


def settle(craftkit: Kit, *, minutes: float = 30) -> None:
    """Let time pass until nothing is left to do; fail if something still is."""
    for _ in range(int(minutes * 6)):
        craftkit.run()
        if not Job.objects.exists():
            return
        craftkit.pass_time(10)
    left = list(Job.objects.values("kind", "error", "failures", "due_at"))
    raise AssertionError(f"After {minutes} minutes there is still something to do: {left}")


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
