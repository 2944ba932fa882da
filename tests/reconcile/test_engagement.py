"""Who opened what: the same rows and counts, whichever way and in whichever order it is heard."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit import client
from django_craftkit.models import Change, EngagementEvent, Job, Render, Share, WebhookDelivery
from django_craftkit.signals import engagement_recorded
from tests.helpers import (
    LEASE_OVER,
    Killed,
    at_once,
    connected,
    elsewhere,
    killed,
    settle,
    work,
)
from tests.reconcile.helpers import TROUBLE
from tests.seams import (
    after_sending,
    apply_engagement,
    batches_of,
    before_sending,
    process_webhooks,
)

TRACK = {"method": "POST", "path": "/v1/renders/*/events"}
KINDS = [*EngagementEvent.Type.values]
RENDER, LINK, MAIL = (uuid.UUID(int=number) for number in (1, 2, 3))


def said(number: int, kind: str = "viewed", **more: object) -> dict[str, object]:
    """An event, as both ways say it."""
    moment = datetime(2026, 6, 5, 10, number % 60, tzinfo=UTC)
    return {
        "eventType": kind,
        "actorKind": "recipient",
        "shareId": None,
        "sourceIp": "203.0.113.7",
        "userAgent": "Mozilla/5.0",
        "metadata": None,
        "createdAt": moment.isoformat(),
        "id": str(uuid.UUID(int=1000 + number)),
        **more,
    }


def webhook(event: dict[str, object], render_id: object = RENDER) -> bytes:
    body = {key: value for key, value in event.items() if key != "id"}
    body |= {
        "event": f"document.{event['eventType']}",
        "eventId": event["id"],
        "renderId": str(render_id),
        "templateId": str(uuid.uuid4()),
    }
    return json.dumps(body).encode()


def store(*bodies: bytes) -> None:
    for body in bodies:
        WebhookDelivery.objects.store("default", str(uuid.uuid4()), body)


def answer(events: list[dict[str, object]], *, extra: int = 0) -> client.Engagement:
    """What Craftkit answers once these have happened, and ``extra`` that it no longer names."""
    counts = {kind: sum(event["eventType"] == kind for event in events) for kind in KINDS}
    counts["viewed"] += extra
    return client.Engagement.from_json(
        {
            "counts": counts,
            "linkOpens": 0,
            "total": sum(counts.values()),
            "recent": list(reversed(events[-25:])),
        }
    )


@pytest.fixture
def known(craftkit) -> Render:
    """A document with a link, and with a mail that nobody knows the fate of."""
    render = Render.objects.create(
        template="invoice", key="known", key_hash="x", status="succeeded", remote_id=RENDER
    )
    Share.objects.create(
        render=render, key="1", key_hash="1", status="active", remote_id=LINK, url="https://x/1"
    )
    Share.objects.create(
        render=render,
        key="2",
        key_hash="2",
        status="unknown",
        error_code="mail_unproven",
        error="?",
        channel="email",
        by_mail=True,
        remote_id=MAIL,
        url="https://x/2",
    )
    return render


class Heard:
    """A receiver that notes what it hears, and fails as often as it is told to."""

    def __init__(self, fail: int = 0) -> None:
        self.fail = fail
        self.notes: list[tuple[str, str]] = []

    def __call__(self, sender, instance, previous_status, change, **kwargs):
        if self.fail:
            self.fail -= 1
            raise LookupError("not now")
        assert sender is EngagementEvent
        self.notes.append((instance.type, instance.render.key, previous_status))


@pytest.fixture
def heard():
    receiver = Heard()
    with connected(receiver, engagement_recorded):
        yield receiver


def seen() -> list[object]:
    """All that events lead to."""
    events = EngagementEvent.objects.order_by("event_id").values_list(
        *("event_id", "type", "actor", "share_remote_id", "ip_address", "user_agent"),
        *("metadata", "occurred_at", "render__key"),
    )
    shares = Share.objects.order_by("key").values_list(
        "key", "status", "click_count", "revoked_at", "mailed_at", "error", "error_code"
    )
    return [list(events), Render.objects.get(remote_id=RENDER).counts, list(shares)]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([*KINDS, "thumbed"]),
        st.sampled_from([None, str(LINK), str(MAIL), str(uuid.UUID(int=4))]),
        st.sampled_from(["recipient", "partner", "system", "robot"]),
    ),
    min_size=1,
    max_size=8,
)


@st.composite
def histories(draw):
    """What happened, and two ways in which it is heard: each a list of batches and reads."""
    happened = [
        said(number, kind, shareId=share, actorKind=actor)
        for number, (kind, share, actor) in enumerate(draw(EVENTS))
    ]
    by_webhook = [
        ("webhook", number)
        for number, event in enumerate(happened)
        if event["eventType"] in KINDS and draw(st.booleans())
    ]
    reads = draw(st.lists(st.tuples(st.just("read"), st.integers(0, len(happened))), max_size=3))
    facts = by_webhook + reads
    ways = []
    for _ in range(2):
        again = draw(st.lists(st.sampled_from(facts), max_size=3)) if facts else []
        ways.append((draw(st.permutations(facts + again)), draw(st.integers(1, 4))))
    return happened, draw(st.sampled_from([0, 40])), ways


def hear_all(render: Render, happened, extra: int, way) -> list[object]:
    """Hear it one way, and return where it led to; as if nothing had been."""
    order, size = way
    with transaction.atomic():
        waiting = 0
        for kind, number in order:
            if kind == "webhook":
                store(webhook(happened[number]))
                waiting += 1
            if waiting and (waiting == size or kind == "read"):
                process_webhooks(timezone.now())
                waiting = 0
            if kind == "read":
                apply_engagement(render, answer(happened[:number], extra=extra))
        process_webhooks(timezone.now())
        end = seen()
        transaction.set_rollback(True)
    return end


@given(histories())
def test_any_order_any_repeats_and_any_batches_end_in_the_same_rows(known, history):
    happened, extra, (one, other) = history
    assert hear_all(known, happened, extra, one) == hear_all(known, happened, extra, other)


def test_webhooks_and_reads_converge(known):
    happened = [said(number, kind, shareId=str(LINK)) for number, kind in enumerate(KINDS[:3] * 2)]
    by_webhook = hear_all(known, happened, 0, ([("webhook", n) for n in range(6)], 6))
    by_read = hear_all(known, happened, 0, ([("read", 6)], 1))
    assert by_webhook[0] == by_read[0]
    assert by_webhook[2] == by_read[2]
    assert by_webhook[1] == {kind: n for kind, n in by_read[1].items() if n}


@pytest.mark.parametrize(
    "fault", [None, "webhook_dropped", "webhook_doubled", "webhook_reordered", "webhook_delayed"]
)
def test_what_guests_do_is_counted_as_craftkit_counts_it(craftkit, ready, fault):
    if fault:
        craftkit.sandbox.faults.add(fault, times=20, event="document.*", seconds=600)
    shares = [ready.share(), ready.email("ada@example.com")]
    craftkit.run()
    for number in range(6):
        craftkit.open(shares[number % 2], ip=f"198.51.100.{number}")
    craftkit.open(craftkit.outbox[0])
    shares[0].revoke()
    settle(craftkit)
    craftkit.pass_time(3600)
    ready.refresh()
    settle(craftkit)
    ready.refresh_from_db()
    assert {kind: number for kind, number in ready.counts.items() if number} == {
        "viewed": 6,
        "email_opened": 1,
        "email_sent": 1,
        "share_created": 2,
        "share_revoked": 1,
    }
    assert EngagementEvent.objects.count() == len(craftkit.sandbox.renders[0].events) == 11
    for share in shares:
        share.refresh_from_db()
        assert share.click_count == 3
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) <= {"processed"}


def test_counts_never_go_down(known):
    store(*[webhook(said(number)) for number in range(5)])
    process_webhooks(timezone.now())
    for extra, expected in ((0, 5), (30, 32), (1, 32)):
        apply_engagement(known, answer([said(1), said(2)], extra=extra))
        known.refresh_from_db()
        assert known.counts["viewed"] == expected
    EngagementEvent.objects.all().delete()
    store(webhook(said(50)))
    process_webhooks(timezone.now())
    known.refresh_from_db()
    assert known.counts["viewed"] == 32


def test_a_link_is_opened_by_its_recipients_alone(known):
    Share.objects.filter(remote_id=LINK).update(click_count=2)
    events = [
        said(number, kind, shareId=str(LINK), actorKind=actor)
        for number, (kind, actor) in enumerate(
            [("viewed", "recipient")] * 3 + [("viewed", "partner"), ("downloaded", "recipient")]
        )
    ]
    store(*map(webhook, events[:2]))
    process_webhooks(timezone.now())
    assert Share.objects.get(remote_id=LINK).click_count == 2, "what Craftkit said before stands"
    store(*map(webhook, events[2:]))
    process_webhooks(timezone.now())
    assert Share.objects.get(remote_id=LINK).click_count == 3


@pytest.mark.parametrize("number", [2**31, 2**62])
def test_a_count_beyond_all_bounds_is_cut(known, number):
    apply_engagement(known, answer([], extra=number))
    known.refresh_from_db()
    assert known.counts["viewed"] == 2**31 - 1


def test_a_link_that_was_revoked_at_craftkit_is_closed_by_the_event(craftkit, ready, dashboard):
    share = ready.share()
    craftkit.run()
    share.refresh_from_db()
    ended = dashboard.shares.revoke(ready.remote_id, share.remote_id)
    craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.revoked_at) == ("revoked", ended.revoked_at)
    change = Change.objects.filter(kind="share").last()
    assert (change.to_status, change.cause, change.signal) == (
        "revoked",
        "webhook",
        "share_revoked",
    )
    assert not Job.objects.exists()


def test_what_is_new_to_us_is_kept_as_it_is(known):
    odd = said(1, "thumbed through\0", actorKind="robot", metadata={"a\0": ["\ud800"]})
    body = {"counts": {"thumbed": 7}, "linkOpens": 0, "total": 7, "recent": [odd]}
    apply_engagement(known, client.Engagement.from_json(body))
    event = EngagementEvent.objects.get()
    assert (event.type, event.actor, event.metadata) == (
        "thumbed through",
        "robot",
        {"a": ["?"]},
    )
    assert "thumbed through" in str(event)
    known.refresh_from_db()
    assert known.counts["thumbed"] == 7
    store(webhook(said(2, "thumbed")), webhook(said(3, actorKind="x" * 100)))
    process_webhooks(timezone.now())
    assert list(WebhookDelivery.objects.order_by("pk").values_list("status", flat=True)) == [
        "ignored",
        "processed",
    ]
    assert EngagementEvent.objects.get(event_id=said(3)["id"]).actor == "x" * 32


@pytest.mark.parametrize(
    "more",
    [
        {"shareId": "x"},
        {"eventId": None},
        {"createdAt": "yesterday"},
        {"createdAt": "0001-01-01T00:00:00+14:00"},
        {"sourceIp": 7},
        {"metadata": []},
        {"renderId": None},
        {"actorKind": None},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_used_stops_nothing(known, more):
    body = json.dumps(json.loads(webhook(said(1))) | more).encode()
    store(webhook(said(2)), body, webhook(said(3)))
    process_webhooks(timezone.now())
    statuses = WebhookDelivery.objects.order_by("pk").values_list("status", flat=True)
    before, odd, after = statuses
    assert (before, after) == ("processed", "processed")
    assert odd in ("failed", "processed")
    assert EngagementEvent.objects.count() == 2 + (odd == "processed")


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59Z"]
)
def test_an_event_of_an_odd_moment_stops_nothing(known, moment):
    store(webhook(said(2)), webhook(said(1, createdAt=moment)), webhook(said(3)))
    process_webhooks(timezone.now())
    assert EngagementEvent.objects.filter(event_id=said(2)["id"]).exists()
    assert EngagementEvent.objects.filter(event_id=said(3)["id"]).exists()


def test_an_event_of_a_document_that_is_not_known_here_is_ignored_after_a_while(craftkit):
    store(webhook(said(1)))
    craftkit.run()
    assert WebhookDelivery.objects.get().status == "received"
    craftkit.pass_time(LEASE_OVER)
    craftkit.run()
    assert WebhookDelivery.objects.get().status == "ignored"
    assert not EngagementEvent.objects.exists()


def test_an_event_that_comes_before_its_document_is_known_is_applied(craftkit, monkeypatch):
    """All of it happened while the answer to the POST was on its way."""
    from django_craftkit.projects import get_client

    def be_faster():
        document = craftkit.sandbox.renders[0]
        get_client().shares.create(document.id)
        get_client().engagement.track(document.id, "viewed")
        craftkit.deliver()
        process_webhooks(timezone.now())

    render = Render.objects.request("invoice", {})
    after_sending(monkeypatch, "/render", be_faster)
    settle(craftkit)
    render.refresh_from_db()
    assert (render.counts["viewed"], render.counts["share_created"]) == (1, 1)
    assert Share.objects.get().is_found


@pytest.mark.django_db(transaction=True)
def test_batches_and_reads_at_the_same_time_store_each_event_once(known, monkeypatch):
    batches_of(monkeypatch, 7)
    happened = [said(number, shareId=str(LINK)) for number in range(40)]
    store(*map(webhook, happened * 2))

    def take_some():
        for _ in range(20):
            process_webhooks(timezone.now())

    errors = at_once(
        take_some,
        take_some,
        lambda: apply_engagement(known, answer(happened)),
        lambda: apply_engagement(known, answer(happened[:30])),
    )
    assert errors == [None] * 4
    assert EngagementEvent.objects.count() == 40
    known.refresh_from_db()
    assert known.counts["viewed"] == 40
    assert Share.objects.get(remote_id=LINK).click_count == 40


def keep_events(known: int) -> None:
    """As many webhooks, each about a document and a link of its own; half of the links known."""
    for number in range(known):
        render = Render.objects.create(
            template="invoice",
            key=str(number),
            key_hash=uuid.uuid4().hex,
            status="succeeded",
            remote_id=uuid.uuid4(),
        )
        share = Share.objects.create(
            render=render, key="1", key_hash="1", status="active", remote_id=uuid.uuid4()
        )
        link = share.remote_id if number % 2 else uuid.uuid4()
        event = said(number, KINDS[number % len(KINDS)], shareId=str(link), id=str(uuid.uuid4()))
        store(webhook(event, render.remote_id))


def test_a_batch_of_events_is_applied_with_as_many_queries_as_a_few(known, heard):
    """However many documents and links it is about, known here or not."""
    needed = []
    for number in (7, 14, 100):  # the first also notes that webhooks have come
        keep_events(number)
        with CaptureQueriesContext(connection) as queries:
            assert process_webhooks(timezone.now()) == number
        needed.append(len(queries))
    assert needed[2] <= needed[1] + 4 <= 40, "SQLite takes its parameters in portions"
    assert EngagementEvent.objects.count() == 121
    assert Share.objects.filter(status="revoked").exists()
    assert Render.objects.filter(counts={}).count() == 1, "only the one that nobody opened"


def test_each_event_is_announced_once_whichever_way_it_comes(craftkit, ready, heard):
    share = ready.share()
    craftkit.run()
    craftkit.open(share)
    settle(craftkit)
    ready.refresh()
    settle(craftkit)
    assert sorted(heard.notes) == [("share_created", "i-1", ""), ("viewed", "i-1", "")]
    assert set(Change.objects.filter(kind="engagement").values_list("announcement")) == {("done",)}


def test_a_receiver_of_events_that_was_given_up_can_be_called_again(craftkit, ready, heard):
    heard.fail = 8
    ready.record("viewed")
    settle(craftkit, minutes=120)
    change = Change.objects.get(kind="engagement")
    assert (change.announcement, heard.notes) == ("abandoned", [])
    assert change.replay()
    assert not change.replay(), "it is due already"
    settle(craftkit)
    change.refresh_from_db()
    assert (change.announcement, change.receivers) == ("done", {})
    assert heard.notes == [("viewed", "i-1", "")]
    assert not change.replay()


def test_where_nobody_listens_events_leave_no_history(craftkit, ready):
    craftkit.open(ready.share(wait=True))
    settle(craftkit)
    assert EngagementEvent.objects.count() == 2
    assert not Change.objects.filter(kind="engagement").exists()


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_what_this_site_has_seen_is_told_once_whatever_goes_wrong(craftkit, ready, trouble):
    craftkit.sandbox.faults.add(**{"times": 2, **trouble, **TRACK})
    ready.record("viewed", {"page": 3})
    settle(craftkit)
    (told,) = craftkit.sandbox.renders[0].events
    assert (told.type, told.actor, told.metadata) == ("viewed", "partner", {"page": 3})
    event = EngagementEvent.objects.get()
    assert (str(event.event_id), event.metadata) == (told.id, {"page": 3})
    ready.refresh_from_db()
    assert ready.counts["viewed"] == 1


@pytest.mark.parametrize("acted", [True, False], ids=["Craftkit acted", "it did not"])
def test_a_loop_that_dies_while_it_tells_tells_once(craftkit, ready, monkeypatch, acted):
    ready.record("printed")
    if acted:
        after_sending(monkeypatch, "/events", killed)
    else:
        before_sending(monkeypatch, "/events", killed)
    with pytest.raises(Killed):
        work()
    monkeypatch.undo()
    settle(craftkit)
    assert [event.type for event in craftkit.sandbox.renders[0].events] == ["printed"]
    assert EngagementEvent.objects.get().event_id is not None


def test_what_is_not_told_yet_counts_for_nothing(craftkit, ready, settings):
    settings.CRAFTKIT = {"PAUSED": True}
    ready.record("viewed")
    craftkit.run()
    assert list(EngagementEvent.objects.to_be_told()) == list(EngagementEvent.objects.all())
    assert EngagementEvent.objects.counted() == {}
    ready.refresh_from_db()
    assert ready.counts == {}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_craftkit_refuses_to_be_told_is_dropped_with_a_warning(
    craftkit, ready, caplog, status
):
    craftkit.sandbox.faults.add("status", status=status, code="invalid_request", **TRACK)
    ready.record("viewed")
    ready.record("downloaded")
    settle(craftkit)
    assert [event.type for event in craftkit.sandbox.renders[0].events] == ["downloaded"]
    (line,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert str(status) in line.getMessage()
    assert not EngagementEvent.objects.to_be_told().exists()


def test_a_record_is_checked_before_it_is_written(craftkit, ready):
    craftkit.sandbox.render_time = 60.0
    waiting = Render.objects.request("invoice", {}, key="i-2")
    with pytest.raises(ValueError, match="pending"):
        waiting.record("viewed")
    with pytest.raises(ValueError, match="viewed, downloaded, printed"):
        ready.record("email_opened")
    with pytest.raises(TypeError):
        ready.record("viewed", [1])
    with pytest.raises(ValueError, match="metadata"):
        ready.record("viewed", {"a": "\0"})
    assert not EngagementEvent.objects.exists()


def test_a_document_that_craftkit_does_not_know_keeps_what_is_to_be_told(craftkit, ready):
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=3, **TRACK)
    ready.record("viewed")
    settle(craftkit, minutes=60)
    assert len(craftkit.sandbox.renders[0].events) == 1


def test_one_that_was_deleted_there_is_asked_for_ever_less(craftkit, ready):
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None, **TRACK)
    ready.record("viewed")
    before = len(craftkit.sandbox.requests)
    for _ in range(7 * 24):
        craftkit.run()
        craftkit.pass_time(3601)
    assert 10 < len(craftkit.sandbox.requests) - before < 40
    assert Job.objects.get().error


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_recorded_while_others_are_told_is_told_too(craftkit, ready, monkeypatch):
    ready.record("viewed")
    after_sending(monkeypatch, "/events", lambda: elsewhere(lambda: ready.record("printed")))
    work()
    settle(craftkit)
    assert [event.type for event in craftkit.sandbox.renders[0].events] == ["viewed", "printed"]
    assert EngagementEvent.objects.filter(event_id=None).count() == 0
    assert EngagementEvent.objects.annotate(document=F("render")).count() == 2
