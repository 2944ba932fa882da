"""Embed sessions: noted once, with what they are about; what renews them is shown nowhere."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from django.core import serializers
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_craftkit.client.secret import Secret
from django_craftkit.models import EmbedSession
from tests.forms.helpers import TOKEN, UNTIL, minted
from tests.helpers import at_once
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


def test_a_session_is_noted_with_one_statement(django_user_model):
    order = Order.objects.create(number="1")
    ada = django_user_model.objects.create_user("ada")
    session = minted()
    order_type = EmbedSession(source=order).source_type_id
    with CaptureQueriesContext(connection) as queries:
        EmbedSession.objects.note(
            "default",
            session,
            mode="fill",
            template="handover",
            source=order,
            tenant_id="t",
            actor_id="a",
            user=ada,
            collect=True,
        )
    assert [query["sql"].split()[0] for query in queries if "craftkit_" in query["sql"]] == [
        "INSERT"
    ]
    row = EmbedSession.objects.for_object(order).get()
    assert (row.remote_id, row.source, row.source_type_id) == (session.id, order, order_type)
    assert (row.mode, row.template, row.collect) == ("fill", "handover", True)
    assert (row.tenant_id, row.actor_id, row.created_by) == ("t", "a", ada)
    assert (row.expires_at, row.renew_token.reveal()) == (UNTIL, TOKEN)


def test_one_that_was_renewed_stays_about_what_it_was():
    order = Order.objects.create(number="1")
    session = minted()
    first = EmbedSession.objects.note("default", session, mode="fill", source=order)
    later = UNTIL.replace(hour=19)
    renewed = minted(id=session.id, expires_at=later, renew_token=Secret("ert_next"))
    again = EmbedSession.objects.note("default", renewed)
    row = EmbedSession.objects.get()
    assert row == first == again
    assert (row.mode, row.source) == ("fill", order)
    for one in (row, again):
        assert (one.expires_at, one.renew_token.reveal()) == (later, "ert_next")


def test_each_project_has_sessions_of_its_own():
    session = minted()
    for project in ("default", "eu"):
        EmbedSession.objects.note(project, session)
    assert EmbedSession.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_at_once_note_one_row():
    session = minted()
    note = lambda: EmbedSession.objects.note("default", session)  # noqa: E731
    assert at_once(note, note) == [None, None]
    assert EmbedSession.objects.count() == 1


def test_of_an_erased_one_nothing_is_written():
    session = minted()
    EmbedSession.objects.note("default", session)
    EmbedSession.objects.update(erased_at=UNTIL, renew_token="")
    EmbedSession.objects.note("default", session)
    assert EmbedSession.objects.get().renew_token.reveal() == ""


@pytest.mark.parametrize(
    "wrong", [{"tenant_id": "t" * 161}, {"actor_id": "a\0"}, {"mode": "m" * 17}]
)
def test_what_can_not_be_stored_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EmbedSession.objects.note("default", minted(), **wrong)
    assert not EmbedSession.objects.exists()


def test_a_moment_that_no_zone_has_is_stored():
    EmbedSession.objects.note("default", minted(expires_at=datetime.max.replace(tzinfo=UTC)))
    assert EmbedSession.objects.get().expires_at.year == 9999


def test_without_time_zones_it_expires_by_this_sites_clock(settings):
    settings.USE_TZ = False
    EmbedSession.objects.note("default", minted())
    assert EmbedSession.objects.get().expires_at == UNTIL.replace(hour=18, tzinfo=None)


def test_what_renews_it_shows_itself_nowhere():
    noted = EmbedSession.objects.note("default", minted())
    for row in (noted, EmbedSession.objects.get()):
        said = f"{row!r} {row} {vars(row)} {list(EmbedSession.objects.values())}"
        assert TOKEN not in said
        assert TOKEN not in serializers.serialize("json", [row])
        with pytest.raises(TypeError):
            pickle.dumps(row)
    assert EmbedSession.objects.filter(renew_token=TOKEN).exists()
