"""The texts that say where people sign are looked up in the PDF before it is sent, and billed."""

from __future__ import annotations

import pytest

from django_craftkit.models import Job, Render, SignatureRequest
from django_craftkit.pdf import reading
from django_craftkit.reconcile.signatures import anchors
from django_craftkit.signing import AnchorTag
from tests.helpers import Killed, killed, settle
from tests.reconcile.signatures.helpers import GUEST, POST, posts, until
from tests.seams import before_writing

THERE, NOT_THERE = "[[sign_here]]", "[[sign-there]]"
DOWNLOAD = {"method": "GET", "path": "/v1/renders/*/download"}


@pytest.fixture
def mode(settings):
    def switch(how: str) -> None:
        settings.CRAFTKIT = {"CHECK_ANCHORS": how}

    return switch


@pytest.fixture
def printed(craftkit) -> Render:
    """A ready document with a text to sign at."""
    render = Render.objects.request("invoice", {"sign": THERE})
    craftkit.run()
    return Render.objects.get(pk=render.pk)


def send(render: Render, *texts: str, **more) -> SignatureRequest:
    tags = [AnchorTag(text, "signature", ignore_if_not_present=None) for text in texts]
    return render.send_for_signature([GUEST], anchor_tags=tags, **more)


def answers(request: SignatureRequest) -> dict[str, str]:
    request.refresh_from_db()
    return {one["text"]: one["answer"] for one in request.anchor_findings or ()}


@pytest.mark.parametrize("how", ["warn", "refuse"])
def test_one_that_is_there_is_sent_after_one_look(craftkit, printed, mode, how):
    mode(how)
    request = send(printed, THERE)
    craftkit.run()
    assert answers(request) == {THERE: "found"}
    assert (request.status, posts(craftkit)) == ("sent", 1)
    gets = [one for one in craftkit.sandbox.requests if one.path.endswith("/download")]
    assert len(gets) == 1


def test_one_that_is_not_there_is_sent_with_a_warning(craftkit, printed, mode):
    mode("warn")
    request = send(printed, NOT_THERE)
    craftkit.run()
    assert answers(request) == {NOT_THERE: "missing"}
    assert request.status == "sent"


def test_one_that_is_not_there_is_refused_before_it_is_billed(craftkit, printed, mode):
    mode("refuse")
    request = send(printed, THERE, NOT_THERE)
    craftkit.run()
    assert answers(request) == {THERE: "found", NOT_THERE: "missing"}
    assert (request.status, request.error_code) == ("rejected", "anchors_missing")
    assert (request.error, posts(craftkit)) == (NOT_THERE, 0)
    (missing,) = [one for one in request.anchor_findings if one["answer"] == "missing"]
    assert missing["similar"] == [[THERE, 1]]

    assert request.retry()
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, request.attempt) == ("rejected", 2)
    assert request.retry(check=False)
    until(craftkit, request, "sent")
    assert (request.status, request.anchor_findings, posts(craftkit)) == ("sent", None, 1)


def test_one_that_may_be_missing_is_sent(craftkit, printed, mode):
    mode("refuse")
    tag = AnchorTag(NOT_THERE, "initials", ignore_if_not_present=True)
    sign = AnchorTag(THERE, "signature")
    request = printed.send_for_signature([GUEST], anchor_tags=[sign, tag])
    craftkit.run()
    assert answers(request)[NOT_THERE] == "missing"
    assert request.status == "sent"


@pytest.mark.parametrize("how", ["off", "nobody asks"])
def test_without_a_check_nothing_is_read(craftkit, printed, mode, how):
    mode("off" if how == "off" else "refuse")
    request = send(printed, NOT_THERE, check=how != "nobody asks")
    craftkit.run()
    request.refresh_from_db()
    assert (request.status, request.anchors_checked_at) == ("sent", None)


def test_without_pypdf_nothing_is_read(craftkit, printed, mode, monkeypatch):
    mode("refuse")
    monkeypatch.setattr(reading, "is_available", lambda: False)
    request = send(printed, NOT_THERE)
    craftkit.run()
    request.refresh_from_db()
    assert (request.status, request.anchors_checked_at) == ("sent", None)


def broken(file):
    raise ZeroDivisionError


def unreadable(file):
    raise reading.Unreadable("password")


@pytest.mark.parametrize("reads", [broken, unreadable])
def test_a_check_that_fails_stops_no_request(craftkit, printed, mode, monkeypatch, reads):
    mode("refuse")
    monkeypatch.setattr(reading, "read_pages", reads)
    request = send(printed, NOT_THERE)
    craftkit.run()
    assert answers(request) == {NOT_THERE: "unknown"}
    assert request.status == "sent"


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "status"])
def test_a_pdf_that_is_not_to_be_had_stops_no_request(craftkit, printed, mode, fault):
    mode("refuse")
    more = {"status": 500, "code": "internal"} if fault == "status" else {}
    craftkit.sandbox.faults.add(fault, times=None, **more, **DOWNLOAD)
    request = send(printed, NOT_THERE)
    craftkit.run()
    assert answers(request) == {NOT_THERE: "unknown"}
    assert request.status == "sent"


def test_a_key_that_is_wrong_pauses_the_project_and_decides_nothing(craftkit, printed, mode):
    mode("refuse")
    craftkit.sandbox.faults.add("status", status=401, code="unauthorized", times=1, **DOWNLOAD)
    request = send(printed, NOT_THERE)
    craftkit.run()
    assert answers(request) == {}
    settle(craftkit)
    assert answers(request) == {NOT_THERE: "missing"}
    assert request.status == "rejected"


def test_a_worker_that_dies_after_its_look_leaves_what_it_has_found(
    craftkit, printed, mode, monkeypatch
):
    mode("refuse")
    request = send(printed, NOT_THERE)
    with monkeypatch.context() as patch:
        before_writing(patch, SignatureRequest, killed, saying="anchors_missing")
        with pytest.raises(Killed):
            craftkit.run()
    assert answers(request) == {NOT_THERE: "missing"}
    assert request.status == "pending"
    monkeypatch.setattr(anchors, "look_for", broken)
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, request.error_code) == ("rejected", "anchors_missing")
    assert not Job.objects.exists()


def test_one_that_was_sent_is_not_looked_up_when_it_is_sent_again(craftkit, printed, mode):
    mode("off")
    craftkit.sandbox.faults.add("cut_after", **POST)
    request = send(printed, NOT_THERE)
    craftkit.run()
    mode("refuse")
    until(craftkit, request, "sent")
    assert request.anchors_checked_at is None
