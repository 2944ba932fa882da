"""What a save writes and reads: compiled once, and the same as Django would write."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import Error, connection, transaction
from django.db.models import F, Value
from django.db.models.expressions import DatabaseDefault
from django.test.utils import CaptureQueriesContext

from django_craftkit import clock
from django_craftkit.database import insert_or_get
from django_craftkit.failures import is_lost_race
from django_craftkit.models import Job, KeyConflict, Render, Share, SignatureRequest
from django_craftkit.models import render_manager as render_models
from django_craftkit.models import share_manager as share_models
from django_craftkit.models import signature_manager as signature_models
from django_craftkit.signing import AnchorTag, Recipient
from django_craftkit.statements import Lookup, insert
from tests.helpers import at_once, elsewhere
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable

JANE = [Recipient("Jane", "Doe", "jane@example.com")]
TAGS = [AnchorTag("{{sign}}", "signature")]


def a_render(**fields: Any) -> Render:
    key = uuid.uuid4().hex
    return Render(
        **{"template": "invoice", "key": key, "key_hash": key, "data": {"a": [1]}} | fields
    )


def repeatable_read() -> None:
    """Have the transaction that has just begun read as of its first statement."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        else:
            # Django's is READ COMMITTED, for the session.
            cursor.execute("COMMIT")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION")


@pytest.fixture
def _locks():
    """Leave no isolation behind, and wait for no lock for long."""
    if not connection.features.has_select_for_update:
        pytest.skip("Only one transaction writes at a time here.")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET lock_timeout = '2s'")
        else:
            cursor.execute("SET innodb_lock_wait_timeout = 2")
    yield
    connection.close()


# What is inserted


@pytest.fixture
def parent(db) -> Render:
    render = a_render()
    render.save()
    return render


MOMENT = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)


def a_full_render(key: str) -> Render:
    return Render(
        project="eu",
        remote_id=uuid.UUID(int=7),
        answer={"a": [None, True, 1.5, "\U0001f642 'x' %s \\"]},
        error="100 % 'quoted' \"text\"\n",
        error_code="x",
        field_errors={"a.b": ["c"]},
        requested_at=MOMENT,
        source_type_id=ContentType.objects.get_for_model(Order).pk,
        source_id="7",
        source_db="other",
        source_schema="alpha",
        template="receipt",
        version=3,
        key="%s",
        key_hash=key,
        attempt=2,
        attempted_at=MOMENT,
        sent_at=MOMENT,
        sending_since=MOMENT,
        status="queued",
        builder="b",
        unconfirmed_since=MOMENT,
        accepted_at=MOMENT,
        completed_at=MOMENT,
        counts={"opened": 1},
        withdrawn_at=MOMENT,
    )


ROWS: dict[str, Callable[[Render, str], Any]] = {
    "a document": lambda _parent, key: a_render(key_hash=key),
    "a document with all that it may have": lambda _parent, key: a_full_render(key),
    "a link": lambda parent, key: Share(render=parent, key="k", key_hash=key, adopted=None),
    "a request": lambda parent, key: SignatureRequest(
        render=parent, key="k", key_hash=key, fields=[{"a": 1}], declared=True
    ),
    "a job": lambda _parent, key: Job(kind=key[:32], object_id=2**40, due_at=MOMENT),
}


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
def test_a_row_is_what_django_would_have_made_of_it(parent, make):
    ones = [make(parent, uuid.uuid4().hex) for _ in range(2)]
    theirs, mine = ones[0], ones[1:]
    theirs.save(force_insert=True)
    # Compiled, and compiled before.
    mine.append(make(parent, uuid.uuid4().hex))
    differs = {
        "id",
        "key",
        "key_hash",
        "kind",
        "requested_at",
        "attempted_at",
        "created_at",
        "updated_at",
    }
    for row in mine:
        assert insert(row, "default")
        assert row.pk
        assert (row._state.adding, row._state.db) == (False, "default")
        columns = [column.attname for column in row._meta.concrete_fields]
        stored, expected = (
            type(row).objects.filter(pk=one.pk).values(*columns).get() for one in (row, theirs)
        )
        assert {k: stored[k] for k in stored.keys() - differs} == {
            k: expected[k] for k in expected.keys() - differs
        }
        for name in stored.keys() & differs:
            assert stored[name] == getattr(row, name)


