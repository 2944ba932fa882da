"""Documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_craftkit import builders, conf
from django_craftkit.models import Change, Render, Share

from .base import MirrorAdmin, ProjectFilter, TabularInline, pretty

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


class ShareInline(TabularInline):
    model = Share
    fk_name = "render"
    fields = ("status", "channel", "recipient_email", "expires_at", "requested_by", "revoked_at")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Share]:
        queryset: QuerySet[Share] = super().get_queryset(request)
        return queryset.select_related("requested_by", "render").defer(
            "render__data", "render__answer", "render__field_errors"
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TemplateFilter(admin.SimpleListFilter):
    """The templates that are declared; the search finds the others."""

    title = _("template")
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        aliases = conf.project_aliases()
        slugs = {slug for alias in aliases for slug in builders.templates_of(alias)}
        return [(slug, slug) for slug in sorted(slugs)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(template=self.value()) if self.value() else queryset


@admin.register(Render)
class RenderAdmin(MirrorAdmin):
    list_display = ("key", "template", "shown_status", "source_link", "requested_at", "attempt")
    list_filter = ("status", ProjectFilter, TemplateFilter)
    search_fields = ("key", "template", "=source_id")
    ordering = ("-requested_at", "-pk")
    actions = ("retry", "share")
    inlines = (ShareInline,)
    fieldsets = (
        (None, {"fields": ("shown_status", "template", "version", "key", "source_link")}),
        (_("What went wrong"), {"fields": ("error", "error_code", "shown_field_errors")}),
        (_("The way of this document"), {"fields": ("timeline", "attempt")}),
        (_("Data"), {"fields": ("shown_data", "builder"), "classes": ("collapse",)}),
        (
            _("At Craftkit"),
            {
                "fields": ("project", "remote_id", "accepted_at", "completed_at", "shown_answer"),
                "classes": ("collapse",),
            },
        ),
    )
    readonly_fields = (
        "shown_status",
        "source_link",
        "shown_field_errors",
        "timeline",
        "shown_data",
        "shown_answer",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Render]:
        queryset = super().get_queryset(request).select_related("source_type")
        match = request.resolver_match
        if match and match.url_name and match.url_name.endswith("_changelist"):
            queryset = queryset.defer("data", "answer", "field_errors")
        return queryset

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = super().get_fieldsets(request, obj)
        return [entry for entry in shown if entry[0] != shown[1][0] or (obj and obj.error)]

    @admin.display(description=_("status"), ordering="status")
    def shown_status(self, render: Render) -> str:
        label = str(render.get_status_display())
        return f"{label} ({_('overdue')})" if render.is_overdue else label

    @admin.display(description=_("about"))
    def source_link(self, render: Render) -> str | SafeString:
        if render.source_type is None:
            return "–"
        label = f"{render.source_type.name} {render.source_id}"
        name = f"admin:{render.source_type.app_label}_{render.source_type.model}_change"
        try:
            return format_html(
                '<a href="{}">{}</a>', reverse(name, args=[quote(render.source_id)]), label
            )
        except NoReverseMatch:
            return label

    @admin.display(description=_("data"))
    def shown_data(self, render: Render) -> str | SafeString:
        return "–" if render.data is None else pretty(render.data)

    @admin.display(description=_("answer"))
    def shown_answer(self, render: Render) -> SafeString:
        return pretty(render.answer)

    @admin.display(description=_("errors by field"))
    def shown_field_errors(self, render: Render) -> str | SafeString:
        rows = [(name, "; ".join(errors)) for name, errors in sorted(render.field_errors.items())]
        return format_html_join("", "<div><code>{}</code>: {}</div>", rows) or "–"

    @admin.display(description=_("timeline"))
    def timeline(self, render: Render) -> SafeString:
        changes = Change.objects.filter(kind="render", object_id=render.pk)
        statuses = {str(value): label for value, label in Render.Status.choices}
        rows: list[tuple[Any, ...]] = [
            (render.requested_at, _("asked for"), render.requested_by or "", "")
        ]
        rows += [
            (
                change.created_at,
                statuses.get(change.to_status, change.to_status),
                change.person or change.get_cause_display(),
                change.note,
            )
            for change in changes.select_related("person").order_by("pk")
        ]
        return format_html(
            "<table><tbody>{}</tbody></table>",
            format_html_join(
                "",
                "<tr><td>{}</td><td><strong>{}</strong></td><td>{}</td><td>{}</td></tr>",
                [(_local(at), what, who, note) for at, what, who, note in rows],
            ),
        )

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "retry_render")

    def has_share_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "add_share")

    @admin.action(description=_("Retry the selected documents"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Render]) -> None:
        # Read at once: a page that is filtered by status loses them as they are retried.
        renders = list(queryset.order_by("pk"))
        retried = 0
        for render in renders:
            if render.retry(user=self.person(request)):
                self.log_change(request, render, str(_("Asked for another attempt.")))
                retried += 1
        left = len(renders) - retried
        if retried:
            text = ngettext("%d document is tried again.", "%d documents are tried again.", retried)
            self.message_user(request, text % retried, messages.SUCCESS)
        if left:
            text = ngettext(
                "%d document was left as it is: it is ready or still under way.",
                "%d documents were left as they are: they are ready or still under way.",
                left,
            )
            self.message_user(request, text % left, messages.WARNING)

    @admin.action(description=_("Make a link to the selected documents"), permissions=["share"])
    def share(self, request: HttpRequest, queryset: QuerySet[Render]) -> None:
        made = 0
        for render in queryset.order_by("pk"):
            render.share(user=self.person(request))
            self.log_change(request, render, str(_("Asked for a link.")))
            made += 1
        text = ngettext(
            "%d link was asked for; it appears under Shares once Craftkit has made it.",
            "%d links were asked for; they appear under Shares once Craftkit has made them.",
            made,
        )
        self.message_user(request, text % made, messages.SUCCESS)


def _local(moment: Any) -> str:
    from django.utils import formats, timezone

    aware = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return formats.date_format(aware, "DATETIME_FORMAT")
