"""From the confirmed booking to the agreement that everybody has signed."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
from django.urls import reverse
from pypdf import PdfReader

from charter.craftkit import AGREEMENT, GUEST_SIGNS, SKIPPER_SIGNS
from charter.models import Booking
from django_craftkit.models import ArchivedFile, Render, SignatureRequest

TEMPLATES = Path(__file__).parents[2] / "example_project" / "templates.json"


@pytest.fixture
def option(booking, craftkit):
    """Another booking of the same boat, with a skipper who is not the guest."""
    for template in json.loads(TEMPLATES.read_text()):
        craftkit.put_template(template["slug"], template["manifest"])
    Render.objects.all().delete()
    return Booking.objects.create(
        code="AEG-2035",
        boat=booking.boat,
        guest=booking.guest,
        skipper="Στάθης Βαμβακάς",
        skipper_email="stathis@example.com",
        starts_on=booking.starts_on,
        ends_on=booking.ends_on,
    )


def confirm(craftkit, option) -> SignatureRequest:
    option.status = Booking.Status.CONFIRMED
    option.save()
    craftkit.run()
    return SignatureRequest.objects.for_object(option).get()


def block(client, booking) -> str:
    page = client.get(booking.get_absolute_url()).text
    return page.partition('id="agreement"')[2].partition("</section>")[0]


def agreement(booking) -> str:
    return reverse("charter:agreement", args=[booking.token])


def test_guest_and_skipper_sign_a_booking_that_is_confirmed(craftkit, option):
    assert not Render.objects.exists()
    request = confirm(craftkit, option)
    assert (request.status, request.name) == ("sent", "Charter agreement AEG-2035")
    assert [str(one) for one in request.recipients.order_by("position")] == [
        "Ελένη Παπαδοπούλου <eleni@example.com>",
        "Στάθης Βαμβακάς <stathis@example.com>",
    ]
    option.save()
    craftkit.run()
    assert len(craftkit.signatures) == 1


@pytest.mark.parametrize("address", ["", "Eleni@Example.com"])
def test_a_guest_who_is_the_skipper_signs_once(craftkit, option, address):
    option.skipper_email = address
    request = confirm(craftkit, option)
    assert [one.email for one in request.recipients.all()] == ["eleni@example.com"]
    assert craftkit.renders[0].data["signatures"] == {"guest": GUEST_SIGNS, "skipper": ""}


def test_the_places_to_sign_are_in_the_document(craftkit, option):
    confirm(craftkit, option)
    with Render.objects.get().open() as pdf:
        pages = PdfReader(io.BytesIO(pdf.read())).pages
    text = "".join(page.extract_text() for page in pages)
    assert GUEST_SIGNS in text
    assert SKIPPER_SIGNS in text


def test_the_page_shows_who_has_signed_and_leads_to_the_signed_pdf(craftkit, client, option):
    assert "when the booking is confirmed" in block(client, option)
    request = confirm(craftkit, option)
    assert "sent, 0 of 2 signed" in block(client, option)
    assert client.get(agreement(option)).status_code == 404

    craftkit.sign(request, "eleni@example.com")
    craftkit.run()
    html = block(client, option)
    assert "opened, 1 of 2 signed" in html
    assert html.count("signed on") == 1
    assert html.count("has not signed yet") == 1
    assert "data-waiting" in html
    assert agreement(option) not in html

    craftkit.sign(request)
    craftkit.run()
    html = block(client, option)
    assert html.count("signed on") == 2
    assert "data-waiting" not in html
    assert agreement(option) in html

    answer = client.get(agreement(option))
    assert answer.headers["Content-Type"] == "application/pdf"
    assert "no-store" in answer.headers["Cache-Control"]
    digest = hashlib.sha256(b"".join(answer)).hexdigest()
    assert digest == ArchivedFile.objects.get(kind="signed").sha256
    answer.close()


def test_an_agreement_that_is_declined_is_waited_for_no_more(craftkit, client, option):
    request = confirm(craftkit, option)
    craftkit.decline(request)
    craftkit.run()
    html = block(client, option)
    assert "declined on" in html
    assert "data-waiting" not in html
    assert client.get(agreement(option)).status_code == 404


def test_nobody_finds_an_agreement_by_guessing(craftkit, client, option):
    craftkit.sign(confirm(craftkit, option))
    craftkit.run()
    for guess in (option.code, str(option.pk), option.token[:-1]):
        assert client.get(reverse("charter:agreement", args=[guess])).status_code == 404


def test_staff_see_how_far_it_is_without_a_query_for_each(
    craftkit, admin_client, option, booking, django_assert_max_num_queries
):
    confirm(craftkit, option)
    booking.save()
    craftkit.run()
    assert Render.objects.filter(template=AGREEMENT).count() == 2
    with django_assert_max_num_queries(14):
        page = admin_client.get(reverse("admin:charter_booking_changelist")).text
    assert "0 of 2 signed" in page
    assert "0 of 1 signed" in page
