from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from django_craftkit.client import (
    InvalidResponse,
    Loop,
    Manifest,
    Render,
    Share,
    Variable,
)

from .conftest import MANIFEST, QUEUED, RENDER, SHARED


def test_a_manifest_comes_back_as_it_went() -> None:
    whole: dict[str, Any] = {
        "variables": [
            {
                "key": "total",
                "label": "Total",
                "dataType": "currency",
                "required": True,
                "format": "money:EUR",
                "integer": True,
            }
        ],
        "loops": [
            {
                "key": "rows",
                "label": "Rows",
                "itemFields": [
                    {"key": "a", "label": "A", "dataType": "a-new-type", "required": False}
                ],
                "previewData": [{"a": "x"}],
                "sort": "a",
            }
        ],
        "schema": 2,
    }
    assert Manifest.from_json(whole).to_json() == whole


def test_a_manifest_can_be_written_in_python() -> None:
    manifest = Manifest(
        variables=(Variable("customer.name", "Customer", "text", required=True),),
        loops=(Loop("areas", "Areas", (Variable("areaKey", "Area", "text"),)),),
    )
    assert manifest == Manifest.from_json(MANIFEST)
    assert hash(manifest) == hash(Manifest.from_json(MANIFEST))


def test_a_render_event_is_the_same_fact_as_a_render() -> None:
    payload = {
        "event": "render.succeeded",
        "renderId": RENDER,
        "templateId": "0193c2c3-0000-7aaa-8bbb-000000000000",
        "status": "succeeded",
        "downloadUrl": "https://cdn.craftkit.dev/x.pdf",
        "errorMessage": None,
        "createdAt": "2026-06-05T10:00:00.000Z",
        "completedAt": "2026-06-05T10:00:00.420Z",
    }
    render = Render.from_webhook(payload)
    assert (render.id, render.status, render.replayed) == (UUID(RENDER), "succeeded", False)
    assert render.completed_at == datetime(2026, 6, 5, 10, 0, 0, 420_000, tzinfo=UTC)
    assert render.extra == {"templateId": payload["templateId"]}


def test_a_render_event_may_be_thin() -> None:
    payload = {"renderId": RENDER, "status": "failed", "createdAt": "2026-06-05T10:00:00Z"}
    render = Render.from_webhook(payload | {"event": "render.failed"})
    assert (render.completed_at, render.error_message, render.extra) == (None, None, {})


def test_a_value_that_cant_be_used_is_named_and_not_quoted() -> None:
    with pytest.raises(InvalidResponse) as caught:
        Render.from_json(QUEUED | {"id": "secret"})
    assert "'id'" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_all_dates_are_utc() -> None:
    moved = Render.from_json(QUEUED | {"createdAt": "2026-06-05T12:00:00+02:00"})
    bare = Render.from_json(QUEUED | {"createdAt": "2026-06-05T10:00:00"})
    assert moved.created_at == bare.created_at == datetime(2026, 6, 5, 10, tzinfo=UTC)
    assert moved.created_at.utcoffset() == timedelta(0)


def test_javascripts_fractions_are_rounded() -> None:
    assert Render.from_json(QUEUED | {"durationMs": 3120.4}).duration_ms == 3120


def test_what_craftkit_said_cant_be_changed_here() -> None:
    render = Render.from_json(QUEUED)
    with pytest.raises(dataclasses.FrozenInstanceError):
        render.status = "succeeded"  # type: ignore[misc]
    assert not hasattr(render, "__dict__")
    assert render == Render.from_json(QUEUED)
    assert len({render, Render.from_json(QUEUED | {"new": []})}) == 2


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "https://craftkit.example/s/a\nSubject: paid",
        "https://craftkit.example/s/a\r\n",
        "https://craftkit.example/s/a b",
        "https://craftkit.example/s/\u2028a",
        "https://craftkit.example/s/\x1b[2J",
    ],
)
def test_a_link_is_one_address_in_one_line(address: str) -> None:
    with pytest.raises(InvalidResponse, match="shareUrl"):
        Share.from_json(SHARED | {"shareUrl": address})
