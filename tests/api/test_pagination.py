"""Pages stay where they are while rows come and go, and cost the same wherever they are."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_craftkit.api.pagination import _Cursor
from django_craftkit.models import Render
from tests.admin.conftest import make_event, make_render, make_rows

from .conftest import fields_of

pytestmark = pytest.mark.django_db

LISTS = {
    "renders": "view_render",
    "shares": "view_share",
    "signature-requests": "view_signaturerequest",
    "engagement": "view_engagementevent",
    "batches": "view_batch",
}


def ids(page) -> list[int]:
    return [row["id"] for row in page["results"]]


def make_many(number: int) -> list[int]:
    """Make documents, each two of which were requested at the same moment; newest first."""
    now = timezone.now()
    rows = [make_render(requested_at=now - timedelta(hours=n // 2)) for n in range(number)]
    return [row.pk for row in sorted(rows, key=lambda row: (row.requested_at, row.pk))][::-1]


@pytest.mark.parametrize("ordering", ["-requested_at", "requested_at"])
def test_there_and_back_again(boss, ordering):
    expected = make_many(7)
    if ordering == "requested_at":
        expected.reverse()
    pages, url = [], f"renders/?page_size=3&ordering={ordering}"
    while url:
        pages.append(boss.got(url))
        url = pages[-1]["next"]
    assert [ids(page) for page in pages] == [expected[:3], expected[3:6], expected[6:]]
    assert pages[0]["previous"] is None
    back = boss.got(pages[2]["previous"])
    assert ids(back) == expected[3:6]
    first = boss.got(back["previous"])
    assert (ids(first), first["previous"]) == (expected[:3], None)
    assert ids(boss.got(first["next"])) == expected[3:6]


def test_rows_that_come_and_go_move_no_page(boss):
    expected = make_many(8)
    page = boss.got("renders/?page_size=3")
    make_render()
    # Before the page, its last row, and after it.
    Render.objects.filter(pk__in=[expected[0], expected[2], expected[4]]).delete()
    second = boss.got(page["next"])
    assert ids(second) == [expected[3], expected[5], expected[6]]
    assert ids(boss.got(second["previous"])) == [Render.objects.latest("pk").pk, expected[1]]


@hypothesis_settings(max_examples=15)
@given(
    deleted=st.lists(st.integers(0, 11), max_size=6, unique=True),
    size=st.integers(1, 5),
    inserted=st.lists(st.integers(-2, 13), max_size=4),
)
def test_whatever_stays_is_seen_once(boss, deleted, size, inserted):
    Render.objects.all().delete()
    now = timezone.now()
    rows = make_many(12)
    doomed = [rows[position] for position in deleted]
    seen: list[int] = []
    url = f"renders/?page_size={size}"
    while url:
        page = boss.got(url)
        seen += ids(page)
        url = page["next"]
        if doomed:
            Render.objects.filter(pk=doomed.pop()).delete()
        if inserted:
            make_render(requested_at=now - timedelta(hours=inserted.pop() / 2))
    assert len(seen) == len(set(seen))
    assert set(rows) - {rows[position] for position in deleted} <= set(seen)


def test_an_emptied_list_begins_anew(boss):
    make_many(4)
    page = boss.got("renders/?page_size=2")
    Render.objects.all().delete()
    empty = boss.got(page["next"])
    assert (empty["results"], empty["next"]) == ([], None)
    assert "cursor" not in parse_qs(urlsplit(empty["previous"]).query)


def test_filters_go_along(boss):
    for _ in range(3):
        make_render("failed")
        make_render("queued")
    page = boss.got("renders/?status=failed&page_size=2")
    assert len(boss.got(page["next"])["results"]) == 1


def test_events_of_one_document_are_in_the_order_of_their_moments(boss):
    render, now = make_render(), timezone.now()
    ages = (3, 1, 2)
    events = [make_event(render, occurred_at=now - timedelta(hours=age)).pk for age in ages]
    assert ids(boss.got("engagement/")) == events[::-1]
    page = boss.got(f"engagement/?render={render.pk}&page_size=2")
    assert ids(page) == [events[1], events[2]]
    assert ids(boss.got(page["next"])) == [events[0]]


def cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "%00",
        "=" * 9,
        "A" * 300,
        cursor(),
        cursor(False, 1),
        cursor(False, "2026-01-01", 1),
        cursor(False, "2026-01-01T00:00:00", 1),
        cursor(False, "2026-01-01T00:00:00+02:00", 1),
        cursor(False, "0001-01-01T00:00:00+00:00", 1),
        cursor(False, "0001-01-01T00:00:00+14:00", 1),
        cursor(False, "9999-12-31T00:00:00+00:00", 1),
        cursor(False, "2026-01-01T00:00:00+00:00", -1),
        cursor(False, "2026-01-01T00:00:00+00:00", 2**63),
        cursor(False, "2026-01-01T00:00:00+00:00", 1.5),
        cursor(False, "2026-01-01T00:00:00+00:00", True),
        cursor(0, "2026-01-01T00:00:00+00:00", 1),
        cursor(False, None, 1),
        cursor(False, ["x"], 1),
        cursor(False, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", 1),
    ],
)
def test_a_cursor_that_is_none(boss, text):
    response = boss.ask("get", f"renders/?cursor={text}")
    assert (response.status_code, fields_of(response)) == (400, ["cursor"])


def test_a_cursor_of_any_moment_is_one(boss):
    make_many(2)
    for moment in ("0001-01-02T00:00:00+00:00", "9999-12-30T00:00:00+00:00"):
        for is_back in (True, False):
            boss.got(f"renders/?cursor={cursor(is_back, moment, 2**63 - 1)}")


# What a page costs.


def queries(caller, path: str) -> int:
    caller.got(path)  # content types
    with CaptureQueriesContext(
        connection,
    ) as captured:
        caller.got(path)
    return len(captured)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("who", ["django", "links too", "guardian"])
def test_a_page_takes_the_same_few_queries_however_many_rows_it_has(person, guardian, path, who):
    from guardian.shortcuts import assign_perm

    make_rows(3)
    rights = {"django": [LISTS[path]], "links too": [LISTS[path], "see_share_link", "view_share"]}
    caller = person(*rights.get(who, ()))

    def permit() -> None:
        if who == "guardian":
            model = apps.get_model("craftkit", LISTS[path].removeprefix("view_"))
            assign_perm(f"craftkit.{LISTS[path]}", caller.user, model.objects.all())

    permit()
    few = queries(caller, f"{path}/")
    make_rows(9)
    permit()
    assert len(caller.got(f"{path}/")["results"]) == 12
    assert queries(caller, f"{path}/") == few
    # The session, its user, the permissions of the user and of its groups: four. For single
    # objects one more, and one for the people of signature requests, for what takes the place of
    # documents, or for the counts of batches.
    has_more = who == "guardian" and path in ("signature-requests", "renders", "batches")
    assert few <= (7 if has_more else 6)


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_cursor_is_read_as_it_was_written(settings, use_tz):
    settings.USE_TZ = use_tz
    cursor = _Cursor(False, (timezone.now(), 7))
    assert _Cursor.decode(cursor.encode(), 2) == cursor
    settings.USE_TZ = not use_tz
    with pytest.raises(ValueError):
        _Cursor.decode(cursor.encode(), 2)
