"""What is handed to whom, and who hears of it: the cases that are easily got wrong."""

from __future__ import annotations

import sys
import uuid
from types import ModuleType

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.urls import path
from django.utils import timezone

from django_craftkit import clock
from django_craftkit.admin import RenderAdmin, ShareAdmin, WebhookDeliveryAdmin
from django_craftkit.admin.common.base import MirrorAdmin
from django_craftkit.admin.common.format import LONGEST
from django_craftkit.admin.common.results import why_waiting
from django_craftkit.admin.shares.buttons import revocation_results, share_result
from django_craftkit.models import Change, Job, ProjectState, Render, Share, WebhookDelivery
from django_craftkit.models.problems import ErrorCode

from .conftest import address, make_delivery, make_event, make_render, make_share, told

pytestmark = pytest.mark.django_db

TOKEN = "0123456789abcdef" * 2
SECRET = "ada@secret.example"
REVOKE = address(Share, "revoke/")


@pytest.fixture
def render(craftkit) -> Render:
    render = Render.objects.request("invoice", {"total": 1}, key="invoice-1")
    craftkit.run()
    return Render.objects.get(pk=render.pk)


class OfOne:
    """Permissions for one link alone."""

    pk: object = None

    def authenticate(self, request, **_):
        return None

    def has_perm(self, _user, permission, obj=None):
        return permission == "craftkit.revoke_share" and obj is not None and obj.pk == self.pk


class Replica:
    """Links are read from a database that is a moment behind."""

    def db_for_read(self, model, **_):
        return "other" if model is Share else None

    def db_for_write(self, model, **_):
        return "default"

    def allow_relation(self, *_, **__):
        return True


class TestAnotherForm:
    """Back, and something else filled in: the same token."""

    def test_is_another_link(self, boss, render):
        for to in ("ada@example.com", "bob@example.com"):
            given = {"recipient_email": to, "message": "", "expires": "7", "token": TOKEN}
            response = boss.post(address(Render, "share", render.pk), given, follow=True)
            assert response.context["made"].recipient_email == to

    def test_is_another_mail(self, boss, render, craftkit):
        everybody = ["ada@example.com", "bob@example.com"]
        for to in everybody:
            render.email(to)
            craftkit.run()
        given = {"message": "", "expires": "7", "token": TOKEN, "once_more": "on"}
        for to in everybody:
            boss.post(address(Render, "email", render.pk), {**given, "to": to})
        assert sorted(mail.to for mail in craftkit.outbox) == sorted(everybody * 2)


class TestTheRecipient:
    def test_is_named_by_the_history_of_the_link_alone(self, staff, render):
        sender = staff("email_render", "view_render")
        given = {"to": SECRET, "recipient_name": "", "message": "", "expires": "7", "token": TOKEN}
        sender.post(address(Render, "email", render.pk), given)
        reader = staff("view_render")
        history = reader.shows(address(Render, "history", render.pk))
        assert "Asked for an e-mail." in history
        assert SECRET not in history
        history = staff("view_share").shows(address(Share, "history", Share.objects.get().pk))
        assert f"Asked for, for {SECRET}." in history

    def test_is_named_before_a_revocation_to_who_may_see_links(self, staff):
        share = make_share(make_render(), recipient_email=SECRET)
        for rights, sees in ((("revoke_share",), False), (("revoke_share", "view_share"), True)):
            html = staff(*rights).post(REVOKE, {"ids": share.pk}).content.decode()
            assert "Revoke this link?" in html
            assert (SECRET in html) == sees

    def test_is_named_before_another_mail_to_who_may_see_links(self, staff):
        more = {"by_mail": True, "error_code": ErrorCode.MAIL_UNPROVEN, "recipient_email": SECRET}
        share = make_share(make_render(), "unknown", **more)
        for rights, sees in ((("email_render",), False), (("email_render", "view_share"), True)):
            html = staff(*rights).shows(address(Share, "retry", share.pk))
            assert (SECRET in html) == sees


