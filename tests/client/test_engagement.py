from __future__ import annotations

import dataclasses
import typing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from responses.matchers import json_params_matcher

from django_craftkit.client import (
    Craftkit,
    Engagement,
    EngagementEvent,
    InvalidData,
)

from .conftest import BASE, ENGAGED, EVENT, OPENED, RENDER, SHARE, TEMPLATE, Api

READ_URL = f"{BASE}/v1/renders/{RENDER}/engagement"
TRACK_URL = f"{BASE}/v1/renders/{RENDER}/events"
KINDS = [*typing.cast("dict[str, int]", ENGAGED["counts"])]
DELIVERED = {name: value for name, value in OPENED.items() if name != "id"} | {
    "event": "document.viewed",
    "renderId": RENDER,
    "templateId": TEMPLATE,
    "eventId": EVENT,
}
OPTIONAL = {
    "shareId": "share_id",
    "sourceIp": "source_ip",
    "userAgent": "user_agent",
    "metadata": "metadata",
}


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


# Reading


def test_engagement_is_read(api: Api, craftkit: Craftkit) -> None:
    api.get(READ_URL, json=ENGAGED | {"new": 1})
    engagement = craftkit.engagement.read(UUID(RENDER))
    assert engagement.counts == ENGAGED["counts"]
    assert (engagement.link_opens, engagement.total, engagement.extra) == (8, 23, {"new": 1})
    (event,) = engagement.recent
    assert (event.id, event.share_id, event.render_id) == (UUID(EVENT), UUID(SHARE), None)
    assert (event.event_type, event.actor) == ("viewed", "recipient")
    assert (event.source_ip, event.user_agent) == ("203.0.113.7", "Mozilla/5.0 (secret)")
    assert event.metadata == {"name": "Ada Lovelace"}
    assert event.created_at == datetime(2026, 6, 5, 11, 3, tzinfo=UTC)
    assert event.extra == {}


def test_a_kind_of_event_that_is_not_counted_did_not_happen() -> None:
    assert Engagement.from_json(ENGAGED | {"counts": {}}).counts == dict.fromkeys(KINDS, 0)
    nothing = dict.fromkeys(KINDS)
    assert Engagement.from_json(ENGAGED | {"counts": nothing}).counts == dict.fromkeys(KINDS, 0)


def test_a_new_kind_of_event_is_counted_and_kept() -> None:
    event = OPENED | {"eventType": "shredded", "actorKind": "robot"}
    engagement = Engagement.from_json(
        ENGAGED | {"counts": {"viewed": 2.0, "shredded": 5}, "recent": [event]}
    )
    assert engagement.counts == dict.fromkeys(KINDS, 0) | {"viewed": 2, "shredded": 5}
    assert (engagement.recent[0].event_type, engagement.recent[0].actor) == ("shredded", "robot")


def test_a_render_that_nobody_touched_has_no_events() -> None:
    engagement = Engagement.from_json(ENGAGED | {"recent": []})
    assert engagement.recent == ()


@pytest.mark.parametrize("value", ["3", True, -1, 2.5, float("nan"), float("inf"), 10**400, [], {}])
@pytest.mark.parametrize("kind", ["viewed", "shredded"])
def test_a_count_that_is_no_number_is_left_out(kind: str, value: Any) -> None:
    engagement = Engagement.from_json(ENGAGED | {"counts": {"printed": 2, kind: value}})
    others = dict.fromkeys(KINDS, 0) | {"printed": 2}
    assert engagement.counts == {name: count for name, count in others.items() if name != kind}
    assert str(engagement.unreadable) == str({"counts": {kind: value}})


def test_a_count_that_is_nested_too_deeply_to_be_kept_is_left_out() -> None:
    deep: Any = []
    for _ in range(50):
        deep = [deep]
    engagement = Engagement.from_json(ENGAGED | {"counts": {"viewed": deep}})
    assert engagement.counts == dict.fromkeys(KINDS[1:], 0)
    assert engagement.unreadable == {"counts": None}


def test_nothing_is_counted_where_craftkit_does_not_count() -> None:
    assert Engagement.from_json(without(ENGAGED, "counts")).counts == {}
    assert Engagement.from_json(ENGAGED | {"counts": [12]}).counts == {}


# Events


@pytest.mark.parametrize("name", [*OPTIONAL])
def test_what_an_event_need_not_say_may_be_null_or_absent(name: str) -> None:
    for body in (without(OPENED, name), OPENED | {name: None}):
        event = EngagementEvent.from_json(body)
        assert getattr(event, OPTIONAL[name]) is None
        assert event.extra == {}
    for body in (without(DELIVERED, name), DELIVERED | {name: None}):
        assert getattr(EngagementEvent.from_webhook(body), OPTIONAL[name]) is None


def test_a_delivery_is_the_same_fact_as_an_event_of_the_read() -> None:
    event = EngagementEvent.from_webhook(DELIVERED)
    assert event.render_id == UUID(RENDER)
    assert event.extra == {"templateId": TEMPLATE}
    read = EngagementEvent.from_json(OPENED)
    assert dataclasses.replace(event, render_id=None, extra={}) == read


def test_what_was_read_is_a_value() -> None:
    assert hash(Engagement.from_json(ENGAGED)) == hash(Engagement.from_json(ENGAGED))
    assert len({EngagementEvent.from_json(OPENED), EngagementEvent.from_webhook(DELIVERED)}) == 2
    for kind in (Engagement, EngagementEvent):
        assert set(typing.get_type_hints(kind)) == {one.name for one in dataclasses.fields(kind)}


# Telling


@pytest.mark.parametrize("event_type", ["viewed", "downloaded", "printed"])
@pytest.mark.parametrize("recorded", [True, False])
def test_an_event_is_told(api: Api, craftkit: Craftkit, event_type: str, recorded: bool) -> None:
    match = [json_params_matcher({"eventType": event_type})]
    api.post(TRACK_URL, json={"recorded": recorded}, match=match)
    assert craftkit.engagement.track(RENDER, event_type) is recorded


@pytest.mark.parametrize("metadata", [{}, {"source": "dashboard", "order": UUID(RENDER)}])
def test_an_event_is_told_with_its_metadata(
    api: Api, craftkit: Craftkit, metadata: dict[str, Any]
) -> None:
    sent = {name: str(value) for name, value in metadata.items()}
    match = [json_params_matcher({"eventType": "downloaded", "metadata": sent})]
    api.post(TRACK_URL, json={"recorded": True}, match=match)
    assert craftkit.engagement.track(RENDER, "downloaded", metadata=metadata) is True


@pytest.mark.parametrize(
    "event_type",
    [*sorted(set(KINDS) - {"viewed", "downloaded", "printed"}), "", "Viewed", None, 7, []],
)
def test_an_event_that_craftkit_sees_itself_is_not_told(
    craftkit: Craftkit, event_type: Any
) -> None:
    with pytest.raises(InvalidData, match="'event_type'"):
        craftkit.engagement.track(RENDER, event_type)


@pytest.mark.parametrize("body", [{}, {"recorded": None}, {"recorded": "yes"}, {"recorded": 1}])
def test_whether_an_event_was_recorded_is_not_guessed(
    api: Api, craftkit: Craftkit, body: dict[str, Any]
) -> None:
    api.post(TRACK_URL, json=body)
    assert craftkit.engagement.track(RENDER, "viewed") is None
    assert len(api.calls) == 1
