"""What lies beneath: jobs, changes, projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_craftkit import dispatch
from django_craftkit.database import database
from django_craftkit.models import Change, Job, ProjectState
from django_craftkit.models.render import KIND as RENDER
from django_craftkit.models.share import KIND as SHARE

from .base import MirrorAdmin, ProjectFilter

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = [RENDER, SHARE]
        if model_admin.model is Job:
            kinds += [f"announce {kind}" for kind in kinds]
        return [(kind, kind) for kind in kinds]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(MirrorAdmin):
    list_display = ("kind", "object_id", "project", "due_at", "leased_until", "failures", "error")
    list_filter = (KindFilter, ProjectFilter)
    search_fields = ("=object_id",)
    ordering = ("due_at", "pk")
    actions = ("take_up",)

    def has_take_up_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "carry_out_job")

    @admin.action(description=_("Carry the selected jobs out now"), permissions=["take_up"])
    def take_up(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        jobs = list(queryset)
        for job in jobs:
            Job.objects.wish(job.kind, [job.object_id], job.project)
            self.log_change(request, job, str(_("Asked for it to be carried out now.")))
        transaction.on_commit(dispatch.wake, using=database(), robust=True)
        text = ngettext("%d job is due now.", "%d jobs are due now.", len(jobs))
        self.message_user(request, text % len(jobs), messages.SUCCESS)


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
    list_filter = (KindFilter, "announcement")
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
