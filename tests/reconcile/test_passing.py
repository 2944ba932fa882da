"""What is passing, or nobody knows to be Craftkit's word, decides nothing; a proof takes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from django_craftkit.models import ArchivedFile, EngagementEvent, Job, ProjectState, Render, Share
from django_craftkit.reconcile import calls
from tests.helpers import LEASE_OVER, settle, work
from tests.reconcile import resources
from tests.reconcile.helpers import TROUBLE
from tests.reconcile.resources import (
    MAIL,
    REASON,
    SIGNATURE,
    cancel,
    check_ended,
    check_made,
    resource_of,
)
from tests.reconcile.signatures.helpers import history
from tests.reconcile.signatures.helpers import send as ask_to_sign
from tests.seams import before_marking_as_sent, before_sending

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.testing import Kit

PAGE = "<html><head><title>Not Found</title></head></html>"
GATEWAY = '{"message": "no Route matched with those values"}'

#: What something between us and Craftkit may say, or what is over soon: `tests/client` has more.
PASSING: dict[str, dict[str, Any]] = {
    "408": {"status": 408, "code": "request_timeout"},
    "404 page": {"status": 404, "body": PAGE},
    "409 JSON": {"status": 409, "body": GATEWAY},
    "422 empty": {"status": 422, "body": ""},
}


@dataclass
class Step:
    """A call of the worker's: what leads to it, and how it ends if nothing is wrong."""

    method: str
    path: str
    #: Makes what the step is about, with whatever has to happen before.
    make: Callable[[Kit, Render], Any]
    #: The row's statuses while the answer is a passing one.
    open: set[str]
    end: str
    error: str = ""

    @property
    def call(self) -> dict[str, str]:
        return {"method": self.method, "path": self.path}


def new_render(craftkit: Kit, ready: Render) -> Render:
    return Render.objects.request("invoice", {"number": "2"}, key="i-2")


def queued_render(craftkit: Kit, ready: Render) -> Render:
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.sandbox.render_time = 3.0
    return new_render(craftkit, ready)


def mail(craftkit: Kit, ready: Render) -> Share:
    return ready.email("ada@example.com")


def lost_mail(craftkit: Kit, ready: Render) -> Share:
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.sandbox.faults.add("cut_after", method="POST", path="/v1/renders/*/email")
    return mail(craftkit, ready)


def unwanted_link(craftkit: Kit, ready: Render) -> Share:
    share = ready.share()
    craftkit.run()
    share.refresh_from_db()
    share.revoke()
    return share


def seen_render(craftkit: Kit, ready: Render) -> Render:
    EngagementEvent.objects.create(
        project=ready.project, render=ready, type="viewed", occurred_at=timezone.now()
    )
    Job.objects.schedule("engagement", [ready.pk], ready.project)
    return ready


def read_render(craftkit: Kit, ready: Render) -> Render:
    Job.objects.schedule("engagement", [ready.pk], ready.project)
    return ready


def signing(craftkit: Kit, ready: Render) -> Any:
    return ask_to_sign(ready)


def open_signing(craftkit: Kit, ready: Render) -> Any:
    request = ask_to_sign(ready)
    craftkit.run()
    request.refresh_from_db()
    return request


def unwanted_signing(craftkit: Kit, ready: Render) -> Any:
    request = open_signing(craftkit, ready)
    cancel(request)
    return request


def archived_render(craftkit: Kit, ready: Render) -> Render:
    Job.objects.schedule("archive render", [ready.pk], ready.project)
    return ready


