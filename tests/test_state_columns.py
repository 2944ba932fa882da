"""State is kept in columns: no words that somebody may type, or a key may begin with, are one."""

from __future__ import annotations

import uuid

import pytest
from django.db import transaction
from django.template import Context, Template
from django.utils import timezone

from django_craftkit.models import KeyConflict, Render, Share, SignatureRequest
from django_craftkit.models.arguments import hash_key
from django_craftkit.projects import get_client
from tests.helpers import settle
from tests.test_sign_with import BOTH, agree, agreed

#: What the package writes, and anybody may.
MADE_ANEW, OTHER_DATA = "Its document is made anew.", "Its document was retried with other data."


@pytest.fixture
def adopted(craftkit, ready) -> Share:
    """A link that somebody made at Craftkit."""
    get_client().shares.create(ready.remote_id)
    ready.refresh()
    settle(craftkit)
    return Share.objects.get()


def handed_out(render: Render) -> str:
    page = Template("{% load craftkit %}{% craftkit_share_url render %}")
    return page.render(Context({"render": render}))


@pytest.mark.parametrize("key", ["found in the attic", f"found {uuid.UUID(int=1)}"])
def test_a_link_is_handed_out_whatever_its_key_begins_with(craftkit, ready, key):
    share = ready.share(key=key, wait=True)
    assert not share.is_found
    assert Share.objects.to_hand_out().get() == share
    assert handed_out(ready) == share.url
    assert ready.share(key=key) == share


def test_a_link_that_craftkit_had_is_handed_out_to_nobody(craftkit, adopted):
    assert adopted.is_found
    assert not Share.objects.to_hand_out().exists()
    assert handed_out(adopted.render) == ""


def test_nobody_gets_an_adopted_link_by_its_key(craftkit, adopted):
    share = adopted.render.share(key=adopted.key, wait=True)
    assert share != adopted
    assert (share.is_found, share.url == adopted.url) == (False, False)


def test_nor_one_that_an_earlier_version_adopted(craftkit, adopted):
    Share.objects.update(adopted=None, key_hash=hash_key(adopted.key))
    assert Share.objects.get().is_found
    assert not Share.objects.to_hand_out().exists()
    with transaction.atomic(), pytest.raises(KeyConflict, match="adopted"):
        adopted.render.share(key=adopted.key)
    assert Share.objects.count() == 1


def test_a_key_that_names_a_link_is_in_nobodys_way_when_that_is_left_behind(craftkit, ready):
    mailed = ready.email("ada@example.com", wait=True)
    ready.share(key=f"found {mailed.remote_id}")
    Share.objects.filter(pk=mailed.pk).update(status="unknown", error_code="mail_unproven")
    mailed.refresh_from_db()
    assert mailed.retry()
    assert Share.objects.get(adopted=True).revoke_requested_at is not None
    settle(craftkit)
    assert len(craftkit.outbox) == 2


@BOTH
@pytest.mark.parametrize("reason", [MADE_ANEW, OTHER_DATA])
def test_who_cancels_in_the_packages_own_words_has_nobody_asked_again(craftkit, signal, reason):
    craftkit.sandbox.faults.add("render_failed")
    craftkit.sandbox.render_time = 60.0
    agree(signal)
    craftkit.run()
    SignatureRequest.objects.get().cancel(reason=reason)
    craftkit.pass_time(300)
    craftkit.run()
    render = Render.objects.get()
    assert render.status == "failed"
    for _ in range(2):
        render.retry()
        craftkit.run()
        craftkit.pass_time(300)
        craftkit.run()
    render.refresh_from_db()
    assert (render.status, SignatureRequest.objects.get().status) == ("succeeded", "cancelled")
    assert craftkit.sandbox.signatures == []


@pytest.mark.parametrize("reason", [MADE_ANEW, OTHER_DATA, "Not wanted."])
def test_what_an_earlier_version_took_back_is_known_by_its_words(craftkit, reason):
    craftkit.sandbox.faults.add("render_failed")
    agree(agreed)
    craftkit.run()
    SignatureRequest.objects.update(
        status="cancelled",
        cancel_requested_at=timezone.now(),
        cancel_reason=reason,
        cancel_code=None,
        declared=None,
    )
    Render.objects.get().retry()
    craftkit.run()
    is_asked_again = reason in (MADE_ANEW, OTHER_DATA)
    assert len(craftkit.sandbox.signatures) == is_asked_again
    first, *later = SignatureRequest.objects.order_by("pk")
    assert [one.declared for one in later] == [True] * is_asked_again
    assert first.is_declared


def test_a_request_that_an_earlier_version_declared_is_taken_back_with_its_attempt(craftkit):
    craftkit.sandbox.faults.add("render_failed")
    agree(agreed)
    craftkit.run()
    SignatureRequest.objects.update(status="pending", declared=None)
    Render.objects.get().retry({"number": "by hand"})
    request = SignatureRequest.objects.get()
    assert request.ended_by == SignatureRequest.CancelCode.OTHER_DATA
    assert not SignatureRequest.objects.declared().filter(cancel_code=None).exists()


def test_how_its_end_was_asked_for_is_forgotten_by_a_retry(craftkit, ready):
    request = SignatureRequest.objects.create(
        render=ready,
        key="k",
        key_hash=hash_key("k"),
        status="rejected",
        cancel_code="requested",
        cancel_requested_at=timezone.now(),
    )
    assert request.retry()
    assert (request.cancel_code, request.ended_by) == (None, None)
