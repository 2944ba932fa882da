"""From the texts of a template's layout to the people who sign at them."""

from __future__ import annotations

import io

import pytest

from django_craftkit.models import Render
from django_craftkit.pdf.anchors import Answer, look_for
from django_craftkit.pdf.reading import read_pages
from django_craftkit.signing import AnchorTag
from tests.helpers import settle
from tests.reconcile.signatures.helpers import GUEST, SKIPPER, posts, until

MANIFEST = {
    "variables": [{"key": "skipper.signs", "label": "Skipper", "dataType": "text"}],
    "loops": [],
}
GUEST_SIGNS, SKIPPER_SIGNS, LOST = "{{guest_signs}}", "[[skipper_signs]]", "{{lost}}"
LAYOUT = [
    {"page": 1, "x": 10, "y": 80, "text": rf"Guest: \{GUEST_SIGNS}"},
    {"page": 2, "x": 10, "y": 20, "text": "{{skipper.signs}}", "size": 8},
    # Without the backslash it is a name that no data have.
    {"page": 2, "x": 10, "y": 30, "text": LOST},
]


@pytest.fixture
def agreement(craftkit) -> Render:
    craftkit.put_template("agreement", MANIFEST, layout_texts=LAYOUT)
    render = Render.objects.request("agreement", {"skipper": {"signs": SKIPPER_SIGNS}})
    craftkit.run()
    return Render.objects.get(pk=render.pk)


def send(render: Render, *texts: str):
    tags = [AnchorTag(text, "signature", recipient=number) for number, text in enumerate(texts)]
    return render.send_for_signature([GUEST, SKIPPER], anchor_tags=tags)


def test_the_anchors_are_found_on_their_pages(agreement):
    with agreement.open() as file:
        findings = look_for([GUEST_SIGNS, SKIPPER_SIGNS, LOST], read_pages(io.BytesIO(file.read())))
    assert [(one.answer, one.pages) for one in findings] == [
        (Answer.FOUND, (1,)),
        (Answer.FOUND, (2,)),
        (Answer.MISSING, ()),
    ]


@pytest.mark.parametrize("check", ["off", "refuse"])
def test_with_all_of_them_there_it_is_sent_and_signed(craftkit, agreement, settings, check):
    settings.CRAFTKIT = {"CHECK_ANCHORS": check}
    craftkit.sandbox.strict_anchors = True
    request = send(agreement, GUEST_SIGNS, SKIPPER_SIGNS)
    craftkit.run()
    craftkit.sign(request)
    craftkit.run()
    request.refresh_from_db()
    assert request.status == "completed"


def test_one_that_is_not_there_is_caught_before_it_is_sent(craftkit, agreement, settings):
    settings.CRAFTKIT = {"CHECK_ANCHORS": "refuse"}
    request = send(agreement, GUEST_SIGNS, LOST)
    craftkit.run()
    request.refresh_from_db()
    assert (request.status, request.error_code) == ("rejected", "anchors_missing")
    assert (request.error, posts(craftkit)) == (LOST, 0)


def test_unchecked_a_strict_craftkit_refuses_it_with_its_field(craftkit, agreement, settings):
    settings.CRAFTKIT = {"CHECK_ANCHORS": "off"}
    craftkit.sandbox.strict_anchors = True
    request = send(agreement, GUEST_SIGNS, LOST)
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, request.error_code) == ("rejected", "invalid_request")
    assert list(request.field_errors) == ["anchorTags.1.anchorString"]
    assert (posts(craftkit), craftkit.sandbox.billed_signatures) == (1, 0)

    craftkit.sandbox.strict_anchors = False
    assert request.retry()
    until(craftkit, request, "sent")
    assert request.field_errors == {}