STEPS = {
    "render": Step("POST", "/v1/templates/*/render", new_render, {"pending"}, "succeeded"),
    "poll": Step("GET", "/v1/renders/*", queued_render, {"queued"}, "succeeded"),
    "link": Step(
        "POST", "/v1/renders/*/shares", lambda _, ready: ready.share(), {"unknown"}, "active"
    ),
    "mail": Step("POST", "/v1/renders/*/email", mail, {"unknown"}, "active"),
    "settle": Step("GET", "/v1/renders/*/shares", lost_mail, {"unknown"}, "active"),
    "prove": Step("GET", "/v1/renders/*/engagement", lost_mail, {"unknown"}, "active"),
    "revoke": Step("DELETE", "/v1/renders/*/shares/*", unwanted_link, {"active"}, "revoked"),
    "tell": Step("POST", "/v1/renders/*/events", seen_render, {"succeeded"}, "succeeded"),
    "hear": Step("GET", "/v1/renders/*/engagement", read_render, {"succeeded"}, "succeeded"),
    "sign": Step("POST", "/v1/signatures", signing, {"pending"}, "sent"),
    "cancel": Step(
        "POST", "/v1/signatures/*/cancel", unwanted_signing, {"sent"}, "cancelled", REASON
    ),
    "keep": Step("GET", "/v1/*/download", archived_render, {"succeeded"}, "succeeded"),
}


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_what_is_passing_decides_nothing_and_the_true_answer_does(craftkit, ready, step, answer):
    row = step.make(craftkit, ready)
    telling = EngagementEvent.objects.to_be_told()
    told = telling.count()
    craftkit.sandbox.faults.add("status", **step.call, times=None, **answer)
    # Longer than anybody may still be sending it, or waits before a next look.
    for _ in range(3):
        craftkit.run()
        craftkit.pass_time(1000)
        row.refresh_from_db()
        assert (row.status, row.error_code) in {(status, "") for status in step.open}
        assert telling.count() == told
        assert Job.objects.exclude(kind="poll signatures").exists(), "somebody tries again"

    craftkit.sandbox.faults.clear()
    for _ in range(30):
        craftkit.run()
        if not Job.objects.exclude(kind="poll signatures").exists():
            break
        craftkit.pass_time(60)
    row.refresh_from_db()
    assert (row.status, row.error_code, row.error) == (step.end, "", step.error)
    assert not telling.exists()
    if isinstance(row, Share):
        assert len(craftkit.shares) == 1
        assert len(craftkit.outbox) == row.by_mail
    assert len(craftkit.renders) == Render.objects.count()
    if step is STEPS["keep"]:
        assert ArchivedFile.objects.count() == 1


# Whatever goes wrong

REFUSED_BY_THE_PROVIDER = {"status": 502, "code": "signature_provider_error"}
WORSE: dict[str, dict[str, Any]] = {
    "502": {"kind": "status", **REFUSED_BY_THE_PROVIDER},
    "502 after the fact": {"kind": "status", "handled": True, **REFUSED_BY_THE_PROVIDER},
    "half an answer": {"kind": "truncated"},
    "a proxy's 404": {"kind": "garbage", "status": 404},
}
#: What goes wrong with which step, by its name.
TROUBLES = {
    f"{name} {what}": (STEPS[name], trouble)
    for name, troubles in {
        **dict.fromkeys(("render", "poll", "link", "mail", "settle", "prove", "revoke"), TROUBLE),
        "sign": {
            **TROUBLE,
            **WORSE,
            "401": {"kind": "status", "status": 401, "code": "unauthorized"},
            "no provider": {"kind": "status", "status": 503, "code": "signatures_unavailable"},
            "the provider refuses": {"kind": "signature_send_failed"},
            **{
                f"a proxy's {status}": {"kind": "garbage", "status": status}
                for status in (408, 421, 425)
            },
        },
        "cancel": {**TROUBLE, **WORSE, "it fails": {"kind": "signature_cancel_failed"}},
    }.items()
    for what, trouble in troubles.items()
}


