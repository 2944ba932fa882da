"""Projects: which of them are paused, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models.functions import Left
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from django_craftkit.models import ProjectState

from .base import MirrorAdmin, age, badge, press
from .buttons import button
from .lists import StateFilter, is_list
from .texts import LONGEST_LINE, start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


class PauseFilter(StateFilter):
    # The front page counts by the same method.
    states = {"paused": (_("paused"), lambda projects: projects.paused())}


@admin.register(ProjectState)
class ProjectStateAdmin(MirrorAdmin):
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
    wholes = ("pause_reason",)
    columns = (
        "project",
        "capability",
        "paused_at",
        "pause_code",
        "pause_reason",
        "probes",
        "probe_at",
        "worker_seen_at",
        "swept_at",
        "webhook_heard_at",
    )
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
        "shown_button",
    )
    readonly_fields = ("state", "shown_reason", "shown_button")
    _TRY = {
        "log": _("Asked for it to be tried again now."),
        "done": ngettext_lazy("%d project is tried again now.", "%d projects are tried again now."),
        "left": ngettext_lazy("%d project is not paused.", "%d projects are not paused."),
    }

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        paused = obj is not None and obj.paused_at is not None
        may = paused and self.has_resume_permission(request)
        return [name for name in self.fields if name != "shown_button" or may]

    @admin.display(description=_("state"))
    def state(self, state: ProjectState) -> SafeString:
        return badge(_("running"), "good") if state.paused_at is None else badge(_("paused"), "bad")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProjectState]:
        queryset: QuerySet[ProjectState] = super().get_queryset(request)
        if not is_list(request):
            return queryset
        return queryset.annotate(reason_start=Left("pause_reason", LONGEST_LINE + 1))

    @admin.display(description=_("reason"))
    def short_reason(self, state: Any) -> str:
        return start(state.reason_start, LONGEST_LINE)

    @admin.display(description=_("reason"))
    def shown_reason(self, state: ProjectState) -> str | SafeString:
        return self.text_of(state, "pause_reason")

    @admin.display(description=_("worker last seen"), ordering="worker_seen_at")
    def shown_seen(self, state: ProjectState) -> str | SafeString:
        return "–" if state.last_sign_at is None else age(state.last_sign_at)

    @admin.display(description=_("last sweep"), ordering="swept_at")
    def shown_swept(self, state: ProjectState) -> str | SafeString:
        return "–" if state.swept_at is None else age(state.swept_at)

    @admin.display(description=_("last webhook"), ordering="webhook_heard_at")
    def shown_webhook(self, state: ProjectState) -> str | SafeString:
        return "–" if state.webhook_heard_at is None else age(state.webhook_heard_at)

    @admin.display(description=_("what can be done"))
    def shown_button(self, state: ProjectState) -> SafeString:
        return press(self.address("try_again", state.pk), _("Try again now"))

    def has_resume_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "resume_projectstate")

    @admin.action(description=_("Try the selected projects again now"), permissions=["resume"])
    def try_again(self, request: HttpRequest, queryset: Iterable[ProjectState]) -> None:
        self.each(request, queryset, ProjectState.try_again, **self._TRY)

    @button("try-again", "resume_projectstate", name="try_again")
    def try_again_one(self, request: HttpRequest, state: ProjectState) -> HttpResponse:
        self.try_again(request, [state])
        answer: HttpResponse = self.back(request, state)
        return answer
