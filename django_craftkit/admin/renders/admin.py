"""Documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, Subquery
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_craftkit import declarations
from django_craftkit.admin.common.base import age_column, collapsed, json_column
from django_craftkit.admin.common.format import Context, brief
from django_craftkit.admin.common.lists import ProjectFilter, StateFilter, ValueFilter, is_list
from django_craftkit.admin.common.sources import note_sources, source_link
from django_craftkit.admin.common.truncate import LONG
from django_craftkit.admin.shares.buttons import SharingButtons
from django_craftkit.admin.signatures.buttons import SigningButtons
from django_craftkit.models import Render, Share, SignatureRequest
from django_craftkit.models.render_queryset import RenderQuerySet
from django_craftkit.words import grouped

from .buttons import RenderButtons
from .page import (
    document_context,
    document_timeline,
    known_of,
    render_badges,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.contrib.admin.options import _ListDisplayT
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from .page import ShownRender


class TemplateFilter(ValueFilter):
    """The templates that are declared."""

    title = _("template")
    parameter_name = "template"

    def values(self) -> Iterable[str]:
        return sorted({one.template for one in declarations.declared()})


class RenderState(StateFilter):
    # The front page counts by the same methods.
    states = {
        "under_way": (_("under way"), RenderQuerySet.under_way),
        "held": (_("held"), RenderQuerySet.waiting),
        "overdue": (_("overdue"), RenderQuerySet.overdue),
        "failed": (_("failed or rejected in the last 30 days"), RenderQuerySet.needing_action),
    }


@admin.register(Render)
class RenderAdmin(RenderButtons, SharingButtons, SigningButtons):
    list_display = (
        "shown_key",
        "template",
        "shown_status",
        "source",
        "shown_age",
        "open_links",
        "views",
    )
    list_filter = (RenderState, "status", ProjectFilter, TemplateFilter)
    search_prefixes = ("key",)
    search_exact = ("source_id", "remote_id")
    ordering = ("-requested_at", "-pk")
    # What an index serves, and nothing else.
    sortable_by = ("shown_age",)
    actions = ("retry", "share", "withdraw")
    wholes = LONG[Render]
    filterable = (
        "template",
        "version",
        "key",
        "source_type",
        "source_id",
        "batch",
        "status",
        "error",
        "requested_at",
        "withdrawn_at",
        "erased_at",
    )
    fieldsets = (
        collapsed(_("Data"), "shown_data", "builder"),
        collapsed(
            _("At Craftkit"),
            "project",
            "remote_id",
            "shown_version",
            "filename",
            "attempt",
            "attempted_at",
            "accepted_at",
            "completed_at",
            "updated_at",
            "shown_answer",
        ),
    )
    shown_age = age_column("requested_at", _("asked for"), "-requested_at")
    shown_data = json_column("data", _("data"))
    shown_answer = json_column("answer", _("answer"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Render]:
        queryset = super().get_queryset(request).select_related("source_type")
        if is_list(request):
            return queryset
        # Most documents are signed by nobody, and their pages need not look for it.
        requests = SignatureRequest.objects.filter(render=OuterRef("pk"))
        successors = Render.objects.filter(supersedes=OuterRef("pk")).order_by("-pk")
        queryset = queryset.annotate(
            has_requests=Exists(requests), successor_id=Subquery(successors.values("pk")[:1])
        )
        return queryset.select_related("requested_by", "withdrawn_by", "batch")

    def get_filterable(self, request: HttpRequest) -> Sequence[str]:
        # Which batch a document is of, its page shows to whoever may see batches.
        names = super().get_filterable(request)
        sees = self.allows(request, "view_batch")
        return [name for name in names if name != "batch" or sees]

    def get_list_display(self, request: HttpRequest) -> _ListDisplayT[Render]:
        sees_links = self.allows(request, "view_share")
        return [name for name in self.list_display if name != "open_links" or sees_links]

    def prepare_rows(self, request: HttpRequest, rows: Sequence[ShownRender]) -> None:
        note_sources(request, rows)
        if not is_list(request):
            return
        pks = [render.pk for render in rows]
        late = set(Render.objects.overdue().filter(pk__in=pks).values_list("pk", flat=True))
        numbers: dict[int, int] = {}
        if self.allows(request, "view_share"):
            shares = Share.objects.open().filter(render__in=pks).order_by()
            counted = shares.values("render").annotate(number=Count("pk"))
            numbers = dict(counted.values_list("render", "number"))
        for render in rows:
            render.is_late = render.pk in late
            render.open_links = numbers.get(render.pk, 0)

    @admin.display(description=_("key"))
    def shown_key(self, render: Render) -> str:
        return brief(render.title)

    @admin.display(description=_("status"))
    def shown_status(self, render: ShownRender) -> str:
        return render_badges(render, is_overdue=render.is_late)

    @admin.display(description=_("about"))
    def source(self, render: ShownRender) -> str:
        return source_link(self, render)

    @admin.display(description=_("open links"))
    def open_links(self, render: ShownRender) -> str:
        return _figure(render.open_links)

    @admin.display(description=pgettext_lazy("how often a document was", "opened"))
    def views(self, render: Render) -> str:
        return _figure(render.counts.get("viewed", 0))

    @admin.display(description=_("version"))
    def shown_version(self, render: Render) -> str:
        # As code names it: it is no quantity.
        return "–" if render.version is None else str(render.version)

    def context_of(self, request: HttpRequest, row: ShownRender) -> Context:
        return {"document": document_context(self, request, row)}

    def timeline_of(self, request: HttpRequest, row: ShownRender) -> Context:
        return document_timeline(self, request, row, known_of(self, request, row))


def _figure(number: int) -> str:
    # Right-aligned by the stylesheet; nothing is quieter than a zero.
    shown = grouped(number) if number else "–"
    return format_html('<span class="craftkit-figure">{}</span>', shown)
