"""Open requests are asked about by pages where that saves calls, and none is left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_craftkit import clock
from django_craftkit.models import (
    Change,
    Job,
    ProjectState,
    Render,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.arguments import hash_key
from django_craftkit.reconcile.signatures import states as signatures
from django_craftkit.sandbox.api.signatures import as_json
from django_craftkit.sandbox.core.ids import recipient_id, signing_token, uuid7
from django_craftkit.sandbox.core.signatures import Recipient as Person
from django_craftkit.sandbox.core.signatures import SignatureRequest as Envelope
from tests.helpers import pass_time, settle, work
from tests.reconcile.signatures.helpers import GET, GUEST, LIST, calls, send, tell, until
from tests.seams import after_sending, before_writing, calls_take, process_webhooks, take_step

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600.0


def made(craftkit, count: int, *, ago: float, every: float = 0.0) -> list[Envelope]:
    """Put requests into Craftkit that were made some seconds ago, oldest first."""
    state = craftkit.sandbox.state
    render = craftkit.sandbox.renders[0]
    now = round(state.clock())
    envelopes = []
    for number in range(count):
        at = now - ago + number * every
        token = signing_token()
        person = Person(recipient_id(), "Eleni", None, GUEST.email, "Signer", 1, token, "")
        envelope = Envelope(
            id=uuid7(at),
            render=render,
            name=f"Charter {number}",
            recipients=[person],
            fields=[],
            anchor_tags=[],
            expiration_hours=8760,
            idempotency_key=None,
            created_at=at,
            expires_at=at + 8760 * HOUR,
            clock=state.clock,
        )
        render.project.signatures.add(envelope)
        envelopes.append(envelope)
    return envelopes


def known(
    envelopes: list[Envelope], *, status: str = "sent", is_due: bool = True
) -> list[SignatureRequest]:
    """Write the rows of requests, due now or final."""
    render, now = Render.objects.get(), clock.now()
    rows = SignatureRequest.objects.bulk_create(
        SignatureRequest(
            render=render,
            key=envelope.id,
            key_hash=hash_key(envelope.id),
            name=envelope.name,
            status=status,
            remote_id=envelope.id,
            accepted_at=datetime.fromtimestamp(envelope.created_at, UTC),
            poll_at=now if is_due else None,
        )
        for envelope in envelopes
    )
    rows = list(SignatureRequest.objects.filter(key__in=[row.key for row in rows]).order_by("pk"))
    SignatureRecipient.objects.bulk_create(
        SignatureRecipient(request=row, position=0, first_name="Eleni", email=GUEST.email)
        for row in rows
    )
    if is_due:
        signatures.schedule("default", now)
    return rows


def due() -> int:
    return SignatureRequest.objects.filter(poll_at__lte=clock.now()).count()


def statuses(rows: list[SignatureRequest]) -> list[str]:
    found = SignatureRequest.objects.in_bulk([row.pk for row in rows])
    return [found[row.pk].status for row in rows]


def lists(craftkit) -> int:
    return calls(craftkit, "GET", "/v1/signatures")


def gets(craftkit) -> int:
    asked = [call for call in craftkit.sandbox.requests if call.method == "GET"]
    return sum(call.path.startswith("/v1/signatures/") for call in asked)


@pytest.fixture
def quiet(craftkit, ready):
    """A document, and no webhook from now on, nor lately."""
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    ProjectState.objects.update(webhook_heard_at=None)


def test_hundreds_of_one_hour_are_asked_about_by_pages(craftkit, quiet):
    envelopes = made(craftkit, 250, ago=HOUR, every=14)
    rows = known(envelopes)
    for envelope in envelopes[::2]:
        craftkit.sandbox.view_signature(envelope.id, GUEST.email)
    work()
    assert (lists(craftkit), gets(craftkit)) == (3, 0)
    assert statuses(rows) == ["viewed", "sent"] * 125
    assert due() == 0


def test_few_old_ones_among_hundreds_that_are_over_cost_a_call_each_at_most(craftkit, quiet):
    old = [made(craftkit, 1, ago=days * 24 * HOUR)[0] for days in (50, 40, 30, 20, 10)]
    rows = known(old)
    over = made(craftkit, 600, ago=49 * 24 * HOUR, every=2 * HOUR)
    for envelope in over:
        envelope.outcome = "completed"
    known(over, status="completed", is_due=False)
    for envelope in old:
        craftkit.sandbox.view_signature(envelope.id, GUEST.email)
    work()
    assert lists(craftkit) + gets(craftkit) <= 5
    assert statuses(rows) == ["viewed"] * 5
    assert due() == 0


@pytest.mark.parametrize("count", [80, 150])
def test_none_of_those_made_at_the_same_moment_is_missed(craftkit, quiet, count):
    envelopes = made(craftkit, count, ago=HOUR)
    rows = known(envelopes)
    for envelope in envelopes:
        craftkit.sandbox.view_signature(envelope.id, GUEST.email)
    work()
    assert set(statuses(rows)) == {"viewed"}
    asked = lists(craftkit) + gets(craftkit)
    assert asked == 1 if count <= 100 else asked <= count + 1


def test_requests_that_nobody_here_has_made_are_passed_over(craftkit, quiet):
    strangers = made(craftkit, 400, ago=HOUR, every=8)
    rows = known(strangers[::40])
    for envelope in strangers:
        craftkit.sandbox.view_signature(envelope.id, GUEST.email)
    work()
    assert set(statuses(rows)) == {"viewed"}
    assert lists(craftkit) + gets(craftkit) <= len(rows)
    assert SignatureRequest.objects.count() == len(rows) == 10


def test_what_a_page_leaves_out_is_asked_for_by_its_id(craftkit, quiet):
    envelopes = made(craftkit, 5, ago=HOUR, every=60)
    rows = known(envelopes)
    for envelope in envelopes:
        craftkit.sandbox.view_signature(envelope.id, GUEST.email)
    page = {
        "signatures": [as_json(craftkit.sandbox.state, envelopes[1])],
        "nextCursor": None,
        "hasMore": False,
    }
    craftkit.sandbox.faults.add("status", status=200, body=json.dumps(page), times=None, **LIST)
    work()
    assert set(statuses(rows)) == {"viewed"}
    assert (lists(craftkit), gets(craftkit)) == (1, 4)


def test_one_that_is_due_alone_is_asked_for_by_its_id(craftkit, quiet):
    envelopes = made(craftkit, 3, ago=HOUR, every=60)
    rows = known(envelopes)
    later = clock.now() + timedelta(minutes=14)
    SignatureRequest.objects.exclude(pk=rows[1].pk).update(poll_at=later)
    work()
    assert (lists(craftkit), gets(craftkit)) == (0, 1)


def test_those_that_are_due_soon_come_along(craftkit, quiet):
    envelopes = made(craftkit, 3, ago=HOUR, every=60)
    known(envelopes)
    SignatureRequest.objects.filter(key=envelopes[0].id).update(
        poll_at=clock.now() + timedelta(minutes=5)
    )
    work()
    assert (lists(craftkit), gets(craftkit)) == (1, 0)
    assert not SignatureRequest.objects.filter(
        poll_at__lt=clock.now() + timedelta(minutes=9)
    ).exists()


@pytest.mark.parametrize(
    ("which", "odd"), [(0, {"status": None}), (1, {"id": 7}), (2, {"status": ["sent"]})]
)
def test_one_malformed_answer_holds_up_no_other(craftkit, quiet, monkeypatch, which, odd):
    """Neither on a page nor by itself, however often it is the first one."""
    from django_craftkit.sandbox.api import signatures as served

    envelopes = made(craftkit, 3, ago=HOUR, every=60)
    rows = known(envelopes)
    broken = envelopes[which]
    monkeypatch.setattr(
        served,
        "as_json",
        lambda state, one: as_json(state, one) | (odd if one is broken else {}),
    )
    others = [row for row in rows if row.key != broken.id]
    for end in ("viewed", "completed"):
        for envelope in envelopes:
            if end == "viewed":
                craftkit.sandbox.view_signature(envelope.id, GUEST.email)
            else:
                craftkit.sandbox.sign_all(envelope.id)
        work()
        assert statuses(others) == [end] * 2, "at once"
        craftkit.pass_time(HOUR / 2)
    assert statuses([row for row in rows if row.key == broken.id]) == ["sent"]
    monkeypatch.undo()
    for _ in range(4):
        work()
        craftkit.pass_time(900)
    assert statuses(rows) == ["completed"] * 3


def test_one_that_we_fail_to_join_holds_up_no_other(craftkit, quiet, monkeypatch, caplog):
    """Neither on a page nor by itself, and it is asked about again."""
    from django_craftkit.sandbox.api import signatures as served

    envelopes = made(craftkit, 3, ago=HOUR, every=60)
    rows = known(envelopes)

    def fail():
        raise OverflowError("year 10000 is out of range")

    monkeypatch.setattr(
        served,
        "as_json",
        lambda state, one: as_json(state, one) | ({"odd": "it is"} if one is envelopes[-1] else {}),
    )
    before_writing(monkeypatch, SignatureRequest, fail, saying="it is", times=None)
    for envelope in envelopes:
        craftkit.sandbox.view_signature(envelope.id, GUEST.email)
    work()
    assert statuses(rows) == ["viewed", "viewed", "sent"], "at once"
    assert "year 10000 is out of range" in caplog.text
    for envelope in envelopes:
        craftkit.sandbox.sign_all(envelope.id)
    craftkit.pass_time(HOUR / 2)
    work()
    assert statuses(rows) == ["completed", "completed", "sent"]
    monkeypatch.undo()
    craftkit.pass_time(HOUR)
    work()
    assert statuses(rows) == ["completed"] * 3


@pytest.mark.parametrize("end", ["viewed", "completed"])
def test_a_page_costs_as_many_queries_however_many_have_moved(craftkit, quiet, end):
    counts = []
    for number in (4, 40):
        for model in (SignatureRecipient, Change, Job, SignatureRequest):
            model.objects.all().delete()
        envelopes = made(craftkit, number, ago=HOUR)
        rows = known(envelopes)
        for envelope in envelopes:
            if end == "viewed":
                craftkit.sandbox.view_signature(envelope.id, GUEST.email)
            else:
                craftkit.sandbox.sign_all(envelope.id)
        job = Job.objects.get(kind=Job.Kind.POLL_SIGNATURES)
        with CaptureQueriesContext(connection) as queries:
            take_step(job)
        assert set(statuses(rows)) == {end}
        counts.append(len(queries))
    assert counts[1] <= counts[0] + 2


def test_a_failure_that_passes_costs_one_call_more_at_most(craftkit, quiet):
    rows = known(made(craftkit, 3, ago=HOUR, every=60))
    craftkit.sandbox.faults.add("status", status=500, **LIST)
    work()
    assert (lists(craftkit), gets(craftkit)) == (1, 3)
    assert due() == 0
    assert statuses(rows) == ["sent"] * 3


def test_while_craftkit_is_down_few_are_asked_and_then_all(craftkit, quiet):
    envelopes = made(craftkit, 60, ago=HOUR, every=60)
    rows = known(envelopes)
    for envelope in envelopes:
        craftkit.sandbox.view_signature(envelope.id, GUEST.email)
    craftkit.sandbox.faults.add("status", status=500, path="*", times=None)
    work()
    assert lists(craftkit) + gets(craftkit) <= 4
    job = Job.objects.get(kind=Job.Kind.POLL_SIGNATURES)
    assert job.failures == 1
    assert "500" in job.error
    craftkit.sandbox.faults.clear()
    for _ in range(20):
        pass_time(craftkit)
        work()
    assert set(statuses(rows)) == {"viewed"}


def test_a_wrong_key_pauses_the_project_and_loses_nothing(craftkit, quiet):
    envelopes = made(craftkit, 3, ago=HOUR, every=60)
    rows = known(envelopes)
    before = set(SignatureRequest.objects.values_list("poll_at", flat=True))
    for envelope in envelopes:
        craftkit.sandbox.view_signature(envelope.id, GUEST.email)
    craftkit.sandbox.revoke_key("ck_test_default")
    work()
    assert ProjectState.objects.paused().get().capability == ""
    assert set(SignatureRequest.objects.values_list("poll_at", flat=True)) == before
    assert lists(craftkit) + gets(craftkit) == 1
    craftkit.sandbox.add_key("ck_test_default", "default")
    craftkit.pass_time(60)
    work()
    assert set(statuses(rows)) == {"viewed"}
    assert not ProjectState.objects.paused().exists()


def test_a_round_that_asks_nothing_ends_no_pause(craftkit, quiet):
    """Nobody has answered that the key is right again."""
    rows = known(made(craftkit, 1, ago=HOUR))
    SignatureRequest.objects.update(poll_at=clock.now() + timedelta(hours=1))
    ProjectState.objects.pause(
        "default", "", code="unauthorized", reason="No.", now=clock.now(), probe_at=clock.now()
    )
    work()
    assert ProjectState.objects.paused().exists()
    assert (lists(craftkit), gets(craftkit)) == (0, 0)
    SignatureRequest.objects.filter(pk=rows[0].pk).update(status="completed", poll_at=None)
    signatures.schedule("default", clock.now())
    craftkit.pass_time(60)
    work()
    assert ProjectState.objects.paused().exists()
    assert (lists(craftkit), gets(craftkit)) == (0, 0)


def sign_meanwhile(craftkit, row: SignatureRequest) -> Callable[[], None]:
    """Return what signs a request and has the webhook about it taken in."""

    def act() -> None:
        craftkit.pass_time(1)
        craftkit.sandbox.sign_all(str(row.remote_id))
        tell("completed", row)
        assert process_webhooks(clock.now()) == 1
        craftkit.pass_time(1)

    return act


@pytest.mark.parametrize("count", [1, 3], ids=["by id", "by page"])
@pytest.mark.parametrize("trouble", [{}, {"kind": "status", "status": 500}], ids=["answer", "500"])
def test_a_notice_that_comes_while_craftkit_is_being_asked_is_not_lost(
    craftkit, quiet, monkeypatch, count, trouble
):
    """What Craftkit answers was so before."""
    envelopes = made(craftkit, count, ago=HOUR, every=60)
    rows = known(envelopes)
    newest = rows[-1]
    if trouble:
        craftkit.sandbox.faults.add(times=2 if count > 1 else 1, path="/v1/signatures*", **trouble)
    # A page begins a millisecond after the newest request, which was made at a whole second.
    ending = ".001Z" if count > 1 and not trouble else str(newest.remote_id)
    after_sending(monkeypatch, ending, sign_meanwhile(craftkit, newest), "GET")
    work()
    assert WebhookDelivery.objects.filter(event="signature.completed").count() == 1
    assert statuses([newest]) == ["completed"], "at once, and not at the next round"


def test_a_notice_that_comes_while_craftkit_tells_of_the_end_has_nobody_asked_again(
    craftkit, quiet, monkeypatch
):
    rows = known(made(craftkit, 3, ago=HOUR, every=60))
    for row in rows:
        craftkit.sandbox.sign_all(str(row.remote_id))

    def tell_of_it():
        craftkit.pass_time(1)
        for row in rows:
            tell("completed", row)
        assert process_webhooks(clock.now()) == len(rows)
        craftkit.pass_time(1)

    after_sending(monkeypatch, ".001Z", tell_of_it, "GET")
    work()
    assert statuses(rows) == ["completed"] * 3
    assert lists(craftkit) == 1
    assert not any(calls(craftkit, "GET", str(row.remote_id)) for row in rows)
    assert not SignatureRequest.objects.exclude(poll_at=None).exists()
    assert not Job.objects.filter(kind=Job.Kind.POLL_SIGNATURES).exists()


def test_those_that_are_final_and_due_are_asked_about_once(craftkit, quiet):
    """A version before this one has left such rows, and asked about them without end."""
    rows = known(made(craftkit, 3, ago=HOUR, every=60), status="completed")
    work()
    assert lists(craftkit) + gets(craftkit) <= len(rows) + 1
    assert not SignatureRequest.objects.exclude(poll_at=None).exists()
    assert not Job.objects.filter(kind=Job.Kind.POLL_SIGNATURES).exists()


@pytest.mark.parametrize("days", [0, 2], ids=["at first", "as it is given up"])
def test_a_notice_that_comes_while_craftkit_answers_404_is_not_lost(
    craftkit, quiet, monkeypatch, days
):
    (row,) = known(made(craftkit, 1, ago=HOUR))
    if days:
        SignatureRequest.objects.update(unknown_since=clock.now() - timedelta(days=days))
    craftkit.sandbox.faults.add("status", status=404, code="not_found", **GET)
    after_sending(monkeypatch, str(row.remote_id), sign_meanwhile(craftkit, row), "GET")
    work()
    row.refresh_from_db()
    assert (row.status, row.unknown_since, row.error) == ("completed", None, "")


def test_a_round_that_takes_long_is_gone_on_with(craftkit, quiet, monkeypatch):
    rows = known(made(craftkit, 7, ago=HOUR, every=60))
    craftkit.sandbox.faults.add("garbage", times=None, **LIST)
    with monkeypatch.context() as patch:
        calls_take(patch, 10)
        work()
    job = Job.objects.get(kind=Job.Kind.POLL_SIGNATURES)
    assert (job.due_at <= clock.now(), job.failures, job.error) == (True, 0, "")
    assert 0 < due() < len(rows)
    work()
    assert due() == 0
    assert gets(craftkit) == len(rows)


def test_webhooks_of_many_requests_cause_few_calls(craftkit, ready):
    envelopes = made(craftkit, 120, ago=HOUR, every=20)
    rows = known(envelopes)
    craftkit.run()
    asked = lists(craftkit) + gets(craftkit)
    for envelope in envelopes:
        craftkit.sandbox.view_signature(envelope.id, GUEST.email)
    craftkit.run()
    assert set(statuses(rows)) == {"viewed"}
    assert lists(craftkit) + gets(craftkit) - asked == 2


def test_what_is_final_is_never_asked_about_again(craftkit, ready):
    done, open_ = send(ready, key="done"), send(ready, key="open")
    craftkit.run()
    for row in (done, open_):
        row.refresh_from_db()
    craftkit.sandbox.sign_all(str(done.remote_id))
    craftkit.run()
    done.refresh_from_db()
    assert (done.status, done.poll_at) == ("completed", None)
    path = f"/v1/signatures/{done.remote_id}"
    asked = [call.path for call in craftkit.sandbox.requests].count(path)
    for _ in range(10):
        craftkit.pass_time(900)
        tell("completed", done, status="completed")
        craftkit.run()
    assert [call.path for call in craftkit.sandbox.requests].count(path) == asked
    open_.cancel()
    settle(craftkit)
    asked = len(craftkit.sandbox.requests)
    for _ in range(5):
        craftkit.pass_time(24 * HOUR)
        craftkit.run()
    assert len(craftkit.sandbox.requests) == asked
    assert not Job.objects.exists()


def test_the_next_round_begins_when_the_first_request_is_due(craftkit, quiet):
    known(made(craftkit, 3, ago=HOUR, every=1200))
    work()
    first = SignatureRequest.objects.order_by("poll_at")[0].poll_at
    job = Job.objects.get(kind=Job.Kind.POLL_SIGNATURES)
    assert abs((job.due_at - first).total_seconds()) < 1
    asked = len(craftkit.sandbox.requests)
    craftkit.pass_time((first - clock.now()).total_seconds() - 2)
    assert work() == 0
    craftkit.pass_time(3)
    assert work() >= 1
    assert len(craftkit.sandbox.requests) == asked + 1


def test_a_request_that_is_due_sooner_pulls_the_round_forward(craftkit, quiet):
    known(made(craftkit, 1, ago=240 * HOUR))
    work()
    assert Job.objects.get(kind=Job.Kind.POLL_SIGNATURES).due_at > clock.now() + timedelta(
        minutes=14
    )
    send(Render.objects.get())
    work()
    assert Job.objects.get(kind=Job.Kind.POLL_SIGNATURES).due_at < clock.now() + timedelta(
        minutes=2
    )


def test_there_is_one_round_for_a_project_however_many_are_open(craftkit, ready):
    for number in range(6):
        send(ready, key=str(number))
    craftkit.run()
    assert Job.objects.get().kind == Job.Kind.POLL_SIGNATURES


@pytest.mark.parametrize(
    ("age", "lately", "seconds"),
    [(0, False, 60), (600, False, 100), (10**6, False, 900), (0, True, 900), (10**6, True, 900)],
)
def test_questions_grow_rare_and_are_rare_where_webhooks_come(age, lately, seconds):
    now = datetime(2026, 6, 5, tzinfo=UTC)
    row = SignatureRequest(status="sent", accepted_at=now - timedelta(seconds=age))
    assert signatures._next_poll(row, now, lately) == now + timedelta(seconds=seconds)
    row.status = "declined"
    assert signatures._next_poll(row, now, lately) is None


def test_webhooks_of_documents_say_nothing_about_those_of_requests(craftkit, ready):
    assert WebhookDelivery.objects.filter(event="render.succeeded").exists()
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    request = send(ready)
    craftkit.run()
    request.refresh_from_db()
    assert request.poll_at - clock.now() < timedelta(seconds=100)
    tell("viewed", request)
    craftkit.run()
    request.refresh_from_db()
    assert request.poll_at - clock.now() > timedelta(minutes=14)


def test_a_request_is_followed_for_as_long_as_it_is_open(craftkit, quiet):
    request = send(Render.objects.get(), expires_in=timedelta(hours=8760))
    work()
    craftkit.pass_time(8000 * HOUR)
    (there,) = craftkit.sandbox.signatures
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, request, "completed", minutes=1)


def test_a_malformed_answer_is_shown_in_the_log_and_asked_for_again(craftkit, quiet, caplog):
    (row,) = known(made(craftkit, 1, ago=HOUR))
    craftkit.sandbox.faults.add("status", status=200, body="{}", times=2, **GET)
    work()
    assert str(row.remote_id) in caplog.text
    row.refresh_from_db()
    assert row.poll_at - clock.now() > timedelta(minutes=14)
