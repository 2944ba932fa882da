"""The buttons of a signature request: each does what it says, and says no more than it did."""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_craftkit.models import (
    ArchivedFile,
    SignatureRequest,
)
from django_craftkit.models.archive import archive_storage
from tests.admin.conftest import Desk, address, make_render, make_request, told
from tests.helpers import settle

from .conftest import JANE, logged, page, pause, press, send, story

pytestmark = pytest.mark.django_db


class TestCancelling:
    def test_is_asked_first_with_who_is_to_sign(self, boss, staff, sent):
        path = address(SignatureRequest, "cancel", sent.pk)
        html = boss.shows(path)
        assert "Nobody can sign it any more" in html
        assert "jane@example.com" in html
        assert "jane@example.com" not in staff("cancel_signaturerequest").shows(path)
        sent.refresh_from_db()
        assert sent.cancel_requested_at is None

    def test_is_done_at_once_with_its_reason(self, boss, sent, craftkit):
        response = press(boss, sent, "cancel", reason="Wrong boat.\r\nSorry.")
        assert told(response) == [("success", "It is cancelled: nobody can sign it any more.")]
        sent.refresh_from_db()
        assert (sent.status, sent.cancel_requested_by) == ("cancelled", boss.user)
        assert craftkit.signatures[0].error_message == "Wrong boat.\nSorry."
        assert logged(sent) == 1
        html = page(boss, sent)
        assert "Why it was cancelled" in html
        assert "Wrong boat." in html
        assert "Cancellation requested for" in " ".join(story(html))

    def test_of_one_that_was_never_sent_says_so(self, boss, render):
        pause()
        send(boss, render, JANE)
        request = SignatureRequest.objects.get()
        SignatureRequest.objects.update(sent_at=None, sending_since=None)
        response = press(boss, request, "cancel", reason="")
        assert told(response) == [("success", "It is cancelled before it was sent.")]

    @pytest.mark.parametrize("reason", ["x" * 501, "a\0b"])
    def test_says_what_is_wrong_with_the_reason(self, boss, sent, reason):
        response = press(boss, sent, "cancel", reason=reason)
        assert "errornote" in response.content.decode()
        sent.refresh_from_db()
        assert sent.cancel_requested_at is None

    def test_twice_is_once(self, boss, sent, craftkit):
        press(boss, sent, "cancel", reason="")
        for method in (boss.get, boss.post):
            response = method(address(SignatureRequest, "cancel", sent.pk), follow=True)
            text = "It was left as it is: it has ended, or is being cancelled."
            assert told(response) == [("warning", text)]
        assert logged(sent) == 1

    def test_says_that_it_waits_and_shows_it(self, boss, sent, craftkit):
        craftkit.sandbox.faults.add("status", status=503, times=None)
        ((level, text),) = told(press(boss, sent, "cancel", reason="Wrong boat."))
        assert (level, text.startswith("Its end is asked for.")) == ("info", True)
        html = page(boss, sent)
        assert ">being cancelled</span>" in html
        assert "boss asked for its end on" in html
        assert "The reason: Wrong boat." in html

    def test_too_late_says_how_it_ended(self, boss, sent, craftkit):
        craftkit.sign(sent)
        response = press(boss, sent, "cancel", reason="")
        assert told(response) == [("warning", "It had come to its end before: signed.")]


class TestRetrying:
    def test_sends_it_once_more(self, boss, render, craftkit):
        craftkit.sandbox.faults.add(
            "status", status=400, code="invalid_request", method="POST", message="Not like this."
        )
        send(boss, render, JANE)
        request = SignatureRequest.objects.get()
        response = press(boss, request, "retry")
        assert told(response) == [("success", "The document is sent to be signed.")]
        request.refresh_from_db()
        assert (request.status, request.attempt) == ("sent", 2)
        assert logged(request) == 2
        assert any(
            step.startswith("To be sent once more to be signed, attempt 2")
            for step in story(page(boss, request))
        )

    def test_leaves_what_went_out(self, boss, sent):
        text = "It was left as it is: there is nothing to send again."
        assert told(press(boss, sent, "retry")) == [("warning", text)]
        assert not LogEntry.objects.exists()

    def test_of_a_document_that_was_withdrawn_is_refused(self, boss):
        request = make_request(make_render(withdrawn_at=timezone.now()), "rejected")
        text = "Its document was withdrawn: it goes to nobody any more."
        assert told(press(boss, request, "retry")) == [("error", text)]


