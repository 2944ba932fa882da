"""Having a document signed, from its page: a form, sent once."""

from __future__ import annotations

import re
import uuid
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.utils import timezone

from django_craftkit.admin.signatures.forms import SigningForm
from django_craftkit.models import (
    Job,
    ProjectState,
    Render,
    SignatureRequest,
)
from django_craftkit.signing import AnchorTag, InvalidSignatureRequest, Recipient
from tests.admin.conftest import address, make_render, make_request, told
from tests.helpers import Replica

from .conftest import JANE, MAX, fill, logged, page, press_render, send

pytestmark = pytest.mark.django_db

ONCE = "It was asked for a moment ago and stays as it was: it is sent once."


class TestTheForm:
    def test_has_a_row_for_each_of_four_people_with_a_place_of_their_own(self, boss, render):
        html = unescape(boss.shows(address(Render, "sign", render.pk)))
        assert html.count('type="email"') == 4
        anchors = re.findall(r'name="people-\d-anchor" value="([^"]*)"', html)
        assert anchors == ["{{sign_here}}", *(f"{{{{sign_here_{n}}}}}" for n in (2, 3, 4))]
        assert '<option value="7" selected>' in html

    @pytest.mark.parametrize(("rows", "number"), [("8", 8), ("99", 20), ("x", 4), ("-1", 4)])
    def test_has_more_rows_on_demand(self, boss, render, rows, number):
        html = boss.shows(address(Render, "sign", render.pk) + f"?rows={rows}")
        assert html.count('type="email"') == number
        assert ('name="more"' in html) == (number < 20)

    def test_keeps_what_was_typed_when_more_rows_are_asked_for(self, boss, render):
        path = address(Render, "sign", render.pk) + "?rows=8"
        html = unescape(boss.post(path, fill(JANE, MAX, name="Mine", more="1")).content.decode())
        for value in ("Jane", "jane@example.com", "Max", "sign 1", "Mine", "{{sign_here_7}}"):
            assert f'value="{value}"' in html
        assert html.count('type="email"') == 8
        assert "errornote" not in html
        assert not SignatureRequest.objects.exists()

    def test_shows_what_is_under_way(self, boss, staff, render):
        make_request(render, "viewed", {"first_name": "Eva"}, {})
        make_request(render, "declined", {"first_name": "Gone"})
        path = address(Render, "sign", render.pk)
        html = boss.shows(path)
        assert "This document is being signed already:" in html
        assert "Eva" in html
        assert "Gone" not in html
        assert "Eva" not in staff("add_signaturerequest").shows(path)

    @pytest.mark.parametrize(
        ("people", "more", "words"),
        [
            ([], {}, "Name at least one person."),
            ([{**JANE, "email": "jane"}], {}, "Enter a valid email address."),
            ([{**JANE, "first_name": ""}], {}, "This field is required."),
            ([{**JANE, "anchor": ""}], {}, "Write the text that marks where this person signs."),
            ([{**JANE, "designation": "Boss"}], {}, "Select a valid choice."),
            ([{**JANE, "first_name": "x" * 101}], {}, "at most 100 characters"),
            ([JANE], {"name": "x" * 256}, "at most 255 characters"),
            ([JANE], {"days": "9"}, "Select a valid choice."),
            ([JANE], {"people-TOTAL_FORMS": ""}, "Name at least one person."),
        ],
    )
    def test_says_what_is_wrong_and_sends_nothing(self, boss, render, people, more, words):
        html = unescape(send(boss, render, *people, **more).content.decode())
        assert words in html
        assert "Nothing was sent." in html
        assert not SignatureRequest.objects.exists()
        assert not LogEntry.objects.exists()

    def test_says_what_craftkit_would_refuse_in_the_row_it_is_about(self, boss, render):
        """Django takes this for an address, Craftkit does not; an empty row lies before it."""
        odd = {**MAX, "email": '"max\\ muster"@example.com'}
        data = fill(JANE, {}, odd)
        for name in ("first_name", "email", "last_name"):
            data[f"people-1-{name}"] = ""
        data["people-1-anchor"] = "{{sign_here_2}}"
        html = boss.post(address(Render, "sign", render.pk), data).content.decode()
        rows = html.partition("<tbody>")[2].partition("</tbody>")[0].split("<tr>")[1:]
        assert ["Craftkit does not take this" in row for row in rows] == [False, False, True, False]
        assert not SignatureRequest.objects.exists()

    @pytest.mark.parametrize(
        ("field", "row", "name"),
        [
            ("recipients[1].email", 2, "email"),
            ("recipients[0].order", 0, "__all__"),
            ("recipients[1]", 2, "__all__"),
            ("anchor_tags[0].anchor_string", 2, "anchor"),
            ("name", None, "name"),
            ("expires_in_hours", None, "days"),
            ("recipients", None, "__all__"),
            ("fields", None, "__all__"),
        ],
    )
    def test_finds_the_field_of_each_refusal(self, boss, render, field, row, name):
        copy = {**JANE, "designation": "CC", "anchor": ""}
        data = fill(copy, {}, MAX)
        data |= {"people-1-anchor": "{{sign_here_2}}"}
        form = SigningForm(data, render=render, user=boss.user)
        assert form.is_valid(), (form.errors, form.rows.errors)
        form.blame(InvalidSignatureRequest(f"'{field}' is wrong.", field=field))
        errors = form.errors if row is None else form.rows.forms[row].errors
        assert errors == {name: ["Craftkit does not take this: is wrong."]}


