"""The inbox of webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_craftkit.models import EngagementEvent, Render, SignatureRequest, WebhookDelivery

from .base import MirrorAdmin, age, badge, linked, press
from .buttons import button
from .lists import ProjectFilter
from .texts import SHOWN, body_of, laid_out, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

#: The events that are worked off; the others are ignored.
EVENTS = (
    "render.succeeded",
    "render.failed",
    *(f"document.{kind}" for kind in EngagementEvent.Type.values),
    *(
        f"signature.{step}"
        for step in ("sent", "viewed", "signed", "completed", "declined", "expired", "cancelled")
    ),
)
_TONES = {
    WebhookDelivery.Status.RECEIVED: "busy",
    WebhookDelivery.Status.PROCESSED: "good",
    WebhookDelivery.Status.FAILED: "warn",
    WebhookDelivery.Status.ABANDONED: "bad",
}


class EventFilter(admin.SimpleListFilter):
    """The events that are known: to ask the rows which there are would read all of them."""

    title = _("event")
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(event, event) for event in EVENTS]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(event=self.value()) if self.value() else queryset


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(MirrorAdmin):
    list_display = (
        "shown_event",
        "shown_status",
        "document",
        "project",
        "shown_received",
        "attempts",
    )
    list_filter = ("status", EventFilter, ProjectFilter)
    # They are in the order in which they came, as their numbers are.
    sortable_by = ("shown_received",)
    search_exact = ("delivery_id", "about")
    ordering = ("-pk",)
    actions = ("replay",)
    wholes = ("body", "error")
    columns = (
        "project",
        "delivery_id",
        "event",
        "about",
        "status",
        "error",
        "attempts",
        "body_hash",
        "received_at",
        "processed_at",
        "due_at",
    )
    fields = (
        "event",
        "shown_status",
        "shown_error",
        "document",
        "project",
        "received_at",
        "processed_at",
        "attempts",
        "due_at",
        "shown_button",
        "shown_body",
        "delivery_id",
        "about",
        "body_hash",
    )
    readonly_fields = ("shown_status", "shown_error", "document", "shown_button", "shown_body")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        may = obj is not None and obj.is_body_kept and self.has_replay_permission(request)
        return [name for name in self.fields if name != "shown_button" or may]

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        ids = {row.about for row in rows if row.about is not None}
        found: dict[tuple[str, Any], tuple[str, str]] = {}
        models: dict[type[Any], str] = {Render: "key", SignatureRequest: "render__key"}
        for model, key in models.items():
            name = str(model._meta.model_name)
            if not (ids and self.allows(request, f"view_{name}")):
                continue
            known = model._default_manager.filter(remote_id__in=ids)
            for project, remote_id, pk, label in known.values_list(
                "project", "remote_id", "pk", key
            ):
                found[project, remote_id] = (self.address("change", pk, model=name), label)
        for row in rows:
            row.about_what = found.get((row.project, row.about))

    @admin.display(description=_("event"))
    def shown_event(self, delivery: WebhookDelivery) -> Any:
        return delivery.event or _("webhook")

    @admin.display(description=_("status"))
    def shown_status(self, delivery: WebhookDelivery) -> SafeString:
        tone = _TONES.get(delivery.status, "quiet")  # type: ignore[call-overload]
        return badge(delivery.get_status_display(), tone)

    @admin.display(description=_("document"))
    def document(self, delivery: Any) -> str | SafeString:
        if delivery.about_what is None:
            return "–"
        shown_link: str | SafeString = linked(*delivery.about_what)
        return shown_link

    @admin.display(description=_("received"), ordering="pk")
    def shown_received(self, delivery: WebhookDelivery) -> SafeString:
        return age(delivery.received_at)

    @admin.display(description=_("body"))
    def shown_body(self, delivery: WebhookDelivery) -> Any:
        if not delivery.is_body_kept:
            return _("Its time was over, so it was dropped; its SHA-256 is kept.")
        body = bytes(delivery.body)
        if len(body) <= SHOWN and (text := body_of(body)) is not None:
            page, is_cut = laid_out(text)
        else:
            page, is_cut = shown(body[:SHOWN].decode("utf-8", "replace")), len(body) > SHOWN
        return format_html("{}{}", page, self.more_of(delivery, "body", is_cut=is_cut))

    @admin.display(description=_("error"))
    def shown_error(self, delivery: WebhookDelivery) -> str | SafeString:
        return self.text_of(delivery, "error")

    @admin.display(description=_("what can be done"))
    def shown_button(self, delivery: WebhookDelivery) -> SafeString:
        return press(self.address("replay", delivery.pk), _("Work off again"))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "replay_webhookdelivery")

    @admin.action(description=_("Work off again"), permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        self._replay(request, list(queryset.values_list("pk", flat=True)))

    @button("replay", "replay_webhookdelivery")
    def replay_one(self, request: HttpRequest, delivery: WebhookDelivery) -> HttpResponse:
        self._replay(request, [delivery.pk])
        answer: HttpResponse = self.back(request, delivery)
        return answer

    def _replay(self, request: HttpRequest, pks: Sequence[int]) -> None:
        rows = WebhookDelivery.objects.filter(pk__in=pks, leased_until=None).exclude(body=b"")
        able = list(rows.defer("body"))
        asked = WebhookDelivery.objects.replay([delivery.pk for delivery in able])
        self.log_all(request, able, _("Asked for it to be worked off again."))
        if asked:
            text = ngettext(
                "%d webhook is worked off again.", "%d webhooks are worked off again.", asked
            )
            self.message_user(request, text % asked, "success")
        if left := len(pks) - asked:
            text = ngettext(
                "%d webhook was left as it is: its body was dropped, or it is in hand.",
                "%d webhooks were left as they are: their bodies were dropped, or they are in "
                "hand.",
                left,
            )
            self.message_user(request, text % left, "warning")
