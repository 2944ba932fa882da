"""A document never costs the business its rows: what broke a transaction is raised in it."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import Group, User
from django.db import Error, OperationalError, connection, connections, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from django_craftkit.database import in_transaction, retried_after_deadlock
from django_craftkit.models import Job, Render
from tests.helpers import TIMEOUT, Elsewhere, at_once
from tests.shop.models import Line, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

SERVERS = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer, and no deadlocks."
)
fired = Signal()


@pytest.fixture
def declare(declare: Callable[..., Any]) -> Callable[..., None]:
    """Declare a document for this test alone."""

    def declare_document(
        signal: Signal, *, build: Callable[..., Any] | None = None, **arguments: Any
    ) -> None:
        def document(about: Any, **kwargs: Any) -> Any:
            return {} if build is None else build(about, **kwargs)

        arguments = {"key": lambda about: f"k-{about.pk}", **arguments}
        declare(signal, template="t", **arguments)(document)

    return declare_document


def fail(using: str = "default") -> Any:
    """Send the database what it refuses."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")


def fail_and_say_something_else(about: Any) -> Any:
    try:
        fail()
    except Error as error:
        raise LookupError("no such key") from error


def fail_and_hide_it(about: Any) -> Any:
    try:
        fail()
    except Error:
        raise LookupError("no such key") from None


def fail_beside_django(about: Any) -> Any:
    connection.connection.cursor().execute("SELECT * FROM no_such_table")


def save_what_is_not_there(about: Any) -> Any:
    Line(pk=99, order_id=about.pk, text="").save(force_update=True)


