"""What lies beneath: jobs, changes, projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Q
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from django_craftkit.models import (
    Change,
    EngagementEvent,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
)
from django_craftkit.models.engagement import KIND as ENGAGEMENT
from django_craftkit.models.render import KIND as RENDER
from django_craftkit.models.share import KIND as SHARE
from django_craftkit.models.share import MAIL
from django_craftkit.models.signature import ARCHIVE, POLL, SEND
from django_craftkit.models.signature import KIND as SIGNATURE

from .base import MirrorAdmin, age, badge, linked
from .buttons import button
from .lists import Arm, ProjectFilter
from .people import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

ANNOUNCE = "announce "
ARCHIVE_PDF = "archive render"
#: What stands in a change: whose it is, and what it is called.
CHANGES = {
    RENDER: _("document"),
    SHARE: _("link"),
    SIGNATURE: _("signature request"),
    ENGAGEMENT: _("engagement event"),
}
#: What is done, by the kind of the job.
JOBS = {
    RENDER: _("make the document"),
    SHARE: _("make or revoke the link"),
    MAIL: _("send the e-mail"),
    ENGAGEMENT: _("ask who opened it"),
    ARCHIVE_PDF: _("keep the PDF"),
    SEND: _("send it to be signed"),
    SIGNATURE: _("ask who has signed, or cancel it"),
    POLL: _("ask who has signed what is out"),
    ARCHIVE: _("keep what was signed"),
    f"{ANNOUNCE}{RENDER}": _("tell this site of the document"),
    f"{ANNOUNCE}{SHARE}": _("tell this site of the link"),
    f"{ANNOUNCE}{SIGNATURE}": _("tell this site of the signature request"),
    f"{ANNOUNCE}{ENGAGEMENT}": _("tell this site of the event"),
}
#: What a status is called, by the kind of what has it.
STATUSES: dict[str, dict[str, Any]] = {
    RENDER: {**dict(Render.Status.choices), "archived": _("archived")},
    SHARE: dict(Share.Status.choices),
    SIGNATURE: {
        **dict(SignatureRequest.Status.choices),
        "signed": _("signed by one person"),
        "archived": _("archived"),
    },
}
#: Characters of an error that a list shows.
SHORT = 120


def press(url: str, label: Any) -> SafeString:
    """Return a button that sends the form of the page, and its token with it, elsewhere."""
    return format_html(
        '<button type="submit" class="button" formaction="{}">{}</button>', url, label
    )


def model_of(row: Job | Change) -> type[Any]:
    """Return what a row's number is the primary key of."""
    kind = row.kind.removeprefix(ANNOUNCE)
    if kind in (SHARE, MAIL):
        return Share
    if kind in (SIGNATURE, SEND, ARCHIVE):
        return SignatureRequest
    if kind == POLL:
        return ProjectState
    # The events of a document are asked for by document, and told of one by one.
    told = isinstance(row, Change) or row.kind != kind
    return EngagementEvent if kind == ENGAGEMENT and told else Render


class AboutAdmin(MirrorAdmin):
    """Rows that name what they are about by kind and number."""

    kinds: dict[str, Any] = {}
    search_help_text = _("The whole key of a document, or a number.")

    def search_arms(self, queryset: QuerySet[Any], text: str) -> Iterable[Arm]:
        if text.isascii() and text.isdigit() and len(text) < 19:
            # The number alone is no index's beginning.
            number = Q(kind__in=list(self.kinds), object_id=int(text))
            yield Arm(number, number)
        renders = list(Render.objects.filter(key=text).values_list("pk", flat=True)[:50])
        if renders:
            kinds = [kind for kind in self.kinds if model_of(self.model(kind=kind)) is Render]
            about = Q(kind__in=kinds, object_id__in=renders)
            yield Arm(about, about)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("object_id",)

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        pks: dict[type[Any], set[int]] = {}
        for row in rows:
            pks.setdefault(model_of(row), set()).add(row.object_id)
        keys = {Render: "key", ProjectState: "project"}
        named = {
            model: dict(
                model._default_manager.filter(pk__in=ids).values_list(
                    "pk", keys.get(model, "render__key")
                )
            )
            for model, ids in pks.items()
            if self.allows(request, f"view_{model._meta.model_name}")
        }
        for row in rows:
            row.about_key = named.get(model_of(row), {}).get(row.object_id)

    @admin.display(description=_("about"))
    def about(self, row: Any) -> str | SafeString:
        model = model_of(row)
        label = f"{model._meta.verbose_name} {row.object_id}"
        if row.about_key is None:
            return label
        url = self.address("change", row.object_id, model=str(model._meta.model_name))
        shown: str | SafeString = linked(url, row.about_key, title=label)
        return shown

    @admin.display(description=_("kind"), empty_value="–")
    def shown_kind(self, row: Any) -> Any:
        return self.kinds.get(row.kind, row.kind)


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(model_admin.kinds.items())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(AboutAdmin):
    kinds = JOBS
    list_display = ("shown_kind", "about", "project", "due_at", "hand", "failures", "short_error")
    list_filter = (KindFilter, ProjectFilter)
    sortable_by = ("due_at",)
    ordering = ("due_at", "pk")
    actions = ("take_up",)
    fields = (
        "shown_kind",
        "about",
        "project",
        "due_at",
        "hand",
        "attempts",
        "failures",
        "error",
        "created_at",
        "shown_button",
    )
    readonly_fields = ("shown_kind", "about", "hand", "shown_button")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        may = self.has_take_up_permission(request)
        return [name for name in self.fields if name != "shown_button" or may]

    @admin.display(description=_("in hand"))
    def hand(self, job: Job) -> str | SafeString:
        if job.leased_until is None:
            return "–"
        if job.lease_token is None:
            return badge(_("set aside"), "bad")
        return badge(_("in hand"), "busy")

    @admin.display(description=_("error"))
    def short_error(self, job: Job) -> str:
        return job.error[:SHORT]

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
        log_all(request, jobs, _("Asked for it to be carried out now."))
        text = ngettext("%d job is due now.", "%d jobs are due now.", len(jobs))
        self.message_user(request, text % len(jobs), "success")

    @button("take-up", "carry_out_job", name="take_up")
    def take_up_one(self, request: HttpRequest, job: Job) -> HttpResponse:
        self.take_up(request, [job])
        answer: HttpResponse = self.back(request, job)
        return answer


