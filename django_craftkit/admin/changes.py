"""Changes: the history of everything, and which receivers got a signal of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from django_craftkit.admin.common.base import Said, text_column
from django_craftkit.admin.common.buttons import row_action
from django_craftkit.admin.common.format import badge, signer_name
from django_craftkit.admin.common.truncate import loads, short_line, short_name
from django_craftkit.admin.common.work import KindFilter, TargetAdmin
from django_craftkit.models import Change, Render, Share, SignatureRequest
from django_craftkit.models.batch import COMPLETED, OPEN
from django_craftkit.models.erased import NAMING
from django_craftkit.models.problems import Problem
from django_craftkit.models.project import PAUSED, RUNNING
from django_craftkit.models.render_manager import OVERDUE, WITHDRAWN
from django_craftkit.models.superseding import CORRECTED, SUPERSEDED, SUPERSEDES
from django_craftkit.visibility import is_narrowed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.http import HttpRequest
    from django.utils.functional import _StrOrPromise

    class ShownChange(Change):
        """One as its page and its list have read it."""

        target_key: str | None
        signer: str
        receivers_text: str | None


#: Receivers that a page lists.
MOST_RECEIVERS = 50
#: What a status is called, by the kind of what has it.
STATUSES: dict[str, Mapping[str, _StrOrPromise]] = {
    Change.Kind.RENDER: {
        **dict(Render.Status.choices),
        WITHDRAWN: _("withdrawn"),
        OVERDUE: _("overdue"),
        CORRECTED: _("correction requested"),
        SUPERSEDED: _("replaced"),
        SUPERSEDES: _("has replaced another"),
        "archived": _("archived"),
    },
    Change.Kind.SHARE: dict(Share.Status.choices),
    Change.Kind.SIGNATURE: {
        **dict(SignatureRequest.Status.choices),
        "signed": _("signed by one person"),
        "archived": _("archived"),
    },
    Change.Kind.FORM: {"submitted": _("submitted")},
    Change.Kind.BATCH: {OPEN: _("not complete"), COMPLETED: _("complete")},
    Change.Kind.PROJECT: {RUNNING: _("running"), PAUSED: _("paused")},
}
#: Whose notes are theirs to tell: why somebody has declined, what is wrong with the settings.
NOTES: dict[str, str] = {
    Change.Kind.SIGNATURE: "view_signaturerequest",
    Change.Kind.PROJECT: "view_projectstate",
}


@admin.register(Change)
class ChangeAdmin(TargetAdmin[Change]):
    kinds = dict(Change.Kind.choices)
    list_display = (
        "created_at",
        "target",
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
    button = _("Call the receivers again")
    wholes = ("note", "receivers")
    filterable = ("kind", "object_id", "from_status", "to_status", "announcement")
    fields = (
        "created_at",
        "target",
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
    _TONES = {"due": "busy", "done": "good", "abandoned": "bad"}
    _REPLAY = Said(
        log=_("Asked for the receivers that failed to be called again."),
        done=ngettext_lazy(
            "The receivers of %d change are called again.",
            "The receivers of %d changes are called again.",
        ),
        left=ngettext_lazy(
            "%d change was left as it is: no receiver of it was given up.",
            "%d changes were left as they are: no receiver of them was given up.",
        ),
    )
    shown_note = text_column("note", _("note"))

    def get_filterable(self, request: HttpRequest) -> Sequence[str]:
        sees = all(self.allows(request, permission) for permission in NOTES.values())
        sees = sees and not is_narrowed(request)
        columns = super().get_filterable(request)
        return [*columns, "note"] if sees else columns

    def get_wholes(self, request: HttpRequest, obj: Change) -> Sequence[str]:
        sees = obj.kind not in NOTES or self.allows(request, NOTES[obj.kind])
        # Whoever sees some documents alone is not told the key of another.
        sees = sees and not (obj.to_status in NAMING and is_narrowed(request))
        return [name for name in self.wholes if name != "note" or sees]

    def get_fields(self, request: HttpRequest, obj: Change | None = None) -> tuple[str, ...]:
        sees_note = obj is not None and "note" in self.get_wholes(request, obj)
        fields = super().get_fields(request, obj)
        return tuple(name for name in fields if name != "shown_note" or sees_note)

    def is_offered(self, row: Change) -> bool:
        return row.announcement == Change.Announcement.ABANDONED

    def prepare_rows(self, request: HttpRequest, rows: Sequence[ShownChange]) -> None:
        super().prepare_rows(request, rows)
        # Who has signed, is the request's to tell.
        sees = self.allows(request, "view_signaturerequest")
        for row in rows:
            row.signer = signer_name(row.recipient) if sees and row.recipient is not None else ""

    @admin.display(description=_("step"))
    def step(self, change: ShownChange) -> str:
        labels = STATUSES.get(change.kind, {})
        before, after = change.from_status, change.to_status
        step = f"{labels.get(before, before) or '–'} → {labels.get(after, after)}"
        return f"{step}: {change.signer}" if change.signer else step

    @admin.display(description=_("announcement"))
    def shown_announcement(self, change: Change) -> str:
        tone = self._TONES.get(change.announcement, "quiet")
        return badge(change.get_announcement_display(), tone)

    @admin.display(description=_("receivers that failed"))
    def shown_receivers(self, change: ShownChange) -> str:
        found = loads(change.receivers_text)
        receivers = found if isinstance(found, dict) else {}
        rows = []
        for name, entry in sorted(receivers.items())[:MOST_RECEIVERS]:
            failed = entry if isinstance(entry, dict) else {}
            counted = failed.get("attempts")
            attempts = counted if isinstance(counted, int) else 0
            tries = ngettext("%d try", "%d tries", attempts) % attempts
            abandoned = badge(_("given up"), "bad") if failed.get("abandoned") else ""
            said = (str(failed.get(name, "")) for name in ("error_code", "error"))
            error = short_line(str(Problem(*said)))
            rows.append((short_name(name), tries, abandoned, error))
        if not rows:
            is_unreadable = found is None and change.receivers_text not in (None, "null")
            return self.more_of(change, "receivers", is_cut=is_unreadable) or "–"
        is_cut = len(receivers) > len(rows) or any(str(row[-1]).endswith("…") for row in rows)
        row = "<tr><td><code>{}</code></td><td>{} {}</td><td>{}</td></tr>"
        return format_html(
            "<div><table><tbody>{}</tbody></table>{}</div>",
            format_html_join("", row, rows),
            self.more_of(change, "receivers", is_cut=is_cut),
        )

    @row_action("replay", "replay_change", _("Call the receivers of the selected changes again"))
    def replay(self, request: HttpRequest, queryset: Iterable[Change]) -> None:
        self.each(request, queryset, Change.replay, self._REPLAY)
