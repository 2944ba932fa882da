"""Views, and the API's fields in an API of the project's own."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from rest_framework.routers import SimpleRouter

import django_craftkit
from django_craftkit.api.fields import RowSerializer
from django_craftkit.api.querysets import own_documents
from django_craftkit.api.renders import RenderViewSet
from django_craftkit.embedding import (
    SessionUnavailable,
    create_session,
    embedding_view,
    get_form_url,
)
from django_craftkit.metrics import snapshot
from django_craftkit.models import Render, SignatureRequest
from django_craftkit.visibility import visible

from .models import Order

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

CELERY_BEAT_SCHEDULE = {**django_craftkit.beat_schedule()}


@permission_required("craftkit.view_render", raise_exception=True)
def document(request: HttpRequest, pk: int) -> FileResponse:
    found = get_object_or_404(Render, pk=pk, status=Render.Status.SUCCEEDED)
    return FileResponse(found.open(), content_type="application/pdf")


def overview(request: HttpRequest) -> HttpResponse:
    orders = list(Order.objects.all()[:100])
    visible(Render.objects.all(), request).prefetch_for(orders)
    numbers: dict[str, int] = {"late": snapshot().overdue_renders, **snapshot().due_jobs}
    return render(request, "orders.html", {"orders": orders, "numbers": numbers})


def of_my_own(queryset: QuerySet[Render], request: HttpRequest) -> QuerySet[Render]:
    if isinstance(request.user, User) and request.user.is_superuser:
        return queryset
    return queryset.filter(requested_by=request.user.pk)


def signed_agreement(request: HttpRequest, pk: int) -> FileResponse:
    if not (isinstance(request.user, User) and request.user.has_perm("craftkit.download_render")):
        raise PermissionDenied
    found = get_object_or_404(SignatureRequest, pk=pk, status="completed")
    return FileResponse(found.open_signed(), content_type="application/pdf")


def invoice_link(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Render, pk=pk)
    own = found.get_download_url()
    guests = found.get_download_url(guest=True, expires=timedelta(days=7))
    return HttpResponse(request.build_absolute_uri(guests or own))


@embedding_view
def delivery_note(request: HttpRequest, pk: int) -> HttpResponse:
    order = get_object_or_404(Order, pk=pk)
    user = request.user if isinstance(request.user, User) else None
    try:
        session = create_session("delivery-note", source=order, user=user, prefill={"n": pk})
    except SessionUnavailable as error:
        return HttpResponse(error.why, status=503)
    guests = get_form_url("delivery-note", source=order, expires=timedelta(days=7))
    context = {"session": session, "until": session.expires_at, "guests": guests}
    return render(request, "delivery_note.html", context)


def order_list(request: HttpRequest) -> HttpResponse:
    orders = list(Order.objects.all()[:100])
    Render.objects.prefetch_for(orders)
    return render(request, "orders.html", {"orders": orders})


def documents(queryset: QuerySet[Render], request: Request) -> QuerySet[Render]:
    if isinstance(request.user, User) and request.user.is_staff:
        return queryset
    return own_documents(queryset, request)


class DocumentSerializer(RowSerializer):
    class Meta:
        model = Render
        fields = ("id", "template", "status", "is_final", "requested_at")


class DocumentViewSet(RenderViewSet):
    serializer_class = DocumentSerializer
    filterset_class = None
    filterset_fields = ("template", "status")
    permissions = {
        "list": "view_render",
        "retrieve": "view_render",
        "pdf": "download_render",
    }


router = SimpleRouter()
router.register("documents", DocumentViewSet, "document")
