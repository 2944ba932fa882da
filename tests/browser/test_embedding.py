"""A form and the builder in the example's pages, from the click to the row that comes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User

from charter.craftkit import CREW_LIST
from charter.models import Booking
from django_craftkit.models import EmbedSession, FormSubmission, Template
from tests.browser.test_booking import LOOKS
from tests.example.conftest import booking as booking
from tests.helpers import grant

if TYPE_CHECKING:
    from tests.browser.conftest import Browser

pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

LISTED = Path(__file__).parents[2] / "example_project" / "templates.json"


@pytest.fixture
def crew_list(craftkit_server) -> None:
    """Craftkit has the form of the crew list."""
    (found,) = [one for one in json.loads(LISTED.read_text()) if one["slug"] == CREW_LIST]
    craftkit_server.put_template(CREW_LIST, name=found["name"], manifest=found["manifest"])


def within(browser: Browser) -> None:
    """Go on in the page that is embedded."""
    browser.driver.switch_to.default_content()
    browser.driver.switch_to.frame(browser.find("iframe"))
    browser.find("#status")


def without(browser: Browser) -> None:
    browser.driver.switch_to.default_content()


def fill_in(browser: Browser) -> None:
    within(browser)
    browser.click("Add a row")
    browser.find("[data-key=name]").send_keys("Jo Doe")
    browser.find("[data-key=arrival]").send_keys("By the noon ferry")


def submission(browser: Browser) -> Any:
    return browser.until(lambda: FormSubmission.objects.first())


def log_in(browser: Browser, to: str, *permissions: tuple[str, str]) -> User:
    user = User.objects.create_user("nikos", password="his secret", is_staff=True)
    for app, codename in permissions:
        grant(user, codename, app=app)
    browser.go(f"/admin/login/?next={to}")
    browser.fill("username", "nikos")
    browser.fill("password", "his secret")
    browser.click("Log in")
    return user


@pytest.mark.usefixtures("crew_list")
def test_a_guest_fills_in_a_form_and_the_submission_is_about_the_booking(browser, booking):
    Booking.objects.update(status=Booking.Status.CONFIRMED)
    browser.go(booking.get_absolute_url())
    browser.click("Fill in the crew list")
    fill_in(browser)
    assert browser.find("[data-key=skipper]").get_attribute("value") == booking.skipper
    browser.picture("embedding-form", width=1280)
    browser.picture("embedding-form-narrow", width=390)
    browser.click("Submit")
    row = submission(browser)
    assert row.source == booking
    assert row.data["crew"] == [{"name": "Jo Doe"}]
    assert row.data["arrival"] == "By the noon ferry"
    session = EmbedSession.objects.get()
    assert row.session_id == session.remote_id
    assert session.actor_id.startswith("guest-")

    # The guest finds it on the page of the booking, and staff in the admin.
    without(browser)
    browser.go(booking.get_absolute_url())
    browser.sees("By the noon ferry")
    for name, width, dark in LOOKS:
        browser.picture(f"booking-crew{name}", width=width, dark=dark)
    to = "/admin/craftkit/formsubmission/"
    log_in(browser, to, ("craftkit", "view_formsubmission"), ("charter", "view_booking"))
    browser.sees(f"booking {booking.pk}")
    browser.find("#result_list th a").click()
    browser.sees("By the noon ferry")


@pytest.mark.usefixtures("crew_list")
def test_staff_fill_in_a_form_whose_session_ends_meanwhile(browser, booking, craftkit_server):
    Booking.objects.update(status=Booking.Status.CONFIRMED)
    url = f"{booking.get_absolute_url()}crew/"
    user = log_in(browser, url, ("charter", "change_booking"))
    fill_in(browser)
    browser.picture("embedding-page", width=1280)
    session = EmbedSession.objects.get()
    assert session.created_by == user
    # The iframe finds out when it submits, and asks the page; what was typed stays.
    craftkit_server.expire_embed_session(str(session.remote_id))
    before = session.renew_token.reveal()
    browser.click("Submit")
    browser.until(lambda: EmbedSession.objects.get().renew_token.reveal() != before)
    # It says that it has expired until it has the new token, too short a time to be read here.
    browser.until(lambda: "expired" not in browser.text)
    assert not FormSubmission.objects.exists()
    browser.click("Submit")
    row = submission(browser)
    assert row.data["crew"] == [{"name": "Jo Doe"}]


@pytest.mark.usefixtures("crew_list")
def test_staff_design_a_template_which_is_in_the_mirror_at_once(browser, craftkit_server):
    Template.objects.refresh("default")
    browser.until(lambda: Template.objects.filter(slug=CREW_LIST).exists())
    template = Template.objects.get(slug=CREW_LIST)
    page = f"/admin/craftkit/template/{template.pk}/change/"
    log_in(browser, page, ("craftkit", "view_template"), ("craftkit", "design_template"))
    browser.click("Design")
    within(browser)
    browser.sees("Edit the template")
    browser.click("Add a variable")
    row = browser.all("#variables .row")[-1]
    row.find_element("css selector", "[data-part=key]").send_keys("pets")
    row.find_element("css selector", "[data-part=label]").send_keys("Pets")
    without(browser)
    browser.picture("embedding-builder", width=1280)
    browser.picture("embedding-builder-dark", width=1280, dark=True)
    within(browser)
    browser.click("Publish")
    browser.sees("Published as version 2.")
    browser.until(lambda: Template.objects.get(slug=CREW_LIST).version == 2)
    browser.click("Close")
    without(browser)
    browser.until(lambda: browser.driver.current_url.endswith(page))
    browser.sees("Pets")
