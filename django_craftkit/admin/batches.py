"""Batches: how far each has come, and another attempt at what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy, npgettext

from django_craftkit.admin.common.base import MirrorAdmin, age_column
from django_craftkit.admin.common.buttons import button
from django_craftkit.admin.common.format import Context, age, brief, name_of, side_by_side
from django_craftkit.admin.common.lists import ProjectFilter, StateFilter
from django_craftkit.database import database
from django_craftkit.models import Batch, Render
from django_craftkit.models.batch import count_by_status
from django_craftkit.permissions import user_of
from django_craftkit.visibility import visible, visible_documents
from django_craftkit.words import grouped, inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    class ShownBatch(Batch):
        """One as ``prepare_rows`` leaves it."""

        numbers: dict[str, int]


#: The statuses of documents in the order of a bar, and their colours.
TONES = {
    Render.Status.SUCCEEDED: "good",
    Render.Status.RENDERING: "busy",
    Render.Status.QUEUED: "busy",
    Render.Status.PENDING: "busy",
    Render.Status.CANCELLED: "quiet",
    Render.Status.REJECTED: "bad",
    Render.Status.FAILED: "bad",
}


class BatchState(StateFilter):
    states = {
        "open": (_("not complete"), lambda rows: rows.filter(completed_at=None)),
        "complete": (_("complete"), lambda rows: rows.filter(completed_at__isnull=False)),
    }


@admin.register(Batch)
class BatchAdmin(MirrorAdmin[Batch]):
    list_display = ("shown_name", "template", "project", "shown_age", "shown_user", "progress")
    list_filter = (BatchState, ProjectFilter)
    list_select_related = ("requested_by",)
    # The documents of all that a page shows are counted.
    list_per_page = 20
    search_prefixes = ("name",)
    ordering = ("-requested_at", "-pk")
    sortable_by = ("shown_age",)
    filterable = ("name",)
    fields = ("template", "project", "requested_at", "filled_at", "completed_at")
    shown_age = age_column("requested_at", _("asked for"), "-requested_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        return super().get_queryset(request).select_related("requested_by")

    def prepare_rows(self, request: HttpRequest, rows: Sequence[ShownBatch]) -> None:
        documents = visible(Render.objects.all(), request)
        counts = count_by_status(documents, [row.pk for row in rows])
        for row in rows:
            row.numbers = counts[row.pk]

    @admin.display(description=_("name"))
    def shown_name(self, batch: Batch) -> str:
        return brief(batch.title)

    @admin.display(description=_("requested by"))
    def shown_user(self, batch: Batch) -> str:
        return name_of(batch.requested_by) or "–"

    @admin.display(description=_("progress"))
    def progress(self, batch: ShownBatch) -> str:
        return format_html("{} {} {}", _bar(batch.numbers), _of_all(batch.numbers), _badges(batch))

    def context_of(self, request: HttpRequest, row: ShownBatch) -> Context:
        failed = _failed(row.numbers)
        may_retry = failed and self.allows(request, "retry_render", row)
        text = ngettext("Retry the %s that failed", "Retry the %s that failed", failed)
        return {
            "batch": {
                "name": self.shown_name(row),
                "badges": _badges(row),
                "age": inside(age, row.requested_at),
                "asked_by": name_of(row.requested_by),
                "bar": _bar(row.numbers),
                "done": _of_all(row.numbers),
                "is_open": row.filled_at is None,
                "figures": list(self._figures(request, row)),
                "retry": text % grouped(failed),
                "retry_url": self.address("retry", row.pk) if may_retry else "",
            }
        }

    def _figures(self, request: HttpRequest, row: ShownBatch) -> Iterator[Context]:
        """Yield how many documents have which status, and where they are listed."""
        sees = self.allows(request, "view_render")
        url = self.address("changelist", model="render") if sees else ""
        number = sum(row.numbers.values())
        label = npgettext("of a batch", "document", "documents", number)
        shown: list[tuple[int, str, str, dict[str, str]]] = [(number, label, "plain", {})]
        for status, tone in TONES.items():
            if number := row.numbers[status]:
                tone = "bad" if tone == "bad" else "plain"
                shown.append((number, str(status.label), tone, {"status__exact": status.value}))
        for number, label, tone, query in shown:
            found = urlencode({"batch__id__exact": row.pk, **query})
            yield {
                "number": grouped(number),
                "label": label,
                "tone": tone,
                "url": url and f"{url}?{found}",
            }

    @button("retry", "retry_render")
    def retry_view(self, request: HttpRequest, batch: Batch) -> HttpResponse:
        of = visible_documents(request, database())
        number = batch.retry_failed(user=user_of(request), of=of)
        if not number:
            text = _now("It was left as it is: none of its documents has failed.")
            return self.tell(request, batch, (messages.WARNING, text))
        done = ngettext_lazy("%d document is tried again.", "%d documents are tried again.")
        self.log_change(request, batch, str(done % number))
        self.tell_count(request, done, number, messages.SUCCESS)
        return self.back(request, batch)


def _failed(numbers: Mapping[str, int]) -> int:
    return numbers[Render.Status.FAILED] + numbers[Render.Status.REJECTED]


def _badges(batch: ShownBatch) -> SafeString:
    if batch.filled_at is None:
        badges = [(_now("not all requested"), "warn")]
    elif any(batch.numbers[status] for status in Render.UNDER_WAY):
        badges = [(_now("under way"), "busy")]
    else:
        badges = [(_now("complete"), "good")]
    if failed := _failed(batch.numbers):
        badges.append((_now("%s failed") % grouped(failed), "bad"))
    return side_by_side(badges)


def _of_all(numbers: Mapping[str, int]) -> SafeString:
    """Return how many documents have ended, of how many."""
    number = sum(numbers.values())
    ended = number - sum(numbers[status] for status in Render.UNDER_WAY)
    text = _now("%(ended)s of %(all)s") % {"ended": grouped(ended), "all": grouped(number)}
    return format_html('<span class="craftkit-figure">{}</span>', text)


def _bar(numbers: Mapping[str, int]) -> SafeString:
    """Return a picture of how far a batch has come; the numbers beside it say the same."""
    number = sum(numbers.values())
    parts, start = [], 0.0
    for status, tone in TONES.items():
        if numbers[status]:
            width = 100 * numbers[status] / number
            parts.append((tone, f"{start:.2f}", f"{width:.2f}"))
            start += width
    rect = '<rect class="craftkit-bar__part craftkit-bar__part--{}" x="{}" width="{}" height="1"/>'
    return format_html(
        '<svg class="craftkit-bar" viewBox="0 0 100 1" preserveAspectRatio="none" '
        'aria-hidden="true">{}</svg>',
        format_html_join("", rect, parts),
    )
