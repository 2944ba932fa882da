"""Badges refresh under a strict Content-Security-Policy, by one request for all of a page."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import override_settings
from django.urls import include, path

from django_craftkit.badges import statuses
from django_craftkit.models import Render
from tests.admin.conftest import make_render

pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db(transaction=True)]

NONCE = "cmFuZG9t"
PAGE = (
    "{% load craftkit %}{% for render in renders %}<p>{% craftkit_status render %}</p>{% endfor %}"
)
POLICIES = {
    "self": "default-src 'none'; img-src data:; script-src 'self'; connect-src 'self'",
    "nonce": (
        f"default-src 'none'; img-src data:; script-src 'nonce-{NONCE}' 'strict-dynamic'; "
        "connect-src 'self'"
    ),
}
#: How many badges each request was about.
asked: list[int] = []


def page(request: HttpRequest, policy: str) -> HttpResponse:
    context = {"renders": Render.objects.all()}
    if policy == "nonce":
        context["csp_nonce"] = NONCE
    html = f"<!DOCTYPE html><link rel=icon href=data:,>{Template(PAGE).render(Context(context))}"
    return HttpResponse(html, headers={"Content-Security-Policy": POLICIES[policy]})


def counted(request: HttpRequest) -> HttpResponse:
    asked.append(len(request.POST.getlist("token")))
    return statuses(request)


page.login_required = counted.login_required = False
counted.csrf_exempt = True
ours = [path("statuses/", counted, name="statuses")]
urlpatterns = [path("page/<str:policy>/", page), path("craftkit/", include((ours, "craftkit")))]


@pytest.mark.parametrize("policy", POLICIES)
def test_badges_refresh_by_one_request_for_all(browser, policy):
    for _ in range(3):
        make_render("rendering")
    asked.clear()
    with override_settings(ROOT_URLCONF=__name__):
        browser.go(f"/page/{policy}/")
        assert len(browser.all(".craftkit-badge--rendering")) == 3
        browser.until(lambda: asked)
        Render.objects.update(status="succeeded")
        browser.until(lambda: len(browser.all(".craftkit-badge--succeeded")) == 3)
    assert set(asked) == {3}
