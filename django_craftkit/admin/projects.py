"""Projects: which of them are paused, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models.functions import Left
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from django_craftkit.admin.common.base import Said, age_column, text_column
from django_craftkit.admin.common.buttons import row_action
from django_craftkit.admin.common.format import badge
from django_craftkit.admin.common.lists import StateFilter, is_list
from django_craftkit.admin.common.truncate import LONGEST_LINE, short_line
from django_craftkit.admin.common.work import WorkAdmin
from django_craftkit.models import ProjectState
from django_craftkit.models.project import RESOLVED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet
    from django.http import HttpRequest

    class ListedState(ProjectState):
        reason_start: str


class PauseFilter(StateFilter):
    # The front page counts by the same method.
    states = {"paused": (_("paused"), lambda projects: projects.paused())}


@admin.register(ProjectState)
class ProjectStateAdmin(WorkAdmin[ProjectState]):
    list_display = (
        "project",
        "capability",
        "state",
        "short_reason",
        "shown_seen",
        "shown_swept",
        "shown_webhook",
    )
    list_filter = (PauseFilter,)
    ordering = ("project", "capability")
    actions = ("try_again",)
    button = _("Try again now")
    wholes = ("pause_reason",)
    filterable = ("pause_reason",)
    fields = (
        "project",
        "capability",
        "state",
        "paused_at",
        "pause_code",
        "shown_reason",
        "probes",
        "probe_at",
        "worker_seen_at",
        "swept_at",
        "webhook_heard_at",
        "templates_read_at",
        "shown_button",
    )
    _TRY = Said(
        log=_("Asked for it to be tried again now."),
        done=ngettext_lazy("%d project is tried again now.", "%d projects are tried again now."),
        left=ngettext_lazy("%d project is not paused.", "%d projects are not paused."),
    )
    shown_seen = age_column("last_sign_at", _("worker last seen"), "worker_seen_at")
    shown_swept = age_column("swept_at", _("last sweep"), "swept_at")
    shown_webhook = age_column("webhook_heard_at", _("last webhook"), "webhook_heard_at")
    shown_reason = text_column("pause_reason", _("reason"))

    def is_offered(self, row: ProjectState) -> bool:
        return row.paused_at is not None

    @admin.display(description=_("state"))
    def state(self, state: ProjectState) -> str:
        return badge(_("running"), "good") if state.paused_at is None else badge(_("paused"), "bad")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProjectState]:
        # It is on the front page, and is no project.
        queryset = super().get_queryset(request).exclude(project=RESOLVED)
        if not is_list(request):
            return queryset
        return queryset.annotate(reason_start=Left("pause_reason", LONGEST_LINE + 1))

    @admin.display(description=_("reason"))
    def short_reason(self, state: ListedState) -> str:
        return short_line(state.reason_start)

    @row_action("try-again", "resume_projectstate", _("Try the selected projects again now"))
    def try_again(self, request: HttpRequest, queryset: Iterable[ProjectState]) -> None:
        self.each(request, queryset, ProjectState.try_again, self._TRY)
