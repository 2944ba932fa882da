"""Answers and errors that are longer, stranger or less true than the contract says."""

from __future__ import annotations

import json
import logging
import uuid

import pytest
from django.dispatch import Signal
from django.template import Context, Template

from django_craftkit import client, declarations
from django_craftkit.events import render_on
from django_craftkit.models import Change, Job, Render, Share, WebhookDelivery
from django_craftkit.reconcile.loop import Loop
from django_craftkit.signals import render_succeeded
from tests.helpers import connected, settle, with_function
from tests.reconcile.resources import DOCUMENT, LINK, check_made, each
from tests.seams import apply_to_render, before_sending
from tests.shop.models import Order

POST = {"method": "POST", "path": "/v1/templates/*/render"}

#: What some database can't store, in a text, and the text as it is stored.
ODD = pytest.mark.parametrize(
    ("odd", "plain"), [("no \0 ink", "no  ink"), ("no \ud800 ink", "no ? ink")], ids=["NUL", "half"]
)


def ask() -> Render:
    return Render.objects.request("invoice", {"number": "1"}, key="i-1")


@pytest.fixture
def built_by(monkeypatch):
    """Have the data of orders made by another function."""

    def replace(builder):
        with_function(monkeypatch, "tests.shop.craftkit.invoice", builder)
        Order.objects.create(number="1", confirmed=True)

    return replace


def raising(error: Exception):
    def builder(about, **kwargs):
        raise error

    return builder


def with_links_of(monkeypatch, url: str) -> None:
    """Have Craftkit answer with another address for each link."""
    read = client.Share.from_json.__func__
    monkeypatch.setattr(
        client.Share,
        "from_json",
        classmethod(lambda cls, body: read(cls, {**body, "shareUrl": url})),
    )


@pytest.mark.parametrize("length", [201, 600, 5000])
def test_a_links_address_is_kept_however_long_it_is(craftkit, ready, monkeypatch, length):
    url = "https://share.example/".ljust(length, "a")
    with_links_of(monkeypatch, url)
    share = ready.share()
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, share.url) == ("active", url)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)//https://share.example/",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "//share.example/1",
        "",
    ],
)
def test_an_address_that_no_browser_should_open_is_neither_kept_nor_shown(
    craftkit, ready, monkeypatch, url
):
    with_links_of(monkeypatch, url)
    share = ready.share()
    page = Template("{% load craftkit %}{% craftkit_share_url about %}")
    for _ in range(5):
        craftkit.run()
        share.refresh_from_db()
        assert (share.url, share.is_open) == ("", False)
        for about in (share, ready):
            assert page.render(Context({"about": about})) == ""
        craftkit.pass_time(60)
    assert Share.objects.exclude(url="").count() == 0
    assert Job.objects.filter(kind="share").exists(), "somebody goes on looking for it"


@each(DOCUMENT, LINK)
@pytest.mark.parametrize("status", [404, 408, 421, 425])
def test_what_only_a_proxy_says_rejects_nothing(craftkit, target, resource, status):
    craftkit.sandbox.faults.add("garbage", status=status, times=2, **resource.post)
    row = resource.ask(target)
    settle(craftkit)
    check_made(craftkit, resource, row)


def test_a_refusal_in_odd_characters_rejects_the_document_all_the_same(craftkit):
    odd = "no \0\ud800 ink"
    said = {
        "code": "invalid_input_data",
        "message": odd,
        "issues": {"fieldErrors": {odd: [odd]}},
    }
    craftkit.sandbox.faults.add(
        "status", status=422, body=json.dumps({"error": said}, ensure_ascii=True), **POST
    )
    render = ask()
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("rejected", "invalid_input_data")
    assert render.field_errors == {"no ? ink": ["no ? ink"]}


@ODD
def test_what_a_builder_raises_is_shown_whatever_its_text(
    craftkit, built_by, monkeypatch, odd, plain
):
    monkeypatch.setattr(logging.getLogger("django_craftkit"), "propagate", False)
    built_by(raising(ValueError(odd)))
    settle(craftkit)
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "builder_failed")
    assert render.error == f"ValueError: {plain}"


@ODD
def test_what_a_snapshots_builder_raises_is_shown_whatever_its_text(
    craftkit, monkeypatch, odd, plain
):
    monkeypatch.setattr(logging.getLogger("django_craftkit"), "propagate", False)
    monkeypatch.setattr(declarations, "_declared", dict(declarations._declared))
    event = Signal()
    snapshot = raising(ValueError(odd))
    snapshot.__qualname__ = "snapshot"
    render_on(event, template="note", key=lambda order: "n-1", snapshot=True)(snapshot)
    event.send(Order, instance=Order.objects.create(number="1"))
    settle(craftkit)
    render = Render.objects.get()
    assert (render.status, render.error) == ("rejected", f"ValueError: {plain}")


@ODD
def test_data_in_odd_characters_reject_the_document_and_are_never_sent(
    craftkit, built_by, odd, plain
):
    built_by(lambda order: {"text": odd})
    settle(craftkit)
    render = Render.objects.get()
    assert (render.status, render.error_code) == ("rejected", "builder_failed")
    assert "half a surrogate pair" in render.error
    assert craftkit.sandbox.requests == []


def test_a_backslash_before_what_looks_like_nul_is_text_like_any_other(craftkit):
    text = r"write \u0000 in JSON"
    Render.objects.request("invoice", {"text": text})
    craftkit.run()
    assert craftkit.renders[0].data == {"text": text}


@ODD
def test_what_a_receiver_raises_keeps_no_other_from_listening_once(
    craftkit, monkeypatch, odd, plain
):
    # pytest-xdist can't send a log with half a surrogate pair to its main process.
    monkeypatch.setattr(logging.getLogger("django_craftkit"), "propagate", False)
    heard = []

    def good(**kwargs):
        heard.append("good")

    def bad(**kwargs):
        heard.append("bad")
        raise LookupError(odd)

    with connected(good, render_succeeded), connected(bad, render_succeeded):
        ask()
        for _ in range(12):
            craftkit.run()
            craftkit.pass_time(1000)
    assert heard.count("good") == 1
    change = Change.objects.get(to_status="succeeded")
    assert change.announcement == "abandoned"
    (entry,) = change.receivers.values()
    assert (entry["error"], entry["attempts"]) == (f"LookupError: {plain}", heard.count("bad"))
    assert not Job.objects.exists()


@pytest.mark.parametrize("event", ["render\0.odd", "render.\ud800odd", "x" * 500])
def test_an_event_of_odd_characters_holds_no_other_up(craftkit, event):
    WebhookDelivery.objects.store("default", "odd", json.dumps({"event": event}).encode())
    render = ask()
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"ignored", "processed"}


def test_another_id_under_the_same_attempt_neither_replaces_the_document_nor_ends_its_work(
    craftkit, silent, monkeypatch
):
    """The answer of a worker that was late came first, and named another document."""
    known = uuid.uuid4()
    render = ask()

    def answer_before() -> None:
        row = Render.objects.get(pk=render.pk)
        apply_to_render(row, "queued", Change.Cause.ANSWER, remote_id=known)

    before_sending(monkeypatch, "", answer_before)
    Loop(threads=1, wake=None).run()
    render.refresh_from_db()
    assert (render.status, render.remote_id) == ("queued", known)
    job = Job.objects.get(kind="render", object_id=render.pk)
    craftkit.pass_time(5)
    craftkit.run()
    assert Job.objects.get(pk=job.pk).due_at > job.due_at
    assert f"/v1/renders/{known}" in craftkit.sandbox.requests[-1].path
