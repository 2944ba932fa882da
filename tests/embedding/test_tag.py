"""``{% craftkit_embed %}``: what the page of a session holds, and what it does not."""

from __future__ import annotations

import json
import re

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.template import Context, RequestContext, Template, TemplateSyntaxError
from django.test import RequestFactory
from django.urls import reverse_lazy
from django.utils import translation

from django_craftkit import embedding
from tests.helpers import grant
from tests.test_templatetags import Page

pytestmark = pytest.mark.django_db


def elements(session, arguments: str = "", **context):
    """Return the elements of a page with one tag, by their names."""
    text = f"{{% load craftkit %}}{{% craftkit_embed session {arguments} %}}"
    html = Template(text).render(Context({"session": session, **context}))
    return dict(Page(html).elements)


def test_the_address_of_the_iframe_is_in_no_attribute_that_a_browser_follows(form, user):
    session = embedding.create_session("crew-list", user=user)
    found = elements(session, "title='Crew list' height=500")
    frame = found["iframe"]
    assert "src" not in frame
    assert (frame["title"], frame["height"], frame["width"]) == ("Crew list", "500", "100%")
    assert frame["referrerpolicy"] == "no-referrer"
    assert "allow-top-navigation" not in frame["sandbox"].split()
    said = json.loads(found["div"]["data-craftkit-session"])
    assert said["url"] == session.url
    assert said["reference"] == session.reference
    assert 0 < said["expiresIn"] <= 4 * 3600


def test_what_renews_the_session_stays_on_the_server(form, user):
    session = embedding.create_session("crew-list", user=user)
    html = json.dumps(elements(session))
    assert session.row.renew_token.reveal() not in html


def test_a_page_holds_no_script_and_no_style_of_its_own(form):
    found = elements(embedding.create_session("crew-list"))
    assert found["script"] == {"type": "module", "src": "/static/django_craftkit/embed.js"}
    for attributes in found.values():
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_its_script_has_the_nonce_of_the_page_and_is_there_once(form):
    session = embedding.create_session("crew-list")
    text = "{% load craftkit %}{% craftkit_embed session %}{% craftkit_embed '/open/' %}"
    html = Template(text).render(Context({"session": session, "csp_nonce": "abc"}))
    assert re.findall(r"<script[^>]*>", html) == [
        '<script type="module" src="/static/django_craftkit/embed.js" nonce="abc">'
    ]


def test_a_view_may_open_the_session_later():
    found = elements("/orders/7/form/?a=1&b=2", "close_url='/orders/7/'")
    assert found["div"]["data-craftkit-open"] == "/orders/7/form/?a=1&b=2"
    assert found["div"]["data-craftkit-close"] == "/orders/7/"
    assert "data-craftkit-session" not in found["div"]


@pytest.mark.parametrize("missing", ["", " ", None, 7, b"/open/"], ids=repr)
def test_what_is_neither_a_session_nor_an_address_is_said(missing):
    with pytest.raises(TemplateSyntaxError, match="craftkit_embed"):
        elements(missing)


def test_a_variable_that_is_not_there_is_said():
    text = "{% load craftkit %}{% craftkit_embed sesion %}"
    with pytest.raises(TemplateSyntaxError, match="create_session"):
        Template(text).render(Context({"session": "/open/"}))


def test_an_address_may_be_lazy():
    found = elements(reverse_lazy("craftkit:embed_renew"))
    assert found["div"]["data-craftkit-open"] == "/craftkit/embed/renew/"


def test_numbers_of_other_languages_are_no_attributes(form, settings):
    settings.USE_THOUSAND_SEPARATOR = True
    with translation.override("de"):
        assert elements("/open/", "height=1200")["iframe"]["height"] == "1200"


def test_the_iframe_is_called_what_it_is(form, user):
    grant(user, "design_template")
    form_, builder = (
        embedding.create_session("crew-list", mode=mode, user=user) for mode in ("fill", "edit")
    )
    assert elements(form_)["iframe"]["title"] == "Form"
    assert elements(builder)["iframe"]["title"] == "Template builder"


def test_the_page_can_post_to_its_own_site():
    request = RequestFactory().get("/")
    text = "{% load craftkit %}{% craftkit_embed '/open/' %}"
    html = Template(text).render(RequestContext(request, {}))
    (token,) = re.findall(r'data-craftkit-csrf="([^"]+)"', html)
    assert len(token) == len(get_token(request))


class TestAViewThatMintsASession:
    def page(self, *, mint) -> HttpResponse:
        @embedding.embedding_view
        def view(request):
            mint()
            return HttpResponse("the page")

        response: HttpResponse = view(RequestFactory().get("/"))
        return response

    def test_is_kept_by_no_cache_and_told_to_nobody(self, form):
        answer = self.page(mint=lambda: embedding.create_session("crew-list"))
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"

    def test_has_forms_that_can_be_posted(self, form):
        """Of a page without a Referer a browser names no origin, and Django refuses it."""
        answer = self.page(mint=lambda: embedding.create_session("crew-list"))
        assert answer.headers["Referrer-Policy"] not in ("no-referrer", "origin")

    @pytest.mark.parametrize("is_there", [True, False])
    def test_may_be_async(self, form, is_there):
        form.sandbox.project().embed_enabled = is_there

        @embedding.embedding_view
        async def view(request):
            await embedding.acreate_session("crew-list")
            return HttpResponse("the page")

        assert iscoroutinefunction(view)
        answer = async_to_sync(view)(RequestFactory().get("/"))
        assert answer.status_code == (200 if is_there else 503)
        assert answer.headers["Cache-Control"] == "private, no-store"

    def test_says_so_where_there_is_none(self, form):
        form.sandbox.project().embed_enabled = False
        answer = self.page(mint=lambda: embedding.create_session("crew-list"))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert "dashboard" not in answer.content.decode()

    def test_raises_what_else_is_wrong(self, form):
        with pytest.raises(ValueError, match="mode"):
            self.page(mint=lambda: embedding.create_session("crew-list", mode="x"))