FAILURES = {
    "when": {"when": lambda about: fail()},
    "key": {"key": lambda about: fail()},
    "another error made of it": {"key": fail_and_say_something_else},
    "an error that Django itself raises": {"when": save_what_is_not_there},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_query_that_fails_in_an_event_is_raised_in_its_transaction(db, declare, failure):
    declare(post_save, sender=Order, **failure)

    def buy() -> None:
        with transaction.atomic():
            Order.objects.create(number="1")

    with pytest.raises((Error, LookupError)):
        buy()
    assert not Order.objects.exists()


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_without_a_transaction_it_is_logged_and_the_row_stays(declare, failure, caplog):
    declare(post_save, sender=Order, **failure)
    order = Order.objects.create(number="1")
    assert "asked for no document" in caplog.text
    order.refresh_from_db()
    assert not connection.in_atomic_block


@pytest.mark.skipif(connection.vendor != "postgresql", reason="Others go on after an error.")
@pytest.mark.parametrize("query", [fail_and_hide_it, fail_beside_django])
def test_a_transaction_that_nobody_can_commit_is_raised_in_whatever_the_error_hides(declare, query):
    declare(post_save, sender=Order, key=query)
    with pytest.raises(Exception, match=r"no_such_table|no such key"), transaction.atomic():
        Order.objects.create(number="1")
    assert not Order.objects.exists()


# Whoever commits by hand


@pytest.fixture
def by_hand() -> Iterator[None]:
    """The caller has taken the connection out of autocommit."""
    transaction.set_autocommit(False)
    yield
    transaction.rollback()
    transaction.set_autocommit(True)


@pytest.mark.parametrize("decorate", [retried_after_deadlock, in_transaction])
def test_what_a_caller_commits_by_hand_is_theirs_to_do_again(by_hand, decorate):
    calls = []

    @decorate
    def write() -> None:
        calls.append(1)
        raise OperationalError(1213, "deadlock")

    Order.objects.create(number="1")
    with pytest.raises(OperationalError):
        write()
    assert len(calls) == 1
    # On another connection it would be gone without a word.
    assert Order.objects.exists()


def test_a_query_that_fails_in_an_event_is_raised_to_who_commits_by_hand(by_hand, declare):
    declare(post_save, sender=Order, when=lambda order: fail())
    with pytest.raises(Error):
        Order.objects.create(number="1")


def test_who_commits_by_hand_waits_for_nothing(by_hand, craftkit):
    render = Render.objects.request("invoice", {})
    for wait in (render.wait, lambda: render.share(wait=True)):
        with pytest.raises(RuntimeError, match="inside a transaction"):
            wait()
    assert craftkit.renders == []


def get_or_create() -> None:
    Order.objects.get_or_create(number="1")


def update_or_create() -> None:
    Order.objects.update_or_create(number="1")


def add() -> None:
    User.objects.get(username="ada").groups.add(Group.objects.get(name="crew"))


def delete() -> None:
    Order.objects.get(number="0").delete()


@pytest.mark.parametrize(
    ("signal", "sender", "act"),
    [
        (post_save, Order, get_or_create),
        (post_save, Order, update_or_create),
        (m2m_changed, User.groups.through, add),
        (post_delete, Order, delete),
    ],
)
def test_what_django_itself_does_in_a_transaction_is_whole_or_raises(declare, signal, sender, act):
    Order.objects.create(number="0")
    User.objects.create(username="ada")
    Group.objects.create(name="crew")
    declare(signal, sender=sender, when=lambda about: fail())
    with pytest.raises(Error):
        act()
    assert list(Order.objects.values_list("number", flat=True)) == ["0"]
    assert not User.groups.through.objects.exists()


def buy(request: HttpRequest) -> HttpResponse:
    Order.objects.create(number="1")
    Order.objects.create(number="2")
    return HttpResponse("bought")


urlpatterns = [path("buy/", buy)]


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("atomic", [True, False])
def test_a_request_is_never_answered_well_whose_rows_are_gone(declare, monkeypatch, atomic):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    declare(post_save, sender=Order, when=lambda order: order.number == "2" and fail())
    answer = Client(raise_request_exception=False).post("/buy/")
    seen = (answer.status_code, Order.objects.count())
    assert seen == ((500, 0) if atomic else (200, 2))


@pytest.mark.django_db(transaction=False, databases=["default"])
def test_in_a_test_case_it_is_raised_where_it_happens(declare):
    declare(post_save, sender=Order, when=lambda about: fail())
    with pytest.raises(Error), transaction.atomic():
        Order.objects.create(number="1")
    assert not Order.objects.exists()


@pytest.mark.parametrize("is_open", [True, False])
def test_a_third_database_counts_where_its_transaction_is_open(declare, is_open, caplog):
    declare(post_save, sender=Order, when=lambda about: fail("other"))
    if is_open:
        with pytest.raises(Error), transaction.atomic(), transaction.atomic(using="other"):
            Order.objects.create(number="1")
    else:
        with transaction.atomic():
            Order.objects.create(number="1")
        assert "asked for no document" in caplog.text
    assert Order.objects.count() == (not is_open)


def test_craftkit_own_query_that_fails_is_raised_too(declare):
    declare(post_save, sender=Order)
    with (
        pytest.raises(Error),
        transaction.atomic(),
        connection.execute_wrapper(break_inserts),
    ):
        Order.objects.create(number="1")
    assert not Order.objects.exists()


def break_inserts(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if sql.startswith("INSERT") and "craftkit_render" in sql:
        sql, params = "INSERT INTO no_such_table VALUES (1)", ()
    return execute(sql, params, many, context)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_commit_elsewhere_whose_document_breaks_a_transaction_here(declare, is_open, caplog):
    """The wish of an event in another database is written right after that one's commit."""
    declare(post_save, sender=Order)

    def buy_elsewhere() -> None:
        Order.objects.update(number="changed")
        with connection.execute_wrapper(break_inserts), transaction.atomic(using="other"):
            Order(number="there").save(using="other")

    here = Order.objects.bulk_create([Order(number="here")])[0]
    if is_open:
        with pytest.raises(Error), transaction.atomic():
            buy_elsewhere()
    else:
        buy_elsewhere()
        assert "asked for no document" in caplog.text
    here.refresh_from_db()
    assert here.number == ("here" if is_open else "changed")
    assert Order.objects.using("other").count() == 1


def test_the_time_limit_of_the_task_that_an_event_is_in_ends_the_task(declare):
    def too_slow(about: Any) -> Any:
        raise SoftTimeLimitExceeded

    declare(fired, when=too_slow)
    with pytest.raises(SoftTimeLimitExceeded):
        fired.send(Order, instance=Order(pk=1))


@SERVERS
def test_documents_whose_keys_cross_lose_nobody_a_row(declare):
    """Of two transactions that wait for each other one is told; what ends well is all there."""
    # Keys of its own: where another test's row had the same one and InnoDB has not purged it yet,
    # the first INSERT locks the gap beside it, and the other one waits for that.
    prefix = uuid.uuid4().hex
    declare(post_save, sender=Order, key=lambda order: prefix + order.number[1:])
    met = threading.Barrier(2, timeout=TIMEOUT)

    def request(name: str, first: str, second: str) -> Callable[[], None]:
        def run() -> None:
            with transaction.atomic():
                Order.objects.create(number=name + first)
                met.wait()
                Order.objects.create(number=name + second)

        return run

    errors = at_once(request("a", "1", "2"), request("b", "2", "1"))
    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "OperationalError"]
    winner = "ab"[errors.index(None)]
    assert {order.number[0] for order in Order.objects.all()} == {winner}
    assert Order.objects.count() == Render.objects.count() == Job.objects.count() == 2


@SERVERS
def test_a_snapshot_that_loses_a_deadlock_loses_nobody_a_row(declare):
    rows = [Line.objects.create(order=Order.objects.create(number="0"), text=t) for t in "ab"]
    met = threading.Barrier(2, timeout=TIMEOUT)

    def build(order: Order, **kwargs: Any) -> dict[str, Any]:
        mine = rows if order.number == "a" else rows[::-1]
        for row in mine:
            Line.objects.filter(pk=row.pk).update(text=order.number)
            if row is mine[0]:
                met.wait()
        return {"number": order.number}

    declare(fired, snapshot=True, build=build)

    def request(name: str) -> Callable[[], None]:
        def run() -> None:
            with transaction.atomic():
                order = Order.objects.create(number=name)
                fired.send(Order, instance=order)

        return run

    errors = at_once(request("a"), request("b"))
    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "OperationalError"]
    winner = "ab"[errors.index(None)]
    assert list(Order.objects.exclude(number="0").values_list("number", flat=True)) == [winner]
    assert [line.text for line in Line.objects.all()] == [winner, winner]
    assert Render.objects.get().data == {"number": winner}


@SERVERS
def test_a_lock_that_does_not_come_is_told_to_whoever_waited_for_it(declare):
    """A migration holds Craftkit's table, and the caller's patience is short."""
    declare(post_save, sender=Order)
    held, over = threading.Event(), threading.Event()
    is_postgresql = connection.vendor == "postgresql"

    def migrate() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            if is_postgresql:
                cursor.execute("LOCK TABLE craftkit_render IN ACCESS EXCLUSIVE MODE")
            else:
                cursor.execute("LOCK TABLES craftkit_render WRITE")
            held.set()
            over.wait(TIMEOUT)
            if not is_postgresql:
                cursor.execute("UNLOCK TABLES")

    migration = Elsewhere(migrate)
    assert held.wait(TIMEOUT)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SET lock_timeout = '200ms'" if is_postgresql else "SET lock_wait_timeout = 1"
            )
        with pytest.raises(OperationalError), transaction.atomic():
            Order.objects.create(number="1")
    finally:
        over.set()
        migration.wait()
        connection.close()
    assert not Order.objects.exists()
