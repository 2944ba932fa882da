"""What pages show of a signature request: its own, the list, its document's, and the others."""

from __future__ import annotations

import re
import uuid
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import (
    ArchivedFile,
    Change,
    Job,
    ProjectState,
    Render,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from tests.admin.conftest import address, make_delivery, make_render, make_request, told
from tests.helpers import settle

from .conftest import page, pause, press, press_render, story

pytestmark = pytest.mark.django_db


class TestItsPage:
    def test_shows_how_far_each_person_is(self, boss, sent, craftkit):
        craftkit.sign(sent, "jane@example.com")
        craftkit.run()
        html = page(boss, sent)
        rows = html.partition('id="craftkit-who"')[2].partition("</table>")[0].split("<tr>")[2:]
        cells = [re.sub(r"<[^>]+>", "|", row).split("|") for row in rows]
        found = [[" ".join(cell.split()) for cell in row if cell.strip()] for row in cells]
        assert "Signed: 1 of 2" in html
        assert [row[:5] for row in found] == [
            ["Jane Doe", "jane@example.com", "signs", "1", "signed"],
            ["Ελένη Δημητρίου", "eleni@example.com", "approves", "2", "waiting"],
            ["Ed", "ed@example.com", "gets a copy", "3", "–"],
        ]

    @pytest.mark.parametrize(
        ("status", "person", "words"),
        [
            ("pending", {}, "not asked yet"),
            ("sent", {}, "waiting"),
            ("expired", {}, "not signed"),
            ("cancelled", {"designation": "Approver"}, "not approved"),
            ("completed", {"signed_at": timezone.now(), "designation": "Approver"}, "approved"),
            ("declined", {"declined_at": timezone.now()}, "declined"),
            ("sent", {"signed_at": timezone.now(), "designation": "Witness"}, "signed"),
        ],
    )
    def test_has_a_word_for_each_state_of_a_person(self, boss, status, person, words):
        html = page(boss, make_request(make_render(), status, person))
        people = html.partition('id="craftkit-who"')[2].partition("</table>")[0]
        assert f">{words}</span>" in people

    def test_tells_its_way_with_who_signed(self, boss, sent, craftkit):
        craftkit.view(sent)
        craftkit.sign(sent)
        settle(craftkit)
        steps = story(page(boss, sent))
        whom = "for Jane Doe, Ελένη Δημητρίου, Ed"
        assert steps[0] == f"Signature requested {whom} · this site"
        assert [step.partition(" for ")[0].partition(" ·")[0] for step in steps[1:]] == [
            "Sent to be signed",
            "Opened to be signed",
            "Signed",
            "Approved",
            "Signed by all",
            "Signed PDF and certificate archived",
        ]
        assert "Signed · Jane Doe" in steps
        assert "Approved · Ελένη Δημητρίου" in steps

    def test_tells_who_declined_and_why(self, boss, sent, craftkit):
        craftkit.decline(sent, "eleni@example.com", "The date is wrong.")
        craftkit.run()
        html = page(boss, sent)
        panel = html.partition('id="craftkit-wrong"')[2].partition("</section>")[0]
        assert "Why it was declined" in panel
        assert "The date is wrong." in panel
        (step,) = [step for step in story(html) if step.startswith("Signature declined")]
        assert step.startswith("Signature declined · Ελένη Δημητρίου")
        assert "The date is wrong." in step

    @pytest.mark.parametrize("answer", [{}, {"reason": None}, {"reason": 7}, [], "x", None])
    def test_of_a_declined_one_stays_whatever_was_answered(self, boss, answer):
        request = make_request(make_render(), "declined", answer=answer or {}, error="Because.")
        words = "7" if answer == {"reason": 7} else "Because."
        assert words in page(boss, request).partition('id="craftkit-wrong"')[2][:200]

    def test_says_that_craftkit_does_not_know_it(self, boss, sent, craftkit):
        SignatureRequest.objects.update(remote_id=uuid.uuid4())
        response = press(boss, sent, "refresh")
        assert told(response) == [("warning", "Craftkit does not know this request; see below.")]
        html = page(boss, sent)
        assert ">unknown at Craftkit</span>" in html
        assert "Craftkit does not know this request" in html
        assert "It is asked for again each hour, for a day." in html
        assert "What went wrong" not in html
        SignatureRequest.objects.update(poll_at=None)
        assert "It is not asked for any more by itself." in page(boss, sent)
        assert ">unknown at Craftkit</span>" in boss.shows(address(SignatureRequest))

    def test_shows_what_craftkit_refused(self, boss):
        request = make_request(
            make_render(),
            "rejected",
            error="Not like this.",
            error_code="invalid_request",
            field_errors={"recipients": ["Required"]},
        )
        html = page(boss, request)
        assert "What went wrong" in html
        assert "<dt><code>recipients</code></dt><dd>Required</dd>" in html
        assert "Code: invalid_request" in html

    def test_shows_what_was_found_of_the_anchors_and_sends_it_all_the_same(self, boss):
        found = [
            {"text": "[[a]]", "answer": "missing", "similar": [["[[A]]", 2]]},
            {"text": "[[b]]", "answer": "found", "is_in_words": False},
            {"text": "[[c]]", "answer": "apart"},
        ]
        more = {"error_code": "anchors_missing", "error": "[[a]]", "anchor_findings": found}
        request = make_request(make_render(), "rejected", **more)
        html = page(boss, request)
        panel = html.partition('id="craftkit-anchors"')[2].partition("</section>")[0]
        assert "[[A]] on page 2" in panel
        assert ("[[b]]" in panel, "[[c]]" in panel) == (False, True)
        assert "Send it all the same" in html
        press(boss, request, "retry")
        request.refresh_from_db()
        assert (request.status, request.check_anchors) == ("pending", False)

    def test_shows_the_files_that_are_kept(self, boss, sent, craftkit):
        craftkit.sign(sent)
        settle(craftkit)
        signed, certificate = ArchivedFile.objects.order_by("-kind")
        html = page(boss, sent)
        kept = html.partition('id="craftkit-kept"')[2].partition("</section>")[0]
        for file in (signed, certificate):
            assert file.sha256 in kept
            assert file.name not in html
        assert "They are fetched by themselves." not in kept
        certificate.delete()
        assert "They are fetched by themselves." in page(boss, sent)

    def test_offers_what_can_be_done_now(self, boss, staff):
        def offered(desk, status, **more) -> set[str]:
            request = make_request(make_render(), status, remote_id=uuid.uuid4(), **more)
            html = desk.shows(address(SignatureRequest, "change", request.pk))
            return set(
                re.findall(rf"/signaturerequest/{request.pk}/(?!change|history)(\w+)/", html)
            )

        assert offered(boss, "pending") == {"refresh", "cancel"}
        assert offered(boss, "sent") == offered(boss, "viewed") == {"refresh", "cancel"}
        assert offered(boss, "sent", cancel_requested_at=timezone.now()) == {"refresh"}
        assert offered(boss, "completed") == {"signed", "certificate", "refresh"}
        assert offered(boss, "rejected") == {"retry"}
        for status in ("declined", "expired", "cancelled", "failed"):
            assert offered(boss, status) == set()
        view = "view_signaturerequest"
        assert offered(staff(view), "sent") == {"refresh"}
        assert offered(staff(view), "rejected") == set()
        assert offered(staff(view, "download_signaturerequest"), "completed") == {
            "signed",
            "certificate",
            "refresh",
        }
        assert offered(staff(view, "cancel_signaturerequest"), "sent") == {"refresh", "cancel"}

    def test_brings_no_script_and_no_style_of_its_own(self, boss):
        request = make_request(make_render(), "sent", unknown_since=timezone.now())
        pages = [
            address(SignatureRequest, "change", request.pk),
            address(SignatureRequest, "cancel", request.pk),
            address(Render, "sign", request.render_id),
        ]
        for path in pages:
            html = boss.shows(path)
            assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", html)
            assert not re.search(r"<script(?![^>]*\ssrc=)", html)

    def test_takes_ten_queries_at_most_however_long_its_story(self, staff):
        rights = Permission.objects.filter(content_type__app_label="craftkit")
        desk = staff(*rights.values_list("codename", flat=True))
        request = make_request(make_render(), "viewed", {"signed_at": timezone.now()}, {})

        def queries(path: str) -> int:
            desk.shows(path)
            with CaptureQueriesContext(connection) as found:
                desk.shows(path)
            return len(found)

        def note(position: int) -> None:
            one = SignatureRecipient.objects.create(
                request=request, position=position, first_name="P", email=f"p{position}@x.org"
            )
            Change.objects.create(
                kind="signature",
                object_id=request.pk,
                to_status="signed",
                cause="poll",
                recipient=one,
                person=desk.user,
            )

        paths = [
            address(SignatureRequest, "change", request.pk),
            address(SignatureRequest, "cancel", request.pk),
            address(Render, "sign", request.render_id),
            address(Render, "withdraw", request.render_id),
            address(SignatureRequest),
            address(Change),
        ]
        note(10)
        few = [queries(path) for path in paths]
        for position in range(11, 25):
            note(position)
            make_request(request.render, "sent", {}, {})
        assert [queries(path) for path in paths] == few
        assert max(few) <= 10


class TestTheList:
    def test_shows_each_with_who_has_signed(self, boss):
        render = make_render(key="charter-1")
        now = timezone.now()
        request = make_request(
            render,
            "viewed",
            {"signed_at": now},
            {},
            {"designation": "CC"},
            name="Charter",
            requested_by=boss.user,
            accepted_at=now,
            expiration_hours=24,
        )
        html = boss.shows(address(SignatureRequest))
        assert f'href="{address(Render, "change", render.pk)}">charter-1</a>' in html
        for words in ("Charter", ">opened</span>", ">1 of 2</span>", "by boss"):
            assert words in html
        assert request.expires_at.isoformat() in html

    def test_of_one_without_a_name_shows_its_people(self, boss):
        people = [{"first_name": f"P{n}", "last_name": ""} for n in range(5)]
        make_request(make_render(), "sent", *people)
        assert "P0, P1, P2 and 2 more" in boss.shows(address(SignatureRequest))

    def test_finds_by_address_key_and_id(self, boss):
        wanted = make_request(
            make_render(key="charter-1"),
            "sent",
            {"email": "anna@example.com"},
            {"email": "annabel@example.com"},
            remote_id=uuid.uuid4(),
        )
        make_request(make_render(key="other"), "sent", {"email": "hanna@example.com"})
        for text in ("anna", "annabel@", "charter", str(wanted.remote_id)):
            response = boss.get(address(SignatureRequest), {"q": text})
            assert [row.pk for row in response.context["cl"].result_list] == [wanted.pk], text
        assert "Beginning of: e-mail address" in boss.shows(address(SignatureRequest))

    @pytest.mark.parametrize(
        ("query", "statuses"),
        [
            ({"state": "open"}, {"sent", "viewed"}),
            ({"state": "held"}, {"pending"}),
            ({"state": "failed"}, {"declined", "failed", "rejected"}),
            ({"status__exact": "expired"}, {"expired"}),
            ({"project": "eu"}, set()),
        ],
    )
    def test_is_filtered(self, boss, query, statuses):
        for status in SignatureRequest.Status.values:
            make_request(make_render(), status)
        pause()
        response = boss.get(address(SignatureRequest), query)
        assert {row.status for row in response.context["cl"].result_list} == statuses

    def test_of_held_ones_knows_what_holds_them(self, render):
        make_request(render, "pending")
        held = SignatureRequest.objects.waiting
        assert held().count() == 0
        pause("email")
        assert held().count() == 0
        pause("signatures")
        assert (held().count(), Render.objects.waiting().count()) == (1, 0)
        ProjectState.objects.filter(capability="signatures").delete()
        pause("")
        assert held().count() == 1


class TestTheDocument:
    def test_shows_who_has_signed(self, boss, staff, sent, craftkit):
        craftkit.sign(sent, "jane@example.com")
        craftkit.run()
        html = page(boss, sent.render)
        section = html.partition('id="craftkit-signatures"')[2].partition("</section>")[0]
        assert address(SignatureRequest, "change", sent.pk) in section
        assert "1 of 2" in section
        assert re.search(
            r'Jane Doe <span class="craftkit-badge craftkit-badge--good">signed', section
        )
        assert "Signed · Jane Doe" in story(html)
        assert "Sent to be signed" in " ".join(story(html))
        html = page(staff("view_render", "view_share"), sent.render)
        assert "Jane Doe" not in html
        assert "craftkit-signatures" not in html

    def test_offers_to_send_it_to_who_may(self, boss, staff, render):
        path = address(Render, "sign", render.pk)
        assert path in page(staff("view_render", "add_signaturerequest"), render)
        assert path not in page(staff("view_render", "add_share"), render)
        assert path not in page(boss, make_render("failed"))

    def test_shows_the_newest_and_leads_to_the_others(self, boss, monkeypatch):
        for module in ("signatures.page", "renders.page"):
            monkeypatch.setattr(f"django_craftkit.admin.{module}.MOST_REQUESTS", 2)
        render = make_render()
        requests = [make_request(render, "sent", {}, {}) for _ in range(3)]
        html = page(boss, render)
        assert f"/signaturerequest/{requests[0].pk}/change/" not in html
        assert f'href="{address(SignatureRequest)}?render__id__exact={render.pk}"' in html
        response = boss.get(address(SignatureRequest), {"render__id__exact": render.pk})
        assert len(response.context["cl"].result_list) == 3

    def test_takes_as_many_queries_however_many_sign(self, staff):
        rights = Permission.objects.filter(content_type__app_label="craftkit")
        desk = staff(*rights.values_list("codename", flat=True))
        render = make_render()
        path = address(Render, "change", render.pk)

        def queries() -> int:
            desk.shows(path)
            with CaptureQueriesContext(connection) as found:
                desk.shows(path)
            return len(found)

        without = queries()
        make_request(render, "sent", {}, requested_by=desk.user)
        few = queries()
        for _ in range(5):
            make_request(render, "sent", {}, {}, requested_by=desk.user)
        assert queries() == few == without + 1

    def test_withdrawn_cancels_its_requests_and_says_so_before(self, boss, staff, sent, craftkit):
        path = address(Render, "withdraw", sent.render_id)
        html = boss.shows(path)
        assert "1 signature request is cancelled:" in html
        assert "Jane Doe" in html
        html = staff("withdraw_render").shows(path)
        assert "1 signature request is cancelled" in html
        assert "Jane Doe" not in html
        response = press_render(boss, sent.render, "withdraw", confirm="1")
        assert ("success", "1 signature request is cancelled.") in told(response)
        sent.refresh_from_db()
        assert sent.status == "cancelled"

    def test_without_requests_says_nothing_of_them(self, boss, render):
        make_request(render, "declined")
        html = boss.shows(address(Render, "withdraw", render.pk))
        assert "signature request" not in html.partition('id="content"')[2]

    def test_many_are_withdrawn_with_theirs(self, boss, sent):
        response = boss.act("withdraw", sent.render, make_render())
        assert "1 signature request is cancelled" in response.content.decode()


class TestElsewhere:
    def test_the_banner_says_that_none_is_sent(self, boss):
        ProjectState.objects.create(project="default", swept_at=timezone.now())
        pause()
        html = " ".join(unescape(boss.shows("/admin/craftkit/")).replace("\xa0", " ").split())
        said = "No signature requests have been sent for the Craftkit project “default” for 2 hours"
        assert html.count(said) == 1
        assert "The credits are used up. Nothing is lost" in html
        assert "has been paused" not in html

    def test_the_banner_leads_who_may_to_the_button_that_tries_again(self, boss, staff):
        pause()
        state = ProjectState.objects.get()
        link = f'<a href="{address(ProjectState, "change", state.pk)}">Have it tried again now</a>'
        assert link in boss.shows("/admin/craftkit/")
        assert "Try again now" in page(boss, state)
        assert link not in staff("view_projectstate").shows("/admin/craftkit/")
        desk = staff("view_render", "resume_projectstate")
        assert link not in desk.shows("/admin/craftkit/")

    def test_a_change_names_who_signed_to_who_may_see_that(self, boss, staff, sent, craftkit):
        craftkit.sign(sent, "jane@example.com")
        craftkit.run()
        assert "signed by one person: Jane Doe" in boss.shows(address(Change))
        desk = staff("view_change")
        html = desk.shows(address(Change))
        assert "signed by one person" in html
        assert "Jane" not in html

    def test_a_webhook_leads_to_its_request(self, boss, staff, sent):
        make_delivery(status="processed", about=sent.remote_id, event="signature.viewed")
        link = f'href="{address(SignatureRequest, "change", sent.pk)}"'
        path = address(WebhookDelivery) + "?event=signature.viewed"
        assert link in boss.shows(path)
        assert link not in staff("view_webhookdelivery", "view_render").shows(path)

    def test_a_job_leads_to_what_it_is_about(self, boss):
        request = make_request(make_render(key="charter-1"))
        state = ProjectState.objects.create(project="default")
        now = timezone.now()
        for kind in ("signature", "send signature", "archive signature", "announce signature"):
            Job.objects.create(kind=kind, object_id=request.pk, due_at=now)
        Job.objects.create(kind="poll signatures", object_id=state.pk, due_at=now)
        html = boss.shows(address(Job))
        assert html.count(f'href="{address(SignatureRequest, "change", request.pk)}"') == 4
        assert f'href="{address(ProjectState, "change", state.pk)}"' in html
