"""A document's page in a language that is read from right to left, and has no catalogue of ours."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from tests.admin.conftest import make_event, make_render

pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

#: How far each text of a drawing reaches beyond it, in pixels.
BEYOND = """
const frame = document.querySelector(".craftkit-picture").getBoundingClientRect();
return [...document.querySelectorAll(".craftkit-picture text")].map((one) => {
  const box = one.getBoundingClientRect();
  return [one.textContent, Math.max(frame.left - box.left, box.right - frame.right)];
});
"""
#: From left to right: the digit, and the word after it.
ORDER = """
const text = document.querySelector(".craftkit-subtitle time").firstChild;
return [0, 2].map((at) => {
  const range = document.createRange();
  range.setStart(text, at);
  range.setEnd(text, at + 1);
  return range.getBoundingClientRect().left;
});
"""


def test_every_date_of_the_chart_is_whole_and_a_number_stands_before_its_word(
    transactional_db, browser
):
    boss = User.objects.create_superuser("maria", password="her secret")
    render = make_render(counts={"viewed": 1}, requested_by=boss)
    make_event(render)
    browser.go("/admin/login/")
    browser.fill("username", "maria")
    browser.fill("password", "her secret")
    browser.click("Log in")
    browser.sees("MARIA")
    browser.driver.add_cookie({"name": settings.LANGUAGE_COOKIE_NAME, "value": "ar"})
    for width in (1280, 390):
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.go(f"/admin/craftkit/render/{render.pk}/change/")
        found = browser.driver.execute_script(BEYOND)
        assert len(found) == 6  # three numbers, three dates
        assert [text for text, pixels in found if pixels > 0.5] == []
        number, word = browser.driver.execute_script(ORDER)
        assert number < word
