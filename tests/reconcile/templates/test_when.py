"""When templates are read: by the hour, where data don't fit, and on request."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from django_craftkit import clock
from django_craftkit.models import Job, ProjectState, Render, Template
from django_craftkit.models.priority import Priority
from django_craftkit.projects import get_client
from django_craftkit.reconcile.sweeping import sweep

from .helpers import LIST, MINUTE, NUMBER, TOTAL, calls, manifest, slugs

pytestmark = pytest.mark.django_db


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
