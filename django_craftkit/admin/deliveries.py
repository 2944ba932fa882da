"""The inbox of webhooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_craftkit.models import WebhookDelivery

from .base import MirrorAdmin, ProjectFilter, pretty, shown

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

#: Characters of a body that are shown.
SHOWN = 20_000


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(MirrorAdmin):
    list_display = ("delivery_id", "event", "status", "project", "received_at", "attempts")
    list_filter = ("status", ProjectFilter)
    search_fields = ("=delivery_id", "=about")
    ordering = ("-pk",)
    unseen = ("body",)
    fields = (
        "delivery_id",
        "project",
        "event",
        "about",
        "status",
        "error",
        "received_at",
        "processed_at",
        "attempts",
        "due_at",
        "body_hash",
        "shown_body",
    )
    readonly_fields = ("shown_body",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        queryset: QuerySet[WebhookDelivery] = super().get_queryset(request)
        match = request.resolver_match
        if match and match.url_name and match.url_name.endswith("_changelist"):
            queryset = queryset.defer("body")
        return queryset

    @admin.display(description=_("body"))
    def shown_body(self, delivery: WebhookDelivery) -> SafeString:
        body = bytes(delivery.body)
        try:
            return pretty(json.loads(body[:SHOWN]))
        except (ValueError, RecursionError):
            return shown(body[:SHOWN].decode("utf-8", "replace"))
