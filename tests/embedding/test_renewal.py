"""A session is renewed while its page is open: for whom, how often, and what if that fails."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_craftkit import embedding
from django_craftkit.client.embed import Embed
from django_craftkit.embedding import sessions
from django_craftkit.embedding.references import Reference
from django_craftkit.models import EmbedSession, Job, Template
from tests.helpers import Killed, at_once, grant, killed

from .conftest import REFRESH, calls

pytestmark = pytest.mark.django_db

RENEW, PUBLISHED = "/craftkit/embed/renew/", "/craftkit/embed/published/"
FORM = "application/x-www-form-urlencoded"


def browser(person: User | None = None) -> Client:
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def renew(client: Client, session, url: str = RENEW):
    return post(client, f"reference={session.reference}", url)


def post(client: Client, body: str | bytes, url: str = RENEW, content_type: str = FORM):
    return client.generic("POST", url, body, content_type=content_type)


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch):
    """Nobody else renews a session: what another one would note is not waited for."""
    monkeypatch.setattr(sessions, "_NOTED_WITHIN", 0.0)


@pytest.fixture
def session(form, user):
    return embedding.create_session("crew-list", user=user)


class TestItIsRenewed:
    def test_with_another_token_of_the_same_session(self, form, session, user):
        before = EmbedSession.objects.get()
        form.pass_time(3600)
        answer = renew(browser(user), session)
        assert answer.status_code == 200
        assert "no-store" in answer.headers["Cache-Control"]
        body = answer.json()
        assert body["token"] != session.token
        assert body["token"] in body["url"]
        assert body["reference"] == session.reference
        assert body["expiresIn"] > 4 * 3600 - 60
        after = EmbedSession.objects.get()
        assert (after.remote_id, after.source, after.template) == (
            before.remote_id,
            before.source,
            before.template,
        )
        assert after.expires_at - before.expires_at >= timedelta(minutes=59)

    def test_again_and_again(self, session, user):
        tokens = [renew(browser(user), session).json()["token"] for _ in range(3)]
        assert len({session.token, *tokens}) == 4

    def test_after_it_has_ended(self, form, session, user):
        form.pass_time(5 * 3600)
        assert renew(browser(user), session).status_code == 200

    def test_and_not_for_ever(self, form, session, user):
        form.pass_time(29 * 3600)
        assert renew(browser(user), session).status_code == 403

    def test_for_whoever_has_the_page_of_a_guest(self, form):
        assert renew(browser(), embedding.create_session("crew-list")).status_code == 200


class TestNobodyElseRenewsIt:
    def test_than_the_user_it_was_minted_for(self, form, session, user):
        other = User.objects.create_user("other", is_superuser=True)
        for client in (browser(), browser(other)):
            answer = renew(client, session)
            assert answer.status_code == 403
            assert answer.json()["message"]
        assert calls(form, REFRESH) == 0

    def test_once_the_user_is_locked_out_or_gone(self, form, session, user):
        client, users = browser(user), User.objects.filter(pk=user.pk)
        for act in (lambda: users.update(is_active=False), users.delete):
            act()
            assert renew(client, session).status_code == 403
            assert renew(browser(), session).status_code == 403

    def test_once_the_user_is_locked_out_whose_login_still_works(
        self, form, session, user, settings
    ):
        settings.AUTHENTICATION_BACKENDS = [
            "django.contrib.auth.backends.AllowAllUsersModelBackend"
        ]
        client = browser(user)
        assert renew(client, session).status_code == 200
        User.objects.filter(pk=user.pk).update(is_active=False)
        assert renew(client, session).status_code == 403

    def test_once_their_permission_was_taken_away(self, form, user, order):
        grant(user, "change_order", app="shop")
        user = User.objects.get(pk=user.pk)
        session = embedding.create_session(
            "crew-list", user=user, source=order, permission="shop.change_order"
        )
        assert renew(browser(user), session).status_code == 200
        user.user_permissions.clear()
        assert renew(browser(user), session).status_code == 403

    def test_once_they_may_not_design_any_more(self, form, user):
        grant(user, "design_template")
        session = embedding.create_session("crew-list", mode="edit", user=user)
        assert renew(browser(user), session).status_code == 200
        user.user_permissions.clear()
        assert renew(browser(user), session).status_code == 403
        assert renew(browser(user), session, PUBLISHED).status_code == 403

    def test_once_its_time_is_over(self, form):
        soon = timezone.now() + timedelta(seconds=60)
        session = embedding.create_session("crew-list", renewable_until=soon)
        assert renew(browser(), session).status_code == 200
        reference = Reference.read(session.reference)
        ended = reference._replace(until=1)
        assert post(browser(), f"reference={ended.token}").status_code == 403

    @pytest.mark.parametrize(
        "body", ["x=1", "reference=", "reference=WzFd:x:y", "reference=%ED%A0%80"]
    )
    def test_by_what_this_site_has_not_signed(self, form, session, body):
        assert post(browser(), body).status_code == 403
        assert post(browser(), body, PUBLISHED).status_code == 403

    def test_by_another_kind_of_form(self, form, session, user):
        assert post(browser(user), b"\xff", content_type="text/plain").status_code == 415
        assert browser(user).get(RENEW).status_code == 405

    def test_by_another_site(self, form, session, user):
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        assert renew(client, session).status_code == 403
        assert calls(form, REFRESH) == 0

    def test_once_its_project_is_gone(self, form, session, user, settings):
        settings.CRAFTKIT_PROJECTS = {"other": settings.CRAFTKIT_PROJECTS["default"]}
        assert renew(browser(user), session).status_code == 403

    def test_once_the_row_is_gone(self, form, session, user):
        EmbedSession.objects.all().delete()
        assert renew(browser(user), session).status_code == 403


class TestItIsLost:
    def test_where_craftkit_has_ended_it(self, form, session, user):
        form.sandbox.revoke_embed_session(str(session.id))
        answer = renew(browser(user), session)
        assert answer.status_code == 409
        assert answer.json()["message"]

    def test_where_a_process_died_before_it_could_note_the_renewal(
        self, form, session, user, monkeypatch
    ):
        with monkeypatch.context() as patch:
            patch.setattr(type(EmbedSession.objects), "note", lambda *args, **more: killed())
            with pytest.raises(Killed):
                sessions.renew(session.row, Reference.read(session.reference))
        assert renew(browser(user), session).status_code == 409

    def test_where_craftkit_renews_another(self, form, session, user, monkeypatch, caplog):
        other = embedding.create_session("crew-list")
        refresh = Embed.refresh_session
        monkeypatch.setattr(
            Embed,
            "refresh_session",
            lambda self, token: replace(refresh(self, token), id=other.id),
        )
        before = EmbedSession.objects.get(pk=other.row.pk).renew_token
        assert renew(browser(user), session).status_code == 409
        assert EmbedSession.objects.get(pk=other.row.pk).renew_token == before
        own = [one for one in caplog.records if one.name == sessions.logger.name]
        assert [one.levelname for one in own] == ["ERROR"]

    def test_where_its_row_holds_nothing_to_renew_it_with(self, form, session, user):
        EmbedSession.objects.update(renew_token="")
        assert renew(browser(user), session).status_code == 409
        assert calls(form, REFRESH) == 0


class TestItIsTriedAgain:
    @pytest.mark.parametrize(
        "fault", [{"kind": "refused"}, {"kind": "status", "status": 503}, {"kind": "garbage"}]
    )
    def test_while_craftkit_is_down(self, form, session, user, fault):
        form.sandbox.faults.add(**fault, path=REFRESH, times=None)
        answer = renew(browser(user), session)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "craftkit.sandbox" not in answer.text
        form.sandbox.faults.clear()
        assert renew(browser(user), session).status_code == 200

    def test_while_embedding_is_switched_off(self, form, session, user):
        form.sandbox.project().embed_enabled = False
        assert renew(browser(user), session).status_code == 503


@pytest.mark.parametrize(
    ("until", "error"),
    [
        (datetime(2040, 1, 1), ValueError),  # noqa: DTZ001
        (datetime.max.replace(tzinfo=UTC), ValueError),
        (datetime.min.replace(tzinfo=UTC), ValueError),
        (timedelta(days=1), TypeError),
        (1e300, TypeError),
    ],
)
def test_until_when_it_is_renewed_is_a_moment(form, until, error):
    with pytest.raises(error, match="renewable_until"):
        embedding.create_session("crew-list", renewable_until=until)
    assert not form.sandbox.embed_sessions


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_renew_it_at_once_both_go_on(form, user, monkeypatch):
    monkeypatch.setattr(sessions, "_NOTED_WITHIN", 30.0)
    session = embedding.create_session("crew-list", user=user)
    answers = []

    def tab() -> None:
        row = EmbedSession.objects.get()
        answers.append(sessions.renew(row, Reference.read(session.reference)))

    assert at_once(tab, tab, tab) == [None] * 3
    assert len({one.token for one in answers}) == 3
    assert renew(browser(user), session).status_code == 200


def test_no_log_tells_what_opens_or_renews_a_session(form, session, user, caplog):
    caplog.set_level(logging.DEBUG)
    secrets = {session.token, session.reference, session.row.renew_token.reveal()}
    form.sandbox.faults.add("status", path=REFRESH, status=503)
    assert renew(browser(user), session).status_code == 503
    secrets.add(renew(browser(user), session).json()["token"])
    form.sandbox.revoke_embed_session(str(session.id))
    assert renew(browser(user), session).status_code == 409
    assert caplog.records
    assert not [one for one in secrets if one in caplog.text]


class TestPublishing:
    @pytest.fixture
    def designs(self, form, user):
        grant(user, "design_template")
        return embedding.create_session("crew-list", mode="edit", user=user)

    def test_has_the_templates_read(self, form, designs, user):
        form.put_template("crew-list", {"variables": [], "loops": []})
        assert Template.objects.get(slug="crew-list").version == 1
        assert renew(browser(user), designs, PUBLISHED).status_code == 204
        form.run()
        assert Template.objects.get(slug="crew-list").version == 2

    def test_is_nobody_elses_to_tell(self, form, designs):
        assert renew(browser(), designs, PUBLISHED).status_code == 403
        assert not Job.objects.filter(kind=Job.Kind.TEMPLATES).exists()

    def test_is_no_address_of_a_forms_page(self, form, session, designs, user):
        assert session.for_browser["publishedUrl"] == ""
        assert renew(browser(user), session, PUBLISHED).status_code == 403
        assert not Job.objects.filter(kind=Job.Kind.TEMPLATES).exists()
        assert designs.for_browser["publishedUrl"] == PUBLISHED
