"""Async views, as a project writes them."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import engines

from django_craftkit import embedding
from django_craftkit.models import (
    ArchivedFile,
    Batch,
    Change,
    EmbedSession,
    FormSubmission,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
    Template,
    WebhookDelivery,
)
from django_craftkit.signing import AnchorTag, Recipient
from tests.asgi import app
from tests.forms.helpers import minted
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from django.http import HttpRequest

JANE = Recipient("Jane", "Doe", "jane@example.com")
SIGN = [AnchorTag("{{sign_here}}", "signature", recipient=0)]


async def rows(request: HttpRequest) -> JsonResponse:
    """Read what there is of each model, with all that a row says without a query."""
    names = [
        repr(row)
        for model in apps.get_app_config("craftkit").get_models()
        async for row in model._base_manager.all()
    ]
    sources = [
        str(render.source)
        async for render in Render.objects.prefetch_related("source").order_by("pk")
    ]
    return JsonResponse({"names": names, "sources": sources})


async def everything(request: HttpRequest, pk: int) -> JsonResponse:
    """Await every twin that there is."""
    order = await Order.objects.aget(pk=pk)
    said = {
        **await _documents(order),
        **await _what_goes_out(order),
        **await _what_comes_in(order),
        **await _files(order),
    }
    erasure = await Render.objects.for_object(order).aerase()
    said["erased"] = len(erasure.erased["Render"]) > 0
    return JsonResponse({"said": said, "awaited": sorted(app.awaited)})


async def _documents(order: Order) -> dict[str, Any]:
    render = await Render.objects.arequest("invoice", {"total": 1}, source=order, key="i-1")
    ready = await render.await_ready(timeout=30)
    corrected = await ready.asupersede({"total": 2}, wait=30)
    await corrected.arecord("viewed")
    other = await Render.objects.arequest("invoice", {"total": 3}, source=order, key="i-2")
    batch = await Render.objects.arequest_many(
        "note", [order], data=lambda order: {"number": order.number}, name="May"
    )
    await Render.objects.aprefetch_for([order])
    return {
        "ready": ready.status,
        "refreshed": await ready.arefresh(wait=30),
        "overdue": await other.ais_overdue(),
        "superseded by": (await ready.asuperseded_by()) == corrected,
        "source": str(await (await Render.objects.aget(pk=render.pk)).asource()),
        "withdrawn": await other.awithdraw(wait=30),
        "retried": await other.aretry(wait=30),
        "of a batch": [
            (await batch.acounts())["pending"],
            await batch.atotal(),
            await batch.ais_complete(),
            await batch.aretry_failed(),
        ],
        "batches": [str(one) async for one in Batch.objects.all()],
    }


async def _what_goes_out(order: Order) -> dict[str, Any]:
    render = await Render.objects.arequest("invoice", {"total": 4}, source=order, key="i-3")
    share = await render.ashare(message="Yours", wait=30)
    mail = await render.aemail("jane@example.com", wait=30)
    request = await render.asend_for_signature([JANE], anchor_tags=SIGN, wait=30)
    await share.arefresh()
    return {
        "share": share.status,
        "mail": [mail.status, await mail.aconfirm_mailed(), await mail.aretry()],
        "revoked": await share.arevoke(wait=30),
        "sent": [request.status, await request.arefresh(wait=30), await request.aretry()],
        "cancelled": [await request.acancel(wait=30), request.status],
        "links": [one.status async for one in Share.objects.order_by("pk")],
    }


async def _what_comes_in(order: Order) -> dict[str, Any]:
    await Template.objects.arefresh()
    session = await embedding.acreate_session("invoice", source=order)
    noted = await EmbedSession.objects.anote("default", minted(), source=order)
    submission = await FormSubmission.objects.aget()
    change, state = await Change.objects.alast(), await ProjectState.objects.afirst()
    delivery = await WebhookDelivery.objects.afirst()
    assert change
    assert state
    assert delivery
    return {
        "known": await Template.objects.aget_known("default", "x"),
        "form": (await embedding.aget_form_url("invoice", expires=60, source=order))[:10],
        "session": [session.url[:4], await noted.asource() == order],
        "submission": [
            await submission.asubject() == order,
            (await submission.asession()) is not None,
        ],
        "replayed": [await change.areplay(), await delivery.areplay(), await state.atry_again()],
    }


async def _files(order: Order) -> dict[str, Any]:
    render = await Render.objects.aget(key="i-3")
    request = await SignatureRequest.objects.for_object(order).aget(status="completed")
    archived = await ArchivedFile.objects.aof("signed", request.pk)
    assert archived
    begins = []
    for opened in (
        render.aopen(),
        request.aopen_signed(),
        request.aopen_certificate(),
        archived.aopen(),
    ):
        async with await opened as file:
            begins.append((await file.read(5)).decode())
    return {"files": begins}


async def badges(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the tags of an object; what they show is read before the page is made."""
    order = await Order.objects.aget(pk=pk)
    await Render.objects.aprefetch_for([order])
    page = engines["django"].from_string(
        "{% load craftkit %}{% craftkit_status order %}{% craftkit_signature order %}"
        "{% craftkit_download_url order %}{% craftkit_share_url order %}"
    )
    return HttpResponse(page.render({"order": order}, request))


async def file(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    render = await Render.objects.aget(pk=pk)
    pdf: AsyncIterable[bytes] = await render.aopen()
    return StreamingHttpResponse(pdf, content_type="application/pdf")


async def document(request: HttpRequest, key: str) -> JsonResponse:
    """Request a document and two links to it at the same time, and wait for them."""
    render = await Render.objects.arequest("invoice", {"key": key}, key=key)
    await render.await_ready(timeout=30)
    links = await asyncio.gather(*(render.ashare(wait=30) for _ in range(2)))
    return JsonResponse({"status": render.status, "links": [link.status for link in links]})


async def about(request: HttpRequest) -> JsonResponse:
    """Answer from the loop alone."""
    return JsonResponse({"id": str(uuid.uuid4())})
