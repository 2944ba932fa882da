"""Jobs: what is still to be done, what is in hand, and what is quarantined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models.functions import Left
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_craftkit.models import Job

from .about import JOBS, AboutAdmin, KindFilter
from .base import badge, press
from .buttons import button
from .lists import ProjectFilter, StateFilter, is_list

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

#: Characters of an error that a list shows.
SHORT = 120


class JobState(StateFilter):
    # The front page counts by the same method.
    states = {"quarantined": (_("quarantined"), lambda jobs: jobs.aside())}


@admin.register(Job)
class JobAdmin(AboutAdmin):
    kinds = JOBS
    list_display = ("shown_kind", "about", "project", "due_at", "hand", "failures", "short_error")
    list_filter = (JobState, KindFilter, ProjectFilter)
    sortable_by = ("due_at",)
    ordering = ("due_at", "pk")
    actions = ("take_up",)
    wholes = ("error",)
    columns = (
        "kind",
        "object_id",
        "project",
        "due_at",
        "attempts",
        "failures",
        "error",
        "created_at",
    )
    fields = (
        "shown_kind",
        "about",
        "project",
        "due_at",
        "hand",
        "attempts",
        "failures",
        "shown_error",
        "created_at",
        "shown_button",
    )
    readonly_fields = ("shown_kind", "about", "hand", "shown_error", "shown_button")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        may = self.has_take_up_permission(request)
        return [name for name in self.fields if name != "shown_button" or may]

    @admin.display(description=_("in hand"))
    def hand(self, job: Job) -> str | SafeString:
        if job.leased_until is None:
            return "–"
        if job.lease_token is None:
            return badge(_("quarantined"), "bad")
        return badge(_("in hand"), "busy")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        queryset: QuerySet[Job] = super().get_queryset(request)
        return queryset.annotate(error_start=Left("error", SHORT)) if is_list(request) else queryset

    @admin.display(description=_("error"))
    def short_error(self, job: Any) -> str:
        return str(job.error_start)

    @admin.display(description=_("error"))
    def shown_error(self, job: Job) -> str | SafeString:
        return self.text_of(job, "error")

    @admin.display(description=_("what can be done"))
    def shown_button(self, job: Job) -> SafeString:
        return press(self.address("take_up", job.pk), _("Carry it out now"))

    def has_take_up_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "carry_out_job")

    @admin.action(description=_("Carry the selected jobs out now"), permissions=["take_up"])
    def take_up(self, request: HttpRequest, queryset: Iterable[Job]) -> None:
        jobs = list(queryset)
        wanted: dict[tuple[str, str], list[int]] = {}
        for job in jobs:
            wanted.setdefault((job.kind, job.project), []).append(job.object_id)
        for (kind, project), pks in sorted(wanted.items()):
            Job.objects.ask(kind, pks, project)
        self.log_all(request, jobs, _("Asked for it to be carried out now."))
        text = ngettext("%d job is due now.", "%d jobs are due now.", len(jobs))
        self.message_user(request, text % len(jobs), "success")

    @button("take-up", "carry_out_job", name="take_up")
    def take_up_one(self, request: HttpRequest, job: Job) -> HttpResponse:
        self.take_up(request, [job])
        answer: HttpResponse = self.back(request, job)
        return answer
