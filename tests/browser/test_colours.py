"""What is written on a colour can be read, whatever the page and the system around it are."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.admin.conftest import make_event, make_render, make_request, make_share
from tests.example.conftest import booking as booking

pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

#: WCAG 2.2, 1.4.3, level AA.
READABLE = 4.5
TONES = ("good", "bad", "warn", "busy", "quiet")
STATUSES = ("pending", "succeeded", "completed", "failed", "declined", "expired")

# Colours are drawn and read back: a browser has many ways to write them. What lies under something
# that can be seen through shines through it.
CONTRASTS = """
const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
function pixel(...colours) {
  context.clearRect(0, 0, 1, 1);
  for (const colour of colours) {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
  }
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}
function luminance(rgb) {
  const [r, g, b] = rgb.map((byte) => {
    const part = byte / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
// The page's own, of its scheme: a drawing has another.
const sheet = document.body.appendChild(document.createElement("p"));
sheet.style.backgroundColor = "Canvas";
const canvas = getComputedStyle(sheet).backgroundColor;
sheet.remove();
const found = [];
for (const element of document.querySelectorAll(arguments[0])) {
  const own = [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
  if (!own || !element.getClientRects().length) continue;
  const under = [];
  for (let one = element; one; one = one.parentElement) {
    under.unshift(getComputedStyle(one).backgroundColor);
  }
  under.unshift(canvas);
  const style = getComputedStyle(element);
  const [dark, light] = [
    luminance(pixel(...under)),
    luminance(pixel(...under, element.closest("svg") ? style.fill : style.color)),
  ].sort((a, b) => a - b);
  found.push([element.className.baseVal ?? element.className, element.textContent.trim(),
              (light + 0.05) / (dark + 0.05)]);
}
return found;
"""
BADGES = """
const [tones, where] = arguments;
for (const tone of tones) {
  const badge = document.createElement("span");
  badge.className = `craftkit-badge craftkit-badge--${tone}`;
  badge.textContent = tone;
  document.querySelector(where).append(badge);
}
// Colours change gradually, and a test waits for nothing that nobody sees.
const rules = new CSSStyleSheet();
rules.replaceSync("* { transition: none !important; }");
document.adoptedStyleSheets = [rules];
"""
#: What a page is made to be by its theme: the admin's switch, a theme that is light alone, as the
#: block ``dark-mode-vars`` is there for, and one that has none of the admin's variables.
THEMES = {
    "auto": 'document.documentElement.dataset.theme = "auto";',
    "light": 'document.documentElement.dataset.theme = "light";',
    "dark": 'document.documentElement.dataset.theme = "dark";',
    "light alone": """
        delete document.documentElement.dataset.theme;
        for (const one of document.querySelectorAll("link[href*=dark_mode]")) one.remove();
    """,
    "no variables": """
        delete document.documentElement.dataset.theme;
        const admins = document.querySelectorAll("link[href*='/admin/css/']");
        for (const one of admins) one.remove();
    """,
}


def system(browser: Any, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def unreadable(browser: Any, selector: str) -> list[tuple[str, str, float]]:
    """Return what of a page can't be read: its class, its words, and their contrast."""
    found = browser.driver.execute_script(CONTRASTS, selector)
    assert len(found) >= len(TONES)
    return [tuple(one) for one in found if one[2] < READABLE]


@pytest.fixture
def pages(transactional_db) -> list[str]:
    """The front page, and the pages of a document and a signature request, with all they have."""
    boss = User.objects.create_superuser("maria", password="her secret")
    error = {"error": "No such font.", "field_errors": {"total": ["is no number"]}}
    render = make_render("failed", requested_by=boss, counts={"viewed": 2}, **error)
    for status in ("active", "revoked", "rejected"):
        make_share(render, status, requested_by=boss)
    make_event(render)
    request = make_request(render, "declined", {"declined_at": render.requested_at}, **error)
    return [
        "/admin/craftkit/",
        "/admin/craftkit/render/",
        f"/admin/craftkit/render/{render.pk}/change/",
        f"/admin/craftkit/render/{render.pk}/history/",
        f"/admin/craftkit/signaturerequest/{request.pk}/change/",
    ]


def test_staff_can_read_every_badge_and_word_in_every_theme(pages, browser):
    browser.go("/admin/login/")
    browser.fill("username", "maria")
    browser.fill("password", "her secret")
    browser.click("Log in")
    browser.sees("MARIA")
    wrong = []
    for path in pages:
        for scheme in ("light", "dark"):
            system(browser, scheme)
            for theme, script in THEMES.items():
                browser.go(path)
                browser.driver.execute_script(BADGES, TONES, "#content")
                browser.driver.execute_script(script)
                # A button has the colours of the admin's own.
                selector = "[class*=craftkit-]:not(.button), .craftkit-picture text"
                seen = unreadable(browser, selector)
                wrong += [(path, f"{theme} page, {scheme} system", *one) for one in seen]
    assert wrong == []


def test_a_guest_can_read_every_badge(booking, browser):
    for scheme in ("light", "dark"):
        system(browser, scheme)
        browser.go(booking.get_absolute_url())
        browser.driver.execute_script(BADGES, STATUSES, "#handover")
        assert unreadable(browser, ".craftkit-badge, .chip, h2, p, dt, dd") == []
