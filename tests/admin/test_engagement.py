"""Engagement events: who opened which document, and for whom its link was made."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_craftkit.models import EngagementEvent, Render, Share

from .conftest import address, make_render, make_share

pytestmark = pytest.mark.django_db


def make_event(render: Render | None = None, **more: Any) -> EngagementEvent:
    return EngagementEvent.objects.create(
        **{
            "project": "default",
            "event_id": uuid.uuid4(),
            "render": render or make_render(),
            "type": "viewed",
            "actor": "recipient",
            "ip_address": "203.0.113.0",
            "user_agent": "Mozilla/5.0",
            **more,
        }
    )


def shared(render: Render, **more: Any) -> Share:
    return make_share(render, remote_id=uuid.uuid4(), **more)


ALL = ("view_engagementevent", "view_share", "view_render")


class TestTheList:
    def test_says_who_opened_what(self, staff):
        render = make_render(key="invoice-7")
        share = shared(render, recipient_email="anna@example.org")
        make_event(render, share_remote_id=share.remote_id)
        html = staff(*ALL).shows(address(EngagementEvent))
        for text in ("opened", "invoice-7", "recipient", "anna@example.org", "203.0.113.0"):
            assert text in html
        assert f'href="{address(Render, "change", render.pk)}"' in html
        assert f'href="{address(Share, "change", share.pk)}"' in html

    def test_tells_nobody_whose_link_it_is_who_may_not_see_links(self, staff):
        render = make_render(key="invoice-7")
        share = shared(render, recipient_email="anna@example.org")
        event = make_event(render, share_remote_id=share.remote_id)
        desk = staff("view_engagementevent")
        for path in (address(EngagementEvent), address(EngagementEvent, "change", event.pk)):
            html = desk.shows(path)
            assert "invoice-7" in html
            assert "anna@example.org" not in html
            assert address(Render, "change", render.pk) not in html

    def test_takes_a_right_of_its_own(self, staff):
        make_event()
        assert staff("view_render", "view_share").get(address(EngagementEvent)).status_code == 403

    def test_goes_by_the_project_of_a_link(self, boss):
        render = make_render()
        mine = shared(render, recipient_email="anna@example.org")
        make_event(render, share_remote_id=mine.remote_id, project="other")
        assert "anna@example.org" not in boss.shows(address(EngagementEvent))

    def test_has_as_many_queries_with_many_rows(self, boss):
        def count() -> int:
            with CaptureQueriesContext(connection) as queries:
                boss.shows(address(EngagementEvent))
            return len(queries)

        def make(number: int) -> None:
            for n in range(number):
                render = make_render()
                share = shared(render, recipient_email=f"{n}@example.org")
                make_event(render, share_remote_id=share.remote_id)

        make(1)
        count()
        few = count()
        make(20)
        assert count() == few
        assert few <= 10

    def test_leaves_the_data_of_documents_where_they_are(self, boss):
        make_event()
        with CaptureQueriesContext(connection) as queries:
            boss.shows(address(EngagementEvent))
        for query in queries:
            assert '"data"' not in query["sql"]
            assert '"answer"' not in query["sql"]

    def test_can_be_of_one_document(self, boss):
        render = make_render()
        wanted = make_event(render)
        make_event()
        response = boss.get(address(EngagementEvent), {"render__id__exact": render.pk})
        assert [row.pk for row in response.context["cl"].result_list] == [wanted.pk]

    def test_can_be_of_one_kind_or_project(self, boss, settings):
        settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "eu": {}}
        wanted = make_event(type="printed", project="eu")
        make_event()
        for query in ({"type__exact": "printed"}, {"project": "eu"}):
            response = boss.get(address(EngagementEvent), query)
            assert [row.pk for row in response.context["cl"].result_list] == [wanted.pk]

    def test_finds_those_of_a_document_by_its_key(self, boss):
        wanted = make_event(make_render(key="invoice-7"))
        make_event()
        response = boss.get(address(EngagementEvent), {"q": "invoice"})
        assert [row.pk for row in response.context["cl"].result_list] == [wanted.pk]

    def test_shows_what_is_new_to_us_as_it_is(self, boss):
        make_event(type="framed", actor="somebody")
        html = boss.shows(address(EngagementEvent))
        assert "framed" in html
        assert "somebody" in html


class TestThePage:
    def test_shows_all_of_it(self, boss):
        event = make_event(metadata={"page": "7 & 8"})
        html = boss.shows(address(EngagementEvent, "change", event.pk))
        for text in ("opened", "Mozilla/5.0", "7 &amp; 8", str(event.event_id)):
            assert text in html

    def test_says_that_craftkit_is_still_to_be_told(self, boss):
        event = make_event(event_id=None, actor="partner")
        html = boss.shows(address(EngagementEvent, "change", event.pk))
        assert "Craftkit is still to be told." in html

    def test_lets_nobody_change_it(self, boss):
        event = make_event()
        for page in ("change", "delete"):
            path = address(EngagementEvent, page, event.pk)
            assert boss.post(path, {"type": "printed", "post": "yes"}).status_code == 403
        assert boss.get(address(EngagementEvent, "add/")).status_code == 403
        event.refresh_from_db()
        assert event.type == "viewed"

    def test_escapes_what_anybody_sent(self, boss):
        evil = "<script>alert(1)</script>"
        render = make_render(key=evil)
        share = shared(render, recipient_email=evil, recipient_name=evil)
        event = make_event(
            render,
            share_remote_id=share.remote_id,
            type=evil,
            user_agent=evil,
            metadata={evil: evil},
        )
        for path in (address(EngagementEvent), address(EngagementEvent, "change", event.pk)):
            assert "<script>alert" not in boss.shows(path)
