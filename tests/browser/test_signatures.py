"""An agreement, from the form to its signed PDF, as staff and the two who sign it see it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
import requests
from django.contrib.auth.models import User
from selenium.webdriver.support.ui import Select

from django_craftkit.models import ArchivedFile, Render
from tests.example.conftest import booking as booking

if TYPE_CHECKING:
    from charter.models import Booking

pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

KEY = "agreement-AEG-2031"
PEOPLE = (
    ("Ελένη", "Παπαδοπούλου", "eleni@example.com"),
    ("José", "Núñez", "jose@example.com"),
)
PLACES = ("[[sign_here]]", "[[sign_here_2]]")


@pytest.fixture
def agreement(transactional_db, craftkit_server, booking, settings) -> Render:
    settings.CRAFTKIT = {"CHECK_ANCHORS": "warn"}
    clerk = User.objects.create_superuser("maria", password="her secret", first_name="Maria")
    return Render.objects.request(
        "charter-agreement",
        {"guest": "Ελένη", "places": " ".join((*PLACES, "[[date]]"))},
        source=booking,
        key=KEY,
        user=clerk,
    )


def test_an_agreement_is_signed_by_two_people(agreement, browser, craftkit_server):
    staff = browser
    staff.go(f"/admin/login/?next=/admin/craftkit/render/{agreement.pk}/change/")
    staff.fill("username", "maria")
    staff.fill("password", "her secret")
    staff.click("Log in")
    staff.sees("MARIA")
    staff.until(lambda: "Send for signature" in staff.text, reload=True)
    document = staff.driver.current_url

    # It is sent to two people, who sign at what the PDF has for them.
    staff.until(lambda: "Open PDF" in staff.text, reload=True)
    staff.click("Send for signature")
    staff.sees("[[date]] page 1")
    offers = [one.get_attribute("value") for one in staff.all("datalist option")]
    assert offers == [*PLACES, "[[date]]"]
    for number, (first_name, last_name, email) in enumerate(PEOPLE):
        staff.fill(f"people-{number}-first_name", first_name)
        staff.fill(f"people-{number}-last_name", last_name)
        staff.fill(f"people-{number}-email", email)
    Select(staff.find("[name=days]")).select_by_value("14")
    staff.picture("staff-sign-form")
    staff.find("input.default[type=submit]").click()
    staff.until(lambda: staff.driver.current_url == document)
    staff.until(lambda: "0 of 2" in staff.text, reload=True)
    (envelope,) = [one for one in craftkit_server.signatures if one.name == KEY]
    assert [tag["anchorString"] for tag in envelope.anchor_tags] == list(PLACES)

    # Each reads the mail, opens the page and signs.
    mails = [mail for mail in craftkit_server.signature_mails if mail.request is envelope]
    for number, mail in enumerate(mails):
        assert mail.to == PEOPLE[number][2]
        staff.driver.get(mail.url)
        staff.driver.get(mail.signing_url)
        staff.click("Sign")
        staff.until(lambda: "signed" in staff.text)
        staff.driver.get(document)
        staff.until(lambda signed=number + 1: f"{signed} of 2" in staff.text, reload=True)
    staff.picture("staff-signed", width=1200)
    staff.picture("staff-signed-dark", dark=True)
    staff.picture("staff-signed-narrow", width=390)

    # What was signed is the project's own.
    staff.until(lambda: ArchivedFile.objects.count() == 2)
    staff.click(KEY)
    staff.picture("staff-signature-request")
    signed = ArchivedFile.objects.get(kind="signed")
    staff.sees(signed.sha256)
    cookies = {cookie["name"]: cookie["value"] for cookie in staff.driver.get_cookies()}
    pdf = requests.get(f"{staff.driver.current_url}/../../signed/", cookies=cookies, timeout=10)
    assert pdf.content.startswith(b"%PDF-")
    assert hashlib.sha256(pdf.content).hexdigest() == signed.sha256
    assert len(pdf.content) == signed.size


@pytest.fixture
def confirmed(transactional_db, booking) -> Booking:
    """A booking whose guest is not the skipper; no worker has seen it yet."""
    booking.skipper_email = "skipper@example.com"
    booking.save()
    return booking


def test_a_bookings_page_moves_while_its_agreement_is_signed(confirmed, browser, craftkit_server):
    """It went to guest and skipper by itself; nobody reloads the page."""
    guest, driver = browser, browser.driver
    guest.go(f"/b/{confirmed.token}/")
    guest.sees("0 of 2 signed")
    page = driver.current_window_handle
    driver.execute_script("window.isTheSamePage = true")

    driver.switch_to.new_window("tab")
    for number, mail in enumerate(list(craftkit_server.signature_mails), start=1):
        driver.get(mail.signing_url)
        guest.picture(f"signer-{number}")
        guest.click("Sign")
        guest.sees("signed")
        driver.switch_to.window(page)
        guest.sees(f"{number} of 2 signed" if number == 1 else "Open the signed agreement")
        if number == 1:
            guest.until(lambda: guest.text.count("has not signed yet") == 1)
            driver.switch_to.window(driver.window_handles[-1])
    assert driver.execute_script("return window.isTheSamePage")
    guest.until(lambda: guest.text.count("signed on") == 2)
    guest.picture("booking")
    guest.picture("booking-dark", dark=True)
    guest.picture("booking-narrow", width=390)
    guest.click("Open the signed agreement")
