"""The mirror of templates: whatever Craftkit says, and whenever, it says what was said last."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from django_craftkit import clock
from django_craftkit.models import Job, ProjectState, Render, Template
from django_craftkit.models.priority import Priority
from django_craftkit.projects import get_client
from django_craftkit.reconcile import templates
from django_craftkit.reconcile.sweeping import sweep
from tests.helpers import LEASE_OVER, Killed, at_once
from tests.reconcile.helpers import TROUBLE, locks_rows, logged

pytestmark = pytest.mark.django_db

NUMBER = {"key": "number", "label": "Number", "dataType": "text", "required": True}
TOTAL = {"key": "total", "label": "Total", "dataType": "currency", "required": True}
LINES = {
    "key": "lines",
    "label": "Lines",
    "itemFields": [{"key": "text", "label": "Text", "dataType": "text", "required": False}],
}
LIST = "/v1/templates"
HOUR, MINUTE = 3600, 60


def manifest(*variables: Any, loops: Any = ()) -> dict[str, Any]:
    return {"variables": list(variables), "loops": list(loops)}


@pytest.fixture
def read(craftkit):
    """Have the templates read anew, and return the calls that it took."""

    def read() -> list[str]:
        before = len(craftkit.sandbox.state.requests)
        # No two things are changed in one millisecond.
        craftkit.pass_time(1)
        Template.objects.refresh("default")
        craftkit.run()
        return calls(craftkit)[before:]

    return read


def calls(craftkit) -> list[str]:
    return [one.path for one in craftkit.sandbox.state.requests]


def slugs(**more: Any) -> set[str]:
    return set(Template.objects.known().filter(**more).values_list("slug", flat=True))


def answer(craftkit, path: str, body: Any, times: int | None = 1) -> None:
    craftkit.sandbox.faults.add("status", status=200, path=path, body=json.dumps(body), times=times)


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


class TestWhatCraftkitAnswersWrongly:
    @pytest.fixture
    def invoice(self, craftkit, read) -> Template:
        craftkit.put_template("invoice", manifest(NUMBER))
        read()
        return Template.objects.get()

    def body(self, row: Template, **other: Any) -> dict[str, Any]:
        return {
            "id": str(row.remote_id),
            "slug": row.slug,
            "name": row.name,
            "templateType": "document",
            "currentVersionNumber": 2,
            "published": True,
            "createdAt": row.created_at.isoformat(),
            "updatedAt": clock.now().isoformat(),
            "description": None,
            "manifest": manifest(TOTAL),
            "jsonSchema": {},
            **other,
        }

    @pytest.mark.parametrize("odd", [None, [], "x", {"variables": [{"key": 1}], "loops": []}])
    def test_a_manifest_leaves_the_last_good_one(self, craftkit, read, invoice, odd, caplog):
        craftkit.put_template("invoice", manifest(NUMBER, TOTAL))
        answer(craftkit, f"{LIST}/invoice", self.body(invoice, manifest=odd))
        with caplog.at_level(logging.WARNING):
            read()
        row = Template.objects.get()
        assert (row.version, row.manifest) == (1, manifest(NUMBER))
        assert ("WARNING", ("invoice", "default")) in logged(caplog, "reconcile.templates")
        # It is not taken for read.
        assert read() == [LIST, f"{LIST}/invoice"]
        row.refresh_from_db()
        assert (row.version, row.manifest) == (2, manifest(NUMBER, TOTAL))

    def test_a_first_manifest_is_none_and_is_read_again(self, craftkit, read):
        craftkit.put_template("invoice", manifest(NUMBER))
        row = Template(slug="invoice", name="x", remote_id=uuid.uuid4(), created_at=clock.now())
        answer(craftkit, f"{LIST}/invoice", self.body(row, manifest="x"))
        read()
        assert Template.objects.get().manifest is None
        read()
        assert Template.objects.get().manifest == manifest(NUMBER)

    def test_the_manifest_of_another_template_is_no_good_one(self, craftkit, read, invoice):
        craftkit.put_template("invoice", manifest(TOTAL))
        other = self.body(invoice, id=str(uuid.uuid4()), manifest="x")
        answer(craftkit, f"{LIST}/invoice", other)
        read()
        row = Template.objects.get()
        assert (row.version, row.manifest) == (2, None)

    def test_an_entry_of_the_list_that_cant_be_read_ends_nothing(self, craftkit, read, invoice):
        answer(craftkit, LIST, {"templates": [{"slug": 5}]})
        read()
        assert slugs() == {"invoice"}

    @pytest.mark.parametrize("body", [{}, [], {"templates": None}, {"templates": "x"}])
    def test_no_list_ends_nothing_and_is_asked_for_again(self, craftkit, read, invoice, body):
        answer(craftkit, LIST, body)
        read()
        assert slugs() == {"invoice"}
        job = Job.objects.get(kind=Job.Kind.TEMPLATES)
        assert (job.failures, bool(job.problem)) == (1, True)
        craftkit.pass_time(10)
        craftkit.run()
        assert not Job.objects.filter(kind=Job.Kind.TEMPLATES).exists()

    @pytest.mark.parametrize("slug", ["", "A b", "Invoice", "é", "a" * 121, "a\0", "a/b"])
    def test_a_slug_that_is_none_is_left_out(self, craftkit, read, invoice, slug):
        there = self.body(invoice)
        listed = [{**there, "slug": slug}, {**there, "slug": "invoice"}]
        answer(craftkit, LIST, {"templates": listed})
        answer(craftkit, f"{LIST}/invoice", there)
        read()
        assert set(Template.objects.values_list("slug", flat=True)) == {"invoice"}
        assert Template.objects.get().manifest == manifest(TOTAL)

    def test_of_one_that_is_listed_twice_the_newer_counts(self, craftkit, read, invoice):
        newer, older = self.body(invoice), self.body(invoice, currentVersionNumber=1)
        answer(craftkit, LIST, {"templates": [newer, older]})
        answer(craftkit, f"{LIST}/invoice", newer)
        read()
        assert Template.objects.get().version == 2

    def test_about_another_template_is_not_written_and_holds_up_no_other(
        self, craftkit, read, invoice
    ):
        craftkit.put_template("report", manifest(NUMBER))
        craftkit.put_template("invoice", manifest(TOTAL))
        answer(craftkit, f"{LIST}/invoice", self.body(invoice, slug="letter"))
        read()
        assert slugs() == {"invoice", "report"}
        assert Template.objects.get(slug="invoice").version == 1
        assert Job.objects.get(kind=Job.Kind.TEMPLATES).error_code == "other_answered"

    @pytest.mark.parametrize("odd", [-1, "x", 2**70, True])
    def test_numbers_and_moments_that_are_none_are_empty(self, craftkit, read, invoice, odd):
        there = self.body(invoice, currentVersionNumber=odd, updatedAt=odd, createdAt="9" * 30)
        answer(craftkit, LIST, {"templates": [there]}, times=None)
        answer(craftkit, f"{LIST}/invoice", there, times=None)
        read()
        row = Template.objects.get()
        assert (row.version, row.updated_at, row.created_at) == (None, None, None)
        assert read() == [LIST], "it is as it was read"

    def test_large_numbers_and_long_texts_are_cut(self, craftkit, read, invoice):
        there = self.body(
            invoice,
            currentVersionNumber=2**40,
            name="n" * 999 + "\0",
            templateType="t" * 99,
            description="d" * 9999 + "\ud800",
        )
        answer(craftkit, LIST, {"templates": [there]}, times=None)
        answer(craftkit, f"{LIST}/invoice", there, times=None)
        read()
        row = Template.objects.get()
        assert (row.version, len(row.name), len(row.template_type)) == (2**31 - 1, 255, 32)
        assert read() == [LIST]

    def test_deep_and_large_manifests_are_stored(self, craftkit, read, invoice):
        deep: Any = 1
        for _ in range(60):
            deep = [deep]
        many = [{**NUMBER, "key": f"k{n}", "label": "l" * 500} for n in range(3000)]
        there = self.body(invoice, manifest={**manifest(*many), "layout": deep})
        answer(craftkit, LIST, {"templates": [there]})
        answer(craftkit, f"{LIST}/invoice", there)
        read()
        assert Template.objects.get().manifest["variables"] == many

    def test_of_something_older_changes_nothing(self, craftkit, read, invoice):
        craftkit.put_template("invoice", manifest(TOTAL))
        read()
        there = self.body(
            invoice,
            currentVersionNumber=1,
            updatedAt=invoice.updated_at.isoformat(),
            manifest=manifest(NUMBER),
        )
        answer(craftkit, LIST, {"templates": [there]})
        assert read() == [LIST]
        row = Template.objects.get()
        assert (row.version, row.manifest) == (2, manifest(TOTAL))

    def test_of_a_moment_to_come_holds_up_nothing(self, craftkit, read, invoice):
        there = self.body(invoice, updatedAt="9999-01-01T00:00:00Z")
        answer(craftkit, LIST, {"templates": [there]})
        answer(craftkit, f"{LIST}/invoice", there)
        read()
        craftkit.put_template("invoice", manifest(NUMBER, TOTAL))
        read()
        assert Template.objects.get().manifest == manifest(NUMBER, TOTAL)

    def test_a_proxys_page_instead_of_a_template_is_no_deletion(self, craftkit, read, invoice):
        craftkit.put_template("invoice", manifest(TOTAL))
        craftkit.sandbox.faults.add("garbage", status=404, path=f"{LIST}/invoice")
        read()
        assert slugs() == {"invoice"}
        craftkit.pass_time(2 * MINUTE)
        craftkit.run()
        assert Template.objects.get().manifest == manifest(TOTAL)


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


class TestTrouble:
    @pytest.mark.parametrize("path", [LIST, f"{LIST}/*"])
    @pytest.mark.parametrize("kind", TROUBLE)
    def test_is_passed_and_ends_in_the_same_rows(self, craftkit, kind, path):
        for slug in ("invoice", "report"):
            craftkit.put_template(slug, manifest(NUMBER))
        craftkit.sandbox.faults.add(**TROUBLE[kind], path=path, times=2)
        Template.objects.refresh("default")
        for _ in range(30):
            craftkit.run()
            craftkit.pass_time(HOUR / 4)
        assert slugs(manifest=manifest(NUMBER)) == {"invoice", "report"}
        assert not Job.objects.exists()
        assert not ProjectState.objects.paused().exists()

    def test_of_the_project_pauses_it(self, craftkit):
        craftkit.sandbox.revoke_key("ck_test_default")
        Template.objects.refresh("default")
        craftkit.run()
        assert ProjectState.objects.paused().get().pause_code == "unauthorized"
        assert Job.objects.get().kind == Job.Kind.TEMPLATES

    def test_of_a_paused_project_waits(self, craftkit, read):
        craftkit.put_template("invoice", manifest(NUMBER))
        now = clock.now()
        ProjectState.objects.pause(
            "default", "", code="x", reason="x", now=now, probe_at=now + timedelta(minutes=5)
        )
        assert read() == []
        craftkit.pass_time(6 * MINUTE)
        craftkit.run()
        assert slugs() == {"invoice"}
        assert not ProjectState.objects.paused().exists()

    def test_in_the_midst_leaves_what_was_read(self, craftkit, read):
        for slug in ("a", "b", "c"):
            craftkit.put_template(slug, manifest(NUMBER))
        craftkit.sandbox.faults.add("status", status=500, path=f"{LIST}/b")
        read()
        assert slugs() == {"c"}
        craftkit.pass_time(2 * MINUTE)
        craftkit.run()
        assert slugs() == {"a", "b", "c"}
        assert calls(craftkit).count(f"{LIST}/c") == 1

    def test_of_a_worker_that_dies_is_made_good(self, craftkit, monkeypatch):
        for slug in ("invoice", "report"):
            craftkit.put_template(slug, manifest(NUMBER))
        Template.objects.refresh("default")

        def die(*args: Any) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(templates, "_apply", die)
            with pytest.raises(Killed):
                craftkit.run()
        craftkit.pass_time(LEASE_OVER)
        craftkit.run()
        craftkit.pass_time(2 * MINUTE)
        craftkit.run()
        assert slugs(manifest=manifest(NUMBER)) == {"invoice", "report"}
        assert not Job.objects.exists()

    def test_of_so_many_that_the_lease_would_end_goes_on_later(self, craftkit, monkeypatch):
        for slug in ("a", "b", "c"):
            craftkit.put_template(slug, manifest(NUMBER))
        monkeypatch.setattr(templates.time, "monotonic", iter(range(0, 10**6, 100)).__next__)
        job = Job(kind=Job.Kind.TEMPLATES, project="default")
        job.object_id = ProjectState.objects.of("default").pk
        for number in (1, 2, 3):
            templates.step(job)
            assert len(slugs()) == number
            craftkit.pass_time(2 * MINUTE)


class TestTheHour:
    @pytest.fixture(autouse=True)
    def _swept(self, craftkit):
        craftkit.put_template("invoice", manifest(NUMBER))

    def beat(self, craftkit) -> None:
        sweep()
        craftkit.run()

    def test_a_sweep_has_them_read(self, craftkit):
        self.beat(craftkit)
        assert slugs() == {"invoice"}

    def test_sweeps_have_them_read_once_an_hour(self, craftkit):
        for _ in range(3 * 60):
            self.beat(craftkit)
            craftkit.pass_time(MINUTE)
        assert 3 <= calls(craftkit).count(LIST) <= 4

    def test_a_sweep_leaves_a_job_that_has_failed_to_its_delay(self, craftkit):
        craftkit.sandbox.faults.add("status", status=500, path=LIST, times=None)
        for _ in range(60):
            self.beat(craftkit)
            craftkit.pass_time(MINUTE)
        assert calls(craftkit).count(LIST) < 20
        assert Job.objects.get().failures > 5

    def test_a_clock_that_was_ahead_holds_up_nothing(self, craftkit):
        ProjectState.objects.of("default")
        ProjectState.objects.update(templates_read_at=clock.now() + timedelta(days=9))
        self.beat(craftkit)
        assert slugs() == {"invoice"}

    def test_nothing_is_read_of_a_project_without_a_key(self, craftkit, settings):
        project = {**settings.CRAFTKIT_PROJECTS["default"], "API_KEY": ""}
        settings.CRAFTKIT_PROJECTS = {"default": project}
        self.beat(craftkit)
        assert not Job.objects.exists()
        assert not ProjectState.objects.paused().exists()

    def test_nothing_is_read_of_a_project_that_settings_dont_name(self, craftkit):
        ProjectState.objects.of("gone")
        sweep()
        assert {job.project for job in Job.objects.all()} == {"default"}

    def test_they_let_all_else_go_first(self, craftkit):
        sweep()
        assert Job.objects.get().priority == Priority.UPKEEP


class TestDataThatDontFit:
    @pytest.fixture
    def refused(self, craftkit):
        """Have documents refused, as they are not what the template takes by now."""

        def refused(number: int = 1) -> None:
            craftkit.put_template("invoice", manifest(NUMBER, TOTAL))
            keys = [uuid.uuid4().hex for _ in range(number)]
            made = [Render.objects.request("invoice", {"number": "1"}, key=key) for key in keys]
            craftkit.run()
            assert {Render.objects.get(pk=one.pk).error_code for one in made} == {
                "invalid_input_data"
            }

        return refused

    def test_have_them_read_at_once(self, craftkit, read, refused):
        craftkit.put_template("invoice", manifest(NUMBER))
        read()
        craftkit.pass_time(2 * MINUTE)
        refused()
        assert Template.objects.get().version == 2

    def test_have_them_read_once_a_minute(self, craftkit, refused):
        for _ in range(20):
            refused(3)
            craftkit.pass_time(MINUTE / 10)
        assert 2 <= calls(craftkit).count(LIST) <= 3
        craftkit.pass_time(MINUTE)
        craftkit.run()
        assert Template.objects.get().version == 20

    def test_leave_a_job_that_waits_as_it_is(self, craftkit, refused):
        craftkit.sandbox.faults.add("status", status=500, path=LIST, times=None)
        refused()
        before = Job.objects.values("due_at", "version").get()
        refused()
        assert Job.objects.values("due_at", "version").get() == before

    def test_are_noted_together_with_the_job(self, craftkit, monkeypatch):
        craftkit.put_template("invoice", manifest(NUMBER, TOTAL))
        render = Render.objects.request("invoice", {"number": "1"}, key="i-1")

        def die(*args: Any, **options: Any) -> None:
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr(type(Template.objects), "refresh_soon", die)
            craftkit.run()
        render.refresh_from_db()
        assert render.status == "pending"
        craftkit.pass_time(MINUTE)
        craftkit.run()
        render.refresh_from_db()
        assert render.status == "rejected"
        assert slugs() == {"invoice"}

    def test_of_other_faults_read_nothing(self, craftkit):
        craftkit.sandbox.faults.add(
            "status", status=400, code="no_published_version", path=f"{LIST}/*/render"
        )
        Render.objects.request("invoice", {}, key="i-1")
        craftkit.run()
        assert Render.objects.get().status == "rejected"
        assert LIST not in calls(craftkit)


class TestReadingAnew:
    def test_waits_for_no_minute(self, craftkit, read):
        read()
        craftkit.put_template("invoice", manifest(NUMBER))
        assert read() == [LIST, f"{LIST}/invoice"]

    def test_is_undone_with_the_transaction_that_asked_for_it(self, craftkit, read):
        read()
        before = ProjectState.objects.get().templates_read_at
        with transaction.atomic():
            Template.objects.refresh("default")
            transaction.set_rollback(True)
        assert not Job.objects.exists()
        assert ProjectState.objects.get().templates_read_at == before

    def test_while_they_are_read_has_them_read_once_more(self, craftkit, read, monkeypatch):
        craftkit.put_template("invoice", manifest(NUMBER))
        read()
        craftkit.pass_time(2 * MINUTE)
        lists = get_client("default", max_retries=0).templates.list
        acts = [lambda: Template.objects.refresh("default")]

        def listed(self: Any) -> Any:
            found = lists()
            if acts:
                # By now somebody has published another one, and says so.
                craftkit.put_template("invoice", manifest(TOTAL))
                acts.pop()()
            return found

        monkeypatch.setattr("django_craftkit.client.templates.Templates.list", listed)
        state = ProjectState.objects.get()
        Job.objects.request(Job.Kind.TEMPLATES, [state.pk], "default")
        craftkit.run()
        assert Template.objects.get().version == 2

    def test_is_one_job_however_often(self, craftkit):
        for _ in range(3):
            Template.objects.refresh("default")
        assert Job.objects.get().priority == Priority.URGENT


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