class TestSending:
    def test_sends_it_at_once_and_says_so(self, boss, render, craftkit):
        people = (JANE, {**MAX, "designation": "Approver", "anchor": ""})
        response = send(boss, render, *people, days="14")
        assert told(response) == [("success", "The document is sent to be signed.")]
        request = SignatureRequest.objects.get()
        assert (request.status, request.name, request.requested_by) == (
            "sent",
            "Charter",
            boss.user,
        )
        assert request.expiration_hours == 14 * 24
        assert [tag["anchorString"] for tag in request.anchor_tags] == ["sign 0"]
        (there,) = craftkit.signatures
        assert [(one.email, one.designation) for one in there.recipients] == [
            ("jane@example.com", "Signer"),
            ("max@example.com", "Approver"),
        ]
        assert logged(render) == logged(request) == 1
        entry = LogEntry.objects.get(content_type__model="render")
        assert "Jane" not in entry.change_message

    def test_one_that_was_refused_a_moment_ago_is_no_double_click(self, boss, render, craftkit):
        craftkit.sandbox.faults.add("status", status=400, code="invalid_request", method="POST")
        send(boss, render, {**JANE, "first_name": "J☃ne"})
        assert SignatureRequest.objects.get().status == "rejected"
        response = send(boss, render, JANE)
        assert "asked to sign this document before" in response.content.decode()
        assert ONCE not in response.content.decode()

    def test_nor_is_one_that_is_being_cancelled(self, boss, render, craftkit):
        send(boss, render, {**JANE, "first_name": "Jnae"})
        request = SignatureRequest.objects.get()
        request.cancel(reason="A typing error.")
        response = send(boss, render, JANE)
        assert "asked to sign this document before" in response.content.decode()

    @pytest.mark.django_db(databases=["default", "other"])
    def test_is_answered_and_logged_where_a_replica_lags_behind(
        self, boss, render, craftkit, settings
    ):
        settings.DATABASE_ROUTERS = [Replica("craftkit")]
        response = boss.post(address(Render, "sign", render.pk), fill(JANE))
        assert response.status_code == 302
        assert craftkit.signatures
        entries = LogEntry.objects.filter(content_type__model="signaturerequest")
        assert "Jane Doe" in entries.get().change_message

    def test_takes_names_in_any_script(self, boss, render, craftkit):
        names = [("محمد", "عبد الله"), ("Ελένη", "Δημητρίου"), ("名無し", ""), ("O'Neil <b>", "&")]
        people = [
            {"first_name": first, "last_name": last, "email": f"p{n}@example.com"}
            for n, (first, last) in enumerate(names)
        ]
        send(boss, render, *people)
        there = craftkit.signatures[0].recipients
        assert [(one.first_name, one.last_name or "") for one in there] == [
            (first, last) for first, last in names
        ]
        request = SignatureRequest.objects.get()
        html = boss.shows(address(SignatureRequest, "change", request.pk))
        assert "محمد عبد الله" in html
        assert "O&#x27;Neil &lt;b&gt; &amp;" in html
        assert "<b>" not in html

    def test_leaves_the_time_to_craftkit_where_nobody_chose(self, boss, render, craftkit):
        send(boss, render, JANE, days="")
        assert SignatureRequest.objects.get().expiration_hours is None

    def test_by_a_double_click_is_one(self, boss, render, craftkit):
        send(boss, render, JANE, MAX)
        response = send(boss, render, JANE, MAX)
        assert told(response) == [("info", ONCE)]
        assert len(craftkit.signatures) == SignatureRequest.objects.count() == 1
        assert logged(render) == 1

    def test_with_a_corrected_name_is_no_double_click(self, boss, render, craftkit):
        send(boss, render, {**JANE, "last_name": "Deo"}, MAX)
        html = send(boss, render, JANE, MAX).content.decode()
        assert "These people were asked to sign this document before" in html
        assert len(craftkit.signatures) == 1
        first = SignatureRequest.objects.get()
        again = {"once_more": "on", "after": str(first.pk)}
        response = send(boss, render, JANE, MAX, **again)
        assert told(response) == [("success", "The document is sent to be signed.")]
        assert len(craftkit.signatures) == 2

    def test_once_more_with_a_corrected_name_after_that_was_cancelled_is_sent_and_logged(
        self, boss, render, craftkit
    ):
        send(boss, render, JANE)
        again = {"once_more": "on", "after": str(SignatureRequest.objects.get().pk)}
        craftkit.pass_time(3600)
        misspelt = {**JANE, "last_name": "Deo"}
        send(boss, render, misspelt, **again)
        assert (
            "asked to sign this document before"
            in send(boss, render, JANE, **again).content.decode()
        )
        SignatureRequest.objects.latest("pk").cancel(wait=True)
        for _ in range(2):
            response = send(boss, render, JANE, **again)
        assert told(response) == [("info", ONCE)]
        newest = SignatureRequest.objects.latest("pk")
        assert (newest.status, newest.recipients.get().last_name) == ("sent", JANE["last_name"])
        assert (len(craftkit.signatures), logged(render)) == (3, 3)

    def test_by_two_people_is_one_whatever_else_they_wrote(self, boss, staff, render, craftkit):
        send(boss, render, JANE, MAX)
        other = staff("add_signaturerequest", "view_render")
        loud = {**JANE, "email": "JANE@example.com", "anchor": "elsewhere"}
        html = send(other, render, MAX, loud, name="Mine").content.decode()
        assert "These people were asked to sign this document before" in html
        assert "It was asked for by boss." in html
        assert 'name="once_more"' in html
        assert len(craftkit.signatures) == 1

    def test_by_two_people_at_once_is_one(self, boss, staff, render, craftkit, monkeypatch):
        """Neither sees the other's request, until one finds the key taken."""
        find = SigningForm._find_key

        def while_somebody_sends(self, cleaned):
            find(self, cleaned)
            monkeypatch.setattr(SigningForm, "_find_key", find)
            send(staff("add_signaturerequest"), render, {**JANE, "anchor": "elsewhere"})

        monkeypatch.setattr(SigningForm, "_find_key", while_somebody_sends)
        html = send(boss, render, JANE).content.decode()
        assert "These people were asked to sign this document before" in html
        assert len(craftkit.signatures) == 1
        assert logged(render) == 1

    def test_once_more_is_asked_for_and_is_one_however_often_it_is_pressed(
        self, boss, staff, render, craftkit
    ):
        send(boss, render, JANE)
        first = SignatureRequest.objects.get()
        craftkit.pass_time(3600)
        html = send(boss, render, JANE).content.decode()
        assert f'name="after" value="{first.pk}"' in html
        assert len(craftkit.signatures) == 1
        again = {"once_more": "on", "after": str(first.pk)}
        response = send(boss, render, JANE, **again)
        assert told(response) == [("success", "The document is sent to be signed.")]
        for desk in (boss, staff("add_signaturerequest")):
            assert told(send(desk, render, JANE, **again)) == [("info", ONCE)]
        craftkit.pass_time(3600)
        assert told(send(boss, render, JANE, **again)) == [("info", ONCE)]
        assert len(craftkit.signatures) == 2

    @pytest.mark.parametrize("after", ["", "x", "9" * 18, "9" * 40])
    def test_once_more_after_nothing_is_asked_for_again(self, boss, render, craftkit, after):
        send(boss, render, JANE)
        craftkit.pass_time(3600)
        html = send(boss, render, JANE, once_more="on", after=after).content.decode()
        assert "errornote" in html
        assert len(craftkit.signatures) == 1

    def test_to_other_people_is_another_one(self, boss, render, craftkit):
        send(boss, render, JANE)
        send(boss, render, MAX)
        send(boss, render, JANE, MAX)
        assert len(craftkit.signatures) == 3

    def test_without_credits_says_so_and_loses_nothing(self, boss, render, craftkit):
        craftkit.sandbox.signature_credits = 0
        ((level, text),) = told(send(boss, render, JANE))
        assert level == "warning"
        assert text.startswith(
            "The signature request is asked for. Signature requests of “default”"
        )
        assert "Nothing is lost." in text
        request = SignatureRequest.objects.get()
        assert request.status == "pending"
        assert page(boss, request).count("No signature requests have been sent") == 1
        html = boss.shows(address(Render, "sign", render.pk))
        assert "What you ask for now is kept and done later." in html
        # Documents go on: it is the signatures that want credits.
        assert told(press_render(boss, render, "refresh"))[0][0] == "success"
        craftkit.sandbox.signature_credits = None
        state = ProjectState.objects.get(capability="signatures")
        boss.post(address(ProjectState, "try-again", state.pk))
        craftkit.run()
        request.refresh_from_db()
        assert request.status == "sent"

    def test_where_everything_is_held_says_so(self, boss, render, settings):
        settings.CRAFTKIT = {"PAUSED": True}
        ((level, text),) = told(send(boss, render, JANE))
        assert (level, "Everything is held" in text) == ("warning", True)

    def test_where_craftkit_does_not_answer_follows(self, boss, render, craftkit):
        craftkit.sandbox.faults.add("status", status=502, times=None, method="POST")
        assert told(send(boss, render, JANE)) == [
            (
                "info",
                "The signature request is asked for. It will be done as soon as Craftkit answers.",
            )
        ]
        assert Job.objects.filter(kind="send signature").exists()

    def test_what_craftkit_refused_is_said(self, boss, render, craftkit):
        craftkit.sandbox.faults.add(
            "status", status=400, code="invalid_request", method="POST", message="Not like this."
        )
        ((level, text),) = told(send(boss, render, JANE))
        assert (level, text) == ("error", "The signature request was refused: Not like this.")

    def test_of_a_document_under_way_follows(self, boss, craftkit):
        render = make_render("queued")
        ((level, text),) = told(send(boss, render, JANE))
        assert level in ("info", "warning")
        assert text.startswith("The signature request is asked for. It is sent as soon as")

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_of_what_is_gone_is_refused(self, boss, render, method):
        Render.objects.update(withdrawn_at=timezone.now())
        path = address(Render, "sign", render.pk)
        response = getattr(boss, method)(path, follow=True)
        text = "This document was withdrawn: it goes to nobody any more."
        assert told(response) == [("error", text)]
        failed = make_render("failed")
        response = getattr(boss, method)(address(Render, "sign", failed.pk), follow=True)
        assert told(response) == [("error", "There is no PDF: the document is failed.")]

    def test_of_a_document_that_was_withdrawn_meanwhile_is_refused(self, boss, render, monkeypatch):
        monkeypatch.setattr("django_craftkit.admin.common.results.can_be_shared", lambda _: True)
        Render.objects.update(withdrawn_at=timezone.now())
        html = send(boss, render, JANE).content.decode()
        assert "it goes to nobody any more" in html
        assert 'value="jane@example.com"' in html
        assert not SignatureRequest.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_in_a_transaction_of_somebody_else_is_left_to_the_worker(self, boss):
        render = make_render(remote_id=uuid.uuid4())
        with transaction.atomic():
            ((level, text),) = told(send(boss, render, JANE))
        assert (level, "will be done as soon as" in text) == ("info", True)
        assert SignatureRequest.objects.get().status == "pending"


def test_what_the_code_has_sent_is_not_sent_again_unasked(boss, render, craftkit):
    """To the same people, by whatever key."""
    craftkit.run()
    people = [Recipient("Jane", "Doe", "Jane@example.com")]
    asked = render.send_for_signature(people, anchor_tags=[AnchorTag("{{x}}", "signature")])
    response = send(boss, render, {"first_name": "Jane", "email": "jane@example.com"})
    assert "were asked to sign this document before" in response.content.decode()
    assert SignatureRequest.objects.get() == asked
