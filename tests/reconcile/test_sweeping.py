"""The sweep: whatever is due gets its job back, and nothing that is left to itself does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from django_craftkit.models import (
    ArchivedFile,
    Change,
    EngagementEvent,
    Job,
    Render,
    Share,
    SignatureRequest,
)
from django_craftkit.models.problems import ErrorCode
from django_craftkit.projects import get_client
from django_craftkit.reconcile import due, sweeping
from django_craftkit.reconcile.due import DUE
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.steps import STEPS
from django_craftkit.signals import (
    batch_completed,
    engagement_recorded,
    form_submitted,
    project_paused,
    render_succeeded,
    share_created,
    signature_sent,
)
from django_craftkit.signing import AnchorTag, Recipient
from tests.forms.helpers import form_event, store
from tests.helpers import LEASE_OVER, at_once, connected, settle
from tests.reconcile.resources import LINK
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.testing import Kit

    Check = Callable[[], object]
    State = Callable[[Kit, Any], Check]

pytestmark = pytest.mark.django_db

PEOPLE = [Recipient("Ada", "", "ada@example.com")]

#: What leaves something to do, by the kind of the job that does it.
STATES: dict[str, State] = {}


def state(kind: str) -> Callable[[State], State]:
    def note(make: State) -> State:
        STATES[f"{kind}: {make.__name__.replace('_', ' ')}"] = make
        return make

    return note


def status(row: Any) -> str:
    row.refresh_from_db()
    return str(row.status)


def ready(craftkit: Kit) -> Render:
    render = Render.objects.request("invoice", {}, key="i-1")
    settle(craftkit)
    render.refresh_from_db()
    return render


def send(render: Render) -> SignatureRequest:
    return render.send_for_signature(PEOPLE, anchor_tags=[AnchorTag("here", "date")], name="One")


def sent(craftkit: Kit) -> SignatureRequest:
    request = send(ready(craftkit))
    craftkit.run()
    assert status(request) == "sent"
    return request


@state("render")
def unbuilt(craftkit, settings):
    Order.objects.create(number="1", confirmed=True)
    return lambda: status(Render.objects.get(key="invoice-1")) == "succeeded"


@state("render")
def unsent(craftkit, settings):
    render = Render.objects.request("invoice", {})
    return lambda: status(render) == "succeeded"


@state("render")
def under_way_at_craftkit(craftkit, settings):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    render = Render.objects.request("invoice", {})
    craftkit.run()
    assert status(render) == "queued"
    return lambda: status(render) == "succeeded"


@state("render")
def withdrawn_before_it_was_sent(craftkit, settings):
    render = Render.objects.request("invoice", {})
    render.withdraw()
    return lambda: status(render) == "cancelled"


@state("adopt")
def made_elsewhere(craftkit, settings):
    settings.CRAFTKIT = {"ADOPT": True}
    get_client().renders.render("invoice", {}, idempotency_key="1")
    craftkit.pass_time(5)
    craftkit.run()
    craftkit.pass_time(LEASE_OVER)
    craftkit.run()
    return lambda: Render.objects.filter(status="succeeded").exists()


@state("share")
def waiting_for_its_document(craftkit, settings):
    share = Render.objects.request("invoice", {}).share()
    return lambda: status(share) == "active"


@state("share")
def whose_answer_was_lost(craftkit, settings):
    render = ready(craftkit)
    craftkit.sandbox.faults.add("cut_after", **LINK.post)
    share = render.share()
    craftkit.run()
    assert status(share) == "unknown"
    return lambda: status(share) == "active"


@state("share")
def to_be_revoked(craftkit, settings):
    share = ready(craftkit).share()
    craftkit.run()
    share.revoke()
    return lambda: status(share) == "revoked"


@state("share")
def a_mail_that_is_unwanted_before_it_was_sent(craftkit, settings):
    share = ready(craftkit).email("ada@example.com")
    share.revoke()
    return lambda: status(share) == "revoked" and craftkit.outbox == []


@state("share")
def a_mail_that_nobody_knows_of_and_nobody_wants(craftkit, settings):
    render = ready(craftkit)
    share = render.share()
    craftkit.run()
    Share.objects.update(by_mail=True, status="unknown", error_code=ErrorCode.MAIL_UNPROVEN)
    Share.objects.update(revoke_requested_at=timezone.now())
    return lambda: status(share) == "revoked"


@state("email")
def unsent_mail(craftkit, settings):
    share = ready(craftkit).email("ada@example.com")
    return lambda: status(share) == "active" and len(craftkit.outbox) == 1


@state("email")
def whose_worker_died_in_the_call(craftkit, settings):
    share = ready(craftkit).email("ada@example.com")
    Share.objects.update(sending_since=timezone.now())
    return lambda: status(share) == "active" and len(craftkit.outbox) == 1


@state("engagement")
def seen_here(craftkit, settings):
    ready(craftkit).record("viewed")
    return lambda: (
        not EngagementEvent.objects.to_be_told().exists()
        and len(craftkit.sandbox.renders[0].events) == 1
    )


@state("send signature")
def unsent_request(craftkit, settings):
    request = send(ready(craftkit))
    return lambda: status(request) == "sent"


@state("signature")
def cancelled_before_it_was_sent(craftkit, settings):
    request = send(ready(craftkit))
    request.cancel()
    return lambda: status(request) == "cancelled" and craftkit.signatures == []


@state("signature")
def cancelled_while_it_is_open(craftkit, settings):
    request = sent(craftkit)
    request.cancel()
    return lambda: status(request) == "cancelled"


@state("poll signatures")
def signed_without_a_webhook(craftkit, settings):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    request = sent(craftkit)
    craftkit.sign(request)
    return lambda: status(request) == "completed"


@state("archive signature")
def signed_and_not_kept(craftkit, settings):
    request = sent(craftkit)
    craftkit.sandbox.faults.add("status", status=503, method="GET", path="*/certificate")
    craftkit.sign(request)
    craftkit.run()
    return lambda: ArchivedFile.objects.filter(object_id=request.pk).count() == 2


@state("archive render")
def rendered_and_not_kept(craftkit, settings):
    settings.CRAFTKIT = {"ARCHIVE_RENDERS": True}
    ready(craftkit)
    craftkit.sandbox.faults.add("status", status=503, method="GET", path="*/download")
    render = Render.objects.request("invoice", {"number": 2})
    craftkit.run()
    assert Job.objects.get().kind == "archive render"
    return lambda: ArchivedFile.objects.filter(kind="render", object_id=render.pk).exists()


@state("supersede")
def ready_and_not_in_the_place_of_the_old_one(craftkit, settings):
    old = ready(craftkit)
    new = old.supersede({"number": 2})
    Render.objects.filter(pk=new.pk).update(status="succeeded")
    return lambda: Render.objects.filter(pk=old.pk, withdrawn_at__isnull=False).exists()


@state("batch")
def a_batch_whose_documents_have_ended(craftkit: Kit, settings: Any) -> Check:
    batch = Render.objects.request_many("invoice", [], data=dict)

    def is_done() -> bool:
        batch.refresh_from_db()
        return batch.completed_at is not None

    return is_done


SIGNALS = {
    "batch": (
        batch_completed,
        lambda craftkit: Render.objects.request_many("invoice", [], data=dict),
    ),
    "render": (render_succeeded, lambda craftkit: ready(craftkit)),
    "share": (share_created, lambda craftkit: ready(craftkit).share()),
    "engagement": (engagement_recorded, lambda craftkit: ready(craftkit).record("viewed")),
    "signature": (signature_sent, lambda craftkit: send(ready(craftkit))),
    "form": (form_submitted, lambda craftkit: store(form_event())),
    "project": (project_paused, lambda craftkit: refused(craftkit)),
}


def refused(craftkit: Kit) -> None:
    craftkit.sandbox.faults.add("status", status=401, code="unauthorized", times=1)
    Render.objects.request("invoice", {})


def look(craftkit: Kit, is_done: Check) -> None:
    """Sweep, in another minute than before, and carry out what comes of it."""
    craftkit.pass_time(sweeping.RESTORE_EVERY)
    Loop(threads=1, wake=None).sweep()
    for _ in range(100):
        if is_done():
            return
        craftkit.run()
        craftkit.pass_time(10)
    raise AssertionError(list(Job.objects.values("kind", "error")))


@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
def test_what_is_due_comes_to_its_end_after_its_job_got_lost(craftkit, settings, make):
    is_done = make(craftkit, settings)
    Job.objects.all().delete()
    assert not is_done()
    look(craftkit, is_done)


@pytest.mark.parametrize("kind", SIGNALS)
def test_what_is_to_be_announced_is_announced_after_its_job_got_lost(craftkit, kind):
    signal, act = SIGNALS[kind]
    heard: list[str] = []

    def receiver(change, **kwargs):
        heard.append(change.signal)

    with connected(receiver, signal):
        act(craftkit)
        craftkit.run()
        heard.clear()
        Change.objects.filter(signal=signal.name).update(announcement="due", receivers=None)
        Job.objects.all().delete()
        look(craftkit, lambda: not Change.objects.filter(announcement="due").exists())
    assert heard == [signal.name]


def test_every_kind_of_job_is_looked_after():
    # Templates are nothing that somebody has requested: they are read by the hour.
    requested = set(STEPS) - {Job.Kind.TEMPLATES}
    assert set(STEPS) == set(Job.Kind)
    assert {row.kind for row in DUE} == requested
    assert {name.partition(":")[0] for name in STATES} | {
        f"announce {kind}" for kind in SIGNALS
    } == requested


def unsettled(craftkit: Kit, settings: Any) -> None:
    ready(craftkit).email("ada@example.com")
    Share.objects.update(
        status="unknown", error_code=ErrorCode.MAIL_UNPROVEN, sending_since=timezone.now()
    )


def unsettled_and_unwanted_of_a_document_that_is_gone(craftkit: Kit, settings: Any) -> None:
    unsettled(craftkit, settings)
    Share.objects.update(revoke_requested_at=timezone.now())


def confirmed_and_unwanted_of_a_document_that_is_gone(craftkit: Kit, settings: Any) -> None:
    unsettled(craftkit, settings)
    Share.objects.update(
        status="active", error_code="", revoke_requested_at=timezone.now(), mailed_at=timezone.now()
    )


def unknown_at_craftkit_for_more_than_a_day(craftkit: Kit, settings: Any) -> None:
    sent(craftkit).cancel()
    SignatureRequest.objects.update(unknown_since=timezone.now() - timedelta(days=2), poll_at=None)


def ready_before_documents_were_kept(craftkit: Kit, settings: Any) -> None:
    ready(craftkit)
    settings.CRAFTKIT = {"ARCHIVE_RENDERS": True}
    craftkit.pass_time(600)
    Render.objects.request("invoice", {"number": 2})
    settle(craftkit)
    assert ArchivedFile.objects.count() == 1


def at_its_end(craftkit: Kit, settings: Any) -> None:
    render = ready(craftkit)
    render.share()
    request = sent(craftkit)
    craftkit.sign(request)
    settle(craftkit)


def seen_of_a_document_that_is_made_anew(craftkit: Kit, settings: Any) -> None:
    render = ready(craftkit)
    render.record("viewed")
    Render.objects.update(status="failed", remote_id=None)


IDLE = (
    unsettled,
    unsettled_and_unwanted_of_a_document_that_is_gone,
    confirmed_and_unwanted_of_a_document_that_is_gone,
    unknown_at_craftkit_for_more_than_a_day,
    ready_before_documents_were_kept,
    at_its_end,
    seen_of_a_document_that_is_made_anew,
)


@pytest.mark.parametrize("make", IDLE, ids=lambda make: make.__name__.replace("_", " "))
def test_what_is_left_to_itself_gets_no_job(craftkit, settings, make):
    make(craftkit, settings)
    Job.objects.all().delete()
    craftkit.pass_time(60)
    for part in range(3):
        assert sweeping.restore_jobs(part) == 0
    assert sweeping.lost_jobs() == {}


def test_what_has_a_job_keeps_it_as_it_is(craftkit):
    render = Render.objects.request("invoice", {})
    Job.objects.update(due_at=timezone.now() + timedelta(days=1), failures=3)
    before = Job.objects.values().get()
    assert sweeping.restore_jobs(0) == 0
    Job.objects.restore("render", [render.pk], "default")
    assert Job.objects.values().get() == before


def test_one_sweep_in_a_minute_mends(craftkit):
    start = timezone.now().replace(second=0, microsecond=0)
    seconds = [0, 5, 59, 60, 61, 200, 230, 300]
    firsts = [sweeping.note_sweep(start + timedelta(seconds=passed)) for passed in seconds]
    assert firsts == [True, False, False, True, False, True, False, True]


@pytest.mark.django_db(transaction=True)
def test_of_sweeps_at_once_one_mends(craftkit):
    start = timezone.now().replace(second=0, microsecond=0)
    sweeping.note_sweep(start)
    firsts = []
    at_once(*[lambda: firsts.append(sweeping.note_sweep(start + timedelta(seconds=61)))] * 3)
    assert sorted(firsts) == [False, False, True]


def test_a_large_table_is_looked_through_slice_by_slice(craftkit, monkeypatch):
    render = ready(craftkit)
    for number in range(10):
        render.share(key=str(number))
    settle(craftkit)
    Share.objects.update(revoke_requested_at=timezone.now())
    assert sweeping.lost_jobs() == {"share": 10}
    monkeypatch.setattr(due, "SLICE", 2)
    restored = [sweeping.restore_jobs(part) for part in range(5)]
    assert max(restored) <= 4
    assert sum(restored) == 10
    assert sweeping.lost_jobs() == {}
