"""Pages of requests: to their end, and never in a circle."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from responses.matchers import query_param_matcher

from django_craftkit.client import (
    Craftkit,
    InvalidData,
    InvalidRequest,
    InvalidResponse,
    SignaturePage,
)
from tests.client.conftest import RENDER, Api, refusal
from tests.client.signatures.helpers import COMPLETED, REQUEST, SENT, URL, page


def test_one_page_is_listed(api: Api, craftkit: Craftkit) -> None:
    asked = {"limit": "2", "renderId": RENDER, "cursor": "2026-06-05T10:00:00.000Z"}
    body = page(COMPLETED, SENT, cursor="2026-06-04T10:00:00.000Z", more=True) | {"total": 9}
    api.get(URL, json=body, match=[query_param_matcher(asked)])
    listed = craftkit.signatures.list(
        render_id=UUID(RENDER), limit=2, cursor="2026-06-05T10:00:00.000Z"
    )
    assert [item.status for item in listed.items] == ["completed", "sent"]
    assert (listed.next_cursor, listed.has_more) == ("2026-06-04T10:00:00.000Z", True)
    assert listed.extra == {"total": 9}


def test_a_plain_list_asks_for_a_hundred(api: Api, craftkit: Craftkit) -> None:
    api.get(URL, json=page(), match=[query_param_matcher({"limit": "100"})])
    listed = craftkit.signatures.list()
    assert (listed.items, listed.next_cursor, listed.has_more) == ((), None, False)


def test_a_cursor_is_text_and_no_second_parameter(api: Api, craftkit: Craftkit) -> None:
    asked = {"limit": "1", "cursor": "a&renderId=x+#"}
    api.get(URL, json=page(), match=[query_param_matcher(asked)])
    craftkit.signatures.list(limit=1, cursor="a&renderId=x+#")


def test_a_moment_is_a_cursor(api: Api, craftkit: Craftkit) -> None:
    asked = {"limit": "100", "cursor": "2026-06-05T10:00:00.120Z"}
    api.get(URL, json=page(), match=[query_param_matcher(asked)])
    here = timezone(timedelta(hours=2))
    craftkit.signatures.list(cursor=datetime(2026, 6, 5, 12, 0, 0, 120_000, tzinfo=here))
    with pytest.raises(InvalidData, match="time zone"):
        craftkit.signatures.list(cursor=datetime(2026, 6, 5))  # noqa: DTZ001


@pytest.mark.parametrize("limit", [0, 101, -1, True, 1.0, "5", None])
def test_a_page_has_1_to_100(craftkit: Craftkit, limit: Any) -> None:
    with pytest.raises(InvalidData, match="'limit'"):
        craftkit.signatures.list(limit=limit)


def test_half_a_character_is_no_cursor(craftkit: Craftkit) -> None:
    with pytest.raises(InvalidData):
        craftkit.signatures.list(cursor="\ud800")


def test_no_error_shows_the_query(api: Api, once: Craftkit) -> None:
    api.get(URL, status=400, json=refusal("invalid_request"))
    with pytest.raises(InvalidRequest) as caught:
        once.signatures.list(cursor="c")
    assert caught.value.path == "/v1/signatures"


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, SENT | {"id": None}, SENT | {"status": 7}])
def test_a_row_that_cant_be_read_is_left_out_and_kept(odd: Any) -> None:
    listed = SignaturePage.from_json(page(odd, SENT, cursor="c1", more=True))
    assert [item.id for item in listed.items] == [UUID(REQUEST)]
    assert listed.unreadable == {"signatures": [odd]}
    assert (listed.next_cursor, listed.has_more, listed.is_empty) == ("c1", True, False)


@pytest.mark.parametrize(
    ("said", "has_more"),
    [
        ({"hasMore": None}, False),
        ({"hasMore": 1}, False),
        ({"hasMore": "yes", "nextCursor": "c1"}, True),
        ({"hasMore": None, "nextCursor": 0}, True),
        ({"hasMore": False, "nextCursor": 7}, False),
    ],
)
def test_whether_a_list_goes_on_is_told_by_its_cursor_else(said: Any, has_more: bool) -> None:
    assert SignaturePage.from_json(page(SENT) | said).has_more is has_more


def test_pages_go_on_behind_one_of_which_nothing_can_be_read(api: Api, craftkit: Craftkit) -> None:
    api.get(URL, json=page({"id": 7}, cursor="c1", more=True))
    api.get(URL, json=page(SENT), match=[query_param_matcher({"limit": "100", "cursor": "c1"})])
    first, second = craftkit.signatures.pages()
    assert (first.items, first.unreadable) == ((), {"signatures": [{"id": 7}]})
    assert len(second.items) == 1


@pytest.mark.parametrize("cursor", [7, [], {"before": "x"}, True])
@pytest.mark.parametrize("more", [True, None, "yes"])
def test_pages_do_not_end_in_silence_at_a_cursor_that_cant_be_read(
    api: Api, craftkit: Craftkit, cursor: Any, more: Any
) -> None:
    api.get(URL, json=page(SENT) | {"nextCursor": cursor, "hasMore": more})
    pages = craftkit.signatures.pages()
    assert len(next(pages).items) == 1
    with pytest.raises(InvalidResponse, match="cursor"):
        next(pages)


def test_pages_follow_the_cursor(api: Api, craftkit: Craftkit) -> None:
    for asked, answer in [
        ({}, page(SENT, cursor="c1", more=True)),
        ({"cursor": "c1"}, page(SENT, COMPLETED, cursor="c2", more=True)),
        ({"cursor": "c2"}, page(SENT)),
    ]:
        match = [query_param_matcher({"limit": "7", "renderId": RENDER} | asked)]
        api.get(URL, json=answer, match=match)
    pages = list(craftkit.signatures.pages(render_id=RENDER, limit=7))
    assert [len(one.items) for one in pages] == [1, 2, 1]


def test_each_request_of_the_pages_is_given(api: Api, craftkit: Craftkit) -> None:
    first = {"limit": "2", "renderId": RENDER}
    second = first | {"cursor": "c1"}
    many = page(SENT, COMPLETED, cursor="c1", more=True)
    api.get(URL, json=many, match=[query_param_matcher(first)])
    api.get(URL, json=page(SENT), match=[query_param_matcher(second)])
    found = craftkit.signatures.each(render_id=RENDER, limit=2)
    assert [next(found).status, next(found).status] == ["sent", "completed"]
    assert len(api.calls) == 1
    assert [one.status for one in found] == ["sent"]


@pytest.mark.parametrize(
    "last",
    [
        page(SENT, cursor="c2", more=False),
        page(SENT, cursor=None, more=True),
        page(SENT, cursor="", more=True),
    ],
)
def test_pages_end_at_any_sign_of_an_end(
    api: Api, craftkit: Craftkit, last: dict[str, Any]
) -> None:
    api.get(URL, json=page(SENT, cursor="c1", more=True))
    api.get(URL, json=last)
    assert len(list(craftkit.signatures.pages())) == 2
    assert len(api.calls) == 2


def test_pages_end_at_an_empty_one(api: Api, craftkit: Craftkit) -> None:
    api.get(URL, json=page(SENT, cursor="c1", more=True))
    api.get(URL, json=page(cursor="c2", more=True))
    assert len(list(craftkit.signatures.pages())) == 1
    assert len(api.calls) == 2


@pytest.mark.parametrize("cursors", [["c1", "c1"], ["c1", "c2", "c1"]])
def test_pages_do_not_go_in_a_circle(api: Api, craftkit: Craftkit, cursors: list[str]) -> None:
    for cursor in cursors:
        api.get(URL, json=page(SENT, cursor=cursor, more=True))
    pages = craftkit.signatures.pages()
    for _ in cursors:
        next(pages)
    with pytest.raises(InvalidResponse, match="circle") as caught:
        next(pages)
    assert (caught.value.method, caught.value.path) == ("GET", "/v1/signatures")
    assert len(api.calls) == len(cursors)


def test_a_page_is_asked_for_when_it_is_wanted(api: Api, craftkit: Craftkit) -> None:
    api.get(URL, json=page(SENT, cursor="c1", more=True))
    next(craftkit.signatures.pages())
    assert len(api.calls) == 1
