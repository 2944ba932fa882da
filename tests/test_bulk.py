"""Many rows at once: what is written is what is read, on each database, of each kind of column."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_craftkit import bulk, clock
from django_craftkit.database import update_many
from django_craftkit.models import Change, Job, Render, Share, WebhookDelivery
from tests.helpers import Elsewhere, held, until

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
VALUES = st.fixed_dictionaries(
    {
        "status": st.sampled_from(Render.Status.values),
        "version": st.none() | st.integers(0, 2**31 - 1),
        "remote_id": st.none() | st.uuids(version=4),
        "answer": st.dictionaries(TEXT, JSON, max_size=3),
        "data": st.none() | st.dictionaries(TEXT, JSON, max_size=3),
        "error": TEXT,
        "completed_at": st.none() | MOMENTS,
        "updated_at": MOMENTS,
        "source_schema": st.none() | TEXT,
    }
)
ODD = {
    "status": "failed",
    "version": None,
    "remote_id": None,
    "answer": {"\\u0041\\": ["'", '"', "%s", "\U0001f642", "\u2028\x01\x7f\t\n", None, True, {}]},
    "data": {"": [None, [], "\\n"]},
    "error": "'\"\\ %s %% \U0001f642 \x01\x1f\r\n\t \u2028 {} \\u0000 \\\\ null  ",
    "completed_at": datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=UTC),
    "updated_at": datetime(2026, 10, 25, 0, 30, 0, 999999, tzinfo=UTC),
    "source_schema": "null",
}
LINES = st.fixed_dictionaries(
    {
        "object_id": st.integers(0, 2**63 - 1),
        "attempt": st.integers(1, 2**31 - 1),
        "note": TEXT,
        "created_at": MOMENTS,
        "receivers": st.none() | st.dictionaries(TEXT, JSON, max_size=3),
    }
)
ODD_LINE = {
    "object_id": 2**63 - 1,
    "attempt": 1,
    "note": ODD["error"],
    "created_at": ODD["updated_at"],
    "receivers": ODD["answer"],
}
BARE = ODD | {"error": "", "answer": {}, "data": None, "completed_at": None, "source_schema": None}


def a_render() -> Render:
    return Render(template="t", key="k", key_hash=uuid.uuid4().hex, data={})


@pytest.fixture(params=["json", "case"])
def _way(request, monkeypatch):
    """Also where a database reads no JSON as a table."""
    if request.param == "case":
        monkeypatch.setattr(bulk, "_update_by_json", lambda *args: False)


@pytest.mark.django_db
@pytest.mark.usefixtures("_way")
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(VALUES, min_size=1, max_size=4))
@example([ODD, BARE])
@example([ODD, ODD])
@example([BARE, ODD | {"version": 0, "remote_id": uuid.UUID(int=2**79 * 9 + 2**78 * 16)}])
def test_every_value_is_read_as_it_was_written(values):
    rows = Render.objects.bulk_create([a_render() for _ in values])
    if any(row.pk is None for row in rows):
        rows = list(Render.objects.order_by("-pk")[: len(values)])
    other = Render.objects.create(template="t", key="k", key_hash=uuid.uuid4().hex, data={"a": 1})
    for row, mine in zip(rows, values, strict=True):
        for name, value in mine.items():
            setattr(row, name, value)
    update_many(rows, VALUES_NAMES)
    for row, mine in zip(rows, values, strict=True):
        stored = Render.objects.get(pk=row.pk)
        assert {name: getattr(stored, name) for name in mine} == mine
    before = other.updated_at
    other.refresh_from_db()
    assert (other.data, other.status, other.updated_at) == ({"a": 1}, "pending", before)


VALUES_NAMES = list(BARE)


@pytest.mark.django_db
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(LINES, min_size=1, max_size=4))
@example([ODD_LINE])
@example([ODD_LINE, ODD_LINE | {"note": "", "receivers": None, "object_id": 0}])
@example([ODD_LINE, ODD_LINE])
def test_every_value_is_read_as_it_was_inserted(values):
    before = set(Change.objects.values_list("pk", flat=True))
    line = Change(kind="render", to_status="succeeded", cause="poll")
    assert bulk.insert([bulk.like(line, **mine) for mine in values], "default")
    stored = Change.objects.exclude(pk__in=before).order_by("pk")
    assert list(stored.values(*ODD_LINE)) == values, "and in their order"


def jobs(*numbers: int) -> list[Job]:
    job = Job(kind="render", due_at=clock.database_moment())
    return [bulk.like(job, object_id=number) for number in numbers]


@pytest.mark.django_db
def test_what_is_there_stays_as_it_is_and_is_not_said_to_be_new():
    is_told = connection.vendor == "postgresql"
    assert bulk.insert(jobs(1, 2), "default", ignore=True) == is_told
    Job.objects.update(error="before")
    assert not bulk.insert(jobs(2, 3), "default", ignore=True)
    there = Job.objects.order_by("object_id").values_list("object_id", "error")
    assert list(there) == [(1, "before"), (2, "before"), (3, "")]
    assert abs((clock.database_now() - Job.objects.get(object_id=3).due_at).total_seconds()) < 60
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.insert(jobs(3, 4), "default")
    assert Job.objects.count() == 3


@pytest.mark.django_db
def test_new_jobs_are_written_once_and_each_that_is_wished_for_is_due():
    Job.objects.schedule("render", [2])
    Job.objects.update(due_at=clock.now() + timedelta(days=1))
    Job.objects.schedule("render", [1, 2, 3])
    rows = Job.objects.order_by("object_id")
    assert [job.object_id for job in rows.filter(due_at__lte=clock.database_now())] == [1, 2, 3]
    assert rows.get(object_id=2).version > 1, "whoever had it in hand would see that"
    with CaptureQueriesContext(connection) as captured:
        Job.objects.schedule("render", [4, 5])
    updates = [query for query in captured if query["sql"].startswith("UPDATE")]
    assert len(updates) == (1 if connection.vendor == "postgresql" else 2)
    assert rows.filter(due_at__lte=clock.database_now()).count() == 5


@pytest.mark.django_db
@pytest.mark.parametrize("size", [10, 300_000], ids=["short", "long"])
def test_one_insert_holds_a_megabyte_at_most(size):
    line = Change(kind="render", object_id=1, to_status="failed", cause="poll")
    lines = [bulk.like(line, note=str(number) * size) for number in range(10)]
    with CaptureQueriesContext(connection) as captured:
        bulk.insert(lines, "default")
    if connection.vendor == "postgresql":
        assert len(captured) == (1 if size == 10 else 4)
    stored = Change.objects.order_by("pk").values_list("note", flat=True)
    assert list(stored) == [one.note for one in lines]


@pytest.mark.django_db
def test_rows_are_found_by_many_keys_at_once():
    ids = [uuid.uuid4() for _ in range(3)]
    for remote_id in ids:
        bulk.like(a_render(), remote_id=remote_id).save()
    pks = list(Render.objects.order_by("pk").values_list("pk", flat=True))
    for name, keys in (("pk", pks), ("remote_id", ids)):
        rows = Render.objects.order_by("pk")
        found = [set(rows.filter(bulk.among(name, part))) for part in (keys[:2], keys[2:], [])]
        assert [len(one) for one in found] == [2, 1, 0]
        assert rows.filter(bulk.among(name, keys[1:]), status="pending").count() == 2
        assert rows.exclude(bulk.among(name, keys[1:])).get() in found[0]


@pytest.mark.django_db
@pytest.mark.usefixtures("_way")
def test_data_that_python_says_are_equal_are_each_written_as_they_are():
    renders = [a_render() for _ in range(3)]
    for render, paid in zip(renders, (True, 1, 1.0), strict=True):
        render.save()
        render.data = {"paid": paid}
    update_many(renders, ["data"])
    stored = [render.data["paid"] for render in Render.objects.order_by("pk") if render.data]
    assert list(map(repr, stored)) == ["True", "1", "1.0"]


@pytest.mark.django_db
@pytest.mark.usefixtures("_way")
def test_booleans_are_written_too():
    render = a_render()
    render.save()
    shares = [Share(render=render, key="k", key_hash=str(n), adopted=None) for n in range(3)]
    for share in shares:
        share.save()
    for share, adopted in zip(shares, (True, False, None), strict=True):
        share.adopted = adopted
    update_many(shares, ["adopted"])
    assert [share.adopted for share in Share.objects.order_by("pk")] == [True, False, None]


@pytest.mark.django_db
def test_what_is_every_rows_may_be_the_databases_to_say():
    for number in range(2):
        WebhookDelivery.objects.store("default", str(number), b"{}")
    rows = list(WebhookDelivery.objects.order_by("pk"))
    moment: Any = clock.database_moment()
    for row, event in zip(rows, ("a", "b"), strict=True):
        row.due_at, row.event = moment, event
    update_many(rows, ["due_at", "event"])
    stored = list(WebhookDelivery.objects.order_by("pk"))
    assert [one.event for one in stored] == ["a", "b"]
    assert abs((clock.database_now() - stored[0].due_at).total_seconds()) < 60


@pytest.mark.django_db
@pytest.mark.parametrize(("size", "queries"), [(10, 1), (300_000, 4)], ids=["short", "long"])
def test_one_statement_holds_a_megabyte_at_most(size, queries):
    rows = [a_render() for _ in range(10)]
    for number, row in enumerate(rows):
        row.save()
        row.error = str(number) * size
    with CaptureQueriesContext(connection) as captured:
        update_many(rows, ["error"])
    assert len(captured) == queries
    stored = Render.objects.order_by("pk").values_list("error", flat=True)
    assert list(stored) == [row.error for row in rows]


def as_many(rows: list[Render]) -> None:
    for number, row in enumerate(rows):
        row.template = f"written {number}"
    update_many(rows, ["template"])


def alike(rows: list[Render]) -> None:
    bulk.update_by_pk(Render, [row.pk for row in rows], "default", template="written")


def drop(rows: list[Render]) -> None:
    bulk.delete_by_pk(Render, [row.pk for row in rows], "default")


@pytest.mark.django_db
def test_who_is_free_is_written_and_told():
    rows = [Render.objects.create(template="t", key=str(n), key_hash=str(n)) for n in range(3)]
    wanted = Render.objects.filter(pk__in=[rows[0].pk, rows[2].pk])
    with transaction.atomic():
        assert bulk.update_free(wanted, attempt=F("attempt") + 1) == {rows[0].pk, rows[2].pk}
        assert bulk.update_free(wanted.filter(attempt=7), attempt=1) == set()
    assert [*Render.objects.order_by("pk").values_list("attempt", flat=True)] == [2, 1, 2]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("write", [as_many, alike, drop])
def test_nobody_is_waited_for_who_has_another_row_of_a_small_table(write):
    if not connection.features.has_select_for_update:
        pytest.skip("This database locks its file, not rows.")
    rows = [a_render() for _ in range(4)]
    for row in rows:
        row.save()
    with held(lambda: Render.objects.select_for_update().get(pk=rows[1].pk)):
        writer = Elsewhere(lambda: write([rows[0], rows[2], rows[3]]))
        until(lambda: Render.objects.filter(template="t").count() == 1)
    writer.wait()