def test_each_column_of_a_model_has_its_own_value(db):
    """None is left out, and none has another's place: the text may be older than the values."""
    for row in (a_render(), a_full_render("k")):
        with CaptureQueriesContext(connection) as queries:
            insert(row, "default")
        names = queries[-1]["sql"].split("(", 1)[1].split(") ")[0]
        quoted = [
            connection.ops.quote_name(column.column)
            for column in Render._meta.concrete_fields
            if column is not Render._meta.pk
        ]
        assert names == ", ".join(quoted)


def test_a_default_that_is_the_databases_is_left_to_it(db):
    job = Job(kind="x", object_id=1, attempts=DatabaseDefault(Value(0)))
    assert insert(job, "default")
    job.refresh_from_db()
    assert job.attempts == 0


def test_a_taken_key_is_no_error_and_leaves_the_transaction_whole(db):
    first, second = a_render(key_hash="k"), a_render(key_hash="k", template="other")
    with transaction.atomic():
        assert insert(first, "default")
        assert not insert(second, "default")
        assert second.pk is None
        assert Render.objects.get().template == "invoice"


@pytest.mark.parametrize(
    "wrong", [{"project": "x" * 65}, {"template": None}, {"version": -1}], ids=str
)
def test_what_a_database_refuses_is_raised(db, wrong):
    row = a_render(**wrong)
    if connection.vendor == "sqlite" and "project" in wrong:
        pytest.skip("It has no longest text.")
    with pytest.raises(Error), transaction.atomic():
        insert_or_get(row, render_models._BY_KEY, "project", "key_hash")
    assert not Render.objects.exists()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has schemas")
def test_the_schema_is_the_connections(db):
    assert insert(a_render(), "default")
    table = Render._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA tenant")
        for name in (table, Job._meta.db_table):
            cursor.execute(f"CREATE TABLE tenant.{name} (LIKE public.{name} INCLUDING ALL)")
        cursor.execute("SET LOCAL search_path = tenant, public")
    theirs = Render.objects.request("invoice", {"a": 1}, key="k")
    assert Render.objects.request("invoice", {"a": 1}, key="k").pk == theirs.pk
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT key FROM tenant.{table}")
        assert cursor.fetchall() == [("k",)]
        cursor.execute("SET LOCAL search_path = public")
    assert not Render.objects.filter(key="k").exists()
    assert not Job.objects.exists()


# What is looked up


@pytest.mark.parametrize(
    "make", [lambda key: a_render(key_hash=key), a_full_render], ids=["plain", "full"]
)
@pytest.mark.parametrize(
    "lookup", [render_models._BY_KEY, render_models._STATE_BY_KEY], ids=["all", "state"]
)
def test_a_row_is_what_django_would_have_read(db, lookup, make):
    row = make("k")
    row.save()
    theirs = lookup.rows().get(key_hash="k")
    mine = lookup.first("default", row.project, "k")
    assert mine == theirs
    assert (mine._state.adding, mine._state.db) == (theirs._state.adding, theirs._state.db)
    assert mine.get_deferred_fields() == theirs.get_deferred_fields()
    of_row = [{k: v for k, v in vars(one).items() if k != "_state"} for one in (mine, theirs)]
    assert of_row[0] == of_row[1]
    # What was left out is read when it is asked for.
    assert mine.data == theirs.data
    assert mine._state.fields_cache is not theirs._state.fields_cache


# A later save


def confirmed() -> Order:
    return Order.objects.create(number="1", confirmed=True)


@pytest.mark.django_db
@pytest.mark.parametrize("is_built", [False, True], ids=["waiting", "built"])
def test_a_later_save_reads_once_and_writes_nothing(is_built):
    order = confirmed()
    if is_built:
        Render.objects.update(data={"a": "x" * 100})
        Job.objects.all().delete()
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        order.save()
    ours = [query["sql"] for query in queries if "craftkit" in query["sql"]]
    assert len(ours) == 1
    assert ours[0].startswith("SELECT")
    assert "FOR UPDATE" not in ours[0]
    # What may be long is left where it is.
    assert f"{connection.ops.quote_name('data')}, " not in ours[0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "state",
    [
        {"failures": 1},
        {"leased_until": MOMENT},
        None,
    ],
    ids=["failed", "quarantined", "lost"],
)
def test_a_later_save_wakes_a_job_that_would_not_be_carried_out_by_itself(state):
    order = confirmed()
    if state is None:
        Job.objects.all().delete()
    else:
        Job.objects.update(due_at=clock.now() + timedelta(days=1), **state)
    order.save()
    job = Job.objects.get()
    assert job.due_at <= clock.database_now()
    assert job.leased_until is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_locks")
