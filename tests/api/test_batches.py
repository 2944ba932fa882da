"""Batches over HTTP: how far each has come, and another attempt at what failed."""

from __future__ import annotations

import pytest

from django_craftkit.models import Batch, Change, Render
from tests.admin.conftest import make_batch, make_render

from .test_narrowing import OWN

pytestmark = pytest.mark.django_db


def fill(batch: Batch, *statuses: str, **more: object) -> list[Render]:
    return [make_render(status, batch=batch, **more) for status in statuses]


def test_a_batch_shows_how_many_documents_have_which_status(person):
    batch = make_batch("2026-11")
    fill(batch, "failed", "failed", "succeeded")
    fill(make_batch(), "failed")
    make_render("failed")
    shown = person("view_batch").got(f"batches/{batch.pk}/")
    counts = dict.fromkeys(Render.Status.values, 0) | {"failed": 2, "succeeded": 1}
    assert shown["counts"] == counts
    assert (shown["name"], shown["total"], shown["completed_at"]) == ("2026-11", 3, None)


def test_a_list_takes_one_query_for_all_of_their_counts(person, django_assert_num_queries):
    caller = person("view_batch")
    for _ in range(2):
        fill(make_batch(), "failed", "succeeded")
    caller.got("batches/")
    with django_assert_num_queries(10, exact=False) as few:
        caller.got("batches/")
    for _ in range(10):
        fill(make_batch(), "failed", "succeeded")
    with django_assert_num_queries(len(few.captured_queries)):
        shown = caller.got("batches/")["results"]
    assert [row["total"] for row in shown] == [2] * 12


@pytest.mark.parametrize(("query", "number"), [("name=2026-11", 1), ("template=report", 1)])
def test_batches_are_filtered(person, query, number):
    make_batch("2026-11")
    make_batch("2026-12", template="report")
    make_batch("2026-10")
    assert len(person("view_batch").got(f"batches/?{query}")["results"]) == number


def test_documents_are_filtered_by_their_batch(person):
    batch = make_batch()
    first, second = fill(batch, "failed", "succeeded")
    make_render("failed")
    caller = person("view_render")
    shown = caller.got(f"renders/?batch={batch.pk}")["results"]
    assert {(row["id"], row["batch"]) for row in shown} == {
        (first.pk, batch.pk),
        (second.pk, batch.pk),
    }
    shown = caller.got(f"renders/?batch={batch.pk}&status=failed")["results"]
    assert [row["id"] for row in shown] == [first.pk]
    caller.got("renders/?batch=x", 400)


def test_a_retry_is_of_what_failed(person):
    batch = make_batch()
    fill(batch, "failed", "rejected", "succeeded", "queued", data={})
    caller = person("retry_render", "view_batch")
    shown = caller.sent(f"batches/{batch.pk}/retry/", status=200)
    assert (shown["counts"]["pending"], shown["counts"]["failed"]) == (2, 0)
    assert Change.objects.filter(person=caller.user, to_status="pending").count() == 2
    shown = caller.sent(f"batches/{batch.pk}/retry/", status=200)
    assert shown["counts"]["pending"] == 2


def test_whoever_may_retry_and_not_look_is_told_nothing(person):
    batch = make_batch()
    fill(batch, "failed", data={})
    assert person("retry_render").sent(f"batches/{batch.pk}/retry/", status=204) is None
    assert batch.counts["pending"] == 1


class TestNarrowed:
    @pytest.fixture
    def own(self, settings):
        settings.CRAFTKIT = OWN

    def test_others_documents_are_not_counted(self, person, own):
        caller, other = person("view_batch"), person()
        batch = make_batch()
        fill(batch, "failed", source=caller.user)
        fill(batch, "failed", "succeeded", source=other.user)
        for shown in (caller.got(f"batches/{batch.pk}/"), *caller.got("batches/")["results"]):
            assert (shown["total"], shown["counts"]["failed"]) == (1, 1)
            assert shown["counts"]["succeeded"] == 0

    def test_others_documents_are_not_retried(self, person, own):
        caller, other = person("retry_render", "view_batch"), person()
        batch = make_batch()
        (mine,) = fill(batch, "failed", source=caller.user, data={})
        (theirs,) = fill(batch, "failed", source=other.user, data={})
        caller.sent(f"batches/{batch.pk}/retry/", status=200)
        statuses = {one.pk: one.status for one in Render.objects.all()}
        assert statuses == {mine.pk: "pending", theirs.pk: "failed"}

    def test_a_batch_without_a_document_of_ones_own_is_not_there(self, person, own):
        caller, other = person("view_batch"), person()
        batch = make_batch()
        fill(batch, "failed", source=other.user)
        caller.got(f"batches/{batch.pk}/", 404)
        assert caller.got("batches/")["results"] == []
