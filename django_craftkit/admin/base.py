"""What the pages of the mirror have in common: they show facts, and nobody types facts."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_craftkit import conf
from django_craftkit.models import ProjectState

if TYPE_CHECKING:
    from django.utils.safestring import SafeString


def pretty(value: Any) -> SafeString:
    """Return a JSON value to be read."""
    return shown(json.dumps(value, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))


def shown(text: str) -> SafeString:
    """Return a text as it is, but for what would be no UTF-8 or opens a document to anybody."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return format_html("<pre>{}</pre>", _PUBLIC_LINK.sub(r'\1"…"', text))


#: Craftkit's ``downloadUrl`` needs no right and never ends.
_PUBLIC_LINK = re.compile(r'("downloadUrl"\s*:\s*)"(?:[^"\\]|\\.)*"?')


def holds() -> list[dict[str, Any]]:
    """Return why anything is held up, for the banner."""
    found: list[dict[str, Any]] = [
        {"project": state.project, "since": state.paused_at, "reason": state.pause_reason}
        for state in ProjectState.objects.paused().order_by("project")
    ]
    if conf.options().PAUSED:
        found.insert(0, {"project": None})
    return found


# The generics are the type checker's alone.
if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponse

    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin, TabularInline = admin.ModelAdmin, admin.TabularInline


class ProjectFilter(admin.SimpleListFilter):
    """The configured projects: to ask the rows which there are would read all of them."""

    title = _("project")
    parameter_name = "project"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(alias, alias) for alias in conf.project_aliases()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(project=self.value()) if self.value() else queryset


class MirrorAdmin(ModelAdmin):
    """Read-only; what staff may do are actions, each behind its own permission."""

    list_per_page = 50
    show_full_result_count = False
    #: Columns that a page doesn't show as they are, and that no filter in an address may try out.
    unseen: tuple[str, ...] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup.partition("__")[0] not in self.unseen and super().lookup_allowed(
            lookup, value, request
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def person(self, request: HttpRequest) -> Any:
        return request.user

    def allows(self, request: HttpRequest, codename: str) -> bool:
        """Whether the person has a permission of this app."""
        return request.user.has_perm(f"craftkit.{codename}")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"craftkit_holds": holds(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"craftkit_holds": holds(), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)
