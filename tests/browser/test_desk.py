"""Staff's desk, from finding a document to taking its link back, as three people see it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from selenium.webdriver.common.by import By

from django_craftkit.models import Render
from tests.example.conftest import booking as booking

pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

KEY = "agreement-AEG-2031"


@pytest.fixture
def documents(transactional_db, craftkit_server, booking) -> None:
    """A day's work: one to look for among others, one that fails, one under way."""
    clerk = User.objects.create_superuser("maria", password="her secret", first_name="Maria")
    craftkit_server.faults.add("render_failed", template="inspection", message="No such font.")
    for number in range(4):
        Render.objects.request("invoice", {"number": number}, key=f"invoice-{number}", user=clerk)
    Render.objects.request("inspection", {"boat": "Nereid"}, source=booking, key="inspection-7")
    Render.objects.request(
        "charter-agreement", {"guest": "Ελένη"}, source=booking, key=KEY, user=clerk
    )


def test_a_document_is_found_shared_opened_seen_and_taken_back(documents, browser):
    staff = browser
    staff.go("/admin/login/")
    staff.fill("username", "maria")
    staff.fill("password", "her secret")
    staff.click("Log in")
    staff.sees("MARIA")

    # Finds it.
    staff.go("/admin/craftkit/")
    staff.until(lambda: "1\ndocument failed or rejected" in staff.text, reload=True)
    staff.until(lambda: "0\ndocuments under way" in staff.text, reload=True)
    staff.picture("staff-front")
    staff.click("Documents")
    staff.picture("staff-documents", width=1440)
    staff.fill("q", "agreement-")
    staff.click("Search")
    staff.click(KEY)
    staff.sees("Nobody has opened it yet.")

    # Shares it.
    staff.click("Make a link")
    staff.picture("staff-link-form")
    staff.fill("message", "Please read it before Saturday.")
    staff.click("Make the link")
    link = staff.find("input.craftkit-link").get_attribute("value")
    document = staff.find("a.button.craftkit-button--plain").get_attribute("href")

    # A guest opens it.
    staff.driver.get(link)
    staff.sees("Please read it before Saturday.")

    # The view is in the picture, told by the webhook.
    staff.driver.get(document)
    staff.until(lambda: staff.all(".craftkit-engagement svg .craftkit-bar--viewed"), reload=True)
    staff.until(lambda: "1 opened" in staff.find(".craftkit-engagement").text)
    staff.until(lambda: "1 time" in _row_of_link(staff), reload=True)
    staff.picture("staff-document")
    staff.picture("staff-document-dark", dark=True)
    staff.picture("staff-document-narrow", width=390)

    # Takes it back.
    staff.click("Revoke")
    staff.sees("Whoever has it can't open the document any more")
    staff.picture("staff-revoke")
    staff.find("input.craftkit-danger").click()
    staff.sees("1 link is revoked.")

    # The guest is told.
    staff.driver.get(link)
    staff.sees("This link has been withdrawn")

    staff.driver.get(document)
    staff.until(lambda: "revoked" in _row_of_link(staff))
    staff.until(lambda: "Link revoked · Maria" in " ".join(staff.text.split()))


def test_an_e_mail_is_sent_once_read_and_seen(documents, browser, craftkit_server):
    staff = browser
    staff.go("/admin/login/?next=/admin/craftkit/render/")
    staff.fill("username", "maria")
    staff.fill("password", "her secret")
    staff.click("Log in")
    staff.sees("MARIA")
    staff.click(KEY)
    staff.until(lambda: staff.driver.current_url.endswith("/change/"))
    staff.until(lambda: "Send by e-mail" in staff.text, reload=True)
    document = staff.driver.current_url

    for answer in ("The e-mail to eleni@example.com is sent.", "a moment ago and stays as it was"):
        staff.driver.get(f"{document.removesuffix('change/')}email/")
        staff.fill("to", "eleni@example.com")
        staff.fill("recipient_name", "Ελένη Παπαδοπούλου")
        staff.fill("message", "Your agreement.")
        staff.picture("staff-email-form")
        staff.click("Send")
        staff.sees(answer)
    (mail,) = craftkit_server.mails

    staff.driver.get(mail.url)
    staff.driver.get(document)
    staff.until(lambda: "E-mail opened" in staff.text, reload=True)


def _row_of_link(staff) -> str:
    return staff.driver.find_element(By.CSS_SELECTOR, ".craftkit-table tbody tr").text