@admin.register(Change)
class ChangeAdmin(AboutAdmin):
    kinds = CHANGES
    list_display = (
        "created_at",
        "about",
        "shown_kind",
        "step",
        "cause",
        "person",
        "shown_announcement",
    )
    list_filter = (KindFilter, "announcement")
    list_select_related = ("person", "recipient")
    sortable_by = ()
    ordering = ("-pk",)
    actions = ("replay",)
    fields = (
        "created_at",
        "about",
        "shown_kind",
        "attempt",
        "step",
        "cause",
        "person",
        "note",
        "signal",
        "shown_announcement",
        "shown_receivers",
        "shown_button",
    )
    readonly_fields = (
        "about",
        "shown_kind",
        "step",
        "shown_announcement",
        "shown_receivers",
        "shown_button",
    )
    _TONES = {"due": "busy", "done": "good", "abandoned": "bad"}
    _REPLAY = {
        "log": _("Asked for the receivers that failed to be called again."),
        "done": ngettext_lazy(
            "The receivers of %d change are called again.",
            "The receivers of %d changes are called again.",
        ),
        "left": ngettext_lazy(
            "%d change was left as it is: no receiver of it was given up.",
            "%d changes were left as they are: no receiver of them was given up.",
        ),
    }

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        given_up = obj is not None and obj.announcement == Change.Announcement.ABANDONED
        may = given_up and self.has_replay_permission(request)
        return [name for name in self.fields if name != "shown_button" or may]

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        super().prepare_rows(request, rows)
        # Who has signed, is the request's to tell.
        sees = self.allows(request, "view_signaturerequest")
        for row in rows:
            row.signer = name_of(row.recipient) if sees and row.recipient is not None else ""

    @admin.display(description=_("step"))
    def step(self, change: Any) -> str:
        labels = STATUSES.get(change.kind, {})
        before, after = change.from_status, change.to_status
        step = f"{labels.get(before, before) or '–'} → {labels.get(after, after)}"
        return f"{step}: {change.signer}" if change.signer else step

    @admin.display(description=_("announcement"))
    def shown_announcement(self, change: Change) -> SafeString:
        tone = self._TONES.get(change.announcement, "quiet")
        return badge(change.get_announcement_display(), tone)

    @admin.display(description=_("receivers that failed"))
    def shown_receivers(self, change: Change) -> str | SafeString:
        receivers = change.receivers if isinstance(change.receivers, dict) else {}
        rows = []
        for name, entry in sorted(receivers.items()):
            failed = entry if isinstance(entry, dict) else {}
            attempts = int(failed.get("attempts") or 0)
            tries = ngettext("%d try", "%d tries", attempts) % attempts
            given_up = badge(_("given up"), "bad") if failed.get("abandoned") else ""
            rows.append((name, tries, given_up, failed.get("error", "")))
        if not rows:
            return "–"
        return format_html(
            "<table><tbody>{}</tbody></table>",
            format_html_join(
                "",
                "<tr><td><code>{}</code></td><td>{} {}</td><td>{}</td></tr>",
                rows,
            ),
        )

    @admin.display(description=_("what can be done"))
    def shown_button(self, change: Change) -> SafeString:
        return press(self.address("replay", change.pk), _("Call the receivers again"))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "replay_change")

    @admin.action(
        description=_("Call the receivers of the selected changes again"), permissions=["replay"]
    )
    def replay(self, request: HttpRequest, queryset: Iterable[Change]) -> None:
        self.each(request, queryset, Change.replay, **self._REPLAY)

    @button("replay", "replay_change")
    def replay_one(self, request: HttpRequest, change: Change) -> HttpResponse:
        self.replay(request, [change])
        answer: HttpResponse = self.back(request, change)
        return answer


@admin.register(ProjectState)
class ProjectStateAdmin(MirrorAdmin):
    list_display = (
        "project",
        "capability",
        "state",
        "pause_reason",
        "shown_swept",
        "shown_webhook",
    )
    ordering = ("project", "capability")
    actions = ("try_again",)
    fields = (
        "project",
        "capability",
        "state",
        "paused_at",
        "pause_code",
        "pause_reason",
        "probes",
        "probe_at",
        "swept_at",
        "webhook_heard_at",
        "shown_button",
    )
    readonly_fields = ("state", "shown_button")
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


def log_all(request: Any, rows: Sequence[Any], text: Any) -> None:
    """Write in the history of each row what was asked for, with one query."""
    if rows:
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, change_message=str(text))