@pytest.mark.parametrize("is_built", [False, True], ids=["waiting", "built"])
def test_a_later_save_waits_for_nobody(is_built):
    order = confirmed()
    if is_built:
        Render.objects.update(data={})
    with transaction.atomic():
        for model in (Render, Job):
            assert len(model.objects.select_for_update()) == 1
            model.objects.update(id=F("id"))
        elsewhere(order.save)


# A lost race


@pytest.mark.django_db(transaction=True)
def test_who_loses_a_race_for_a_key_is_told_that_it_stands_for_another_document():
    """Like everybody who comes later."""
    orders = [Order.objects.create(number=str(number)) for number in range(2)]
    for number in range(5):
        key = f"k-{number}"
        errors = at_once(
            *(
                partial(Render.objects.request, "invoice", {}, source=order, key=key)
                for order in orders
            )
        )
        assert sorted(type(error).__name__ for error in errors) == ["KeyConflict", "NoneType"]
        assert Render.objects.filter(key=key).count() == 1


def lose_a_race(monkeypatch, act: Callable[[], Any], win: Callable[[], Any], lookup: Any) -> Any:
    """Let ``win`` happen elsewhere, committed, after ``act`` found that there is no row."""
    first = Lookup.first

    def too_early(self, *args, **kwargs):
        found = first(self, *args, **kwargs)
        if self is lookup and found is None:
            monkeypatch.setattr(Lookup, "first", first)
            elsewhere(win)
        return found

    monkeypatch.setattr(Lookup, "first", too_early)
    return act()


WISHES: dict[str, tuple[Any, Callable[[Render, str], Any]]] = {
    "a document": (
        render_models._BY_KEY,
        lambda _parent, what: Render.objects.request(f"t-{what}", {}, key="k"),
    ),
    "a link": (
        share_models._BY_KEY,
        lambda parent, what: parent.share(
            key="k", channel="email", recipient_email=f"{what}@example.com"
        ),
    ),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_locks")
@pytest.mark.parametrize("reads", ["committed", "repeatable"])
@pytest.mark.parametrize("same", [True, False], ids=["the same", "another"])
@pytest.mark.parametrize(("lookup", "wish"), WISHES.values(), ids=WISHES)
def test_a_lost_race_gives_the_winners_row_or_says_that_it_is_another(
    monkeypatch, lookup, wish, same, reads
):
    parent = a_render()
    parent.save()
    order = Order.objects.create(number="theirs")

    def lose() -> Any:
        with transaction.atomic():
            if reads == "repeatable":
                repeatable_read()
            # The caller's own, and their snapshot.
            Order.objects.filter(pk=order.pk).update(number="mine")
            assert not Render.objects.filter(key="k").exists()
            found = wish(parent, "a" if same else "b")
            return found.pk

    def act() -> Any:
        return lose_a_race(monkeypatch, lose, lambda: wish(parent, "a"), lookup)

    if reads == "repeatable" and connection.vendor == "postgresql":
        with pytest.raises(Error) as raised:
            act()
        assert is_lost_race(raised.value)
        assert Order.objects.get(pk=order.pk).number == "theirs"
        return
    if not same:
        with pytest.raises(KeyConflict):
            act()
        return
    pk = act()
    (row,) = (
        Render.objects.filter(key="k") if lookup is render_models._BY_KEY else parent.shares.all()
    )
    assert row.pk == pk
    assert Order.objects.get(pk=order.pk).number == "mine"
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_locks")
@pytest.mark.parametrize("reads", ["committed", "repeatable"])
def test_a_lost_race_for_a_signature_request_gives_the_winners(monkeypatch, reads):
    if reads == "repeatable" and connection.vendor == "postgresql":
        pytest.skip("It refuses the INSERT, as of any other row.")
    parent = a_render()
    parent.save()
    lookups = signature_models.insert_or_get

    def too_late(*args):
        monkeypatch.setattr(signature_models, "insert_or_get", lookups)
        elsewhere(send)
        return lookups(*args)

    def send() -> SignatureRequest:
        return parent.send_for_signature(JANE, anchor_tags=TAGS, key="k")

    monkeypatch.setattr(signature_models, "insert_or_get", too_late)
    # MySQL would have locked the document first.
    monkeypatch.setattr(signature_models, "lock_render", lambda *args, **kwargs: True)
    with transaction.atomic():
        if reads == "repeatable":
            repeatable_read()
        assert not parent.signature_requests.exists()
        request = send()
    assert SignatureRequest.objects.get() == request
    assert request.recipients.count() == 1
