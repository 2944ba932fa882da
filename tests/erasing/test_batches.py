"""Many rows are erased in batches: told before, done once more after an interruption."""

from __future__ import annotations

import itertools
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from django_craftkit.models import (
    Change,
    EngagementEvent,
    Erasure,
    Job,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
    erasing_batch,
)
from tests.erasing.people import ADDRESS, erase, places, request
from tests.erasing.test_columns import full_rows
from tests.helpers import Killed, at_once, killed, settle, work
from tests.reconcile.resources import open_there
from tests.seams import before_committing
from tests.shop.models import Order

if TYPE_CHECKING:
    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db


def many(order: Order, number: int) -> None:
    """Write so many documents, each with a link, a signature request, an event and a note."""
    for n in range(number):
        render = request(order, key=f"{ADDRESS} {order.pk} {n}")
        Render.objects.filter(pk=render.pk).update(status="succeeded", remote_id=uuid.uuid4())
        mirrored: dict[str, Any] = {"render": render, "key": str(n), "key_hash": str(n)}
        share = Share.objects.create(
            **mirrored, status="active", recipient_email=ADDRESS, remote_id=uuid.uuid4()
        )
        asked = SignatureRequest.objects.create(**mirrored, status="sent", remote_id=uuid.uuid4())
        SignatureRecipient.objects.create(request=asked, position=0, email=ADDRESS)
        EngagementEvent.objects.create(render=render, type="viewed", user_agent=ADDRESS)
        for kind, row in (("render", render), ("share", share)):
            Change.objects.create(kind=kind, object_id=row.pk, to_status="done", note=ADDRESS)


def queries_of(order: Order, number: int) -> int:
    many(order, number)
    with CaptureQueriesContext(connection) as queries:
        assert erase(order).counts["Render"] == number
    Job.objects.all().delete()
    return len(queries)


def test_a_batch_takes_as_many_queries_for_many_as_for_one(order: Order):
    queries_of(order, 1)  # what is read once: content types
    other = Order.objects.create(number="other")
    third = Order.objects.create(number="third")
    assert queries_of(other, 2) == queries_of(third, 20)


def interrupt(monkeypatch: pytest.MonkeyPatch, model: type[Any], batches: int) -> Any:
    """Return what ends the process before the batch after these is committed, as ``on_progress``.

    A batch is of two rows.
    """
    monkeypatch.setattr(erasing_batch, "BATCH", 2)
    told = itertools.count(1)

    def stop(erasure: Any) -> None:
        if next(told) == batches:
            before_committing(monkeypatch, model, killed)

    return stop


def same(one: Erasure, other: Erasure) -> bool:
    return one.erased == other.erased and sorted(one.at_craftkit) == sorted(other.at_craftkit)


@pytest.mark.django_db(transaction=True)
def test_interrupted_half_way_it_is_completed_by_the_next_call_which_tells_of_all(
    order: Order, monkeypatch: pytest.MonkeyPatch
):
    many(order, 5)
    planned = erase(order, dry_run=True)
    with pytest.raises(Killed):
        erase(order, on_progress=interrupt(monkeypatch, Render, 2))
    assert Render.objects.filter(erased_at=None).count() == 1
    done = erase(order)
    assert done.counts["Render"] == 1
    assert same(done, planned)
    assert len(done.at_craftkit) == 10
    assert places() == []
    assert not erase(order).counts


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("model", "batches"), [(Share, 1), (Share, 2), (SignatureRequest, 4)])
def test_interrupted_by_address_it_tells_of_all_as_well(
    order: Order, monkeypatch: pytest.MonkeyPatch, model: type[Any], batches: int
):
    many(order, 5)
    how: dict[str, Any] = {"addresses": [ADDRESS]}
    planned = Render.objects.none().erase(dry_run=True, **how)
    with pytest.raises(Killed):
        Render.objects.none().erase(on_progress=interrupt(monkeypatch, model, batches), **how)
    assert model.objects.exclude(erased_at=None).exists()
    done = Render.objects.none().erase(**how)
    assert same(done, planned)
    assert len(done.at_craftkit) == 10
    assert not SignatureRecipient.objects.exclude(email="").exists()
    assert not Share.objects.exclude(recipient_email="").exists()
    assert not Render.objects.none().erase(**how).counts


@pytest.mark.django_db(transaction=True)
def test_interrupted_at_the_very_end_it_tells_of_all_as_well(
    order: Order, monkeypatch: pytest.MonkeyPatch
):
    many(order, 5)
    how: dict[str, Any] = {"addresses": [ADDRESS]}
    planned = erase(order, dry_run=True, **how)
    told: list[Erasure] = []

    def stop(erasure: Erasure) -> None:
        # Once for the batch, and once at the end.
        told.append(erasure)
        if len(told) == 2:
            before_committing(monkeypatch, SignatureRecipient, killed)

    with pytest.raises(Killed):
        erase(order, on_progress=stop, **how)
    assert same(told[-1], planned)
    assert not erase(order, dry_run=True, **how).counts
    done = erase(order, **how)
    assert same(done, planned)
    assert not done.counts
    assert places() == []


def test_a_dry_run_says_what_would_go_and_changes_nothing(order: Order):
    rows = full_rows(order)
    before = places(among=rows)
    how: dict[str, Any] = {"addresses": [ADDRESS], "archive": True}
    planned = erase(order, dry_run=True, **how)
    assert planned.is_dry_run
    assert places(among=rows) == before
    assert not Render.objects.exclude(withdrawn_at=None).exists()
    done = erase(order, **how)
    assert planned.counts == done.counts
    assert planned.erased == done.erased
    assert planned.at_craftkit == done.at_craftkit


def test_what_only_craftkit_can_delete_is_named(craftkit: Kit, order: Order):
    render = request(order)
    craftkit.run()
    render.refresh_from_db()
    (one,) = erase(order).at_craftkit
    assert one == ("default", "document", render.remote_id)


@pytest.mark.django_db(transaction=True)
def test_beside_a_worker_nothing_is_left_open_or_stored(craftkit: Kit, order: Order):
    for n in range(3):
        request(order, key=f"{ADDRESS} {n}").email(ADDRESS)
    start = threading.Event()

    def worker() -> None:
        start.set()
        work()

    def eraser() -> None:
        start.wait()
        erase(order)

    assert at_once(worker, eraser) == [None, None]
    settle(craftkit)
    assert open_there(craftkit) == []
    assert places() == []
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", ["shares", "signature_requests"])
def test_a_document_with_links_or_requests_is_not_deleted(order: Order, name: str):
    many(order, 1)
    render = Render.objects.get()
    others = {"shares", "signature_requests"} - {name}
    for other in others:
        getattr(render, other).all().delete()
    with pytest.raises(ProtectedError):
        render.delete()
    with pytest.raises(ProtectedError):
        Render.objects.all().delete()
    getattr(render, name).all().delete()
    render.delete()
    work()
    assert not Job.objects.filter(kind=Job.Kind.RENDER).exists()
