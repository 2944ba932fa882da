"""Documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, Exists, OuterRef
from django.utils import formats
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext_lazy

from django_craftkit import conf, declarations
from django_craftkit.models import Render, Share, SignatureRequest

from .base import age, brief, may_see_source, source_link
from .document import document_page, known_of, way_of_document
from .handing import Handing, link_to
from .lists import ProjectFilter, StateFilter, is_list
from .signing import Signing
from .states import render_badges
from .texts import LONG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


class TemplateFilter(admin.SimpleListFilter):
    """The templates that are declared; an address may name any other."""

    title = _("template")
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        aliases = conf.project_aliases()
        slugs = {slug for alias in aliases for slug in declarations.templates_of(alias)}
        return [(slug, slug) for slug in sorted(slugs)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(template=self.value()) if self.value() else queryset


class RenderState(StateFilter):
    # The front page counts by the same methods.
    states = {
        "under_way": (_("under way"), lambda renders: renders.under_way()),
        "held": (_("held"), lambda renders: renders.held()),
        "overdue": (_("overdue"), lambda renders: renders.overdue()),
        "failed": (
            _("failed or rejected in the last 30 days"),
            lambda renders: renders.needing_action(),
        ),
    }


@admin.register(Render)
class RenderAdmin(Signing, Handing):
    list_display = (
        "shown_key",
        "template",
        "shown_status",
        "about",
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
    columns = (
        "project",
        "template",
        "version",
        "key",
        "source_type",
        "source_id",
        "status",
        "builder",
        "error",
        "remote_id",
        "attempt",
        "requested_at",
        "attempted_at",
        "accepted_at",
        "completed_at",
        "withdrawn_at",
        "updated_at",
    )
    fieldsets = (
        (_("Data"), {"fields": ("shown_data", "builder"), "classes": ("collapse",)}),
        (
            _("At Craftkit"),
            {
                "fields": (
                    "project",
                    "remote_id",
                    "shown_version",
                    "attempt",
                    "attempted_at",
                    "accepted_at",
                    "completed_at",
                    "updated_at",
                    "shown_answer",
                ),
                "classes": ("collapse",),
            },
        ),
    )
    readonly_fields = ("shown_data", "shown_version", "shown_answer", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Render]:
        queryset: Any = super().get_queryset(request).select_related("source_type")
        if is_list(request):
            listed: QuerySet[Render] = queryset
            return listed
        # Most documents are signed by nobody, and their pages need not look for it.
        requests = SignatureRequest.objects.filter(render=OuterRef("pk"))
        queryset = queryset.annotate(has_requests=Exists(requests))
        people: QuerySet[Render] = queryset.select_related("requested_by", "withdrawn_by")
        return people

    def get_list_display(self, request: HttpRequest) -> Any:
        sees_links = self.allows(request, "view_share")
        return [name for name in self.list_display if name != "open_links" or sees_links]

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        for render in rows:
            render.sees_source = may_see_source(request, render)
        if not is_list(request):
            return
        pks = [render.pk for render in rows]
        late = set(Render.objects.overdue().filter(pk__in=pks).values_list("pk", flat=True))
        for render in rows:
            render.is_late = render.pk in late
        if not self.allows(request, "view_share"):
            return
        shares = Share.objects.open().filter(render__in=pks)
        counted = shares.order_by().values("render").annotate(number=Count("pk"))
        numbers = dict(counted.values_list("render", "number"))
        for render in rows:
            render.open_links = numbers.get(render.pk, 0)

    @admin.display(description=_("key"))
    def shown_key(self, render: Render) -> str | SafeString:
        return brief(render.key)

    @admin.display(description=_("status"))
    def shown_status(self, render: Any) -> SafeString:
        return render_badges(render, is_overdue=render.is_late)

    @admin.display(description=_("about"))
    def about(self, render: Any) -> str | SafeString:
        return source_link(render, self.admin_site.name, may_see=render.sees_source)

    @admin.display(description=_("asked for"), ordering="-requested_at")
    def shown_age(self, render: Render) -> SafeString:
        return age(render.requested_at)

    @admin.display(description=_("open links"))
    def open_links(self, render: Any) -> str:
        return _figure(render.open_links)

    @admin.display(description=pgettext_lazy("how often a document was", "opened"))
    def views(self, render: Render) -> str:
        return _figure(render.counts.get("viewed", 0))

    @admin.display(description=_("data"))
    def shown_data(self, render: Render) -> str | SafeString:
        return self.json_of(render, "data")

    @admin.display(description=_("version"))
    def shown_version(self, render: Render) -> str:
        # As code names it: it is no quantity.
        return "–" if render.version is None else str(render.version)

    @admin.display(description=_("answer"))
    def shown_answer(self, render: Render) -> str | SafeString:
        return self.json_of(render, "answer")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        render = kwargs.get("obj")
        if render is not None:
            context["document"] = document_page(self, request, render)
        return super().render_change_form(request, context, *args, **kwargs)

    def way_of(self, request: HttpRequest, row: Render) -> dict[str, Any]:
        return way_of_document(self, request, row, known_of(self, request, row))

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "retry_render")

    def has_share_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "add_share")

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "withdraw_render")

    @admin.action(description=_("Retry the selected documents"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Render]) -> None:
        person = self.person(request)
        self.all_of(
            request,
            queryset.order_by("pk"),
            lambda pks: Render.objects.retry_all(pks, user=person),
            log=_("Asked for another attempt."),
            done=ngettext_lazy("%d document is tried again.", "%d documents are tried again."),
            left=ngettext_lazy(
                "%d document was left as it is: it is ready or still under way.",
                "%d documents were left as they are: they are ready or still under way.",
            ),
        )

    @admin.action(
        description=_("Make a link to the selected documents, for 7 days"), permissions=["share"]
    )
    def share(self, request: HttpRequest, queryset: QuerySet[Render]) -> None:
        person = self.person(request)
        self.each(
            request,
            queryset.order_by("pk"),
            lambda render: link_to(render, person),
            log=_("Asked for a link."),
            done=ngettext_lazy(
                "%d link is asked for; it appears in the list of links.",
                "%d links are asked for; they appear in the list of links.",
            ),
            left=ngettext_lazy(
                "%d document was left as it is: there is nothing to link to, or you asked for "
                "its link a moment ago.",
                "%d documents were left as they are: there is nothing to link to, or you asked "
                "for their links a moment ago.",
            ),
        )

    @admin.action(description=_("Withdraw the selected documents"), permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Render]) -> Any:
        return self.confirm_many(request, queryset)


def _figure(number: Any) -> str:
    # Right-aligned by the stylesheet; nothing is quieter than a zero.
    shown = formats.number_format(number, force_grouping=True) if number else "–"
    return format_html('<span class="craftkit-figure">{}</span>', shown)
