"""Documents, links, e-mails and signature requests in code; each value is what it says it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, assert_type
from uuid import UUID

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from django_craftkit.models import (
    ArchivedFile,
    Batch,
    Change,
    EngagementEvent,
    Erasure,
    Job,
    KeyConflict,
    NothingToRender,
    ProjectState,
    Render,
    RenderFailed,
    RenderWithdrawn,
    Share,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.signing import AnchorTag, InvalidSignatureRequest, Recipient

from .models import Order

if TYPE_CHECKING:
    from collections.abc import Sequence


def month_end(orders: Sequence[Order], user: User) -> Batch:
    def statement(order: Order) -> dict[str, Any] | None:
        return {"number": order.number} if order.total else None

    batch = Render.objects.request_many(
        "statement",
        orders,
        data=statement,
        key=lambda order: f"statement-{order.number}",
        name="2026-11",
        filename=lambda order: f"{order.number}.pdf",
        priority="single",
        user=user,
    )
    assert_type(batch.counts, dict[str, int])
    assert_type(batch.retry_failed(user=user), int)
    for render in batch.renders.under_way():
        assert_type(render, Render)
    return batch


def request(order: Order, user: User) -> Render:
    render = Render.objects.request(
        "invoice",
        {"number": order.number, "total": order.total},
        source=order,
        key=f"invoice-{order.number}",
        project="default",
        version=3,
        filename=f"invoice-{order.number}.pdf",
        priority="bulk",
        user=user,
        wait=True,
    )
    assert_type(render, Render)
    assert_type(render.is_final, bool)
    assert_type(render.remote_id, UUID | None)
    assert_type(render.completed_at, datetime | None)
    return render


def find(order: Order, orders: Sequence[Order]) -> None:
    newest = Render.objects.for_object(order).first()
    assert_type(newest, Render | None)
    for render in Render.objects.for_object(order).filter(template="invoice"):
        assert_type(render, Render)
        assert_type(render.shares.open().first(), Share | None)
        assert_type(render.signature_requests.open().first(), SignatureRequest | None)
        for event in render.events.all():
            assert_type(event, EngagementEvent)
    assert_type(Render.objects.for_objects(orders).count(), int)
    erasure = Render.objects.for_objects(orders).erase(addresses=["jane@acme.com"], dry_run=True)
    assert_type(erasure, Erasure)
    assert_type(erasure.is_complete, bool)
    assert_type(Render.objects.under_way().get(), Render)
    assert_type(Render.objects.overdue().get(), Render)
    assert_type(Render.objects.waiting().get(), Render)
    assert_type(Render.objects.needing_action().get(), Render)
    assert_type(Render.objects.failed_since(timezone.now()).using("replica").get(), Render)
    assert_type(Render.objects.filter(status=Render.Status.FAILED).under_way().get(), Render)
    Render.objects.prefetch_for(orders)
    assert_type(Share.objects.open().get(), Share)
    assert_type(Share.objects.filter(by_mail=True).unsettled().get(), Share)
    assert_type(SignatureRequest.objects.open().get(), SignatureRequest)
    request = SignatureRequest.objects.for_object(order).first()
    assert_type(request, SignatureRequest | None)
    if request is not None:
        assert_type(request.render, Render)
        names = [one.full_name for one in request.recipients.all() if one.signed_at is None]
        assert_type(names, list[str])
    # Any queryset of the project's own can narrow it, or be narrowed by it.
    with_documents = Order.objects.filter(
        models.Exists(Render.objects.under_way().filter(source_id=models.OuterRef("pk")))
    )
    assert_type(with_documents.first(), Order | None)


def wait(render: Render) -> BinaryIO | None:
    try:
        render.wait(timeout=30)
    except NothingToRender:
        return None
    except RenderFailed as failure:
        print(failure.render.problem)  # noqa: T201
        return None
    except TimeoutError:
        return None
    with render.open(timeout=5) as pdf:
        assert_type(pdf.read(), bytes)
    return render.open()


def hand_out(render: Render, user: User) -> None:
    month = timezone.now() + timedelta(days=30)
    share = render.share(message="Your invoice", expires_at=month, key="customer", user=user)
    assert_type(share, Share)
    assert_type(share.render, Render)
    assert_type(share.is_open, bool)
    mail = render.email(
        "jane@example.com",
        recipient_name="Jane Doe",
        message="Your invoice is ready.",
        expires_at=month,
        wait=5.0,
    )
    assert_type(mail, Share)
    for unsettled in Share.objects.unsettled():
        unsettled.confirm_mailed()
        unsettled.retry(user=user)
    assert_type(share.revoke(user=user, wait=True), bool)
    share.refresh()
    render.record("downloaded", {"source": "customer area"})
    render.refresh(wait=True)
    render.retry()
    render.retry({"number": "A-1"}, user=user)
    assert_type(render.withdraw(), bool)
    assert_type(render.supersede({"number": 2}, key="corrected"), Render)
    assert_type(render.superseded_by, Render | None)


def sign(render: Render, user: User) -> None:
    try:
        request = render.send_for_signature(
            [
                Recipient("Jane", "Doe", "jane@example.com"),
                Recipient("John", "Roe", "john@example.com", designation="Approver", order=2),
            ],
            anchor_tags=[
                AnchorTag("[[jane_signs]]", "signature", recipient=0),
                AnchorTag("[[john_signs]]", "signature", recipient=1),
            ],
            name="Charter agreement",
            expires_in=timedelta(days=7),
            key="agreement",
            user=user,
        )
    except (InvalidSignatureRequest, RenderWithdrawn):
        return
    except KeyConflict as conflict:
        assert_type(conflict.differences, tuple[str, ...])
        return
    assert_type(request, SignatureRequest)
    for person in request.recipients.all():
        assert_type(person, SignatureRecipient)
        assert_type(person.request, SignatureRequest)
        assert_type(person.signed_at, datetime | None)
    request.cancel(reason="The dates have changed.", user=user)
    request.retry(user=user)
    request.refresh(wait=True)
    with request.open_signed() as pdf:
        assert_type(pdf.read(), bytes)
    with request.open_certificate() as pdf:
        assert_type(pdf.read(), bytes)


def operate() -> None:
    month = timezone.now() - timedelta(days=30)
    WebhookDelivery.objects.filter(status="processed", received_at__lt=month).delete()
    assert_type(Job.objects.first(), Job | None)
    assert_type(Change.objects.first(), Change | None)
    assert_type(ProjectState.objects.first(), ProjectState | None)
    assert_type(ArchivedFile.objects.first(), ArchivedFile | None)
