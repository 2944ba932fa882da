"""Changes: the history of everything, and which receivers have heard of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from django_craftkit.models import Change, Render, Share, SignatureRequest
from django_craftkit.models.render import KIND as RENDER
from django_craftkit.models.render import OVERDUE, WITHDRAWN
from django_craftkit.models.share import KIND as SHARE
from django_craftkit.models.signature import KIND as SIGNATURE
from django_craftkit.models.work import PAUSED, PROJECT, RUNNING

from .about import CHANGES, AboutAdmin, KindFilter
from .base import badge, press
from .buttons import button
from .people import name_of
from .texts import LONGEST_LINE, LONGEST_NAME, loads, start

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

#: Receivers that a page lists.
MOST_RECEIVERS = 50
#: What a status is called, by the kind of what has it.
STATUSES: dict[str, dict[str, Any]] = {
    RENDER: {
        **dict(Render.Status.choices),
        WITHDRAWN: _("withdrawn"),
        OVERDUE: _("overdue"),
        "archived": _("archived"),
    },
    SHARE: dict(Share.Status.choices),
    SIGNATURE: {
        **dict(SignatureRequest.Status.choices),
        "signed": _("signed by one person"),
        "archived": _("archived"),
    },
    PROJECT: {RUNNING: _("running"), PAUSED: _("paused")},
}
#: Whose notes are theirs to tell: why somebody has declined, what is wrong with the settings.
NOTES = {SIGNATURE: "view_signaturerequest", PROJECT: "view_projectstate"}


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
    wholes = ("note", "receivers")
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
        "shown_note",
        "signal",
        "shown_announcement",
        "shown_receivers",
        "shown_button",
    )
    readonly_fields = (
        "about",
        "shown_kind",
        "step",
        "shown_note",
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
        sees = all(self.allows(request, permission) for permission in NOTES.values())
        return (*self.columns, "note") if sees else self.columns

    def get_wholes(self, request: HttpRequest, obj: Any) -> Sequence[str]:
        sees = obj.kind not in NOTES or self.allows(request, NOTES[obj.kind])
        return [name for name in self.wholes if name != "note" or sees]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = set()
        if obj is not None and "note" not in self.get_wholes(request, obj):
            hidden.add("shown_note")
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

    @admin.display(description=_("note"))
    def shown_note(self, change: Change) -> str | SafeString:
        return self.text_of(change, "note")

    @admin.display(description=_("announcement"))
    def shown_announcement(self, change: Change) -> SafeString:
        tone = self._TONES.get(change.announcement, "quiet")
        return badge(change.get_announcement_display(), tone)

    @admin.display(description=_("receivers that failed"))
    def shown_receivers(self, change: Any) -> str | SafeString:
        found = loads(change.receivers_text)
        receivers = found if isinstance(found, dict) else {}
        rows = []
        for name, entry in sorted(receivers.items())[:MOST_RECEIVERS]:
            failed = entry if isinstance(entry, dict) else {}
            counted = failed.get("attempts")
            attempts = counted if isinstance(counted, int) else 0
            tries = ngettext("%d try", "%d tries", attempts) % attempts
            given_up = badge(_("given up"), "bad") if failed.get("abandoned") else ""
            error = start(str(failed.get("error", "")), LONGEST_LINE)
            rows.append((start(name, LONGEST_NAME), tries, given_up, error))
        is_unreadable = found is None and change.receivers_text not in (None, "null")
        if not rows:
            return self.more_of(change, "receivers", is_cut=is_unreadable) or "–"
        is_cut = len(receivers) > len(rows) or any(str(row[-1]).endswith("…") for row in rows)
        return format_html(
            "<div><table><tbody>{}</tbody></table>{}</div>",
            format_html_join(
                "",
                "<tr><td><code>{}</code></td><td>{} {}</td><td>{}</td></tr>",
                rows,
            ),
            self.more_of(change, "receivers", is_cut=is_cut),
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
