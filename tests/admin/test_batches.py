"""Batches in the admin: how far each has come, its documents, and a button."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_craftkit.models import Batch, Job, Render

from .conftest import address, make_batch, make_render, told

pytestmark = pytest.mark.django_db


def page(desk, batch: Batch) -> str:
    html: str = desk.shows(address(Batch, "change", batch.pk))
    return html


def fill(batch: Batch, *statuses: str) -> list[Render]:
    return [make_render(status, batch=batch, data={}) for status in statuses]


def badges(html: str) -> list[str]:
    (heading,) = re.findall(r'<h1 class="craftkit-heading">(.*?)</h1>', html)
    return re.findall(r'<span class="craftkit-badge [^>]*>(.*?)</span>', heading)


def queries(desk, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        desk.shows(path)
    return len(captured)


class TestThePageOfABatch:
    @pytest.mark.parametrize(
        ("statuses", "expected"),
        [
            ([], ["complete"]),
            (["succeeded", "cancelled"], ["complete"]),
            (["succeeded", "queued"], ["under way"]),
            (["failed", "rejected", "pending"], ["under way", "2 failed"]),
            (["failed"], ["complete", "1 failed"]),
        ],
        ids=str,
    )
    def test_says_how_far_it_has_come(self, boss, statuses, expected):
        batch = make_batch("2026-11")
        fill(batch, *statuses)
        assert badges(page(boss, batch)) == expected

    def test_says_that_not_all_of_it_was_requested(self, boss):
        batch = make_batch(filled_at=None)
        html = page(boss, batch)
        assert badges(html) == ["not all requested"]
        assert "craftkit-panel--warn" in html

    def test_leads_to_its_documents_by_status(self, boss):
        batch = make_batch()
        fill(batch, "failed", "failed", "succeeded")
        fill(make_batch(), "failed")
        make_render("failed")
        html = page(boss, batch)
        found = {}
        for url, number, label in re.findall(
            r'<a class="craftkit-tile [^"]*" href="([^"]+)"><strong>(.*?)</strong>'
            r" <span>(.*?)</span>",
            html,
        ):
            listed = boss.get(url.replace("&amp;", "&")).context["cl"].result_list
            assert str(len(listed)) == number
            assert {row.batch_id for row in listed} == {batch.pk}
            found[label] = number
        assert found == {"documents": "3", "failed": "2", "ready": "1"}

    def test_shows_its_numbers_and_no_links_without_the_right_to_see_documents(self, staff):
        batch = make_batch()
        fill(batch, "failed")
        html = page(staff("view_batch"), batch)
        assert '<div class="craftkit-tile craftkit-tile--bad"><strong>1</strong>' in html
        assert address(Render) not in html

    def test_takes_as_many_queries_however_many_documents_it_has(self, boss):
        batch = make_batch()
        fill(batch, "failed")
        path = address(Batch, "change", batch.pk)
        queries(boss, path)
        few = queries(boss, path)
        fill(batch, *["failed", "succeeded"] * 10)
        assert queries(boss, path) == few <= 10


class TestTheList:
    def test_shows_how_far_each_has_come_with_one_query_more(self, boss):
        for n in range(2):
            fill(make_batch(f"b-{n}"), "succeeded", "queued")
        queries(boss, address(Batch))
        few = queries(boss, address(Batch))
        for n in range(10):
            fill(make_batch(f"c-{n}"), "succeeded", "failed")
        html = boss.shows(address(Batch))
        assert html.count("1 of 2") == 2
        assert html.count("2 of 2") == 10
        assert html.count("1 failed") == 10
        assert queries(boss, address(Batch)) == few <= 10

    @pytest.mark.parametrize(("state", "name"), [("open", "a"), ("complete", "b")])
    def test_is_filtered_by_state(self, boss, state, name):
        batch = make_batch("a")
        make_batch("b", completed_at=batch.requested_at)
        listed = boss.get(address(Batch), {"state": state}).context["cl"].result_list
        assert [row.name for row in listed] == [name]

    def test_is_searched_by_the_beginning_of_a_name(self, boss):
        for name in ("2026-11", "2026-12", "2027-01"):
            make_batch(name)
        listed = boss.get(address(Batch), {"q": "2026"}).context["cl"].result_list
        assert {row.name for row in listed} == {"2026-11", "2026-12"}

    def test_names_one_that_has_no_name(self, boss):
        batch = Batch.objects.create(template="invoice")
        assert f"Batch {batch.pk}" in boss.shows(address(Batch))
        assert f"Batch {batch.pk}" in page(boss, batch)


class TestRetry:
    def test_is_a_button_that_tries_what_failed_again(self, staff):
        batch = make_batch()
        rows = fill(batch, "failed", "rejected", "succeeded")
        desk = staff("view_batch", "retry_render")
        url = address(Batch, "retry", batch.pk)
        html = page(desk, batch)
        assert f'action="{url}"' in html
        assert "Retry the 2 that failed" in html
        response = desk.post(url, follow=True)
        assert [level for level, _text in told(response)] == ["success"]
        statuses = [Render.objects.get(pk=row.pk).status for row in rows]
        assert statuses == ["pending", "pending", "succeeded"]
        assert LogEntry.objects.get().object_id == str(batch.pk)
        assert f'action="{url}"' not in page(desk, batch)
        assert [level for level, _text in told(desk.post(url, follow=True))] == ["warning"]

    def test_says_one_where_it_is_one(self, staff):
        batch = make_batch()
        make_render("failed", batch=batch)
        html = page(staff("view_batch", "retry_render"), batch)
        assert "Retry the 1 that failed" in html

    def test_is_for_who_may_retry_documents(self, staff):
        batch = make_batch()
        fill(batch, "failed")
        desk = staff("view_batch", "view_render")
        assert "/retry/" not in page(desk, batch)
        assert desk.post(address(Batch, "retry", batch.pk)).status_code == 403
        assert batch.counts["failed"] == 1


class TestADocument:
    def test_leads_to_its_batch(self, boss, staff):
        batch = make_batch("2026-11")
        (render,) = fill(batch, "succeeded")
        path = address(Render, "change", render.pk)
        assert f'<a href="{address(Batch, "change", batch.pk)}">2026-11</a>' in boss.shows(path)
        assert address(Batch) not in staff("view_render").shows(path)


def test_a_job_and_a_change_name_their_batch(boss):
    batch, nameless = make_batch("2026-11"), Batch.objects.create(template="invoice")
    for one in (batch, nameless):
        Job.objects.request(Job.Kind.BATCH, [one.pk])
    html = boss.shows(address(Job))
    assert ">2026-11</a>" in html
    assert f">batch {nameless.pk}</a>" in html
