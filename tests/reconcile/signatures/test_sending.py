"""It is sent once, whatever goes wrong on the way, or rejected in Craftkit's words."""

from __future__ import annotations

import json

import pytest

from django_craftkit.models import (
    Change,
    Render,
)
from django_craftkit.reconcile.signatures.send import wire_key
from tests.helpers import settle, work
from tests.reconcile.signatures.helpers import GUEST, POST, TAGS, history, posts, send, until


@pytest.mark.parametrize("asked", ["before", "after"])
def test_it_is_rejected_where_its_document_fails_and_goes_out_by_a_retry(craftkit, asked):
    craftkit.sandbox.faults.add("render_failed", message="No ink.")
    render = Render.objects.request("invoice", {})
    if asked == "after":
        craftkit.run()
    request = send(render)
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, request.error_code) == ("rejected", "render_failed")
    assert "No ink." in request.error
    assert posts(craftkit) == 0

    assert request.retry()
    settle(craftkit)
    request.refresh_from_db()
    assert request.error_code == "render_failed", "its document is as it was"

    render.refresh_from_db()
    render.retry()
    assert request.retry()
    assert not request.retry(), "a double click is one"
    until(craftkit, request, "sent")
    assert (request.error, request.attempt) == ("", 3)
    assert (len(craftkit.sandbox.signatures), craftkit.sandbox.billed_signatures) == (1, 1)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (400, "invalid_json"),
        (404, "not_found"),
        (409, "conflict"),
        (413, "document_too_large"),
        (422, "invalid_request"),
        (422, "x" * 80),
    ],
)
def test_what_craftkit_refuses_is_rejected_in_its_words_and_goes_out_by_a_retry(
    craftkit, ready, heard, status, code
):
    said = {"code": code, "message": "No \0 such thing.", "issues": {"fieldErrors": {"a": ["b"]}}}
    craftkit.sandbox.faults.add("status", status=status, body=json.dumps({"error": said}), **POST)
    request = send(ready)
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, request.error_code) == ("rejected", code[:64])
    assert request.error.split() == ["No", "such", "thing."]
    assert request.field_errors == ({} if status in (404, 409) else {"a": ["b"]})
    assert craftkit.sandbox.billed_signatures == 0
    assert (request.is_retriable, request.is_cancellable, request.cancel()) == (True, False, False)

    assert request.retry()
    until(craftkit, request, "sent")
    assert (request.error, request.error_code, request.field_errors) == ("", "", {})
    assert craftkit.sandbox.billed_signatures == 1
    assert heard == [("rejected", "rejected", "pending"), ("sent", "sent", "pending")]


def test_a_retry_goes_out_under_another_key(craftkit, ready):
    request = send(ready)
    keys = {wire_key(request)}
    request.attempt = 2
    keys |= {wire_key(request), wire_key(send(ready, GUEST)), wire_key(send(ready, key="a"))}
    assert {len(key) for key in keys} == {64}
    assert len(keys) == 4


def test_a_lost_answer_is_fetched_with_the_same_key(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_after", **POST)
    request = send(ready)
    work()
    request.refresh_from_db()
    assert (request.status, request.sent_at is None) == ("pending", False)
    until(craftkit, request, "sent")
    assert (posts(craftkit), craftkit.sandbox.billed_signatures) == (2, 1)
    assert history(request) == ["sent"]


def test_what_was_made_is_read_back_where_the_call_made_again_is_refused(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_after", **POST)
    craftkit.sandbox.faults.add("status", status=409, code="conflict", **POST)
    request = send(ready)
    until(craftkit, request, "sent")
    (there,) = craftkit.sandbox.signatures
    assert (str(request.remote_id), request.error) == (there.id, "")
    assert (posts(craftkit), craftkit.sandbox.billed_signatures) == (2, 1)
    assert history(request) == ["sent"]
    assert Change.objects.get(to_status="sent").cause == "read back"


def test_a_call_made_again_that_is_refused_ends_what_never_got_there(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_before", **POST)
    craftkit.sandbox.faults.add("status", status=409, code="conflict", **POST)
    request = send(ready)
    until(craftkit, request, "rejected")
    assert (request.error_code, craftkit.sandbox.signatures) == ("conflict", [])


def test_a_key_that_another_database_has_used_is_said_so_and_nothing_is_taken_for_ours(
    craftkit, ready, dashboard
):
    request = send(ready)
    made = dashboard.signatures.create(
        ready.remote_id, [GUEST], anchor_tags=TAGS, idempotency_key=wire_key(request)
    )
    craftkit.pass_time(3600)
    until(craftkit, request, "rejected")
    assert (request.error_code, request.remote_id) == ("key_used_elsewhere", None)
    assert f"{made.created_at:%Y-%m-%d %H:%M}" in request.error
    request.retry()
    until(craftkit, request, "sent")
    assert request.remote_id != made.id
