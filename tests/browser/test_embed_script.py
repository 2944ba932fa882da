"""The script of an embedded page, beside a page that plays Craftkit's: what it does by messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import RequestContext, Template
from django.test import override_settings
from django.urls import path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.conftest import Browser

pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

PAGE = "{% load craftkit %}{% craftkit_embed '/open/' title='Crew list' close_url='/closed/' %}"
#: It keeps what it hears, and takes each token unless it is told not to.
FRAME = """<!DOCTYPE html><link rel=icon href=data:,><title>Craftkit</title><input name=typed>
<script>
window.heard = [];
window.addEventListener("message", ({ data, source, origin }) => {
  window.heard.push({ data, origin });
  if (!window.isDeaf) source.postMessage({ type: "session.accepted" }, origin);
});
</script>"""
LISTEN = """
window.told = [];
for (const name of ["form-submitted", "template-published", "closed", "session-lost"])
  document.addEventListener(`craftkit:${name}`, ({ detail }) => window.told.push([name, detail]));
"""


@dataclass
class Site:
    """What the views of this module answer, and what they were asked."""

    #: Of the embedded page: the same server by another name, and so another origin.
    origin: str = ""
    expires_in: int = 4 * 3600
    redirect_url: str = ""
    statuses: dict[str, int] = field(default_factory=dict)
    #: Whether something before the site answers in its place.
    is_behind_a_proxy: bool = False
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, name: str, request: HttpRequest) -> HttpResponse:
        self.asked.append((name, request.POST.dict()))
        status = self.statuses.get(name, 200)
        if self.is_behind_a_proxy:
            return HttpResponse("<p>No.</p>", status=status)
        if status != 200:
            return JsonResponse({"message": f"{name} says {status}"}, status=status)
        token = f"token-{len(self.asked)}"
        said = {
            "url": f"{self.origin}/frame/?session_token={token}",
            "token": token,
            "expiresIn": self.expires_in,
            "reference": "the reference",
            "renewUrl": "/renew/",
            "redirectUrl": self.redirect_url,
            "publishedUrl": "/published/",
        }
        return JsonResponse(said)

    def count(self, name: str) -> int:
        return sum(one == name for one, _fields in self.asked)


site_of_tests = Site()


def _view(name: str) -> Any:
    def view(request: HttpRequest) -> HttpResponse:
        return site_of_tests.answer(name, request)

    view.login_required = False  # type: ignore[attr-defined]
    return view


def page(request: HttpRequest) -> HttpResponse:
    html = Template(PAGE).render(RequestContext(request))
    policy = f"default-src 'self'; img-src data:; frame-src 'self' {site_of_tests.origin}"
    html = f"<!DOCTYPE html><link rel=icon href=data:,>{html}"
    return HttpResponse(html, headers={"Content-Security-Policy": policy})


def frame(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(FRAME, headers={"Content-Security-Policy": "img-src data:"})
    response.xframe_options_exempt = True  # type: ignore[attr-defined]
    return response


def closed(request: HttpRequest) -> HttpResponse:
    html = "<link rel=icon href=data:,>It is closed."
    return HttpResponse(html, headers={"Content-Security-Policy": "img-src data:"})


for one in (page, frame, closed):
    one.login_required = False  # type: ignore[attr-defined]

urlpatterns = [
    path("page/", page),
    path("frame/", frame),
    path("closed/", closed),
    *(path(f"{name}/", _view(name)) for name in ("open", "renew", "published")),
]


@pytest.fixture
def here(browser, site) -> Iterator[Site]:
    """The site; nothing of the page is loaded yet."""
    site_of_tests.__init__(origin=site.replace("localhost", "127.0.0.1"))  # type: ignore[misc]
    assert site_of_tests.origin != site
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"]):
        yield site_of_tests


@pytest.fixture
def opened(browser, here) -> Browser:
    """The page, and in it the embedded one, where somebody has typed something."""
    browser.go("/page/")
    browser.driver.execute_script(LISTEN)
    in_frame(browser, "document.querySelector('input').value = 'what was typed'")
    return browser


def in_frame(browser: Browser, script: str) -> Any:
    """Run a script in the embedded page, once that is there."""

    def run() -> list[Any]:
        browser.driver.switch_to.default_content()
        browser.driver.switch_to.frame(browser.driver.find_element("tag name", "iframe"))
        is_there = browser.driver.execute_script("return document.title") == "Craftkit"
        return [browser.driver.execute_script(script)] if is_there else []

    try:
        return browser.until(run)[0]
    finally:
        browser.driver.switch_to.default_content()


def say(browser: Browser, **message: Any) -> None:
    """Have the embedded page tell its parent something."""
    in_frame(browser, f"parent.postMessage({message!r}, '*')")


def heard(browser: Browser) -> list[Any]:
    found: list[Any] = in_frame(browser, "return window.heard")
    return found


def told(browser: Browser) -> list[Any]:
    found: list[Any] = browser.driver.execute_script("return window.told")
    return found


def typed(browser: Browser) -> str:
    return str(in_frame(browser, "return document.querySelector('input').value"))


def test_a_session_that_ends_is_renewed_and_nothing_typed_is_lost(opened, here, site):
    say(opened, type="session.expiring")
    opened.until(lambda: heard(opened))
    ((message),) = heard(opened)
    assert message == {
        "data": {"type": "session.renewed", "sessionToken": "token-2"},
        "origin": site,
    }
    name, fields = here.asked[1]
    assert name == "renew"
    assert fields["reference"] == "the reference"
    assert fields["csrfmiddlewaretoken"]
    assert typed(opened) == "what was typed"


def test_it_is_renewed_by_itself_before_it_ends(browser, here):
    here.expires_in = 6
    browser.go("/page/")
    browser.until(lambda: here.count("renew"))
    assert [one["data"]["type"] for one in heard(browser)] == ["session.renewed"]


def test_an_iframe_that_takes_no_token_is_loaded_anew_when_its_session_ends(opened, here):
    here.expires_in = 4 * 3600
    in_frame(opened, "window.isDeaf = true")
    say(opened, type="session.expiring")
    opened.until(lambda: heard(opened))
    # There are hours left, in which what was typed can be sent.
    assert typed(opened) == "what was typed"

    here.expires_in = 6
    opened.go("/page/")
    in_frame(opened, "window.isDeaf = true; document.querySelector('input').value = 'x'")
    opened.until(lambda: typed(opened) == "")
    assert "token-" in in_frame(opened, "return location.search")


def test_others_are_not_listened_to(opened, here):
    opened.driver.execute_script("window.postMessage({type: 'session.expiring'}, '*')")
    opened.driver.execute_script("window.postMessage({type: 'form.submitted'}, '*')")
    # A page of another origin that has come into the iframe.
    opened.driver.execute_script("document.querySelector('iframe').src = '/frame/'")
    opened.until(lambda: in_frame(opened, "return location.origin") == opened.site)
    say(opened, type="form.submitted")
    say(opened, type="session.expiring")
    in_frame(opened, "return 1")
    assert told(opened) == []
    assert here.count("renew") == 0


@pytest.mark.parametrize("nonsense", ["null", "7", "'text'", "[]", "{type: {}}", "{type: 'x'}"])
def test_what_makes_no_sense_is_passed_over(opened, here, nonsense):
    in_frame(opened, f"parent.postMessage({nonsense}, '*')")
    say(opened, type="form.submitted", renderId="r-1")
    opened.until(lambda: told(opened))
    assert told(opened) == [["form-submitted", {"renderId": "r-1"}]]


@pytest.mark.parametrize("status", [403, 409])
def test_whoever_may_not_go_on_is_told_at_the_end_and_keeps_what_they_typed(browser, here, status):
    here.expires_in = 12
    here.statuses["renew"] = status
    browser.go("/page/")
    browser.driver.execute_script(LISTEN)
    in_frame(browser, "document.querySelector('input').value = 'what was typed'")
    browser.until(lambda: here.count("renew"))
    assert told(browser) == []
    browser.sees(f"renew says {status}")
    assert told(browser) == [["session-lost", {"message": f"renew says {status}"}]]
    assert here.count("renew") == 1
    assert typed(browser) == "what was typed"


@pytest.mark.parametrize("status", [200, 403, 404])
def test_what_a_proxy_answers_decides_nothing(opened, here, status):
    here.is_behind_a_proxy = True
    here.statuses["renew"] = status
    say(opened, type="session.expiring")
    opened.until(lambda: here.count("renew"))
    say(opened, type="form.submitted")
    opened.until(lambda: told(opened))
    assert told(opened) == [["form-submitted", {}]]
    assert typed(opened) == "what was typed"


def test_what_is_published_is_told_to_the_site_and_closing_leaves_the_page(opened, here):
    say(opened, type="template.published", templateId="t-1", version=2, manifest={"loops": []})
    opened.until(lambda: told(opened))
    detail = {"templateId": "t-1", "version": 2, "manifest": {"loops": []}}
    assert told(opened) == [["template-published", detail]]
    assert here.asked[1][0] == "published"
    assert here.asked[1][1]["reference"] == "the reference"
    say(opened, type="close.requested")
    opened.sees("It is closed.")


def test_a_form_that_was_submitted_leads_on_unless_the_page_prevents_it(browser, here):
    here.redirect_url = "/closed/"
    browser.go("/page/")
    prevent = "document.addEventListener('craftkit:form-submitted', (e) => e.preventDefault())"
    browser.driver.execute_script(LISTEN + prevent)
    say(browser, type="form.submitted")
    browser.until(lambda: told(browser))
    assert "/page/" in browser.driver.current_url
    browser.go("/page/")
    say(browser, type="session.expiring")
    browser.until(lambda: heard(browser))
    say(browser, type="form.submitted")
    browser.sees("It is closed.")


def test_the_iframe_is_as_high_as_it_asks_to_be(opened, here):
    say(opened, type="resize", height=1234.5)
    opened.until(lambda: opened.find("iframe").get_attribute("height") == "1235")
    say(opened, type="resize", height="nonsense")
    say(opened, type="form.submitted")
    opened.until(lambda: told(opened))
    assert opened.find("iframe").get_attribute("height") == "1235"


def test_a_form_that_can_not_be_opened_is_tried_again(browser, here):
    here.statuses["open"] = 503
    browser.go("/page/")
    browser.sees("open says 503")
    here.statuses.clear()
    browser.click("Try again")
    assert in_frame(browser, "return location.search") == "?session_token=token-2"
    assert not browser.find("[role=alert]").is_displayed()
