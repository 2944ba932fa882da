"""A booking's page by the HTTP API: what staff see happen there, without a page load."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from charter.management.commands.seed import Command
from django_craftkit.models import Render, Share
from tests.example.conftest import booking as booking

pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

MAKE = "#desk form.make"
# Gone with any page load.
MARK, IS_MARKED = "window.isTheSamePage = true", "return window.isTheSamePage === true"
# Of the form; the badges of the page POST as well.
LOSE_NEXT_ANSWER = """
const send = window.fetch;
window.fetch = async (url, options) => {
  const answer = await send(url, options);
  if (!String(url).endsWith("/share/")) return answer;
  window.fetch = send;
  throw new TypeError("The connection was cut.");
};
"""
READ_POLICY = """
const [tell] = arguments;
fetch(location.href).then((page) => tell(page.headers.get("Content-Security-Policy") ?? ""));
"""
COUNT_CALLS = """
const all = performance.getEntriesByType("resource");
return all.filter((one) => one.name.includes("/api/craftkit/")).length;
"""
# A headless tab is never hidden.
HIDE = """
Object.defineProperty(document, "hidden", { configurable: true, get: () => arguments[0] });
document.dispatchEvent(new Event("visibilitychange"));
"""
LOOKS = [("", 1280, False), ("-dark", 1280, True), ("-narrow", 390, False)]
LOOKS += [("-narrow-dark", 390, True)]


@pytest.fixture
def nikos(transactional_db) -> User:
    """The colleague on the quay, as the seed makes him."""
    Command().quay()
    user = User.objects.get(username="nikos")
    user.set_password("his secret")
    user.save()
    return user


@pytest.fixture
def staff(browser, booking, nikos):
    """Nikos, at a booking's page."""
    browser.go(f"/admin/login/?next={booking.get_absolute_url()}")
    browser.fill("username", "nikos")
    browser.fill("password", "his secret")
    browser.click("Log in")
    browser.sees("Staff: the protocol and its links")
    # Nothing above the desk is to come any more, and its module has asked once.
    browser.sees("has not signed yet")
    browser.until(lambda: _calls(browser) > 0)
    browser.driver.execute_script(MARK)
    return browser


@pytest.fixture
def ready(staff, booking, nikos):
    """Nikos, once the protocol and the guest's link and mail are there."""
    booking.sign_off(nikos)
    staff.until(lambda: _states(staff) == ["active", "active"])
    return staff


def test_a_protocol_becomes_ready_is_shared_and_taken_back(staff, booking, nikos):
    # Nothing is there yet.
    assert _status(staff) == "not there yet"
    assert not staff.find(MAKE).is_displayed()
    staff.picture("booking-before", width=1280)

    # It becomes ready, and so does what the guest sees.
    booking.sign_off(nikos)
    staff.until(lambda: _status(staff) == "ready")
    staff.until(lambda: _states(staff) == ["active", "active"])
    staff.until(lambda: "Open the handover protocol" in staff.text)
    staff.until(lambda: "It was mailed to you on" in staff.text)
    (mail,) = [item for item in staff.all("#desk .links li") if "by e-mail" in item.text]
    assert booking.guest.email in mail.text
    for name, width, dark in LOOKS:
        staff.picture(f"booking-ready{name}", width=width, dark=dark)

    # Two clicks make one link.
    staff.fill("recipient_email", "insurer@example.com")
    button = staff.find(f"{MAKE} button")
    ActionChains(staff.driver).double_click(button).perform()
    staff.until(lambda: _states(staff) == ["active", "active", "active"])
    staff.until(lambda: staff.find("#desk .said").text == "The link is open.")
    (link,) = _links(booking)
    assert link.recipient_email == "insurer@example.com"
    assert link.requested_by == nikos
    item = staff.find(f'#desk li[data-id="{link.pk}"]')
    assert link.url in item.text
    assert staff.driver.switch_to.active_element == button
    assert staff.find("[name=recipient_email]").get_attribute("value") == ""
    for name, width, dark in LOOKS:
        staff.picture(f"booking-shared{name}", width=width, dark=dark)

    # It is taken back.
    item.find_element(By.CSS_SELECTOR, "button").click()
    staff.until(lambda: link.url not in item.text)
    staff.until(lambda: _states(staff) == ["revoked", "active", "active"])
    assert not item.find_element(By.CSS_SELECTOR, "form").is_displayed()
    assert staff.driver.switch_to.active_element == item
    link.refresh_from_db()
    assert link.status == "revoked"
    staff.until(lambda: staff.find("#desk .said").text == "The link is revoked.")
    staff.picture("booking-desk", width=1200)

    # So is the guest's, whose part of the page follows.
    staff.click("Revoke")
    staff.until(lambda: "Open the handover protocol" not in staff.text)
    staff.until(lambda: _states(staff) == ["revoked", "revoked", "active"])
    for name, width, dark in LOOKS:
        staff.picture(f"booking-revoked{name}", width=width, dark=dark)
    assert staff.driver.execute_script(IS_MARKED)
    # All of it under a policy that the browser has held the page to; see the fixture.
    assert staff.driver.execute_async_script(READ_POLICY).startswith("default-src 'self'")


