"""Changes: the history of everything, and which receivers have heard of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from django_craftkit.models import Change, Render, Share, SignatureRequest
from django_craftkit.models.render import KIND as RENDER
from django_craftkit.models.share import KIND as SHARE
from django_craftkit.models.signature import KIND as SIGNATURE

from .about import CHANGES, AboutAdmin, KindFilter
from .base import badge, press
from .buttons import button
from .people import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

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
    columns = (
        "kind",
        "object_id",
        "attempt",
        "from_status",
        "to_status",
        "cause",
        "signal",
        "announcement",
        "created_at",
    )
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

    def get_columns(self, request: HttpRequest) -> Sequence[str]:
        # Why somebody has declined, is the request's to tell.
        sees = self.allows(request, "view_signaturerequest")
        return (*self.columns, "note") if sees else self.columns

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = set()
        is_of_signing = obj is not None and obj.kind == SIGNATURE
        if is_of_signing and "note" not in self.get_columns(request):
            hidden.add("note")
        given_up = obj is not None and obj.announcement == Change.Announcement.ABANDONED
        if not (given_up and self.has_replay_permission(request)):
            hidden.add("shown_button")
        return [name for name in self.fields if name not in hidden]

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
