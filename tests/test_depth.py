"""JSON that is nested deeper than some database holds is refused alone, wherever it comes from."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit import builders, client, untrusted
from django_craftkit.admin.common import truncate
from django_craftkit.client import errors
from django_craftkit.clock import database_now
from django_craftkit.database import MAX_DEPTH, is_too_deep, sanitized
from django_craftkit.models import EngagementEvent, Job, Render, WebhookDelivery
from django_craftkit.privacy import kept_body
from tests.helpers import settle, with_function
from tests.seams import process_webhooks
from tests.shop.models import Order
from tests.webhooks.conftest import render_event

pytestmark = pytest.mark.django_db

TOO_DEEP = pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 100, 300, 900, 5_000])


def lists(levels: int) -> list:
    inner: list = []
    for _ in range(levels - 1):
        inner = [inner]
    return inner


def dicts(levels: int) -> dict:
    inner: dict = {}
    for _ in range(levels - 1):
        inner = {"a": inner}
    return inner


@given(levels=st.integers(1, 3 * MAX_DEPTH), make=st.sampled_from([lists, dicts]))
def test_what_is_stored_is_never_deeper_than_a_database_holds(levels, make):
    value = make(levels)
    assert is_too_deep(value) == (levels > MAX_DEPTH)
    stored = sanitized(value)
    assert not is_too_deep(stored)
    assert (stored == value) == (levels <= MAX_DEPTH)


def test_every_database_holds_what_is_not_too_deep():
    render = Render.objects.request("invoice", dicts(MAX_DEPTH), key="deep")
    render.refresh_from_db()
    assert render.data == dicts(MAX_DEPTH)
    Render.objects.filter(pk=render.pk).update(answer=sanitized(dicts(900)))
    render.refresh_from_db()
    assert render.answer != {}


#: Strings that look as if they opened, closed or ended something.
DISGUISES = ["", "[", "]}]}", "{[", 'a"[', '\\"]', "\\\\", '\\\\"}', "Ω∢[", "\n]"]


@given(
    levels=st.integers(untrusted.DEEPEST - 3, untrusted.DEEPEST + 3),
    texts=st.lists(st.sampled_from(DISGUISES), min_size=1, max_size=4),
    make=st.sampled_from([lambda inner, text: [text, inner], lambda inner, text: {text: inner}]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]),
    is_plain=st.booleans(),
)
def test_json_is_parsed_to_a_depth_however_it_is_written(levels, texts, make, encoding, is_plain):
    value: Any = texts[0]
    for level in range(levels):
        value = make(value, texts[level % len(texts)])
    body = json.dumps(value, ensure_ascii=not is_plain).encode(encoding)
    if levels <= untrusted.DEEPEST:
        assert untrusted.loads(body) == value
        return
    with pytest.raises(ValueError, match=str(untrusted.DEEPEST)):
        untrusted.loads(body)


@given(st.recursive(st.none() | st.text() | st.floats(allow_nan=False), st.lists))
def test_what_is_flat_is_parsed_however_long_it_is(value):
    many = [{"a": value, "b": [value]}] * untrusted.DEEPEST
    assert untrusted.loads(json.dumps(many)) == json.loads(json.dumps(many)) == many


@pytest.mark.parametrize("levels", [untrusted.DEEPEST + 1, 100_000])
@pytest.mark.parametrize("bracket", ["[", '{"sourceIp":', '{"\\"":['])
def test_no_parser_sees_what_could_exhaust_its_stack(monkeypatch, levels, bracket):
    monkeypatch.setattr(json, "loads", None)
    body = bracket * levels
    with pytest.raises(ValueError, match=str(untrusted.DEEPEST)):
        errors.parse(body)
    assert kept_body(f'{{"userAgent": {body}'.encode()) == b'{"'
    assert (truncate.loads(body), truncate.body_of(body.encode())) == (None, None)
    WebhookDelivery.objects.store("default", "", body.encode())
    process_webhooks(database_now() + timedelta(seconds=1))
    assert WebhookDelivery.objects.get().status == "failed"


@TOO_DEEP
def test_data_are_refused_at_the_door(levels):
    with pytest.raises(ValueError, match=str(MAX_DEPTH)):
        Render.objects.request("invoice", dicts(levels), key="k")
    assert not Render.objects.exists()


@TOO_DEEP
def test_a_builders_data_reject_the_document(craftkit, monkeypatch, levels):
    monkeypatch.setattr(builders.logger, "disabled", True)
    with_function(monkeypatch, "tests.shop.craftkit.invoice", lambda order: dicts(levels))
    Order.objects.create(number="1", confirmed=True)
    settle(craftkit)
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "builder_failed")
    assert str(MAX_DEPTH) in render.error


@TOO_DEEP
def test_metadata_are_refused_at_the_door(craftkit, levels):
    render = Render.objects.request("invoice", {})
    settle(craftkit)
    render.refresh_from_db()
    with pytest.raises(ValueError, match=str(MAX_DEPTH)):
        render.record("viewed", dicts(levels))
    assert not EngagementEvent.objects.to_be_told().exists()


def document_event(render: Render, levels: int) -> bytes:
    about = {
        "event": "document.viewed",
        "eventId": str(uuid.uuid4()),
        "eventType": "viewed",
        "actorKind": "recipient",
        "renderId": str(render.remote_id),
        "sourceIp": "203.0.113.9",
        "createdAt": "2026-05-01T10:00:00.000Z",
    }
    # json.dumps has a limit of its own.
    nested = '{"a":' * levels + "1" + "}" * levels
    return (json.dumps(about)[:-1] + f', "metadata": {nested}}}').encode()


@TOO_DEEP
def test_a_webhook_is_unusable_alone_and_its_batch_stays_whole(craftkit, levels, caplog):
    render = Render.objects.request("invoice", {})
    settle(craftkit)
    render.refresh_from_db()
    WebhookDelivery.objects.all().delete()
    bodies = [document_event(render, 1), document_event(render, levels), document_event(render, 2)]
    bodies.insert(2, render_event(render.remote_id, more="{}").replace(b'"{}"', b"[" * levels))
    for body in bodies:
        WebhookDelivery.objects.store("default", "", body)
    process_webhooks(database_now() + timedelta(seconds=1))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    rows = list(WebhookDelivery.objects.order_by("pk"))
    assert [row.status for row in rows] == ["processed", "failed", "failed", "processed"]
    assert [bool(row.error) for row in rows] == [False, True, True, False]
    assert bytes(rows[1].body) == kept_body(bodies[1])
    assert EngagementEvent.objects.known().count() == 2


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 300, 900])
def test_a_deep_answer_costs_a_document_nothing_but_the_deep_part(craftkit, monkeypatch, levels):
    read = client.Render._read.__func__

    def with_more(cls, fields, *args, **kwargs):
        found = read(cls, fields, *args, **kwargs)
        found.extra.update(deep=lists(levels), flat="kept")
        return found

    monkeypatch.setattr(client.Render, "_read", classmethod(with_more))
    render = Render.objects.request("invoice", {})
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, render.answer["flat"]) == ("succeeded", "kept")
    assert render.answer["deep"][0][0][0]
    assert not is_too_deep(render.answer)
    assert not Job.objects.filter(kind="render").exists()


def test_the_page_of_a_document_that_is_deeper_since_earlier_is_shown(admin_client):
    if connection.vendor == "mysql":
        pytest.skip("MySQL and MariaDB never took such data.")
    render = Render.objects.request("invoice", {})
    Render.objects.filter(pk=render.pk).update(data=dicts(900))
    assert admin_client.get(f"/admin/craftkit/render/{render.pk}/change/").status_code == 200
