"""From the sign-off in the admin to the guest's link."""

from __future__ import annotations

import ast
import json
import re
import time
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.urls import reverse

from charter.models import Booking
from django_craftkit.models import Render, Share
from tests.helpers import grant

TEMPLATES = Path(__file__).parents[2] / "example_project" / "templates.json"


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
    for template in json.loads(TEMPLATES.read_text()):
        craftkit.put_template(template["slug"], template["manifest"])
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
    assert Share.objects.get().url in page
    assert "Open the handover protocol" in page
    assert "data-waiting" not in page.partition('id="handover"')[2].partition("</section>")[0]


def test_the_guest_saves_it_by_a_link_that_expires(client, craftkit, staff, booking, monkeypatch):
    booking.sign_off(staff)
    craftkit.run()
    client.logout()
    page = client.get(booking.get_absolute_url()).text
    (url,) = re.findall(r'href="(/craftkit/documents/guest/[^"]+)" download', page)
    answer = client.get(url)
    assert b"".join(answer.streaming_content).startswith(b"%PDF-")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    assert client.get(url).status_code == 410


def test_who_has_signed_off_opens_it(client, craftkit, staff, booking, settings):
    example = (TEMPLATES.parent / "agency" / "settings.py").read_text()
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


@pytest.mark.parametrize("number", [0, 1])
def test_a_template_takes_all_that_is_sent(craftkit, staff, booking, number):
    """Craftkit drops a key that the manifest doesn't name, without a word."""
    template = json.loads(TEMPLATES.read_text())[number]
    craftkit.put_template(template["slug"], template["manifest"])
    booking.sign_off(staff)
    craftkit.run()
    sent = Render.objects.get(template=template["slug"]).data
    known = {variable["key"] for variable in template["manifest"]["variables"]}
    loops = {loop["key"]: loop["itemFields"] for loop in template["manifest"]["loops"]}
    assert {key for key in flat(sent) if key not in loops} == known
    for key, fields in loops.items():
        assert set(sent[key][0]) == {field["key"] for field in fields}


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