@pytest.mark.parametrize(("step", "trouble"), TROUBLES.values(), ids=TROUBLES)
def test_whatever_goes_wrong_it_is_done_once(craftkit, ready, step, trouble):
    row = step.make(craftkit, ready)
    where = {} if trouble["kind"].startswith("signature_") else step.call
    craftkit.sandbox.faults.add(**{"times": 3, **trouble, **where})
    resources.settle(craftkit)
    row.refresh_from_db()
    assert (row.status, row.error_code, row.error) == (step.end, "", step.error)
    assert not ProjectState.objects.paused().exists()
    assert {one.id for one in craftkit.renders} == {
        str(remote_id) for remote_id in Render.objects.values_list("remote_id", flat=True)
    }
    assert len(craftkit.renders) == Render.objects.count()
    if isinstance(row, Render):
        return
    resource = resource_of(row)
    if step.make is lost_mail:
        assert MAIL.posts(craftkit) == 1
    if step.end == resource.ended:
        check_ended(craftkit, resource, row, made=True)
        assert resource is not SIGNATURE or history(row) == ["sent", "cancelled"]
        return
    check_made(craftkit, resource, row)
    if resource is SIGNATURE:
        craftkit.sandbox.sign_all(str(row.remote_id))
        resources.settle(craftkit)
        row.refresh_from_db()
        assert row.status == "completed"


# A proof takes back that it was sent


RENDER = {"method": "POST", "path": "/v1/templates/*/render"}

PROOFS: dict[str, dict[str, Any]] = {
    "429": {"kind": "status", "status": 429, "code": "rate_limited"},
    "429 of a proxy": {"kind": "garbage", "status": 429},
    "403": {"kind": "status", "status": 403, "code": "forbidden"},
    "402": {"kind": "status", "status": 402, "code": "signature_credits_exhausted"},
    "503": {"kind": "status", "status": 503, "code": "queue_unavailable"},
    "refused": {"kind": "refused"},
    "no connection": {"kind": "connect_timeout"},
}
NO_PROOFS: dict[str, dict[str, Any]] = {
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503, "code": "busy"},
    "403 of a proxy": {"kind": "garbage", "status": 403},
    "404 of a proxy": {"kind": "garbage", "status": 404},
    "cut": {"kind": "cut_before"},
    "no answer": {"kind": "delay", "seconds": 600},
}


@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_a_document_that_was_refused_and_then_withdrawn_is_not_rendered(craftkit, proof):
    craftkit.sandbox.faults.add(**proof, **RENDER)
    render = Render.objects.request("invoice", {"number": "1"}, key="i-1")
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.sent_at, render.sending_since) == ("pending", None, None)
    render.withdraw()
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, craftkit.renders) == ("cancelled", [])


@pytest.mark.parametrize("answer", NO_PROOFS.values(), ids=NO_PROOFS)
def test_a_document_that_may_be_there_is_asked_for_before_it_is_given_up(craftkit, answer):
    craftkit.sandbox.faults.add(**answer, **RENDER)
    render = Render.objects.request("invoice", {"number": "1"}, key="i-1")
    craftkit.run()
    render.refresh_from_db()
    assert render.sent_at is not None
    render.withdraw()
    settle(craftkit)
    render.refresh_from_db()
    assert [there.id for there in craftkit.renders] == [str(render.remote_id)]


@pytest.mark.parametrize("status", [400, 403, 404, 408, 409, 422])
def test_a_page_that_hides_a_mail_that_was_sent_has_it_sent_once(craftkit, ready, status):
    craftkit.sandbox.faults.add("garbage", status=status, handled=True, **MAIL.post)
    share = ready.email("ada@example.com")
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, share.error) == ("active", "")
    assert [mail.share.id for mail in craftkit.outbox] == [str(share.remote_id)]


def noted(row: Any) -> Any:
    """Return when a call for a row was first noted, and when the last one was."""
    return type(row).objects.values("sent_at", "sending_since").get(pk=row.pk)


SENT = pytest.mark.parametrize(
    "step", [STEPS["render"], STEPS["sign"]], ids=["render", "signature request"]
)


@SENT
def test_a_late_refusal_takes_nothing_back_that_another_is_sending(
    craftkit, ready, monkeypatch, step
):
    row = step.make(craftkit, ready)
    seen = []

    def take_over() -> None:
        """Have another worker send it, whose answer is lost."""
        seen.append(noted(row))
        craftkit.pass_time(LEASE_OVER)
        craftkit.sandbox.faults.add("cut_before", **step.call)
        work()
        seen.append(noted(row))
        craftkit.sandbox.faults.add(**PROOFS["503"], **step.call)

    before_sending(monkeypatch, step.path.rpartition("/")[2], take_over)
    work()
    first, other = seen
    assert first["sending_since"] < other["sending_since"]
    assert noted(row) == other
    assert other["sent_at"] == first["sent_at"], "when it was first sent"


