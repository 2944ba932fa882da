"""What a failure means: told by what real databases say, not by the class that wraps it."""

from __future__ import annotations

import errno
import socket
import sqlite3
import ssl
import sys
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from celery.exceptions import SoftTimeLimitExceeded
from django.db import (
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)
from django.db.models.signals import post_save

from django_craftkit.client import (
    AuthenticationError,
    CraftkitTimeout,
    InvalidResponse,
    NotFound,
    RateLimited,
    ServerError,
)
from django_craftkit.database import database, in_transaction, retried_after_deadlock
from django_craftkit.failures import is_lost_race, is_outage, time_limits
from django_craftkit.models import EngagementEvent, Job, Render
from tests.helpers import TIMEOUT, at_once, kill_connection
from tests.seams import before_writing
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)

SERVERS = pytest.mark.skipif(connection.vendor == "sqlite", reason="No server to lose.")


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def caught(act: Callable[[], object]) -> Error:
    with pytest.raises(Error) as raised:
        act()
    connection.close()
    return raised.value


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM no_such_table",
        "SELECT no_such_column FROM shop_order",
        "SELEKT 1",
        "INSERT INTO shop_order (number) VALUES (NULL)",
    ],
)
def test_a_statement_that_is_wrong_is_no_outage(sql):
    error = caught(lambda: run(sql))
    assert not is_outage(error)
    assert not is_lost_race(error)


