"""Engagement: who opened a document, when and how. ``RenderViewSet`` records it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import django_filters
from django.utils.translation import gettext as _
from rest_framework import serializers

from django_craftkit.models import EngagementEvent, Share
from django_craftkit.models.engagement import RECORDED_HERE

from .base import CraftkitViewSet
from .fields import InputSerializer, KeyFilter, Named, ObjectField, TextField

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class EngagementEventSerializer(Named, serializers.ModelSerializer[EngagementEvent]):
    """Somebody opened a document, or did something else with it."""

    type = serializers.CharField(
        help_text="`viewed`, `downloaded`, `printed`, `email_opened`, `email_sent`, "
        "`share_created`, `share_revoked`"
    )
    actor = serializers.CharField(help_text="`recipient`, `partner` (this site) or `system`")
    share = serializers.SerializerMethodField(
        help_text="The link that was used; null for users who may not see links."
    )

    class Meta:
        model = EngagementEvent
        fields = (
            "id",
            "render",
            "share",
            "type",
            "actor",
            "occurred_at",
            "ip_address",
            "user_agent",
        )
        read_only_fields = fields

    def get_share(self, event: EngagementEvent) -> int | None:
        pk: int | None = getattr(event, "share", None)
        return pk


class EngagementInputSerializer(InputSerializer):
    """What somebody did with the document on this site."""

    type = TextField(default="viewed", help_text=f"`{'`, `'.join(RECORDED_HERE)}`")
    metadata = ObjectField(required=False, allow_null=True, default=None)

    def validate_type(self, kind: str) -> str:
        if kind not in RECORDED_HERE:
            text = _("Write one of %s.") % ", ".join(RECORDED_HERE)
            raise serializers.ValidationError(text)
        return kind


class EngagementEventFilter(django_filters.FilterSet):
    """By what the answer shows, and an index finds."""

    render = KeyFilter("render_id")
    type = django_filters.ChoiceFilter(choices=EngagementEvent.Type.choices)


class EngagementEventViewSet(CraftkitViewSet[EngagementEvent]):
    """Engagement events, the last one received first; with ``render``, the last one to happen."""

    queryset = EngagementEvent.objects.defer("metadata")
    serializer_class: type[serializers.BaseSerializer[EngagementEvent]] = EngagementEventSerializer
    nouns = ("an engagement event", "engagement events")
    filterset_class: type[django_filters.FilterSet] | None = EngagementEventFilter
    permissions = {"list": "view_engagementevent", "retrieve": "view_engagementevent"}
    # An index has all events by their id, and those of one document by their time.
    orderings = {"": ("-id",)}

    def get_orderings(self) -> Mapping[str, Sequence[str]]:
        is_of_one = bool(self.request.query_params.get("render"))
        return {"": ("-occurred_at", "-id")} if is_of_one else self.orderings

    def prepare(self, rows: Sequence[EngagementEvent]) -> Sequence[EngagementEvent]:
        # Which link it was is shown to users who may view links.
        if not self.may("view_share", None):
            return rows
        ids = {row.share_remote_id for row in rows if row.share_remote_id}
        shares = Share.objects.filter(remote_id__in=ids, render__in={row.render_id for row in rows})
        known = {
            (render, remote_id): pk
            for render, remote_id, pk in shares.values_list("render", "remote_id", "pk")
        }
        for row in rows:
            vars(row)["share"] = known.get((row.render_id, row.share_remote_id))
        return rows
