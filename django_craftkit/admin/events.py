"""Engagement: who opened a document, when and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_craftkit.models import EngagementEvent, Share

from .base import MirrorAdmin, age, exact, linked
from .lists import ProjectFilter
from .states import whom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


@admin.register(EngagementEvent)
class EngagementEventAdmin(MirrorAdmin):
    list_display = (
        "shown_at",
        "shown_type",
        "document",
        "shown_actor",
        "recipient",
        "ip_address",
        "user_agent",
    )
    list_filter = ("type", ProjectFilter)
    # No index has them all by another column.
    sortable_by = ()
    search_prefixes = ("render__key",)
    ordering = ("-pk",)
    wholes = ("metadata",)
    columns = (
        "render",
        "project",
        "event_id",
        "type",
        "actor",
        "ip_address",
        "user_agent",
        "occurred_at",
    )
    fields = (
        "exact_at",
        "shown_type",
        "document",
        "shown_actor",
        "recipient",
        "ip_address",
        "user_agent",
        "shown_metadata",
        "project",
        "known_as",
    )
    readonly_fields = (
        "exact_at",
        "shown_type",
        "document",
        "shown_actor",
        "recipient",
        "shown_metadata",
        "known_as",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[EngagementEvent]:
        queryset: QuerySet[EngagementEvent] = super().get_queryset(request)
        return queryset.select_related("render").defer(
            "render__data",
            "render__answer",
            "render__error",
            "render__field_errors",
            "render__counts",
        )

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # Those of one document are in an index by when they were, not by their numbers.
        of_one = any(name.startswith("render") for name in request.GET)
        return ("-occurred_at", "-pk") if of_one else ("-pk",)

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        # Whose link it is, is the link's to tell.
        sees_shares = self.allows(request, "view_share")
        sees_renders = self.allows(request, "view_render")
        ids = {row.share_remote_id for row in rows if row.share_remote_id} if sees_shares else ()
        shares = {
            (share.project, share.remote_id): share
            for share in Share.objects.filter(remote_id__in=ids).only(
                "project", "remote_id", "recipient_email", "recipient_name"
            )
        }
        for row in rows:
            row.share = shares.get((row.project, row.share_remote_id))
            row.is_linked = sees_renders

    @admin.display(description=_("at"))
    def shown_at(self, event: EngagementEvent) -> SafeString:
        return age(event.occurred_at)

    @admin.display(description=_("at"))
    def exact_at(self, event: EngagementEvent) -> str:
        return exact(event.occurred_at)

    @admin.display(description=_("event"))
    def shown_type(self, event: EngagementEvent) -> str:
        return event.get_type_display()

    @admin.display(description=_("by"))
    def shown_actor(self, event: EngagementEvent) -> str:
        return event.get_actor_display()

    @admin.display(description=_("document"))
    def document(self, event: Any) -> str | SafeString:
        url = self.address("change", event.render_id, model="render") if event.is_linked else ""
        shown: str | SafeString = linked(url, event.render.key)
        return shown

    @admin.display(description=_("for"))
    def recipient(self, event: Any) -> str | SafeString:
        if event.share is None:
            return "–"
        url = self.address("change", event.share.pk, model="share")
        shown: str | SafeString = linked(url, whom(event.share))
        return shown

    @admin.display(description=_("further data"))
    def shown_metadata(self, event: EngagementEvent) -> str | SafeString:
        return self.json_of(event, "metadata")

    @admin.display(description=_("Craftkit's id"))
    def known_as(self, event: EngagementEvent) -> Any:
        return event.event_id or _("Seen on this site; Craftkit is still to be told.")