class TestAskingForNews:
    def test_hears_who_has_signed(self, staff, sent, craftkit):
        craftkit.sandbox.sign(str(sent.remote_id), "jane@example.com")
        desk = staff("view_signaturerequest")
        response = press(desk, sent, "refresh")
        assert told(response) == [("success", "This is what Craftkit says now.")]
        assert "Signed: 1 of 2" in response.content.decode()
        assert logged(sent) == 1

    def test_says_that_it_is_asked_where_it_does_not_answer(self, boss, sent, craftkit):
        craftkit.sandbox.faults.add("status", status=503, times=None)
        ((level, text),) = told(press(boss, sent, "refresh"))
        assert (level, text.startswith("Craftkit will be asked.")) == ("info", True)

    def test_of_what_has_ended_says_that_there_is_nothing_to_ask(self, boss, craftkit):
        request = make_request(make_render(), "declined", remote_id=uuid.uuid4())
        text = "It has come to its end: there is nothing to ask any more."
        assert told(press(boss, request, "refresh")) == [("info", text)]


@pytest.mark.parametrize("name", ["signed", "certificate"])
@pytest.mark.usefixtures("quick_papers")
class TestTheFiles:
    @pytest.fixture
    def signed(self, sent, craftkit):
        craftkit.sign(sent)
        craftkit.run()
        return sent

    def fetch(self, desk, request, name: str, **more):
        return desk.get(address(SignatureRequest, name, request.pk), **more)

    def test_are_streamed(self, staff, signed, craftkit, name):
        settle(craftkit)
        desk = staff("download_signaturerequest")
        for _ in range(2):
            response = self.fetch(desk, signed, name)
            assert response.streaming
            assert b"".join(response.streaming_content).startswith(b"%PDF")
            assert response["Content-Type"] == "application/pdf"
            file = f'inline; filename="charter-1-{name}.pdf"'
            assert response["Content-Disposition"] == file
            assert response["X-Content-Type-Options"] == "nosniff"
            assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
            # The second time from Craftkit itself.
            ArchivedFile.objects.all().delete()
        assert logged(signed) == 2

    def test_of_what_is_not_signed_are_a_message(self, boss, sent, name):
        response = self.fetch(boss, sent, name, follow=True)
        assert told(response) == [("error", "Nothing is signed: the request is sent.")]
        assert not LogEntry.objects.exists()

    def test_that_craftkit_does_not_hand_out_are_a_message(
        self, boss, signed, craftkit, caplog, name
    ):
        SignatureRequest.objects.update(name="Contract with Jane Doe")
        ArchivedFile.objects.all().delete()
        craftkit.sandbox.faults.add("status", status=503, times=None, message="Not now.")
        ((level, text),) = told(self.fetch(boss, signed, name, follow=True))
        assert level == "error"
        assert re.match(r"The (signed PDF|certificate) could not be opened\. Not now\.", text)
        (line,) = [one.getMessage() for one in caplog.records if "could not" in one.getMessage()]
        assert line.startswith(f"A file of signaturerequest {signed.pk} ")
        assert "Jane" not in caplog.text

    def test_that_the_storage_has_lost_are_a_message(self, boss, signed, craftkit, name):
        settle(craftkit)
        for file in ArchivedFile.objects.all():
            archive_storage().delete(file.name)
        ((level, text),) = told(self.fetch(boss, signed, name, follow=True))
        assert level == "error"
        assert text.endswith("This site's archive did not hand it out.")

    def test_of_a_project_that_is_configured_no_more_are_a_message(self, boss, name):
        request = make_request(
            make_render(project="gone"), "completed", remote_id=uuid.uuid4(), project="gone"
        )
        ((level, text),) = told(self.fetch(boss, request, name, follow=True))
        assert level == "error"
        assert text.endswith("could not be opened.")


@pytest.mark.parametrize("name", ["cancel", "retry", "refresh", "signed", "certificate"])
class TestEveryButton:
    def test_of_what_is_not_there_is_not_there(self, boss, name):
        for pk in (10**9, "x", "-1", "9" * 40):
            method = boss.get if name in ("signed", "certificate") else boss.post
            assert method(address(SignatureRequest, name, pk)).status_code == 404

    def test_needs_the_token_of_the_page(self, boss, name):
        request = make_request(make_render(), "rejected")
        boss.handler.enforce_csrf_checks = True
        path = address(SignatureRequest, name, request.pk)
        assert boss.post(path).status_code in (403, 405)

    def test_leads_home_who_may_not_see_the_request(self, staff, name):
        right = {"retry": "retry", "cancel": "cancel", "refresh": "view"}.get(name, "download")
        desk: Desk = staff(f"{right}_signaturerequest")
        request = make_request(make_render(), "rejected")
        method = desk.post if name in ("cancel", "retry", "refresh") else desk.get
        response = method(address(SignatureRequest, name, request.pk))
        assert response.status_code == 302
        home = "/admin/"
        there = address(SignatureRequest, "change", request.pk)
        assert response.url == (there if right == "view" else home)