@pytest.fixture
def be_refused(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """What SQLite does not wait for: two have read, one writes, and the other goes on to write."""
    one, other = (sqlite3.connect(tmp_path / "db", isolation_level=None) for _ in range(2))
    one.execute("CREATE TABLE a (b)")

    def refuse() -> None:
        for each in (one, other):
            each.execute("BEGIN")
            each.execute("SELECT * FROM a").fetchall()
        one.execute("INSERT INTO a VALUES (1)")
        try:
            with connections["default"].wrap_database_errors:
                other.execute("INSERT INTO a VALUES (2)")
        finally:
            one.rollback()
            other.rollback()

    yield refuse
    one.close()
    other.close()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Servers have codes for it.")
@pytest.mark.parametrize(("timeout", "tries"), [(5.0, 2), (0.0, 1)])
def test_a_lock_that_sqlite_does_not_wait_for_is_a_lost_race(
    be_refused, monkeypatch, timeout, tries
):
    """One that did not come within the timeout is none: it was waited for long enough."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", timeout)
    calls = []

    @in_transaction
    def write() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            be_refused()

    with pytest.raises(OperationalError) if tries == 1 else nullcontext():
        write()
    assert len(calls) == tries


@SERVERS
def test_a_connection_that_is_gone_is_an_outage_and_no_lost_race():
    kill_connection(connection)
    error = caught(lambda: run("SELECT 1"))
    assert is_outage(error)
    assert not is_lost_race(error)


@SERVERS
def test_a_statement_that_took_too_long_is_an_outage_and_no_lost_race():
    if connection.vendor == "postgresql":
        run("SET statement_timeout = 50")
        error = caught(lambda: run("SELECT pg_sleep(5)"))
    else:
        run("SET max_statement_time = 0.05")
        error = caught(lambda: run("SELECT SLEEP(5)"))
    assert is_outage(error)
    assert not is_lost_race(error)


@SERVERS
def test_a_deadlock_is_a_lost_race():
    rows = [Order.objects.create(number=number).pk for number in "ab"]
    met = threading.Barrier(2, timeout=TIMEOUT)

    def cross(first: int, second: int) -> Callable[[], None]:
        def act() -> None:
            with transaction.atomic():
                Order.objects.filter(pk=first).update(total=1)
                met.wait()
                Order.objects.filter(pk=second).update(total=2)

        return act

    errors = at_once(cross(*rows), cross(*rows[::-1]))
    (lost,) = [error for error in errors if error is not None]
    assert is_lost_race(lost)


def raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def coded(code: str) -> Exception:
    error = Exception()
    error.sqlstate = code  # type: ignore[attr-defined]
    return error


OUTAGES = [
    OperationalError("server closed the connection unexpectedly"),
    OperationalError(2006, "Server has gone away"),
    OperationalError(1205, "Lock wait timeout exceeded"),
    InterfaceError("connection already closed"),
    InterfaceError(0, ""),
    raised_from(OperationalError(), coded("55P03")),
    raised_from(OperationalError(), coded("57P01")),
    raised_from(OperationalError(), coded("53300")),
    raised_from(ProgrammingError(), coded("25006")),
    ConnectionResetError(),
    TimeoutError(),
    MemoryError(),
    socket.gaierror(),
    ssl.SSLError(),
    OSError(errno.ENOSPC, "full"),
    OSError(errno.EMFILE, "too many"),
    requests.ConnectionError(),
    requests.ReadTimeout(),
    CraftkitTimeout(),
    RateLimited(status=429),
    NotFound(status=404),  # a proxy's page
    raised_from(RuntimeError("wrapped"), ServerError(status=503)),
    raised_from(RuntimeError("wrapped by a library"), ConnectionRefusedError()),
    ExceptionGroup("of a task group", [LookupError(), ConnectionError()]),
]
FAULTS = [
    LookupError(),
    ValueError(),
    FileNotFoundError(errno.ENOENT, "no logo"),
    PermissionError(errno.EACCES, "no"),
    requests.HTTPError(),
    NotFound(status=404, code="not_found"),
    AuthenticationError(status=401, code="invalid_api_key"),
    InvalidResponse(),
    ProgrammingError(),
    IntegrityError(),
    DataError(),
    OperationalError(1054, "Unknown column"),
    raised_from(ProgrammingError(), coded("42P01")),
    raised_from(RuntimeError(), LookupError()),
]


@pytest.mark.parametrize("error", OUTAGES, ids=repr)
def test_what_passes_by_itself_is_an_outage(error):
    assert is_outage(error)


@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_what_code_does_wrong_is_none(error):
    assert not is_outage(error)


LOST_RACES = [
    raised_from(OperationalError(), coded("40P01")),
    raised_from(OperationalError(), coded("40001")),
    OperationalError(1213, "Deadlock found when trying to get lock"),
]


@pytest.mark.parametrize("error", [*LOST_RACES, *OUTAGES, *FAULTS], ids=repr)
@pytest.mark.parametrize("decorate", [retried_after_deadlock, in_transaction])
def test_only_a_lost_race_is_run_again(error, decorate):
    calls = []

    @decorate
    def write() -> str:
        calls.append(error)
        if len(calls) == 1:
            raise error
        return "written"

    if error in LOST_RACES:
        assert write() == "written"
    else:
        with pytest.raises(type(error)):
            write()
    assert len(calls) == (2 if error in LOST_RACES else 1)
    assert not connection.in_atomic_block


@pytest.mark.parametrize("decorate", [retried_after_deadlock, in_transaction])
def test_a_connection_that_works_keeps_its_session_when_a_block_is_run_again(decorate):
    assert connection.settings_dict["CONN_MAX_AGE"] == 0
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE of_the_session (number integer)")
    tries = []

    @decorate
    def write() -> None:
        tries.append(Order.objects.count())
        if len(tries) == 1:
            raise OperationalError(1213, "deadlock")

    write()
    assert len(tries) == 2
    run("SELECT number FROM of_the_session")
    connection.close()


def test_a_lost_race_is_left_to_whoever_began_the_transaction():
    @in_transaction
    def write() -> None:
        raise OperationalError(1213, "deadlock")

    with pytest.raises(OperationalError), transaction.atomic():
        write()


def test_what_was_committed_is_not_run_again():
    calls = []

    def hook() -> None:
        raise OperationalError(1213, "deadlock of a hook")

    @in_transaction
    def write() -> None:
        calls.append(Order.objects.create(number="1"))
        transaction.on_commit(hook, using=database())

    with pytest.raises(OperationalError):
        write()
    assert len(calls) == Order.objects.count() == 1


def test_a_hook_of_the_projects_own_does_not_have_an_event_written_twice(craftkit):
    render = Render.objects.request("invoice", {})
    craftkit.run()
    render.refresh_from_db()

    def hook() -> None:
        raise OperationalError(1213, "deadlock of a hook")

    def receive(**kwargs: object) -> None:
        transaction.on_commit(hook)

    post_save.connect(receive, sender=EngagementEvent)
    try:
        with pytest.raises(OperationalError):
            render.record("viewed")
    finally:
        post_save.disconnect(receive, sender=EngagementEvent)
    assert EngagementEvent.objects.count() == 1


@SERVERS
@pytest.mark.parametrize("when", ["before it is rolled back", "after that"])
@pytest.mark.parametrize("where", ["in_transaction", "withdraw"])
def test_a_connection_that_died_in_a_lost_race_is_replaced(craftkit, monkeypatch, where, when):
    """Else the next block takes itself for an inner one, and every one after it too."""
    render = Render.objects.request("invoice", {})
    craftkit.run()
    render.refresh_from_db()
    calls = []
    wrapper = type(connections["default"])
    roll_back = wrapper.rollback

    def die_then(self: Any) -> None:
        monkeypatch.setattr(wrapper, "rollback", roll_back)
        roll_back(self)
        kill_connection(connection)

    def lose_once() -> None:
        calls.append(True)
        if len(calls) == 1:
            if when == "after that":
                monkeypatch.setattr(wrapper, "rollback", die_then)
            else:
                kill_connection(connection)
            raise OperationalError(1213, "deadlock")

    if where == "withdraw":
        before_writing(monkeypatch, Job, lose_once, times=None)
        assert render.withdraw()
    else:
        in_transaction(lose_once)()
    assert len(calls) > 1
    assert not connection.in_atomic_block
    assert connection.get_autocommit()
    with transaction.atomic():
        Order.objects.create(number="1")
    assert Order.objects.count() == 1


@SERVERS
def test_a_connection_that_died_is_let_go_of_where_nothing_is_run_again():
    @in_transaction
    def write() -> None:
        kill_connection(connection)
        run("SELECT 1")

    with pytest.raises(Error):
        write()
    assert not connection.in_atomic_block
    with transaction.atomic():
        Order.objects.create(number="1")


def test_a_time_limit_is_known_however_late_its_library_is_loaded(monkeypatch):
    class OutOfTime(Exception):
        pass

    libraries = {
        "billiard.exceptions": "SoftTimeLimitExceeded",
        "rq.timeouts": "BaseTimeoutException",
    }
    for module in libraries:
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert time_limits() == ()
    for module, name in libraries.items():
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: OutOfTime}))
        try:
            raise OutOfTime
        except time_limits():
            monkeypatch.delitem(sys.modules, module)


def test_celerys_time_limit_is_one():
    assert SoftTimeLimitExceeded in time_limits()
