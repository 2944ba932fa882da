"""What opens or renews a session is on no error page, whoever is shown or mailed one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.template import Context, RequestContext, Template
from django.test import RequestFactory
from django.test.utils import override_settings
from django.views.debug import ExceptionReporter, technical_500_response

from django_craftkit import embedding
from django_craftkit.badges import token_of
from django_craftkit.client import EmbedSession as Minted
from django_craftkit.embedding import sessions, views
from django_craftkit.embedding.references import Reference
from django_craftkit.models import Render

if TYPE_CHECKING:
    from django.http import HttpRequest

pytestmark = pytest.mark.django_db

MANIFEST = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"


@pytest.fixture
def _no_static_file(settings, tmp_path):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": MANIFEST, "OPTIONS": {"location": tmp_path}},
    }


def shown(request: HttpRequest, raised: BaseException) -> str:
    """Return the page of an error that Django shows while ``DEBUG`` is on."""
    with override_settings(DEBUG=True):
        page = technical_500_response(request, type(raised), raised, raised.__traceback__)
    return page.content.decode()


def mailed(request: HttpRequest, raised: BaseException) -> str:
    """Return what Django mails of an error to the site's admins."""
    reporter = ExceptionReporter(request, type(raised), raised, raised.__traceback__)
    return reporter.get_traceback_html() + reporter.get_traceback_text()


@pytest.mark.usefixtures("_no_static_file")
def test_where_the_script_of_a_session_is_missing(form, user):
    request = RequestFactory().get("/")
    session = embedding.create_session("crew-list", user=user)
    text = "{% load craftkit %}{% craftkit_embed session %}"
    with pytest.raises(ValueError, match=r"embed\.js") as raised:
        Template(text).render(RequestContext(request, {"session": session}))
    pages = shown(request, raised.value) + mailed(request, raised.value)
    assert str(session.id) in pages
    assert shows(pages, session, session.row.renew_token.reveal()) == []


@pytest.mark.usefixtures("_no_static_file")
def test_where_the_script_of_a_badge_is_missing(ready):
    Render.objects.filter(pk=ready.pk).update(status="rendering")
    render = Render.objects.get()
    text = "{% load craftkit %}{% craftkit_status render %}"
    with pytest.raises(ValueError, match=r"badges\.js") as raised:
        Template(text).render(Context({"render": render}))
    request = RequestFactory().get("/")
    pages = shown(request, raised.value) + mailed(request, raised.value)
    assert token_of(render) not in pages


@pytest.mark.parametrize("at", ["mint", "row", "find"])
def test_where_a_session_can_not_be_opened_or_renewed(form, user, monkeypatch, at):
    session = embedding.create_session("crew-list", user=user)
    request = RequestFactory().post(
        "/craftkit/embed/renew/",
        f"reference={session.reference}",
        content_type="application/x-www-form-urlencoded",
    )
    request.user = user

    renewed = []

    def fail(*args, **kwargs):
        renewed.extend(one for one in args if isinstance(one, Minted))
        raise LookupError("not there")

    where = {
        "mint": (sessions, "_call"),
        "row": (sessions, "_session"),
        "find": (Reference, "find"),
    }
    monkeypatch.setattr(*where[at], fail)
    with pytest.raises(LookupError) as raised:
        views.renewed(request)
    pages = mailed(request, raised.value)
    assert "not there" in pages
    assert bool(renewed) == (at == "row")
    newest = [text for one in renewed for text in (one.token.reveal(), one.renew_token.reveal())]
    assert shows(pages, session, session.row.renew_token.reveal(), *newest) == []


def shows(pages: str, session: embedding.Session, *more: str) -> list[str]:
    """Return which of what opens or renews a session is shown."""
    return [one for one in (session.token, session.url, session.reference, *more) if one in pages]
