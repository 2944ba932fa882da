"""The kit's signers: what a test lets them do is what the project hears of."""

from __future__ import annotations

import pytest

from django_craftkit.models import Render, SignatureRequest
from django_craftkit.signals import render_overdue
from django_craftkit.signing import AnchorTag, Recipient

GUEST = Recipient("Eleni", "Papadopoulou", "eleni@example.com", order=2)
SKIPPER = Recipient("Søren", "Kjær", "soren@example.com", order=1)
OFFICE = Recipient("Office", "", "office@example.com", designation="CC", order=3)


@pytest.fixture
def request_of_two(craftkit) -> SignatureRequest:
    render = Render.objects.request("agreement", {}, key="a")
    request = render.send_for_signature(
        [GUEST, SKIPPER, OFFICE], anchor_tags=[AnchorTag("x", "signature")]
    )
    with pytest.raises(ValueError, match="let the worker run"):
        craftkit.sign(request)
    craftkit.run()
    return request


def outcome(craftkit, request: SignatureRequest) -> tuple[str, set[str]]:
    craftkit.run()
    craftkit.pass_time(60)
    craftkit.run()
    request.refresh_from_db()
    signed = request.recipients.exclude(signed_at=None)
    return request.status, {one.email for one in signed}


def test_everybody_signs(craftkit, request_of_two):
    assert craftkit.sign(request_of_two).status == "completed"
    assert outcome(craftkit, request_of_two) == ("completed", {GUEST.email, SKIPPER.email})
    with pytest.raises(ValueError, match="nobody is left"):
        craftkit.sign(request_of_two)
    with pytest.raises(ValueError, match="nobody is left"):
        craftkit.decline(request_of_two)


def test_one_signs_after_the_other(craftkit, request_of_two):
    craftkit.sign(request_of_two, "eleni@example.com")
    assert outcome(craftkit, request_of_two) == ("viewed", {GUEST.email})
    craftkit.sign(craftkit.signatures[0], "soren@example.com")
    assert outcome(craftkit, request_of_two)[0] == "completed"


def test_whose_turn_it_is_looks_at_it(craftkit, request_of_two):
    there = craftkit.view(request_of_two)
    assert [one.email for one in there.recipients if one.viewed_at] == [SKIPPER.email]
    assert outcome(craftkit, request_of_two) == ("viewed", set())


def test_one_declines_and_says_why(craftkit, request_of_two):
    there = craftkit.decline(request_of_two, "eleni@example.com", reason="Too windy")
    assert there.decline_reason == "Too windy"
    assert outcome(craftkit, request_of_two) == ("declined", set())


def test_whose_turn_it_is_declines(craftkit, request_of_two):
    there = craftkit.decline(request_of_two)
    assert [one.email for one in there.recipients if one.declined_at] == [SKIPPER.email]


def test_run_tells_of_documents_that_are_overdue(craftkit):
    craftkit.sandbox.render_time = None
    heard = []

    def listen(instance, **kwargs):
        heard.append(instance.is_overdue)

    render_overdue.connect(listen)
    try:
        Render.objects.request("invoice", {})
        craftkit.run()
        assert heard == []
        craftkit.pass_time(901)
        craftkit.run()
        craftkit.run()
    finally:
        render_overdue.disconnect(listen)
    assert heard == [True]
