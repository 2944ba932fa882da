"""Documents of what was submitted: one for each submission, about what the form was for."""

from __future__ import annotations

import uuid

import pytest
from django.db.models.signals import post_save

from django_craftkit.models import Change, FormSubmission, Job, Render
from django_craftkit.signals import form_submitted
from tests.forms.helpers import DATA, form_event, noted, store
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


def charter(submission: FormSubmission) -> dict:
    return {**submission.data, "form": submission.template}


@pytest.fixture
def declared(declare) -> None:
    declare(form_submitted, sender=FormSubmission, template="charter")(charter)


def test_a_submission_becomes_a_document_about_the_object_of_its_form(craftkit, declared):
    order = Order.objects.create(number="1")
    store(form_event(noted(source=order).remote_id))
    craftkit.run()
    render = Render.objects.for_object(order).get()
    assert (render.status, render.template) == ("succeeded", "charter")
    assert craftkit.renders[0].data == {**DATA, "form": "handover"}


def test_one_without_an_object_is_what_its_document_is_about(craftkit, declared):
    store(form_event())
    craftkit.run()
    submission = FormSubmission.objects.get()
    assert Render.objects.for_object(submission).get().status == "succeeded"


def test_each_submission_is_a_document_of_its_own_and_twice_delivered_it_is_one(craftkit, declared):
    session = noted(source=Order.objects.create(number="1"))
    first, second = (form_event(session.remote_id, data={"number": n}) for n in "12")
    for body in (first, second, first):
        store(body)
    craftkit.run()
    store(second)
    craftkit.run()
    assert [one.data["number"] for one in craftkit.renders] == ["1", "2"]


def test_a_change_that_is_told_twice_is_one_document(craftkit, declared):
    store(form_event())
    craftkit.run()
    Change.objects.filter(kind="form").update(announcement="due", receivers=None)
    Job.objects.request(Job.Kind.ANNOUNCE_FORM, [FormSubmission.objects.get().pk])
    craftkit.run()
    assert Change.objects.get(kind="form").announcement == "done"
    assert Render.objects.count() == 1


def test_a_function_that_raises_is_called_again_and_shown_until_it_is_mended(craftkit, declare):
    broken = [True]

    def charter(submission):
        if broken:
            raise LookupError("no such tariff")
        return {}

    declare(form_submitted, sender=FormSubmission, template="charter")(charter)
    store(form_event())
    craftkit.run()
    (change,) = Change.objects.filter(kind="form")
    ((name, failed),) = change.receivers.items()
    assert name == f"render_on.{charter.__module__}.charter"
    assert (failed["attempts"], failed["error_code"]) == (1, "builder_failed")
    assert not Render.objects.exists()
    broken.clear()
    craftkit.pass_time(60)
    craftkit.run()
    assert Render.objects.get().status == "succeeded"


def test_nothing_to_render_is_no_document(craftkit, declare):
    declare(form_submitted, sender=FormSubmission, template="charter")(lambda_of_none)
    store(form_event())
    craftkit.run()
    assert not Render.objects.exists()
    assert Change.objects.get(kind="form").announcement == "done"


def lambda_of_none(submission: FormSubmission) -> None:
    return None


def test_a_document_that_craftkit_refuses_is_retried_with_what_was_submitted(craftkit, declared):
    craftkit.sandbox.faults.add("render_failed")
    store(form_event())
    craftkit.run()
    render = Render.objects.get()
    assert render.status == "failed"
    assert render.retry()
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.data["amount"]) == ("succeeded", 42)


@pytest.mark.parametrize(
    "options", [{"recheck": bool}, {"queryset": Order.objects.all()}], ids=["recheck", "queryset"]
)
def test_what_would_be_asked_of_another_object_is_refused(declare, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        declare(form_submitted, sender=FormSubmission, template="charter", **options)(charter)


def test_without_a_key_template_and_object_are_it(craftkit, declare):
    def invoice(order):
        return {}

    declare(post_save, sender=Order, template="invoice")(invoice)
    order = Order.objects.create(number=uuid.uuid4().hex)
    order.save()
    Order.objects.create(number="2")
    craftkit.run()
    assert Render.objects.count() == 2
    assert Render.objects.for_object(order).get().status == "succeeded"
