"""From the sign-off in the admin to the guest's link."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.urls import reverse

from charter.craftkit import CREW_LIST
from charter.models import Booking
from django_craftkit.models import Render, Share
from tests.example.conftest import templates
from tests.helpers import grant

EXAMPLE = Path(__file__).parents[2] / "example_project"


@pytest.fixture
def staff(django_user_model, client):
    user = django_user_model.objects.create_user("maria", is_staff=True, first_name="Μαρία")
    grant(
        user,
        "view_booking",
        "change_booking",
        "view_inspectionarea",
        "change_inspectionarea",
        app="charter",
    )
    client.force_login(user)
    return user


def press_sign_off(client, booking, **changes):
    area = booking.areas.get()
    form = {
        "code": booking.code,
        "boat": booking.boat_id,
        "guest": booking.guest_id,
        "skipper": booking.skipper,
        "starts_on": booking.starts_on,
        "ends_on": booking.ends_on,
        "status": booking.status,
        "inspector": "Νίκος",
        "engine_hours": booking.engine_hours,
        "fuel": booking.fuel,
        "notes": "",
        "areas-TOTAL_FORMS": 1,
        "areas-INITIAL_FORMS": 1,
        "areas-0-id": area.pk,
        "areas-0-booking": booking.pk,
        "areas-0-area": area.area,
        "areas-0-condition": area.condition,
        "areas-0-remark": area.remark,
        "_sign_off": "1",
    }
    answer = client.post(change_page(booking), form | changes)
    booking.refresh_from_db()
    return answer


def change_page(booking):
    return reverse("admin:charter_booking_change", args=[booking.pk])


def test_the_button_saves_the_page_and_signs_off(client, staff, booking):
    grant(staff, "sign_off_booking", app="charter")
    assert "_sign_off" in client.get(change_page(booking)).text

    press_sign_off(client, booking, **{"areas-0-remark": "Leak mended"})

    assert booking.signed_off_by == staff
    assert booking.areas.get().remark == "Leak mended"
    assert protocols().get(source_id=booking.pk).key == "handover-AEG-2031"


def test_the_button_wants_its_permission(client, staff, booking):
    assert "_sign_off" not in client.get(change_page(booking)).text
    assert press_sign_off(client, booking).status_code == 403
    assert booking.signed_off_at is None


def test_the_action_wants_its_permission(client, staff, booking):
    chosen = {"action": "sign_off", "_selected_action": booking.pk}
    client.post(reverse("admin:charter_booking_changelist"), chosen)
    booking.refresh_from_db()
    assert booking.signed_off_at is None

    grant(staff, "sign_off_booking", app="charter")
    client.post(reverse("admin:charter_booking_changelist"), chosen)
    booking.refresh_from_db()
    assert booking.signed_off_by == staff


@pytest.mark.parametrize("change", [{"status": "option"}, {"engine_hours": None}, {"fuel": None}])
def test_what_is_not_ready_is_not_signed_off(client, staff, booking, change):
    for name, value in change.items():
        setattr(booking, name, value)
    booking.save()
    with pytest.raises(ValidationError):
        booking.sign_off(staff)
    grant(staff, "sign_off_booking", app="charter")
    answer = press_sign_off(
        client, booking, **{name: value or "" for name, value in change.items()}
    )
    # Whoever is refused stays on the page, and is told nothing else.
    assert answer.headers["Location"] == change_page(booking)
    assert levels(client.get(change_page(booking))) == ["error"]
    assert booking.signed_off_at is None
    assert booking.inspector == "Νίκος"
    assert not protocols().exists()


def test_whoever_signs_off_is_told_so_once(client, staff, booking):
    grant(staff, "sign_off_booking", app="charter")
    press_sign_off(client, booking)
    page = client.get(reverse("admin:charter_booking_changelist"))
    assert levels(page) == ["success"]


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"inspector": "Νίκος"}, "Νίκος"),
        ({"engine_hours": 0}, "<dd>0</dd>"),
        ({"fuel": 40}, "40 %"),
        ({"notes": "Bow light is weak."}, "Bow light is weak."),
    ],
)
def test_a_guest_reads_an_inspection_that_is_not_complete(client, booking, change, shown):
    booking.areas.all().delete()
    Booking.objects.update(engine_hours=None, fuel=None)
    before = client.get(booking.get_absolute_url()).text
    assert "on the day you arrive" in before
    Booking.objects.update(**change)
    page = client.get(booking.get_absolute_url()).text
    assert shown in page.partition('id="inspection"')[2]
    assert "on the day you arrive" not in page


def test_what_was_signed_off_stays_as_it_was(client, staff, booking):
    booking.sign_off(staff)
    grant(staff, "sign_off_booking", app="charter")
    press_sign_off(client, booking, fuel=1, **{"areas-0-condition": "ok"})
    assert booking.fuel == 95
    assert booking.areas.get().condition == "damaged"
    assert "_sign_off" not in client.get(change_page(booking)).text


def test_the_guest_gets_one_document_and_one_link(client, craftkit, staff, booking):
    for slug, template in templates().items():
        craftkit.put_template(slug, template["manifest"])
    booking.sign_off(staff)
    assert "Open the handover protocol" not in client.get(booking.get_absolute_url()).text

    craftkit.run()
    booking.save()
    craftkit.run()

    render = protocols().get()
    assert render.status == "succeeded", render.error
    (document,) = [one for one in craftkit.renders if one.template == "charter-handover"]
    assert document.data["areas"] == [
        {"area": "Tender", "condition": "Damaged", "remark": "Slow leak"}
    ]
    assert document.data["signedOff"]["by"] == "Μαρία"
    page = client.get(booking.get_absolute_url()).text
    assert Share.objects.get(by_mail=False).url in page
    assert "Open the handover protocol" in page
    assert "data-waiting" not in block(client, booking)


def test_the_guest_gets_one_mail(craftkit, client, booking, staff):
    booking.sign_off(staff)
    assert block(client, booking).count("data-waiting") == 1
    craftkit.run()
    booking.save()
    craftkit.run()

    (mail,) = craftkit.outbox
    assert (mail.to, mail.recipient_name) == ("eleni@example.com", "Ελένη Παπαδοπούλου")
    assert "Nereid" in mail.message
    page = block(client, booking)
    assert "It was mailed to you on" in page
    assert mail.to not in page, "whoever has the address of the page may read it"
    share = Share.objects.get(by_mail=True)
    assert share.url not in page
    mailbox = craftkit.sandbox.session().get(f"{craftkit.sandbox.public_url}/_sandbox/mails")
    assert mail.to in mailbox.text
    assert mail.message in mailbox.text

    share.revoke()
    craftkit.run()
    assert "It was mailed" not in block(client, booking)


def test_a_page_waits_for_the_mail_as_well(craftkit, client, booking, staff):
    craftkit.sandbox.project().email_configured = False
    booking.sign_off(staff)
    craftkit.run()
    page = block(client, booking)
    assert "Open the handover protocol" in page
    assert "It was mailed" not in page
    assert "data-waiting" in page


def test_the_guest_saves_it_by_a_link_that_expires(client, craftkit, staff, booking):
    booking.sign_off(staff)
    craftkit.run()
    client.logout()
    page = client.get(booking.get_absolute_url()).text
    (url,) = re.findall(r'href="(/craftkit/documents/guest/[^"]+)" download', page)
    answer = client.get(url)
    assert b"".join(answer.streaming_content).startswith(b"%PDF-")
    craftkit.pass_time(3601)
    assert client.get(url).status_code == 410


def test_who_has_signed_off_opens_it(client, craftkit, staff, booking, settings):
    example = (EXAMPLE / "agency" / "settings.py").read_text()
    (given,) = re.findall(r"^CRAFTKIT = (\{.+?^\})", example, re.M | re.S)
    settings.CRAFTKIT = {**settings.CRAFTKIT, **ast.literal_eval(given)}
    grant(staff, "view_render")
    booking.sign_off(staff)
    craftkit.run()
    page = client.get(booking.get_absolute_url()).text
    (url,) = re.findall(r'href="(/craftkit/documents/[0-9]+/)"', page)
    assert client.get(url).status_code == 200

    colleague = get_user_model().objects.create_user("nikos", is_staff=True)
    grant(colleague, "view_render")
    client.force_login(colleague)
    assert url not in client.get(booking.get_absolute_url()).text
    assert client.get(url).status_code == 404
    grant(colleague, "download_render")
    assert url in client.get(booking.get_absolute_url()).text
    assert client.get(url).status_code == 200


@pytest.mark.parametrize("slug", sorted(templates().keys() - {CREW_LIST}))
def test_a_template_takes_all_that_is_sent(craftkit, staff, booking, slug):
    """Craftkit drops a key that the manifest doesn't name, without a word."""
    manifest = templates()[slug]["manifest"]
    craftkit.put_template(slug, manifest)
    booking.sign_off(staff)
    craftkit.run()
    sent = Render.objects.get(template=slug).data
    known = {variable["key"] for variable in manifest["variables"]}
    loops = {loop["key"]: loop["itemFields"] for loop in manifest["loops"]}
    assert {key for key in flat(sent) if key not in loops} == known
    for key, fields in loops.items():
        assert set(sent[key][0]) == {field["key"] for field in fields}


