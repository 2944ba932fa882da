"""Jobs: what is still to be done, what is leased, and what is quarantined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models.functions import Left
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from django_craftkit.admin.common.base import problem_column
from django_craftkit.admin.common.buttons import row_action
from django_craftkit.admin.common.format import badge
from django_craftkit.admin.common.lists import ProjectFilter, StateFilter, is_list
from django_craftkit.admin.common.work import KindFilter, TargetAdmin
from django_craftkit.models import Job
from django_craftkit.models.problems import ErrorCode, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

    class ListedJob(Job):
        error_start: str


#: Characters of an error that a list shows.
SHORT = 120


class JobState(StateFilter):
    # The front page counts by the same method.
    states = {"quarantined": (_("quarantined"), lambda jobs: jobs.quarantined())}


@admin.register(Job)
class JobAdmin(TargetAdmin[Job]):
    kinds = dict(Job.Kind.choices)
    _SHOWN = ("shown_kind", "target", "project", "due_at", "lease")
    list_display = (*_SHOWN, "failures", "short_error")
    list_filter = (JobState, KindFilter, ProjectFilter)
    sortable_by = ("due_at",)
    ordering = ("due_at", "pk")
    actions = ("take_up",)
    button = _("Carry it out now")
    wholes = ("error",)
    filterable = ("kind", "object_id", "error")
    fields = (
        *_SHOWN,
        "attempts",
        "failures",
        "shown_error",
        "error_code",
        "created_at",
        "shown_button",
    )
    shown_error = problem_column()

    def prepare_rows(self, request: HttpRequest, rows: Sequence[ListedJob]) -> None:
        super().prepare_rows(request, rows)
        if self.allows(request, "view_projectstate"):
            return
        for job in rows:
            if job.error_code == ErrorCode.NOT_CONFIGURED:
                # What is wrong with them is for whoever may see the project.
                job.error = job.error_start = ""

    def get_filterable(self, request: HttpRequest) -> Sequence[str]:
        names = super().get_filterable(request)
        if self.allows(request, "view_projectstate"):
            return names
        return [name for name in names if name != "error"]

    def get_wholes(self, request: HttpRequest, obj: Job) -> Sequence[str]:
        is_hidden = obj.error_code == ErrorCode.NOT_CONFIGURED
        return () if is_hidden and not self.allows(request, "view_projectstate") else self.wholes

    @admin.display(description=_("in hand"))
    def lease(self, job: Job) -> str:
        if job.leased_until is None:
            return "–"
        is_leased = job.lease_token is not None
        return badge(_("in hand"), "busy") if is_leased else badge(_("quarantined"), "bad")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        queryset = super().get_queryset(request)
        return queryset.annotate(error_start=Left("error", SHORT)) if is_list(request) else queryset

    @admin.display(description=_("error"))
    def short_error(self, job: ListedJob) -> str:
        return str(Problem(job.error_code, job.error_start))

    @row_action("take-up", "carry_out_job", _("Carry the selected jobs out now"))
    def take_up(self, request: HttpRequest, queryset: Iterable[Job]) -> None:
        jobs = list(queryset)
        requested: dict[tuple[str, str], list[int]] = {}
        for job in jobs:
            requested.setdefault((job.kind, job.project), []).append(job.object_id)
        for (kind, project), pks in sorted(requested.items()):
            Job.objects.request(kind, pks, project)
        self.log_all(request, jobs, _("Asked for it to be carried out now."))
        text = ngettext_lazy("%d job is due now.", "%d jobs are due now.")
        self.tell_count(request, text, len(jobs), messages.SUCCESS)
