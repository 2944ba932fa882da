"""A session: what Craftkit is told of it, what is noted, and what is said where there is none."""

from __future__ import annotations

import logging
import pprint
from datetime import date

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction

from django_craftkit import client, embedding
from django_craftkit.conf import UnknownProject
from django_craftkit.models import EmbedSession, Template
from tests.helpers import grant
from tests.shop.models import Order

from .conftest import SESSIONS, calls, minted

pytestmark = pytest.mark.django_db

DESIGNS = {
    "publish",
    "saveDraft",
    "rename",
    "rollback",
    "createCustomVariables",
    "changePageSettings",
    "viewVersionHistory",
}


class TestAForm:
    def test_is_noted_with_what_it_is_about(self, form, user, order):
        session = embedding.create_session("crew-list", user=user, source=order)
        row = EmbedSession.objects.get()
        remote = minted(form)
        assert str(session.id) == str(row.remote_id) == remote.id
        assert row.source == order
        assert (row.mode, row.template, row.collect) == ("fill", "crew-list", True)
        assert (row.created_by, row.expires_at) == (user, session.expires_at)
        assert session.url.startswith("http://craftkit.sandbox/embed/form?session_token=")
        assert remote.template().slug == "crew-list"

    def test_tells_craftkit_who_fills_it_in_and_no_address_of_theirs(self, form, user):
        embedding.create_session("crew-list", user=user)
        new = minted(form).new
        assert (new.tenant.external_id, new.tenant.display_name) == ("default", "default")
        assert (new.actor.external_id, new.actor.display_name) == (str(user.pk), "Ada Lovelace")
        assert new.actor.email is None
        row = EmbedSession.objects.get()
        assert (row.tenant_id, row.actor_id) == ("default", str(user.pk))

    def test_tells_no_name_that_logs_in(self, form, user):
        user.first_name = user.last_name = ""
        user.username = "ada@example.com"
        embedding.create_session("crew-list", user=user)
        assert minted(form).new.actor.display_name is None

    def test_takes_another_tenant_and_actor(self, form):
        tenant, actor = client.Tenant("acme", "Acme"), client.Actor("7", email="jo@example.com")
        embedding.create_session("crew-list", tenant=tenant, actor=actor)
        new = minted(form).new
        assert (new.tenant.external_id, new.actor.email) == ("acme", "jo@example.com")

    def test_may_be_submitted_and_nothing_else(self, form, user):
        embedding.create_session("crew-list", user=user)
        assert minted(form).new.permissions == {"submitForm"}

    def test_is_filled_in_as_a_document_is(self, form):
        data = {"customer": {"name": "Jane"}, "arrival": date(2031, 5, 3)}
        embedding.create_session("crew-list", prefill=data)
        assert minted(form).new.form.prefill == {
            "customer": {"name": "Jane"},
            "arrival": "2031-05-03",
        }

    def test_says_which_field_is_none_and_misses_none_that_the_visitor_fills_in(self, form, caplog):
        caplog.set_level(logging.WARNING, "django_craftkit.embedding")
        embedding.create_session("crew-list", prefill={"arival": "a secret", "arrival": "soon"})
        told = [one.getMessage() for one in caplog.records]
        assert ["at arival" in line for line in told] == [False, True]
        assert "secret" not in caplog.text
        assert "customer" not in caplog.text

    def test_makes_a_document_where_it_is_told_to(self, form):
        embedding.create_session("crew-list", collect=False, redirect_url="https://example.com/")
        told = minted(form).new.form
        assert (told.collects, told.redirect_url) == (False, "https://example.com/")
        assert EmbedSession.objects.get().collect is False

    def test_is_found_at_craftkit_where_the_mirror_does_not_know_it_yet(self, form):
        Template.objects.all().delete()
        embedding.create_session("crew-list")
        assert minted(form).template().slug == "crew-list"


class TestTheBuilder:
    @pytest.mark.parametrize("mode", ["edit", "create"])
    def test_publishes_and_saves_for_whoever_may_design(self, form, user, mode):
        grant(user, "design_template")
        embedding.create_session("" if mode == "create" else "crew-list", mode=mode, user=user)
        assert minted(form).new.permissions == DESIGNS

    @pytest.mark.parametrize("mode", ["edit", "create"])
    def test_shows_all_to_whoever_may_not(self, form, user, mode):
        slug = "" if mode == "create" else "crew-list"
        embedding.create_session(slug, mode=mode, user=user)
        embedding.create_session(slug, mode=mode)
        assert [one.new.permissions for one in form.sandbox.embed_sessions] == [frozenset()] * 2

    def test_takes_the_permission_of_one_template(self, form, user, settings):
        from guardian.shortcuts import assign_perm

        settings.AUTHENTICATION_BACKENDS = ["guardian.backends.ObjectPermissionBackend"]
        template = Template.objects.get(slug="crew-list")
        assign_perm("craftkit.design_template", user, template)
        embedding.create_session("crew-list", mode="edit", user=user)
        embedding.create_session(mode="create", user=user)
        granted = [one.new.permissions for one in form.sandbox.embed_sessions]
        assert granted == [DESIGNS, frozenset()]

    def test_may_do_what_the_project_says(self, form, user):
        grant(user, "design_template")
        more = {"rename": False, "delete": True}
        embedding.create_session("crew-list", mode="edit", user=user, permissions=more)
        assert minted(form).new.permissions == DESIGNS - {"rename"} | {"delete"}


