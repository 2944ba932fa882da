"""The builder in the admin: who gets it, and what it opens."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from django_craftkit.models import EmbedSession, Template

from .conftest import address, make_template, told

pytestmark = pytest.mark.django_db

NEW = address(Template, "new/")


@pytest.fixture
def template(craftkit) -> Template:
    craftkit.put_template("invoice", {"variables": [], "loops": []})
    Template.objects.refresh("default")
    craftkit.run()
    return Template.objects.get(slug="invoice")


def design(row: Template) -> str:
    return address(Template, "design", row.pk)


class TestTheButtons:
    def test_are_there_for_whoever_may_design(self, boss, staff):
        row = make_template()
        for desk, is_there in ((boss, True), (staff("view_template"), False)):
            assert (design(row) in desk.shows(address(Template, "change", row.pk))) is is_there
            assert (NEW in desk.shows(address(Template))) is is_there

    def test_are_none_of_a_template_that_is_gone(self, boss, craftkit, template):
        Template.objects.update(gone_at=template.seen_at)
        assert design(template) not in boss.shows(address(Template, "change", template.pk))
        assert told(boss.get(design(template), follow=True))[0][0] == "error"
        assert boss.post(design(template)).status_code == 302
        assert craftkit.sandbox.embed_sessions == []

    def test_name_the_project_where_there_are_several(self, boss, settings):
        one = settings.CRAFTKIT_PROJECTS["default"]
        settings.CRAFTKIT_PROJECTS = {"default": one, "eu": one}
        html = boss.shows(address(Template))
        assert f"{NEW}?of=eu" in html
        assert boss.get(f"{NEW}?of=eu").status_code == 200
        assert boss.get(f"{NEW}?of=us").status_code == 404


class TestTheBuilder:
    def test_is_opened_by_its_page_and_not_by_looking_at_it(self, boss, craftkit, template):
        html = boss.shows(design(template))
        assert f'data-craftkit-open="{design(template)}"' in html
        assert f'data-craftkit-close="{address(Template, "change", template.pk)}"' in html
        assert craftkit.sandbox.embed_sessions == []

    def test_edits_the_template(self, boss, craftkit, template):
        answer = boss.post(design(template))
        assert answer.status_code == 200
        assert "no-store" in answer.headers["Cache-Control"]
        (session,) = craftkit.sandbox.embed_sessions
        assert (session.mode, session.template().slug) == ("edit", "invoice")
        assert session.may("publish")
        row = EmbedSession.objects.get()
        assert (row.created_by, row.template) == (boss.user, "invoice")
        assert answer.json()["publishedUrl"]

    def test_makes_a_new_one(self, boss, craftkit):
        answer = boss.post(f"{NEW}?of=default")
        assert answer.status_code == 200
        (session,) = craftkit.sandbox.embed_sessions
        assert (session.mode, session.may("publish")) == ("create", True)

    def test_is_noted_in_the_history(self, boss, craftkit, template):
        boss.post(design(template))
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.user) == (str(template.pk), boss.user)

    def test_tells_staff_what_to_switch_on(self, boss, craftkit, template):
        craftkit.sandbox.project().embed_enabled = False
        answer = boss.post(design(template))
        assert answer.status_code == 503
        assert "Enable embed mode" in answer.json()["message"]
        assert not LogEntry.objects.exists()

    def test_is_given_to_whoever_has_the_permission_of_this_template(
        self, staff, craftkit, template, settings
    ):
        from guardian.shortcuts import assign_perm

        settings.AUTHENTICATION_BACKENDS = [
            "django.contrib.auth.backends.ModelBackend",
            "guardian.backends.ObjectPermissionBackend",
        ]
        desk, other = staff("view_template"), make_template("other")
        assign_perm("craftkit.design_template", desk.user, template)
        assert desk.post(design(template)).status_code == 200
        assert desk.post(design(other)).status_code == 403
        assert desk.post(NEW).status_code == 403
