"""What she has submitted by forms goes, with the sessions; what comes once more brings nothing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.db import connection

from django_craftkit.models import (
    EmbedSession,
    Erasure,
    FormSubmission,
    Render,
    WebhookDelivery,
    erasing_forms,
)
from django_craftkit.signals import form_submitted
from tests.erasing.people import ADDRESS, NAME, erase, places, request
from tests.forms.helpers import form_event, noted, store
from tests.helpers import Elsewhere, Killed, elsewhere, killed, until, work
from tests.seams import after_reading, before_committing, waits_for_lock
from tests.shop.models import Order

if TYPE_CHECKING:
    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db

HER = {"people": [{"name": NAME, "email": ADDRESS}]}


def submit(craftkit: Kit, session: EmbedSession | None = None, **more: object) -> bytes:
    body = form_event(session and session.remote_id, **{"data": HER, **more})
    store(body)
    craftkit.run()
    return body


def test_with_the_documents_about_an_object_its_forms_are_erased(craftkit: Kit, order: Order):
    request(order)
    session = noted(source=order, actor_id=ADDRESS, tenant_id=NAME)
    body = submit(craftkit, session)
    erasure = erase(order)
    assert places() == []
    row = FormSubmission.objects.get()
    assert erasure.erased["FormSubmission"] == [row.pk]
    assert erasure.erased["EmbedSession"] == [session.pk]
    assert ("embed session", session.remote_id) in {
        (one.what, one.remote_id) for one in erasure.at_craftkit
    }
    store(body)
    submit(craftkit, session, templateVersion=7)
    assert FormSubmission.objects.count() == 2
    assert places() == []


@pytest.mark.django_db(transaction=True)
def test_interrupted_half_way_the_next_call_tells_of_all(craftkit: Kit, order: Order, monkeypatch):
    sessions = [noted(source=order) for _ in range(3)]
    for session in sessions:
        submit(craftkit, session)
    monkeypatch.setattr(erasing_forms, "BATCH", 1)
    told = itertools.count(1)

    def stop(erasure: Erasure) -> None:
        if next(told) == 2:
            before_committing(monkeypatch, EmbedSession, killed)

    with pytest.raises(Killed):
        Render.objects.none().erase(objects=[order], on_progress=stop)
    assert EmbedSession.objects.filter(erased_at=None).count() == 1
    done = Render.objects.none().erase(objects=[order])
    assert done.erased["EmbedSession"] == [session.pk for session in sessions]
    assert done.counts["FormSubmission"] == 1
    assert places() == []


@pytest.mark.django_db(transaction=True)
def test_what_comes_after_forms_were_looked_for_goes_with_its_document(
    craftkit: Kit, order: Order, monkeypatch
):
    render = request(order)
    craftkit.run()
    render.refresh_from_db()
    session = noted(actor_id=ADDRESS)
    store(form_event(session.remote_id, data=HER, renderId=str(render.remote_id)))
    after_reading(monkeypatch, EmbedSession, lambda: elsewhere(work))
    erasure = erase(order)
    row = FormSubmission.objects.get()
    assert (erasure.erased["FormSubmission"], row.render) == ([row.pk], render)
    assert erasure.erased["EmbedSession"] == [session.pk]
    assert places() == []


@pytest.mark.django_db(transaction=True)
def test_what_comes_while_its_document_is_erased_waits_for_that(
    craftkit: Kit, order: Order, monkeypatch
):
    if connection.vendor == "sqlite":
        pytest.skip("Whoever writes is the only one.")
    render = request(order)
    craftkit.run()
    render.refresh_from_db()
    store(form_event(data=HER, renderId=str(render.remote_id)))
    waits = waits_for_lock(monkeypatch, Render)
    workers = []

    def begin() -> None:
        workers.append(Elsewhere(work))
        until(lambda: waits(workers[0]))

    before_committing(monkeypatch, Render, begin)
    erase(order)
    workers[0].wait()
    assert FormSubmission.objects.get().erased_at is not None
    assert places() == []


def test_where_there_is_no_document_the_object_is_named(craftkit: Kit, order: Order):
    submit(craftkit, noted(source=order))
    Render.objects.none().erase(objects=[order])
    assert places() == []
    assert FormSubmission.objects.get().erased_at is not None


def test_what_is_about_others_stays(craftkit: Kit, order: Order):
    request(order)
    submit(craftkit, noted(source=Order.objects.create(number="2")))
    erase(order)
    assert FormSubmission.objects.get().data == HER


def test_a_submission_that_a_document_is_about_goes_with_it(craftkit: Kit, declare):
    declare(form_submitted, sender=FormSubmission, template="charter")(data_of)
    submit(craftkit)
    Render.objects.for_object(FormSubmission.objects.get()).erase()
    assert places() == []


def data_of(submission: FormSubmission) -> dict:
    return dict(submission.data)


def test_by_address_submissions_that_hold_it_are_listed_and_stay(craftkit: Kit):
    submit(craftkit, data={"email": f" {ADDRESS.upper()}"})
    submit(craftkit, data={"remark": f"write to {ADDRESS}, please"})
    erasure = Render.objects.none().erase(addresses=[ADDRESS])
    first = FormSubmission.objects.order_by("pk")[0]
    assert erasure.mentioned_in_forms == [first.pk]
    assert first.data is not None
    assert all(one.body for one in WebhookDelivery.objects.all())
    # Whoever has looked at it names it.
    Render.objects.none().erase(objects=[first])
    first.refresh_from_db()
    assert (first.data, first.erased_at is None) == (None, False)
    assert Render.objects.none().erase(addresses=[ADDRESS]).mentioned_in_forms == []


def test_the_sessions_that_she_has_opened_go_with_her(craftkit: Kit, order: Order):
    user = User.objects.create_user("her")
    opened, other = noted(source=order, user=user, actor_id=str(user.pk)), noted(source=order)
    erasure = Render.objects.none().erase(objects=[user])
    assert erasure.erased["EmbedSession"] == [opened.pk]
    opened.refresh_from_db()
    assert (opened.created_by, opened.actor_id, opened.source) == (None, "", None)
    assert EmbedSession.objects.get(pk=other.pk).erased_at is None


def test_a_form_that_can_not_be_read_is_dropped_where_it_holds_her_address(craftkit: Kit):
    store(form_event(None, data={"email": ADDRESS}, sessionId=None))
    craftkit.run()
    assert WebhookDelivery.objects.get().status == "failed"
    Render.objects.none().erase(addresses=[ADDRESS])
    assert places() == []


def test_one_that_is_erased_is_not_listed_as_well(craftkit: Kit, order: Order):
    submit(craftkit, noted(source=order))
    erasure = Render.objects.none().erase(objects=[order], addresses=[ADDRESS])
    assert erasure.mentioned_in_forms == []


def test_it_is_erased_in_its_project_alone(craftkit: Kit, order: Order, settings):
    settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "eu": {}}
    submit(craftkit, noted(source=order))
    Render.objects.none().erase(objects=[order], project="eu")
    assert FormSubmission.objects.get().data == HER


def test_a_dry_run_counts_and_changes_nothing(craftkit: Kit, order: Order):
    submit(craftkit, noted(source=order))
    planned = Render.objects.none().erase(objects=[order], dry_run=True)
    assert FormSubmission.objects.get().data == HER
    done = Render.objects.none().erase(objects=[order])
    assert planned.counts == done.counts
    assert done.counts["FormSubmission"] == done.counts["EmbedSession"] == 1
