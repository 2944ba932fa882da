"""What lies beneath: jobs, changes, projects."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_craftkit.models import Change, Job, ProjectState

from .base import MirrorAdmin


@admin.register(Job)
class JobAdmin(MirrorAdmin):
    list_display = ("kind", "object_id", "project", "due_at", "leased_until", "failures", "error")
    list_filter = ("kind", "project")
    search_fields = ("=object_id",)
    ordering = ("due_at", "pk")


@admin.register(Change)
class ChangeAdmin(MirrorAdmin):
    list_display = (
        "created_at",
        "kind",
        "object_id",
        "from_status",
        "to_status",
        "cause",
        "person",
        "announcement",
    )
    list_filter = ("kind", "announcement")
    list_select_related = ("person",)
    search_fields = ("=object_id",)
    ordering = ("-pk",)


@admin.register(ProjectState)
class ProjectStateAdmin(MirrorAdmin):
    list_display = ("project", "is_running", "pause_reason", "swept_at", "webhook_heard_at")
    ordering = ("project",)

    @admin.display(description=_("running"), boolean=True)
    def is_running(self, state: ProjectState) -> bool:
        return state.paused_at is None
