"""What is asked for of a document is made once, whenever it is ready and whatever goes wrong."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from django_craftkit.models import Job, Render, RenderWithdrawn, Share
from tests.helpers import LEASE_OVER, Killed, at_once, elsewhere, killed, work
from tests.reconcile.resources import (
    DOCUMENT,
    LINK,
    MAIL,
    SIGNATURE,
    check_ended,
    check_made,
    each,
    each_of_all,
    each_resource,
    each_share,
    is_nothing_there,
    mail,
    settle,
)
from tests.reconcile.signatures.helpers import history
from tests.seams import after_sending, before_sending

#: As a project without ``USE_TZ`` writes it, which this one is not.
NAIVE = timezone.now().replace(tzinfo=None)


@each_resource
def test_it_waits_for_its_document_and_is_made_when_that_is_ready(craftkit, resource):
    craftkit.sandbox.render_time = 60.0
    row = resource.ask(Render.objects.request("invoice", {}))
    craftkit.run()
    row.refresh_from_db()
    assert (row.status, resource.posts(craftkit)) == ("pending", 0)
    assert is_nothing_there(craftkit)
    craftkit.pass_time(61)
    craftkit.run()
    check_made(craftkit, resource, row)


@each_share
def test_a_document_that_is_not_ready_at_craftkit_is_tried_again(craftkit, ready, resource):
    craftkit.sandbox.faults.add("status", status=409, code="not_ready", times=2, **resource.post)
    row = resource.ask(ready)
    settle(craftkit)
    check_made(craftkit, resource, row)


@each_share
def test_one_that_has_expired_before_it_was_made_is_rejected(craftkit, ready, resource):
    row = resource.ask(ready, expires_at=timezone.now() + timedelta(minutes=1))
    craftkit.pass_time(120)
    craftkit.run()
    row.refresh_from_db()
    assert (row.status, row.error_code) == ("rejected", "expired")
    assert resource.posts(craftkit) == 0


@each(DOCUMENT, LINK, MAIL)
@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid_request"), (404, "not_found"), (404, "template_not_found"), (422, "x" * 80)],
)
def test_what_craftkit_refuses_is_rejected_in_its_words_for_each_field_and_made_by_a_retry(
    craftkit, target, resource, status, code
):
    issues = {"fieldErrors": {"to": ["Invalid email"]}}
    said = {"code": code, "message": "No such address.", "issues": issues}
    craftkit.sandbox.faults.add(
        "status", status=status, body=json.dumps({"error": said}), **resource.post
    )
    row = resource.ask(target)
    settle(craftkit)
    row.refresh_from_db()
    assert (row.status, row.error_code) == ("rejected", code[:64])
    fields = {} if status == 404 else issues["fieldErrors"]
    assert (row.error, row.field_errors) == (said["message"], fields)
    assert resource is DOCUMENT or row.sending_since is None
    assert not Job.objects.exists()

    assert row.retry()
    settle(craftkit)
    check_made(craftkit, resource, row)
    assert row.field_errors == {}


@each_resource
def test_one_that_was_rejected_is_not_made_once_its_document_is_withdrawn(
    craftkit, ready, resource
):
    craftkit.sandbox.faults.add("status", status=400, code="invalid_request", **resource.post)
    row = resource.ask(ready)
    craftkit.run()
    ready.withdraw()
    with pytest.raises(RenderWithdrawn):
        row.retry()
    settle(craftkit)
    row.refresh_from_db()
    assert row.status == "rejected"
    assert is_nothing_there(craftkit)


@pytest.mark.parametrize(
    ("ask", "error", "named"),
    [
        (lambda render: mail(render, message="x" * 2001), ValueError, "2000"),
        (lambda render: render.share(message="x" * 2001), ValueError, "2000"),
        (lambda render: mail(render, recipient_name="x" * 201), ValueError, "200"),
        (lambda render: mail(render, message="a\0b"), ValueError, "message"),
        (lambda render: render.email("nobody"), ValidationError, None),
        (lambda render: render.email(""), ValidationError, None),
        (lambda render: render.share(channel="email"), ValidationError, None),
        (lambda render: render.share(channel="fax"), ValueError, "fax"),
        *[
            (lambda render, ask=ask: ask(render, expires_at=NAIVE), ValueError, "expires_at")
            for ask in (mail, Render.share)
        ],
    ],
)
def test_a_share_is_checked_before_it_is_written(craftkit, ready, ask, error, named):
    with pytest.raises(error, match=named):
        ask(ready)
    assert not Share.objects.exists()


@each_resource
def test_who_asks_in_vain_for_a_withdrawn_document_can_go_on(craftkit, ready, resource):
    ready.withdraw()
    with transaction.atomic():
        with pytest.raises(RenderWithdrawn):
            resource.ask(ready)
        assert not resource.model.objects.exists()


@each_resource
@pytest.mark.parametrize("wait", [True, 5])
def test_one_that_is_waited_for_is_made_and_ended_when_it_returns(craftkit, resource, wait):
    craftkit.sandbox.render_time = 0.0
    row = resource.ask(Render.objects.request("invoice", {}), wait=wait)
    assert row.status == resource.made
    check_made(craftkit, resource, row)
    assert resource.take_back(row, wait=wait)
    assert row.status == resource.ended
    check_ended(craftkit, resource, row, made=True)


@pytest.mark.django_db(transaction=True)
@each(MAIL, SIGNATURE)
@pytest.mark.parametrize("wait", [False, 5], ids=["later", "at once"])
def test_several_that_ask_at_the_same_time_get_one(craftkit, ready, resource, wait):
    errors = at_once(*[lambda: resource.ask(Render.objects.get(pk=ready.pk), wait=wait)] * 4)
    assert errors == [None] * 4
    settle(craftkit)
    check_made(craftkit, resource, resource.model.objects.get())
    assert resource.posts(craftkit) == 1


@each_resource
@pytest.mark.parametrize("when", [before_sending, after_sending])
def test_a_worker_that_dies_while_it_sends_leaves_one(craftkit, ready, monkeypatch, resource, when):
    row = resource.ask(ready)
    when(monkeypatch, resource.ending, killed)
    with pytest.raises(Killed):
        work()
    row.refresh_from_db()
    assert (row.status, row.sending_since is None) == ("pending", False)
    settle(craftkit)
    check_made(craftkit, resource, row)


@pytest.mark.django_db(transaction=True)
@each_of_all
def test_a_worker_that_takes_over_what_was_sent_makes_no_other(
    craftkit, target, monkeypatch, resource
):
    """A link and an e-mail are read back; what has a key is sent again under it."""
    is_share = resource.model is Share
    if resource is not DOCUMENT:
        craftkit.sandbox.faults.add("webhook_dropped", times=None)
    row = resource.ask(target)

    def take_over():
        craftkit.pass_time(LEASE_OVER)
        elsewhere(work)

    (after_sending if is_share else before_sending)(monkeypatch, resource.ending, take_over)
    work()
    settle(craftkit)
    check_made(craftkit, resource, row)
    assert resource.posts(craftkit) == (1 if is_share else 2)
    assert resource is not SIGNATURE or history(row) == ["sent"]


@pytest.mark.django_db(transaction=True)
@each_share
def test_two_alike_of_which_one_was_never_made_end_as_one_each(
    craftkit, ready, monkeypatch, resource
):
    """The lost one is looked for while the other's answer is on its way, and takes its link."""
    craftkit.sandbox.faults.add("cut_before", **resource.post)
    lost = resource.ask(ready, key="1")
    work()
    other = resource.ask(ready, key="2")

    def look_for_the_lost_one():
        craftkit.pass_time(6)
        elsewhere(work)

    after_sending(monkeypatch, resource.ending, look_for_the_lost_one)
    work()
    settle(craftkit)
    check_made(craftkit, resource, lost, other)
