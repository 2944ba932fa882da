"""The inbox of webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from django_craftkit.admin.common.base import Said, age_column, problem_column
from django_craftkit.admin.common.buttons import row_action
from django_craftkit.admin.common.format import badge, linked
from django_craftkit.admin.common.lists import ProjectFilter, ValueFilter
from django_craftkit.admin.common.truncate import SHOWN, body_of, laid_out, shown
from django_craftkit.admin.common.work import WorkAdmin
from django_craftkit.models import EngagementEvent, Render, SignatureRequest, WebhookDelivery
from django_craftkit.visibility import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from django.db.models import Model
    from django.http import HttpRequest
    from django.utils.functional import _StrOrPromise

    class ShownDelivery(WebhookDelivery):
        """One as ``prepare_rows`` leaves it: with the address and the key of its document."""

        target: tuple[str, str] | None


_STEPS = ("sent", "viewed", "signed", "completed", "declined", "expired", "cancelled")
#: The events that are processed; the others are ignored.
EVENTS = (
    "render.succeeded",
    "render.failed",
    *(f"document.{kind}" for kind in EngagementEvent.Type.values),
    *(f"signature.{step}" for step in _STEPS),
    "form.submitted",
)
_TONES = {
    WebhookDelivery.Status.RECEIVED: "busy",
    WebhookDelivery.Status.PROCESSED: "good",
    WebhookDelivery.Status.FAILED: "warn",
    WebhookDelivery.Status.ABANDONED: "bad",
}


class EventFilter(ValueFilter):
    title = _("event")
    parameter_name = "event"

    def values(self) -> Iterable[str]:
        return EVENTS


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(WorkAdmin[WebhookDelivery]):
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
    button = _("Work off again")
    _REPLAY = Said(
        log=_("Asked for it to be worked off again."),
        done=ngettext_lazy("%d webhook is worked off again.", "%d webhooks are worked off again."),
        left=ngettext_lazy(
            "%d webhook was left as it is: its body was dropped, or it is in hand.",
            "%d webhooks were left as they are: their bodies were dropped, or they are in hand.",
        ),
    )
    wholes = ("body", "error")
    filterable = ("status", "error")
    fields = (
        "event",
        "shown_status",
        "shown_error",
        "error_code",
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
    shown_received = age_column("received_at", _("received"), "pk")
    shown_error = problem_column()

    def is_offered(self, row: WebhookDelivery) -> bool:
        return row.is_body_kept

    def prepare_rows(self, request: HttpRequest, rows: Sequence[ShownDelivery]) -> None:
        ids = {row.about for row in rows if row.about is not None}
        found: dict[tuple[str, UUID | None], tuple[str, str]] = {}
        models: dict[type[Model], str] = {Render: "key", SignatureRequest: "render__key"}
        for model, key in models.items():
            name = str(model._meta.model_name)
            if ids and self.allows(request, f"view_{name}"):
                known = visible(model._default_manager.filter(remote_id__in=ids), request)
                columns = known.values_list("project", "remote_id", "pk", key)
                for project, remote_id, pk, label in columns:
                    found[project, remote_id] = (self.address("change", pk, model=name), label)
        for row in rows:
            row.target = found.get((row.project, row.about))

    @admin.display(description=_("event"))
    def shown_event(self, delivery: WebhookDelivery) -> _StrOrPromise:
        return delivery.event or _("webhook")

    @admin.display(description=_("status"))
    def shown_status(self, delivery: WebhookDelivery) -> str:
        tone = _TONES.get(delivery.status, "quiet")  # type: ignore[call-overload]
        return badge(delivery.get_status_display(), tone)

    @admin.display(description=_("document"))
    def document(self, delivery: ShownDelivery) -> str:
        return "–" if delivery.target is None else linked(*delivery.target)

    @admin.display(description=_("body"))
    def shown_body(self, delivery: WebhookDelivery) -> _StrOrPromise:
        if not delivery.is_body_kept:
            return _("Its time was over, so it was dropped; its SHA-256 is kept.")
        body = bytes(delivery.body)
        if len(body) <= SHOWN and (text := body_of(body)) is not None:
            page, is_cut = laid_out(text)
        else:
            page, is_cut = shown(body[:SHOWN].decode("utf-8", "replace")), len(body) > SHOWN
        return format_html("{}{}", page, self.more_of(delivery, "body", is_cut=is_cut))

    @row_action("replay", "replay_webhookdelivery", _("Work off again"))
    def replay(self, request: HttpRequest, deliveries: Iterable[WebhookDelivery]) -> None:
        pks = [delivery.pk for delivery in deliveries]
        rows = WebhookDelivery.objects.filter(pk__in=pks, leased_until=None).exclude(body=b"")
        able = list(rows.defer("body"))
        replayed = WebhookDelivery.objects.replay([delivery.pk for delivery in able])
        self.log_all(request, able, self._REPLAY.log)
        self.tell_counts(request, self._REPLAY, replayed, len(pks) - replayed)
