"""Embed sessions: who was given the builder, or a form, and about what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_craftkit.admin.common.base import MirrorAdmin, age_column
from django_craftkit.admin.common.format import name_of
from django_craftkit.admin.common.lists import ProjectFilter, ValueFilter
from django_craftkit.admin.common.sources import note_sources, source_link
from django_craftkit.models import EmbedSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

#: Those of today; an address may name any other.
MODES = ("fill", "edit", "create", "view")


class ModeFilter(ValueFilter):
    title = _("mode")
    parameter_name = "mode"

    def values(self) -> Iterable[str]:
        return MODES


@admin.register(EmbedSession)
class EmbedSessionAdmin(MirrorAdmin[EmbedSession]):
    _SHOWN = ("mode", "template", "about", "user")
    list_display = (*_SHOWN, "project", "shown_created")
    list_filter = (ModeFilter, ProjectFilter)
    # No index has them all by another column.
    sortable_by = ()
    search_prefixes = ("template",)
    search_exact = ("remote_id",)
    ordering = ("-pk",)
    # What renews a session is on no page.
    fields = (
        *_SHOWN,
        "tenant_id",
        "actor_id",
        "collect",
        "created_at",
        "expires_at",
        "project",
        "remote_id",
    )
    shown_created = age_column("created_at", _("created"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[EmbedSession]:
        return (
            super()
            .get_queryset(request)
            .select_related("created_by", "source_type")
            .defer("renew_token")
        )

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        note_sources(request, rows)

    @admin.display(description=_("about"))
    def about(self, row: EmbedSession) -> str:
        return source_link(self, row)

    @admin.display(description=_("created by"))
    def user(self, row: EmbedSession) -> str:
        return name_of(row.created_by) or "–"