def test_an_answer_that_is_lost_makes_no_second_link(ready, booking):
    ready.fill("message", "For the insurer")
    ready.driver.execute_script(LOSE_NEXT_ANSWER)
    ready.click("Make a link")
    ready.until(lambda: "gave no answer" in _problem(ready))
    assert ready.find("[name=message]").get_attribute("value") == "For the insurer"
    ready.click("Make a link")
    ready.until(lambda: _problem(ready) == "" and _states(ready) == ["active"] * 3)
    assert _made(booking) == ["For the insurer"]

    # What is changed is another link.
    for message in ("For the harbour", "For the yard"):
        ready.fill("message", message)
        ready.driver.execute_script(LOSE_NEXT_ANSWER)
        ready.click("Make a link")
        ready.until(lambda: "gave no answer" in _problem(ready))
    ready.until(lambda: _made(booking) == ["For the insurer", "For the harbour", "For the yard"])


def test_what_is_refused_is_told_at_the_field_or_in_one_sentence(ready, booking, nikos):
    # A browser takes it for an address, the API does not.
    ready.fill("recipient_email", "nobody@nowhere")
    ready.click("Make a link")
    ready.until(lambda: ready.find("#id_recipient_email_error").text)
    field = ready.find("[name=recipient_email]")
    assert field.get_attribute("aria-invalid") == "true"
    assert ready.driver.switch_to.active_element == field
    assert ready.find("#id_message_error").get_attribute("textContent") == ""
    assert _problem(ready)
    ready.picture("booking-wrong", width=390)

    nikos.user_permissions.remove(Permission.objects.get(codename="add_share"))
    ready.fill("recipient_email", "")
    ready.click("Make a link")
    ready.until(lambda: "You may not do this" in _problem(ready))
    assert field.get_attribute("aria-invalid") == "false"

    ready.driver.execute_script("document.querySelector('#desk li').dataset.id = 2 ** 40")
    ready.click("Revoke")
    ready.until(lambda: "It is not there any more" in _problem(ready))
    assert _made(booking) == []
    assert ready.driver.execute_script(IS_MARKED)


def test_it_asks_no_more_once_all_is_done_and_not_while_it_is_hidden(staff, booking, nikos):
    # Hidden, it rests: what happens meanwhile shows once it is seen again.
    staff.driver.execute_script(HIDE, True)
    booking.sign_off(nikos)
    shares = Share.objects.open().filter(render__source_id=str(booking.pk))
    staff.until(lambda: shares.count() == 2)
    assert _status(staff) == "not there yet"
    staff.driver.execute_script(HIDE, False)
    staff.until(lambda: _states(staff) == ["active", "active"])

    # All is done: once more seen again, it looks once, and sets no timer of a second.
    before = _calls(staff)
    staff.driver.execute_script(HIDE, False)
    staff.until(lambda: _calls(staff) == before + 2)  # the document, its links
    staff.driver.execute_async_script("setTimeout(arguments[0], 3000)")
    assert _calls(staff) == before + 2

    # A protocol that is ready has no link for a moment: the guest's is still to come.
    Share.objects.all().delete()
    staff.driver.refresh()
    staff.until(lambda: _calls(staff) >= 2)
    Render.objects.for_object(booking).get(template="charter-handover").share(key="guest")
    # Those that Craftkit has all the same are found again.
    staff.until(lambda: set(_states(staff)) == {"active"})


def _status(staff) -> str:
    return staff.find("#desk .protocol .craftkit-badge").text


def _states(staff) -> list[str]:
    """Return how the links are, from top to bottom."""
    badges = staff.all("#desk li .craftkit-badge")
    return [badge.get_attribute("class").rpartition("--")[2] for badge in badges]


def _problem(staff) -> str:
    return staff.find("#desk .problem").get_attribute("textContent")


def _calls(staff) -> int:
    """Return how often the page has called the API."""
    return staff.driver.execute_script(COUNT_CALLS)


def _made(booking) -> list[str]:
    """Return what stands in the links that people have made."""
    return list(_links(booking).order_by("pk").values_list("message", flat=True))


def _links(booking):
    shares = Share.objects.filter(render__source_id=str(booking.pk), by_mail=False)
    return shares.exclude(key="guest")
