"""GET /v1/signatures: newest first, page by page."""

from __future__ import annotations

import pytest

from tests.sandbox.api.signatures.conftest import (
    NOBODY,
    PATH,
    refusal,
)


def test_the_list_is_newest_first_and_goes_on_at_its_cursor(api, ask, clock):
    ids = []
    for _ in range(5):
        ids.append(ask()["id"])
        clock.advance(1)
    got, cursors, query = [], [], ""

    for _ in range(3):
        page = api.get(f"{PATH}?limit=2{query}").json()
        got.append([row["id"] for row in page["signatures"]])
        cursors.append((page["nextCursor"], page["hasMore"]))
        query = f"&cursor={page['nextCursor']}"

    assert got == [ids[:2:-1], ids[2:0:-1], ids[:1]]
    assert cursors == [
        ("2026-06-05T10:00:03.000Z", True),
        ("2026-06-05T10:00:01.000Z", True),
        ("2026-06-05T10:00:00.000Z", False),
    ]


def test_a_full_page_says_that_more_may_follow(api, ask, clock):
    ask()
    clock.advance(1)
    ask()

    page = api.get(f"{PATH}?limit=2").json()
    rest = api.get(f"{PATH}?cursor=2026-06-05T10:00:00.000Z").json()

    assert page["hasMore"] is True
    assert rest == {"signatures": [], "nextCursor": None, "hasMore": False}


def test_the_strict_cursor_skips_rows_of_one_moment(api, ask):
    ids = sorted((ask()["id"] for _ in range(4)), reverse=True)

    whole = api.get(PATH).json()["signatures"]
    page = api.get(f"{PATH}?limit=2").json()
    after = api.get(f"{PATH}?cursor={page['nextCursor']}").json()

    assert [row["id"] for row in whole] == ids
    assert [row["id"] for row in page["signatures"]] == ids[:2]
    assert after["signatures"] == []


@pytest.mark.parametrize(
    ("cursor", "rows"),
    [
        ("2026-06-05T10:00:00.000Z", 0),
        ("2026-06-05T10:00:00.0005Z", 1),
        ("2026-06-05T12:00:00.001%2B02:00", 1),
        ("2026-06-05T09:59:59.999Z", 0),
    ],
)
def test_a_cursor_is_compared_to_the_millisecond(api, ask, cursor, rows):
    ask()

    assert len(api.get(f"{PATH}?cursor={cursor}").json()["signatures"]) == rows


def test_a_moment_between_milliseconds_is_listed_by_the_one_it_shows(api, ask, clock):
    clock.advance(0.0006)
    sent = ask()

    assert sent["createdAt"] == "2026-06-05T10:00:00.001Z"
    assert api.get(f"{PATH}?cursor={sent['createdAt']}").json()["signatures"] == []


def test_the_list_of_one_render(api, ask, render_id, clock):
    ids = []
    for _ in range(3):
        ids.append(ask()["id"])
        clock.advance(1)
        ask(renderId=api.render().json()["id"])

    page = api.get(f"{PATH}?renderId={render_id}&limit=2").json()

    assert [row["id"] for row in page["signatures"]] == ids[:0:-1]
    rest = api.get(f"{PATH}?renderId={render_id}&cursor={page['nextCursor']}").json()
    assert [row["id"] for row in rest["signatures"]] == ids[:1]
    assert api.get(f"{PATH}?renderId={NOBODY}").json()["signatures"] == []


def test_a_list_shows_50_unless_told(api, ask):
    for _ in range(51):
        ask()

    assert len(api.get(PATH).json()["signatures"]) == 50
    assert len(api.get(f"{PATH}?limit=100").json()["signatures"]) == 51


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("limit=many", "limit"),
        ("limit=99999999999999999999999999", "limit"),
        ("renderId=x", "renderId"),
        ("cursor=yesterday", "cursor"),
        ("cursor=2026-06-05T10:00:00", "cursor"),
        ("cursor=", "cursor"),
    ],
)
def test_a_query_of_another_shape_is_refused(api, query, name):
    answer = api.get(f"{PATH}?{query}")

    assert refusal(answer) == (400, "invalid_request")
    assert list(answer.json()["error"]["issues"]["fieldErrors"]) == [name]
