"""The form of a guest's link: the address, the page, and the session that the page opens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch

from django_craftkit.conf import UnknownProject
from django_craftkit.embedding import get_form_url
from django_craftkit.embedding.links import FormLink
from django_craftkit.models import EmbedSession
from tests.helpers import NEVER
from tests.shop.models import Order

from .conftest import SESSIONS, calls, minted

pytestmark = pytest.mark.django_db


def url_of(order: Order | None = None, **options) -> str:
    return get_form_url(**{"template": "crew-list", "expires": 3600, "source": order, **options})


class TestTheAddress:
    def test_is_of_this_site_and_calls_nobody(self, form, order):
        before = len(form.sandbox.requests)
        assert url_of(order).startswith("/craftkit/forms/")
        assert len(form.sandbox.requests) == before

    @pytest.mark.parametrize("expires", NEVER, ids=lambda one: f"{one!r:.40}")
    def test_expires(self, expires):
        with pytest.raises(ValueError, match="expires"):
            url_of(expires=expires)

    @pytest.mark.parametrize(
        "wrong",
        [{"template": ""}, {"source": Order()}, {"redirect_url": "javascript:alert(1)"}],
        ids=str,
    )
    def test_is_none_of_what_can_not_be(self, wrong):
        with pytest.raises(ValueError):
            url_of(**wrong)

    def test_is_not_too_long_for_servers_and_mail_programs(self):
        # What repeats itself would be short.
        text = "".join(map(chr, range(0x4E00, 0x5E00)))
        with pytest.raises(ValueError, match="prefill"):
            url_of(prefill={"wishes": text})

    def test_is_of_a_project_that_there_is(self):
        with pytest.raises(UnknownProject):
            url_of(project="eu")

    @pytest.mark.urls("tests.api.test_schema")
    def test_is_missing_where_the_urls_are_not_included(self, monkeypatch):
        import tests.api.test_schema as empty

        monkeypatch.setattr(empty, "urlpatterns", [], raising=False)
        with pytest.raises(NoReverseMatch):
            url_of()


class TestThePage:
    def test_is_there_without_a_login_and_mints_nothing(self, form, client, order, settings):
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]
        for method in (client.get, client.head):
            answer = method(url_of(order))
            assert answer.status_code == 200
        assert "Crew list" in client.get(url_of(order)).text
        assert calls(form, SESSIONS) == 0

    def test_is_kept_by_nobody_and_told_to_nobody(self, client, order):
        for url in (url_of(order), url_of(order, expires=1e-9)):
            headers = client.get(url).headers
            assert headers["Cache-Control"] == "private, no-store"
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["X-Robots-Tag"] == "noindex"

    def test_is_a_projects_own_where_it_has_one(self, form, client, order, settings, tmp_path):
        own = tmp_path / "craftkit"
        own.mkdir()
        (own / "form.html").write_text(
            "{% load craftkit %}{{ source }}: {{ title }}{% craftkit_embed url title=title %}"
        )
        templates = {**settings.TEMPLATES[0], "DIRS": [tmp_path]}
        settings.TEMPLATES = [templates]
        text = client.get(url_of(order)).text
        assert text.startswith("2031-7: Crew list")
        assert 'data-craftkit-open="/craftkit/forms/' in text


class TestItOpens:
    def test_a_session_about_its_object(self, form, client, order):
        url = url_of(order, prefill={"customer": {"name": "Jane"}})
        answer = client.post(url)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "private, no-store"
        remote = minted(form)
        row = EmbedSession.objects.get()
        assert (row.source, row.template, row.mode, row.created_by) == (
            order,
            "crew-list",
            "fill",
            None,
        )
        assert remote.new.form.prefill == {"customer": {"name": "Jane"}}
        assert answer.json()["url"].startswith("http://craftkit.sandbox/embed/form?")

    def test_one_for_each_visit_by_one_guest_for_each_link(self, form, client, order):
        one, other = url_of(order), url_of(order, expires=60)
        for url in (one, one, other):
            client.post(url)
        first, second, third = (one.new.actor for one in form.sandbox.embed_sessions)
        assert first.external_id == second.external_id != third.external_id
        assert first.external_id.startswith("guest-")

    def test_nothing_for_another_site(self, form, order):
        assert Client(enforce_csrf_checks=True).post(url_of(order)).status_code == 403
        assert calls(form, SESSIONS) == 0

    def test_one_that_is_not_renewed_once_the_link_has_expired(self, form, client, order):
        session = client.post(url_of(order, expires=120)).json()
        body, kind = f"reference={session['reference']}", "application/x-www-form-urlencoded"
        assert client.generic("POST", session["renewUrl"], body, kind).status_code == 200
        form.pass_time(121)
        assert client.generic("POST", session["renewUrl"], body, kind).status_code == 403

    @pytest.mark.django_db(transaction=True)
    def test_outside_of_any_transaction(self, form, client, order, monkeypatch):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        assert client.post(url_of(order)).status_code == 200

    def test_none_while_craftkit_is_down_and_the_link_works_on(self, form, client, order):
        form.sandbox.faults.add("status", path=SESSIONS, status=503, times=None)
        url = url_of(order)
        assert client.get(url).status_code == 200
        answer = client.post(url)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert answer.json()["message"]
        form.sandbox.faults.clear()
        assert client.post(url).status_code == 200

    def test_none_where_embedding_is_off_and_guests_are_not_told_why(self, form, client, order):
        form.sandbox.project().embed_enabled = False
        answer = client.post(url_of(order))
        assert answer.status_code == 503
        assert "dashboard" not in answer.text


class TestItIsGone:
    def test_once_it_has_expired(self, client, order, craftkit):
        url = url_of(order, expires=timedelta(minutes=1))
        assert client.get(url).status_code == 200
        craftkit.pass_time(61)
        assert client.get(url).status_code == client.post(url).status_code == 410
        assert client.post(url).json()["message"]

    def test_once_its_object_is(self, client, order):
        url = url_of(order)
        order.delete()
        assert client.get(url).status_code == client.post(url).status_code == 410

    def test_once_its_model_is(self, client, order):
        kind = ContentType.objects.create(app_label="shop", model="gone")
        source = {
            "source_type_id": kind.pk,
            "source_id": "1",
            "source_db": "",
            "source_schema": None,
        }
        kind.delete()
        ContentType.objects.clear_cache()
        token = FormLink("default", "crew-list", source, 9e9, {}).token
        assert client.get(f"/craftkit/forms/{token}/").status_code == 410

    def test_once_its_project_is(self, form, client, order, settings):
        url = url_of(order)
        settings.CRAFTKIT_PROJECTS = {"other": settings.CRAFTKIT_PROJECTS["default"]}
        assert client.get(url).status_code == client.post(url).status_code == 410

    def test_where_somebody_has_changed_it(self, form, client, order):
        url = url_of(order)
        head, _slash, _ = url.rstrip("/").rpartition("/")
        other = signing.dumps(["default", "crew-list", None, 9e9, {}])
        for wrong in (url[:-2] + "x/", f"{head}/x/", f"{head}/{other}/", f"{head}/%ED%A0%80/"):
            assert client.get(wrong).status_code == 404
            assert client.post(wrong).status_code == 404

    def test_where_an_older_version_wrote_another_kind(self, client):
        for said in ([1], "text", {"a": 1}, None):
            token = signing.dumps(said, salt="django_craftkit.forms")
            assert client.get(f"/craftkit/forms/{token}/").status_code == 404

    def test_where_it_is_a_link_of_another_kind(self, form, client, order):
        token = signing.dumps([1, "", [], 0], salt="django_craftkit.embedding")
        assert client.get(f"/craftkit/forms/{token}/").status_code == 404


def test_a_link_holds_what_it_opens(order):
    token = url_of(order, collect=False).split("/")[-2]
    link = FormLink.read(token)
    assert (link.project, link.template) == ("default", "crew-list")
    assert link.find_source() == order
    assert link.options["collect"] is False
