"""Each page leads to one history, and that is the true one."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import Change, Render, Share, SignatureRequest

from .conftest import address, make_event, make_render, make_request, make_rows, make_share

OURS = [model for model in admin.site._registry if model._meta.app_label == "craftkit"]
REMOTE = uuid.UUID(int=7)
NOTHING_YET = "Nobody has done anything to it here."


@pytest.fixture(params=OURS, ids=lambda model: model._meta.model_name)
def model(request):
    return request.param


def links(page: str) -> list[str]:
    return re.findall(r'<a href="([^"]+)" class="historylink"', page)


def story(page: str) -> list[str]:
    """Return the steps of a timeline, each as it is written."""
    way = page.partition('<ol class="craftkit-timeline">')[2].partition("</ol>")[0]
    return re.findall(r'<li class="craftkit-step.*?</li>', way)


def did(desk, row: Any) -> None:
    LogEntry.objects.log_actions(desk.user.pk, [row], CHANGE, change_message="Looked into it.")


def test_each_page_leads_to_it_once(boss, model):
    make_rows(1)
    row = model._default_manager.first()
    (link,) = links(boss.shows(address(model, "change", row.pk)))
    assert NOTHING_YET in boss.shows(link)

    did(boss, row)
    page = boss.shows(link)
    assert "Looked into it." in page
    assert NOTHING_YET not in page


def test_no_page_says_that_there_is_no_history(boss, model):
    make_rows(1)
    row = model._default_manager.first()
    page = boss.shows(address(model, "history", row.pk))
    assert "have a change history" not in page


@pytest.mark.parametrize("kind", [Render, SignatureRequest])
def test_it_tells_what_the_page_tells(boss, kind):
    render = make_render(requested_by=boss.user)
    request = make_request(render, cancel_requested_at=timezone.now())
    make_share(render)
    make_event(render)
    row = render if kind is Render else request
    told = story(boss.shows(address(kind, "change", row.pk)))
    assert told
    assert story(boss.shows(address(kind, "history", row.pk))) == told


def test_a_link_has_one_of_its_own(boss):
    render = make_render()
    share, other = make_share(render, remote_id=REMOTE), make_share(render)
    make_event(render, share_remote_id=REMOTE)
    for one, status in ((share, "active"), (share, "revoked"), (other, "rejected")):
        Change.objects.create(kind="share", object_id=one.pk, to_status=status, cause="answer")
    told = " ".join(story(boss.shows(address(Share, "history", share.pk))))
    for step in ("Link requested", "Link made", "Opened for the first time", "Link revoked"):
        assert told.count(step) == 1
    assert "refused" not in told


def test_it_tells_nobody_what_the_page_hides(staff):
    render = make_render()
    make_share(render, recipient_email="jane@example.com")
    make_event(render)
    page = staff("view_render").shows(address(Render, "history", render.pk))
    assert len(story(page)) == 1
    assert "jane@example.com" not in page


def test_it_takes_the_permission_of_the_page(staff, model):
    make_rows(1)
    row = model._default_manager.first()
    path = address(model, "history", row.pk)
    assert staff().get(path).status_code == 403
    assert staff(f"view_{model._meta.model_name}").get(path).status_code == 200


@pytest.mark.parametrize("kind", [Render, Share, SignatureRequest])
def test_its_queries_do_not_grow(boss, kind):
    render = make_render()
    rows = {Render: render, Share: make_share(render), SignatureRequest: make_request(render)}
    path = address(kind, "history", rows[kind].pk)

    def grow(number: int) -> None:
        for _n in range(number):
            make_share(render)
            make_request(render)
            make_event(render)
            did(boss, rows[kind])
            for row in rows.values():
                name = {Render: "render", Share: "share"}.get(type(row), "signature")
                Change.objects.create(
                    kind=name, object_id=row.pk, to_status="queued", cause="answer"
                )

    def count() -> int:
        boss.shows(path)
        with CaptureQueriesContext(connection) as queries:
            boss.shows(path)
        return len(queries)

    grow(1)
    few = count()
    grow(8)
    assert count() == few <= 20