class TestPermissionForOneLink:
    @pytest.fixture
    def share(self, settings, monkeypatch):
        model = "django.contrib.auth.backends.ModelBackend"
        settings.AUTHENTICATION_BACKENDS = [model, f"{__name__}.OfOne"]
        share = make_share(make_render())
        monkeypatch.setattr(OfOne, "pk", share.pk)
        return share

    @pytest.fixture
    def desk(self, staff, share):
        desk = staff("view_share")
        desk.force_login(desk.user, backend="django.contrib.auth.backends.ModelBackend")
        return desk

    def test_is_enough_to_revoke_it(self, desk, share):
        assert REVOKE in desk.shows(address(Share, "change", share.pk))
        other = make_share(make_render())
        ids = f"{share.pk}-{other.pk}"
        response = desk.post(REVOKE, {"ids": ids, "confirm": "1"}, follow=True)
        assert ("warning", "1 link") in [(level, text[:6]) for level, text in told(response)]
        share.refresh_from_db()
        other.refresh_from_db()
        assert (share.revoke_requested_by, other.revoke_requested_at) == (desk.user, None)

    def test_is_none_for_the_others(self, desk, share):
        other = make_share(make_render())
        for data in ({"ids": other.pk}, {"ids": other.pk, "confirm": "1"}, {}):
            assert desk.post(REVOKE, data).status_code == 403


class TestLinksToMany:
    def test_are_made_once_by_a_double_click(self, boss, craftkit):
        render = make_render()
        assert [level for level, _ in told(boss.act("share", render))] == ["success"]
        assert [level for level, _ in told(boss.act("share", render))] == ["warning"]
        share = Share.objects.get()
        assert 6.9 < (share.expires_at - clock.now()).total_seconds() / 86400 < 7.1
        craftkit.pass_time(61)
        boss.act("share", render)
        assert Share.objects.count() == 2

    def test_are_made_anew_where_the_first_is_taken_back(self, boss, craftkit):
        render = make_render()
        boss.act("share", render)
        Share.objects.get().revoke()
        boss.act("share", render)
        assert Share.objects.count() == 2

    def test_are_made_where_there_is_something_to_link_to(self, boss):
        rows = [make_render("failed"), make_render(withdrawn_at=timezone.now()), make_render()]
        ((_, done), (_, left)) = told(boss.act("share", *rows))
        assert (done[:6], left[:11]) == ("1 link", "2 documents")
        assert Share.objects.get().render == rows[2]

    def test_outlive_a_withdrawal_in_between(self, boss, monkeypatch):
        one, two = make_render(), make_render()
        log = MirrorAdmin.log_change

        def log_change(self, *args):
            two.withdraw()
            return log(self, *args)

        monkeypatch.setattr(MirrorAdmin, "log_change", log_change)
        levels = [level for level, _ in told(boss.act("share", one, two))]
        assert levels == ["success", "warning"]


@pytest.mark.django_db(databases=["default", "other"])
def test_a_new_link_is_read_where_it_was_written(settings, boss, render):
    settings.DATABASE_ROUTERS = [f"{__name__}.Replica"]
    given = {"recipient_email": "", "message": "", "expires": "7", "token": TOKEN}
    response = boss.post(address(Render, "share", render.pk), given, follow=True)
    assert response.context["made"].pk == Share.objects.using("default").get().pk


class TestWrongSettings:
    @pytest.fixture(autouse=True)
    def _paused(self):
        now = clock.now()
        reason = "CRAFTKIT_PROJECTS['default'] has no API_KEY."
        more = {"code": "not_configured", "reason": reason, "now": now, "probe_at": now}
        ProjectState.objects.pause("default", "", **more)

    def test_are_told_to_who_looks_after_projects(self, staff):
        for rights, sees in ((("view_render",), False), (("view_projectstate",), True)):
            path = address(ProjectState if sees else Render)
            html = staff(*rights).shows(path)
            assert ("API_KEY" in html) == sees
            assert ("Its settings are wrong." in html) != sees

    def test_of_a_job_that_waits_for_it_too(self, staff):
        said = {
            "error_code": "not_configured",
            "error": "CRAFTKIT_PROJECTS['default'] has no API_KEY.",
        }
        job = Job.objects.create(kind="render", object_id=1, due_at=clock.now(), **said)
        for rights, sees in (((), False), (("view_projectstate",), True)):
            desk = staff("view_job", *rights)
            for page in (address(Job), address(Job, "change", job.pk)):
                html = desk.shows(page)
                assert "Its settings are wrong." in html
                assert ("API_KEY" in html) == sees
            raw = desk.get(f"{address(Job, 'raw', job.pk)}?of=error")
            assert raw.status_code == (200 if sees else 404)
            filtered = desk.get(f"{address(Job)}?error__startswith=C")
            assert filtered.status_code == (200 if sees else 400)

    def test_are_told_by_no_button(self):
        assert "Its settings are wrong." in why_waiting("default")


