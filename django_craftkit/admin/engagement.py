"""Engagement: who opened a document, when and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_craftkit.admin.common.base import MirrorAdmin, age_column, json_column
from django_craftkit.admin.common.format import exact, linked, recipient_of
from django_craftkit.admin.common.lists import ProjectFilter
from django_craftkit.admin.common.truncate import long_of
from django_craftkit.models import EngagementEvent, Render, Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

    class ShownEvent(EngagementEvent):
        """One as ``prepare_rows`` leaves it."""

        share: Share | None
        is_linked: bool


@admin.register(EngagementEvent)
class EngagementEventAdmin(MirrorAdmin[EngagementEvent]):
    _SHOWN = ("shown_type", "document", "shown_actor", "recipient", "ip_address", "user_agent")
    list_display = ("shown_at", *_SHOWN)
    list_filter = ("type", ProjectFilter)
    # No index has them all by another column.
    sortable_by = ()
    search_prefixes = ("render__key",)
    ordering = ("-pk",)
    wholes = ("metadata",)
    filterable = ("render", "event_id", "type", "actor", "occurred_at")
    fields = ("exact_at", *_SHOWN, "shown_metadata", "project", "known_as")
    shown_at = age_column("occurred_at", _("at"))
    shown_metadata = json_column("metadata", _("further data"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[EngagementEvent]:
        queryset = super().get_queryset(request)
        return queryset.select_related("render").defer(*long_of(Render, "render"), "render__counts")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # Those of one document are in an index by when they were, not by their numbers.
        of_one = any(name.startswith("render") for name in request.GET)
        return ("-occurred_at", "-pk") if of_one else ("-pk",)

    def prepare_rows(self, request: HttpRequest, rows: Sequence[ShownEvent]) -> None:
        # Whose link it is, is the link's to tell.
        sees_shares = self.allows(request, "view_share")
        sees_renders = self.allows(request, "view_render")
        ids = {row.share_remote_id for row in rows if row.share_remote_id} if sees_shares else ()
        known = Share.objects.filter(remote_id__in=ids)
        known = known.only("project", "remote_id", "recipient_email", "recipient_name", "erased_at")
        shares = {(share.project, share.remote_id): share for share in known}
        for row in rows:
            row.share = shares.get((row.project, row.share_remote_id))
            row.is_linked = sees_renders

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
    def document(self, event: ShownEvent) -> str:
        url = self.address("change", event.render_id, model="render") if event.is_linked else ""
        return linked(url, event.render.title)

    @admin.display(description=_("for"))
    def recipient(self, event: ShownEvent) -> str:
        if event.share is None:
            return "–"
        url = self.address("change", event.share.pk, model="share")
        return linked(url, recipient_of(event.share))

    @admin.display(description=_("Craftkit's id"))
    def known_as(self, event: EngagementEvent) -> object:
        return event.event_id or _("Seen on this site; Craftkit is still to be told.")
