"""What a factory writes is what the package writes on its way there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from django_craftkit import dispatch
from django_craftkit.models import (
    ArchivedFile,
    Change,
    EngagementEvent,
    FormSubmission,
    Job,
    Render,
    Share,
    SignatureRequest,
)
from django_craftkit.reconcile.due import DUE
from django_craftkit.signals import SIGNALS
from django_craftkit.signing import AnchorTag, Recipient
from django_craftkit.testing import factories
from tests.helpers import connected
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model

    from django_craftkit.testing import Kit

ADA = Recipient("Ada", "Byron", "ada@example.com")
MARY = Recipient("Mary", "Somerville", "mary@example.com")
OFFICE = Recipient("Office", "", "office@example.com", designation="CC")

#: Columns whose values are a row's own; that they are filled or empty is the same.
OWN = {
    "id",
    "key",
    "key_hash",
    "asked_hash",
    "remote_id",
    "url",
    "answer",
    "error",
    "render_id",
    "batch_id",
    "source_id",
    "event_id",
    "session_id",
    "body_hash",
    "share_remote_id",
    "poll_at",
    "message",
    "name",
    "anchor_tags",
    "data",
    "user_agent",
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "make",
    [
        factories.render_factory,
        factories.share_factory,
        factories.signature_request_factory,
        factories.engagement_event_factory,
        factories.form_submission_factory,
        factories.batch_factory,
        lambda: factories.render_factory(status="queued", at=datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_a_factory_commits_wakes_no_worker(awake, make: Callable[[], object], monkeypatch):
    """Without a kit, a worker would ask the real Craftkit for it."""
    woken: list[float] = []
    monkeypatch.setattr(dispatch.waking, "wake", woken.append)
    make()
    with transaction.atomic():
        make()
    assert woken == []
    Render.objects.request("invoice", {})
    assert woken == [0.0]


def traits(row: Model) -> dict[str, Any]:
    """Return what two rows in one state have in common."""
    found: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        is_own = field.attname in OWN or isinstance(value, datetime)
        found[field.attname] = bool(value) if is_own else value
    if isinstance(getattr(row, "answer", None), dict):
        found["answer"] = sorted(row.answer)
    return found


def beside(row: Model, kind: str) -> dict[str, Any]:
    """Return what is written beside a row: its history, its jobs, its files."""
    names = ("from_status", "to_status", "signal", "announcement", "receivers", "attempt", "cause")
    changes = Change.objects.filter(kind=kind, object_id=row.pk).order_by("pk")
    kinds = [one for one in Job.Kind if one.model is type(row)]
    jobs = Job.objects.filter(kind__in=kinds, object_id=row.pk)
    files = ArchivedFile.objects.filter(kind__in=FILES.get(type(row), ()), object_id=row.pk)
    return {
        "changes": [*changes.values(*names)],
        "jobs": sorted(jobs.values_list("kind", "priority", "project", "attempts")),
        "files": sorted(files.values_list("kind", flat=True)),
    }


FILES = {Render: ["render"], SignatureRequest: ["signed", "certificate"]}


def check_same(road: Model, made: Model, kind: str) -> None:
    road.refresh_from_db()
    made.refresh_from_db()
    assert traits(made) == traits(road)
    assert beside(made, kind) == beside(road, kind)


@pytest.fixture(autouse=True)
def _heard(craftkit):
    """Somebody listens to everything: what was announced is announced no more."""
    with connected(lambda **_: None, *SIGNALS.values()):
        yield


@pytest.fixture
def lost() -> Callable[[], set[tuple[str, int]]]:
    """Return what the sweep would find: rows that have something left to do, and no job."""
    return lambda: {(due.kind, pk) for due in DUE for pk, _project in due.lost()}


def hold(craftkit: Kit) -> None:
    craftkit.sandbox.render_time = 60


def fail(craftkit: Kit) -> None:
    craftkit.fail_next_render("Out of paper.")


def reject(craftkit: Kit) -> None:
    craftkit.fail_next("renders.render", code="template_not_found", message="Out of paper.")


@pytest.mark.parametrize(
    ("status", "before", "seconds"),
    [
        ("pending", None, 0),
        ("queued", hold, 0),
        ("rendering", hold, 30),
        ("succeeded", None, 0),
        ("failed", fail, 0),
        ("rejected", reject, 0),
        ("cancelled", None, 0),
    ],
)
@pytest.mark.parametrize("is_archived", [False, True])
def test_a_document(craftkit, settings, lost, status, before, seconds, is_archived):
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": is_archived}
    if before:
        before(craftkit)
    order = Order.objects.create(number="A-1")
    road = Render.objects.request("invoice", {"number": "A-1"}, source=order)
    if status == "cancelled":
        road.withdraw()
    if status != "pending":
        craftkit.run()
        craftkit.pass_time(seconds)
        craftkit.run()
    made = factories.render_factory(status=status, source=order)
    check_same(road, made, "render")
    assert made.source == order
    assert lost() == set()
    unsaved = factories.render_factory(status=status, source=order, save=False)
    assert unsaved.pk is None
    pk = {"id": None, "answer": traits(made)["answer"]}
    assert {**traits(unsaved), **pk} == {**traits(made), **pk}


def refuse_share(craftkit: Kit) -> None:
    craftkit.fail_next("*", code="invalid_request", message="Refused.")


def lose(craftkit: Kit) -> None:
    craftkit.fail_next("shares.create", how="lost")
    craftkit.fail_next("shares.list", status=500, times=None)


def lose_mail(craftkit: Kit) -> None:
    # The link is there, and nothing says that the mail was sent.
    craftkit.sandbox.faults.add("email_send_failed")
    craftkit.fail_next("emails.send", how="lost")


@pytest.mark.parametrize("by_mail", [False, True], ids=["link", "mail"])
@pytest.mark.parametrize("status", Share.Status.values)
def test_a_link(craftkit, lost, by_mail, status):
    render = factories.render_factory()
    # The road begins at Craftkit.
    known = Render.objects.request("invoice", {})
    craftkit.run()
    known.refresh_from_db()
    before = {"rejected": refuse_share, "unknown": lose_mail if by_mail else lose}.get(status)
    if before:
        before(craftkit)
    road = known.email("ada@example.com", message="Hello") if by_mail else known.share()
    if status != "pending":
        craftkit.run()
        if by_mail and status == "unknown":
            craftkit.pass_time(600)
            craftkit.run()
    if status == "revoked":
        road.revoke()
        craftkit.run()
    to = {"recipient_email": "ada@example.com", "message": "Hello"} if by_mail else {}
    made = factories.share_factory(render, status=status, by_mail=by_mail, **to)
    check_same(road, made, "share")
    assert made.is_open == (status == "active")
    assert (made.is_unsettled, lost()) == (status == "unknown" and by_mail, set())
    unsaved = factories.share_factory(render, status=status, by_mail=by_mail, save=False, **to)
    assert (unsaved.pk, unsaved.status, unsaved.is_open) == (None, status, made.is_open)


def test_no_link_is_made_of_a_document_that_is_not_ready(db):
    render = factories.render_factory(status="queued")
    for make in (factories.share_factory, factories.signature_request_factory):
        with pytest.raises(ValueError, match="is queued"):
            make(render)
        assert make(render, status="pending").status == "pending"


def act(craftkit: Kit, request: SignatureRequest, status: str) -> None:
    """Have people, and Craftkit, do what ends in a status."""
    there = craftkit.signatures[-1].id if craftkit.signatures else ""
    acts: dict[str, Callable[[], object]] = {
        "viewed": lambda: craftkit.view(request),
        "completed": lambda: craftkit.sign(request),
        "declined": lambda: craftkit.decline(request, reason="Not now."),
        "expired": lambda: craftkit.sandbox.expire_signature(there),
        "failed": lambda: craftkit.sandbox.fail_signature(there, "Refused."),
        "cancelled": lambda: request.cancel(reason="Not now."),
    }
    acts.get(status, bool)()


@pytest.mark.parametrize("status", SignatureRequest.Status.values)
def test_a_signature_request(craftkit, lost, quick_papers, status):
    known = Render.objects.request("invoice", {})
    craftkit.run()
    known.refresh_from_db()
    people = [ADA, MARY, OFFICE]
    tags = [AnchorTag(f"[[{place}]]", "signature", recipient=place) for place in range(2)]
    road = known.send_for_signature(people, anchor_tags=tags)
    if status == "rejected":
        craftkit.fail_next("signatures.create", code="invalid_request", message="Refused.")
    if status != "pending":
        craftkit.run()
        act(craftkit, road, status)
        craftkit.run()
        craftkit.pass_time(3600)
        craftkit.run()
    made = factories.signature_request_factory(recipients=people, status=status)
    check_same(road, made, "signature")
    assert [traits(one) for one in made.recipients.all()] == [
        {**traits(one), "request_id": made.pk, "remote_id": bool(one.remote_id)}
        for one in road.recipients.all()
    ]
    assert lost() == set()
    if status == "completed":
        with made.open_signed() as signed, made.open_certificate() as certificate:
            assert signed.read(5) == certificate.read(5) == b"%PDF-"
    unsaved = factories.signature_request_factory(recipients=people, status=status, save=False)
    assert (unsaved.pk, unsaved.status, unsaved.is_final) == (None, status, made.is_final)


def test_some_have_signed(db):
    request = factories.signature_request_factory(
        recipients=[ADA, MARY], status="viewed", signed=["mary@example.com"]
    )
    assert [bool(one.signed_at) for one in request.recipients.all()] == [False, True]


def test_an_event(craftkit, ready):
    share = ready.share()
    craftkit.run()
    craftkit.open(share)
    craftkit.run()
    road = EngagementEvent.objects.get(type="viewed")
    other = factories.share_factory()
    made = factories.engagement_event_factory(share=other)
    check_same(road, made, "engagement")
    made.render.refresh_from_db()
    assert (made.share_remote_id, made.render.counts) == (other.remote_id, {"viewed": 1})
    assert not Job.objects.exists()


@pytest.mark.parametrize("kind", EngagementEvent.Type.values)
def test_each_kind_of_event(db, kind):
    event = factories.engagement_event_factory(type=kind)
    assert (event.type, event.render.counts) == (kind, {kind: 1})


def test_a_submission(craftkit):
    order = Order.objects.create(number="A-1")
    made = factories.form_submission_factory("handover", {"number": "A-1"}, source=order)
    craftkit.webhook("form.submitted", made.session, body={"data": {"number": "A-2"}})
    craftkit.run()
    road = FormSubmission.objects.exclude(pk=made.pk).get()
    check_same(road, made, "form")
    assert [*FormSubmission.objects.for_object(order)] == [road, made]


def test_a_batch(craftkit, lost):
    orders = [Order.objects.create(number=f"A-{n}") for n in range(3)]
    road = Render.objects.request_many("invoice", orders, data=lambda order: {"n": order.number})
    craftkit.run()
    made = factories.batch_factory(sources=orders)
    check_same(road, made, "batch")
    assert (made.created, made.counts) == (3, road.counts)
    mine, theirs = (batch.renders.order_by("pk")[0] for batch in (made, road))
    check_same(theirs, mine, "render")
    under_way = factories.batch_factory(statuses=["succeeded", "queued", "failed"])
    assert (under_way.completed_at, under_way.counts["queued"]) == (None, 1)
    assert lost() == set()


AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "make",
    [
        lambda: factories.render_factory(at=AT),
        lambda: factories.share_factory(at=AT),
        lambda: factories.signature_request_factory(status="completed", at=AT),
        lambda: factories.engagement_event_factory(at=AT),
        lambda: factories.form_submission_factory(at=AT),
        lambda: factories.batch_factory(at=AT),
    ],
)
def test_all_of_it_happened_at_one_moment(db, make):
    row = make()
    moments = {
        one: getattr(row, one.attname)
        for one in row._meta.concrete_fields
        if isinstance(getattr(row, one.attname), datetime)
    }
    assert set(moments.values()) == {AT}
    assert set(Change.objects.values_list("created_at", flat=True)) <= {AT}


def test_columns_are_as_they_are_given(db, admin_user):
    render = factories.render_factory(counts={"viewed": 7}, requested_by=admin_user)
    render.refresh_from_db()
    assert (render.counts, render.requested_by) == ({"viewed": 7}, admin_user)
    with pytest.raises(TypeError, match="no column 'colour'"):
        factories.render_factory(colour="red", save=False)


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (factories.render_factory, "done"),
        (factories.share_factory, "open"),
        (factories.signature_request_factory, "signed"),
    ],
)
def test_a_status_that_is_none_is_refused(db, make, status):
    with pytest.raises(ValueError, match=f"'{status}': write one of pending"):
        make(status=status)


def test_what_a_worker_finds_to_do_it_does(craftkit):
    """A row that waits goes on from there, at a Craftkit that has never heard of it."""
    render = factories.render_factory(status="pending")
    share = factories.share_factory(render, status="pending")
    craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.render.status) == ("active", "succeeded")
