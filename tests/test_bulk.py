"""Bulk updates: what is written is what is read, on each database, of each kind of column."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_craftkit import bulk, clock
from django_craftkit.database import update_many
from django_craftkit.models import Render, Share, WebhookDelivery
from tests.helpers import PATIENCE, Elsewhere, until

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


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("write", [as_many, alike, drop])
def test_nobody_is_waited_for_who_has_another_row_of_a_small_table(write):
    if not connection.features.has_select_for_update:
        pytest.skip("This database locks its file, not rows.")
    rows = [a_render() for _ in range(4)]
    for row in rows:
        row.save()
    held, over = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Render.objects.select_for_update().get(pk=rows[1].pk)
            held.set()
            assert over.wait(PATIENCE)

    someone = Elsewhere(hold)
    assert held.wait(PATIENCE)
    writer = Elsewhere(lambda: write([rows[0], rows[2], rows[3]]))
    try:
        until(lambda: Render.objects.filter(template="t").count() == 1)
    finally:
        over.set()
    someone.wait()
    writer.wait()
