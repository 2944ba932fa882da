"""Signatures at the desk: sent once, followed, taken back, opened, and told in words."""

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

from django_craftkit.admin.signing_form import SigningForm
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
from django_craftkit.models.archive import archive_storage
from django_craftkit.signing import AnchorTag, InvalidSignatureRequest, Recipient
from tests.helpers import settle

from .conftest import Desk, address, make_delivery, make_render, make_request, told

pytestmark = pytest.mark.django_db

JANE = {"first_name": "Jane", "last_name": "Doe", "email": "jane@example.com"}
MAX = {"first_name": "Max", "email": "max@example.com"}
ONCE = "It was asked for a moment ago and stays as it was: it is sent once."


@pytest.fixture
def render(craftkit) -> Render:
    render = Render.objects.request("charter", {"total": 1}, key="charter-1")
    craftkit.run()
    return Render.objects.get(pk=render.pk)


@pytest.fixture
def sent(render, craftkit) -> SignatureRequest:
    """Out to two who sign and one who gets a copy."""
    request = render.send_for_signature(
        [
            Recipient("Jane", "Doe", "jane@example.com"),
            Recipient("Ελένη", "Δημητρίου", "eleni@example.com", designation="Approver"),
            Recipient("Ed", "", "ed@example.com", designation="CC"),
        ],
        anchor_tags=[AnchorTag("{{sign_here}}", "signature")],
        name="Charter",
    )
    craftkit.run()
    request.refresh_from_db()
    assert request.status == "sent"
    return request


def fill(*people, **more) -> dict[str, object]:
    """Return what the form sends for people, each with a text to look for."""
    data: dict[str, object] = {"name": "Charter", "days": "7", "people-INITIAL_FORMS": 0}
    data["people-TOTAL_FORMS"] = max(4, len(people))
    for n, person in enumerate(people):
        row = {"last_name": "", "designation": "Signer", "anchor": f"sign {n}", **person}
        data |= {f"people-{n}-{name}": value for name, value in row.items()}
    for n in range(len(people), 4):
        # What a browser sends of a row that nobody touched.
        data |= {f"people-{n}-designation": "Signer"}
        data[f"people-{n}-anchor"] = f"{{{{sign_here_{n + 1}}}}}" if n else "{{sign_here}}"
    return data | more


def send(desk, render, *people, **more):
    return desk.post(address(Render, "sign", render.pk), fill(*people, **more), follow=True)


def press(desk, request, name: str, **data):
    return desk.post(address(SignatureRequest, name, request.pk), data, follow=True)


def page(desk, row) -> str:
    return unescape(desk.shows(address(type(row), "change", row.pk)))


def story(html: str) -> list[str]:
    steps = html.partition('<ol class="craftkit-timeline">')[2].partition("</ol>")[0]
    found = steps.split('<li class="craftkit-step')[1:]
    return [" ".join(re.sub(r"<time.*?</time>|<[^>]+>", "", f"<{step}").split()) for step in found]


def logged(row) -> int:
    model = row._meta.model_name
    return LogEntry.objects.filter(content_type__model=model, object_id=str(row.pk)).count()


def pause(capability: str = "signatures") -> None:
    ProjectState.objects.update_or_create(
        project="default",
        capability=capability,
        defaults={
            "paused_at": timezone.now() - timedelta(hours=2, minutes=1),
            "pause_reason": "The credits are used up.",
            "probe_at": timezone.now() + timedelta(days=1),
        },
    )


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
        form = SigningForm(data, render=render, person=boss.user)
        assert form.is_valid(), (form.errors, form.people.errors)
        form.blame(InvalidSignatureRequest(f"'{field}' is wrong.", field=field))
        errors = form.errors if row is None else form.people.forms[row].errors
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
        settings.DATABASE_ROUTERS = ["tests.reconcile.test_signatures.Replica"]
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
        monkeypatch.setattr("django_craftkit.admin.signing.can_be_handed_out", lambda _: True)
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


def press_render(desk, render, name: str, **data):
    return desk.post(address(Render, name, render.pk), data, follow=True)


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
        held = SignatureRequest.objects.held
        assert held().count() == 0
        pause("email")
        assert held().count() == 0
        pause("signatures")
        assert (held().count(), Render.objects.held().count()) == (1, 0)
        ProjectState.objects.filter(capability="signatures").delete()
        pause("")
        assert held().count() == 1


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


def test_what_the_code_has_sent_is_not_sent_again_unasked(boss, render, craftkit):
    """To the same people, by whatever key."""
    craftkit.run()
    people = [Recipient("Jane", "Doe", "Jane@example.com")]
    asked = render.send_for_signature(people, anchor_tags=[AnchorTag("{{x}}", "signature")])
    response = send(boss, render, {"first_name": "Jane", "email": "jane@example.com"})
    assert "were asked to sign this document before" in response.content.decode()
    assert SignatureRequest.objects.get() == asked


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
        for module in ("people", "document"):
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
