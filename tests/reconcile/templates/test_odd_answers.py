"""Whatever Craftkit answers wrongly, or not at all, leaves the mirror right."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest

from django_craftkit import clock
from django_craftkit.models import Job, ProjectState, Template
from django_craftkit.reconcile import templates
from tests.helpers import LEASE_OVER, Killed
from tests.reconcile.helpers import TROUBLE, logged

from .helpers import HOUR, LIST, MINUTE, NUMBER, TOTAL, answer, calls, manifest, slugs

pytestmark = pytest.mark.django_db


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
