"""The mirror of templates says what Craftkit said last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from django_craftkit import clock
from django_craftkit.models import Job, ProjectState, Template
from django_craftkit.projects import get_client
from django_craftkit.reconcile import templates
from tests.helpers import LEASE_OVER, at_once
from tests.reconcile.helpers import locks_rows

from .helpers import LINES, LIST, MINUTE, NUMBER, TOTAL, manifest, slugs

pytestmark = pytest.mark.django_db


class TestReading:
    def test_mirrors_what_each_template_takes(self, craftkit, read):
        craftkit.put_template("invoice", manifest(NUMBER, loops=[LINES]), description="Bills.")
        assert read() == [LIST, f"{LIST}/invoice"]
        row = Template.objects.get()
        (there,) = get_client().templates.list()
        assert (row.project, row.slug, row.remote_id) == ("default", "invoice", there.id)
        assert (row.name, row.description, row.template_type) == (there.name, "Bills.", "document")
        assert (row.published, row.version, row.gone_at) == (True, 1, None)
        assert row.manifest == manifest(NUMBER, loops=[LINES])
        assert "number" in row.json_schema["properties"]
        assert (row.created_at, row.updated_at) == (there.created_at, there.updated_at)
        assert clock.now() - row.seen_at < timedelta(minutes=1)

    def test_lists_with_one_call_where_nothing_has_changed(self, craftkit, read):
        for slug in ("invoice", "report"):
            craftkit.put_template(slug, manifest(NUMBER))
        read()
        seen = Template.objects.get(slug="report").seen_at
        assert read() == [LIST]
        assert Template.objects.get(slug="report").seen_at > seen

    def test_reads_what_was_published_anew_and_nothing_else(self, craftkit, read):
        for slug in ("invoice", "report"):
            craftkit.put_template(slug, manifest(NUMBER))
        read()
        craftkit.put_template("invoice", manifest(NUMBER, TOTAL))
        assert read() == [LIST, f"{LIST}/invoice"]
        row = Template.objects.get(slug="invoice")
        assert (row.version, row.manifest) == (2, manifest(NUMBER, TOTAL))

    def test_takes_as_many_queries_for_many_as_for_one_where_nothing_has_changed(
        self, craftkit, read, django_assert_num_queries
    ):
        job = Job(kind=Job.Kind.TEMPLATES, project="default")

        def count(number: int) -> int:
            for n in range(number):
                craftkit.put_template(f"t-{number}-{n}", manifest(NUMBER))
            read()
            craftkit.pass_time(2 * MINUTE)
            job.object_id = ProjectState.objects.get().pk
            with django_assert_num_queries(50, exact=False) as queries:
                templates.step(job)
            return len(queries)

        assert count(1) == count(25)

    def test_of_an_unpublished_template_has_no_manifest(self, craftkit, read):
        craftkit.sandbox.put_template("draft", manifest=None)
        read()
        row = Template.objects.get()
        assert (row.published, row.version, row.manifest, row.json_schema) == (
            False,
            None,
            None,
            None,
        )
        assert read() == [LIST]

    def test_marks_what_is_not_listed_any_more(self, craftkit, read):
        for slug in ("invoice", "report"):
            craftkit.put_template(slug, manifest(NUMBER))
        read()
        get_client().templates.delete("invoice")
        read()
        assert slugs() == {"report"}
        gone = Template.objects.gone().get()
        assert (gone.slug, gone.manifest) == ("invoice", manifest(NUMBER))
        since = gone.gone_at
        read()
        assert Template.objects.gone().get().gone_at == since

    def test_of_another_template_at_the_slug_of_a_deleted_one_begins_anew(self, craftkit, read):
        craftkit.put_template("invoice", manifest(NUMBER))
        craftkit.put_template("invoice", manifest(NUMBER))
        read()
        get_client().templates.delete("invoice")
        read()
        craftkit.put_template("invoice", manifest(TOTAL))
        read()
        row = Template.objects.get()
        assert (row.version, row.manifest, row.gone_at) == (1, manifest(TOTAL), None)

    def test_keeps_the_templates_of_projects_apart(self, craftkit, read):
        Template.objects.create(project="eu", slug="invoice", seen_at=clock.now())
        craftkit.put_template("report", manifest(NUMBER))
        read()
        assert slugs(project="eu") == {"invoice"}
        assert slugs(project="default") == {"report"}


class TestWhatIsKnown:
    def test_is_found_with_one_query(self, craftkit, read, django_assert_num_queries):
        craftkit.put_template("invoice", manifest(NUMBER))
        read()
        with django_assert_num_queries(1):
            row = Template.objects.get_known("default", "invoice")
            assert row is not None
            assert (row.version, row.manifest) == (1, manifest(NUMBER))

    def test_is_nothing_of_what_is_gone_or_another_projects(self, craftkit, read):
        craftkit.put_template("invoice", manifest(NUMBER))
        read()
        get_client().templates.delete("invoice")
        read()
        assert Template.objects.get_known("default", "invoice") is None
        assert Template.objects.get_known("eu", "invoice") is None


class TestBetweenListAndRead:
    @pytest.fixture
    def between(self, craftkit, monkeypatch):
        """Do something once the templates are listed, before the first one is read."""

        def between(act: Any) -> None:
            note = templates._note_listed

            def noted(*args: Any) -> Any:
                monkeypatch.setattr(templates, "_note_listed", note)
                found = note(*args)
                act()
                return found

            monkeypatch.setattr(templates, "_note_listed", noted)

        return between

    def test_one_may_be_published_anew(self, craftkit, read, between):
        craftkit.put_template("invoice", manifest(NUMBER))
        between(lambda: craftkit.put_template("invoice", manifest(TOTAL)))
        read()
        row = Template.objects.get()
        assert (row.version, row.manifest) == (2, manifest(TOTAL))
        assert read() == [LIST]

    def test_one_may_be_deleted(self, craftkit, read, between):
        craftkit.put_template("invoice", manifest(NUMBER))
        read()
        craftkit.put_template("invoice", manifest(TOTAL))
        # Or else it would make up another one.
        craftkit.sandbox.state.lenient = False
        between(lambda: get_client().templates.delete("invoice"))
        read()
        assert slugs() == set()
        assert Template.objects.get().manifest == manifest(NUMBER)

    def test_a_worker_that_was_taken_for_dead_overwrites_nothing_newer(
        self, craftkit, read, between
    ):
        """It has listed, and stands still; another one lists and reads what is there by then."""
        craftkit.put_template("invoice", manifest(NUMBER))
        craftkit.put_template("report", manifest(NUMBER))
        read()
        craftkit.put_template("invoice", manifest(TOTAL))
        state = ProjectState.objects.get()
        asked_at, client = clock.now(), get_client()
        stale = client.templates.get("invoice")
        listed = {one.slug: one for one in client.templates.list() if one.slug == "invoice"}
        craftkit.pass_time(LEASE_OVER)
        craftkit.put_template("invoice", manifest(NUMBER, TOTAL))
        craftkit.put_template("letter", manifest(NUMBER))
        read()
        assert templates._note_listed(state, asked_at, listed, True) == []
        templates._apply(state, {"invoice": (asked_at, stale), "report": (asked_at, None)})
        assert slugs() == {"invoice", "report", "letter"}
        row = Template.objects.get(slug="invoice")
        assert (row.version, row.manifest) == (3, manifest(NUMBER, TOTAL))


@locks_rows
@pytest.mark.django_db(transaction=True)
def test_two_workers_end_in_one_set_of_rows(craftkit):
    for n in range(5):
        craftkit.put_template(f"t-{n}", manifest(NUMBER))
    state = ProjectState.objects.of("default")

    def read() -> None:
        asked_at = clock.now()
        said = {f"t-{n}": (asked_at, get_client().templates.get(f"t-{n}")) for n in range(5)}
        templates._apply(state, said)

    assert at_once(read, read, read) == [None, None, None]
    assert Template.objects.count() == 5
