"""Form submissions: what somebody has filled in, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from django_craftkit.admin.common.base import MirrorAdmin, age_column, json_column
from django_craftkit.admin.common.format import badge, linked
from django_craftkit.admin.common.lists import ProjectFilter
from django_craftkit.admin.common.sources import note_sources, source_link
from django_craftkit.admin.common.truncate import long_of, object_of, short_line, short_name
from django_craftkit.models import FormSubmission, Render
from django_craftkit.visibility import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

    class ShownSubmission(FormSubmission):
        """One as ``prepare_rows`` leaves it."""

        knows_document: bool
        sees_document: bool
        sees_session: bool


#: Fields that a page lists.
MOST = 300


@admin.register(FormSubmission)
class FormSubmissionAdmin(MirrorAdmin[FormSubmission]):
    _SHOWN = ("shown_template", "shown_version", "about", "document", "state")
    list_display = (*_SHOWN, "project", "shown_received")
    list_filter = (ProjectFilter,)
    # No index has them all by another column.
    sortable_by = ()
    search_exact = ("template", "session_id", "render_remote_id")
    ordering = ("-pk",)
    wholes = ("data", "answer")
    filterable = ("template", "version")
    fields = (
        *_SHOWN,
        "shown_data",
        "submitted_at",
        "received_at",
        "shown_session",
        "project",
        "session_id",
        "render_remote_id",
        "shown_answer",
        "body_hash",
    )
    shown_received = age_column("received_at", _("received"))
    shown_answer = json_column("answer", _("further data"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[FormSubmission]:
        queryset = super().get_queryset(request).select_related("render", "source_type")
        return queryset.defer(*long_of(Render, "render"), "render__counts")

    def prepare_rows(self, request: HttpRequest, rows: Sequence[ShownSubmission]) -> None:
        note_sources(request, rows)
        sees_documents = self.allows(request, "view_render")
        sees_sessions = self.allows(request, "view_embedsession")
        # What is about an object of the user's own may have another's document all the same.
        pks = {row.render_id for row in rows if row.render_id is not None}
        renders = Render.objects.filter(pk__in=pks)
        mine = visible(renders, request)
        known = pks if mine is renders else set(mine.values_list("pk", flat=True))
        for row in rows:
            row.sees_document = sees_documents and row.render_id in known
            row.knows_document = row.render_id in known
            row.sees_session = sees_sessions

    @admin.display(description=_("form"))
    def shown_template(self, row: FormSubmission) -> str:
        return short_name(row.template)

    @admin.display(description=_("version"))
    def shown_version(self, row: FormSubmission) -> str:
        # As code names it: it is no quantity.
        return "–" if row.version is None else str(row.version)

    @admin.display(description=_("state"))
    def state(self, row: FormSubmission) -> str:
        return "–" if row.erased_at is None else badge(_("erased"), "quiet")

    @admin.display(description=_("about"))
    def about(self, row: ShownSubmission) -> str:
        return source_link(self, row)

    @admin.display(description=_("document"))
    def document(self, row: ShownSubmission) -> str:
        if row.render is None or not row.knows_document:
            return "–"
        url = self.address("change", row.render.pk, model="render") if row.sees_document else ""
        return linked(url, short_name(row.render.title))

    @admin.display(description=_("embed session"))
    def shown_session(self, row: ShownSubmission) -> str:
        # On a row's own page alone: no list looks for sessions.
        session = row.session if row.sees_session else None
        if session is None:
            return "–"
        url = self.address("change", session.pk, model="embedsession")
        return linked(url, _now("Show the session that it was filled in by"))

    @admin.display(description=_("data"))
    def shown_data(self, row: FormSubmission) -> str:
        fields = list(_flat(object_of(row, "data"), MOST + 1))
        if not fields:
            return self.json_of(row, "data")
        shown = [(short_name(path), short_line(text)) for path, text in fields[:MOST]]
        is_cut = len(fields) > MOST or any(text.endswith("…") for _path, text in shown)
        line = '<tr><th scope="row"><code>{}</code></th><td>{}</td></tr>'
        return format_html(
            '<div><table class="craftkit-table"><tbody>{}</tbody></table>{}</div>',
            format_html_join("", line, shown),
            self.more_of(row, "data", is_cut=is_cut),
        )


def _flat(data: Mapping[str, object], most: int) -> Iterator[tuple[str, str]]:
    """Yield the fields of nested data by their dotted paths, in their order, up to so many."""
    left: list[tuple[str, object]] = list(data.items())[::-1]
    while left and most:
        path, value = left.pop()
        if isinstance(value, dict) and value:
            left += [(f"{path}.{name}", item) for name, item in list(value.items())[::-1]]
        elif isinstance(value, list) and value:
            numbered = [(f"{path}[{n}]", item) for n, item in enumerate(value[:most])]
            left += numbered[::-1]
        else:
            most -= 1
            yield path, _text(value)


def _text(value: object) -> str:
    if value is None or value in ({}, []):
        return "–"
    if isinstance(value, bool):
        return _now("yes") if value else _now("no")
    return str(value)
