"""The builder's templates, and the list of a project's renders."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from responses.matchers import json_params_matcher, query_param_matcher

from django_craftkit.client import Craftkit, CraftkitSession, InvalidData, InvalidResponse
from tests.client.conftest import BASE, QUEUED, RENDER, TEMPLATE, Api

from .helpers import BUILDER_LISTED, BUILT, TOKEN

TEMPLATES_URL = f"{BASE}/v1/embed/builder/templates"
RENDERS_URL = f"{BASE}/v1/embed/renders"


@pytest.mark.parametrize("token", [None, TOKEN], ids=["key", "session"])
def test_a_template_is_put_into_the_builder(
    api: Api, craftkit: Craftkit, token: str | None
) -> None:
    document = {"name": "Charter Handover", "presetKey": "charter-handover", "mine": 1}
    match = [json_params_matcher({"documentTemplate": document})]
    api.post(TEMPLATES_URL, json={"documentTemplate": BUILT | {"mine": 1}}, match=match)
    who = craftkit.embed if token is None else CraftkitSession(token)
    template = who.create_template(document)
    assert (template.id, template.name) == (UUID(TEMPLATE), "Charter Handover")
    assert (template.organization_id, template.preset_key) == ("proj_01j", "charter-handover")
    assert (template.is_custom, template.layout, template.design) == (True, {"sections": []}, None)
    assert template.created_at == datetime(2026, 6, 5, 10, tzinfo=UTC)
    assert template.extra == {"sD": False, "mine": 1}


def test_a_template_that_is_no_mapping_is_not_sent(craftkit: Craftkit) -> None:
    with pytest.raises(InvalidData, match="document_template"):
        craftkit.embed.create_template([])  # type: ignore[arg-type]


def test_the_builders_templates_are_listed(api: Api, craftkit: Craftkit) -> None:
    odd = BUILDER_LISTED | {"id": 7}
    api.get(TEMPLATES_URL, json={"templates": [BUILDER_LISTED, odd]})
    listed = craftkit.embed.templates()
    (template,) = listed
    assert (template.slug, template.category) == ("charter-handover-x1", None)
    assert template.updated_at == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert listed.unreadable == {"templates": [odd]}


def some(*numbers: int) -> list[dict[str, Any]]:
    return [QUEUED | {"id": f"{RENDER[:-2]}{number:02}"} for number in numbers]


def pages(api: Api, *answers: dict[str, Any]) -> None:
    """Let the list be answered so, page by page."""
    for answer in answers:
        api.get(RENDERS_URL, json=answer)


def listed(api: Api, craftkit: Craftkit) -> tuple[list[int], list[str]]:
    """The numbers of the renders of all pages, and the queries that it took."""
    ids = [str(render.id) for render in craftkit.embed.iter_renders(page_size=2)]
    queries = [str(call.request.url).partition("?")[2] for call in api.calls]
    return [int(one[-2:]) for one in ids], queries


def test_a_page_of_renders_is_read(api: Api, craftkit: Craftkit) -> None:
    body = {"renders": [*some(1), {"id": 7}], "total": 9, "new": 1}
    api.get(RENDERS_URL, json=body, match=[query_param_matcher({"limit": 50, "offset": 0})])
    page = craftkit.embed.renders()
    assert [render.status for render in page.items] == ["queued"]
    assert (page.total, page.length, page.extra) == (9, 2, {"new": 1})
    assert page.unreadable == {"renders": [{"id": 7}]}


@pytest.mark.parametrize(
    ("limit", "offset", "named"),
    [(0, 0, "limit"), (101, 0, "limit"), (True, 0, "limit"), (1, -1, "offset"), (1, "2", "offset")],
)
def test_a_page_beyond_a_limit_is_not_requested(
    craftkit: Craftkit, limit: Any, offset: Any, named: str
) -> None:
    with pytest.raises(InvalidData, match=named):
        craftkit.embed.renders(limit=limit, offset=offset)


def test_all_renders_are_listed_page_by_page(api: Api, craftkit: Craftkit) -> None:
    pages(api, {"renders": some(1, 2), "total": 3}, {"renders": some(3), "total": 3})
    assert listed(api, craftkit) == ([1, 2, 3], ["limit=2&offset=0", "limit=2&offset=2"])


def test_without_a_total_the_list_ends_at_an_empty_page(api: Api, craftkit: Craftkit) -> None:
    pages(api, {"renders": some(1, 2)}, {"renders": some(3)}, {"renders": []})
    numbers, queries = listed(api, craftkit)
    assert numbers == [1, 2, 3]
    assert queries[-1] == "limit=2&offset=3"


def test_a_render_that_moved_on_to_the_next_page_comes_once(api: Api, craftkit: Craftkit) -> None:
    pages(api, {"renders": some(2, 3), "total": 4}, {"renders": some(3, 4), "total": 5})
    pages(api, {"renders": some(5), "total": 5})
    assert listed(api, craftkit)[0] == [2, 3, 4, 5]


def test_an_entry_that_cant_be_read_is_passed_over(api: Api, craftkit: Craftkit) -> None:
    pages(api, {"renders": [7, *some(1)], "total": 3}, {"renders": some(2), "total": 3})
    assert listed(api, craftkit) == ([1, 2], ["limit=2&offset=0", "limit=2&offset=2"])


@pytest.mark.parametrize("page", [some(1, 2), [7, 8]], ids=["the same", "unreadable"])
def test_a_list_without_end_is_left(api: Api, craftkit: Craftkit, page: list[Any]) -> None:
    pages(api, {"renders": page})
    with pytest.raises(InvalidResponse, match="nothing new"):
        listed(api, craftkit)
    assert len(api.calls) <= 2
