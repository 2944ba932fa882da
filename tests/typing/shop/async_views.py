"""Async views: each twin takes and returns what its method does."""

from __future__ import annotations

from typing import Any, assert_type

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render

from django_craftkit import embedding
from django_craftkit.models import (
    ArchivedFile,
    Batch,
    EmbedSession,
    Erasure,
    FormSubmission,
    Render,
    Share,
    SignatureRequest,
    Template,
)
from django_craftkit.signing import Recipient
from django_craftkit.streaming import AsyncFile

from .models import Order


async def create_invoice(request: HttpRequest, number: str) -> JsonResponse:
    order = await Order.objects.aget(number=number)
    found = await Render.objects.arequest("invoice", {"number": number}, source=order, wait=True)
    assert_type(found, Render)
    share = await found.ashare(message="Your invoice", wait=10)
    assert_type(share, Share)
    assert_type(await share.arevoke(), bool)
    assert_type(await found.aemail("jane@acme.com"), Share)
    assert_type(await found.await_ready(timeout=5), Render)
    assert_type(await found.asource(), Model | None)
    assert_type(await found.asuperseded_by(), Render | None)
    assert_type(await found.asupersede({"number": number}), Render)
    assert_type(await found.ais_overdue(), bool)
    await found.arecord("viewed")
    return JsonResponse({"status": found.status, "url": share.url})


async def order_list(request: HttpRequest) -> HttpResponse:
    orders = [order async for order in Order.objects.all()[:100]]
    await Render.objects.aprefetch_for(orders)
    return render(request, "orders.html", {"orders": orders})


async def invoice(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    found = await Render.objects.aget(pk=pk)
    pdf = await found.aopen()
    assert_type(pdf, AsyncFile)
    return StreamingHttpResponse(pdf, content_type="application/pdf")


async def first_bytes(found: Render) -> bytes:
    async with await found.aopen(timeout=5) as pdf:
        assert_type(pdf.size, int | None)
        return await pdf.read(1024)


async def sign(found: Render) -> bytes:
    request = await found.asend_for_signature([Recipient("Jane", "Doe", "jane@example.com")])
    assert_type(request, SignatureRequest)
    assert_type(await request.arefresh(wait=5), bool)
    assert_type(await request.acancel(reason="The dates have changed."), bool)
    assert_type(await ArchivedFile.objects.aof("signed", request.pk), ArchivedFile | None)
    async with await request.aopen_signed() as pdf:
        return b"".join([chunk async for chunk in pdf])


async def month_end(orders: list[Order]) -> Batch:
    def statement(order: Order) -> dict[str, Any]:
        return {"number": order.number}

    batch = await Render.objects.arequest_many("statement", orders, data=statement)
    assert_type(batch, Batch)
    assert_type(await batch.acounts(), dict[str, int])
    assert_type(await batch.aretry_failed(), int)
    return batch


async def form(request: HttpRequest, submission: FormSubmission) -> HttpResponse:
    session = await embedding.acreate_session("delivery-note")
    assert_type(session, embedding.Session)
    assert_type(await embedding.aget_form_url("delivery-note", expires=60), str)
    assert_type(await submission.asession(), EmbedSession | None)
    assert_type(await Template.objects.aget_known("default", "invoice"), Template | None)
    return render(request, "form.html", {"session": session})


async def forget(order: Order) -> None:
    assert_type(await Render.objects.for_object(order).aerase(dry_run=True), Erasure)