class TestResults:
    def test_take_no_link_for_ready_that_is_being_revoked(self):
        share = make_share(make_render(), revoke_requested_at=timezone.now())
        assert "revoked" in share_result(share)[1]

    def test_tell_that_a_mail_needs_a_decision(self):
        share = make_share(
            make_render(), "unknown", by_mail=True, error_code=ErrorCode.MAIL_UNPROVEN
        )
        assert "decide" in share_result(share)[1]

    def test_promise_no_revocation_of_what_was_never_made(self):
        ((_, text),) = revocation_results([make_share(make_render(), "rejected")])
        assert "never" in text


class TestASecondSite:
    """With some of the models alone."""

    @pytest.fixture
    def site(self, settings, monkeypatch):
        def make(**models):
            site = admin.AdminSite(name="second")
            for model, model_admin in models.values():
                site.register(model, model_admin)
            urls = ModuleType("second_urls")
            urls.urlpatterns = [path("second/", site.urls)]
            monkeypatch.setitem(sys.modules, "second_urls", urls)
            settings.ROOT_URLCONF = "second_urls"

        return make

    def test_has_no_empty_address(self, boss, site):
        share = make_share(make_render(remote_id=uuid.uuid4()))
        delivery = make_delivery(about=share.render.remote_id)
        for model, model_admin, row in (
            (Render, RenderAdmin, share.render),
            (Share, ShareAdmin, share),
            (WebhookDelivery, WebhookDeliveryAdmin, delivery),
        ):
            make_event(share.render)
            site(one=(model, model_admin))
            base = f"/second/craftkit/{model._meta.model_name}/"
            for page in (base, f"{base}{row.pk}/change/"):
                html = boss.shows(page)
                assert 'href=""' not in html
                assert 'action=""' not in html


class TestADocument:
    def test_links_to_it_for_who_may_see_it(self, staff, boss):
        render = make_render(source=boss.user)
        link = f'href="/admin/auth/user/{boss.user.pk}/change/"'
        desk = staff("view_render")
        for page in (address(Render), address(Render, "change", render.pk)):
            assert link not in desk.shows(page)
            assert f"user {boss.user.pk}" in desk.shows(page)

    def test_with_a_long_key_leaves_room_in_the_list(self, boss):
        key = f"invoice:{'f' * 64}"
        make_render(key=key)
        html = boss.shows(address(Render))
        assert f'<span title="{key}">{key[: LONGEST - 1]}…</span>' in html

    def test_says_on_top_that_a_mail_needs_a_decision(self, staff):
        share = make_share(
            make_render(),
            "unknown",
            by_mail=True,
            error_code=ErrorCode.MAIL_UNPROVEN,
            recipient_email=SECRET,
        )
        page = address(Render, "change", share.render_id)
        words = f"Nobody knows whether the e-mail to {SECRET} was sent."
        html = staff("view_render", "view_share").shows(page)
        assert words in html
        assert f'<a href="{address(Share, "change", share.pk)}">Decide</a>' in html
        assert words not in staff("view_render").shows(page)

    @pytest.mark.parametrize("status", ["failed", "rejected", "cancelled"])
    def test_that_ended_without_a_pdf_is_not_asked_for(self, boss, status):
        render = make_render(status, remote_id=uuid.uuid4())
        assert "/refresh/" not in boss.shows(address(Render, "change", render.pk))


def test_a_step_is_called_as_elsewhere(boss):
    render = make_render()
    share = make_share(render)
    said = {"object_id": share.pk, "cause": "poll"}
    Change.objects.create(kind="share", from_status="pending", to_status="active", **said)
    Change.objects.create(kind="share", from_status="", to_status="unknown", **said)
    html = boss.shows(address(Change))
    assert "pending → open" in html
    assert "– → being settled" in html


def test_the_text_of_a_mail_stands_in_the_mail(boss, render):
    assert "Stands in the e-mail." in boss.shows(address(Render, "email", render.pk))
    assert "Shown with the document." in boss.shows(address(Render, "share", render.pk))


def test_the_clock_of_the_database_is_read_as_any_other(settings, render):
    clock.set_clock(None)
    ProjectState.objects.get_or_create(project="default")
    rows = ProjectState.objects.annotate(read_at=clock.database_now_expression())
    for use_tz in (True, False):
        settings.USE_TZ = use_tz
        now = clock.moment(rows.values_list("read_at", flat=True)[0])
        assert abs((now - timezone.now()).total_seconds()) < 60


def test_nothing_is_logged_of_links_that_were_left(boss):
    boss.act("share", make_render("failed"))
    assert not LogEntry.objects.exists()