class TestItIsRefused:
    def test_to_whoever_lacks_the_permission_that_it_takes(self, form, user, order):
        for somebody in (user, None):
            with pytest.raises(PermissionDenied):
                embedding.create_session(
                    "crew-list", user=somebody, source=order, permission="shop.change_order"
                )
        assert calls(form, SESSIONS) == 0
        grant(user, "change_order", app="shop")
        user = type(user).objects.get(pk=user.pk)
        embedding.create_session(
            "crew-list", user=user, source=order, permission="shop.change_order"
        )

    @pytest.mark.parametrize(
        "wrong",
        [
            {"mode": "sign"},
            {"mode": "create"},
            {"template": ""},
            {"template": "x" * 121},
            {"mode": "view", "prefill": {}},
            {"permissions": {"fly": True}},
            {"permissions": {"rename": "no"}},
            {"prefill": {"arrival": float("nan")}},
            {"redirect_url": "javascript:alert(1)"},
            {"source": Order(number="1")},
        ],
        ids=str,
    )
    def test_where_craftkit_would_not_take_it(self, form, wrong):
        with pytest.raises(ValueError):
            embedding.create_session(**{"template": "crew-list", **wrong})
        assert calls(form, SESSIONS) == 0

    @pytest.mark.parametrize("wrong", [{"prefill": 7}, {"user": "ada"}], ids=str)
    def test_where_it_is_of_another_type(self, form, wrong):
        with pytest.raises(TypeError):
            embedding.create_session("crew-list", **wrong)

    def test_where_the_project_is_unknown(self, form):
        with pytest.raises(UnknownProject):
            embedding.create_session("crew-list", project="eu")

    @pytest.mark.django_db(transaction=True)
    def test_inside_a_transaction(self, form):
        with transaction.atomic(), pytest.raises(RuntimeError, match="create_session"):
            embedding.create_session("crew-list")
        assert calls(form, SESSIONS) == 0


class TestThereIsNone:
    """``SessionUnavailable`` says why."""

    def refusal(self, **options):
        with pytest.raises(embedding.SessionUnavailable) as caught:
            embedding.create_session(**{"template": "crew-list", **options})
        assert not EmbedSession.objects.exists()
        assert caught.value.__context__ is None or caught.value.__suppress_context__
        return caught.value

    def test_where_embedding_is_not_switched_on(self, form, caplog):
        form.sandbox.project().embed_enabled = False
        error = self.refusal()
        assert (error.code, error.is_passing) == ("embed_not_enabled", False)
        assert "Enable embed mode" in error.why
        assert "ck_test" not in caplog.text + error.why

    def test_where_craftkit_has_suspended_it(self, form):
        form.sandbox.project().embed_suspended = True
        error = self.refusal()
        assert (error.code, error.is_passing) == ("suspended", False)

    def test_where_the_template_or_the_catalog_is_not_there(self, form):
        catalog = client.CatalogRef("crm")
        assert self.refusal(mode="edit", catalog=catalog).code == "not_found"
        gone = {"status": 404, "code": "template_not_found"}
        form.sandbox.faults.add("status", path="/v1/templates/*", **gone)
        error = self.refusal(template="other")
        assert (error.code, error.is_passing) == ("not_found", False)

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "refused"},
            {"kind": "status", "status": 503},
            {"kind": "garbage", "status": 502},
            {"kind": "status", "status": 429},
        ],
        ids=str,
    )
    def test_while_craftkit_is_down(self, form, fault):
        form.sandbox.faults.add(**fault, path=SESSIONS, times=None)
        error = self.refusal()
        assert (error.code, error.is_passing) == ("unreachable", True)

    def test_while_everything_is_paused(self, form, settings):
        settings.CRAFTKIT = {**settings.CRAFTKIT, "PAUSED": True}
        error = self.refusal()
        assert (error.code, error.is_passing) == ("paused", True)
        assert calls(form, SESSIONS) == 0


def test_a_session_that_is_shown_tells_no_secret(form, user):
    session = embedding.create_session("crew-list", user=user)
    secrets = [session.token, session.reference, session.row.renew_token.reveal()]
    for shown in (repr(session), str(session), pprint.pformat(session), repr(vars(session.row))):
        assert not [one for one in secrets if one in shown]


def test_a_session_whose_end_is_not_told_is_renewed_soon(form, monkeypatch):
    read = client.EmbedSession.from_json
    without = classmethod(lambda cls, body: read({**body, "expires_at": None}))
    monkeypatch.setattr(client.EmbedSession, "from_json", without)
    assert embedding.create_session("crew-list").for_browser["expiresIn"] <= 300