@SENT
def test_who_read_the_row_before_another_began_does_not_send_it(craftkit, ready, monkeypatch, step):
    row = step.make(craftkit, ready)
    craftkit.sandbox.faults.add("cut_before", times=None, **step.call)
    before = len(craftkit.sandbox.requests)
    seen = []

    def be_faster() -> None:
        craftkit.pass_time(LEASE_OVER)
        work()
        seen.append(noted(row))

    before_marking_as_sent(monkeypatch, type(row), be_faster)
    work()
    assert len(craftkit.sandbox.requests) == before + 1
    assert [noted(row)] == seen
    assert None not in seen[0].values()


@SENT
def test_a_refusal_of_an_earlier_attempt_takes_nothing_back(craftkit, ready, monkeypatch, step):
    row = step.make(craftkit, ready)
    seen = []

    def begin_another() -> None:
        type(row).objects.filter(pk=row.pk).update(attempt=2)
        seen.append(noted(row))
        craftkit.sandbox.faults.add(**PROOFS["503"], **step.call)

    before_sending(monkeypatch, step.path.rpartition("/")[2], begin_another)
    work()
    assert [noted(row)] == seen
    assert None not in seen[0].values()


def test_the_next_attempt_has_not_been_sent(craftkit):
    craftkit.sandbox.faults.add("status", status=500, **RENDER)
    render = Render.objects.request("invoice", {"number": "2"}, key="i-2")
    craftkit.run()
    Render.objects.filter(pk=render.pk).update(status="failed")
    assert render.retry()
    assert (render.sent_at, render.sending_since) == (None, None)


# How long nobody sends it again


@pytest.mark.parametrize(
    ("lease", "timeout"), [(120, (3.05, 30)), (120, (3.05, 100)), (120, 50), (5, (1, 3)), (600, 1)]
)
def test_nothing_is_sent_again_while_a_call_may_be_under_way(craftkit, settings, lease, timeout):
    settings.CRAFTKIT = {**settings.CRAFTKIT, "LEASE": lease}
    alone = {**settings.CRAFTKIT_PROJECTS["default"], "TIMEOUT": timeout}
    settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "default": alone}
    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    wait = calls.seconds_until_over("default")
    assert wait >= lease
    # A worker begins within half a lease, or not at all.
    assert wait > lease / 2 + connect + read
    now = timezone.now()
    assert not calls.is_over("default", now - timedelta(seconds=wait - 0.1), now)
    assert calls.is_over("default", now - timedelta(seconds=wait), now)


@pytest.mark.parametrize("ask", [mail, lambda _, ready: ready.share()], ids=["mail", "link"])
def test_what_was_lost_is_sent_again_once_the_longest_call_is_over(craftkit, settings, ready, ask):
    alone = {**settings.CRAFTKIT_PROJECTS["default"], "TIMEOUT": (3.05, 100)}
    settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "default": alone}
    craftkit.sandbox.faults.add("cut_before", method="POST", path="/v1/renders/*")
    share = ask(craftkit, ready)
    for _ in range(16):
        craftkit.run()
        craftkit.pass_time(10)
    share.refresh_from_db()
    assert (share.status, craftkit.shares) == ("unknown", []), "its lease is over for long"
    settle(craftkit)
    share.refresh_from_db()
    assert (share.status, len(craftkit.shares)) == ("active", 1)


def test_a_request_is_not_given_up_while_its_call_may_be_under_way(craftkit, settings, ready):
    alone = {**settings.CRAFTKIT_PROJECTS["default"], "TIMEOUT": (3.05, 100)}
    settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "default": alone}
    craftkit.sandbox.faults.add("cut_before", method="POST", path="/v1/signatures")
    request = ask_to_sign(ready)
    craftkit.run()
    request.cancel()
    for _ in range(16):
        craftkit.run()
        craftkit.pass_time(10)
    request.refresh_from_db()
    assert request.status == "pending"
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, craftkit.signatures) == ("cancelled", [])