def block(client, booking):
    """Return the part of a booking's page that is about the protocol."""
    page = client.get(booking.get_absolute_url()).text
    return page.partition('id="handover"')[2].partition("</section>")[0]


def levels(page):
    return [message.level_tag for message in page.context["messages"]]


def protocols():
    return Render.objects.filter(template="charter-handover")


def flat(data, prefix=""):
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def press_correct(client, booking, protocol):
    return client.post(
        change_page(booking),
        {
            "areas-TOTAL_FORMS": 0,
            "areas-INITIAL_FORMS": 0,
            "status": booking.status,
            "protocol": protocol.pk,
            "_correct": "1",
        },
    )


def test_a_protocol_is_corrected_and_the_guests_link_leads_to_the_new_one(
    craftkit, client, staff, booking
):
    grant(staff, "supersede_render")
    assert "_correct" not in client.get(change_page(booking)).text
    booking.sign_off(staff)
    craftkit.run()
    old = Render.objects.get(template="charter-handover")
    assert "_correct" in client.get(change_page(booking)).text
    booking.guest.name = "Ada Lovelace"
    booking.guest.save()
    for _click in range(2):
        assert press_correct(client, booking, old).status_code == 302
    new = Render.objects.get(supersedes=old)
    assert (new.data["guest"]["name"], new.requested_by) == ("Ada Lovelace", staff)
    craftkit.run()
    old.refresh_from_db()
    assert old.superseded_at is not None
    shares = {share.render: share.status for share in Share.objects.all()}
    assert shares == {old: "revoked", new: "active"}


def test_without_the_permission_nothing_is_corrected(craftkit, client, staff, booking):
    booking.sign_off(staff)
    craftkit.run()
    old = Render.objects.get(template="charter-handover")
    assert "_correct" not in client.get(change_page(booking)).text
    assert press_correct(client, booking, old).status_code == 403
    assert not Render.objects.filter(supersedes=old).exists()
