"""What a test has fail: which call, how, how often, and what becomes of the document."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit import client
from django_craftkit.models import ProjectState, Render, Share
from django_craftkit.projects import get_client
from django_craftkit.testing.failures import CALLS

if TYPE_CHECKING:
    from collections.abc import Callable

ID = str(uuid.uuid4())
TENANT, ACTOR = client.Tenant("t", "t"), client.Actor("a", "a")

#: What makes each call, by its name in the client.
MADE: dict[str, Callable[[client.Craftkit], Any]] = {
    "*": lambda craftkit: craftkit.templates.delete("invoice"),
    "renders.render": lambda craftkit: craftkit.renders.render("invoice", {}),
    "renders.get": lambda craftkit: craftkit.renders.get(ID),
    "renders.download": lambda craftkit: craftkit.renders.download(ID),
    "shares.create": lambda craftkit: craftkit.shares.create(ID),
    "shares.list": lambda craftkit: craftkit.shares.list(ID),
    "shares.revoke": lambda craftkit: craftkit.shares.revoke(ID, ID),
    "emails.send": lambda craftkit: craftkit.emails.send(ID, "ada@example.com"),
    "engagement.read": lambda craftkit: craftkit.engagement.read(ID),
    "engagement.track": lambda craftkit: craftkit.engagement.track(ID, "viewed"),
    "signatures.create": lambda craftkit: craftkit.signatures.create(
        ID,
        [client.Recipient("A", "B", "a@example.com", designation="CC")],
        idempotency_key="a",
    ),
    "signatures.list": lambda craftkit: craftkit.signatures.list(),
    "signatures.get": lambda craftkit: craftkit.signatures.get(ID),
    "signatures.cancel": lambda craftkit: craftkit.signatures.cancel(ID),
    "signatures.signed_pdf": lambda craftkit: craftkit.signatures.signed_pdf(ID),
    "signatures.certificate": lambda craftkit: craftkit.signatures.certificate(ID),
    "templates.list": lambda craftkit: craftkit.templates.list(),
    "templates.get": lambda craftkit: craftkit.templates.get("invoice"),
    "embed.create_session": lambda craftkit: craftkit.embed.create_session(
        TENANT, ACTOR, scope=client.Scope("create"), permissions={}
    ),
    "embed.refresh_session": lambda craftkit: craftkit.embed.refresh_session("ert_12345678"),
}


@pytest.mark.parametrize("name", CALLS)
def test_each_call_can_fail_and_no_other_does(craftkit, name):
    mine = get_client(max_retries=0)
    craftkit.fail_next(name, status=418)
    for other in MADE.values() if name != "*" else ():
        if other is not MADE[name]:
            with pytest.raises(Exception) as caught:
                raise_or_stop(other(mine))
            assert getattr(caught.value, "status", None) != 418
    for fails in (True, False):
        with pytest.raises(Exception) as caught:
            raise_or_stop(MADE[name](mine))
        assert (getattr(caught.value, "status", None) == 418) == fails


def raise_or_stop(_: object) -> None:
    raise StopIteration


@pytest.fixture
def render(craftkit) -> Render:
    return Render.objects.request("invoice", {}, key="i-1")


def carried_out(craftkit: Any, render: Render, *, seconds: int = 120) -> tuple[str, int]:
    """Return what becomes of it, after a while, and how many documents there are."""
    for _ in range(2):
        craftkit.run()
        craftkit.pass_time(seconds)
    craftkit.run()
    render.refresh_from_db()
    return render.status, len(craftkit.renders)


@pytest.mark.parametrize(
    ("failure", "status", "number"),
    [
        ({}, "succeeded", 1),
        ({"status": 503, "retry_after": 30}, "succeeded", 1),
        ({"how": "lost"}, "succeeded", 1),
        ({"how": "timeout"}, "succeeded", 1),
        ({"how": "down"}, "succeeded", 1),
        ({"code": "rate_limited"}, "succeeded", 1),
        ({"code": "template_not_found", "message": "No such thing."}, "rejected", 0),
        ({"status": 400}, "rejected", 0),
        ({"code": "unauthorized", "times": None}, "pending", 0),
        ({"how": "down", "times": None}, "pending", 0),
    ],
)
def test_what_becomes_of_a_document(craftkit, render, failure, status, number):
    craftkit.fail_next("renders.render", **failure)
    craftkit.run()
    render.refresh_from_db()
    assert render.status != "succeeded"
    assert len(craftkit.renders) == (failure.get("how") in ("lost", "timeout"))
    assert carried_out(craftkit, render) == (status, number)
    if status == "rejected":
        assert render.error_code == failure.get("code", "invalid_request")
        assert render.error == failure.get("message", "Failed by the test.")


def test_it_goes_on_when_craftkit_recovers(craftkit, render):
    craftkit.fail_next(code="unauthorized", times=None)
    assert carried_out(craftkit, render) == ("pending", 0)
    assert ProjectState.objects.paused().exists()
    craftkit.recover()
    assert carried_out(craftkit, render, seconds=900) == ("succeeded", 1)
    assert not ProjectState.objects.paused().exists()


def test_so_many_calls_fail(craftkit):
    craftkit.fail_next("templates.list", times=2)
    mine = get_client(max_retries=0)
    for _ in range(2):
        with pytest.raises(client.CraftkitError):
            mine.templates.list()
    assert list(mine.templates.list()) == []


def test_a_document_that_is_accepted_fails(craftkit, render):
    craftkit.fail_next_render("Out of paper", template="receipt")
    assert carried_out(craftkit, render) == ("succeeded", 1)
    receipt = Render.objects.request("receipt", {})
    assert carried_out(craftkit, receipt) == ("failed", 2)
    assert receipt.error == craftkit.renders[1].error_message == "Out of paper"


def test_a_mail_whose_answer_is_lost_goes_out_once(craftkit, render):
    craftkit.fail_next("emails.send", how="lost")
    share = render.email("ada@example.com")
    carried_out(craftkit, render, seconds=900)
    assert Share.objects.get(pk=share.pk).status == "active"
    assert len(craftkit.outbox) == 1


@pytest.mark.parametrize(
    ("call", "failure", "said"),
    [
        ("renders.make", {}, "renders.render"),
        ("*", {"how": "slow"}, "timeout"),
        ("*", {"how": "lost", "status": 500}, "leave code, status and retry_after out"),
        ("*", {"code": "no_such_code"}, "status="),
        ("*", {"status": 99}, "200 to 599"),
        ("*", {"times": 0}, "at least 1"),
    ],
)
def test_what_can_not_be_is_refused(craftkit, call, failure, said):
    with pytest.raises(ValueError, match=said):
        craftkit.fail_next(call, **failure)
    assert len(craftkit.sandbox.faults) == 0
