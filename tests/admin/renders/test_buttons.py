"""The buttons of a document: each does what it says, and says no more than it did."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.admin.common import buttons
from django_craftkit.models import Change, EngagementEvent, Job, ProjectState, Render, Share
from tests.admin.conftest import address, make_event, make_render, make_share, told
from tests.helpers import Replica
from tests.shop.models import Order

pytestmark = pytest.mark.django_db

TOKEN = "0123456789abcdef" * 2
#: Everything that a document's page may offer.
BUTTONS = {"pdf", "share", "email", "retry", "refresh", "withdraw"}
RIGHTS = ("download_render", "add_share", "email_render", "retry_render", "withdraw_render")


@pytest.fixture
def render(craftkit) -> Render:
    render = Render.objects.request("invoice", {"total": 1}, key="invoice-1")
    craftkit.run()
    return Render.objects.get(pk=render.pk)


def pause(render, capability: str = "") -> None:
    ProjectState.objects.update_or_create(
        project=render.project,
        capability=capability,
        defaults={
            "paused_at": timezone.now(),
            "pause_reason": "The credits are used up.",
            "probe_at": timezone.now() + timedelta(days=1),
        },
    )


def fail(craftkit, **more) -> None:
    craftkit.sandbox.faults.add("status", status=503, times=None, **more)


def offered(desk, render) -> set[str]:
    html = desk.shows(address(Render, "change", render.pk))
    found = re.findall(rf'(?:href|action)="/admin/craftkit/render/{render.pk}/(\w+)/"', html)
    return set(found) & BUTTONS


def logged(row) -> int:
    """Return how many entries the history of a row has."""
    model = row._meta.model_name
    return LogEntry.objects.filter(content_type__model=model, object_id=str(row.pk)).count()


def press(desk, render, name: str, **data):
    return desk.post(address(Render, name, render.pk), data, follow=True)


class TestThePage:
    def test_offers_what_can_be_done_now(self, boss, render):
        assert offered(boss, render) == {"pdf", "share", "email", "refresh", "withdraw"}
        for status in ("failed", "rejected", "cancelled"):
            assert offered(boss, make_render(status)) == {"retry", "withdraw"}
        assert offered(boss, make_render("pending")) == {"share", "email", "refresh", "withdraw"}
        gone = make_render(withdrawn_at=timezone.now(), remote_id=uuid.uuid4())
        assert offered(boss, gone) == {"pdf", "refresh"}

    @pytest.mark.parametrize("right", RIGHTS)
    def test_offers_what_the_person_may(self, staff, render, right):
        failed = make_render("failed")
        desk = staff("view_render", right)
        name = {"download_render": "pdf", "add_share": "share"}.get(right, right.split("_")[0])
        both = offered(desk, render) | offered(desk, failed)
        assert both == {name, "refresh"}

    def test_lists_its_links_with_what_became_of_each(self, staff):
        now = timezone.now()
        render = make_render()
        states = {
            "open": make_share(render),
            "expired": make_share(render, expires_at=now - timedelta(days=1)),
            "being revoked": make_share(render, revoke_requested_at=now),
            "revoked": make_share(render, "revoked"),
            "being settled": make_share(render, "unknown"),
            "needs a decision": make_share(render, "unknown", error_code="mail_unproven"),
            "rejected": make_share(render, "rejected"),
            "found": make_share(render),
        }
        Share.objects.filter(pk=states["found"].pk).update(key="found x")
        html = staff("view_render", "view_share", "revoke_share").shows(
            address(Render, "change", render.pk)
        )
        rows = html.partition('id="craftkit-links"')[2].partition("</table>")[0].split("<tr>")[2:]
        by_pk = {int(re.search(r"/share/(\d+)/change/", row)[1]): row for row in rows}
        for label, share in states.items():
            assert f">{label}<" in by_pk[share.pk]
        can = {label for label, share in states.items() if ">Revoke<" in by_pk[share.pk]}
        assert can == {"open", "being settled", "needs a decision", "found"}

    def test_shows_the_newest_links_and_leads_to_the_others(self, boss, monkeypatch):
        monkeypatch.setattr("django_craftkit.admin.renders.page.MOST_SHARES", 2)
        render = make_render()
        shares = [make_share(render) for _ in range(3)]
        html = boss.shows(address(Render, "change", render.pk))
        assert f"/share/{shares[0].pk}/change/" not in html
        assert f'href="{address(Share)}?render__id__exact={render.pk}"' in html

    def test_shows_who_opened_it_to_who_may_see_that(self, staff):
        render = make_render(counts={"viewed": 7})
        share = make_share(render, remote_id=uuid.uuid4(), recipient_email="max@example.com")
        make_event(render, share_remote_id=share.remote_id, ip_address="203.0.113.9")
        path = address(Render, "change", render.pk)
        html = staff("view_render", "view_share", "view_engagementevent").shows(path)
        assert '<svg class="craftkit-picture"' in html
        assert "203.0.113.9" in html
        assert f"{address(EngagementEvent)}?render__id__exact={render.pk}" in html
        assert "Opened for the first time" in html
        for rights in (["view_render"], ["view_render", "view_share"]):
            html = staff(*rights).shows(path)
            assert "203.0.113.9" not in html
            assert "<strong>7</strong> opened" in html
            assert "Opened for the first time" not in html
        html = staff("view_render", "view_engagementevent").shows(path)
        assert "203.0.113.9" in html
        assert "max@example.com" not in html

    def test_brings_no_script_and_no_style_of_its_own(self, boss):
        """So that a Content-Security-Policy of ``default-src 'self'`` holds."""
        render = make_render("failed", error="x", counts={"viewed": 1})
        make_event(render)
        html = boss.shows(address(Render, "change", render.pk))
        assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", html)
        assert not re.search(r"<script(?![^>]*\ssrc=)", html)

    @pytest.mark.parametrize(
        "errors", [{"a": "no list"}, {"a": [1, None]}, {"a": {"b": 1}}, ["no dict"], None]
    )
    def test_shows_whatever_is_said_of_the_fields(self, boss, errors):
        render = make_render("rejected", error="Wrong.")
        Render.objects.filter(pk=render.pk).update(field_errors=errors or {})
        boss.shows(address(Render, "change", render.pk))

    @pytest.mark.parametrize("counts", [{"viewed": None}, {"viewed": "x"}, {"x": 1}])
    def test_shows_whatever_was_counted(self, boss, counts):
        render = make_render(counts=counts)
        boss.shows(address(Render, "change", render.pk))
        boss.shows(address(Render))

    def test_takes_ten_queries_at_most_however_long_its_story(self, staff):
        rights = Permission.objects.filter(content_type__app_label="craftkit")
        boss = staff(*rights.values_list("codename", flat=True))
        boss.user.user_permissions.add(Permission.objects.get(codename="view_order"))
        render = make_render(source=Order.objects.create(number="A-1"))

        def queries() -> int:
            path = address(Render, "change", render.pk)
            boss.shows(path)
            with CaptureQueriesContext(connection) as found:
                boss.shows(path)
            return len(found)

        def go_on() -> None:
            share = make_share(render, remote_id=uuid.uuid4(), requested_by=boss.user)
            make_event(render, share_remote_id=share.remote_id)
            Change.objects.create(
                kind="share", object_id=share.pk, to_status="active", cause="poll", person=boss.user
            )

        go_on()
        few = queries()
        for _ in range(25):
            go_on()
        assert queries() == few <= 10


class TestThePdf:
    def test_is_streamed_and_counted(self, staff, render, craftkit):
        desk = staff("download_render")
        response = desk.get(address(Render, "pdf", render.pk))
        assert response.status_code == 200
        assert response.streaming
        assert b"".join(response.streaming_content).startswith(b"%PDF")
        assert response["Content-Type"] == "application/pdf"
        assert response["Content-Disposition"] == 'inline; filename="invoice-1.pdf"'
        assert response["X-Content-Type-Options"] == "nosniff"
        assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
        craftkit.run()
        render.refresh_from_db()
        assert render.counts["viewed"] == 1
        assert EngagementEvent.objects.get(type="viewed").metadata == {"source": "admin"}
        assert LogEntry.objects.get().user == desk.user

    def test_of_a_name_that_is_no_file_name_has_another(self, boss, craftkit):
        render = Render.objects.request("invoice", {"total": 1}, key='../"; x\r\n/ф')
        craftkit.run()
        response = boss.get(address(Render, "pdf", render.pk))
        assert response["Content-Disposition"] == 'inline; filename="x.pdf"'

    @pytest.mark.parametrize(
        ("filename", "header"),
        [
            ("Invoice 7.PDF", 'filename="Invoice 7.PDF"'),
            ("invoice 7", 'filename="invoice 7.pdf"'),
            ("a.pdf.exe", 'filename="a.pdf.exe.pdf"'),
            ('7".pdf', 'filename="7\\".pdf"'),
            ("請求書.pdf", "filename*=utf-8''%E8%AB%8B%E6%B1%82%E6%9B%B8.pdf"),
            # Whatever wrote the row.
            ("../etc\\passwd", 'filename="..-etc-passwd.pdf"'),
        ],
    )
    def test_is_called_as_its_document_says(self, boss, render, filename, header):
        Render.objects.update(filename=filename)
        response = boss.get(address(Render, "pdf", render.pk))
        assert response["Content-Disposition"] == f"inline; {header}"
        page = unescape(boss.shows(address(Render, "change", render.pk)))
        assert f">{filename}<" in page

    def test_that_is_not_there_is_a_message(self, boss):
        response = boss.get(address(Render, "pdf", make_render("failed").pk), follow=True)
        assert told(response) == [("error", "There is no PDF: the document is failed.")]

    def test_that_craftkit_does_not_hand_out_is_a_message(self, boss, render, craftkit):
        fail(craftkit, path="*/download")
        response = boss.get(address(Render, "pdf", render.pk), follow=True)
        ((level, text),) = told(response)
        assert level == "error"
        assert text.startswith("Craftkit did not hand out the PDF. ")
        assert not EngagementEvent.objects.filter(type="viewed").exists()

    def test_of_a_project_that_is_configured_no_more_is_a_message(self, boss):
        render = make_render(project="gone", remote_id=uuid.uuid4())
        response = boss.get(address(Render, "pdf", render.pk), follow=True)
        assert told(response) == [("error", "Craftkit did not hand out the PDF.")]


class TestMakingALink:
    def fill(self, **more):
        return {"recipient_email": "", "message": "", "expires": "7", "token": TOKEN, **more}

    def test_asks_what_it_takes(self, boss, render):
        html = boss.shows(address(Render, "share", render.pk))
        assert re.search(r'name="token" value="[0-9a-f]{32}"', html)
        assert '<option value="7" selected>' in html

    def test_makes_it_at_once_and_shows_it_to_copy(self, boss, render):
        response = press(boss, render, "share", **self.fill(message="Hello"))
        share = Share.objects.get()
        assert (share.status, share.message, share.requested_by) == ("active", "Hello", boss.user)
        days = (share.expires_at - timezone.now()).total_seconds() / 86400
        assert 6.9 < days < 7.1
        assert told(response) == [("success", "The link is ready.")]
        assert f'readonly value="{share.url}"' in response.content.decode()
        assert logged(render) == logged(share) == 1

    def test_for_one_person_is_recorded_as_such(self, boss, render):
        press(
            boss, render, "share", **self.fill(recipient_email="max@example.com", expires="never")
        )
        share = Share.objects.get()
        assert (share.channel, share.recipient_email) == ("email", "max@example.com")
        assert (share.expires_at, share.by_mail) == (None, False)

    def test_twice_by_a_double_click_is_one(self, boss, render):
        for _ in range(2):
            response = press(boss, render, "share", **self.fill())
            assert told(response) == [("success", "The link is ready.")]
        assert Share.objects.count() == logged(render) == 1
        press(boss, render, "share", **self.fill(token="f" * 32))
        assert Share.objects.count() == 2

    def test_is_shown_to_nobody_who_may_not_see_it(self, staff, render):
        desk = staff("view_render", "add_share")
        response = press(desk, render, "share", **self.fill())
        share = Share.objects.get()
        text = "The link is ready. Somebody who may see links has to hand it over."
        assert told(response) == [("success", text)]
        assert share.url not in response.content.decode()
        html = desk.shows(address(Render, "share", render.pk) + f"?made={share.pk}")
        assert share.url not in html

    def test_shows_no_link_of_another_document(self, boss, render):
        other = make_share(make_render())
        path = address(Render, "share", render.pk)
        for made in (other.pk, "x", "-1", "9" * 30, "٣"):
            assert other.url not in boss.shows(f"{path}?made={made}")

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"recipient_email": "max"}, "Enter a valid email address."),
            ({"message": "x" * 2001}, "at most 2000 characters (it has 2001)"),
            ({"expires": "8"}, "Select a valid choice."),
            ({"token": "guess"}, "This page can't be sent. Load it anew."),
        ],
    )
    def test_says_what_is_wrong_and_loses_nothing(self, boss, render, wrong, words):
        response = press(boss, render, "share", **self.fill(message="Keep me") | wrong)
        html = unescape(response.content.decode())
        assert words in html
        assert ("Keep me" in html) == ("message" not in wrong)
        assert not Share.objects.exists()

    def test_counts_a_line_break_as_one_character(self, boss, render):
        press(boss, render, "share", **self.fill(message="\r\n".join(["x" * 999] * 2)))
        assert len(Share.objects.get().message) == 1999

    def test_of_a_document_that_was_withdrawn_meanwhile_is_refused(self, boss, render, monkeypatch):
        Render.objects.update(withdrawn_at=timezone.now())
        response = press(boss, render, "share", **self.fill())
        assert [level for level, _ in told(response)] == ["error"]
        monkeypatch.setattr("django_craftkit.admin.common.results.can_be_shared", lambda _: True)
        response = press(boss, render, "share", **self.fill(message="Keep me"))
        assert "This document was withdrawn" in response.content.decode()
        assert "Keep me" in response.content.decode()
        assert not Share.objects.exists()

    def test_of_a_document_that_failed_is_refused(self, boss):
        response = boss.get(address(Render, "share", make_render("failed").pk), follow=True)
        assert told(response) == [("error", "There is no PDF: the document is failed.")]

    def test_of_a_document_under_way_follows(self, boss, craftkit):
        response = press(boss, make_render("queued"), "share", **self.fill())
        text = "The link is asked for. It follows as soon as the document is ready."
        assert told(response) == [("info", text)]

    def test_says_that_it_waits_where_craftkit_does_not_answer(self, boss, render, craftkit):
        fail(craftkit, method="POST", code="queue_unavailable")
        ((level, text),) = told(press(boss, render, "share", **self.fill()))
        assert level == "warning"
        assert text.startswith("The link is asked for. The project “default” is paused:")

    def test_says_why_it_waits_where_its_project_is_paused(self, boss, render):
        pause(render)
        html = boss.shows(address(Render, "share", render.pk))
        assert "What you ask for now is kept and done later." in html
        response = press(boss, render, "share", **self.fill())
        ((level, text),) = told(response)
        assert (level, "The credits are used up. Nothing is lost." in text) == ("warning", True)
        assert Share.objects.get().status == "pending"

    def test_says_why_it_waits_where_everything_is_held(self, boss, render, settings):
        settings.CRAFTKIT = {"PAUSED": True}
        ((level, text),) = told(press(boss, render, "share", **self.fill()))
        assert (level, "Everything is held" in text) == ("warning", True)

    def test_says_what_craftkit_refused(self, boss, render, craftkit):
        craftkit.sandbox.faults.add(
            "status", status=400, code="invalid_request", method="POST", message="Not like this."
        )
        ((level, text),) = told(press(boss, render, "share", **self.fill()))
        assert level == "error"
        assert text.startswith("The link was refused: Not like this.")


class TestSendingAnEmail:
    def fill(self, **more):
        given = {"to": "max@example.com", "recipient_name": "Max", "message": "Hello"}
        return {**given, "expires": "7", "token": TOKEN, **more}

    @pytest.fixture
    def sent(self, boss, render, craftkit):
        """A mail that went out an hour ago."""
        press(boss, render, "email", **self.fill())
        craftkit.run()
        craftkit.pass_time(3600)
        return Share.objects.get()

    def test_sends_it_at_once(self, boss, render, craftkit):
        response = press(boss, render, "email", **self.fill())
        assert told(response) == [("success", "The e-mail to max@example.com is sent.")]
        share = Share.objects.get()
        assert (share.status, share.by_mail, share.requested_by) == ("active", True, boss.user)
        assert (share.recipient_name, share.message) == ("Max", "Hello")
        assert len(list(craftkit.sandbox.mails)) == 1
        assert logged(render) == logged(share) == 1

    def test_one_that_was_refused_a_moment_ago_is_no_double_click(self, boss, render, craftkit):
        craftkit.sandbox.faults.add("status", status=400, code="invalid_request", method="POST")
        press(boss, render, "email", **self.fill(recipient_name="M☃x"))
        assert Share.objects.get().status == "rejected"
        html = press(boss, render, "email", **self.fill()).content.decode()
        assert "This person was to get this text before" in html

    @pytest.mark.django_db(databases=["default", "other"])
    def test_is_answered_and_logged_where_a_replica_lags_behind(
        self, boss, render, craftkit, settings
    ):
        settings.DATABASE_ROUTERS = [Replica("craftkit")]
        path = address(Render, "email", render.pk)
        assert boss.post(path, self.fill()).status_code == 302
        assert len(list(craftkit.sandbox.mails)) == 1
        assert LogEntry.objects.filter(content_type__model="share").count() == 1

    def test_sends_it_once_by_a_double_click(self, boss, render, craftkit):
        press(boss, render, "email", **self.fill())
        response = press(boss, render, "email", **self.fill())
        assert told(response) == [
            ("info", "It was asked for a moment ago and stays as it was: it is sent once."),
        ]
        assert Share.objects.count() == logged(render) == 1

    def test_says_that_it_was_sent_before_by_whom_and_asks(self, boss, render, sent, craftkit):
        response = press(boss, render, "email", **self.fill(token="e" * 32))
        html = response.content.decode()
        assert "This text was sent to this person on" in html
        assert "It was asked for by boss." in html
        assert 'type="checkbox" name="once_more"' in html
        assert 'value="max@example.com"' in html
        assert Share.objects.count() == 1
        assert "once_more" not in boss.shows(address(Render, "email", render.pk))

    def test_sends_it_once_more_where_that_is_wanted_once(self, boss, render, sent, craftkit):
        again = self.fill(token="e" * 32, once_more="on")
        for _ in range(2):
            response = press(boss, render, "email", **again)
            assert told(response) == [("success", "The e-mail to max@example.com is sent.")]
        assert Share.objects.count() == 2
        assert len(list(craftkit.sandbox.mails)) == 2
        assert logged(render) == 2

    def test_takes_another_text_for_another_mail(self, boss, render, sent):
        press(boss, render, "email", **self.fill(message="Hello again"))
        press(boss, render, "email", **self.fill(to="eva@example.com"))
        assert Share.objects.count() == 3

    def test_says_that_one_before_still_waits(self, boss, render, craftkit):
        pause(render)
        press(boss, render, "email", **self.fill())
        craftkit.pass_time(60)
        html = press(boss, render, "email", **self.fill()).content.decode()
        assert "An e-mail with this text to this person was asked for on" in html
        assert "Its state: pending." in html

    def test_says_why_it_waits_where_mail_is_paused(self, boss, render):
        pause(render, "email")
        ((level, text),) = told(press(boss, render, "email", **self.fill()))
        assert level == "warning"
        assert text.startswith("The e-mail is asked for. E-mail of “default” is paused:")

    def test_claims_nothing_where_the_answer_was_lost(self, boss, render, craftkit):
        craftkit.sandbox.faults.add("cut_after", method="POST", path="*/email")
        fail(craftkit, method="GET")
        ((level, text),) = told(press(boss, render, "email", **self.fill()))
        assert level == "warning"
        assert text.startswith("Craftkit gave no clear answer. Whether the e-mail was sent")

    @pytest.mark.parametrize("wrong", [{"to": ""}, {"to": "x"}, {"recipient_name": "x" * 201}])
    def test_says_what_is_wrong_and_loses_nothing(self, boss, render, wrong):
        response = press(boss, render, "email", **self.fill() | wrong)
        assert "Please correct the error below." in response.content.decode()
        assert ">\nHello</textarea>" in response.content.decode()
        assert not Share.objects.exists()


class TestRetrying:
    def test_makes_the_document_at_once(self, boss, craftkit):
        render = make_render("failed", data={"total": 1}, error="Before.")
        response = press(boss, render, "retry")
        render.refresh_from_db()
        assert render.attempt == 2
        ((level, text),) = told(response)
        known = {
            "succeeded": ("success", "The document is ready."),
            "queued": ("info", "Craftkit has accepted the document and is making it."),
        }
        assert (level, text) == known[render.status]
        assert Change.objects.first().person == boss.user

    def test_says_what_is_wrong_once_more(self, boss, craftkit):
        render = make_render("rejected", data={}, error="Before.")
        craftkit.sandbox.faults.add(
            "status", status=400, code="invalid_request", method="POST", message="Still wrong."
        )
        ((level, text),) = told(press(boss, render, "retry"))
        assert level == "error"
        assert "Still wrong." in text

    def test_says_why_it_waits(self, boss, craftkit):
        render = make_render("failed", data={})
        pause(render)
        ((level, text),) = told(press(boss, render, "retry"))
        assert level == "warning"
        assert text.startswith("Another attempt is asked for. The project “default” is paused:")

    @pytest.mark.parametrize("status", ["succeeded", "queued"])
    def test_leaves_what_needs_none(self, boss, craftkit, status):
        render = make_render(status)
        assert [level for level, _ in told(press(boss, render, "retry"))] == ["warning"]
        assert not LogEntry.objects.exists()


class TestRefreshing:
    def test_hears_what_craftkit_says_now(self, staff, render, craftkit):
        desk = staff("view_render")
        response = press(desk, render, "refresh")
        assert told(response) == [("success", "This is what Craftkit says now.")]

    def test_says_that_it_is_asked_where_it_does_not_answer(self, boss, render, craftkit):
        fail(craftkit)
        ((level, text),) = told(press(boss, render, "refresh"))
        assert (level, text.startswith("Craftkit will be asked.")) == ("info", True)
        assert Job.objects.filter(object_id=render.pk).exists()


class TestWithdrawing:
    @pytest.fixture
    def share(self, render, craftkit):
        share = render.share(channel="email", recipient_email="max@example.com")
        craftkit.run()
        share.refresh_from_db()
        return share

    def test_is_asked_first_with_what_stops_working(self, boss, render, share):
        html = boss.shows(address(Render, "withdraw", render.pk))
        assert "1 link stops working" in html
        assert "max@example.com" in html
        render.refresh_from_db()
        assert render.withdrawn_at is None

    def test_names_nobody_to_who_may_not_see_links(self, staff, render, share):
        html = staff("withdraw_render").shows(address(Render, "withdraw", render.pk))
        assert "1 link stops working" in html
        assert "max@example.com" not in html

    def test_revokes_every_link(self, boss, render, share):
        response = press(boss, render, "withdraw", confirm="1")
        render.refresh_from_db()
        share.refresh_from_db()
        assert render.withdrawn_by == boss.user
        assert share.status == "revoked"
        assert told(response) == [
            ("success", "The document is withdrawn: no new link to it can be made."),
            ("success", "1 link is revoked."),
        ]
        assert "withdrawn" in boss.shows(address(Render, "change", render.pk))

    def test_says_which_links_still_wait(self, boss, render, share):
        pause(render)
        levels = [level for level, _ in told(press(boss, render, "withdraw", confirm="1"))]
        assert levels == ["success", "warning"]

    def test_twice_is_once(self, boss, render):
        press(boss, render, "withdraw", confirm="1")
        response = press(boss, render, "withdraw", confirm="1")
        assert told(response) == [("warning", "It was withdrawn before.")]
        assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("name", sorted(BUTTONS))
class TestEveryButton:
    def test_of_what_is_not_there_is_not_there(self, boss, name):
        for pk in (10**9, "x", "-1", "9" * 40, "a_2Fb"):
            method = boss.get if name == "pdf" else boss.post
            assert method(address(Render, name, pk)).status_code == 404

    def test_is_pressed_and_not_only_visited(self, boss, name):
        render = make_render("failed")
        allowed = name in {"pdf", "share", "email", "withdraw"}
        response = boss.get(address(Render, name, render.pk))
        assert (response.status_code == 405) == (not allowed)

    def test_needs_the_token_of_the_page(self, boss, name):
        render = make_render("failed")
        boss.handler.enforce_csrf_checks = True
        assert boss.post(address(Render, name, render.pk)).status_code in (403, 405)
        assert not Job.objects.exists()

    def test_leads_home_who_may_not_see_the_document(self, staff, name):
        right = {"pdf": "download_render", "share": "add_share", "refresh": "view_render"}.get(
            name, f"{name}_render"
        )
        desk = staff(right)
        render = make_render("rendering")
        method = desk.get if name == "pdf" else desk.post
        response = method(address(Render, name, render.pk), {"token": TOKEN})
        if response.status_code == 302 and right != "view_render":
            assert response.url == "/admin/"


@pytest.mark.django_db(transaction=True)
class TestInATransactionOfSomebodyElse:
    """A middleware may have opened one, whatever the view says."""

    @pytest.fixture
    def render(self):
        return make_render(remote_id=uuid.uuid4())

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("share", {"expires": "7", "token": TOKEN}),
            ("email", {"to": "max@example.com", "expires": "7", "token": TOKEN}),
            ("refresh", {}),
            ("withdraw", {"confirm": "1"}),
        ],
    )
    def test_leaves_it_to_the_worker_and_says_so(self, boss, render, name, data):
        with transaction.atomic():
            response = boss.post(address(Render, name, render.pk), data, follow=True)
        ((_level, text), *_) = told(response)
        assert "as soon as" in text or "is withdrawn" in text
        assert Job.objects.filter(project="default").exists()

    def test_leaves_retrying_to_the_worker(self, boss):
        failed = make_render("failed", data={})
        with transaction.atomic():
            response = press(boss, failed, "retry")
        assert "will be done as soon as" in told(response)[0][1]

    def test_is_not_what_atomic_requests_are(self, boss, render, monkeypatch):
        """The views are out of them: they may call Craftkit."""
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        seen = []
        monkeypatch.setattr(
            "django_craftkit.admin.renders.buttons.timeout",
            lambda: seen.append(connection.in_atomic_block) or 0.0,
        )
        press(boss, render, "refresh")
        press(boss, render, "withdraw", confirm="1")
        assert seen == [False, False]


class TestNothingToRender:
    """The function that makes a document's data returned ``None``, so that its row is gone."""

    WORDS = ("warning", "There is nothing to render: there is no document, and nothing was sent.")

    @pytest.fixture
    def pending(self, craftkit) -> Render:
        Order.objects.create(number="NOTHING", confirmed=True)
        return Render.objects.get()

    def test_staff_are_told_so_and_led_to_the_list(self, boss, pending):
        response = press(boss, pending, "refresh")
        assert response.redirect_chain == [(address(Render), 302)]
        assert told(response) == [self.WORDS]
        assert not Render.objects.exists()

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("refresh", {}),
            ("withdraw", {}),
            ("share", {"expires": "7", "token": TOKEN}),
            ("email", {"to": "max@example.com", "expires": "7", "token": TOKEN}),
            (
                "sign",
                {
                    "people-TOTAL_FORMS": "1",
                    "people-INITIAL_FORMS": "0",
                    "people-0-first_name": "Jane",
                    "people-0-email": "jane@example.com",
                    "people-0-designation": "Signer",
                    "people-0-anchor": "{{sign_here}}",
                    "name": "Agreement",
                    "days": "7",
                },
            ),
        ],
    )
    def test_whatever_they_pressed_as_it_went(
        self, boss, craftkit, pending, monkeypatch, name, data
    ):
        check = buttons._check

        def late(*args):
            check(*args)
            craftkit.run()

        monkeypatch.setattr(buttons, "_check", late)
        response = boss.post(address(Render, name, pending.pk), data, follow=True)
        assert response.redirect_chain == [(address(Render), 302)]
        assert told(response) == [self.WORDS]

    def test_one_that_somebody_wants_a_link_to_is_cancelled_and_they_are_told(
        self, boss, craftkit, pending
    ):
        response = press(boss, pending, "share", expires="7", token=TOKEN)
        assert told(response) == [self.WORDS]
        response = press(boss, pending, "retry")
        assert told(response) == [self.WORDS]
        pending.refresh_from_db()
        assert (pending.status, pending.attempt) == ("cancelled", 2)
